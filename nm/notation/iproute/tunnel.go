package iproute

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"nmgre/nm"
	"nmgre/nm/notation"
	"nmgre/routes"
	"nmgre/routes/gre"
)

// made is a tunnel while the words of its command are read.
type made struct {
	t       nm.Tunnel
	ttlSet  bool
	mode    string
	name    string
	refuse  string // why NetworkManager cannot have it
	problem string // a word of the command that is wrong: the command fails
	lacks   string // a value of the command that is wrong, and that is left out
	mtu     string
	in, out map[string]bool // csum and seq by direction, where a word is about them
	port    string          // the bridge
	mac     string
	up      bool
}

func newMade() *made {
	m := &made{t: nm.NewTunnel()}
	return m
}

func (m *made) wrong(format string, args ...any) {
	if m.problem == "" {
		m.problem = fmt.Sprintf(format, args...)
	}
}

// tunnel reads `ip tunnel`, whose words are not shortened.
func (s *Script) tunnel(i int, words []string, six bool) {
	if len(words) == 0 {
		s.Skip(i, "it makes nothing")
		return
	}
	verb := short(words[0], "add", "change", "delete", "show", "list", "lst", "prl", "6rd", "help")
	switch verb {
	case "add", "change":
	case "delete":
		s.remove(i, words[1:])
		return
	case "":
		s.Refuse(i, "ip tunnel has no %s", notation.Word(words[0]))
		return
	default:
		s.Skip(i, "it makes nothing")
		return
	}
	m := newMade()
	if verb == "change" {
		m = s.present(words[1:])
	}
	for rest := words[1:]; len(rest) > 0; {
		rest = m.tunnelWord(rest)
	}
	if m.mode == "" && verb == "add" {
		m.mode = strings.TrimRight(m.name, "0123456789")
	}
	s.keep(i, m, verb == "change", six)
}

// present returns the tunnel that a change is about, or a new one.
func (s *Script) present(words []string) *made {
	m := newMade()
	for _, word := range words {
		if f := s.Tunnel(word); f != nil {
			m.t, m.ttlSet, m.name, m.mode = f.Tunnel.Clone(), f.TTLSet, f.Name, f.Mode.String()
		}
	}
	return m
}

// tunnelWord reads one word of `ip tunnel` with its value, and returns the others.
func (m *made) tunnelWord(words []string) []string {
	word := words[0]
	switch word {
	case "mode":
		value, rest := m.value(words)
		m.mode = strings.TrimSuffix(value, "/ip")
		return rest
	case "name":
		value, rest := m.value(words)
		m.name = value
		return rest
	}
	if slices.Contains(tunnelWords, word) {
		return m.option(word, words)
	}
	if m.name != "" && m.name != word {
		m.wrong("%s is not known to ip tunnel", notation.Word(word))
	}
	m.name = word
	return words[1:]
}

// tunnelWords are the words of a tunnel, whole; `ip link` takes shortened ones.
var tunnelWords = []string{"remote", "local", "key", "ikey", "okey", "seq", "iseq", "oseq", "csum", "icsum", "ocsum", "ttl", "hoplimit", "hlim", "tos", "tclass", "dsfield",
	"pmtudisc", "nopmtudisc", "dev", "encaplimit", "flowlabel", "allow-localremote"}

// linkWords are those of `ip link ... type gre`, in the order in which a shortened word is looked
// for (link_gre.c, link_gre6.c).
var linkWords = []string{"key", "nokey", "ikey", "noikey", "okey", "nookey", "seq", "noseq", "iseq", "noiseq", "oseq", "nooseq", "csum", "nocsum", "icsum", "noicsum", "ocsum", "noocsum",
	"nopmtudisc", "pmtudisc", "remote", "local", "dev", "ttl", "hoplimit", "hlim", "tos", "tclass", "dsfield", "noencap", "encap", "encap-sport", "encap-dport", "encap-csum", "noencap-csum",
	"encap-udp6-csum", "noencap-udp6-csum", "encap-remcsum", "noencap-remcsum", "external", "ignore-df", "noignore-df", "fwmark", "encaplimit", "flowlabel", "allow-localremote", "noallow-localremote"}

// value returns the value after a word, and the words behind it.
func (m *made) value(words []string) (string, []string) {
	if len(words) < 2 {
		m.wrong("it ends after %s", notation.Word(words[0]))
		return "", nil
	}
	return words[1], words[2:]
}

