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
	"nmgre/cmd/nmgre/foreign"
	"nmgre/cmd/nmgre/output"
	"nmgre/cmd/nmgre/shells"
	"nmgre/cmd/nmgre/values"
	"nmgre/nm"
	"nmgre/nm/plan"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
	"nmgre/routes/rule"
)

// createFlags are create's flags as they were typed.
type createFlags struct {
	peer, local, name, mode, parent         string
	key, inputKey, outputKey, ttl, tos      string
	addresses, peerAddresses, routes        []string
	mtu, encapLimit, flowLabel, headerFlags string
	noPMTUD, autoconnect                    bool
	controller, mac                         string
	link                                    gre.LinkOptions
	snat                                    []string
	forward, clampMSS                       bool
	routesFrom                              string
	zone, noProbe                           string // noProbe is a word that lasts
	follow, probeOnce                       bool   // probeOnce is --no-probe for this command
	rules                                   []string
	rulesFrom                               string
}

func (a *app) createCommand() *cobra.Command {
	var flags createFlags
	var run createRun
	cmd := &cobra.Command{
		Use:   "create --peer ADDR --address CIDR",
		Short: "make a tunnel, and prove that it works",
		Long: `create makes one end of a GRE tunnel. It checks that this host can have the tunnel, adds the profile
to NetworkManager, brings it up, adds the routes that NetworkManager cannot hold, reads the result
back from the kernel, probes the far end, and only then writes the profile to disk. All of it happens
or none of it. A far end that does not answer is only a warning, since one end is always made first.

With --confirm the tunnel is made, but not yet saved. Press Enter to keep it; otherwise it is removed
when the time is over. A tunnel that may cut off your own ssh session needs --confirm.

Write a ROUTE as for ip route, without dev:
  10.10.2.0/24
  10.10.2.0/24 via 172.16.0.2 metric 50 table 100
  10.10.2.0/24 nexthop dev gre1 weight 1 nexthop dev gre2 weight 2
and a RULE as for ip rule:
  from 10.0.0.2 table 100`,
		Example: `  nmgre create --peer 100.0.2.100 --address 172.16.0.1/30 --dry-run
  nmgre create --peer 100.0.2.100 --address 172.16.0.1/30 --route 10.10.2.0/24
  nmgre create --peer 2001:db8:2::100 --mode ip6gre --address 172.16.1.1/30 --key 42`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkWait(run.wait); err != nil {
				return err
			}
			if err := refuseEmpty(cmd.Flags()); err != nil {
				return err
			}
			if err := run.as.CheckDry(cmd, run.dryRun); err != nil {
				return err
			}
			want, err := flags.tunnel(a, cmd.Flags().Changed)
			if err != nil {
				return err
			}
			run.autoName, run.noProbe = want.Name == "", flags.probeOnce
			a.warnOctal(flags)
			return a.withHost(cmd.Context(), func(host *nmgre.Host) error { return a.create(cmd.Context(), host, want, run) })
		},
	}
	flags.register(cmd, a)
	waitFlag(cmd, &run.wait)
	jsonFlag(cmd, &run.json)
	cmd.Flags().BoolVar(&run.dryRun, "dry-run", false, "print every step and change nothing")
	run.as.Register(cmd, ", with --dry-run")
	a.confirmFlag(cmd)
	return cmd
}

