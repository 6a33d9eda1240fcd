package document

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"

	"nmgre/nm"
	"nmgre/nm/resolve"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
	"nmgre/routes/rule"
)

// form is the form of a field's value.
type form int

// The forms. A list may also be written as its only entry.
const (
	text form = iota
	number
	boolean
	list
)

// field is a field of a tunnel.
type field struct {
	name  string
	flag  string // of `nmgre create`, where it has another name
	form  form
	about string   // for the schema
	words []string // the only values, or those that a number may be besides
	least uint32   // of a number
	most  uint32
	// own says that a field is of one end of one tunnel: defaults have none, nor have links.
	own bool
	// read writes the value into t. The values of a list are several; none of them is empty.
	read func(p *parser, t *nm.Tunnel, values []string) error
	// write returns the value. It is empty for the one that read would not have to write.
	write func(t nm.Tunnel) []string
}

// none is the word that takes a value away that the defaults give.
const none = "none"

const inherit = "inherit"

// fields are all fields of a tunnel, in the order in which they are read and written: each may
// depend on those before it.
var fields = []field{
	{name: "name", form: text, own: true, about: "the interface's name, 1 to 15 bytes",
		read:  func(_ *parser, t *nm.Tunnel, v []string) error { t.Name = v[0]; return nil },
		write: func(t nm.Tunnel) []string { return one(t.Name) }},
	{name: "mode", form: text, words: modeNames(), about: "what the tunnel carries, and over what",
		read:  func(_ *parser, t *nm.Tunnel, v []string) (err error) { t.Mode, err = gre.ParseMode(v[0]); return err },
		write: func(t nm.Tunnel) []string { return unless(t.Mode.String(), gre.ModeGRE.String()) }},
	{name: "peer", form: text, own: true, about: "the far end's outer address, its name, or NAME=ADDRESS", read: readPeer, write: writePeer},
	{name: "local", form: text, own: true, about: "this end's outer address, any, or auto for the one that the kernel would use", read: readLocal, write: writeLocal},
	{name: "addresses", flag: "address", form: list, own: true, about: "this end's inner addresses, each with its prefix length",
		read:  func(_ *parser, t *nm.Tunnel, v []string) error { return readList(&t.Addresses, v, parseInner) },
		write: func(t nm.Tunnel) []string { return texts(t.Addresses) }},
	{name: "peer-addresses", flag: "peer-address", form: list, own: true, about: "the far end's inner addresses, each of which is probed (default: the gateway of the routes, or the other host of a /30 or /31)",
		read: readPeerAddresses, write: writePeerAddresses},
	option("multicast", "set the flag MULTICAST, for routing daemons"),
	option("ignore-df", "fragment what is too large, whatever its DF bit says"),
	option("checksum", "GRE checksums in both directions"),
	option("sequence", "GRE sequence numbers in both directions"),
	{name: "key", form: number, most: 4294967295, words: []string{none}, about: "the key of both directions, a 32-bit number", read: readKey("key"),
		write: func(t nm.Tunnel) []string {
			if !gre.SameKey(t.InputKey, t.OutputKey) {
				return nil
			}
			return one(gre.KeyText(t.InputKey))
		}},
	{name: "input-key", form: number, most: 4294967295, own: true, words: []string{none}, about: "the key that received packets must carry", read: readKey("input-key"),
		write: func(t nm.Tunnel) []string { return unlessSame(t, t.InputKey) }},
	{name: "output-key", form: number, most: 4294967295, own: true, words: []string{none}, about: "the key that sent packets carry", read: readKey("output-key"),
		write: func(t nm.Tunnel) []string { return unlessSame(t, t.OutputKey) }},
	switched("no-pmtud", "turn path MTU discovery off; needs ttl: inherit", func(t *nm.Tunnel) *bool { return &t.NoPMTUD }),
	{name: "ttl", form: number, least: 1, most: 255, words: []string{inherit}, about: "the outer TTL, 1 to 255, or inherit",
		read: func(_ *parser, t *nm.Tunnel, v []string) error {
			return readNumber("ttl", v[0], 1, 255, inherit, 0, func(n uint32) { t.TTL = uint8(n) }) //nolint:gosec // at most 255
		},
		write: func(t nm.Tunnel) []string {
			if t.Link.IgnoreDF && t.TTL == 0 {
				return nil
			}
			return unless(gre.TTLText(t.TTL), gre.TTLText(gre.DefaultTTL))
		}},
	{name: "tos", form: number, most: 255, words: []string{inherit}, about: "the outer TOS, 0 to 255, or inherit",
		read: func(_ *parser, t *nm.Tunnel, v []string) error {
			return readNumber("tos", v[0], 0, 255, inherit, 1, func(n uint32) { t.TOS = uint8(n) }) //nolint:gosec // at most 255
		},
		write: func(t nm.Tunnel) []string { return unless(gre.TOSText(t.TOS), "0") }},
	{name: "mtu", form: number, least: 68, most: 65535, words: []string{"auto"}, about: "the device's MTU in bytes, or auto to compute it from the route to the far end",
		read: func(_ *parser, t *nm.Tunnel, v []string) error {
			return readNumber("mtu", v[0], gre.MinMTU4, 65535, "auto", 0, func(n uint32) { t.MTU = n })
		},
		write: func(t nm.Tunnel) []string { return unless(decimal(t.MTU), "0") }},
	{name: "parent", form: text, about: "the device that the tunnel is bound to, or none",
		read:  func(_ *parser, t *nm.Tunnel, v []string) error { t.Parent = unlessNone(v[0]); return nil },
		write: func(t nm.Tunnel) []string { return one(t.Parent) }},
	{name: "controller", form: text, own: true, about: "the bridge whose port the tunnel is, for gretap and ip6gretap, or none",
		read:  func(_ *parser, t *nm.Tunnel, v []string) error { t.Controller = unlessNone(v[0]); return nil },
		write: func(t nm.Tunnel) []string { return one(t.Controller) }},
	{name: "mac", form: text, own: true, about: "the device's Ethernet address, for gretap and ip6gretap, or none for the kernel's choice", read: readMAC,
		write: func(t nm.Tunnel) []string { return one(t.MAC) }},
	{name: "flags", form: text, about: "NetworkManager's ip-tunnel.flags of the IPv6 modes, with commas between them, or none",
		read: func(_ *parser, t *nm.Tunnel, v []string) (err error) { t.Flags, err = gre.ParseFlags(v[0]); return err },
		write: func(t nm.Tunnel) []string {
			flags := t.Flags
			if t.HasNoEncapLimit() { // the next field has it
				flags &^= gre.FlagIgnEncapLimit
			}
			return one(flags.String())
		}},
	{name: "encap-limit", form: number, least: 1, most: 255, words: []string{none}, about: "the tunnel encapsulation limit of the IPv6 modes, 1 to 255, or none to send none",
		read: func(_ *parser, t *nm.Tunnel, v []string) error {
			return readNumber("encap-limit", v[0], 1, 255, none, 0, func(n uint32) { t.SetEncapLimit(uint8(n)) }) //nolint:gosec // at most 255
		},
		write: func(t nm.Tunnel) []string {
			if t.HasNoEncapLimit() {
				return []string{none}
			}
			return unless(unless0(decimal(uint32(t.EncapLimit))), decimal(gre.DefaultEncapLimit))
		}},
	{name: "flow-label", form: number, most: 1048575, about: "the flow label of the IPv6 modes, 0 to 1048575",
		read: func(_ *parser, t *nm.Tunnel, v []string) error {
			return readNumber("flow-label", v[0], 0, 0xfffff, "", 0, func(n uint32) { t.FlowLabel = n })
		},
		write: func(t nm.Tunnel) []string { return unless(decimal(t.FlowLabel), "0") }},
	{name: "routes", flag: "route", form: list, own: true, about: "routes into the tunnel, each as for ip route without dev",
		read: func(p *parser, t *nm.Tunnel, v []string) error { return readList(&t.Routes, v, p.opts.Names.Parse) }, write: writeRoutes},
	{name: "rules", flag: "rule", form: list, own: true, about: "rules as for ip rule, that come and go with the tunnel",
		read: func(p *parser, t *nm.Tunnel, v []string) error {
			return readList(&t.Rules, v, func(spec string) (rule.Rule, error) { return rule.ParseWith(p.opts.Names, spec) })
		},
		write: func(t nm.Tunnel) []string { return texts(t.Rules) }},
	{name: "snat", form: list, about: "DEST=SOURCE: packets from the inner network to DEST get the source address SOURCE, or that of the device they leave by (masquerade)",
		read:  func(_ *parser, t *nm.Tunnel, v []string) error { return readList(&t.SNAT, v, keep.ParseSNAT) },
		write: func(t nm.Tunnel) []string { return texts(t.SNAT) }},
	switched("forward", "forward IPv4 packets between the tunnel and this host's networks", func(t *nm.Tunnel) *bool { return &t.Forward }),
	switched("clamp-mss", "lower the MSS of forwarded TCP connections to fit the tunnel", func(t *nm.Tunnel) *bool { return &t.ClampMSS }),
	{name: "zone", form: text, about: "firewalld's zone for the tunnel, or none for the default one",
		read:  func(_ *parser, t *nm.Tunnel, v []string) error { t.Zone = unlessNone(v[0]); return nil },
		write: func(t nm.Tunnel) []string { return one(t.Zone) }},
	switched("follow", "have nmgre follow look the name in peer up again, and move the tunnel to its address", func(t *nm.Tunnel) *bool { return &t.Follow }),
	switched("no-probe", "never probe the far end", func(t *nm.Tunnel) *bool { return &t.NoProbe }),
	{name: "autoconnect", form: boolean, about: "have NetworkManager bring the tunnel up by itself (default: true)",
		read: func(_ *parser, t *nm.Tunnel, v []string) error { return readBool("autoconnect", v[0], &t.Autoconnect) },
		write: func(t nm.Tunnel) []string {
			return unless(strconv.FormatBool(t.Autoconnect), "true")
		}},
}

