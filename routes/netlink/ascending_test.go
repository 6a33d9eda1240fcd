package netlink

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"nmgre/routes"
	"nmgre/routes/kernel"
	"nmgre/routes/netlink/wire"
	"nmgre/testdata/want"
)

// A list in ascending order is compared as one in any other order is, whatever the kernel has of
// it.
func TestAscendingAsIndex(t *testing.T) {
	devices := map[string]int{"v0": 7, "w0": 8}
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 300 {
		wanted := plainList(r, 40)
		bodies := tellAll(t, r, wanted, devices)
		ordered, indexed := newComparison(wanted, devices), newComparison(slices.Concat(wanted[1:], wanted[:1]), devices)
		if ordered.ordered == nil || indexed.ordered != nil {
			t.Fatalf("round %d: ordered %v, indexed %v", round, ordered.ordered != nil, indexed.ordered == nil)
		}
		take(t, ordered, bodies)
		take(t, indexed, bodies)
		turned := slices.Concat(indexed.states[len(wanted)-1:], indexed.states[:len(wanted)-1])
		if !slices.Equal(ordered.states, turned) || !reflect.DeepEqual(ordered.removals, indexed.removals) || !reflect.DeepEqual(ordered.old, indexed.old) {
			t.Fatalf("round %d: %v, %d removed\nwant %v, %d removed", round, ordered.states, ordered.removals.count(), turned, indexed.removals.count())
		}
	}
}

// plainList returns plain routes of both families in two tables in ascending order, with few
// metrics.
func plainList(r *rand.Rand, n int) []kernel.OwnRoute {
	all := []kernel.OwnRoute{{Dev: "v0", Route: &routes.Route{Table: 99, Dst: want.CIDR("9.0.0.0/8")}}}
	for i := range n {
		at := i % (n / 2)
		route := &routes.Route{Dst: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(at), 0, 0}), 16+i%2)}
		if at > n/4 {
			route.Dst = want.CIDR(fmt.Sprintf("fd00:%d::/%d", at, 32+i%2))
		}
		if i >= n/2 {
			route.Table = 1000
		}
		if m := uint32(r.IntN(3)); m > 0 { //nolint:gosec // small
			route.Metric = &m
		}
		all = append(all, kernel.OwnRoute{Dev: []string{"v0", "v0", "v0", "w0"}[r.IntN(4)], Route: route})
	}
	return all
}

// tellAll returns messages about most of the routes, some of them changed, told twice, or out of
// order, and about some more.
func tellAll(t *testing.T, r *rand.Rand, wanted []kernel.OwnRoute, devices map[string]int) [][]byte {
	t.Helper()
	s := newComparison(wanted, devices)
	var bodies [][]byte
	for i := range wanted {
		var w wire.Route
		if err := s.encode(i, &w); err != nil {
			t.Fatal(err)
		}
		switch r.IntN(12) {
		case 0:
			continue
		case 1:
			w.Device = 15 - w.Device
		case 2:
			w.Priority++
		case 3:
			w.Table = []uint32{100, 254, 1000}[r.IntN(3)]
		case 4:
			w.Protocol = 4
		case 5:
			w.Flags = 1 // a device that is down
		case 6:
			w.Dst = netip.PrefixFrom(w.Dst.Addr(), w.Dst.Bits()+1)
		case 7:
			bodies = append(bodies, w.Encode())
		}
		bodies = append(bodies, w.Encode())
	}
	for range 3 {
		i, j := r.IntN(len(bodies)), r.IntN(len(bodies))
		bodies[i], bodies[j] = bodies[j], bodies[i]
	}
	return bodies
}

// take has a comparison read messages as [Kernel.eachRoute] does.
func take(t *testing.T, s *comparison, bodies [][]byte) {
	t.Helper()
	for _, body := range bodies {
		if s.known(body) {
			continue
		}
		w, err := wire.ParseRoute(body)
		if err != nil {
			t.Fatal(err)
		}
		s.compare(&w)
	}
}

// Most of a long list is recognised without reading it as a whole, and only a list of plain routes
// in order is taken so.
func TestAscending(t *testing.T) {
	devices := map[string]int{"v0": 7}
	list := func(dst ...string) (all []kernel.OwnRoute) {
		for _, d := range dst {
			all = append(all, kernel.OwnRoute{Dev: "v0", Route: &routes.Route{Dst: want.CIDR(d)}})
		}
		return all
	}
	s := newComparison(list("10.1.0.0/16", "10.2.0.0/16", "10.2.0.0/24", "10.3.0.0/16"), devices)
	read := 0
	for i := range s.want {
		var w wire.Route
		if err := s.encode(i, &w); err != nil {
			t.Fatal(err)
		}
		if body := w.Encode(); !s.known(body) {
			read++
			s.compare(&w)
		}
	}
	if got := counts(s.result()); read != 1 || got != "added [] replaced [] unchanged 4 removed 0 refused 0" {
		t.Errorf("%d are read, %s", read, got)
	}
	via := list("10.1.0.0/16", "10.2.0.0/16")
	via[1].Route.Via = want.Addr("10.9.0.2")
	elsewhere := list("10.1.0.0/16", "10.2.0.0/16")
	elsewhere[1].Dev = "gone0"
	nowhere := list("10.1.0.0/16")
	nowhere[0].Dev = ""
	tables := list("10.1.0.0/16", "10.2.0.0/16")
	tables[0].Route.Table = 1000
	for name, other := range map[string][]kernel.OwnRoute{
		"descending tables": tables,
		"descending":        list("10.2.0.0/16", "10.1.0.0/16"), "twice": list("10.1.0.0/16", "10.1.0.0/16"), "longer first": list("10.1.0.0/24", "10.1.0.0/16"),
		"not masked": {{Dev: "v0", Route: &routes.Route{Dst: netip.MustParsePrefix("10.1.0.1/16")}}},
		"no dst":     {{Dev: "v0", Route: &routes.Route{}}}, "gateway": via, "no such device": elsewhere, "no device": nowhere,
	} {
		if newAscending(other, devices) != nil {
			t.Errorf("%s: taken for a list in ascending order", name)
		}
	}
}
