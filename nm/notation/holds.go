package notation

import (
	"fmt"
	"slices"
	"strings"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
	"nmgre/routes/rule"
)

// Keys is how a notation writes GRE keys.
type Keys uint8

// The ways to write keys.
const (
	NoKey   Keys = iota // there are none
	OneKey              // one key for both directions
	TwoKeys             // a key for each direction, or for one of them only
)

// Can is a set of the fields that a notation can hold besides two addresses, a TTL and an MTU.
type Can uint64

// The fields that a notation can hold. The comments name them as nmgre's errors do.
const (
	CanAnyLocal     Can = 1 << iota // local: any local address
	CanParent                       // parent
	CanInheritTTL                   // ttl: inherit
	CanTOS                          // tos
	CanNoPMTUD                      // no-pmtud
	CanEncapLimit                   // encap-limit other than 4
	CanFlags                        // flags
	CanMany                         // address: more than one of a family
	CanInner6                       // address: IPv6
	CanNoInner                      // address: none at all
	CanPeer                         // peer-address: one that is in no network of this end
	CanRule                         // rule: from, to, iif, oif, fwmark, tos, not and priority
	CanZone                         // zone
	CanFollow                       // follow
	CanSNAT                         // snat
	CanForward                      // forward
	CanClamp                        // clamp-mss
	CanManual                       // autoconnect=false
	CanVia                          // route: via
	CanMetric                       // route: metric
	CanTable                        // route: table
	CanSrc                          // route: src
	CanOnLink                       // route: onlink
	CanRouteMTU                     // route: mtu
	CanType                         // route: blackhole and the like, without a device
	CanAnyRoute                     // route: every word of ip route
	CanNoEncapLimit                 // encap-limit: none
	CanController                   // controller: the interface of a bridge
	CanBridgeUUID                   // controller: the UUID of a bridge's profile
	CanMAC                          // mac
	CanMulticast                    // multicast
	CanIgnoreDF                     // ignore-df
	CanChecksum                     // checksum
	CanSequence                     // sequence
	CanAnyRule                      // rule: every word of ip rule
	CanFlowLabel                    // flow-label
	CanTOS6                         // tos, in an outer header of IPv6
	CanHexTOS                       // tos, in an outer header of IPv4, with a hexadecimal digit above 9
	CanRootRule                     // rule: those that no profile of NetworkManager holds
	CanBridgeName                   // controller: the name of a bridge's profile
)

// CanAllOfLinux has the fields that Linux itself can hold, CanPort those that only an Ethernet
// device has. CanLinkOptions are the options of a link that no profile has.
const (
	CanAllOfLinux = CanAnyLocal | CanParent | CanInheritTTL | CanTOS | CanTOS6 | CanHexTOS | CanNoPMTUD | CanEncapLimit | CanFlowLabel | CanMany | CanInner6 | CanNoInner | CanPeer | CanAnyRoute |
		CanNoEncapLimit | CanPort
	CanPort        = CanController | CanMAC
	CanLinkOptions = CanMulticast | CanIgnoreDF | CanChecksum | CanSequence
)

// Holds has the limits of a notation. Why returns reasons by the names of fields, and is nil where
// there are none; a field without one has no word in the notation.
type Holds struct {
	Modes []gre.Mode
	Keys  Keys
	Can   Can
	// NoZero says that the notation takes the key 0 for no key.
	NoZero bool
	Why    func() map[string]string
}

// need is a field, or a value of one, that not every notation can hold.
type need struct {
	field string
	what  string // the field in words, for a table of the limits
	can   Can
	of    func(t *nm.Tunnel) bool
}

func routeNeed(what string, can Can, of func(r *routes.Route) bool) need {
	return need{"route", what, can | CanAnyRoute, func(t *nm.Tunnel) bool {
		return slices.ContainsFunc(t.Routes, func(r routes.Route) bool { return of(&r) })
	}}
}

