package answers

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
	"nmgre/routes/kernel"
	"nmgre/routes/rule"
	"nmgre/tui/draw"
	"nmgre/tui/form"
)

// The values of choices that are neither addresses nor names.
const (
	localAuto  = "auto"
	localAny   = "any"
	parentNone = ""
	keysNone   = "none"
	keysOne    = "one"
	keysTwo    = "two"
	ownNetwork = "own"
	noLimit    = "none"
)

// build makes the forms, filled with the tunnel that they begin from. A fresh one gets a proposal
// for its inner network.
func (a *Answers) build(fresh bool) {
	t := a.base
	a.Forms[PageEndpoints] = &form.Form{Fields: a.endpointFields(t)}
	a.Forms[PageInner] = &form.Form{Fields: a.innerFields(t, fresh)}
	a.Forms[PageOptions] = &form.Form{Fields: optionFields(t)}
	a.Forms[PageRoutes] = &form.Form{Fields: append(routeFields(lineTexts(t.Routes)), ruleFields(lineTexts(t.Rules))...)}
	if fresh {
		a.Forms[PageEndpoints].Fields = append([]*form.Field{otherField()}, a.Forms[PageEndpoints].Fields...)
	}
	forward := []*form.Field{form.NewToggle("forward", "Forward packets", t.Forward, "between the tunnel and this host's networks, only on the devices that need it (IPv4)"),
		form.NewToggle("clamp-mss", "Clamp the MSS", t.ClampMSS, "lowers the segment size of TCP connections to what fits into the tunnel, where path MTU discovery is broken")}
	a.Forms[PageForward] = &form.Form{Fields: append(forward, lineFields("snat", "SNAT", lineTexts(t.SNAT), "such as 10.10.1.0/24=masquerade",
		"DEST=SOURCE: packets from the tunnel to DEST get that source address, so that hosts there need no route back; may be empty")...)}
}

func routeFields(values []string) []*form.Field {
	return lineFields("route", "Route", values, "such as 10.10.2.0/24",
		"a network behind the far end, in the words of ip route: 10.10.2.0/24 [via ADDRESS] [metric N] [table N]")
}

func ruleFields(values []string) []*form.Field {
	return lineFields("rule", "Rule", values, "such as from 10.0.0.2 table 100",
		"which packets look their way up in another table, in the words of ip rule: from 10.0.0.2 table 100; empty unless a route has a table of its own")
}

