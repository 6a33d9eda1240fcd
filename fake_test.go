package nmgre

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// world is a host that exists in memory only: its NetworkManager's profiles and its kernel's devices, addresses and routes.
// It prints as plain lines, so that two states can be compared.
type world struct {
	manager    Manager
	managerErr error
	missing    map[Mode]bool // modes that the kernel does not have
	noRoot     bool
	keptWorld

	profiles []*fakeProfile
	links    []*fakeLink
	routes   []fakeRoute
	serial   uint64
	index    int

	// answer says what comes back when a probe is sent, and what the tunnel's counters do meanwhile.
	answer func(p Probe) (ProbeResult, Counters, error)
}

type fakeProfile struct {
	Profile
	owner *process // who has it on trial
}

type fakeLink struct {
	Link
	dying int // how many more times Links shows it: NetworkManager answers before the kernel is done
}

// fakeRoute is a route that somebody has set; the connected ones follow from the addresses.
type fakeRoute struct {
	dev string
	KernelRoute
}

// networkManagerMetric is what NetworkManager gives to routes of tunnels that name no metric.
const networkManagerMetric = 675

// newWorld is the host Linux1 of the seed document: eth0 leads to the far end, eth1 to its own network.
func newWorld() *world {
	w := &world{manager: Manager{Version: MinVersion, Modify: PermissionYes, Control: PermissionYes}, keptWorld: newKeptWorld()}
	w.answer = func(p Probe) (ProbeResult, Counters, error) {
		return ProbeResult{Sent: p.Enough, Received: p.Enough, RTT: []time.Duration{1204 * time.Microsecond, 1100 * time.Microsecond}},
			Counters{TxPackets: uint64(p.Enough), RxPackets: uint64(p.Enough)}, nil
	}
	w.addLink(Link{Name: "lo", Up: true, MTU: 65536, Addresses: cidrs("127.0.0.1/8", "::1/128")})
	w.addLink(Link{Name: "eth0", Kind: "veth", Up: true, MTU: 1500, Addresses: cidrs("100.0.1.100/24", "2001:db8:1::100/64", "fe80::100/64")})
	w.addLink(Link{Name: "eth1", Kind: "veth", Up: true, MTU: 1500, Addresses: cidrs("10.10.1.1/24", "fe80::1/64")})
	w.addRoute("eth0", "default via 100.0.1.1", 3)
	w.addRoute("eth0", "default via 2001:db8:1::1", 3)
	w.addProfile(Profile{UUID: "00000000-0000-4000-8000-000000000001", ID: "wan", State: StateInactive, Tunnel: Tunnel{Name: "eth0"}})
	return w
}

func (w *world) addLink(l Link) *fakeLink {
	w.index++
	l.Index = w.index
	w.links = append(w.links, &fakeLink{Link: l})
	return w.links[len(w.links)-1]
}

func (w *world) addRoute(dev, spec string, protocol int) {
	r, err := ParseRoute(spec)
	if err != nil {
		panic(err)
	}
	w.routes = append(w.routes, fakeRoute{dev, KernelRoute{r, protocol}})
}

func (w *world) addProfile(p Profile) *fakeProfile {
	w.serial++
	p.Serial = w.serial
	w.profiles = append(w.profiles, &fakeProfile{Profile: p})
	return w.profiles[len(w.profiles)-1]
}

func (w *world) link(name string) *fakeLink {
	for _, l := range w.links {
		if l.Name == name {
			return l
		}
	}
	return nil
}

func (w *world) profile(uuid string) *fakeProfile {
	for _, p := range w.profiles {
		if p.UUID == uuid {
			return p
		}
	}
	return nil
}

// named returns the profile with that name, which a test knows to be there.
func (w *world) named(id string) *fakeProfile {
	for _, p := range w.profiles {
		if p.ID == id {
			return p
		}
	}
	panic("there is no profile " + id)
}