// needs are all of them, in the order of the errors.
var needs = []need{
	{"local", "any local address", CanAnyLocal, func(t *nm.Tunnel) bool { return !isHost(t.Local) }},
	{"parent", "a parent device", CanParent, func(t *nm.Tunnel) bool { return t.Parent != "" }},
	{"ttl", "ttl inherit", CanInheritTTL, func(t *nm.Tunnel) bool { return t.TTL == 0 }},
	{"tos", "a TOS", CanTOS, func(t *nm.Tunnel) bool { return t.TOS != 0 }},
	{"tos", "a TOS in outer headers of IPv6", CanTOS6, func(t *nm.Tunnel) bool { return t.TOS != 0 && t.Mode.IPv6Outer() }},
	{"tos", "a TOS with a hexadecimal digit above 9", CanHexTOS, func(t *nm.Tunnel) bool { return !t.Mode.IPv6Outer() && (t.TOS&0xf > 9 || t.TOS>>4 > 9) }},
	{"no-pmtud", "no-pmtud", CanNoPMTUD, func(t *nm.Tunnel) bool { return t.NoPMTUD }},
	{"encap-limit", "an encapsulation limit other than 4", CanEncapLimit, func(t *nm.Tunnel) bool { return t.EncapLimit != 0 && t.EncapLimit != gre.DefaultEncapLimit }},
	{"encap-limit", noLimit, CanNoEncapLimit | CanFlags, func(t *nm.Tunnel) bool { return t.HasNoEncapLimit() }},
	{"flow-label", "a flow label", CanFlowLabel, func(t *nm.Tunnel) bool { return t.FlowLabel != 0 }},
	{"flags", "NetworkManager's flags", CanFlags, hasFlags},
	{"address", "several inner addresses of one family", CanMany, func(t *nm.Tunnel) bool { return len(Inner4(*t)) > 1 || len(Inner6(*t)) > 1 }},
	{"address", "IPv6 inner addresses", CanInner6, func(t *nm.Tunnel) bool { return len(Inner6(*t)) > 0 }},
	{"address", "no inner address", CanNoInner, func(t *nm.Tunnel) bool { return len(t.Addresses) == 0 }},
	{"peer-address", "a peer address outside of the inner networks", CanPeer | CanAnyRoute, func(t *nm.Tunnel) bool {
		return slices.ContainsFunc(t.Peers(), func(a addr) bool { return t.IsRouteToPeer(routes.Route{Dst: routes.HostPrefix(a)}) })
	}},
	{"controller", "bridge whose port the tunnel is", CanController, func(t *nm.Tunnel) bool { return t.Controller != "" }},
	{"controller", "bridge by the UUID of its profile", CanBridgeUUID, func(t *nm.Tunnel) bool { return keep.IsUUID(t.Controller) }},
	{"controller", "bridge by the name of its profile", CanBridgeName, func(t *nm.Tunnel) bool {
		return t.Controller != "" && !routes.IsDevice(t.Controller) && !keep.IsUUID(t.Controller)
	}},
	{"mac", "Ethernet address of the device", CanMAC, func(t *nm.Tunnel) bool { return t.MAC != "" }},
	{"multicast", "multicast flag of the device", CanMulticast, func(t *nm.Tunnel) bool { return t.Link.Multicast }},
	{"ignore-df", "way to ignore the DF bit", CanIgnoreDF, func(t *nm.Tunnel) bool { return t.Link.IgnoreDF }},
	{"checksum", "GRE checksums", CanChecksum, func(t *nm.Tunnel) bool { return t.Link.Checksum }},
	{"sequence", "GRE sequence numbers", CanSequence, func(t *nm.Tunnel) bool { return t.Link.Sequence }},
	{"rule", "rule of ip rule", CanRule, func(t *nm.Tunnel) bool { return len(t.Rules) > 0 }},
	{"rule", "rule with uidrange, ipproto, sport or dport", CanAnyRule, func(t *nm.Tunnel) bool { return slices.ContainsFunc(t.Rules, bySender) }},
	{"rule", fmt.Sprintf("rule with suppress_ifgroup or the priority 0, or more than %d rules", nm.MaxProfileRules), CanRootRule, func(t *nm.Tunnel) bool {
		return len(t.Rules) > nm.MaxProfileRules || slices.ContainsFunc(t.Rules, func(r rule.Rule) bool { return nm.UnfitRule(r) != "" })
	}},
	{"zone", "zone of firewalld", CanZone, func(t *nm.Tunnel) bool { return t.Zone != "" }},
	{"follow", "name of the far end to follow", CanFollow, func(t *nm.Tunnel) bool { return t.Follow }},
	{"snat", "SNAT", CanSNAT, func(t *nm.Tunnel) bool { return len(t.SNAT) > 0 }},
	{"forward", "forwarding", CanForward, func(t *nm.Tunnel) bool { return t.Forward }},
	{"clamp-mss", "the MSS clamp", CanClamp, func(t *nm.Tunnel) bool { return t.ClampMSS }},
	{"autoconnect", "autoconnect=false", CanManual, func(t *nm.Tunnel) bool { return !t.Autoconnect }},
	routeNeed("via", CanVia, func(r *routes.Route) bool { return r.Via.IsValid() }),
	routeNeed("metric", CanMetric, func(r *routes.Route) bool { return r.Metric != nil }),
	routeNeed("table", CanTable, func(r *routes.Route) bool { return r.Table != 0 }),
	routeNeed("src", CanSrc, func(r *routes.Route) bool { return r.Src.IsValid() }),
	routeNeed("onlink", CanOnLink, func(r *routes.Route) bool { return r.OnLink }),
	routeNeed("mtu", CanRouteMTU, func(r *routes.Route) bool { return r.MTU != 0 && !r.MTULock }),
	routeNeed("types without a device", CanType, func(r *routes.Route) bool { return !r.Type.HasDevice() }),
	routeNeed("other words of ip route", 0, func(r *routes.Route) bool { return moreThan(r) }),
}