func (a *Answers) endpointFields(t nm.Tunnel) []*form.Field {
	modes := make([]form.Option, len(gre.Modes))
	for i, mode := range gre.Modes {
		modes[i] = choice(mode.String(), mode.String()+": "+modeText(mode))
	}
	name := form.NewText("name", "Name", t.Name, "the first free one of gre1, gre2, ...", "the interface's name, also the profile's: 1 to 15 letters, digits, - _ .")
	if a.Edit {
		name.Why = "a tunnel keeps its name (D makes another one like it)"
	}
	local := localAuto
	if t.Local.IsValid() {
		local = addrValue(t.Local)
	}
	mode := form.NewChoice("mode", "Mode", modes, t.Mode.String(), "what the tunnel carries, and over which protocol")
	if a.Edit {
		mode.Why = "a tunnel keeps its mode (D makes another one like it)"
	}
	which := nameFields(t)
	return []*form.Field{
		form.NewText("peer", "Far end's address", peerValue(t, routes.AddrText(t.Remote)), "such as 203.0.113.2", "the address, or the name, by which this host reaches the other one, outside the tunnel"),
		mode,
		form.NewChoice("local", "Local address", localOptions(nil, nil, t.Local, t.Mode), local, "what the far end sends to; the kernel's choice is right unless you know better"),
		name, which[0], which[1],
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
	return carries + " over " + by
}

func (a *Answers) innerFields(t nm.Tunnel, fresh bool) []*form.Field {
	var first string
	var more []string
	for i, p := range t.Addresses {
		if i == 0 {
			first = p.String()
		} else {
			more = append(more, p.String())
		}
	}
	fields := []*form.Field{
		form.NewText("address", "This end's inner address", first, "such as 172.16.0.1/30", "this end's address inside the tunnel, with its prefix length"),
		form.NewText("peer-address", "Far end's inner address", nm.AddrTexts(t.Peers()), "", "where probes go; leave it empty for the other host of a /30 or /31"),
		form.NewText("more", "More inner addresses", strings.Join(more, " "), "none", "such as an IPv6 one: fd00::1/64; several with spaces between them"),
	}
	if fresh {
		return append([]*form.Field{form.NewChoice("network", "Inner network", []form.Option{choice(ownNetwork, "my own, typed below")}, ownNetwork, "a free network of two hosts, or your own")}, fields...)
	}
	return fields
}

func optionFields(t nm.Tunnel) []*form.Field {
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
	} else if t.HasNoEncapLimit() {
		limit = noLimit
	}
	return append([]*form.Field{
		form.NewChoice("keys", "Key", []form.Option{choice(keysNone, "none"), choice(keysOne, "one for both directions"), choice(keysTwo, "one for each direction")}, kind,
			"a number that tells tunnels between the same two hosts apart, the same at both ends; it is no secret"),
		form.NewText("key", "Its number", key, "such as 42", "decimal, 0x hexadecimal, leading-zero octal, or a dotted quad"),
		form.NewText("input-key", "Input key", in, "none", "the far end's output key"),
		form.NewText("output-key", "Output key", out, "none", "the far end's input key"),
		form.NewText("mtu", "MTU", mtu, "computed", "the largest packet that goes through, in bytes; leave it empty and nmgre computes it"),
		form.NewText("ttl", "TTL", gre.TTLText(t.TTL), "64", "of the outer packets, 1 to 255, or inherit: then traceroute and routing hellos (TTL 1) do not get through"),
		form.NewText("tos", "TOS", gre.TOSText(t.TOS), "0", "of the outer packets, 0 to 255, or inherit"),
		form.NewToggle("no-pmtud", "Path MTU discovery", !t.NoPMTUD, "without it the inner packet's DF bit is copied, and TTL must be inherit"),
		form.NewText("encap-limit", "Encapsulation limit", limit, strconv.Itoa(gre.DefaultEncapLimit)+", the usual one", "how many more tunnels the packets may go through, 1 to 255, or none to send no limit"),
		form.NewText("flow-label", "Flow label", flowText(t.FlowLabel), "0", "of the outer packets, 0 to 1048575"),
		form.NewChoice("parent", "Bound to", parentOptions(nil, t.Parent), t.Parent, "the device that the packets must leave through; none lets the routes decide"),
		form.NewChoice("controller", "Port of a bridge", controllerOptions(nil, t.Controller), t.Controller, "joins the networks at both ends into one: the bridge has the addresses then, and the tunnel has none"),
		form.NewText("mac", "Ethernet address", t.MAC, "the kernel's choice", "of the tunnel's device, such as 02:00:5e:10:00:01"),
		form.NewToggle("multicast", "Multicast flag", t.Link.Multicast, "some routing daemons (babeld, pimd) use only devices that have it; root keeps it on"),
		form.NewToggle("ignore-df", "Ignore the DF bit", t.Link.IgnoreDF, "large packets go out in fragments; path MTU discovery is off then, and the TTL inherited; root keeps it"),
		form.NewToggle("checksum", "Checksums", t.Link.Checksum, "where the far end insists on them; the same at both ends; root keeps them"),
		form.NewToggle("sequence", "Sequence numbers", t.Link.Sequence, "where the far end insists on them; the same at both ends; root keeps them"),
		form.NewToggle("autoconnect", "Comes up at boot", t.Autoconnect, "NetworkManager brings the tunnel up by itself"),
	}, endFields(t)...)
}

func flowText(n uint32) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatUint(uint64(n), 10)
}

// choice is one of the values of a choice.
func choice(value, label string) form.Option { return form.Option{Value: value, Label: label} }

// lineFields are one field for each line, and an empty one after them.
func lineFields(id, label string, values []string, placeholder, help string) []*form.Field {
	var fields []*form.Field
	for _, v := range append(values, "") {
		fields = append(fields, form.NewText(id, label, v, placeholder, help))
	}
	return fields
}

// lineTexts are the entries of a list, a line each.
func lineTexts[T fmt.Stringer](list []T) []string {
	var texts []string
	for _, one := range list {
		texts = append(texts, one.String())
	}
	return texts
}

// localOptions are the kernel's choice, each address of the host that fits the mode, and "any".
func localOptions(links []kernel.Link, hop *kernel.Hop, present netip.Addr, mode gre.Mode) []form.Option {
	auto := "the kernel's choice"
	if hop != nil && hop.Src.IsValid() {
		auto += ": " + hop.Src.String() + " (" + fault.Printable(hop.Dev) + ")"
	}
	options := []form.Option{choice(localAuto, auto)}
	for _, l := range links {
		for _, p := range l.Addresses {
			a := p.Addr()
			if l.GRE == nil && a.Is6() == mode.IPv6Outer() && !a.IsLoopback() && !a.IsLinkLocalUnicast() {
				options = append(options, choice(a.String(), a.String()+" ("+fault.Printable(l.Name)+")"))
			}
		}
	}
	if present.IsValid() && !slices.ContainsFunc(options, func(o form.Option) bool { return o.Value == addrValue(present) }) && !present.IsUnspecified() {
		options = append(options, choice(addrValue(present), addrValue(present)))
	}
	if !mode.IPv6Outer() {
		options = append(options, choice(localAny, "any: whatever this host's routes say for each packet"))
	}
	return options
}

