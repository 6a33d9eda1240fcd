package tui

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// The values of choices that are no addresses or names.
const (
	localAuto  = "auto"
	localAny   = "any"
	parentNone = ""
	keysNone   = "none"
	keysOne    = "one"
	keysTwo    = "two"
	ownNetwork = "own"
)

// build makes the forms, filled with the tunnel that they begin from. A fresh one gets a proposal
// for its inner network.
func (a *answers) build(fresh bool) {
	t := a.base
	a.forms[pageEndpoints] = &form{fields: a.endpointFields(t)}
	a.forms[pageInner] = &form{fields: a.innerFields(t, fresh)}
	a.forms[pageOptions] = &form{fields: optionFields(t)}
	a.forms[pageRoutes] = &form{fields: lineFields("route", "Route", routeTexts(t.Routes), "such as 10.10.2.0/24",
		"a network behind the far end, as for ip route: 10.10.2.0/24 [via ADDRESS] [metric N] [table N]")}
	forward := []*field{toggleField("forward", "Forward packets", t.Forward, "between the tunnel and this host's networks, on just the devices involved (IPv4)"),
		toggleField("clamp-mss", "Clamp the MSS", t.ClampMSS, "TCP connections through the tunnel are kept to segments that fit, where path MTU discovery is broken")}
	a.forms[pageForward] = &form{fields: append(forward, lineFields("snat", "SNAT", snatTexts(t.SNAT), "such as 10.10.1.0/24=masquerade",
		"DEST=SOURCE: packets from the tunnel's network to DEST get that source, so that hosts there need no route back; leave it empty for none")...)}
}

func (a *answers) endpointFields(t nm.Tunnel) []*field {
	modes := make([]option, len(gre.Modes))
	for i, mode := range gre.Modes {
		modes[i] = option{mode.String(), mode.String() + ": " + modeText(mode)}
	}
	name := textField("name", "Name", t.Name, "the first free one of gre1, gre2, ...", "the interface's name, also the profile's: 1 to 15 letters, digits, - _ .")
	if a.edit {
		name.why = "a tunnel keeps its name: D makes another one like it"
	}
	local := localAuto
	if t.Local.IsValid() {
		local = addrValue(t.Local)
	}
	mode := choiceField("mode", "Mode", modes, t.Mode.String(), "what the tunnel carries, and by what")
	if a.edit {
		mode.why = "a tunnel keeps its mode: D makes another one like it"
	}
	return []*field{
		textField("peer", "Far end's address", routes.AddrText(t.Remote), "such as 203.0.113.2", "the address by which this host reaches the other one, outside the tunnel"),
		mode,
		choiceField("local", "Local address", localOptions(nil, nil, t.Local, t.Mode), local, "what the far end sends to; the kernel's choice is right unless you know better"),
		name,
	}
}

func addrValue(a netip.Addr) string {
	if a.IsUnspecified() {
		return localAny
	}
	return a.String()
}

func modeText(m gre.Mode) string {
	carries, by := "IP packets", "IPv4"
	if m.Ethernet() {
		carries = "Ethernet frames"
	}
	if m.IPv6Outer() {
		by = "IPv6"
	}
	return carries + " by " + by
}

func (a *answers) innerFields(t nm.Tunnel, fresh bool) []*field {
	var first string
	var more []string
	for i, p := range t.Addresses {
		if i == 0 {
			first = p.String()
		} else {
			more = append(more, p.String())
		}
	}
	fields := []*field{
		textField("address", "This end's inner address", first, "such as 172.16.0.1/30", "this end's address inside the tunnel, with the length of its network"),
		textField("peer-address", "Far end's inner address", routes.AddrText(t.PeerAddress), "", "where probes go; leave it empty for the other host of a /30 or /31"),
		textField("more", "More inner addresses", strings.Join(more, " "), "none", "such as an IPv6 one: fd00::1/64; several with spaces between them"),
	}
	if fresh {
		return append([]*field{choiceField("network", "Inner network", []option{{ownNetwork, "my own, typed below"}}, ownNetwork, "a free network of two hosts, or your own")}, fields...)
	}
	return fields
}

