// Package fake is a host in memory, for tests: a [World] has NetworkManager's profiles, the
// kernel's links and routes, and root's files. A [Process] is one running nmgre on it, whose calls
// a test can count, delay and make fail.
package fake

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
	"nmgre/routes/rule"
	"nmgre/testdata/want"
)

// World is a host in memory: the profiles of its NetworkManager, and the devices, addresses and
// routes of its kernel. It prints as plain lines, so that two states can be compared.
type World struct {
	atWork      sync.Mutex // one call does its work
	NM          nm.Manager
	NMErr       error
	Unsupported map[gre.Mode]bool // modes that the kernel does not have
	NoRoot      bool              // the user is not root
	rootFiles

	Profiles []*Profile
	links    []*Link
	Table    []Route
	Policy   []kernel.HeldRule // the rules of the routing policy, but for the kernel's own
	serial   uint64
	index    int
	probing  sync.Mutex

	// Answer returns the result of a probe, and the growth of the tunnel's counters during it.
	Answer func(p kernel.Probe) (kernel.ProbeResult, kernel.Counters, error)
	// PathMTU is the size of the largest packet in bytes, with its inner header, that gets through
	// tunnels; 0 for any.
	PathMTU int
	// Hears returns the packets and errors that a listener hears. It may be nil: then it hears
	// nothing, and is deaf to nothing.
	Hears func(to kernel.Ends) kernel.Heard
}

// Link is a device of the kernel's.
type Link struct {
	kernel.Link
	// Dying is how many more times [Process.Links] shows a device that is being removed:
	// NetworkManager answers before the kernel is done. It is 0 for a device that stays.
	Dying int
}

// Route is a route that somebody has set. Connected routes follow from the addresses and are not
// kept.
type Route struct {
	Dev string
	kernel.HeldRoute
}

// networkManagerMetric is NetworkManager's metric for routes of tunnels that have none.
const networkManagerMetric = 675

// NewWorld returns a host with two devices: eth0 leads to the far end, eth1 to its own network.
func NewWorld() *World {
	w := &World{NM: nm.Manager{Version: nm.MinVersion, Modify: nm.PermissionYes, Control: nm.PermissionYes}, rootFiles: newRootFiles()}
	w.Answer = func(p kernel.Probe) (kernel.ProbeResult, kernel.Counters, error) {
		return kernel.ProbeResult{Sent: p.Enough, Received: p.Enough, RTT: []time.Duration{1204 * time.Microsecond, 1100 * time.Microsecond}},
			kernel.Counters{TxPackets: uint64(p.Enough), RxPackets: uint64(p.Enough)}, nil
	}
	w.AddLink(kernel.Link{Name: "lo", Up: true, MTU: 65536, Addresses: want.CIDRs("127.0.0.1/8", "::1/128")})
	w.AddLink(kernel.Link{Name: "eth0", Kind: "veth", Up: true, MTU: 1500, Addresses: want.CIDRs("100.0.1.100/24", "2001:db8:1::100/64", "fe80::100/64")})
	w.AddLink(kernel.Link{Name: "eth1", Kind: "veth", Up: true, MTU: 1500, Addresses: want.CIDRs("10.10.1.1/24", "fe80::1/64")})
	w.AddRoute("eth0", "default via 100.0.1.1", 3)
	w.AddRoute("eth0", "default via 2001:db8:1::1", 3)
	w.AddProfile(nm.Profile{UUID: "00000000-0000-4000-8000-000000000001", ID: "wan", State: nm.StateInactive, Tunnel: nm.Tunnel{Name: "eth0"}})
	return w
}

// AddLink adds a device.
func (w *World) AddLink(l kernel.Link) *Link {
	w.index++
	l.Index = w.index
	w.links = append(w.links, &Link{Link: l})
	return w.links[len(w.links)-1]
}

// AddRoute adds a route that dev's SPEC describes.
func (w *World) AddRoute(dev, spec string, protocol int) {
	r, err := routes.Parse(spec)
	if err != nil {
		panic(err)
	}
	w.Table = append(w.Table, Route{dev, kernel.HeldRoute{Route: r, Protocol: protocol}})
}