// register adds the flags that describe a tunnel.
func (f *createFlags) register(cmd *cobra.Command, a *app) {
	all := cmd.Flags()
	all.SortFlags = false
	all.SetNormalizeFunc(asPeer)
	all.Var(&values.Once{Field: "peer", Names: "--peer and --remote", Into: &f.peer}, "peer", "the far end's outer address, or its name, or NAME=ADDRESS to choose one of its addresses; --remote is the same (required)")
	all.StringArrayVar(&f.addresses, "address", nil, "this end's inner address with its prefix length, such as 172.16.0.1/30 (required; may be repeated)")
	all.StringVar(&f.local, "local", "", "this end's outer address, or any (default: the source address that the kernel would use)")
	all.StringArrayVar(&f.peerAddresses, "peer-address", nil, "the far end's inner address (default: the gateway of the routes, or the other host of a /30 or /31; may be repeated, and each is probed)")
	all.StringVar(&f.name, "name", "", "the interface's name, 1 to 15 bytes (default: the first free name of gre1, gre2, ...)")
	all.StringVar(&f.mode, "mode", "gre", "gre, gretap, ip6gre or ip6gretap")
	all.StringVar(&f.key, "key", "", "the key of both directions, a 32-bit number, equal at both ends")
	all.StringVar(&f.inputKey, "input-key", "", "the key that received packets must carry")
	all.StringVar(&f.outputKey, "output-key", "", "the key that sent packets carry")
	all.StringVar(&f.ttl, "ttl", strconv.Itoa(gre.DefaultTTL), "the outer TTL, 1 to 255, or inherit")
	all.StringVar(&f.tos, "tos", "0", "the outer TOS, 0 to 255, or inherit")
	all.StringVar(&f.mtu, "mtu", "", "the device's MTU in bytes, or auto (default: computed from the route to the far end)")
	all.BoolVar(&f.noPMTUD, "no-pmtud", false, "turn path MTU discovery off; needs --ttl inherit")
	all.StringVar(&f.parent, "parent", "", "the device that the tunnel is bound to")
	all.StringVar(&f.controller, "controller", "", "the bridge whose port the tunnel is, for gretap and ip6gretap: its interface, or the name of its profile")
	all.StringVar(&f.mac, "mac", "", "the device's Ethernet address, for gretap and ip6gretap (default: the kernel's choice)")
	all.StringVar(&f.encapLimit, "encap-limit", "", "the tunnel encapsulation limit of the IPv6 modes, 1 to 255, or none to send none (NetworkManager 1.44 and later)")
	all.StringVar(&f.flowLabel, "flow-label", "", "the flow label of the IPv6 modes, 0 to 1048575")
	all.StringVar(&f.headerFlags, "flags", "", "NetworkManager's ip-tunnel.flags of the IPv6 modes, with commas between them, such as "+gre.FlagIgnEncapLimit.String()+", or none")
	all.StringArrayVar(&f.routes, "route", nil, "a ROUTE into the tunnel (may be repeated)")
	all.StringVar(&f.routesFrom, "routes-from", "", "a file with one ROUTE per line, or - for standard input")
	all.StringArrayVar(&f.rules, "rule", nil, "a RULE as for ip rule, such as 'from 10.0.0.2 table 100', that comes and goes with the tunnel (may be repeated)")
	all.StringVar(&f.rulesFrom, "rules-from", "", "a file with one RULE per line, or - for standard input")
	all.StringArrayVar(&f.snat, "snat", nil, "DEST=SOURCE: give packets from the inner network to DEST the source address SOURCE; masquerade stands for the address of the device that they leave by (may be repeated)")
	all.BoolVar(&f.forward, "forward", false, "forward IPv4 packets between the tunnel and this host's networks, on the devices involved only")
	all.BoolVar(&f.clampMSS, "clamp-mss", false, "lower the MSS of forwarded TCP connections to fit the tunnel")
	f.registerEnds(cmd, a)
	for _, name := range gre.LinkOptionNames() {
		all.BoolVar(f.link.Option(name), name, false, values.LinkUsage[name])
	}
	all.BoolVar(&f.autoconnect, "autoconnect", true, "have NetworkManager bring the tunnel up by itself")
	shells.Fixed(cmd, "mode", modeNames())
	shells.Fixed(cmd, "flags", gre.FlagNames())
}

func modeNames() []string {
	var names []string
	for _, m := range gre.Modes {
		names = append(names, m.String())
	}
	return names
}

// tunnel reads the flags into a new tunnel. Its error joins those of all flags.
func (f *createFlags) tunnel(a *app, given func(flag string) bool) (nm.Tunnel, error) {
	t := nm.NewTunnel()
	if err := f.into(&t, f.forNew(given), a); err != nil {
		return t, err
	}
	return t, t.Validate()
}