func optionFields(t nm.Tunnel) []*field {
	kind, in, out := keysNone, "", ""
	if t.InputKey != nil {
		kind, in = keysTwo, t.InputKey.String()
	}
	if t.OutputKey != nil {
		kind, out = keysTwo, t.OutputKey.String()
	}
	if t.InputKey != nil && t.OutputKey != nil && *t.InputKey == *t.OutputKey {
		kind = keysOne
	}
	key := ""
	if kind == keysOne {
		key = in
	}
	mtu, limit := "", ""
	if t.MTU != 0 {
		mtu = strconv.FormatUint(uint64(t.MTU), 10)
	}
	if t.EncapLimit != 0 {
		limit = strconv.Itoa(int(t.EncapLimit))
	}
	return []*field{
		choiceField("keys", "Key", []option{{keysNone, "none"}, {keysOne, "one for both directions"}, {keysTwo, "one for each direction"}}, kind,
			"a number that tells tunnels between the same two hosts apart, the same at both ends; no secret"),
		textField("key", "Its number", key, "such as 42", "decimal, 0x hexadecimal, leading-zero octal, or a dotted quad"),
		textField("input-key", "Packets come with", in, "none", "the far end's output key"),
		textField("output-key", "Packets are sent with", out, "none", "the far end's input key"),
		textField("mtu", "MTU", mtu, "computed", "the biggest packet that goes through, in bytes; leave it empty to have it computed"),
		textField("ttl", "TTL", gre.TTLText(t.TTL), "64", "of the outer packets, 1 to 255, or inherit: that kills routing hellos and traceroute"),
		textField("tos", "TOS", gre.TOSText(t.TOS), "0", "of the outer packets, 0 to 255, or inherit"),
		toggleField("no-pmtud", "Path MTU discovery", !t.NoPMTUD, "without it the inner packet's DF bit is copied, and TTL must be inherit"),
		textField("encap-limit", "Encapsulation limit", limit, strconv.Itoa(gre.DefaultEncapLimit)+", the usual one", "how many more tunnels the packets may go through, 1 to 255"),
		textField("flow-label", "Flow label", flowText(t.FlowLabel), "0", "of the outer packets, 0 to 1048575"),
		choiceField("parent", "Bound to", parentOptions(nil, t.Parent), t.Parent, "the device that the packets must leave by; none lets the routes decide"),
		toggleField("autoconnect", "Comes up at boot", t.Autoconnect, "NetworkManager brings the tunnel up by itself"),
	}
}

func flowText(n uint32) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatUint(uint64(n), 10)
}

// lineFields are one field for each line, and an empty one behind.
func lineFields(id, label string, values []string, placeholder, help string) []*field {
	var fields []*field
	for _, v := range append(values, "") {
		fields = append(fields, textField(id, label, v, placeholder, help))
	}
	return fields
}

func routeTexts(list []routes.Route) []string {
	var texts []string
	for _, r := range list {
		texts = append(texts, r.String())
	}
	return texts
}

func snatTexts(list []keep.SNAT) []string {
	var texts []string
	for _, s := range list {
		texts = append(texts, s.String())
	}
	return texts
}

// localOptions are the kernel's choice, each address of the host that the mode can use, and any.
func localOptions(links []kernel.Link, hop *kernel.Hop, present netip.Addr, mode gre.Mode) []option {
	auto := "the kernel's choice"
	if hop != nil && hop.Src.IsValid() {
		auto += ": " + hop.Src.String() + " (" + fault.Printable(hop.Dev) + ")"
	}
	options := []option{{localAuto, auto}}
	for _, l := range links {
		for _, p := range l.Addresses {
			a := p.Addr()
			if l.GRE == nil && a.Is6() == mode.IPv6Outer() && !a.IsLoopback() && !a.IsLinkLocalUnicast() {
				options = append(options, option{a.String(), a.String() + " (" + fault.Printable(l.Name) + ")"})
			}
		}
	}
	if present.IsValid() && !slices.ContainsFunc(options, func(o option) bool { return o.value == addrValue(present) }) && !present.IsUnspecified() {
		options = append(options, option{addrValue(present), addrValue(present)})
	}
	if !mode.IPv6Outer() {
		options = append(options, option{localAny, "any: whatever this host's routes say for each packet"})
	}
	return options
}

func parentOptions(links []kernel.Link, present string) []option {
	options := []option{{parentNone, "none"}}
	found := present == ""
	for _, l := range links {
		if l.GRE == nil && l.Name != "lo" {
			options = append(options, option{l.Name, l.Name})
			found = found || l.Name == present
		}
	}
	if !found {
		options = append(options, option{present, present})
	}
	return options
}

