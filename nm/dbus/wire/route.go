package wire

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"reflect"
	"slices"
	"sync"

	"github.com/godbus/dbus/v5"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/fault"
)

// metricAttributes are the attributes of a route that are metrics of 32 bits, each with the
// attribute that locks it. rto_min is always locked: NetworkManager does so by itself from 1.54 on,
// and the kernel ignores the unlocked one that it sets before.
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

// routeAttributes are the attributes that an entry of route-data can have: those that every route
// has, and those of NetworkManager's ip_route_attribute_spec, which has not changed from 1.42 on.
// The value is the family that may have the attribute, or "" for both.
var routeAttributes = sync.OnceValue(func() map[string]string {
	known := map[string]string{"dest": "", "prefix": "", "next-hop": "", "metric": "", "type": "", "table": "", "src": "", "from": IPv6,
		"tos": IPv4, "scope": IPv4, "weight": IPv4, "onlink": "", "mtu": "", "lock-mtu": "", "quickack": ""}
	for _, a := range metricAttributes {
		known[a.name] = ""
		if a.lock != "" {
			known[a.lock] = ""
		}
	}
	return known
})

// profileTypes are the types of routes that a profile can hold.
var profileTypes = [...]routes.Type{routes.TypeUnicast, routes.TypeLocal, routes.TypeBlackhole, routes.TypeUnreachable, routes.TypeProhibit, routes.TypeThrow}

// maxWeight is the greatest weight of a nexthop, for NetworkManager and for the kernel.
const maxWeight = 256

// newest stands for a NetworkManager that can hold everything that any version can. The caller has
// decided already by the version that runs, and that one refuses attributes that it cannot hold.
var newest = nm.Version{Major: math.MaxInt32}

// routeTable returns the table for the profile's routes that name none, or 0 if NetworkManager
// chooses: it takes the main table.
func (s Settings) routeTable(family string) uint32 {
	table, _ := s[family]["route-table"].Value().(uint32)
	return table
}

// tableOf returns the table of a route that names none, or 0 for the default of its type. table is
// the profile's [Settings.routeTable]: NetworkManager does not use it for local routes.
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

// held is a route that a profile has, with its entry there.
type held struct {
	route routes.Route
	entry Entry
}

// SetRoutes gives the settings these routes, of both families, instead of those they have. It fails
// with [fault.ErrInvalid] for a route that no profile can hold, unless the settings have it
// already; they are then changed in part. Routes that nmgre cannot read stay.
func (s Settings) SetRoutes(all []routes.Route) error {
	for _, family := range [...]string{IPv4, IPv6} {
		if unfit := encodeRoutes(s, family, all); len(unfit) > 0 {
			_, why := nm.RouteOwner(unfit[0], newest)
			return &fault.Error{Kind: fault.ErrInvalid, Field: "route", What: unfit[0].String() + ": " + why}
		}
	}
	return nil
}

// CopyRoutes gives the settings the routes of from, entry by entry, instead of those they have.
func (s Settings) CopyRoutes(from Settings) {
	for _, family := range [...]string{IPv4, IPv6} {
		s.SetEntries(family, "route-data", from.Entries(family, "route-data"))
		if len(s.Entries(family, "address-data")) == 0 {
			continue // NetworkManager takes no gateway then
		}
		put(s, family, "gateway", from.Text(family, "gateway"), "")
	}
}

// SameRoutes reports whether two lists of routes are the same to a profile: it keeps their order
// within each family, but not between the families.
func SameRoutes(a, b []routes.Route) bool {
	for _, family := range [...]string{IPv4, IPv6} {
		if !slices.EqualFunc(ofFamily(a, family), ofFamily(b, family), (*routes.Route).Equal) {
			return false
		}
	}
	return true
}

func ofFamily(all []routes.Route, family string) []*routes.Route {
	var some []*routes.Route
	for i := range all {
		if familyOf(all[i].Dst.Addr()) == family {
			some = append(some, &all[i])
		}
	}
	return some
}