func parentOptions(links []kernel.Link, present string) []form.Option {
	options := []form.Option{choice(parentNone, "none")}
	found := present == ""
	for _, l := range links {
		if l.GRE == nil && l.Name != "lo" && !nm.IsFallback(l.Name) {
			options = append(options, choice(l.Name, l.Name))
			found = found || l.Name == present
		}
	}
	if !found {
		options = append(options, choice(present, present))
	}
	return options
}

// controllerOptions are the bridges of this host.
func controllerOptions(links []kernel.Link, present string) []form.Option {
	options := []form.Option{choice(parentNone, "none")}
	found := present == ""
	for _, l := range links {
		if l.Kind == "bridge" {
			options = append(options, choice(l.Name, l.Name))
			found = found || l.Name == present
		}
	}
	if !found {
		options = append(options, choice(present, present))
	}
	return options
}

// offer fills the choices with the host's addresses, devices and free networks, once they are
// known.
func (a *Answers) offer() {
	mode, _ := gre.ParseMode(a.value("mode"))
	a.get("local").SetOptions(localOptions(a.Links, a.Hop, a.base.Local, mode))
	a.get("parent").SetOptions(parentOptions(a.Links, a.base.Parent))
	a.get("controller").SetOptions(controllerOptions(a.Links, a.base.Controller))
	network := a.get("network")
	if network == nil || a.Links == nil || a.proposals != nil {
		return
	}
	a.proposals = freeNetworks(takenNetworks(a.Links, a.host().Tunnels))
	var options []form.Option
	for _, p := range a.proposals {
		options = append(options, choice(p.String(), p.String()+", which is free here"))
	}
	network.SetOptions(append(options, choice(ownNetwork, "my own, typed below")))
	if len(a.proposals) > 0 && a.get("address").Value() == "" {
		network.Choose(a.proposals[0].String())
	}
	a.takeNetwork(network.Value())
	network.Begin()
	a.get("address").Begin()
}

// takeNetwork puts this end's address of the proposed network into its field.
func (a *Answers) takeNetwork(value string) {
	p, err := netip.ParsePrefix(value)
	if err != nil {
		return
	}
	a.get("address").SetText(firstHost(p).String())
	a.get("peer-address").SetText("")
}

// enable gives each field that has no meaning now the reason.
func (a *Answers) enable(t nm.Tunnel) {
	by6 := ""
	if !t.Mode.IPv6Outer() {
		by6 = "only tunnels over IPv6 have it, and mode " + t.Mode.String() + " is over IPv4"
	}
	a.get("encap-limit").Why, a.get("flow-label").Why = by6, by6
	pmtud := ""
	if t.Mode.IPv6Outer() {
		pmtud = "IPv6 packets are never fragmented on their way"
	}
	a.get("no-pmtud").Why = pmtud
	ethernet, flag, by4 := "", "", ""
	if !t.Mode.Ethernet() {
		ethernet = "only tunnels that carry Ethernet frames have it, and mode " + t.Mode.String() + " carries IP packets"
	} else {
		flag = "a device that carries Ethernet frames has the flag by itself"
	}
	if t.Mode.IPv6Outer() {
		by4 = "only tunnels over IPv4 have it, and mode " + t.Mode.String() + " is over IPv6"
	}
	a.get("controller").Why, a.get("mac").Why, a.get("multicast").Why, a.get("ignore-df").Why = ethernet, ethernet, flag, by4
	kind := a.value("keys")
	one, two := "", ""
	if kind != keysOne {
		one = "there is no key for both directions: choose one above"
	}
	if kind != keysTwo {
		two = "there is no key for each direction: choose that above"
	}
	a.get("key").Why, a.get("input-key").Why, a.get("output-key").Why = one, two, two
	a.enableEnds(t)
}

// notes sets the notes, which tell the consequences of the values.
func (a *Answers) notes(t nm.Tunnel) {
	a.get("peer").Note = strings.Trim(strings.Trim(a.nameText(t)+"; "+a.wayText(t), "; ")+"; "+a.twinText(t), "; ")
	a.get("peer-address").Note = ""
	a.get("peer-address").SetPlaceholder("")
	if a.value("peer-address") == "" {
		a.offerPeer(t)
	}
	a.get("address").Note = a.takenText(t)
	a.get("mtu").Note = a.mtuNote(t)
	a.routeNotes(t)
	for _, id := range []string{"key", "input-key", "output-key"} {
		f := a.get(id)
		f.Note = ""
		if k, err := gre.ParseKey(f.Value()); err == nil && f.Value() != "" && f.Why == "" {
			f.Note = fmt.Sprintf("%s in decimal, %s, %s", k, k.Hex(), k.Dotted())
		}
	}
}

