package nm

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
)

// SameInProfile says whether the profiles of t and o are the same. SNAT is not compared: no profile
// holds it.
func (t Tunnel) SameInProfile(o Tunnel) bool {
	if !routes.EqualLists(t.Routes, o.Routes) || !slices.Equal(t.Rules, o.Rules) || !slices.Equal(t.Addresses, o.Addresses) {
		return false
	}
	for _, rest := range []*Tunnel{&t, &o} {
		rest.Routes, rest.Rules, rest.Addresses, rest.SNAT, rest.Leader, rest.Doomed = nil, nil, nil, nil, "", false
	}
	return reflect.DeepEqual(t, o)
}

// FieldChange is one difference that an edit makes.
type FieldChange struct {
	// Field is the flag of `nmgre create`, without dashes; "peer-name" is the name in --peer.
	Field string
	// Old and New are values in the flag's notation, or empty. Each entry that leaves a list, such
	// as the routes, or joins it is a FieldChange of its own.
	Old, New string
}

// String returns "mtu: 1476 -> 1400", "route: - 10.10.2.0/24" or "route: + 10.10.2.0/24".
func (c FieldChange) String() string {
	switch {
	case c.New == "" && c.IsList():
		return c.Field + ": - " + c.Old
	case c.Old == "" && c.IsList():
		return c.Field + ": + " + c.New
	}
	return fmt.Sprintf("%s: %s -> %s", c.Field, fault.OrNone(c.Old), fault.OrNone(c.New))
}

// IsList says whether the flag may be given more than once.
func (c FieldChange) IsList() bool {
	return c.Field == "address" || c.Field == "route" || c.Field == "rule" || c.Field == "snat"
}

// IsReapplied says whether NetworkManager can apply the change while the tunnel is up. Of the
// ip-tunnel setting's properties it can apply the MTU alone (can_reapply_change in
// nm-device-ip-tunnel.c).
func (c FieldChange) IsReapplied() bool {
	switch c.Field {
	case "address", "peer-address", "mtu", "autoconnect", "route", "rule", "snat", "forward", "clamp-mss", "zone", "peer-name", "follow", "no-probe", "multicast", "ignore-df", "checksum", "sequence":
		return true
	}
	return false
}

// Diff lists the changes from a to b: single values in the order of create's flags, then the keys
// and the lists.
func Diff(a, b Tunnel) []FieldChange {
	var list []FieldChange
	for i, old := range a.fields() {
		if now := b.fields()[i]; old.value != now.value {
			list = append(list, FieldChange{old.name, old.value, now.value})
		}
	}
	list = append(list, diffKeys(a, b)...)
	list = append(list, diffList("address", a.Addresses, b.Addresses)...)
	if !routes.EqualLists(a.Routes, b.Routes) { // there may be very many
		list = append(list, diffList("route", a.Routes, b.Routes)...)
	}
	list = append(list, diffList("rule", a.Rules, b.Rules)...)
	return append(list, diffList("snat", a.SNAT, b.SNAT)...)
}

// property is a flag with its value.
type property struct{ name, value string }

// fields are the single values, in the notation of create's flags.
func (t Tunnel) fields() []property {
	number := func(n uint32) string {
		if n == 0 {
			return ""
		}
		return strconv.FormatUint(uint64(n), 10)
	}
	return []property{
		{"name", t.Name}, {"mode", t.Mode.String()}, {"peer", routes.AddrText(t.Remote)}, {"peer-name", t.PeerName}, {"follow", strconv.FormatBool(t.Follow)}, {"local", t.localText()}, {"peer-address", AddrTexts(t.Peers())},
		{"ttl", gre.TTLText(t.TTL)}, {"tos", gre.TOSText(t.TOS)}, {"mtu", number(t.MTU)}, {"no-pmtud", strconv.FormatBool(t.NoPMTUD)}, {"parent", t.Parent},
		{"encap-limit", t.encapLimitText()}, {"flow-label", number(t.FlowLabel)}, {"flags", t.otherFlags().String()},
		{"controller", t.Controller}, {"mac", t.MAC},
		{"multicast", strconv.FormatBool(t.Link.Multicast)}, {"ignore-df", strconv.FormatBool(t.Link.IgnoreDF)},
		{"checksum", strconv.FormatBool(t.Link.Checksum)}, {"sequence", strconv.FormatBool(t.Link.Sequence)},
		{"zone", t.Zone}, {"no-probe", ProbeWord(t.NoProbe)},
		{"forward", strconv.FormatBool(t.Forward)}, {"clamp-mss", strconv.FormatBool(t.ClampMSS)}, {"autoconnect", strconv.FormatBool(t.Autoconnect)},
	}
}

// encapLimitText returns the value of --encap-limit. It is empty for NetworkManager's own limit.
func (t Tunnel) encapLimitText() string {
	switch {
	case t.HasNoEncapLimit():
		return "none"
	case t.EncapLimit == 0:
		return ""
	}
	return strconv.Itoa(int(t.EncapLimit))
}

// otherFlags returns the flags without the one that --encap-limit none sets.
func (t Tunnel) otherFlags() gre.Flags {
	if t.HasNoEncapLimit() {
		return t.Flags &^ gre.FlagIgnEncapLimit
	}
	return t.Flags
}

// AddrTexts joins the addresses with commas.
func AddrTexts(list []netip.Addr) string {
	texts := make([]string, len(list))
	for i, a := range list {
		texts[i] = a.String()
	}
	return strings.Join(texts, ", ")
}

func (t Tunnel) localText() string {
	if t.Local.IsValid() && t.Local.IsUnspecified() {
		return "any"
	}
	return routes.AddrText(t.Local)
}

// diffKeys compares the keys. It speaks of one key where both tunnels have the same key in both
// directions.
func diffKeys(a, b Tunnel) []FieldChange {
	if gre.SameKey(a.InputKey, a.OutputKey) && gre.SameKey(b.InputKey, b.OutputKey) {
		if gre.SameKey(a.InputKey, b.InputKey) {
			return nil
		}
		return []FieldChange{{"key", gre.KeyText(a.InputKey), gre.KeyText(b.InputKey)}}
	}
	var list []FieldChange
	for _, k := range []struct {
		field    string
		old, now *gre.Key
	}{{"input-key", a.InputKey, b.InputKey}, {"output-key", a.OutputKey, b.OutputKey}} {
		if !gre.SameKey(k.old, k.now) {
			list = append(list, FieldChange{k.field, gre.KeyText(k.old), gre.KeyText(k.now)})
		}
	}
	return list
}

// diffList lists the entries that leave a list, then those that join it. The order does not count.
func diffList[T fmt.Stringer](field string, a, b []T) []FieldChange {
	texts := func(list []T) (texts []string, has map[string]bool) {
		has = make(map[string]bool, len(list))
		for _, entry := range list {
			texts = append(texts, entry.String())
			has[entry.String()] = true
		}
		return texts, has
	}
	olds, had := texts(a)
	news, has := texts(b)
	var list []FieldChange
	for _, old := range olds {
		if !has[old] {
			list = append(list, FieldChange{field, old, ""})
		}
	}
	for _, now := range news {
		if !had[now] {
			list = append(list, FieldChange{field, "", now})
		}
	}
	return list
}

// ChangeLines returns a line for each change. Where there are more than most, a last line has the
// number of the others.
func ChangeLines(changes []FieldChange, most int) []string {
	var lines []string
	for i, c := range changes {
		if i == most {
			return append(lines, fmt.Sprintf("and %d more", len(changes)-most))
		}
		lines = append(lines, c.String())
	}
	return slices.Clip(lines)
}
