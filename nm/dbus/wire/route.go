package wire

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"reflect"

	"github.com/godbus/dbus/v5"

	"nmgre/nm"
	"nmgre/routes"
)

// Entry is a dictionary of a list such as route-data.
type Entry = map[string]dbus.Variant

// metricAttributes are the attributes of a route that are metrics of 32 bits, with what locks them.
// rto_min is always locked: NetworkManager does so by itself from 1.54 on. What it sets before that
// the kernel ignores.
var metricAttributes = [...]struct {
	name, lock string
	metric     routes.Metric
}{
	{"window", "lock-window", routes.MetricWindow},
	{"cwnd", "lock-cwnd", routes.MetricCwnd},
	{"advmss", "lock-advmss", routes.MetricAdvMSS},
	{"initcwnd", "lock-initcwnd", routes.MetricInitCwnd},
	{"initrwnd", "lock-initrwnd", routes.MetricInitRwnd},
	{"rto_min", "", routes.MetricRTOMin},
}

// routeAttributes are what NetworkManager's ip_route_attribute_spec has, which has not changed from
// 1.42 on, and what each route has; by the family that may have it, "" for both.
var routeAttributes = func() map[string]string {
	known := map[string]string{"dest": "", "prefix": "", "next-hop": "", "metric": "", "type": "", "table": "", "src": "", "from": SetIPv6,
		"tos": SetIPv4, "scope": SetIPv4, "weight": SetIPv4, "onlink": "", "mtu": "", "lock-mtu": "", "quickack": ""}
	for _, a := range metricAttributes {
		known[a.name] = ""
		if a.lock != "" {
			known[a.lock] = ""
		}
	}
	return known
}()

// profileTypes are the types of routes that a profile can hold.
var profileTypes = [...]routes.Type{routes.TypeUnicast, routes.TypeLocal, routes.TypeBlackhole, routes.TypeUnreachable, routes.TypeProhibit, routes.TypeThrow}

// maxWeight is NetworkManager's and the kernel's bound of a nexthop's weight.
const maxWeight = 256

// Newest stands for a NetworkManager that can hold all that any can. Who calls this package has
// decided for the one that there is; what that does not take, it says itself.
var Newest = nm.Version{Major: math.MaxInt32}

// routeTable returns the table that the profile puts its routes into when they name none; 0 for
// NetworkManager's choice, the main one.
func (s Settings) routeTable(family string) uint32 {
	table, _ := s[family]["route-table"].Value().(uint32)
	return table
}

// tableOf returns the table of a route that names none, in a profile that has table for them; 0 for
// the type's own default.
func tableOf(t routes.Type, table uint32) uint32 {
	if t == routes.TypeLocal {
		return 0
	}
	return table
}

// routeKey tells the routes of a profile apart.
type routeKey struct {
	dst, from netip.Prefix
	via       netip.Addr
	metric    int64 // -1 for NetworkManager's default
	table     uint32
	tos       uint8
	kind      routes.Type
}

func keyOf(r routes.Route) routeKey {
	k := routeKey{dst: r.Dst, from: r.From, via: r.Via, metric: -1, table: r.TableOrMain(), tos: r.TOS, kind: r.Type}
	if r.Metric != nil {
		k.metric = int64(*r.Metric)
	}
	return k
}

// held is a route that a profile has, with how it stands there.
type held struct {
	route routes.Route
	entry Entry
}

// EncodeRoutes writes route-data, and returns those of the routes that a profile cannot hold, which
// are left out. A route that base has already stays as it is written there; what nmgre cannot read
// is put behind the tunnel's own.
func EncodeRoutes(s Settings, family string, set []routes.Route) (unfit []routes.Route) {
	table := s.routeTable(family)
	old, entries := s.heldRoutes(family)
	var own []Entry
	for _, r := range set {
		if FamilyOf(r.Dst.Addr()) != family {
			continue
		}
		if e := take(old, r); e != nil {
			own = append(own, e)
		} else if owner, _ := nm.RouteOwner(r, Newest); owner == nm.OwnerProfile {
			own = append(own, encodeRoute(r, table))
		} else {
			unfit = append(unfit, r)
		}
	}
	s.SetEntries(family, "route-data", append(own, entries...))
	return unfit
}

// heldRoutes returns the profile's routes, and the entries that nmgre cannot read.
func (s Settings) heldRoutes(family string) (map[routeKey][]held, []Entry) {
	routes := make(map[routeKey][]held)
	var foreign []Entry
	for _, e := range s.Entries(family, "route-data") {
		r, err := decodeRoute(e, family, s.routeTable(family))
		if err != nil {
			foreign = append(foreign, e)
			continue
		}
		routes[keyOf(r)] = append(routes[keyOf(r)], held{r, e})
	}
	return routes, foreign
}

