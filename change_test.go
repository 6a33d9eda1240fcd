package nmgre_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nmgre"
	"nmgre/nm/plan"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
	"nmgre/testdata/fake"
	"nmgre/testdata/want"
)

// multi is a route that no profile can hold.
const multi = " nexthop via 172.16.0.2 weight 2 nexthop via 100.0.1.1 dev eth0"

// specs parses SPECs.
func specs(t testing.TB, texts ...string) []routes.Route {
	t.Helper()
	var set []routes.Route
	for _, text := range texts {
		set = append(set, routes.MustParse(text))
	}
	return set
}

// toldRoutes prints the tunnel's routes as Host.Routes returns them.
func toldRoutes(t *testing.T, h *nmgre.Host) string {
	t.Helper()
	_, list, err := h.Routes(t.Context(), "gre1")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, r := range list {
		lines = append(lines, fmt.Sprintf("%s: %s, %s", r.Route, r.Owner, r.State))
	}
	return strings.Join(lines, "\n")
}

// A series of changes of one tunnel. Each step has a request, its result, and the tunnel's routes
// after it.
func TestChangeRoutes(t *testing.T) {
	w := fake.NewWorld()
	fake.MustCreate(t, w, fake.Simple(t))
	h := w.Start().Host()
	const first = "10.10.2.0/24: profile, set\n"
	twenty := "10.20.0.0/16 nexthop via 172.16.0.2 nexthop via 100.0.1.1 dev eth0: kernel, set"
	for _, step := range []struct {
		op     plan.RouteOp
		routes []string
		counts [4]int // added, replaced, removed, unchanged
		want   string // the routes after the change, or "error " and the text of the error
	}{
		{plan.RouteAdd, []string{"10.30.0.0/16 metric 50"}, [4]int{1, 0, 0, 0}, first + "10.30.0.0/16 metric 50: profile, set\n" + twenty},
		{plan.RouteAdd, []string{"10.30.0.0/16 metric 50"}, [4]int{0, 0, 0, 1}, first + "10.30.0.0/16 metric 50: profile, set\n" + twenty},
		{plan.RouteAdd, []string{"10.40.0.0/16", "10.30.0.0/16 metric 50 mtu 1300"}, [4]int{}, "error route: 10.30.0.0/16 metric 50 mtu 1300 conflicts with a route of the tunnel: 10.30.0.0/16 metric 50"},
		{plan.RouteReplace, []string{"10.30.0.0/16 metric 50 mtu 1300"}, [4]int{0, 1, 0, 0}, first + "10.30.0.0/16 metric 50 mtu 1300: profile, set\n" + twenty},
		{plan.RouteReplace, []string{"10.30.0.0/16 metric 50" + multi}, [4]int{0, 1, 0, 0}, first + "10.30.0.0/16 metric 50" + multi + ": kernel, set\n" + twenty},
		{plan.RouteReplace, []string{"10.30.0.0/16 metric 50"}, [4]int{0, 1, 0, 0}, first + "10.30.0.0/16 metric 50: profile, set\n" + twenty},
		{plan.RouteAdd, []string{"10.30.0.0/16 metric 60", "10.30.0.0/16 metric 60"}, [4]int{}, "error route: 10.30.0.0/16 is given twice"},
		{plan.RouteAdd, []string{"10.50.0.0/16 via 192.0.2.9"}, [4]int{}, "error route: the gateway of 10.50.0.0/16, 192.0.2.9, is in none of the tunnel's networks"},
		{plan.RouteAdd, []string{"10.50.0.0/16 nexthop via 172.16.0.2 nexthop dev nosuch"}, [4]int{}, "error route: 10.50.0.0/16: there is no device nosuch"},
		{plan.RouteAdd, []string{"10.10.1.0/24"}, [4]int{}, "error route: 10.10.1.0/24 is this host's own network"},
		{plan.RouteAdd, []string{"2001:db8:9::/48"}, [4]int{}, "error route: 2001:db8:9::/48: the tunnel has no inner address of the same family"},
		{plan.RouteAdd, []string{"10.30.0.0/16 metric 70"}, [4]int{1, 0, 0, 0}, first + "10.30.0.0/16 metric 50: profile, set\n10.30.0.0/16 metric 70: profile, set\n" + twenty},
		{plan.RouteDelete, []string{"10.30.0.0/16"}, [4]int{}, "error route: 2 routes of the tunnel match 10.30.0.0/16"},
		{plan.RouteDelete, []string{"10.30.0.0/16 metric 50", "10.30.0.0/16 metric 70"}, [4]int{0, 0, 2, 0}, first + twenty},
		{plan.RouteDelete, []string{"10.30.0.0/16"}, [4]int{}, "error route: the tunnel has no route 10.30.0.0/16"},
		{plan.RouteDelete, []string{"10.20.0.0/16"}, [4]int{0, 0, 1, 0}, strings.TrimSpace(first)},
	} {
		before := w.String()
		got, err := h.ChangeRoutes(t.Context(), "gre1", plan.RouteChange{Op: step.op, Routes: specs(t, step.routes...)})
		what := fmt.Sprintf("%s %q", step.op, step.routes)
		if text, wrong := strings.CutPrefix(step.want, "error "); wrong {
			if err == nil || !strings.Contains(err.Error(), text) || !errors.Is(err, fault.ErrInvalid) || len(fault.Hints(err)) == 0 {
				t.Errorf("%s: %v, want %s, and a hint", what, err, text)
			}
			want.Same(t, what+": the host", w.String(), before)
			continue
		}
		if counts := [4]int{got.Added, got.Replaced, got.Removed, got.Unchanged}; err != nil || counts != step.counts {
			t.Errorf("%s: %v %v, want %v", what, counts, err, step.counts)
		}
		want.Same(t, what, toldRoutes(t, h), step.want)
	}
	if len(w.Files) != 0 {
		t.Errorf("nothing is kept any more, but there is a file:\n%s", w)
	}
}