// forNew says which flags count for a new tunnel: all, but for those that another one implies.
func (f *createFlags) forNew(given func(flag string) bool) func(string) bool {
	return func(flag string) bool {
		return given(flag) || !(f.link.IgnoreDF && (flag == "ttl" || flag == "no-pmtud"))
	}
}

// into writes the flags that were given into t. A list that was given replaces the whole list of t.
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
	for _, name := range gre.LinkOptionNames() {
		read(name, func() error { f.readOption(t, name); return nil })
	}
	read("controller", func() error { t.Controller = unlessNone(f.controller); return nil })
	read("mac", func() error { return f.readMAC(t) })
	read("no-pmtud", func() error { t.NoPMTUD = f.noPMTUD; return nil })
	read("autoconnect", func() error { t.Autoconnect = f.autoconnect; return nil })
	read("forward", func() error { t.Forward = f.forward; return nil })
	read("clamp-mss", func() error { t.ClampMSS = f.clampMSS; return nil })
	read("mode", func() error { return f.readMode(t) })
	if f.headerFlags != "" {
		read("flags", func() error { return f.readHeaderFlags(t) })
	}
	read("peer", func() error {
		if f.peer == "" {
			t.Remote = netip.Addr{}
			return nil
		}
		return f.readPeer(t, a)
	})
	f.readEnds(t, given)
	read("local", func() error { return f.readLocal(t) })
	read("peer-address", func() error {
		var peers []netip.Addr
		err := readList(&peers, f.peerAddresses, values.Peer)
		t.SetPeers(peers)
		return err
	})
	errs = append(errs, f.readKeys(t, given), f.readNumbers(t, given))
	read("address", func() error { return readList(&t.Addresses, f.addresses, values.Inner) })
	if given("route") || given("routes-from") {
		errs = append(errs, f.readRoutes(t, a))
	}
	if given("rule") || given("rules-from") {
		errs = append(errs, f.readRules(t, a))
	}
	read("snat", func() error { return readList(&t.SNAT, f.snat, keep.ParseSNAT) })
	return errors.Join(errs...)
}

// readOption reads a flag for an option of the link.
func (f *createFlags) readOption(t *nm.Tunnel, name string) {
	switch on := *f.link.Option(name); {
	case on == *t.Link.Option(name):
	case name == "ignore-df":
		t.SetIgnoreDF(on)
	default:
		*t.Link.Option(name) = on
	}
}

// readHeaderFlags reads --flags. A tunnel that sent no encapsulation limit gets the default one
// when the flag for that goes.
func (f *createFlags) readHeaderFlags(t *nm.Tunnel) (err error) {
	before := *t
	if t.Flags, err = gre.ParseFlags(f.headerFlags); before.HasNoEncapLimit() && !t.HasNoEncapLimit() {
		t.EncapLimit = gre.DefaultEncapLimit
	}
	return err
}

// readMode reads --mode. A tunnel that was over IPv6, and is to be over IPv4, loses the options
// that only IPv6 has.
func (f *createFlags) readMode(t *nm.Tunnel) (err error) {
	was := t.Mode
	if t.Mode, err = gre.ParseMode(f.mode); was.IPv6Outer() && !t.Mode.IPv6Outer() {
		t.EncapLimit, t.FlowLabel, t.Flags = 0, 0, 0
	}
	return err
}

// readMAC reads --mac.
func (f *createFlags) readMAC(t *nm.Tunnel) error {
	if t.MAC = unlessNone(f.mac); t.MAC == "" {
		return nil
	}
	mac, err := nm.ParseMAC(f.mac)
	if err != nil {
		return err
	}
	t.MAC = mac
	return nil
}

// none is the word that removes a value in an edit.
const none = "none"

func unlessNone(text string) string {
	if text == none {
		return ""
	}
	return text
}

// readList parses every text of a list. The word none alone is the empty list.
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
	all, listErr := a.lists().Routes(f.routesFrom)
	t.Routes = append(t.Routes, all.Routes...)
	return errors.Join(err, listErr)
}