// switched is a field that is true or false, and false by default.
func switched(name, about string, of func(*nm.Tunnel) *bool) field {
	return field{name: name, form: boolean, about: about,
		read: func(_ *parser, t *nm.Tunnel, v []string) error { return readBool(name, v[0], of(t)) },
		write: func(t nm.Tunnel) []string {
			if name == "no-pmtud" && t.Link.IgnoreDF && t.NoPMTUD { // it follows from that
				return nil
			}
			return unless(strconv.FormatBool(*of(&t)), "false")
		}}
}

// option is a field for an option of the link.
func option(name, about string) field {
	return field{name: name, form: boolean, about: about,
		read: func(_ *parser, t *nm.Tunnel, v []string) error {
			var on bool
			err := readBool(name, v[0], &on)
			switch {
			case name != "ignore-df":
				*t.Link.Option(name) = on
			case on: // off is the default, and not a value that leaves path MTU discovery as it is
				t.SetIgnoreDF(true)
			}
			return err
		},
		write: func(t nm.Tunnel) []string { return unless(strconv.FormatBool(*t.Link.Option(name)), "false") }}
}

// fieldIndex finds fields by their names.
var fieldIndex = sync.OnceValue(func() map[string]int {
	index := make(map[string]int, len(fields))
	for i, f := range fields {
		index[f.name] = i
	}
	return index
})

