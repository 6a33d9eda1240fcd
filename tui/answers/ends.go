package answers

import (
	"net/netip"
	"slices"

	"nmgre/nm"
	"nmgre/nm/resolve"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/tui/form"
)

// named is the far end's name with the addresses found for it.
type named struct {
	name string
	v6   bool
	list []netip.Addr
	err  error
}

// noFirewalld says why no zone can be chosen.
const noFirewalld = "firewalld does not run here, or does not answer"

// nameFields are the fields about a far end that is given by its name.
func nameFields(t nm.Tunnel) []*form.Field {
	present := ""
	if t.PeerName != "" {
		present = t.Remote.String()
	}
	return []*form.Field{
		form.NewChoice("answer", "Which address", []form.Option{choice(present, fault.OrNone(present))}, present, "the name has several addresses, and a tunnel has one far end"),
		form.NewToggle("follow", "Follow the name", t.Follow, "nmgre follow, or its timer, moves the tunnel when the name leads elsewhere"),
	}
}

// endFields are the fields about the zone, and about probes.
func endFields(t nm.Tunnel) []*form.Field {
	zones := []form.Option{choice("", "firewalld's default zone")}
	if t.Zone != "" {
		zones = append(zones, choice(t.Zone, t.Zone))
	}
	return []*form.Field{
		form.NewChoice("zone", "Firewall zone", zones, t.Zone, "the zone of firewalld that decides on the packets of the tunnel"),
		form.NewToggle("no-probe", "Far end is probed", !t.NoProbe, "no for a tunnel in one direction, whose far end never answers: verify then judges by counters"),
	}
}

// SetZones offers firewalld's zones. There are none where it does not run.
func (a *Answers) SetZones(names []string) {
	f := a.get("zone")
	options := f.Options
	for _, name := range names {
		if !slices.ContainsFunc(options, func(o form.Option) bool { return o.Value == name }) {
			options = append(options, choice(name, fault.Printable(name)))
		}
	}
	f.SetOptions(options)
	a.Refresh()
}

// peerValue is the text of the far end's field.
func peerValue(t nm.Tunnel, address string) string {
	if t.PeerName != "" {
		return t.PeerName
	}
	return address
}

// NameQuery returns the far end's name if it has to be looked up; false if there is none, or it is
// looked up already.
func (a *Answers) NameQuery() (name string, v6, ok bool) {
	asked, isName, err := resolve.Parse(a.value("peer"))
	t, _ := a.Tunnel()
	v6 = t.Mode.IPv6Outer()
	return asked.Name, v6, isName && err == nil && (a.found.name != asked.Name || a.found.v6 != v6)
}

// SetName takes the addresses of the far end's name.
func (a *Answers) SetName(name string, v6 bool, list []netip.Addr, err error) {
	a.found = named{name, v6, list, err}
	var options []form.Option
	if present := a.base.Remote; a.Edit && a.base.PeerName == name && !slices.Contains(list, present) {
		options = append(options, choice(present.String(), present.String()+", as it was"))
	}
	for _, one := range list {
		options = append(options, choice(one.String(), one.String()))
	}
	f := a.get("answer")
	f.SetOptions(options)
	if a.Edit && a.base.PeerName == name {
		f.Choose(a.base.Remote.String())
		f.Begin()
	}
	a.Refresh()
}

// peer reads the far end's address or name.
func (r *reader) peer() {
	a, t := r.a, &r.t
	text := a.value("peer")
	asked, isName, err := resolve.Parse(text)
	if err != nil {
		r.failWith(a.get("peer"), err)
		return
	}
	if !isName {
		var bad *fault.Error
		t.PeerName = ""
		t.Remote, bad = resolve.Address(text)
		r.fail(a.get("peer"), bad)
		return
	}
	t.PeerName = asked.Name
	switch f := a.found; {
	case f.name != asked.Name || f.v6 != t.Mode.IPv6Outer():
		if a.base.PeerName != asked.Name { // an edit knows the address
			t.Remote = netip.Addr{}
			r.fail(a.get("peer"), fault.Invalid("peer", "wait a moment, or give its address", "%s is not looked up yet", fault.Printable(asked.Name)))
		}
	case f.err != nil:
		t.Remote = netip.Addr{}
		r.failWith(a.get("peer"), f.err)
	case asked.Chosen.IsValid():
		if t.Remote, err = resolve.Choose(asked, f.list); err != nil {
			r.failWith(a.get("peer"), err)
		}
	default:
		t.Remote, _ = netip.ParseAddr(a.value("answer")) // one of the addresses
	}
}

// ends reads the fields of endFields, and whether the name is followed.
func (r *reader) ends() {
	r.t.Zone = r.a.value("zone")
	r.t.NoProbe = r.a.value("no-probe") == form.YesNo(false)
	r.t.Follow = r.t.PeerName != "" && r.a.value("follow") == form.YesNo(true)
}

// enableEnds gives each field about the ends that has no meaning now the reason.
func (a *Answers) enableEnds(t nm.Tunnel) {
	which, follow, zone := "", "", ""
	switch {
	case t.PeerName == "":
		which, follow = "the far end is given by its address", "the far end is given by its address, which leads nowhere else"
	case len(a.get("answer").Options) < 2:
		which = "the name has one address"
	}
	if len(a.get("zone").Options) < 2 {
		zone = noFirewalld
	}
	a.get("answer").Why, a.get("follow").Why, a.get("zone").Why = which, follow, zone
	port := ""
	if a.asPort(t.Mode) {
		port = "the port of a bridge has no address of its own"
	}
	for _, id := range []string{"network", "address", "peer-address", "more"} {
		if f := a.get(id); f != nil {
			f.Why = port
		}
	}
}

// asPort says whether a new tunnel is to be the port of a bridge, and so has no inner address: the
// network that was proposed for it is not used. One that somebody has typed is refused.
func (a *Answers) asPort(m gre.Mode) bool {
	proposed, err := netip.ParsePrefix(a.value("network"))
	untouched := err == nil && a.value("address") == firstHost(proposed).String() && a.value("more") == "" && a.value("peer-address") == ""
	return untouched && m.Ethernet() && a.value("controller") != ""
}

// nameText names the addresses that the far end's name leads to.
func (a *Answers) nameText(t nm.Tunnel) string {
	if t.PeerName == "" || a.found.name != t.PeerName || a.found.err != nil || !t.Remote.IsValid() {
		return ""
	}
	text := fault.Printable(t.PeerName) + " is " + t.Remote.String()
	if !slices.Contains(a.found.list, t.Remote) {
		text = fault.Printable(t.PeerName) + " leads to " + nm.AddrTexts(a.found.list) + " now: choose below"
	}
	return text + "; NetworkManager holds the address only"
}