// AddProfile adds a profile with the next Serial.
func (w *World) AddProfile(p nm.Profile) *Profile {
	w.serial++
	p.Serial = w.serial
	w.Profiles = append(w.Profiles, &Profile{Profile: p, world: w})
	return w.Profiles[len(w.Profiles)-1]
}

// Link returns the device with that name, or nil.
func (w *World) Link(name string) *Link {
	for _, l := range w.links {
		if l.Name == name {
			return l
		}
	}
	return nil
}

// Profile returns the profile with that UUID, or nil.
func (w *World) Profile(uuid string) *Profile {
	for _, p := range w.Profiles {
		if p.UUID == uuid {
			return p
		}
	}
	return nil
}

// Named returns the profile with that name. It panics if there is none.
func (w *World) Named(id string) *Profile {
	for _, p := range w.Profiles {
		if p.ID == id {
			return p
		}
	}
	panic("there is no profile " + id)
}

// String prints everything that a command may change, except random and counted values.
func (w *World) String() string {
	var b strings.Builder
	for _, l := range w.links {
		fmt.Fprintf(&b, "link %s", l.Name)
		if l.GRE != nil {
			fmt.Fprintf(&b, " %s dev %q", nm.DescribeLink(l.Link), w.parentName(l.GRE))
		} else {
			fmt.Fprintf(&b, " mtu %d", l.MTU)
		}
		if !l.Up {
			b.WriteString(" down")
		}
		b.WriteByte('\n')
		for _, a := range l.Addresses {
			fmt.Fprintf(&b, "  address %s\n", a)
		}
	}
	var routes []string
	for _, r := range w.Table {
		routes = append(routes, fmt.Sprintf("route %s dev %s proto %d\n", r.Route, r.Dev, r.Protocol))
	}
	slices.Sort(routes)
	b.WriteString(strings.Join(routes, ""))
	for _, r := range w.inOrder() {
		fmt.Fprintf(&b, "rule %s proto %d\n", r.Rule, r.Protocol)
	}
	for _, p := range w.Profiles {
		fmt.Fprintf(&b, "profile %s %s", p.ID, p.State)
		if p.Trial {
			b.WriteString(" trial")
		}
		if p.Unsaved {
			b.WriteString(" unsaved")
		}
		if p.Tunnel.Mode != 0 {
			fmt.Fprintf(&b, ": %s", strings.TrimPrefix(p.Tunnel.CreateCommand(), "nmgre create "))
		}
		b.WriteByte('\n')
	}
	b.WriteString(w.rootFiles.String())
	return b.String()
}

// parentName returns the name of the device that a tunnel is bound to, or the empty string.
func (w *World) parentName(g *kernel.GRELink) string {
	for _, l := range w.links {
		if l.Index == g.Parent {
			return l.Name
		}
	}
	return ""
}

// Apply applies a profile to its device, as NetworkManager does: MTU, addresses and routes.
func (w *World) Apply(f *Profile) error {
	if f.Tunnel.Zone != "" && w.Zone.Name != "" {
		w.Zone.Name = f.Tunnel.Zone
	}
	l, t := w.Link(f.Device), f.Tunnel
	if l == nil {
		return nil
	}
	if g := l.GRE; f.Device != t.Name || g.Mode != t.Mode || g.Local != t.Local || g.Remote != t.Remote || g.TTL != t.TTL {
		return &fault.Error{What: "Can't reapply changes to 'ip-tunnel' setting"}
	}
	l.MTU, l.Addresses = int(t.MTU), slices.Clone(t.Addresses)
	w.Table = slices.DeleteFunc(w.Table, func(r Route) bool { return r.Dev == t.Name && r.Protocol == 4 })
	w.removeRules(f)
	w.addProfileRoutes(t)
	f.applied = new(t.Clone())
	return nil
}

// removeRules removes the rules with which the profile runs.
func (w *World) removeRules(f *Profile) {
	if f.applied == nil {
		return
	}
	for _, r := range f.applied.Rules {
		w.Policy = slices.DeleteFunc(w.Policy, func(h kernel.HeldRule) bool { return h.Protocol == 4 && h.Rule == r })
	}
}

