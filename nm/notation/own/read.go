package own

import (
	"net/netip"
	"path"
	"strconv"
	"strings"
	"sync"

	"nmgre/nm"
	"nmgre/nm/notation"
	"nmgre/nm/notation/iproute"
	"nmgre/nm/notation/shell"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
	"nmgre/routes/rule"
)

// readNMGRE reads a script with `nmgre create`.
func readNMGRE(r *notation.Reading) {
	s := iproute.New(r)
	s.Own = func(c *shell.Command) bool {
		words := c.Words
		if words[0] == "sudo" {
			words = words[1:]
		}
		if len(words) == 0 || path.Base(words[0]) != "nmgre" {
			return false
		}
		if len(words) < 2 || words[1] != "create" {
			r.Skip(c.First, "it makes no tunnel")
			return true
		}
		in := &nmgreInput{r: r, i: c.First, t: nm.NewTunnel(), given: map[string]bool{}}
		in.create(words[2:])
		return true
	}
	s.Read()
}

// nmgreInput is a line with `nmgre create` while it is read.
type nmgreInput struct {
	r     *notation.Reading
	i     int
	t     nm.Tunnel
	peers []netip.Addr
	given map[string]bool // the flags
	wrong bool
}

// nmgreBooleans are the flags that need no value.
var nmgreBooleans = sync.OnceValue(func() map[string]bool {
	return map[string]bool{"no-pmtud": true, "forward": true, "clamp-mss": true, "autoconnect": true, "dry-run": true, "json": true, "verbose": true, "no-probe": true, "force": true, "follow": true,
		"multicast": true, "ignore-df": true, "checksum": true, "sequence": true}
})

// create reads the flags of a line.
func (in *nmgreInput) create(words []string) {
	for len(words) > 0 {
		flag, found := strings.CutPrefix(words[0], "--")
		words = words[1:]
		name, value, joined := strings.Cut(flag, "=")
		switch {
		case !found:
			in.refuse("%s is no flag of create", notation.Word(flag))
			return
		case joined:
		case nmgreBooleans()[name]:
			value = "true"
		case len(words) == 0:
			in.refuse("it ends after --%s", notation.Word(name))
			return
		default:
			value, words = words[0], words[1:]
		}
		in.given[name] = true
		in.flag(name, value)
	}
	if !in.wrong {
		in.keep()
	}
}

func (in *nmgreInput) refuse(format string, args ...any) {
	in.wrong = true
	in.r.Refuse(in.i, format, args...)
}

// keep adds the tunnel of the line.
func (in *nmgreInput) keep() {
	name := in.t.Name
	if name == "" {
		taken := map[string]bool{}
		for _, f := range in.r.Tunnels {
			taken[f.Name] = true
		}
		name = nm.FreeName(taken)
	}
	if !routes.IsDevice(name) {
		in.refuse("%s cannot be a device's name", notation.Word(name))
		return
	}
	f, fresh := in.r.Add(name, in.i)
	if !fresh && f.Remote == in.t.Local && f.Local == in.t.Remote {
		f, fresh = in.r.Again(name, in.i), true
	}
	if !fresh {
		in.refuse("line %d makes %s already", in.r.Lines[f.At].N, notation.Word(name))
		return
	}
	if in.t.Local.IsValid() && in.t.Local.IsUnspecified() { // the mode may stand behind --local
		in.t.Local = in.t.Mode.AnyAddr()
	}
	in.imply()
	in.t.Name = name
	in.t.SetPeers(in.peers)
	f.Tunnel, f.TTLSet, f.Up = in.t, true, true
	in.r.Take(in.i)
}

// imply sets the flags that --ignore-df needs, unless the line has them.
func (in *nmgreInput) imply() {
	if !in.t.Link.IgnoreDF {
		return
	}
	if !in.given["ttl"] {
		in.t.TTL = 0
	}
	in.t.NoPMTUD = in.t.NoPMTUD || !in.given["no-pmtud"]
}

