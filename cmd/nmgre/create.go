package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nmgre"
	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
)

// createFlags are create's flags as they were typed.
type createFlags struct {
	peer, local, peerAddress, name, mode, parent string
	key, inputKey, outputKey, ttl, tos           string
	addresses, routes                            []string
	mtu, encapLimit, flowLabel                   string
	noPMTUD, autoconnect                         bool
	snat                                         []string
	forward, clampMSS                            bool
	routesFrom                                   string
}

func (a *app) createCommand() *cobra.Command {
	var flags createFlags
	var run createRun
	cmd := &cobra.Command{
		Use:   "create --peer ADDR --address CIDR",
		Short: "make a tunnel, and prove that it works",
		Long: `create makes one end of a GRE tunnel: it checks that this host can have it, adds the profile to
NetworkManager, brings it up, adds the routes that NetworkManager cannot hold, reads back what the
kernel has, probes the far end, and only then writes the profile to disk. All of it happens or
none of it. A far end that does not answer yet is a warning: the first end of a tunnel is made
before the second.

A ROUTE is written as for ip route, without dev:
  10.10.2.0/24
  10.10.2.0/24 via 172.16.0.2 metric 50 table 100
  10.10.2.0/24 nexthop dev gre1 weight 1 nexthop dev gre2 weight 2`,
		Example: `  nmgre create --peer 100.0.2.100 --address 172.16.0.1/30 --route 10.10.2.0/24
  nmgre create --peer 2001:db8:2::100 --mode ip6gre --address 172.16.0.1/30 --key 42
  nmgre create --peer 100.0.2.100 --address 172.16.0.1/30 --dry-run`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkWait(run.wait); err != nil {
				return err
			}
			want, err := flags.tunnel(a)
			if err != nil {
				return err
			}
			run.autoName = want.Name == ""
			a.warnOctal(flags)
			return a.withHost(cmd.Context(), func(host *nmgre.Host) error { return a.create(cmd.Context(), host, want, run) })
		},
	}
	flags.register(cmd)
	waitFlag(cmd, &run.wait)
	jsonFlag(cmd, &run.json)
	cmd.Flags().BoolVar(&run.dryRun, "dry-run", false, "print every step, and change nothing")
	cmd.Flags().BoolVar(&run.noProbe, "no-probe", false, "do not probe the far end")
	return cmd
}

// register adds the flags that describe a tunnel.
func (f *createFlags) register(cmd *cobra.Command) {
	set := cmd.Flags()
	set.SortFlags = false
	set.StringVar(&f.peer, "peer", "", "the far end's outer address (required)")
	set.StringArrayVar(&f.addresses, "address", nil, "this end's inner address with its network's length, such as 172.16.0.1/30 (required; may be repeated)")
	set.StringVar(&f.local, "local", "", "this end's outer address, or any (default: the source address the kernel would use)")
	set.StringVar(&f.peerAddress, "peer-address", "", "the far end's inner address (default: the other host of a /30 or /31)")
	set.StringVar(&f.name, "name", "", "the interface's name, 1 to 15 bytes (default: the first free one of gre1, gre2, ...)")
	set.StringVar(&f.mode, "mode", "gre", "gre, gretap, ip6gre or ip6gretap")
	set.StringVar(&f.key, "key", "", "the key of both directions, a number of 32 bits, equal at both ends")
	set.StringVar(&f.inputKey, "input-key", "", "the key that packets must come with")
	set.StringVar(&f.outputKey, "output-key", "", "the key that packets are sent with")
	set.StringVar(&f.ttl, "ttl", strconv.Itoa(gre.DefaultTTL), "the outer TTL, 1 to 255, or inherit")
	set.StringVar(&f.tos, "tos", "0", "the outer TOS, 0 to 255, or inherit")
	set.StringVar(&f.mtu, "mtu", "", "the device's MTU in bytes, or auto (default: computed from the way to the far end)")
	set.BoolVar(&f.noPMTUD, "no-pmtud", false, "turn path MTU discovery off; needs --ttl inherit")
	set.StringVar(&f.parent, "parent", "", "the device that the tunnel is bound to")
	set.StringVar(&f.encapLimit, "encap-limit", "", "the tunnel encapsulation limit of the IPv6 modes, 1 to 255")
	set.StringVar(&f.flowLabel, "flow-label", "", "the flow label of the IPv6 modes, 0 to 1048575")
	set.StringArrayVar(&f.routes, "route", nil, "a ROUTE into the tunnel (may be repeated)")
	set.StringVar(&f.routesFrom, "routes-from", "", "a file with one ROUTE a line, or - for standard input")
	set.StringArrayVar(&f.snat, "snat", nil, "DEST=SOURCE: packets from the inner network to DEST leave with the source SOURCE, or masquerade for the address of the device they leave by (may be repeated)")
	set.BoolVar(&f.forward, "forward", false, "forward IPv4 packets between the tunnel and this host's networks, on just the devices involved")
	set.BoolVar(&f.clampMSS, "clamp-mss", false, "lower the MSS of TCP connections that are forwarded through the tunnel to what fits")
	set.BoolVar(&f.autoconnect, "autoconnect", true, "NetworkManager brings the tunnel up by itself")
	completeFlag(cmd, "mode", modeNames())
}