// option reads a word of a tunnel.
func (m *made) option(word string, words []string) []string {
	switch word {
	case "pmtudisc", "nopmtudisc":
		m.t.NoPMTUD = word == "nopmtudisc"
		return words[1:]
	case "nokey", "noikey", "nookey", "noencap", "allow-localremote", "noallow-localremote",
		"noencap-csum", "noencap-udp6-csum", "noencap-remcsum", "encap-csum", "encap-udp6-csum", "encap-remcsum":
		return words[1:]
	case "seq", "iseq", "oseq", "noseq", "noiseq", "nooseq", "csum", "icsum", "ocsum", "nocsum", "noicsum", "noocsum":
		m.checked(word)
		return words[1:]
	case "ignore-df", "noignore-df":
		m.t.Link.IgnoreDF = word == "ignore-df"
		return words[1:]
	case "external":
		m.cannot(word, "NetworkManager's tunnels have one far end")
		return words[1:]
	}
	value, rest := m.value(words)
	if value != "" {
		m.set(word, value)
	}
	return rest
}

// checked reads a word for checksums or sequence numbers, in one direction or in both.
func (m *made) checked(word string) {
	rest, off := strings.CutPrefix(word, "no")
	ways, kind := []*map[string]bool{&m.in, &m.out}, rest
	switch rest[0] {
	case 'i':
		ways, kind = ways[:1], rest[1:]
	case 'o':
		ways, kind = ways[1:], rest[1:]
	}
	for _, way := range ways {
		if *way == nil {
			of := m.t.Link
			*way = map[string]bool{"csum": of.Checksum, "seq": of.Sequence}
		}
		(*way)[kind] = !off
	}
}

// settle sets checksums and sequence numbers. nmgre has them in both directions only.
func (m *made) settle() {
	if m.in == nil && m.out == nil {
		return
	}
	for kind, of := range map[string]*bool{"csum": &m.t.Link.Checksum, "seq": &m.t.Link.Sequence} {
		in, out := *of, *of
		if m.in != nil {
			in = m.in[kind]
		}
		if m.out != nil {
			out = m.out[kind]
		}
		if *of = in && out; in != out {
			m.cannot(kind, "nmgre has it in both directions only")
		}
	}
}

func (m *made) cannot(word, why string) {
	if m.refuse == "" {
		m.refuse = word + ": " + why
	}
}

// set sets a word of a tunnel that has a value.
func (m *made) set(word, value string) {
	t := &m.t
	switch word {
	case "remote":
		t.Remote = m.outer(word, value)
	case "local":
		t.Local = m.outer(word, value)
	case "key":
		t.InputKey = m.key(word, value)
		t.OutputKey = gre.CloneKey(t.InputKey)
	case "ikey":
		t.InputKey = m.key(word, value)
	case "okey":
		t.OutputKey = m.key(word, value)
	case "ttl", "hoplimit", "hlim":
		m.ttlSet = true
		if value == "inherit" {
			t.TTL = 0
			return
		}
		t.TTL = uint8(m.number(word, value, 255)) //nolint:gosec // at most 255
	case "tos", "tclass", "dsfield":
		m.tos(word, value)
	case "dev":
		t.Parent = value
	case "encaplimit":
		if value == "none" {
			t.SetEncapLimit(0)
			return
		}
		t.EncapLimit, t.Flags = uint8(m.number(word, value, 255)), t.Flags&^gre.FlagIgnEncapLimit //nolint:gosec // at most 255
	case "flowlabel":
		if value != "inherit" {
			t.FlowLabel = m.number(word, value, 0xfffff)
			return
		}
		t.Flags |= gre.FlagUseOrigFlowLabel
	case "encap":
		if value != "none" {
			m.cannot("encap "+value, "NetworkManager's tunnels have no encapsulation in UDP")
		}
	case "fwmark":
		m.cannot(word, "NetworkManager has it for VTI alone")
	}
}

// outer reads an outer address, or any.
func (m *made) outer(word, value string) netip.Addr {
	if value == "any" {
		return netip.IPv4Unspecified()
	}
	a, err := netip.ParseAddr(value)
	if err != nil {
		m.wrong("%s %s is not an IP address", word, notation.Word(value))
	}
	return a
}

// key reads a key. A word is no key, as `ip` says as well.
func (m *made) key(word, value string) *gre.Key {
	key, err := gre.ParseKey(value)
	if err != nil {
		m.lacks = fmt.Sprintf("%s %s is not a number of 32 bits, which a GRE key is: the tunnel is taken without it", word, notation.Word(value))
		return nil
	}
	return &key
}

func (m *made) number(word, value string, most uint64) uint32 {
	n, err := strconv.ParseUint(value, 0, 32)
	if err != nil || n > most {
		m.wrong("%s %s is not a number from 0 to %d", word, notation.Word(value), most)
		return 0
	}
	return uint32(n) //nolint:gosec // of 32 bits
}

// tos reads a TOS: a hexadecimal number without 0x, or inherit.
func (m *made) tos(word, value string) {
	if value == "inherit" {
		m.t.TOS = 1
		return
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(value, "0x"), 16, 8)
	if err != nil {
		m.wrong("%s %s is not a hexadecimal number of 8 bits", word, notation.Word(value))
		return
	}
	m.t.TOS = uint8(n)
}

