package nm

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strconv"

	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
)

// WholeTunnel is a tunnel with what root keeps for it.
func WholeTunnel(p Profile, k keep.Kept) Tunnel {
	t := p.Tunnel.Clone()
	for _, r := range k.Routes {
		t.Routes = append(t.Routes, r.Clone())
	}
	t.SNAT, t.ClampMSS = slices.Clone(k.SNAT), k.ClampMSS
	t.Forward = t.Forward || len(k.Forward) > 0
	return t
}

// CoversRemote says whether one of the tunnel's routes covers its far end's outer address.
func CoversRemote(t Tunnel) bool {
	return slices.ContainsFunc(t.Routes, func(r routes.Route) bool { return Covers(&r, t.Remote) })
}

// Covers says whether a route takes over the way to an address, among others.
func Covers(r *routes.Route, a netip.Addr) bool {
	return r.TableOrMain() == routes.MainTable && r.Type.HasDevice() && !r.Dst.IsSingleIP() && r.Dst.Contains(a)
}

// SameTunnel compares two tunnels as profiles hold them.
func SameTunnel(a, b Tunnel) bool {
	if !routes.EqualLists(a.Routes, b.Routes) || !slices.Equal(a.Addresses, b.Addresses) {
		return false
	}
	for _, t := range []*Tunnel{&a, &b} {
		t.Routes, t.Addresses, t.SNAT = nil, nil, nil
	}
	return reflect.DeepEqual(a, b)
}

// LeadsTo says whether the tunnel's routes or networks contain a.
func (t Tunnel) LeadsTo(a netip.Addr) bool {
	return slices.ContainsFunc(t.Addresses, func(p netip.Prefix) bool { return p.Contains(a) }) ||
		slices.ContainsFunc(t.Routes, func(r routes.Route) bool {
			return r.TableOrMain() == routes.MainTable && r.Type.HasDevice() && r.Dst.Contains(a)
		})
}

// FieldChange is one difference that an edit makes.
type FieldChange struct {
	Field string // the flag of `nmgre create`, without dashes
	// Old and New are values as the flag takes them; empty for none. A list, such as the routes,
	// has a FieldChange for each entry that goes or comes.
	Old, New string
}

// String returns "mtu: 1476 -> 1400", "route: - 10.10.2.0/24" or "route: + 10.10.2.0/24".
func (c FieldChange) String() string {
	switch {
	case c.New == "" && c.isList():
		return c.Field + ": - " + c.Old
	case c.Old == "" && c.isList():
		return c.Field + ": + " + c.New
	}
	return fmt.Sprintf("%s: %s -> %s", c.Field, fault.OrNone(c.Old), fault.OrNone(c.New))
}

// isList says whether the flag may be repeated.
func (c FieldChange) isList() bool {
	return c.Field == "address" || c.Field == "route" || c.Field == "snat"
}

// IsReapplied says whether NetworkManager can apply the change while the tunnel is up: of
// ip-tunnel's own properties only the MTU (can_reapply_change in nm-device-ip-tunnel.c).
func (c FieldChange) IsReapplied() bool {
	switch c.Field {
	case "address", "peer-address", "mtu", "autoconnect", "route", "snat", "forward", "clamp-mss":
		return true
	}
	return false
}

// diffTunnels lists what differs, in the order of create's flags.
func Diff(a, b Tunnel) []FieldChange {
	var list []FieldChange
	for i, old := range a.fields() {
		if now := b.fields()[i]; old.value != now.value {
			list = append(list, FieldChange{old.name, old.value, now.value})
		}
	}
	list = append(list, diffKeys(a, b)...)
	list = append(list, diffList("address", a.Addresses, b.Addresses)...)
	list = append(list, diffList("route", a.Routes, b.Routes)...)
	return append(list, diffList("snat", a.SNAT, b.SNAT)...)
}

// fields are the values that stand once, as create's flags take them.
func (t Tunnel) fields() []property {
	number := func(n uint32) string {
		if n == 0 {
			return ""
		}
		return strconv.FormatUint(uint64(n), 10)
	}
	return []property{
		{"name", t.Name}, {"mode", t.Mode.String()}, {"peer", routes.AddrText(t.Remote)}, {"local", t.localText()}, {"peer-address", routes.AddrText(t.PeerAddress)},
		{"ttl", gre.TTLText(t.TTL)}, {"tos", gre.TOSText(t.TOS)}, {"mtu", number(t.MTU)}, {"no-pmtud", strconv.FormatBool(t.NoPMTUD)}, {"parent", t.Parent},
		{"encap-limit", number(uint32(t.EncapLimit))}, {"flow-label", number(t.FlowLabel)}, {"flags", number(uint32(t.Flags))},
		{"forward", strconv.FormatBool(t.Forward)}, {"clamp-mss", strconv.FormatBool(t.ClampMSS)}, {"autoconnect", strconv.FormatBool(t.Autoconnect)},
	}
}

func (t Tunnel) localText() string {
	if t.Local.IsValid() && t.Local.IsUnspecified() {
		return "any"
	}
	return routes.AddrText(t.Local)
}

// diffKeys tells of one key where both directions had and have the same.
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

// diffList tells what goes, then what comes. Where only the order differs there is nothing to tell.
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

// ChangeLines returns the changes as lines, not more than most of them.
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