// take takes the entry of a route that is the same in all out of the old ones; nil if there is
// none.
func take(old map[routeKey][]held, r routes.Route) Entry {
	same := old[keyOf(r)]
	for i, h := range same {
		if reflect.DeepEqual(h.route, r) {
			old[keyOf(r)] = append(same[:i:i], same[i+1:]...)
			return h.entry
		}
	}
	return nil
}

// encodeRoute returns the entry for r. table is where the profile puts routes that name no table.
// The types of the values are those of NetworkManager's table (u, b, y, s): it refuses others, or
// drops them without a word.
func encodeRoute(r routes.Route, table uint32) Entry {
	e := Entry{"dest": dbus.MakeVariant(r.Dst.Addr().String()), "prefix": dbus.MakeVariant(uint32(r.Dst.Bits()))}
	if r.Type != routes.TypeUnicast {
		e["type"] = dbus.MakeVariant(r.Type.String())
	}
	if r.Metric != nil { // 0 is a metric, no metric is another thing
		e["metric"] = dbus.MakeVariant(*r.Metric)
	}
	// a profile with a table of its own needs the main one named
	if r.Table != tableOf(r.Type, table) {
		e["table"] = dbus.MakeVariant(r.TableOrMain())
	}
	if r.From.IsValid() {
		e["from"] = dbus.MakeVariant(r.From.String())
	}
	if r.Scope != nil {
		e["scope"] = dbus.MakeVariant(byte(*r.Scope))
	}
	attribute(e, "tos", r.TOS, 0)
	attribute(e, "src", addrText(r.Src), "")
	encodeHop(r, e)
	encodeMetrics(r, e)
	return e
}

// encodeHop writes where the route leads. A single nexthop with a weight is how NetworkManager
// makes one route of several profiles' (ECMP).
func encodeHop(r routes.Route, e Entry) {
	hop := routes.Nexthop{Via: r.Via, OnLink: r.OnLink}
	if len(r.Nexthops) == 1 {
		hop = r.Nexthops[0]
	}
	attribute(e, "next-hop", addrText(hop.Via), "")
	attribute(e, "onlink", hop.OnLink, false)
	attribute(e, "weight", uint32(hop.Weight), 0)
}

func encodeMetrics(r routes.Route, e Entry) {
	attribute(e, "mtu", r.MTU, 0)
	attribute(e, "lock-mtu", r.MTULock, false)
	for _, a := range metricAttributes {
		value, _ := r.Metrics.Get(a.metric)
		attribute(e, a.name, value, 0)
		attribute(e, a.lock, a.lock != "" && r.Metrics.Locked(a.metric), false)
	}
	ack, _ := r.Metrics.Get(routes.MetricQuickACK)
	attribute(e, "quickack", ack != 0, false)
}

func attribute[T comparable](e Entry, name string, value, absent T) {
	if value != absent {
		e[name] = dbus.MakeVariant(value)
	}
}

// routes reads the routes of one family, but those that nmgre does not know.
func (d *decoder) routes(family string) []routes.Route {
	table := d.s.routeTable(family)
	var set []routes.Route
	for _, e := range d.entries(family, "route-data", maxRoutes) {
		r, err := decodeRoute(e, family, table)
		if errors.Is(err, errForeign) {
			continue
		}
		if err != nil {
			d.fail(family, "route-data", "%v", err)
			return nil
		}
		set = append(set, r)
	}
	return set
}

// errForeign is for a route that has what nmgre does not know.
var errForeign = errors.New("is not known")

// decodeRoute reads an entry of route-data. table is where the profile puts routes that name no
// table. It fails with errForeign for one with an attribute or of a type that nmgre does not know,
// which a later NetworkManager may have, and otherwise for what none lets pass.
func decodeRoute(e Entry, family string, table uint32) (routes.Route, error) {
	a := attributes{entry: e, family: family}
	kind, err := a.kind()
	if err != nil {
		return routes.Route{}, err
	}
	dst, err := DecodePrefix(e, "dest", family)
	if err != nil {
		return routes.Route{}, err
	}
	r := routes.Route{Type: kind, Dst: dst.Masked(), Table: tableOf(kind, table), TOS: attributeOf[byte](&a, "tos"), From: a.prefix("from"), Src: a.addr("src")}
	r.Metric, r.Scope = optional[uint32](&a, "metric"), (*routes.Scope)(optional[byte](&a, "scope"))
	if _, ok := e["table"]; ok {
		r.Table = attributeOf[uint32](&a, "table")
	}
	a.hop(&r)
	a.metrics(&r)
	if a.err != nil {
		return routes.Route{}, fmt.Errorf("route %s: %w", r.Dst, a.err)
	}
	return r, nil
}