// Errors about a list name the line. It is no error to delete a route of a list that the tunnel
// does not have.
func TestChangeRoutesByAList(t *testing.T) {
	w := fake.NewWorld()
	fake.MustCreate(t, w, fake.Simple(t))
	h := w.Start().Host()
	// the kernel has a foreign route in the place of the second one
	w.Table = append(w.Table, fake.Route{Dev: "eth1", HeldRoute: kernel.HeldRoute{Route: routes.MustParse("10.31.0.0/16"), Protocol: 3}})
	list := plan.RouteChange{Op: plan.RouteAdd, Routes: specs(t, "10.30.0.0/16"+multi, "10.31.0.0/16"+multi, "10.32.0.0/16"+multi), Lines: []int{3, 7, 8}}
	before := w.String()
	if _, err := h.ChangeRoutes(t.Context(), "gre1", list); err == nil || !strings.Contains(err.Error(), "line 7: 10.31.0.0/16") || strings.Contains(err.Error(), "line 8") {
		t.Errorf("refused by the kernel: %v", err)
	}
	want.Same(t, "after a refused route", w.String(), before)
	list.Routes[1] = routes.MustParse("10.10.1.0/24 via 192.0.2.1")
	if _, err := h.ChangeRoutes(t.Context(), "gre1", list); err == nil || !strings.Contains(err.Error(), "line 7: route: the gateway") {
		t.Errorf("wrong by itself: %v", err)
	}
	want.Same(t, "after a wrong route", w.String(), before)
	list.Op, list.Routes[1] = plan.RouteDelete, routes.MustParse("10.10.2.0/24")
	if got, err := h.ChangeRoutes(t.Context(), "gre1", list); err != nil || got.Removed != 1 || got.Unchanged != 2 {
		t.Errorf("delete by a list: %+v, %v", got, err)
	}
}

// The routes of a tunnel that is down are set when it comes up.
func TestChangeRoutesOfATunnelThatIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := fake.NewWorld()
		fake.MustCreate(t, w, fake.Simple(t))
		h := w.Start().Host()
		if _, err := h.Down(t.Context(), "gre1"); err != nil {
			t.Fatal(err)
		}
		got, err := h.ChangeRoutes(t.Context(), "gre1", plan.RouteChange{Op: plan.RouteAdd, Routes: specs(t, "10.30.0.0/16", "10.40.0.0/16"+multi)})
		if err != nil || !got.Inactive || got.Added != 2 {
			t.Errorf("%+v, %v", got, err)
		}
		if lines := toldRoutes(t, h); strings.Count(lines, ", down") != 4 || len(worldRoutesOf(w, "gre1")) != 0 {
			t.Errorf("the routes of a tunnel that is down:\n%s\n%s", lines, w)
		}
		if _, err := h.Up(t.Context(), "gre1"); err != nil {
			t.Fatal(err)
		}
		if lines := toldRoutes(t, h); strings.Count(lines, ", set") != 4 {
			t.Errorf("the routes when it is up:\n%s", lines)
		}
	})
}