// flag reads one flag.
func (in *nmgreInput) flag(name, value string) {
	t := &in.t
	switch name {
	case "name":
		t.Name = value
	case "parent":
		t.Parent = value
	case "controller":
		t.Controller = value
	case "mac":
		in.err(func() error { return in.mac(value) })
	case "zone":
		t.Zone = value
	case "mode":
		in.err(func() (err error) { t.Mode, err = gre.ParseMode(value); return err })
	case "peer", "remote":
		in.err(func() (err error) { t.Remote, err = nmgreAddr("peer", value); return err })
	case "local":
		if value == "any" {
			t.Local = t.Mode.AnyAddr()
			return
		}
		in.err(func() (err error) { t.Local, err = nmgreAddr("local", value); return err })
	case "address":
		in.err(func() error { return appended(&t.Addresses, value, netip.ParsePrefix) })
	case "peer-address":
		in.err(func() error { return appended(&in.peers, value, netip.ParseAddr) })
	case "route":
		in.err(func() error { return appended(&t.Routes, value, in.r.Names.Parse) })
	case "rule":
		in.err(func() error {
			return appended(&t.Rules, value, func(s string) (rule.Rule, error) { return rule.ParseWith(in.r.Names, s) })
		})
	case "snat":
		in.err(func() error { return appended(&t.SNAT, value, keep.ParseSNAT) })
	case "key", "input-key", "output-key":
		in.key(name, value)
	case "flags":
		in.err(func() (err error) { t.Flags, err = gre.ParseFlags(value); return err })
	default:
		in.number(name, value)
	}
}

// appended parses a value and appends it to a list.
func appended[T any](list *[]T, value string, parse func(string) (T, error)) error {
	one, err := parse(value)
	if err == nil {
		*list = append(*list, one)
	}
	return err
}

func (in *nmgreInput) err(read func() error) {
	if err := read(); err != nil {
		in.wrong = true
		in.r.RefuseErr(in.i, err)
	}
}

func (in *nmgreInput) key(name, value string) {
	key, err := gre.ParseKey(value)
	if err != nil {
		in.refuse("--%s %s is not a number of 32 bits, which a GRE key is", name, notation.Word(value))
		return
	}
	if name != "output-key" {
		in.t.InputKey = gre.CloneKey(&key)
	}
	if name != "input-key" {
		in.t.OutputKey = gre.CloneKey(&key)
	}
}

// number reads a flag with a number, or one that is on or off.
func (in *nmgreInput) number(name, value string) {
	t, on := &in.t, value == "true"
	n, err := strconv.ParseUint(value, 0, 32)
	if value == "inherit" && name == "ttl" || value == "auto" && name == "mtu" {
		n, err = 0, nil
	}
	if value == "inherit" && name == "tos" {
		n, err = 1, nil
	}
	if value == "none" && name == "encap-limit" {
		t.SetEncapLimit(0)
		return
	}
	if of := t.Link.Option(name); of != nil {
		*of = on
		return
	}
	most := map[string]uint64{"ttl": 255, "tos": 255, "encap-limit": 255, "flow-label": 0xfffff, "mtu": 65535}[name]
	if most != 0 && (err != nil || n > most) {
		in.refuse("--%s %s is not a number up to %d", name, notation.Word(value), most)
		return
	}
	switch name {
	case "ttl":
		t.TTL = uint8(n) //nolint:gosec // at most 255
	case "tos":
		t.TOS = uint8(n) //nolint:gosec // at most 255
	case "encap-limit":
		t.EncapLimit = uint8(n) //nolint:gosec // at most 255
	case "flow-label":
		t.FlowLabel = uint32(n) //nolint:gosec // 20 bits
	case "mtu":
		t.MTU = uint32(n) //nolint:gosec // at most 65535
	case "no-pmtud":
		t.NoPMTUD = on
	case "forward":
		t.Forward = on
	case "clamp-mss":
		t.ClampMSS = on
	case "autoconnect":
		t.Autoconnect = on
	case "no-probe":
		t.NoProbe = on
	case "dry-run", "json", "verbose", "force", "wait", "confirm": // how the command is run
	default:
		in.refuse("--%s is not read", notation.Word(name))
	}
}

// mac reads --mac.
func (in *nmgreInput) mac(value string) error {
	mac, err := nm.ParseMAC(value)
	if err != nil {
		return err
	}
	in.t.MAC = mac
	return nil
}

// nmgreAddr reads an outer address. A name would have to be looked up.
func nmgreAddr(field, value string) (netip.Addr, error) {
	a, err := netip.ParseAddr(value)
	if err != nil {
		return a, fault.Invalid(field, "give the address itself", "%s is not an IP address, and no name is looked up", notation.Word(value))
	}
	return a, nil
}
