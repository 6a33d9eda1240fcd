package nmgre_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"nmgre"
	"nmgre/nm"
	"nmgre/nm/plan"
	"nmgre/routes"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
	"nmgre/testdata/fake"
	"nmgre/testdata/want"
)

// oneFile is a store that has one file, which is read in no time.
type oneFile struct {
	keep.Store
	kept keep.Kept
}

func (s oneFile) Get(context.Context, string) (keep.Kept, error) { return s.kept, nil }

// manyRoutes returns n routes to different networks.
func manyRoutes(n int) []routes.Route {
	list := make([]routes.Route, n)
	for i := range list {
		list[i] = routes.MustParse(fmt.Sprintf("10.%d.%d.0/24", 100+i/256, i%256))
	}
	return list
}

// keepingMany is a host with the tunnel gre1, for which root keeps n routes. Its profile has none.
func keepingMany(tb testing.TB, n int) (h *nmgre.Host, mtu uint32) {
	tb.Helper()
	w := fake.NewWorld()
	tunnel := fake.Simple(tb)
	tunnel.Routes = nil
	fake.MustCreate(tb, w, tunnel)
	p := w.Named("gre1")
	h = w.Start().Host()
	h.Store = oneFile{h.Store, keep.Kept{UUID: p.UUID, Name: "gre1", Remote: p.Tunnel.Remote, Inner: p.Tunnel.InnerNetworks(), Routes: manyRoutes(n)}}
	return h, p.Tunnel.MTU
}

// planMTU plans an edit of the MTU.
func planMTU(tb testing.TB, h *nmgre.Host, mtu uint32) plan.EditPlan {
	tb.Helper()
	planned, err := h.PlanEdit(tb.Context(), "gre1", func(t *nm.Tunnel) error { t.MTU = mtu; return nil })
	if err != nil {
		tb.Fatal(err)
	}
	return planned
}

// The plan of an edit of another field shares the one list of very many routes of root's file.
func TestEditSharesRoutes(t *testing.T) {
	h, _ := keepingMany(t, 1000)
	planned := planMTU(t, h, 1400)
	for name, list := range map[string][]routes.Route{
		"Before": planned.Before.Routes, "After": planned.After.Routes, "Kept": planned.Kept.Routes, "KeptBefore": planned.KeptBefore.Routes,
	} {
		if file := h.Store.(oneFile).kept.Routes; len(list) != len(file) || &list[0] != &file[0] {
			t.Errorf("%s has a copy of the %d routes", name, len(list))
		}
	}
}

// The plan of an edit does not allocate more pieces of memory where there are more routes: no work
// on a single route needs memory of its own.
func TestEditOfManyRoutesAllocates(t *testing.T) {
	taken := func(n int, mtu func(now uint32) uint32) float64 {
		h, now := keepingMany(t, n)
		return testing.AllocsPerRun(3, func() { planMTU(t, h, mtu(now)) })
	}
	for name, mtu := range map[string]func(uint32) uint32{
		"one field": func(uint32) uint32 { return 1400 }, "nothing": func(now uint32) uint32 { return now },
	} {
		if few, many := taken(60, mtu), taken(6000, mtu); many > few+20 {
			t.Errorf("%s: %.0f allocations with 6000 routes, %.0f with 60", name, many, few)
		}
	}
}

// An edit of another field compares very many routes with the kernel's once, for the proof at the
// end. One that changes an address also sets them again, as they may go with it, and waits for
// them.
func TestEditComparesRoutesRarely(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*nm.Tunnel)
		most   int
	}{
		"mtu":     {func(t *nm.Tunnel) { t.MTU = 1400 }, 1},
		"address": {func(t *nm.Tunnel) { t.Addresses = want.CIDRs("172.16.0.1/29") }, 4},
		"nothing": {func(*nm.Tunnel) {}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := fake.NewWorld()
			tunnel := fake.Simple(t)
			tunnel.Routes = nil
			fake.MustCreate(t, w, tunnel)
			if _, err := w.Start().Host().ChangeRoutes(t.Context(), "gre1", plan.RouteChange{Op: plan.RouteAdd, Routes: manyRoutes(nm.MaxProfileRoutes + 1)}); err != nil {
				t.Fatal(err)
			}
			p := w.Start()
			h := p.Host()
			planned, err := h.PlanEdit(t.Context(), "gre1", func(t *nm.Tunnel) error { c.change(t); return nil })
			if err != nil {
				t.Fatal(err)
			}
			if _, err := h.Edit(t.Context(), planned, nmgre.EditOptions{NoProbe: true}); err != nil {
				t.Fatal(err)
			}
			n := 0
			for _, call := range p.Calls {
				if call == "SyncRoutes" {
					n++
				}
			}
			if n != c.most {
				t.Errorf("the routes are compared %d times, want %d: %v", n, c.most, p.Calls)
			}
			if k := w.Files[w.Named("gre1").UUID]; len(k.Routes) != nm.MaxProfileRoutes+1 {
				t.Errorf("root keeps %d routes", len(k.Routes))
			}
		})
	}
}

// An edit of another field sets those of very many routes that the kernel lacks. One that cannot be
// set was missing before, and does not undo the edit.
func TestEditSetsManyRoutesThatAreGone(t *testing.T) {
	for name, refused := range map[string]bool{"all can be set": false, "one cannot be set": true} {
		t.Run(name, func(t *testing.T) {
			w := fake.NewWorld()
			tunnel := fake.Simple(t)
			tunnel.Routes = nil
			fake.MustCreate(t, w, tunnel)
			list := manyRoutes(nm.MaxProfileRoutes + 2)
			for _, dev := range []string{"gre7", "gre8"} {
				w.AddLink(kernel.Link{Name: dev, Up: true, MTU: 1400})
			}
			if refused {
				list[0] = routes.MustParse("10.99.0.0/24 nexthop dev gre7 nexthop dev gre8")
			}
			if _, err := w.Start().Host().ChangeRoutes(t.Context(), "gre1", plan.RouteChange{Op: plan.RouteAdd, Routes: list}); err != nil {
				t.Fatal(err)
			}
			w.RemoveLink("gre7")
			w.RemoveLink("gre8")
			all := len(w.Table)
			w.Table = slices.DeleteFunc(w.Table, func(r fake.Route) bool { return r.Dst == list[5].Dst || r.Dst == list[6].Dst })
			if len(w.Table) != all-2 {
				t.Fatalf("%d routes are gone", all-len(w.Table))
			}
			h := w.Start().Host()
			done, err := h.Edit(t.Context(), planMTU(t, h, 1400), nmgre.EditOptions{NoProbe: true})
			if err != nil || w.Named("gre1").Tunnel.MTU != 1400 {
				t.Errorf("MTU %d, %v", w.Named("gre1").Tunnel.MTU, err)
			}
			if len(w.Table) != all || done.Report.LacksRoutes() != refused {
				t.Errorf("%d of %d routes, and the check of them fails: %t", len(w.Table), all, done.Report.LacksRoutes())
			}
		})
	}
}

// The plan of an edit of a tunnel with ten thousand kept routes: of one field, and of nothing.
func BenchmarkPlanEdit(b *testing.B) {
	h, now := keepingMany(b, 10_000)
	for name, mtu := range map[string]uint32{"one field": 1400, "nothing": now} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				planMTU(b, h, mtu)
			}
		})
	}
}