// linkAdd reads `ip link add`.
func (s *Script) linkAdd(i int, words []string) {
	m := newMade()
	for len(words) > 0 {
		word := words[0]
		switch {
		case word == "type":
			var kind string
			kind, words = m.value(words)
			m.mode = kind
			if _, err := gre.ParseMode(kind); err != nil {
				words = nil // the options are those of another kind
			}
			for len(words) > 0 {
				full := short(words[0], linkWords...)
				if full == "" {
					m.wrong("%s is not known to ip link add type %s", notation.Word(words[0]), kind)
					break
				}
				words = m.option(full, words)
			}
			words = nil
		case word == "dev" || word == "name":
			m.name, words = m.value(words)
		case word == "link":
			m.t.Parent, words = m.value(words)
		case word == "mtu":
			m.mtu, words = m.value(words)
		case word == "up":
			m.up, words = true, words[1:]
		case word == "address":
			m.mac, words = m.value(words)
		case word == "master":
			m.port, words = m.value(words)
		case slices.Contains([]string{"txqueuelen", "broadcast", "numtxqueues", "numrxqueues", "index", "group", "alias"}, word):
			_, words = m.value(words)
		case m.name == "":
			m.name, words = word, words[1:]
		default:
			m.wrong("%s is not known to ip link add", notation.Word(word))
			words = nil
		}
	}
	s.keep(i, m, false, false)
}

// keep adds the tunnel of a command, or says why it is left out.
func (s *Script) keep(i int, m *made, change, six bool) {
	m.settle()
	mode, err := gre.ParseMode(m.mode)
	switch {
	case m.problem != "":
		s.Refuse(i, "%s", m.problem)
		s.refused[m.name] = m.problem
		return
	case err != nil && !change:
		s.Skip(i, "%s is no kind of GRE tunnel", notation.Word(m.mode))
		return
	case isFallback(m.name):
		s.about(i, m.name)
		return
	case m.name != "" && !routes.IsDevice(m.name):
		s.Refuse(i, "%s cannot be a device's name", notation.Word(m.name))
		return
	}
	if !change || mode != 0 {
		m.t.Mode = mode
	}
	if six && m.t.Mode == gre.ModeGRE {
		m.t.Mode = gre.ModeIP6GRE
	}
	if m.t.Local.IsValid() && m.t.Local.IsUnspecified() {
		m.t.Local = m.t.Mode.AnyAddr()
	}
	if m.name == "" {
		m.name = nm.FreeName(s.names())
	}
	f := s.place(i, m, change)
	if f == nil {
		return
	}
	m.t.Name, m.t.MTU = m.name, f.MTU
	if !change {
		m.t.Addresses, m.t.PeerAddress, m.t.Routes = f.Addresses, f.PeerAddress, f.Routes
	}
	f.Tunnel, f.TTLSet = m.t, m.ttlSet
	if m.mtu != "" {
		s.mtu(i, f, m.mtu)
	}
	f.Up = f.Up || m.up
	s.device(i, f, m)
	s.Take(i)
	if m.lacks != "" {
		s.Refuse(i, "%s", m.lacks)
	}
	if m.refuse != "" {
		f.Refuse = m.refuse
		s.Refuse(i, "%s", m.refuse)
	}
	if !m.t.Remote.IsValid() || m.t.Remote.IsUnspecified() {
		f.Refuse = "remote: NetworkManager needs the far end's address, and this tunnel has many far ends"
		s.Refuse(i, "%s", f.Refuse)
	}
}

func (s *Script) names() map[string]bool {
	taken := map[string]bool{}
	for _, f := range s.Tunnels {
		taken[f.Name] = true
	}
	return taken
}

// place returns where the tunnel of a command is kept. A second one of a name is either the other
// end, or a copy.
func (s *Script) place(i int, m *made, change bool) *notation.Found {
	delete(s.refused, m.name)
	f, fresh := s.Add(m.name, i)
	switch {
	case fresh && change:
		s.Drop(f)
		s.Refuse(i, "there is no tunnel %s to change", notation.Word(m.name))
		return nil
	case fresh || change:
		return f
	case f.Local == m.t.Remote && f.Remote == m.t.Local:
		return s.Again(m.name, i)
	}
	why := fmt.Sprintf("%s is made by line %d already", notation.Word(m.name), s.Lines[f.At].N)
	if f.Local == m.t.Local && f.Remote == m.t.Remote {
		why = fmt.Sprintf("it is a copy of line %d: at the other end, local and remote change places", s.Lines[f.At].N)
	}
	s.refused[m.name] = why
	s.Rename(f, m.name) // lines behind are the copy's: nothing more is added to the first one
	s.Refuse(i, "%s", why)
	return nil
}