// offerPeer shows the far end's inner address that an empty field stands for.
func (a *Answers) offerPeer(t nm.Tunnel) {
	t.SetPeers(nil)
	chosen := t.ChoosePeer()
	switch {
	case !chosen.IsValid() || len(t.PeerChoices()) > 0:
	case chosen == nm.DerivePeer(t.Addresses):
		a.get("peer-address").SetPlaceholder(chosen.String() + ", the other host")
	default:
		a.get("peer-address").SetPlaceholder(chosen.String() + ", the routes' gateway")
	}
}

// whichPeer asks for the far end's inner address where several are possible; nil if there is
// nothing to ask.
func (a *Answers) whichPeer(t nm.Tunnel) *fault.Error {
	if a.value("peer-address") != "" || a.Edit {
		return nil
	}
	choices := t.PeerChoices()
	if len(choices) == 0 {
		return nil
	}
	return fault.Invalid("peer-address", "type one of them, or both with a space between them", "which one is the far end's: %s?", strings.ReplaceAll(nm.AddrTexts(choices), ", ", " or "))
}

// twinText names a tunnel that the kernel could not tell from this one.
func (a *Answers) twinText(t nm.Tunnel) string {
	for _, s := range a.host().Tunnels {
		o := s.Tunnel
		if !a.Edit && t.Remote.IsValid() && o.Remote == t.Remote && o.Mode == t.Mode && o.Parent == t.Parent && gre.SameKey(o.InputKey, t.InputKey) && (!t.Local.IsValid() || o.Local == t.Local) {
			return fault.Printable(o.Name) + " leads there already: this one needs a key of its own, on the page " + Names[PageOptions]
		}
	}
	return ""
}

// takenText names a tunnel that has an inner network of this one.
func (a *Answers) takenText(t nm.Tunnel) string {
	for _, s := range a.host().Tunnels {
		for _, theirs := range s.Tunnel.Addresses {
			shared := func(own netip.Prefix) bool {
				return own.Overlaps(theirs) && !own.IsSingleIP() && !theirs.IsSingleIP() && !own.Addr().IsLinkLocalUnicast()
			}
			if !a.Edit && slices.ContainsFunc(t.Addresses, shared) {
				return fault.Printable(s.Tunnel.Name) + " has " + theirs.Masked().String() + " already: this one needs another network"
			}
		}
	}
	return ""
}

// wayText says how the far end is reached.
func (a *Answers) wayText(t nm.Tunnel) string {
	switch {
	case !t.Remote.IsValid() || t.Remote != a.hopFor:
		return ""
	case errors.Is(a.hopErr, fault.ErrUnreachable):
		return "this host has no route to it now"
	case a.hopErr != nil || a.Hop == nil:
		return ""
	}
	way := "reached by " + fault.Printable(a.Hop.Dev)
	if a.Hop.Via.IsValid() {
		way += " via " + a.Hop.Via.String()
	}
	if a.Hop.Src.IsValid() {
		way += ", from " + a.Hop.Src.String()
	}
	return way
}

// mtuNote shows the arithmetic.
func (a *Answers) mtuNote(t nm.Tunnel) string {
	if a.Hop == nil || a.Hop.MTU == 0 || t.Remote != a.hopFor {
		return ""
	}
	e := t.Encapsulation()
	note := e.Arithmetic(a.Hop.MTU) + ", on the way by " + fault.Printable(a.Hop.Dev)
	if t.MTU != 0 && int(t.MTU) > e.MTU(a.Hop.MTU) {
		note += "; larger packets are fragmented or lost"
	}
	return note
}

// routeNotes says at each route who will hold it, and why.
func (a *Answers) routeNotes(t nm.Tunnel) {
	known := a.host()
	owned := nm.AssignRoutes(t.Routes, 0, known.Version)
	next := 0
	for _, f := range a.Forms[PageRoutes].Fields {
		f.Note = ""
		if one, err := rule.ParseWith(known.Names, f.Value()); f.ID == "rule" && err == nil {
			owner, why := nm.RuleOwner(one)
			f.Note = "held by " + draw.HolderText(nm.Owned{Owner: owner, Why: why})
			continue
		}
		r, err := known.Names.Parse(f.Value())
		if f.Value() == "" || err != nil {
			continue
		}
		if next < len(owned) && owned[next].Route.String() == r.String() {
			f.Note = "held by " + draw.HolderText(owned[next])
			next++
		}
	}
}