// offer fills the choices with what the host has, once that is known.
func (a *answers) offer() {
	mode, _ := gre.ParseMode(a.value("mode"))
	a.get("local").setOptions(localOptions(a.links, a.hop, a.base.Local, mode))
	a.get("parent").setOptions(parentOptions(a.links, a.base.Parent))
	network := a.get("network")
	if network == nil || a.links == nil || a.proposals != nil {
		return
	}
	a.proposals = freeNetworks(takenNetworks(a.links, a.host().tunnels))
	var options []option
	for _, p := range a.proposals {
		options = append(options, option{p.String(), p.String() + ", which is free here"})
	}
	network.setOptions(append(options, option{ownNetwork, "my own, typed below"}))
	if len(a.proposals) > 0 && a.get("address").value() == "" {
		network.choose(a.proposals[0].String())
	}
	a.takeNetwork(network.value())
	network.begin()
	a.get("address").begin()
}

// takeNetwork puts this end's address of the proposed network into its field.
func (a *answers) takeNetwork(value string) {
	p, err := netip.ParsePrefix(value)
	if err != nil {
		return
	}
	a.get("address").setText(firstHost(p).String())
	a.get("peer-address").setText("")
}

// enable says of the fields that have no meaning now why.
func (a *answers) enable(t nm.Tunnel) {
	by6 := ""
	if !t.Mode.IPv6Outer() {
		by6 = "only tunnels by IPv6 have it, and mode " + t.Mode.String() + " is by IPv4"
	}
	a.get("encap-limit").why, a.get("flow-label").why = by6, by6
	pmtud := ""
	if t.Mode.IPv6Outer() {
		pmtud = "IPv6 packets are never fragmented on their way"
	}
	a.get("no-pmtud").why = pmtud
	kind := a.value("keys")
	one, two := "", ""
	if kind != keysOne {
		one = "there is no key for both directions: choose one above"
	}
	if kind != keysTwo {
		two = "there is no key for each direction: choose that above"
	}
	a.get("key").why, a.get("input-key").why, a.get("output-key").why = one, two, two
}

// notes say what the values lead to.
func (a *answers) notes(t nm.Tunnel) {
	a.get("peer").note = a.wayText(t)
	a.get("peer-address").note = ""
	a.get("peer-address").setPlaceholder("")
	if derived := nm.DerivePeer(t.Addresses); derived.IsValid() && a.value("peer-address") == "" {
		a.get("peer-address").setPlaceholder(derived.String() + ", the other host")
	}
	a.get("mtu").note = a.mtuNote(t)
	a.routeNotes(t)
	for _, id := range []string{"key", "input-key", "output-key"} {
		f := a.get(id)
		f.note = ""
		if k, err := gre.ParseKey(f.value()); err == nil && f.value() != "" && f.why == "" {
			f.note = fmt.Sprintf("%s in decimal, %s, %s", k, k.Hex(), k.Dotted())
		}
	}
}

// wayText says how the far end is reached.
func (a *answers) wayText(t nm.Tunnel) string {
	switch {
	case !t.Remote.IsValid() || t.Remote != a.hopFor:
		return ""
	case errors.Is(a.hopErr, fault.ErrUnreachable):
		return "this host has no route to it now"
	case a.hopErr != nil || a.hop == nil:
		return ""
	}
	way := "reached by " + fault.Printable(a.hop.Dev)
	if a.hop.Via.IsValid() {
		way += " via " + a.hop.Via.String()
	}
	if a.hop.Src.IsValid() {
		way += ", from " + a.hop.Src.String()
	}
	return way
}

// mtuNote shows the arithmetic.
func (a *answers) mtuNote(t nm.Tunnel) string {
	if a.hop == nil || a.hop.MTU == 0 || t.Remote != a.hopFor {
		return ""
	}
	e := t.Encapsulation()
	note := e.Arithmetic(a.hop.MTU) + ", on the way by " + fault.Printable(a.hop.Dev)
	if t.MTU != 0 && int(t.MTU) > e.MTU(a.hop.MTU) {
		note += "; what is bigger is fragmented or lost"
	}
	return note
}

// routeNotes say of each route who will own it, and why.
func (a *answers) routeNotes(t nm.Tunnel) {
	known := a.host()
	owned := nm.AssignRoutes(t.Routes, 0, known.version)
	next := 0
	for _, f := range a.forms[pageRoutes].fields {
		f.note = ""
		r, err := known.names.Parse(f.value())
		if f.value() == "" || err != nil {
			continue
		}
		if next < len(owned) && owned[next].Route.String() == r.String() {
			f.note = "held by " + ownerText(owned[next].Owner) + ": " + owned[next].Why
			next++
		}
	}
}