// attributes reads a route's attributes and remembers the first error.
type attributes struct {
	entry  Entry
	family string
	err    error
}

func (a *attributes) fail(format string, args ...any) {
	if a.err == nil {
		a.err = fmt.Errorf(format, args...)
	}
}

// kind reads the route's type, and looks whether all its attributes are known.
func (a *attributes) kind() (routes.Type, error) {
	for name := range a.entry {
		family, ok := routeAttributes[name]
		if !ok {
			return 0, errForeign
		}
		if family != "" && family != a.family {
			a.fail("%s is not for this family", name)
		}
	}
	name := attributeOf[string](a, "type")
	if name == "" {
		return routes.TypeUnicast, nil
	}
	for _, t := range profileTypes {
		if t.String() == name {
			return t, nil
		}
	}
	return 0, errForeign
}

// hop reads where the route leads.
func (a *attributes) hop(r *routes.Route) {
	hop := routes.Nexthop{Via: a.addr("next-hop"), OnLink: attributeOf[bool](a, "onlink")}
	weight := attributeOf[uint32](a, "weight")
	switch {
	case hop.Via.IsValid() && !r.Type.HasDevice():
		a.fail("a %s route has no next-hop", r.Type)
	case weight > maxWeight:
		a.fail("the weight %d is above %d", weight, maxWeight)
	case weight > 0 && r.Type != routes.TypeUnicast:
		a.fail("a %s route has no weight", r.Type)
	case weight > 0:
		hop.Weight = uint16(weight)
		r.Nexthops = []routes.Nexthop{hop}
	default:
		r.Via, r.OnLink = hop.Via, hop.OnLink
	}
}

// metrics reads the metrics. One of 0 is none, and its lock locks nothing.
func (a *attributes) metrics(r *routes.Route) {
	r.MTU, r.MTULock = attributeOf[uint32](a, "mtu"), attributeOf[bool](a, "lock-mtu")
	r.MTULock = r.MTULock && r.MTU > 0
	var m routes.Metrics
	for _, known := range metricAttributes {
		value, locked := attributeOf[uint32](a, known.name), known.lock == "" || attributeOf[bool](a, known.lock)
		if value == 0 {
			continue
		}
		m.Put(known.metric, value)
		if locked {
			m.Lock |= 1 << known.metric
		}
	}
	if attributeOf[bool](a, "quickack") {
		m.Put(routes.MetricQuickACK, 1)
	}
	if m != (routes.Metrics{}) {
		r.Metrics = &m
	}
}

// attributeOf returns an attribute, T's zero value if it is absent.
func attributeOf[T any](a *attributes, name string) T {
	v, ok := a.entry[name]
	value, right := v.Value().(T)
	if ok && !right {
		a.fail("%s has the type %q", name, v.Signature())
	}
	return value
}

// optional returns an attribute, nil if it is absent.
func optional[T any](a *attributes, name string) *T {
	if _, ok := a.entry[name]; !ok {
		return nil
	}
	value := attributeOf[T](a, name)
	return &value
}

// addr returns an attribute that is an address; the unspecified one stands for none.
func (a *attributes) addr(name string) netip.Addr {
	text := attributeOf[string](a, name)
	if text == "" {
		return netip.Addr{}
	}
	addr, err := parseAddr(text, a.family)
	if err != nil {
		a.fail("%s: %w", name, err)
	}
	if addr.IsUnspecified() {
		return netip.Addr{}
	}
	return addr
}

// prefix returns an attribute that is a network; one without a length is a host.
func (a *attributes) prefix(name string) netip.Prefix {
	text := attributeOf[string](a, name)
	if text == "" {
		return netip.Prefix{}
	}
	if addr, err := parseAddr(text, a.family); err == nil {
		return netip.PrefixFrom(addr, addr.BitLen())
	}
	p, err := netip.ParsePrefix(text)
	if err != nil || FamilyOf(p.Addr()) != a.family {
		a.fail("%s: %s is no network of this family", name, Quote(text))
		return netip.Prefix{}
	}
	return p.Masked()
}