// DecodeDst returns the destination of an entry of route-data, host bits masked.
func DecodeDst(e Entry, family string) (netip.Prefix, error) {
	dst, err := decodePrefix(e, "dest", family)
	return dst.Masked(), err
}

// encodeRoutes writes route-data and returns the routes of the family that a profile cannot hold;
// they are left out. A route that s has already keeps its entry, and the one of the gateway stays
// the gateway. A gateway whose route is not there any more goes. Entries that nmgre cannot read
// follow the others.
func encodeRoutes(s Settings, family string, all []routes.Route) (unfit []routes.Route) {
	table := s.routeTable(family)
	old, foreign := s.heldRoutes(family)
	gateway := s.gateway(family)
	staying := false
	var own []Entry
	for _, r := range all {
		if familyOf(r.Dst.Addr()) != family {
			continue
		}
		is := !staying && gateway != nil && gateway.Equal(&r)
		staying = staying || is
		if e := take(old, r); e != nil {
			own = append(own, e)
		} else if is { // it is no entry of the list
			continue
		} else if nm.Holds(r, newest) {
			own = append(own, encodeRoute(r, table))
		} else {
			unfit = append(unfit, r)
		}
	}
	s.SetEntries(family, "route-data", append(own, foreign...))
	if gateway != nil && !staying {
		delete(s[family], "gateway")
	}
	return unfit
}

// gateway returns the default route that NetworkManager sets for the family's gateway, or nil if it
// sets none.
func (s Settings) gateway(family string) *routes.Route {
	text := s.Text(family, "gateway")
	// Most profiles have none. An error with words would take a quarter of the time to read them.
	if text == "" {
		return nil
	}
	via, err := parseAddr(text, family)
	if never, _ := s[family]["never-default"].Value().(bool); err != nil || never {
		return nil
	}
	everything := map[string]netip.Prefix{IPv4: netip.PrefixFrom(netip.IPv4Unspecified(), 0), IPv6: netip.PrefixFrom(netip.IPv6Unspecified(), 0)}
	return &routes.Route{Type: routes.TypeUnicast, Dst: everything[family], Via: via, Table: tableOf(routes.TypeUnicast, s.routeTable(family))}
}

// heldRoutes returns the profile's routes of one family, and the entries that nmgre cannot read.
func (s Settings) heldRoutes(family string) (known map[routeKey][]held, foreign []Entry) {
	known = make(map[routeKey][]held)
	for _, e := range s.Entries(family, "route-data") {
		r, err := decodeRoute(e, family, s.routeTable(family))
		if err != nil {
			foreign = append(foreign, e)
			continue
		}
		known[keyOf(r)] = append(known[keyOf(r)], held{r, e})
	}
	return known, foreign
}

// take removes a route that equals r in everything from old, and returns its entry, or nil if there
// is none.
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

// encodeRoute returns the entry for r. table is the profile's [Settings.routeTable]. The types of
// the values are those of NetworkManager's table (u, b, y, s): it refuses others, or drops them
// without a word.
func encodeRoute(r routes.Route, table uint32) Entry {
	e := Entry{"dest": dbus.MakeVariant(r.Dst.Addr().String()), "prefix": dbus.MakeVariant(uint32(r.Dst.Bits()))}
	if r.Type != routes.TypeUnicast {
		e["type"] = dbus.MakeVariant(r.Type.String())
	}
	if r.Metric != nil { // metric 0 differs from no metric
		e["metric"] = dbus.MakeVariant(*r.Metric)
	}
	// in a profile with a table of its own the main table must be named
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
	attribute(e, "src", routes.AddrText(r.Src), "")
	encodeHop(r, e)
	encodeMetrics(r, e)
	return e
}