// bySender says whether a rule looks at the sender or behind the IP header.
func bySender(r rule.Rule) bool {
	return r.UIDs.Set || r.IPProto != 0 || r.SPort.First != 0 || r.DPort.First != 0
}

// hasFlags says whether a tunnel has flags besides the one for no encapsulation limit.
func hasFlags(t *nm.Tunnel) bool {
	flags := t.Flags
	if t.HasNoEncapLimit() {
		flags &^= gre.FlagIgnEncapLimit
	}
	return flags != 0
}

// moreThan says whether a route has words beside those that have a bit of [Can].
func moreThan(r *routes.Route) bool {
	if r.Type != routes.TypeUnicast && r.Type.HasDevice() || r.MTULock {
		return true
	}
	bare := *r
	bare.Metric, bare.Table, bare.MTU, bare.OnLink, bare.Type = nil, 0, 0, false, routes.TypeUnicast
	bare.Via, bare.Src = addr{}, addr{}
	return !bare.Bare()
}

// Problems returns an error for each field of the tunnel that the notation with that title cannot
// hold: a [fault.ErrInvalid] with the name of the field.
func (h Holds) Problems(title string, t nm.Tunnel) fault.List {
	var list fault.List
	refuse := func(field, what string) {
		hint := "leave it out at both ends, or choose another notation: nmgre import --help lists what each can hold"
		list.Add(fault.Invalid(field, hint, "%s", h.text(title, field, what)))
	}
	if !slices.Contains(h.Modes, t.Mode) {
		refuse("mode", "mode "+t.Mode.String())
	}
	switch {
	case h.Keys == NoKey && (t.InputKey != nil || t.OutputKey != nil):
		refuse("key", "GRE key")
	case h.Keys == OneKey && !gre.SameKey(t.InputKey, t.OutputKey):
		refuse("key", "key for one direction")
	case h.NoZero && (isZero(t.InputKey) || isZero(t.OutputKey)):
		refuse("key", "key 0")
	}
	for _, n := range needs {
		if h.Can&n.can == 0 && !h.implied(n) && n.of(&t) {
			refuse(n.field, n.what)
		}
	}
	return list
}