func modeNames() []string {
	var names []string
	for _, m := range gre.Modes {
		names = append(names, m.String())
	}
	return names
}

// tunnel reads the flags. All that are wrong are told at once.
func (f *createFlags) tunnel(a *app) (nm.Tunnel, error) {
	t := nm.NewTunnel()
	if err := f.into(&t, func(string) bool { return true }, a); err != nil {
		return t, err
	}
	return t, t.Validate()
}

// into puts the flags that were given into t; a list that was given takes the place of the one that
// t has.
func (f *createFlags) into(t *nm.Tunnel, given func(flag string) bool, a *app) error {
	var errs []error
	read := func(flag string, into func() error) {
		if !given(flag) {
			return
		}
		if err := into(); err != nil {
			errs = append(errs, err)
		}
	}
	read("name", func() error { t.Name = f.name; return nil })
	read("parent", func() error { t.Parent = unlessNone(f.parent); return nil })
	read("no-pmtud", func() error { t.NoPMTUD = f.noPMTUD; return nil })
	read("autoconnect", func() error { t.Autoconnect = f.autoconnect; return nil })
	read("forward", func() error { t.Forward = f.forward; return nil })
	read("clamp-mss", func() error { t.ClampMSS = f.clampMSS; return nil })
	read("mode", func() (err error) { t.Mode, err = gre.ParseMode(f.mode); return err })
	read("peer", func() (err error) {
		t.Remote, err = parseAddr("peer", f.peer, "give the far end's outer address, such as --peer 203.0.113.2")
		return err
	})
	read("local", func() error { return f.readLocal(t) })
	read("peer-address", func() (err error) {
		t.PeerAddress, err = parseAddr("peer-address", f.peerAddress, "give the far end's inner address, such as 172.16.0.2")
		return err
	})
	errs = append(errs, f.readKeys(t, given), f.readNumbers(t, given))
	read("address", func() error { return readList(&t.Addresses, f.addresses, parseInner) })
	if given("route") || given("routes-from") {
		errs = append(errs, f.readRoutes(t, a))
	}
	read("snat", func() error { return readList(&t.SNAT, f.snat, keep.ParseSNAT) })
	return errors.Join(errs...)
}

// none is the word for no value, where an edit takes one away.
const none = "none"

func unlessNone(text string) string {
	if text == none {
		return ""
	}
	return text
}

// readList reads every text of a list; none alone is the empty list.
func readList[T any](into *[]T, texts []string, parse func(string) (T, error)) error {
	*into = nil
	if len(texts) == 1 && texts[0] == none {
		return nil
	}
	var errs []error
	for _, text := range texts {
		one, err := parse(text)
		errs = append(errs, err)
		*into = append(*into, one)
	}
	return errors.Join(errs...)
}