// encodeHop writes the gateway and its attributes. A weight is written only where an undo puts it
// back: no plan gives one to a profile.
func encodeHop(r routes.Route, e Entry) {
	hop := routes.Nexthop{Via: r.Via, OnLink: r.OnLink}
	if len(r.Nexthops) == 1 {
		hop = r.Nexthops[0]
	}
	attribute(e, "next-hop", routes.AddrText(hop.Via), "")
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

// attribute sets an attribute, unless it has the value that an absent one has.
func attribute[T comparable](e Entry, name string, value, absent T) {
	if value != absent {
		e[name] = dbus.MakeVariant(value)
	}
}

// routes reads the routes of one family that nmgre knows. The one of the gateway comes first.
func (d *decoder) routes(family string) []routes.Route {
	table := d.s.routeTable(family)
	var known []routes.Route
	gateway := d.s.gateway(family)
	if gateway != nil {
		known = append(known, *gateway)
	}
	for _, e := range d.entries(family, "route-data", maxRoutes) {
		r, err := decodeRoute(e, family, table)
		if errors.Is(err, errForeign) {
			continue
		}
		if err != nil {
			d.fail(family, "route-data", "%v", err)
			return nil
		}
		if gateway == nil || !gateway.Equal(&r) { // the list may have the same route
			known = append(known, r)
		}
	}
	return known
}

// errForeign is for a route with a type or an attribute that nmgre does not know.
var errForeign = errors.New("is not known")

// decodeRoute reads an entry of route-data. table is the profile's [Settings.routeTable]. It fails
// with errForeign for a type or an attribute that nmgre does not know, which a later NetworkManager
// may have. Other errors are for values that no NetworkManager lets pass.
func decodeRoute(e Entry, family string, table uint32) (routes.Route, error) {
	a := attributes{entry: e, family: family}
	kind, err := a.kind()
	if err != nil {
		return routes.Route{}, err
	}
	dst, err := DecodeDst(e, family)
	if err != nil {
		return routes.Route{}, err
	}
	r := routes.Route{Type: kind, Dst: dst, Table: tableOf(kind, table), TOS: attributeOf[byte](&a, "tos"), From: a.prefix("from"), Src: a.addr("src")}
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

// kind reads the route's type, after a look at the names of all attributes.
func (a *attributes) kind() (routes.Type, error) {
	for name := range a.entry {
		family, ok := routeAttributes()[name]
		if !ok {
			return 0, errForeign
		}
		if family != "" && family != a.family {
			a.fail("%s is for %s routes only", name, familyNames[family])
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

// hop reads the gateway and its attributes.
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

// metrics reads the metrics. A metric of 0 is absent, and so is its lock.
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

// attributeOf returns an attribute, or T's zero value if it is absent. Another type is an error.
func attributeOf[T any](a *attributes, name string) T {
	v, ok := a.entry[name]
	value, right := v.Value().(T)
	if ok && !right {
		a.fail("%s has the type %q", name, v.Signature())
	}
	return value
}

// optional returns an attribute, or nil if it is absent.
func optional[T any](a *attributes, name string) *T {
	if _, ok := a.entry[name]; !ok {
		return nil
	}
	value := attributeOf[T](a, name)
	return &value
}

// addr returns an attribute that is an address. The unspecified address means none: it becomes the
// zero [netip.Addr].
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

// prefix returns an attribute that is a network. Without a prefix length it is a single host.
func (a *attributes) prefix(name string) netip.Prefix {
	text := attributeOf[string](a, name)
	if text == "" {
		return netip.Prefix{}
	}
	if addr, err := parseAddr(text, a.family); err == nil {
		return netip.PrefixFrom(addr, addr.BitLen())
	}
	p, err := netip.ParsePrefix(text)
	if err != nil || familyOf(p.Addr()) != a.family {
		a.fail("%s: %s is not an %s network", name, Quote(text), familyNames[a.family])
		return netip.Prefix{}
	}
	return p.Masked()
}