// fieldOf returns the field's name in a document for a field of an error, which is a flag of
// `nmgre create`.
func fieldOf(flag string) string {
	for _, f := range fields {
		if f.flag == flag && flag != "" {
			return f.name
		}
	}
	return flag
}

func modeNames() []string {
	var names []string
	for _, m := range gre.Modes {
		names = append(names, m.String())
	}
	return names
}

// one is a value, or nothing if it is empty.
func one(value string) []string { return unless(value, "") }

func unless(value, defaultValue string) []string {
	if value == defaultValue || value == "" {
		return nil
	}
	return []string{value}
}

func unless0(value string) string {
	if value == "0" {
		return ""
	}
	return value
}

func unlessNone(value string) string {
	if value == none {
		return ""
	}
	return value
}

// unlessSame writes a key of one direction, where the two are not the same.
func unlessSame(t nm.Tunnel, k *gre.Key) []string {
	if gre.SameKey(t.InputKey, t.OutputKey) {
		return nil
	}
	return one(gre.KeyText(k))
}

func decimal(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

func texts[T fmt.Stringer](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = v.String()
	}
	return out
}

// readList parses each value of a list. The word none alone is the empty list.
func readList[T any](into *[]T, values []string, parse func(string) (T, error)) error {
	*into = nil
	if len(values) == 1 && values[0] == none {
		return nil
	}
	var errs []error
	for _, value := range values {
		v, err := parse(value)
		errs = append(errs, err)
		*into = append(*into, v)
	}
	return errors.Join(errs...)
}

func readBool(field, value string, into *bool) error {
	switch value {
	case "true":
		*into = true
	case "false":
		*into = false
	default:
		return fault.Invalid(field, "write "+field+": true, or "+field+": false", "\"%.80s\" is neither true nor false", fault.Printable(value))
	}
	return nil
}