// readRules reads the rules of the command line, then those of the file.
func (f *createFlags) readRules(t *nm.Tunnel, a *app) error {
	names := a.names()
	err := readList(&t.Rules, f.rules, func(spec string) (rule.Rule, error) { return rule.ParseWith(names, spec) })
	if f.rulesFrom == "" {
		return err
	}
	all, listErr := a.lists().Rules(f.rulesFrom)
	t.Rules = append(t.Rules, all...)
	return errors.Join(err, listErr)
}

// readLocal reads --local. "any" stands for the unspecified address, "auto" for the address that
// the kernel would choose.
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
	t.Local, err = values.Addr("local", f.local, "give one of this host's addresses, or any")
	return err
}

func (f *createFlags) readKeys(t *nm.Tunnel, given func(flag string) bool) error {
	if f.key != "" && (f.inputKey != "" || f.outputKey != "") {
		return &fault.Error{Kind: fault.ErrInvalid, Field: "key", What: "it cannot be combined with --input-key or --output-key",
			Hint: "give either --key alone or the other two"}
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

// withField names the flag in an error that does not know it.
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
		word        string // allowed in place of a number; empty for no such word
		stands      uint32 // the number that word stands for
		into        *uint32
	}{
		{"ttl", f.ttl, 1, 255, "inherit", 0, &ttl},
		{"tos", f.tos, 0, 255, "inherit", 1, &tos},
		{"mtu", f.mtu, 68, 65535, "auto", 0, &t.MTU},
		{"encap-limit", f.encapLimit, 1, 255, none, 0, &encapLimit},
		{"flow-label", f.flowLabel, 0, 0xfffff, "", 0, &t.FlowLabel},
	} {
		if n.text == "" || !given(n.field) {
			continue
		}
		if n.text == n.word {
			*n.into = n.stands
			continue
		}
		value, err := values.Number(n.field, n.text, n.low, n.high, n.word)
		if err != nil {
			errs = append(errs, err)
		}
		*n.into = value
	}
	t.TTL, t.TOS = uint8(ttl), uint8(tos) //nolint:gosec // at most 255 each
	if given("encap-limit") && f.encapLimit != "" && len(errs) == 0 {
		t.SetEncapLimit(uint8(encapLimit)) //nolint:gosec // at most 255
	}
	return errors.Join(errs...)
}

// warnOctal warns of keys with a leading zero, which are octal.
func (a *app) warnOctal(f createFlags) {
	for _, text := range []string{f.key, f.inputKey, f.outputKey} {
		if len(text) > 1 && text[0] == '0' && !strings.ContainsAny(text, ".xX") {
			if key, err := gre.ParseKey(text); err == nil {
				fmt.Fprintf(a.stderr, "nmgre: the key %s is octal, as iproute2 reads it: %s in decimal\n", text, key)
			}
		}
	}
}

// createRun holds the flags of create that are not about the tunnel itself.
type createRun struct {
	dryRun, noProbe, json, autoName bool
	wait                            time.Duration
	as                              foreign.As
}

// maxLost bounds how often create tries another name when several nmgre processes run at once.
const maxLost = 20

// create makes the tunnel. When another process takes the name that nmgre chose, it tries the next
// one.
func (a *app) create(ctx context.Context, host *nmgre.Host, want nm.Tunnel, run createRun) error {
	ctx, cancel := context.WithTimeout(ctx, run.wait+a.confirm)
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
	if run.as.Kind != "" {
		return run.as.Write(a.stdout, planned.Tunnel, planned.FarEnd)
	}
	if run.noProbe {
		planned.Steps = plan.Unprobed(planned.Steps)
	}
	if run.dryRun {
		return output.Plan(a.stdout, planned, planned.FarEnd, run.json)
	}
	for _, note := range planned.Notes {
		fmt.Fprintf(a.stderr, "nmgre: %s\n", output.OneLine(note))
	}
	if a.confirm > 0 {
		defer a.watch()()
	}
	created, err := host.Create(ctx, planned, nmgre.CreateOptions{NoProbe: run.noProbe})
	if err != nil {
		return begun(err)
	}
	return output.Created(a.stdout, created, planned.FarEnd, run.json)
}