// readRoutes reads the routes of the command line, then those of the file.
func (f *createFlags) readRoutes(t *nm.Tunnel, a *app) error {
	err := readList(&t.Routes, f.routes, a.names().Parse)
	if f.routesFrom == "" {
		return err
	}
	all, listErr := a.readRoutes(f.routesFrom)
	t.Routes = append(t.Routes, all.Routes...)
	return errors.Join(err, listErr)
}

// readLocal takes "any" for the address that says so.
func (f *createFlags) readLocal(t *nm.Tunnel) (err error) {
	if f.local == "any" {
		t.Local = netip.IPv4Unspecified()
		if t.Mode.IPv6Outer() {
			t.Local = netip.IPv6Unspecified()
		}
		return nil
	}
	if f.local == "auto" {
		t.Local = netip.Addr{}
		return nil
	}
	t.Local, err = parseAddr("local", f.local, "give one of this host's addresses, or any")
	return err
}

func (f *createFlags) readKeys(t *nm.Tunnel, given func(flag string) bool) error {
	if f.key != "" && (f.inputKey != "" || f.outputKey != "") {
		return &fault.Error{Kind: fault.ErrInvalid, Field: "key", What: "it says the same as --input-key and --output-key together",
			Hint: "give --key alone, or the two others"}
	}
	var errs []error
	for _, k := range []struct {
		field, text string
		into        []**gre.Key
	}{
		{"key", f.key, []**gre.Key{&t.InputKey, &t.OutputKey}},
		{"input-key", f.inputKey, []**gre.Key{&t.InputKey}},
		{"output-key", f.outputKey, []**gre.Key{&t.OutputKey}},
	} {
		if k.text == "" || !given(k.field) {
			continue
		}
		for _, into := range k.into {
			*into = nil
		}
		if k.text == none {
			continue
		}
		key, err := gre.ParseKey(k.text)
		if err != nil {
			errs = append(errs, withField(k.field, err))
			continue
		}
		for _, into := range k.into {
			own := key
			*into = &own
		}
	}
	return errors.Join(errs...)
}

// withField says which flag an error of the domain is about.
func withField(field string, err error) error {
	var e *fault.Error
	if errors.As(err, &e) {
		e.Field = field
	}
	return err
}

// readNumbers reads the flags that take numbers.
func (f *createFlags) readNumbers(t *nm.Tunnel, given func(flag string) bool) error {
	ttl, tos, encapLimit := uint32(t.TTL), uint32(t.TOS), uint32(t.EncapLimit)
	var errs []error
	for _, n := range []struct {
		field, text string
		low, high   uint32
		// that may stand instead of a number, and what it stands for; empty if none may
		word   string
		stands uint32
		into   *uint32
	}{
		{"ttl", f.ttl, 1, 255, "inherit", 0, &ttl},
		{"tos", f.tos, 0, 255, "inherit", 1, &tos},
		{"mtu", f.mtu, 68, 65535, "auto", 0, &t.MTU},
		{"encap-limit", f.encapLimit, 1, 255, "", 0, &encapLimit},
		{"flow-label", f.flowLabel, 0, 0xfffff, "", 0, &t.FlowLabel},
	} {
		if n.text == "" || !given(n.field) {
			continue
		}
		if n.text == n.word {
			*n.into = n.stands
			continue
		}
		value, err := parseNumber(n.field, n.text, n.low, n.high, n.word)
		if err != nil {
			errs = append(errs, err)
		}
		*n.into = value
	}
	t.TTL, t.TOS, t.EncapLimit = uint8(ttl), uint8(tos), uint8(encapLimit) //nolint:gosec // at most 255 each
	return errors.Join(errs...)
}