// readNumber reads a number from low to high. word, if it is not empty, may stand in its place.
func readNumber(field, value string, low, high uint32, word string, stands uint32, set func(uint32)) error {
	if word != "" && value == word {
		set(stands)
		return nil
	}
	digits, base := value, 10
	if hex, found := strings.CutPrefix(value, "0x"); found {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(digits, base, 32)
	if err != nil || n < uint64(low) || n > uint64(high) {
		hint := fmt.Sprintf("use %d to %d", low, high)
		if word != "" {
			hint += ", or " + word
		}
		return fault.Invalid(field, hint, "\"%.80s\" is not possible", fault.Printable(value))
	}
	set(uint32(n))
	return nil
}

// readKey reads a key of both directions, or of one.
func readKey(field string) func(*parser, *nm.Tunnel, []string) error {
	return func(_ *parser, t *nm.Tunnel, v []string) error {
		var key *gre.Key
		if v[0] != none {
			k, err := gre.ParseKey(v[0])
			if err != nil {
				return err
			}
			key = &k
		}
		if field != "output-key" {
			t.InputKey = gre.CloneKey(key)
		}
		if field != "input-key" {
			t.OutputKey = gre.CloneKey(key)
		}
		return nil
	}
}

func parseAddr(field, value, hint string) (netip.Addr, error) {
	a, err := netip.ParseAddr(value)
	if err != nil {
		if before, _, found := strings.Cut(value, "/"); found {
			hint = "leave out the prefix length: " + fault.Printable(before)
		}
		return a, fault.Invalid(field, hint, "\"%.80s\" is not an IP address", fault.Printable(value))
	}
	return a, nil
}

func parseInner(value string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(value)
	if err != nil {
		return p, fault.Invalid("address", "write it as 172.16.0.1/30", "\"%.80s\" is not an address with a prefix length", fault.Printable(value))
	}
	return p, nil
}

func readPeerAddresses(_ *parser, t *nm.Tunnel, v []string) error {
	var peers []netip.Addr
	err := readList(&peers, v, func(value string) (netip.Addr, error) {
		return parseAddr("peer-address", value, "give the far end's inner address, such as 172.16.0.2")
	})
	t.SetPeers(peers)
	return err
}

func writePeerAddresses(t nm.Tunnel) []string {
	if peers := t.Peers(); len(peers) > 1 || len(peers) == 1 && peers[0] != t.ChoosePeer() {
		return texts(peers)
	}
	return nil
}

// readPeer reads an address, a name, which whoever applies the document looks up, or NAME=ADDRESS.
func readPeer(_ *parser, t *nm.Tunnel, v []string) (err error) {
	asked, isName, err := resolve.Parse(v[0])
	switch {
	case err != nil:
		return err
	case isName:
		t.PeerName, t.Remote = asked.Name, asked.Chosen
		return nil
	}
	var bad *fault.Error
	if t.Remote, bad = resolve.Address(v[0]); bad != nil {
		return bad
	}
	return nil
}

func writePeer(t nm.Tunnel) []string {
	switch {
	case t.PeerName == "":
		return one(routes.AddrText(t.Remote))
	case t.Follow || !t.Remote.IsValid(): // its address is not for the document to say
		return []string{t.PeerName}
	}
	return []string{t.PeerFlag()}
}

// readLocal reads --local: any is the unspecified address, auto the one that the kernel would use.
func readLocal(_ *parser, t *nm.Tunnel, v []string) (err error) {
	switch v[0] {
	case "any":
		t.Local = t.Mode.AnyAddr()
	case "auto":
		t.Local = netip.Addr{}
	default:
		t.Local, err = parseAddr("local", v[0], "give one of this host's addresses, any, or auto")
	}
	return err
}

func writeLocal(t nm.Tunnel) []string {
	if t.Local.IsValid() && t.Local.IsUnspecified() {
		return []string{"any"}
	}
	return one(routes.AddrText(t.Local))
}

func readMAC(_ *parser, t *nm.Tunnel, v []string) error {
	if t.MAC = ""; v[0] == none {
		return nil
	}
	mac, err := nm.ParseMAC(v[0])
	if err != nil {
		return err
	}
	t.MAC = mac
	return nil
}

// writeRoutes leaves out the routes to a peer address, which a plan adds by itself.
func writeRoutes(t nm.Tunnel) []string {
	return texts(slices.DeleteFunc(slices.Clone(t.Routes), t.IsRouteToPeer))
}
