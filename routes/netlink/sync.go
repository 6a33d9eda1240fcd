package netlink

import (
	"cmp"
	"context"
	"maps"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
	"nmgre/routes/kernel"
	"nmgre/routes/list"
	"nmgre/routes/netlink/wire"
)

// SyncRoutes makes the routes of protocol [kernel.RouteProtocol] those of want, and no others, as
// [kernel.Kernel] describes.
//
// It tells routes apart by [wire.Slot], as the kernel does. It sets wanted routes before it removes
// others. A route that changes is replaced without a gap for its packets, except IPv6 routes with
// several paths, and those where only one of old and new has a gateway. Routes of others are never
// replaced: the kernel is asked to add a route only where there is none. A route that the kernel
// refuses is tried once more at the end, when the others are set and the old ones are gone; our old
// route in its slot is then gone as well.
//
// Added and Replaced leave the refused routes out, except in a dry run.
func (k *Kernel) SyncRoutes(ctx context.Context, want []kernel.OwnRoute, opts kernel.SyncOptions) (kernel.SyncResult, error) {
	devices, err := k.deviceIndexes(ctx)
	if err != nil {
		return kernel.SyncResult{}, err
	}
	s := newComparison(want, devices)
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		filter := wire.Route{Family: family, Protocol: kernel.RouteProtocol}
		before := s.mark()
		if err := k.eachRoute(ctx, &filter, s.known, func() { s.reset(family, before) }, s.compare); err != nil {
			return kernel.SyncResult{}, err
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

// comparison compares the wanted routes with the kernel's.
type comparison struct {
	want    []kernel.OwnRoute
	devices map[string]int
	ordered *ascending             // the wanted routes; nil where only an index finds them
	index   *list.Index[wire.Slot] // of the wanted routes, unless they are ordered
	states  []wantState            // of the wanted routes

	rivals   []rival
	old      messages            // these delete the rivals
	removals messages            // these delete the routes that are not wanted
	siblings map[int]*wire.Route // by the wanted route: the paths that came one by one
	refusals map[int]error       // by the wanted route: why the kernel refused it
}

// wantState is the finding about a wanted route.
type wantState uint8

const (
	stateMissing wantState = iota
	stateHeld
	stateOther   // a different route of ours is in its slot
	stateInvalid // no message can express it
)

// rival is a route of ours in the slot of a wanted one.
type rival struct {
	index  int32 // of the wanted route
	old    int32 // number of the message that deletes it, in comparison.old; -1 once it is sent
	gentle bool  // it can be replaced without a gap
}

// newComparison enters the wanted routes, and refuses those that no message can express.
func newComparison(want []kernel.OwnRoute, devices map[string]int) *comparison {
	s := &comparison{
		want: want, devices: devices, states: make([]wantState, len(want)), ordered: newAscending(want, devices),
		siblings: make(map[int]*wire.Route), refusals: make(map[int]error),
	}
	if s.ordered != nil { // each can be expressed, and has a slot of its own
		return s
	}
	s.index = list.NewIndex(len(want), func(i int) wire.Slot { return slotOf(want[i].Route) })
	slots := s.encodeAll()
	for i := range want {
		var err error
		if s.states[i] == stateInvalid {
			err = wrap(s.words(i), s.encode(i, new(wire.Route)))
		} else if _, taken := s.index.Add(slots[i], i); taken {
			err = refused(s.words(i), unix.EEXIST)
		}
		if err != nil {
			s.states[i], s.refusals[i] = stateInvalid, err
		}
	}
	return s
}

// encodeAll returns the slots of the wanted routes, and marks those that no message can express.
// All processors take part: nothing else can be done meanwhile.
func (s *comparison) encodeAll() []wire.Slot {
	slots := make([]wire.Slot, len(s.want))
	part := max(1024, (len(slots)+runtime.GOMAXPROCS(0)-1)/runtime.GOMAXPROCS(0))
	var parts sync.WaitGroup
	for from := 0; from < len(slots); from += part {
		parts.Go(func() {
			var w wire.Route
			for i := from; i < min(from+part, len(slots)); i++ {
				if s.encode(i, &w) != nil {
					s.states[i] = stateInvalid
				} else {
					slots[i] = w.Slot()
				}
			}
		})
	}
	parts.Wait()
	return slots
}

// words names the change that sets a wanted route.
func (s *comparison) words(i int) string {
	text := "add route " + s.want[i].Route.String()
	if dev := s.want[i].Dev; dev != "" {
		text += " into " + dev
	}
	return fault.Printable(text)
}

// encode makes w the message for a wanted route, with the indexes of its devices.
func (s *comparison) encode(i int, w *wire.Route) error {
	o := &s.want[i]
	err := w.Set(o.Route)
	if err != nil || w.Deviceless() {
		return err
	}
	if len(o.Route.Nexthops) == 0 {
		w.Device, err = s.device(o.Dev)
		return err
	}
	w.Hops = make([]wire.Hop, len(o.Route.Nexthops))
	for j := range w.Hops {
		next := &o.Route.Nexthops[j]
		device, err := s.device(cmp.Or(next.Dev, o.Dev))
		if err != nil {
			return err
		}
		w.Hops[j] = wire.NewHop(device, next)
	}
	if len(w.Hops) == 1 {
		w.Flatten()
	}
	return nil
}

func (s *comparison) device(name string) (int, error) {
	if index := s.devices[name]; index != 0 {
		return index, nil
	}
	return 0, noDevice(name, unix.ENODEV)
}

// mark notes how far the comparison is. After a dump that has to begin again, reset returns it to
// the mark, for the routes of one family.
func (s *comparison) mark() [3]int { return [...]int{len(s.rivals), s.old.count(), s.removals.count()} }

func (s *comparison) reset(family uint8, mark [3]int) {
	s.rivals = s.rivals[:mark[0]]
	s.old.truncate(mark[1])
	s.removals.truncate(mark[2])
	clear(s.siblings)
	if s.ordered != nil {
		s.ordered.again()
	}
	for i, state := range s.states {
		if state != stateInvalid && wire.FamilyOf(s.want[i].Route.Dst.Addr()) == family {
			s.states[i] = stateMissing
		}
	}
}

// known takes the message of one of the kernel's routes, if it can be told without reading it as a
// whole that the route is wanted as it is.
func (s *comparison) known(body []byte) bool {
	if s.ordered == nil {
		return false
	}
	i, held := s.ordered.held(body)
	if held = held && s.states[i] == stateMissing; held {
		s.states[i] = stateHeld
	}
	return held
}

// find returns the number of the wanted route in the slot of one of the kernel's, and whether there
// is one.
func (s *comparison) find(held *wire.Route) (i int, wanted bool) {
	if s.ordered == nil {
		return s.index.Find(held.Slot())
	}
	i, wanted = s.ordered.find(held.Table, held.Dst)
	return i, wanted && slotOf(s.want[i].Route) == held.Slot()
}

// compare takes one of the kernel's routes.
func (s *comparison) compare(held *wire.Route) {
	if !held.Ours() {
		return
	}
	held.Normalise()
	i, wanted := s.find(held)
	switch {
	case !wanted:
		s.removals.add(held.Deletion())
	case held.IsSibling() && len(s.want[i].Route.Nexthops) > 1:
		s.addSibling(i, held)
	default:
		s.settle(i, held)
	}
}

// settle compares one of the kernel's routes with the wanted route of its slot.
func (s *comparison) settle(i int, held *wire.Route) {
	var w wire.Route
	if s.encode(i, &w) != nil { // never: newComparison has encoded it before
		return
	}
	w.Normalise()
	if s.states[i] == stateMissing && w.Same(held) {
		s.states[i] = stateHeld
		if s.ordered != nil {
			s.ordered.learn(i)
		}
		return
	}
	// Two of ours are in one slot: an earlier run was broken off, or somebody else uses our number.
	if s.states[i] == stateHeld {
		s.addRival(i, &w, &w)
	}
	s.states[i] = stateOther
	s.addRival(i, &w, held)
}

func (s *comparison) addRival(i int, w, held *wire.Route) {
	s.rivals = append(s.rivals, rival{int32(i), int32(s.old.count()), held.GivesWayTo(w)}) //nolint:gosec // lists are far shorter
	s.old.add(held.Deletion())
}

// addSibling collects the paths of an IPv6 route that the kernel reports one by one.
func (s *comparison) addSibling(i int, held *wire.Route) {
	whole := s.siblings[i]
	if whole == nil {
		whole = held.WithoutPath()
		s.siblings[i] = whole
	}
	whole.AddPath(held)
}

// joinSiblings compares the routes whose paths came one by one, when all have come.
func (s *comparison) joinSiblings() {
	for _, i := range slices.Sorted(maps.Keys(s.siblings)) {
		whole := s.siblings[i]
		whole.Normalise()
		s.settle(i, whole)
	}
	clear(s.siblings)
}

// result sums up the findings and the refusals.
func (s *comparison) result() kernel.SyncResult {
	r := kernel.SyncResult{Removed: s.removals.count()}
	for i, state := range s.states {
		err := s.refusals[i]
		if err != nil {
			r.Refused = append(r.Refused, kernel.Refusal{Index: i, Err: err})
		}
		switch {
		case state == stateHeld:
			r.Unchanged++
		case state == stateMissing && err == nil:
			r.Added = append(r.Added, i)
		case state == stateOther && err == nil:
			r.Replaced = append(r.Replaced, i)
		case state == stateOther:
			r.Removed++ // the old one is gone, the new one refused
		}
	}
	return r
}

// messages are bodies of messages in one buffer.
type messages struct {
	bytes []byte
	ends  []int
}

func (m *messages) count() int { return len(m.ends) }

func (m *messages) add(w *wire.Route) {
	m.bytes = w.Append(m.bytes)
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
