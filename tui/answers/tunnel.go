package answers

import (
	"errors"
	"net/netip"
	"strings"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
	"nmgre/routes/rule"
	"nmgre/tui/form"
)

// badField is a field whose value cannot be read.
type badField struct {
	at  *form.Field
	err *fault.Error
}

// Tunnel reads the forms. Values that cannot be read are left out of the tunnel, and returned with
// their errors.
func (a *Answers) Tunnel() (nm.Tunnel, []badField) {
	r := &reader{a: a, names: a.host().Names, t: a.base.Clone()}
	r.endpoints()
	r.inner()
	r.keys()
	r.numbers()
	r.lines()
	if !r.t.PeerAddress.IsValid() && a.Edit {
		r.t.PeerAddress = r.t.ChoosePeer()
	}
	r.t.Parent = a.value("parent")
	r.t.NoPMTUD = a.value("no-pmtud") == form.YesNo(false) && !r.t.Mode.IPv6Outer()
	r.device()
	r.t.Autoconnect = a.value("autoconnect") == form.YesNo(true)
	r.t.Forward = a.value("forward") == form.YesNo(true)
	r.t.ClampMSS = a.value("clamp-mss") == form.YesNo(true)
	return r.t, r.bad
}

// reader puts the answers into a tunnel.
type reader struct {
	a     *Answers
	names routes.Names
	t     nm.Tunnel
	bad   []badField
}

func (r *reader) fail(f *form.Field, err *fault.Error) {
	if err != nil {
		r.bad = append(r.bad, badField{f, err})
	}
}

func (r *reader) endpoints() {
	a, t := r.a, &r.t
	if mode, err := gre.ParseMode(a.value("mode")); err == nil {
		t.Mode = mode
	}
	r.peer()
	r.ends()
	var err *fault.Error
	t.Name = a.value("name")
	switch local := a.value("local"); local {
	case localAuto:
		t.Local = netip.Addr{}
	case localAny:
		t.Local = netip.IPv4Unspecified()
	default:
		t.Local, err = parseAddr("local", local, "give one of this host's addresses")
		r.fail(a.get("local"), err)
	}
}

func (r *reader) inner() {
	a, t := r.a, &r.t
	t.Addresses = nil
	if a.asPort(t.Mode) {
		t.SetPeers(nil)
		return
	}
	for _, id := range []string{"address", "more"} {
		for _, word := range fieldsOf(a.value(id)) {
			p, err := parseInner(word)
			r.fail(a.get(id), err)
			if err == nil {
				t.Addresses = append(t.Addresses, p)
			}
		}
	}
	var peers []netip.Addr
	for _, word := range fieldsOf(a.value("peer-address")) {
		peer, err := parseAddr("peer-address", word, "give the far end's inner address, such as 172.16.0.2")
		r.fail(a.get("peer-address"), err)
		if err == nil {
			peers = append(peers, peer)
		}
	}
	t.SetPeers(peers)
}

// fieldsOf splits a list with spaces or commas between its entries.
func fieldsOf(text string) []string {
	return strings.FieldsFunc(text, func(c rune) bool { return c == ' ' || c == ',' })
}

func (r *reader) keys() {
	a, t := r.a, &r.t
	t.InputKey, t.OutputKey = nil, nil
	switch a.value("keys") {
	case keysOne:
		t.InputKey = r.key("key", true)
		if t.InputKey != nil {
			own := *t.InputKey
			t.OutputKey = &own
		}
	case keysTwo:
		t.InputKey, t.OutputKey = r.key("input-key", false), r.key("output-key", false)
	}
}

// key reads a key. An empty field is no key, unless one is needed.
func (r *reader) key(id string, needed bool) *gre.Key {
	f := r.a.get(id)
	if f.Value() == "" && !needed {
		return nil
	}
	if f.Value() == "" {
		r.fail(f, fault.Invalid(id, "give a number such as 42, or choose no key", "the key's number is missing"))
		return nil
	}
	k, err := gre.ParseKey(f.Value())
	if err != nil {
		r.failWith(f, err)
		return nil
	}
	return &k
}