// faultyChange adds a route of each owner to the simple tunnel, with a fault in one of the calls.
func faultyChange(t *testing.T, inject func(p *fake.Process, cancel func())) (p *fake.Process, before string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	w := fake.NewWorld()
	fake.MustCreate(t, w, fake.Simple(t))
	p = w.Start()
	before = w.String()
	inject(p, cancel)
	_, err = p.Host().ChangeRoutes(ctx, "gre1", plan.RouteChange{Op: plan.RouteAdd, Routes: specs(t, "10.30.0.0/16", "10.40.0.0/16"+multi)})
	p.Fault = nil
	return p, before, err
}

// Each call fails in turn, in each way. After that the routes are the old ones, and there is an
// error, or all new ones are there.
func TestChangeRoutesFaults(t *testing.T) {
	complete, _, err := faultyChange(t, func(*fake.Process, func()) {})
	if err != nil {
		t.Fatal(err)
	}
	calls := slices.Clone(complete.Calls)
	for _, test := range []struct {
		name  string
		fault func(cancel func()) fake.Fault
	}{
		{"refused", func(func()) fake.Fault { return fake.Fault{Err: &fault.Error{Kind: fault.ErrInvalid, What: "no"}} }},
		{"plain", func(func()) fake.Fault { return fake.Fault{Err: fake.ErrBroken} }},
		{"interrupted", func(cancel func()) fake.Fault { return fake.Fault{Cancel: cancel} }},
		{"hanging", func(func()) fake.Fault { return fake.Fault{Hang: true} }},
		{"answer lost", func(func()) fake.Fault {
			return fake.Fault{After: true, Err: &fault.Error{Kind: fault.ErrTimeout, What: "too slow"}}
		}},
		{"interrupted when it was done", func(cancel func()) fake.Fault { return fake.Fault{After: true, Cancel: cancel} }},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for n := range calls {
					p, before, err := faultyChange(t, func(p *fake.Process, cancel func()) {
						p.Fault = func(i int, _ string) fake.Fault {
							if i == n {
								return test.fault(cancel)
							}
							return fake.Fault{}
						}
					})
					expected := before
					if err == nil { // the change does not need the answer of this call
						expected = complete.String()
					}
					want.Same(t, fmt.Sprintf("call %d, %s (%v): the host", n, calls[n], err), p.String(), expected)
				}
			})
		})
	}
}

// A process is killed during a change of routes. The next command sets the routes of root's files.
func TestChangeRoutesKilled(t *testing.T) {
	complete, _, err := faultyChange(t, func(*fake.Process, func()) {})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		for n := range complete.Calls {
			for _, after := range []bool{false, true} {
				var p *fake.Process
				fake.Survives(func() {
					p, _, _ = faultyChange(t, func(killed *fake.Process, _ func()) {
						p = killed
						killed.Fault = func(i int, _ string) fake.Fault { return fake.Fault{Kill: i == n, After: after && i == n} }
					})
				})
				next := p.World.Start()
				if _, err := next.Keeper().Converge(t.Context(), ""); err != nil {
					t.Fatal(err)
				}
				for _, line := range strings.Split(toldRoutes(t, next.Host()), "\n") {
					if !strings.HasSuffix(line, ", set") {
						t.Errorf("killed at call %d, %s: %s", n, complete.Calls[n], line)
					}
				}
			}
		}
	})
}

// Two processes change the routes of one tunnel at the same moment, in every order of their calls.
// No change is lost.
func TestChangeRoutesTwoAtOnce(t *testing.T) {
	for i := range 14 {
		for j := range 14 {
			synctest.Test(t, func(t *testing.T) {
				w := fake.NewWorld()
				fake.MustCreate(t, w, fake.Simple(t))
				run := func(p *fake.Process, text string) func() {
					return func() {
						if _, err := p.Host().ChangeRoutes(t.Context(), "gre1", plan.RouteChange{Op: plan.RouteAdd, Routes: specs(t, text+multi, text+" metric 9")}); err != nil {
							t.Errorf("%d and %d calls, %s: %v", i, j, text, err)
						}
					}
				}
				a, b := w.Start(), w.Start()
				fake.Schedule(a, b, i, j, run(a, "10.30.0.0/16"), run(b, "10.40.0.0/16"))
				lines := toldRoutes(t, w.Start().Host())
				for _, want := range []string{"10.30.0.0/16" + multi, "10.40.0.0/16" + multi, "10.30.0.0/16 metric 9", "10.40.0.0/16 metric 9"} {
					if !strings.Contains(lines, want) {
						t.Errorf("%d and %d calls: %s is lost:\n%s", i, j, want, lines)
					}
				}
			})
		}
	}
}