func isZero(k *gre.Key) bool { return k != nil && *k == 0 }

func (h Holds) why(field string) string {
	if h.Why == nil {
		return ""
	}
	return h.Why()[field]
}

// text says that the notation cannot hold a field, and why.
func (h Holds) text(title, field, what string) string {
	text := fmt.Sprintf("%s has no %s", title, strings.TrimPrefix(what, "a "))
	if field == "route" {
		text = fmt.Sprintf("%s cannot hold a route with: %s", title, what)
	}
	if field == "address" && what == "no inner address" {
		text = title + " needs an inner address"
	}
	if why := h.why(field); why != "" {
		text += ": " + why
	} else if slices.Contains(unwritten, field) || what == noLimit {
		text = fmt.Sprintf("nmgre writes no %s in the notation of %s", what, title)
	}
	return text
}

// unwritten are the fields for which a notation may have words that nmgre does not write.
var unwritten = append(gre.LinkOptionNames(), "controller", "mac", "rule")

// noLimit is the same for --encap-limit none: the field has other values.
const noLimit = "way to send no encapsulation limit"

// Lacks lists the fields that the notation cannot hold: "key (both directions alike)".
func (h Holds) Lacks() []string {
	var list []string
	for _, m := range gre.Modes {
		if !slices.Contains(h.Modes, m) {
			list = append(list, "mode "+m.String())
		}
	}
	switch h.Keys {
	case NoKey:
		list = append(list, "key")
	case OneKey:
		list = append(list, "input-key other than output-key")
	case TwoKeys:
	}
	if h.NoZero {
		list = append(list, "key 0")
	}
	var words []string
	for _, n := range needs {
		switch {
		case h.Can&n.can != 0:
		case h.implied(n):
		case n.can&CanNoEncapLimit != 0 && h.Can&CanEncapLimit == 0: // encap-limit other than 4 says it
		case n.field == "route":
			words = append(words, n.what)
		default:
			list = append(list, lackText(n))
		}
	}
	if len(words) > 0 {
		list = append(list, "route ("+strings.Join(words, ", ")+")")
	}
	return list
}

// implied says whether a need for more than n covers it.
func (h Holds) implied(n need) bool {
	switch {
	case n.can == CanBridgeUUID || n.can == CanBridgeName:
		return h.Can&CanController == 0
	case n.can == CanAnyRule || n.can == CanRootRule:
		return h.Can&CanRule == 0
	case n.can == CanTOS6:
		return h.Can&CanTOS == 0 || !slices.ContainsFunc(h.Modes, gre.Mode.IPv6Outer)
	case n.can == CanHexTOS:
		return h.Can&CanTOS == 0
	}
	return false
}

// lackText names a field that a notation cannot hold in as few words as possible.
func lackText(n need) string {
	switch n.field {
	case "local":
		return "local any"
	case "ttl", "autoconnect":
		return n.what
	case "encap-limit":
		if n.can&CanNoEncapLimit != 0 {
			return "encap-limit none"
		}
		return "encap-limit other than 4"
	case "controller":
		if n.can == CanBridgeUUID {
			return "controller (by the UUID of its profile)"
		}
		if n.can == CanBridgeName {
			return "controller (by the name of its profile)"
		}
	case "address":
		return "address (" + strings.Replace(n.what, "no inner address", "none", 1) + ")"
	case "rule":
		if n.can == CanAnyRule {
			return "rule (uidrange, ipproto, sport, dport)"
		}
		if n.can == CanRootRule {
			return fmt.Sprintf("rule (suppress_ifgroup, priority 0, and more than %d)", nm.MaxProfileRules)
		}
	case "tos":
		switch {
		case n.can == CanTOS6:
			return "tos (of modes ip6gre and ip6gretap)"
		case n.can == CanHexTOS:
			return "tos (with a hexadecimal digit above 9, over IPv4)"
		}
	case "peer-address":
		return "peer-address (outside of the inner networks)"
	}
	return n.field
}