// addProfileRoutes sets the profile's routes and rules.
func (w *World) addProfileRoutes(t nm.Tunnel) {
	for _, r := range t.Rules {
		w.Policy = append(w.Policy, kernel.HeldRule{Rule: r, Protocol: 4})
	}
	for _, r := range t.Routes {
		if !nm.Holds(r, nm.MinVersion) {
			continue
		}
		r = r.Clone()
		if r.Metric == nil {
			r.Metric = want.Ptr(uint32(networkManagerMetric))
		}
		w.Table = append(w.Table, Route{t.Name, kernel.HeldRoute{Route: r, Protocol: 4}})
	}
}

// BringUp brings a profile up, as NetworkManager does: link, addresses and routes.
func (w *World) BringUp(f *Profile) error {
	t := f.Tunnel
	if w.Link(t.Name) != nil {
		return &fault.Error{What: fmt.Sprintf("Device named '%s' already exists", t.Name)}
	}
	g := kernel.GRELink{Mode: t.Mode, Local: t.Local, Remote: t.Remote, InputKey: gre.CloneKey(t.InputKey), OutputKey: gre.CloneKey(t.OutputKey),
		TTL: t.TTL, TOS: t.TOS, PMTUD: !t.NoPMTUD, EncapLimit: cmp.Or(t.EncapLimit, 4), FlowLabel: t.FlowLabel, Flags: t.Flags}
	if parent := w.Link(t.Parent); parent != nil {
		g.Parent = parent.Index
	}
	for _, l := range w.links {
		if o := l.GRE; o != nil && o.Mode == g.Mode && o.Local == g.Local && o.Remote == g.Remote && o.Parent == g.Parent && gre.SameKey(o.InputKey, g.InputKey) {
			return &fault.Error{What: "the kernel refused the link: file exists"}
		}
	}
	w.AddLink(kernel.Link{Name: t.Name, Kind: t.Mode.String(), Up: true, MTU: int(t.MTU), Addresses: slices.Clone(t.Addresses), GRE: &g})
	w.addProfileRoutes(t)
	f.State, f.Device, f.DeviceState, f.applied = nm.StateActive, t.Name, "activated", new(t.Clone())
	return nil
}

// BringDown takes a profile down. Its link goes a moment later.
func (w *World) BringDown(f *Profile) {
	if f.Device != "" {
		if l := w.Link(f.Device); l != nil {
			l.Dying = 2
		}
	}
	w.removeRules(f)
	f.State, f.Device, f.DeviceState, f.applied = nm.StateInactive, "", "", nil
}

// RemoveLink removes a device with its routes and its settings.
func (w *World) RemoveLink(name string) {
	delete(w.forwarding, name)
	w.links = slices.DeleteFunc(w.links, func(l *Link) bool { return l.Name == name })
	w.Table = slices.DeleteFunc(w.Table, func(r Route) bool {
		return r.Dev == name || slices.ContainsFunc(r.Nexthops, func(hop routes.Nexthop) bool { return hop.Dev == name })
	})
}

// Settle removes the links that are going.
func (w *World) Settle() {
	for _, l := range slices.Clone(w.links) {
		if l.Dying > 0 {
			w.RemoveLink(l.Name)
		}
	}
}

