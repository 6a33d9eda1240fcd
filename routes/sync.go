package routes

import (
	"cmp"
	"context"
	"maps"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"nmgre"
)

// SyncRoutes sees to it that the routes of protocol [nmgre.RouteProtocol] are those of want, and no others; [nmgre.Kernel] says how.
//
// Routes are told apart as the kernel does it: IPv4's by destination, TOS, metric and table, IPv6's by destination, source, metric and
// table. What is wanted comes before what is not is removed, and a route that changes is replaced without a gap for its packets, but for
// IPv6 routes with several paths, or when only one of old and new has a gateway. Routes of others are never replaced: the kernel is asked
// to add only where there is none. A route that the kernel refuses is tried once more at the end, when the others are set and the old
// ones gone; one that stood in its place is gone all the same.
//
// Added and Replaced do not have the refused ones, unless it is a dry run.
func (k *Kernel) SyncRoutes(ctx context.Context, want []nmgre.OwnRoute, opts nmgre.SyncOptions) (nmgre.SyncResult, error) {
	devices, err := k.deviceIndexes(ctx)
	if err != nil {
		return nmgre.SyncResult{}, err
	}
	s := newComparison(want, devices)
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		filter := wireRoute{family: family, protocol: nmgre.RouteProtocol}
		before := s.mark()
		if err := k.eachRoute(ctx, &filter, func() { s.reset(family, before) }, s.compare); err != nil {
			return nmgre.SyncResult{}, err
		}
		s.joinSiblings()
	}
	if !opts.DryRun {
		err = newChanges(s, k, opts.Progress).send(ctx)
	}
	return s.result(), err
}

// deviceIndexes returns the devices' indexes by name.
func (k *Kernel) deviceIndexes(ctx context.Context) (map[string]int, error) {
	names, err := k.names(ctx)
	indexes := make(map[string]int, len(names))
	for index, name := range names {
		indexes[name] = index
	}
	return indexes, err
}

// comparison is one of what is wanted with what the kernel has.
type comparison struct {
	want    []nmgre.OwnRoute
	devices map[string]int
	index   *slotIndex
	states  []wantState // of what is wanted

	rivals   []rival
	old      messages // that delete the rivals
	removals messages // that delete what nobody wants
	siblings map[int]*wireRoute
	refusals map[int]error // why the kernel did not take what is wanted
}

// wantState is what has been found out of a wanted route.
type wantState uint8

const (
	stateMissing wantState = iota
	stateHeld
	stateOther   // another of ours is in its place
	stateInvalid // it cannot be put to the kernel
)

// rival is a route of ours in the place of a wanted one.
type rival struct {
	index  int32 // of the wanted one
	old    int32 // number of the message that deletes it
	gentle bool  // it can be replaced in its place
}

// newComparison enters the wanted routes, and refuses those that cannot be.
func newComparison(want []nmgre.OwnRoute, devices map[string]int) *comparison {
	s := &comparison{
		want: want, devices: devices, index: newSlotIndex(want), states: make([]wantState, len(want)),
		siblings: make(map[int]*wireRoute), refusals: make(map[int]error),
	}
	var w wireRoute
	for i := range want {
		err := s.encode(i, &w)
		if err != nil {
			err = wrap(s.words(i), err)
		} else if !s.index.put(i, w.slot()) {
			err = refused(s.words(i), unix.EEXIST)
		}
		if err != nil {
			s.states[i], s.refusals[i] = stateInvalid, err
		}
	}
	return s
}

// words says what is done for a wanted route.
func (s *comparison) words(i int) string {
	text := "add route " + s.want[i].Route.String()
	if dev := s.want[i].Dev; dev != "" {
		text += " into " + dev
	}
	return nmgre.Printable(text)
}

// encode makes w a wanted route with its devices.
func (s *comparison) encode(i int, w *wireRoute) error {
	o := &s.want[i]
	err := w.set(o.Route)
	if err != nil || w.deviceless() {
		return err
	}
	if len(o.Route.Nexthops) == 0 {
		w.device, err = s.device(o.Dev)
		return err
	}
	w.hops = make([]wireHop, len(o.Route.Nexthops))
	for j := range w.hops {
		next := &o.Route.Nexthops[j]
		device, err := s.device(cmp.Or(next.Dev, o.Dev))
		if err != nil {
			return err
		}
		w.hops[j] = newWireHop(device, next)
	}
	if len(w.hops) == 1 {
		w.flatten()
	}
	return nil
}

func (s *comparison) device(name string) (int, error) {
	if index := s.devices[name]; index != 0 {
		return index, nil
	}
	return 0, noDevice(name, unix.ENODEV)
}

// mark remembers how far the comparison is; reset takes it back there, for the routes of a family.
func (s *comparison) mark() [3]int { return [...]int{len(s.rivals), s.old.count(), s.removals.count()} }

func (s *comparison) reset(family uint8, mark [3]int) {
	s.rivals = s.rivals[:mark[0]]
	s.old.truncate(mark[1])
	s.removals.truncate(mark[2])
	clear(s.siblings)
	for i, state := range s.states {
		if state != stateInvalid && familyOf(s.want[i].Route.Dst.Addr()) == family {
			s.states[i] = stateMissing
		}
	}
}