// failWith takes an error of the domain's own parsers.
func (r *reader) failWith(f *form.Field, err error) {
	var e *fault.Error
	if errors.As(err, &e) {
		r.fail(f, e)
	}
}

func (r *reader) numbers() {
	t := &r.t
	t.TTL = uint8(r.number("ttl", "64", 1, 255, 0)) //nolint:gosec // at most 255
	t.TOS = uint8(r.number("tos", "0", 0, 255, 1))  //nolint:gosec // at most 255
	t.MTU = r.number("mtu", "", 68, 65535, -1)
	t.EncapLimit, t.FlowLabel = 0, 0
	if t.Mode.IPv6Outer() {
		r.encapLimit()
		t.FlowLabel = r.number("flow-label", "", 0, 0xfffff, -1)
	}
}

// encapLimit reads the encapsulation limit, or the word for none. An empty field is the default.
func (r *reader) encapLimit() {
	t := &r.t
	switch f := r.a.get("encap-limit"); {
	case f.Value() == noLimit:
		t.SetEncapLimit(0)
	case f.Value() != "":
		t.SetEncapLimit(uint8(r.number("encap-limit", "", 1, 255, -1))) //nolint:gosec // at most 255
	case r.a.base.HasNoEncapLimit():
		t.SetEncapLimit(gre.DefaultEncapLimit)
	}
}

// device reads the options of the link, its controller and its MAC address. Those that the mode
// does not have are left out.
func (r *reader) device() {
	a, t := r.a, &r.t
	yes := func(id string) bool { return a.value(id) == form.YesNo(true) }
	t.Link = gre.LinkOptions{Checksum: yes("checksum"), Sequence: yes("sequence"), Multicast: yes("multicast") && !t.Mode.Ethernet()}
	if yes("ignore-df") && !t.Mode.IPv6Outer() {
		given := t.TTL
		t.SetIgnoreDF(true)
		if given != gre.DefaultTTL { // somebody has chosen it
			t.TTL = given
		}
	}
	t.Controller, t.MAC = "", ""
	if !t.Mode.Ethernet() {
		return
	}
	t.Controller = a.value("controller")
	if text := a.value("mac"); text != "" {
		mac, err := nm.ParseMAC(text)
		r.fail(a.get("mac"), err)
		t.MAC = mac
	}
}

// number reads a number. An empty field is the default, and an empty default is 0.
func (r *reader) number(id, byDefault string, low, high uint32, inherit int) uint32 {
	f := r.a.get(id)
	value := f.Value()
	if value == "" {
		value = byDefault
	}
	if value == "" {
		return 0
	}
	n, err := parseNumber(id, value, low, high, inherit)
	r.fail(f, err)
	return n
}

// rule reads a rule.
func (r *reader) rule(f *form.Field) {
	one, err := rule.ParseWith(r.names, f.Value())
	if err != nil {
		r.failWith(f, err)
		return
	}
	r.t.Rules = append(r.t.Rules, one)
}

func (r *reader) lines() {
	r.t.Routes, r.t.Rules, r.t.SNAT = nil, nil, nil
	for _, f := range r.a.Forms[PageRoutes].Fields {
		if f.Value() == "" {
			continue
		}
		if f.ID == "rule" {
			r.rule(f)
			continue
		}
		route, err := r.names.Parse(f.Value())
		if err != nil {
			r.failWith(f, err)
			continue
		}
		r.t.Routes = append(r.t.Routes, route)
	}
	for _, f := range r.a.Forms[PageForward].Fields {
		if f.ID != "snat" || f.Value() == "" {
			continue
		}
		snat, err := keep.ParseSNAT(f.Value())
		if err != nil {
			r.failWith(f, err)
			continue
		}
		r.t.SNAT = append(r.t.SNAT, snat)
	}
}