func parseNumber(field, text string, low, high uint32, word string) (uint32, error) {
	value, err := strconv.ParseUint(text, 10, 32)
	if hex, found := strings.CutPrefix(text, "0x"); found {
		value, err = strconv.ParseUint(hex, 16, 32)
	}
	if err == nil && value >= uint64(low) && value <= uint64(high) {
		return uint32(value), nil
	}
	hint := fmt.Sprintf("use %d to %d", low, high)
	if word != "" {
		hint += ", or " + word
	}
	return 0, &fault.Error{Kind: fault.ErrInvalid, Field: field, What: fmt.Sprintf("\"%s\" is not possible", fault.Printable(text)), Hint: hint}
}

// parseAddr reads an address; an empty text is the zero Addr.
func parseAddr(field, text, hint string) (netip.Addr, error) {
	if text == "" {
		return netip.Addr{}, nil
	}
	a, err := netip.ParseAddr(text)
	if err == nil {
		return a, nil
	}
	if strings.Contains(text, "/") {
		hint = "leave the length out: " + fault.Printable(text[:strings.Index(text, "/")])
	}
	return a, &fault.Error{Kind: fault.ErrInvalid, Field: field, What: fmt.Sprintf("\"%s\" is no IP address", fault.Printable(text)), Hint: hint}
}

// parseInner reads an inner address with its network's length.
func parseInner(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if err == nil {
		return p, nil
	}
	hint := "write it as 172.16.0.1/30"
	if a, err := netip.ParseAddr(text); err == nil {
		hint = fmt.Sprintf("give the length of its network too: %s/30, or /%d for the address alone", a, a.BitLen())
	}
	return p, &fault.Error{Kind: fault.ErrInvalid, Field: "address", What: fmt.Sprintf("\"%s\" is no address with a length", fault.Printable(text)), Hint: hint}
}

// warnOctal tells of keys that are not what they look like.
func (a *app) warnOctal(f createFlags) {
	for _, text := range []string{f.key, f.inputKey, f.outputKey} {
		if len(text) > 1 && text[0] == '0' && !strings.ContainsAny(text, ".xX") {
			if key, err := gre.ParseKey(text); err == nil {
				fmt.Fprintf(a.stderr, "nmgre: the key %s is octal, as iproute2 reads it: %s in decimal\n", text, key)
			}
		}
	}
}

// createRun says how create is carried out.
type createRun struct {
	dryRun, noProbe, json, autoName bool
	wait                            time.Duration
}

// maxLost bounds how often create tries another name when several nmgre run at the same moment.
const maxLost = 20

// create makes the tunnel; when another nmgre was first with the name that nmgre chose, it tries
// the next.
func (a *app) create(ctx context.Context, host *nmgre.Host, want nm.Tunnel, run createRun) error {
	ctx, cancel := context.WithTimeout(ctx, run.wait)
	defer cancel()
	err := a.createOnce(ctx, host, want, run)
	for range maxLost {
		if !run.autoName || !errors.Is(err, fault.ErrNameLost) {
			break
		}
		err = a.createOnce(ctx, host, want, run)
	}
	return err
}

func (a *app) createOnce(ctx context.Context, host *nmgre.Host, want nm.Tunnel, run createRun) error {
	planned, err := host.Plan(ctx, want)
	if err != nil {
		return err
	}
	if run.dryRun {
		far, err := host.FarEnd(ctx, planned.Tunnel)
		if err != nil {
			return err
		}
		return a.printPlan(planned, far, run.json)
	}
	for _, note := range planned.Notes {
		fmt.Fprintf(a.stderr, "nmgre: %s\n", oneLine(note))
	}
	created, err := host.Create(ctx, planned, nmgre.CreateOptions{NoProbe: run.noProbe})
	if err != nil {
		return begun(err)
	}
	// the tunnel is there for good, whatever comes now
	far, err := host.FarEnd(context.WithoutCancel(ctx), created.Status.Tunnel)
	if err != nil {
		return begun(err)
	}
	return a.printCreated(created, far, run.json)
}