// Find looks up a route as the kernel does: the local table first, then the most specific
// destination, then the lowest metric.
func (w *World) Find(q kernel.Query) (kernel.Hop, error) {
	if q.Dev != "" && w.Link(q.Dev) == nil {
		return kernel.Hop{}, &fault.Error{Kind: fault.ErrInvalid, What: fmt.Sprintf("there is no network device %q", q.Dev)}
	}
	if q.In == "" && q.From.IsValid() && w.holder(q.From) == nil {
		return kernel.Hop{}, &fault.Error{Kind: fault.ErrInvalid, What: "look up the route to " + q.To.String(), Err: fmt.Errorf("the source address %s is not on this host", q.From)}
	}
	if w.holder(q.To) != nil {
		return kernel.Hop{Dev: "lo", Src: q.To, Match: routes.HostPrefix(q.To), MTU: w.Link("lo").MTU}, nil
	}
	best, found := Route{}, false
	for _, r := range w.tableFor(q) {
		better := !found || r.Dst.Bits() > best.Dst.Bits() || r.Dst.Bits() == best.Dst.Bits() && metricOf(r) < metricOf(best)
		if r.Dst.Contains(q.To) && (q.Dev == "" || q.Dev == r.Dev) && better {
			best, found = r, true
		}
	}
	if !found {
		return kernel.Hop{}, &fault.Error{Kind: fault.ErrUnreachable, What: "look up the route to " + q.To.String(), Err: errors.New("network is unreachable")}
	}
	hop := kernel.Hop{Dev: best.Dev, Via: best.Via, Src: q.From, Match: best.Dst, Table: best.TableOrMain(), MTU: cmp.Or(int(best.MTU), w.Link(best.Dev).MTU)}
	if !hop.Src.IsValid() {
		hop.Src = w.source(best, q.To)
	}
	return hop, nil
}

// tableFor lists the routes of the table that the rules choose for a packet: the first one with a
// route to it.
func (w *World) tableFor(q kernel.Query) []Route {
	packet := rule.Packet{From: q.From, To: q.To, IIF: cmp.Or(q.In, "lo"), OIF: q.Dev}
	for _, h := range w.inOrder() {
		if !h.Fits(packet) || h.Table == routes.MainTable {
			continue
		}
		var list []Route
		for _, r := range w.Table {
			if l := w.Link(r.Dev); r.TableOrMain() == h.Table && l != nil && l.Up && r.Dst.Contains(q.To) {
				list = append(list, r)
			}
		}
		if len(list) > 0 {
			return list
		}
	}
	return w.mainTable()
}

// inOrder returns the rules of the routing policy as the kernel lists them, and asks them.
func (w *World) inOrder() []kernel.HeldRule {
	sorted := slices.Clone(w.Policy)
	slices.SortStableFunc(sorted, func(a, b kernel.HeldRule) int { return rule.Compare(a.Rule, b.Rule) })
	return sorted
}

// metricOf returns a route's metric in the kernel.
func metricOf(r Route) uint32 {
	if r.Metric == nil {
		return 0
	}
	return *r.Metric
}

// mainTable lists the routes of the main table, connected ones included.
func (w *World) mainTable() []Route {
	var list []Route
	for _, l := range w.links {
		for _, a := range l.Addresses {
			if l.Up && l.Name != "lo" {
				list = append(list, Route{l.Name, kernel.HeldRoute{Route: routes.Route{Dst: a.Masked()}, Protocol: 2}})
			}
		}
	}
	for _, r := range w.Table {
		if l := w.Link(r.Dev); r.TableOrMain() == routes.MainTable && l != nil && l.Up {
			list = append(list, r)
		}
	}
	return list
}

// holder returns the device that has the address, or nil.
func (w *World) holder(a netip.Addr) *Link {
	for _, l := range w.links {
		if slices.ContainsFunc(l.Addresses, func(p netip.Prefix) bool { return p.Addr() == a }) {
			return l
		}
	}
	return nil
}

// source returns the source address that the kernel would use: the route's own, or else the
// device's address in whose network the next hop is.
func (w *World) source(r Route, to netip.Addr) netip.Addr {
	if r.Src.IsValid() {
		return r.Src
	}
	next := r.Via
	if !next.IsValid() {
		next = to
	}
	var first netip.Addr
	for _, a := range w.Link(r.Dev).Addresses {
		if a.Contains(next) {
			return a.Addr()
		}
		if !first.IsValid() && a.Addr().Is4() == to.Is4() {
			first = a.Addr()
		}
	}
	return first
}

// RemoveRoutes removes the routes to a destination from the kernel, and returns them.
func (w *World) RemoveRoutes(dst string) (removed []Route) {
	w.Table = slices.DeleteFunc(w.Table, func(r Route) bool {
		if r.Dst != want.CIDR(dst) {
			return false
		}
		removed = append(removed, r)
		return true
	})
	return removed
}