// String prints everything that a command may change, but for what is chosen at random or counted up.
func (w *world) String() string {
	var b strings.Builder
	for _, l := range w.links {
		fmt.Fprintf(&b, "link %s", l.Name)
		if l.GRE != nil {
			fmt.Fprintf(&b, " %s dev %q", describeLink(l.Link), l.GRE.parentName(w))
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
	for _, r := range w.routes {
		routes = append(routes, fmt.Sprintf("route %s dev %s proto %d\n", r.Route, r.dev, r.Protocol))
	}
	slices.Sort(routes)
	b.WriteString(strings.Join(routes, ""))
	for _, p := range w.profiles {
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
	b.WriteString(w.keptWorld.String())
	return b.String()
}

func (g *GRELink) parentName(w *world) string {
	for _, l := range w.links {
		if l.Index == g.Parent {
			return l.Name
		}
	}
	return ""
}

// process is one running nmgre on a world: its Profiles and its Kernel. Everything that it asks for is a call with a number.
type process struct {
	*world
	calls  []string // the methods in the order of their calls
	locked bool     // has the lock on root's files
	dead   bool     // killed: what it had on trial is abandoned
	asRoot bool     // is root's, whoever else is not

	// fault says what happens to a call instead of what it asks for.
	fault func(n int, method string) fault
	// turn is called before each call: another process may have its turn there.
	turn func(n int, method string)

	// what the watches tell, and why they cannot be had
	profileEvents            chan ProfileEvent
	kernelEvents             chan KernelEvent
	watchErr, kernelWatchErr error
}

// fault is what happens to a call. The zero fault is none.
type fault struct {
	err    error  // the call fails with it
	cancel func() // the caller's context ends during the call
	hang   bool   // the call returns only when its context ends
	kill   bool   // the process dies
	after  bool   // but what the call asked for was done: only the answer is lost
	quiet  bool   // the answer comes all the same
}

// killed is what a process panics with when it dies.
type killed struct{ p *process }

func (w *world) start() *process { return &process{world: w} }

func (p *process) host() *Host {
	return &Host{System: System{Profiles: p, Kernel: fakeKernel{p}, Gateway: p, Store: fakeStore{p}, Keeper: p.keeper()}}
}

// call counts a call and lets its fault happen, or does it.
func (p *process) call(ctx context.Context, method string, do func() error) error {
	n := len(p.calls)
	p.calls = append(p.calls, method)
	if p.turn != nil {
		p.turn(n, method)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	var f fault
	if p.fault != nil {
		f = p.fault(n, method)
	}
	if f.after {
		if err := do(); err != nil {
			return err
		}
	}
	if f.quiet {
		f.cancel()
		return nil
	}
	switch {
	case f.kill:
		p.dead = true
		panic(killed{p})
	case f.cancel != nil:
		f.cancel()
		return ctx.Err()
	case f.hang:
		<-ctx.Done()
		return ctx.Err()
	case f.err != nil:
		return f.err
	}
	return do()
}

// survives runs f and says whether the process came out of it alive.
func survives(f func()) (alive bool) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(killed); !ok {
				panic(r)
			}
			alive = false
		}
	}()
	f()
	return true
}

func (p *process) Manager(ctx context.Context) (m Manager, err error) {
	err = p.call(ctx, "Manager", func() error { m, err = p.manager, p.managerErr; return err })
	return m, err
}

func (p *process) List(ctx context.Context) (list []Profile, err error) {
	err = p.call(ctx, "List", func() error {
		for _, f := range p.profiles {
			profile := f.told()
			profile.Path = "" // as with very many of them
			list = append(list, profile)
		}
		return nil
	})
	return list, err
}

func (p *process) Serials(ctx context.Context) (serials []uint64, err error) {
	err = p.call(ctx, "Serials", func() error {
		for _, f := range p.profiles {
			serials = append(serials, f.Serial)
		}
		return nil
	})
	return serials, err
}

func (p *process) Get(ctx context.Context, uuid string) (profile Profile, err error) {
	err = p.call(ctx, "Get", func() error {
		for _, f := range p.profiles {
			if f.UUID == uuid {
				profile = f.told()
				return nil
			}
		}
		return &Error{Kind: ErrNotFound, What: "no profile " + uuid}
	})
	return profile, err
}

// told is what NetworkManager tells of the profile.
func (f *fakeProfile) told() Profile {
	profile := f.Profile
	profile.Tunnel = profile.Tunnel.Clone()
	profile.Abandoned = profile.Abandoned || f.owner != nil && f.owner.dead
	return profile
}

func (p *process) Add(ctx context.Context, uuid string, t Tunnel) error {
	return p.call(ctx, "Add", func() error {
		f := p.addProfile(Profile{UUID: uuid, ID: t.Name, Tunnel: t.Clone(), State: StateInactive, Unsaved: true, Trial: true})
		f.owner = p
		return nil
	})
}

var errVanished = &Error{Kind: ErrNotFound, What: "there is no such profile"}

func (p *process) Save(ctx context.Context, uuid string) error {
	return p.call(ctx, "Save", func() error {
		f := p.profile(uuid)
		if f == nil {
			return errVanished
		}
		f.Trial, f.Unsaved, f.owner, f.Path = false, false, nil, "/etc/NetworkManager/system-connections/"+f.ID+".nmconnection"
		return nil
	})
}

func (p *process) SetRoutes(ctx context.Context, uuid string, from, to []Route) error {
	return p.call(ctx, "SetRoutes", func() error {
		f := p.profile(uuid)
		if f == nil {
			return errVanished
		}
		if !equalRoutes(f.Tunnel.Routes, from) {
			return &Error{Kind: ErrChanged, What: "the profile has other routes"}
		}
		f.Tunnel.Routes = slices.Clone(to)
		if f.Device != "" {
			p.routes = slices.DeleteFunc(p.routes, func(r fakeRoute) bool { return r.dev == f.Device && r.Protocol == 4 })
			p.addProfileRoutes(f.Tunnel)
		}
		return nil
	})
}

// Update changes the profile in memory. What puts it back is a call too.
func (p *process) Update(ctx context.Context, uuid string, t Tunnel) (back func(context.Context) error, err error) {
	var old *Profile
	back = func(ctx context.Context) error {
		return p.call(ctx, "Back", func() error {
			f := p.profile(uuid)
			if f == nil || old == nil {
				return nil
			}
			f.ID, f.Tunnel, f.Unsaved = old.ID, old.Tunnel.Clone(), old.Unsaved
			return nil
		})
	}
	err = p.call(ctx, "Update", func() error {
		f := p.profile(uuid)
		if f == nil {
			return errVanished
		}
		before := f.Profile
		before.Tunnel = f.Tunnel.Clone()
		old = &before
		if f.ID == f.Tunnel.Name {
			f.ID = t.Name
		}
		f.Tunnel, f.Unsaved = t.Clone(), true
		return nil
	})
	return back, err
}

func (p *process) Reapply(ctx context.Context, uuid string) error {
	return p.call(ctx, "Reapply", func() error {
		f := p.profile(uuid)
		if f == nil {
			return errVanished
		}
		return p.reapply(f)
	})
}

// reapply does what NetworkManager does while the device stays: its MTU, addresses and routes.
func (w *world) reapply(f *fakeProfile) error {
	l, t := w.link(f.Device), f.Tunnel
	if l == nil {
		return nil
	}
	if g := l.GRE; f.Device != t.Name || g.Mode != t.Mode || g.Local != t.Local || g.Remote != t.Remote || g.TTL != t.TTL {
		return &Error{What: "Can't reapply changes to 'ip-tunnel' setting"}
	}
	l.MTU, l.Addresses = int(t.MTU), slices.Clone(t.Addresses)
	w.routes = slices.DeleteFunc(w.routes, func(r fakeRoute) bool { return r.dev == t.Name && r.Protocol == 4 })
	w.addProfileRoutes(t)
	return nil
}

// addProfileRoutes sets the routes that the profile holds.
func (w *world) addProfileRoutes(t Tunnel) {
	for _, r := range t.RoutesOf(OwnerProfile, MinVersion) {
		r = r.Clone()
		if r.Metric == nil {
			r.Metric = ptr(uint32(networkManagerMetric))
		}
		w.routes = append(w.routes, fakeRoute{t.Name, KernelRoute{r, 4}})
	}
}

// Watch hands on what a test sends.
func (p *process) Watch(ctx context.Context) (<-chan ProfileEvent, error) {
	if p.watchErr != nil {
		return nil, p.watchErr
	}
	return relay(ctx, p.profileEvents), nil
}

// fakeKernel is the process as a Kernel, whose Watch is another than the profiles'.
type fakeKernel struct{ *process }

func (k fakeKernel) Watch(ctx context.Context) (<-chan KernelEvent, error) {
	if k.kernelWatchErr != nil {
		return nil, k.kernelWatchErr
	}
	return relay(ctx, k.kernelEvents), nil
}

// relay copies from a channel until ctx ends or the channel is closed.
func relay[E any](ctx context.Context, from <-chan E) <-chan E {
	to := make(chan E)
	go func() {
		defer close(to)
		for {
			select {
			case e, open := <-from:
				if !open {
					return
				}
				select {
				case to <- e:
				case <-ctx.Done():
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return to
}

func (p *process) Activate(ctx context.Context, uuid string) error {
	return p.call(ctx, "Activate", func() error {
		f := p.profile(uuid)
		if f == nil {
			return errVanished
		}
		return p.activate(f)
	})
}

// activate does what NetworkManager does: the link, its addresses, and the profile's routes.
func (w *world) activate(f *fakeProfile) error {
	t := f.Tunnel
	if w.link(t.Name) != nil {
		return &Error{What: fmt.Sprintf("Device named '%s' already exists", t.Name)}
	}
	g := GRELink{Mode: t.Mode, Local: t.Local, Remote: t.Remote, InputKey: cloneKey(t.InputKey), OutputKey: cloneKey(t.OutputKey),
		TTL: t.TTL, TOS: t.TOS, PMTUD: !t.NoPMTUD, EncapLimit: cmp.Or(t.EncapLimit, 4), FlowLabel: t.FlowLabel, Flags: t.Flags}
	if parent := w.link(t.Parent); parent != nil {
		g.Parent = parent.Index
	}
	for _, l := range w.links {
		if o := l.GRE; o != nil && o.Mode == g.Mode && o.Local == g.Local && o.Remote == g.Remote && o.Parent == g.Parent && sameKey(o.InputKey, g.InputKey) {
			return &Error{What: "the kernel refused the link: file exists"}
		}
	}
	w.addLink(Link{Name: t.Name, Kind: t.Mode.String(), Up: true, MTU: int(t.MTU), Addresses: slices.Clone(t.Addresses), GRE: &g})
	w.addProfileRoutes(t)
	f.State, f.Device, f.DeviceState = StateActive, t.Name, "activated"
	return nil
}

func (p *process) Deactivate(ctx context.Context, uuid string) error {
	return p.call(ctx, "Deactivate", func() error {
		if f := p.profile(uuid); f != nil {
			p.deactivate(f)
		}
		return nil
	})
}

// deactivate takes the link away a moment later, and what is bound to it with it.
func (w *world) deactivate(f *fakeProfile) {
	if f.Device != "" {
		if l := w.link(f.Device); l != nil {
			l.dying = 2
		}
	}
	f.State, f.Device, f.DeviceState = StateInactive, "", ""
}

func (w *world) removeLink(name string) {
	w.links = slices.DeleteFunc(w.links, func(l *fakeLink) bool { return l.Name == name })
	w.routes = slices.DeleteFunc(w.routes, func(r fakeRoute) bool {
		return r.dev == name || slices.ContainsFunc(r.Nexthops, func(hop Nexthop) bool { return hop.Dev == name })
	})
}

func (p *process) Delete(ctx context.Context, uuid string) error {
	return p.call(ctx, "Delete", func() error {
		if f := p.profile(uuid); f != nil {
			p.deactivate(f)
			p.profiles = slices.DeleteFunc(p.profiles, func(g *fakeProfile) bool { return g == f })
		}
		return nil
	})
}

func (p *process) Supports(m Mode) error {
	return p.call(context.Background(), "Supports", func() error {
		if p.missing[m] {
			return &Error{Kind: ErrUnsupported, What: "this kernel has no " + m.String()}
		}
		return nil
	})
}

func (p *process) CanChange() bool { return p.asRoot || !p.noRoot }

func (p *process) Links(ctx context.Context) (list []Link, err error) {
	err = p.call(ctx, "Links", func() error {
		for _, l := range slices.Clone(p.links) {
			if l.dying == 1 {
				p.removeLink(l.Name)
				continue
			}
			l.dying = max(0, l.dying-1)
			link := l.Link
			link.Addresses = slices.Clone(link.Addresses)
			if link.GRE != nil {
				g := *link.GRE
				link.GRE = &g
			}
			list = append(list, link)
		}
		return nil
	})
	return list, err
}

// settle lets links that are on their way out be gone.
func (w *world) settle() {
	for _, l := range slices.Clone(w.links) {
		if l.dying > 0 {
			w.removeLink(l.Name)
		}
	}
}

func (p *process) Lookup(ctx context.Context, q Query) (hop Hop, err error) {
	err = p.call(ctx, "Lookup", func() error {
		hop, err = p.lookup(q)
		return err
	})
	return hop, err
}

// lookup does what the kernel does: the table local, then the longest destination, then the lowest metric.
func (w *world) lookup(q Query) (Hop, error) {
	if q.Dev != "" && w.link(q.Dev) == nil {
		return Hop{}, &Error{Kind: ErrInvalid, What: fmt.Sprintf("there is no network device %q", q.Dev)}
	}
	if q.From.IsValid() && w.holder(q.From) == nil {
		return Hop{}, &Error{Kind: ErrInvalid, What: "look up the route to " + q.To.String(), Err: fmt.Errorf("the source address %s is not on this host", q.From)}
	}
	if w.holder(q.To) != nil {
		return Hop{Dev: "lo", Src: q.To, Match: hostPrefix(q.To), MTU: w.link("lo").MTU}, nil
	}
	best, found := fakeRoute{}, false
	for _, r := range w.mainTable() {
		better := !found || r.Dst.Bits() > best.Dst.Bits() || r.Dst.Bits() == best.Dst.Bits() && metricOf(r) < metricOf(best)
		if r.Dst.Contains(q.To) && (q.Dev == "" || q.Dev == r.dev) && better {
			best, found = r, true
		}
	}
	if !found {
		return Hop{}, &Error{Kind: ErrUnreachable, What: "look up the route to " + q.To.String(), Err: errors.New("network is unreachable")}
	}
	hop := Hop{Dev: best.dev, Via: best.Via, Src: q.From, Match: best.Dst, MTU: cmp.Or(int(best.MTU), w.link(best.dev).MTU)}
	if !hop.Src.IsValid() {
		hop.Src = w.source(best, q.To)
	}
	return hop, nil
}

func metricOf(r fakeRoute) uint32 {
	if r.Metric == nil {
		return 0
	}
	return *r.Metric
}

// mainTable lists the routes of table main by device, with the connected ones.
func (w *world) mainTable() []fakeRoute {
	var list []fakeRoute
	for _, l := range w.links {
		for _, a := range l.Addresses {
			if l.Up && l.Name != "lo" {
				list = append(list, fakeRoute{l.Name, KernelRoute{Route{Dst: a.Masked()}, 2}})
			}
		}
	}
	for _, r := range w.routes {
		if l := w.link(r.dev); r.TableOrMain() == MainTable && l != nil && l.Up {
			list = append(list, r)
		}
	}
	return list
}

func (w *world) holder(a netip.Addr) *fakeLink {
	for _, l := range w.links {
		if slices.ContainsFunc(l.Addresses, func(p netip.Prefix) bool { return p.Addr() == a }) {
			return l
		}
	}
	return nil
}

// source is the address that the kernel would send from: the route's own, else the device's in whose network the next hop is.
func (w *world) source(r fakeRoute, to netip.Addr) netip.Addr {
	if r.Src.IsValid() {
		return r.Src
	}
	next := r.Via
	if !next.IsValid() {
		next = to
	}
	var first netip.Addr
	for _, a := range w.link(r.dev).Addresses {
		if a.Contains(next) {
			return a.Addr()
		}
		if !first.IsValid() && a.Addr().Is4() == to.Is4() {
			first = a.Addr()
		}
	}
	return first
}

func (p *process) Routes(ctx context.Context, dev string, to func(netip.Prefix) bool) (list []KernelRoute, err error) {
	err = p.call(ctx, "Routes", func() error {
		for _, r := range p.routes {
			if r.dev == dev && (to == nil || to(r.Dst)) {
				list = append(list, r.KernelRoute)
			}
		}
		return nil
	})
	return list, err
}

func (p *process) OwnRoutes(ctx context.Context) (byDev map[string][]KernelRoute, err error) {
	err = p.call(ctx, "OwnRoutes", func() error {
		byDev = make(map[string][]KernelRoute)
		for _, r := range p.routes {
			if r.Protocol == RouteProtocol {
				byDev[r.dev] = append(byDev[r.dev], r.KernelRoute)
			}
		}
		return nil
	})
	return byDev, err
}

func (p *process) RoutesTo(ctx context.Context, to netip.Addr) (list []DeviceRoute, err error) {
	err = p.call(ctx, "RoutesTo", func() error {
		for _, r := range p.routes {
			if r.Dst.Contains(to) && r.TableOrMain() == MainTable {
				list = append(list, DeviceRoute{r.dev, r.KernelRoute})
			}
		}
		return nil
	})
	return list, err
}

func (p *process) SyncRoutes(ctx context.Context, want []OwnRoute, opts SyncOptions) (result SyncResult, err error) {
	err = p.call(ctx, "SyncRoutes", func() error {
		if !p.CanChange() && !opts.DryRun {
			return &Error{Kind: ErrNotPermitted, What: "set routes"}
		}
		result = p.sync(want, opts)
		return nil
	})
	return result, err
}

// sync is what the kernel does for SyncRoutes.
func (p *process) sync(want []OwnRoute, opts SyncOptions) (result SyncResult) {
	kept := slices.DeleteFunc(slices.Clone(p.routes), func(r fakeRoute) bool { return r.Protocol == RouteProtocol })
	foreign := len(kept)
	for i, w := range want {
		same := func(r fakeRoute) bool { return r.sameSlot(*w.Route) }
		refusal := func(kind error, what string) {
			result.Refused = append(result.Refused, Refusal{i, &Error{Kind: kind, What: what}})
		}
		switch old := slices.IndexFunc(p.routes, same); {
		case w.Dev != "" && p.link(w.Dev) == nil:
			refusal(ErrInvalid, "no such device")
			continue
		case slices.ContainsFunc(kept[:foreign], same):
			refusal(ErrExists, "add the route "+w.Route.String())
			continue
		case old < 0:
			result.Added = append(result.Added, i)
		case p.routes[old].String() == w.Route.String() && p.routes[old].dev == w.Dev:
			result.Unchanged++
		default:
			result.Replaced = append(result.Replaced, i)
		}
		kept = append(kept, fakeRoute{w.Dev, KernelRoute{w.Route.Clone(), RouteProtocol}})
	}
	for _, r := range p.routes {
		if r.Protocol == RouteProtocol && !slices.ContainsFunc(want, func(w OwnRoute) bool { return r.sameSlot(*w.Route) }) {
			result.Removed++
		}
	}
	if !opts.DryRun {
		p.routes = kept
	}
	return result
}

func (p *process) Probe(ctx context.Context, probe Probe) (result ProbeResult, err error) {
	err = p.call(ctx, "Probe", func() error {
		var delta Counters
		if result, delta, err = p.answer(probe); err != nil {
			return err
		}
		l := p.link(probe.Dev)
		if l == nil || probe.From.IsValid() && p.holder(probe.From) != l {
			return &Error{What: fmt.Sprintf("probe by %s from %s", probe.Dev, probe.From)}
		}
		c := &l.Counters
		for _, part := range []struct{ to, by *uint64 }{
			{&c.RxPackets, &delta.RxPackets}, {&c.TxPackets, &delta.TxPackets}, {&c.TxErrors, &delta.TxErrors}, {&c.RxErrors, &delta.RxErrors},
			{&c.TxDropped, &delta.TxDropped}, {&c.TxCarrierErrors, &delta.TxCarrierErrors}, {&c.Collisions, &delta.Collisions},
			{&c.RxCRCErrors, &delta.RxCRCErrors}, {&c.RxFIFOErrors, &delta.RxFIFOErrors},
		} {
			*part.to += *part.by
		}
		return nil
	})
	return result, err
}

// schedule runs two processes one call at a time: i calls of the first, j of the second, then the rest of the first, then of the second.
func schedule(first, second *process, i, j int, runFirst, runSecond func()) {
	a, b := newTurns(first, runFirst), newTurns(second, runSecond)
	a.give(i)
	b.give(j)
	a.give(-1)
	b.give(-1)
}

// turns lets a process run call by call.
type turns struct {
	asks, may, done chan struct{}
	waiting         bool // the process waits for its next call
}

func newTurns(p *process, run func()) *turns {
	t := &turns{asks: make(chan struct{}), may: make(chan struct{}), done: make(chan struct{})}
	p.turn = func(int, string) {
		if p.locked {
			return // nobody else gets past the lock
		}
		t.asks <- struct{}{}
		<-t.may
	}
	go func() { defer close(t.done); run() }()
	t.wait()
	return t
}

// wait returns when the process asks for a call, or, with false, when it has ended.
func (t *turns) wait() bool {
	if !t.waiting {
		select {
		case <-t.asks:
			t.waiting = true
		case <-t.done:
		}
	}
	return t.waiting
}

// give lets the process make n calls, all that are left if n is negative. While it returns the process stands still.
func (t *turns) give(n int) {
	for ; n != 0 && t.wait(); n-- {
		t.waiting = false
		t.may <- struct{}{}
		t.wait()
	}
}