// compare looks at a route that the kernel has.
func (s *comparison) compare(held *wireRoute) {
	if !held.ours() {
		return
	}
	held.normalise()
	i := s.index.find(held.slot())
	switch {
	case i < 0:
		s.removals.add(held.deletion())
	case held.isSibling() && len(s.want[i].Route.Nexthops) > 1:
		s.addSibling(i, held)
	default:
		s.settle(i, held)
	}
}

// settle compares a route that the kernel has with the wanted one of its slot.
func (s *comparison) settle(i int, held *wireRoute) {
	var w wireRoute
	if s.encode(i, &w) != nil { // it was found right before
		return
	}
	w.normalise()
	if s.states[i] == stateMissing && w.same(held) {
		s.states[i] = stateHeld
		return
	}
	if s.states[i] == stateHeld { // two of ours in one slot: an earlier run was broken off, or somebody else uses our number
		s.addRival(i, &w, &w)
	}
	s.states[i] = stateOther
	s.addRival(i, &w, held)
}

func (s *comparison) addRival(i int, w, held *wireRoute) {
	s.rivals = append(s.rivals, rival{int32(i), int32(s.old.count()), held.givesWayTo(w)}) //nolint:gosec // lists are far shorter
	s.old.add(held.deletion())
}

// isSibling says whether the route may be one path of an IPv6 route with several, of which some kernels tell one by one.
func (w *wireRoute) isSibling() bool {
	return w.family == unix.AF_INET6 && len(w.hops) == 0 && w.via.IsValid()
}

// addSibling collects the paths of an IPv6 route that come one by one.
func (s *comparison) addSibling(i int, held *wireRoute) {
	path := wireHop{device: held.device, via: held.via, flags: uint8(held.flags), encap: held.encap} //nolint:gosec // flags are normalised
	whole := s.siblings[i]
	if whole == nil {
		whole = new(wireRoute)
		*whole = *held
		whole.device, whole.via, whole.flags, whole.encap = 0, netip.Addr{}, 0, nil
		s.siblings[i] = whole
	}
	whole.hops = append(whole.hops, path)
}

// joinSiblings compares the routes whose paths came one by one.
func (s *comparison) joinSiblings() {
	for _, i := range slices.Sorted(maps.Keys(s.siblings)) {
		whole := s.siblings[i]
		whole.normalise()
		s.settle(i, whole)
	}
	clear(s.siblings)
}

// deletion returns what deletes the route and no other of ours. IPv4 gets no more than the slot: the kernel takes the first of ours in
// it, which is the oldest. IPv6 gets the paths too, or the kernel would delete those that others have added to the route.
func (w *wireRoute) deletion() *wireRoute {
	d := &wireRoute{family: w.family, tos: w.tos, protocol: w.protocol, dst: w.dst, from: w.from, table: w.table, priority: w.priority}
	if w.family == unix.AF_INET {
		d.scope = unix.RT_SCOPE_NOWHERE // any
		return d
	}
	d.device, d.via = w.device, w.via
	for _, hop := range w.hops {
		d.hops = append(d.hops, wireHop{device: hop.device, via: hop.via})
	}
	return d
}

// givesWayTo says whether the kernel can put another route of ours into this one's place. IPv4 takes a second one into the slot, which
// decides when the first is deleted. IPv6 replaces the first with the metric that can have several paths, if the new one can, and else the
// first that cannot: only when both can or both cannot is that ours.
func (w *wireRoute) givesWayTo(o *wireRoute) bool {
	return w.family == unix.AF_INET || len(w.hops) == 0 && w.canHavePaths() == o.canHavePaths()
}

// canHavePaths says whether IPv6 can add paths to the route.
func (w *wireRoute) canHavePaths() bool {
	return !w.deviceless() && (w.via.IsValid() || len(w.hops) > 0)
}

// result sums up what was found, and what the kernel refused.
func (s *comparison) result() nmgre.SyncResult {
	r := nmgre.SyncResult{Removed: s.removals.count()}
	for i, state := range s.states {
		err := s.refusals[i]
		if err != nil {
			r.Refused = append(r.Refused, nmgre.Refusal{Index: i, Err: err})
		}
		switch {
		case state == stateHeld:
			r.Unchanged++
		case state == stateMissing && err == nil:
			r.Added = append(r.Added, i)
		case state == stateOther && err == nil:
			r.Replaced = append(r.Replaced, i)
		case state == stateOther:
			r.Removed++ // the old one is gone
		}
	}
	return r
}

// messages are bodies of messages, one behind the other.
type messages struct {
	bytes []byte
	ends  []int
}

func (m *messages) count() int { return len(m.ends) }

func (m *messages) add(w *wireRoute) {
	m.bytes = w.append(m.bytes)
	m.ends = append(m.ends, len(m.bytes))
}

func (m *messages) start(i int) int {
	if i == 0 {
		return 0
	}
	return m.ends[i-1]
}

func (m *messages) at(i int) []byte { return m.bytes[m.start(i):m.ends[i]] }

func (m *messages) truncate(n int) { m.bytes, m.ends = m.bytes[:m.start(n)], m.ends[:n] }
