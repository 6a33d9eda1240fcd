package nmgre

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// multi is a route that the kernel half has to hold.
const multi = " nexthop via 172.16.0.2 weight 2 nexthop via 100.0.1.1 dev eth0"

// specs reads SPECs.
func specs(t testing.TB, texts ...string) []Route {
	t.Helper()
	var routes []Route
	for _, text := range texts {
		routes = append(routes, route(t, text))
	}
	return routes
}

// toldRoutes are the tunnel's routes, as Routes tells them.
func toldRoutes(t *testing.T, h *Host) string {
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

// Step by step on one tunnel: what is asked for, what is said, and what the tunnel has then.
func TestChangeRoutes(t *testing.T) {
	w := newWorld()
	mustCreate(t, w, simple(t))
	h := w.start().host()
	const first = "10.10.2.0/24: profile, set\n"
	twenty := "10.20.0.0/16 nexthop via 172.16.0.2 nexthop via 100.0.1.1 dev eth0: kernel, set"
	for _, step := range []struct {
		op     RouteOp
		routes []string
		counts [4]int // added, replaced, removed, unchanged
		want   string // the routes afterwards; what the error says, if it begins with "error"
	}{
		{RouteAdd, []string{"10.30.0.0/16 metric 50"}, [4]int{1, 0, 0, 0}, first + "10.30.0.0/16 metric 50: profile, set\n" + twenty},
		{RouteAdd, []string{"10.30.0.0/16 metric 50"}, [4]int{0, 0, 0, 1}, first + "10.30.0.0/16 metric 50: profile, set\n" + twenty},
		{RouteAdd, []string{"10.40.0.0/16", "10.30.0.0/16 metric 50 mtu 1300"}, [4]int{}, "error route: the tunnel has a route in the place of 10.30.0.0/16 metric 50 mtu 1300 already: 10.30.0.0/16 metric 50"},
		{RouteReplace, []string{"10.30.0.0/16 metric 50 mtu 1300"}, [4]int{0, 1, 0, 0}, first + "10.30.0.0/16 metric 50 mtu 1300: profile, set\n" + twenty},
		{RouteReplace, []string{"10.30.0.0/16 metric 50" + multi}, [4]int{0, 1, 0, 0}, first + "10.30.0.0/16 metric 50" + multi + ": kernel, set\n" + twenty},
		{RouteReplace, []string{"10.30.0.0/16 metric 50"}, [4]int{0, 1, 0, 0}, first + "10.30.0.0/16 metric 50: profile, set\n" + twenty},
		{RouteAdd, []string{"10.30.0.0/16 metric 60", "10.30.0.0/16 metric 60"}, [4]int{}, "error route: 10.30.0.0/16 is there twice"},
		{RouteAdd, []string{"10.50.0.0/16 via 192.0.2.9"}, [4]int{}, "error route: the gateway of 10.50.0.0/16, 192.0.2.9, is in none of the tunnel's networks"},
		{RouteAdd, []string{"10.50.0.0/16 nexthop via 172.16.0.2 nexthop dev nosuch"}, [4]int{}, "error route: 10.50.0.0/16: there is no device nosuch"},
		{RouteAdd, []string{"10.10.1.0/24"}, [4]int{}, "error route: 10.10.1.0/24 is this host's own network"},
		{RouteAdd, []string{"2001:db8:9::/48"}, [4]int{}, "error route: 2001:db8:9::/48: the tunnel has no inner address of its family"},
		{RouteAdd, []string{"10.30.0.0/16 metric 70"}, [4]int{1, 0, 0, 0}, first + "10.30.0.0/16 metric 50: profile, set\n10.30.0.0/16 metric 70: profile, set\n" + twenty},
		{RouteDelete, []string{"10.30.0.0/16"}, [4]int{}, "error route: 2 routes of the tunnel are meant by 10.30.0.0/16"},
		{RouteDelete, []string{"10.30.0.0/16 metric 50", "10.30.0.0/16 metric 70"}, [4]int{0, 0, 2, 0}, first + twenty},
		{RouteDelete, []string{"10.30.0.0/16"}, [4]int{}, "error route: the tunnel has no route 10.30.0.0/16"},
		{RouteDelete, []string{"10.20.0.0/16"}, [4]int{0, 0, 1, 0}, strings.TrimSpace(first)},
	} {
		before := w.String()
		got, err := h.ChangeRoutes(t.Context(), "gre1", RouteChange{Op: step.op, Routes: specs(t, step.routes...)})
		what := fmt.Sprintf("%s %q", step.op, step.routes)
		if text, wrong := strings.CutPrefix(step.want, "error "); wrong {
			if err == nil || !strings.Contains(err.Error(), text) || !errors.Is(err, ErrInvalid) || len(Hints(err)) == 0 {
				t.Errorf("%s: %v, want %s, and a hint", what, err, text)
			}
			same(t, what+": the host", w.String(), before)
			continue
		}
		if counts := [4]int{got.Added, got.Replaced, got.Removed, got.Unchanged}; err != nil || counts != step.counts {
			t.Errorf("%s: %v %v, want %v", what, counts, err, step.counts)
		}
		same(t, what, toldRoutes(t, h), step.want)
	}
	if len(w.files) != 0 {
		t.Errorf("nothing is kept any more, but there is a file:\n%s", w)
	}
}

// A list names its lines, and what of it is not there need not be deleted.
func TestChangeRoutesByAList(t *testing.T) {
	w := newWorld()
	mustCreate(t, w, simple(t))
	h := w.start().host()
	w.routes = append(w.routes, fakeRoute{"eth1", KernelRoute{route(t, "10.31.0.0/16"), 3}}) // in the way of the second
	list := RouteChange{Op: RouteAdd, Routes: specs(t, "10.30.0.0/16"+multi, "10.31.0.0/16"+multi, "10.32.0.0/16"+multi), Lines: []int{3, 7, 8}}
	before := w.String()
	if _, err := h.ChangeRoutes(t.Context(), "gre1", list); err == nil || !strings.Contains(err.Error(), "line 7: 10.31.0.0/16") || strings.Contains(err.Error(), "line 8") {
		t.Errorf("refused by the kernel: %v", err)
	}
	same(t, "after a refused route", w.String(), before)
	list.Routes[1] = route(t, "10.10.1.0/24 via 192.0.2.1")
	if _, err := h.ChangeRoutes(t.Context(), "gre1", list); err == nil || !strings.Contains(err.Error(), "line 7: route: the gateway") {
		t.Errorf("wrong by itself: %v", err)
	}
	same(t, "after a wrong route", w.String(), before)
	list.Op, list.Routes[1] = RouteDelete, route(t, "10.10.2.0/24")
	if got, err := h.ChangeRoutes(t.Context(), "gre1", list); err != nil || got.Removed != 1 || got.Unchanged != 2 {
		t.Errorf("delete by a list: %+v, %v", got, err)
	}
}

// A tunnel that is down gets its routes when it comes up.
func TestChangeRoutesOfATunnelThatIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		mustCreate(t, w, simple(t))
		h := w.start().host()
		if _, err := h.Down(t.Context(), "gre1"); err != nil {
			t.Fatal(err)
		}
		got, err := h.ChangeRoutes(t.Context(), "gre1", RouteChange{Op: RouteAdd, Routes: specs(t, "10.30.0.0/16", "10.40.0.0/16"+multi)})
		if err != nil || !got.Inactive || got.Added != 2 {
			t.Errorf("%+v, %v", got, err)
		}
		if lines := toldRoutes(t, h); strings.Count(lines, ", down") != 4 || len(w.routesOf("gre1")) != 0 {
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

// faultyChange adds a route of each owner to the simple tunnel, with a fault in it.
func faultyChange(t *testing.T, inject func(p *process, cancel func())) (p *process, before string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	w := newWorld()
	mustCreate(t, w, simple(t))
	p = w.start()
	before = w.String()
	inject(p, cancel)
	_, err = p.host().ChangeRoutes(ctx, "gre1", RouteChange{Op: RouteAdd, Routes: specs(t, "10.30.0.0/16", "10.40.0.0/16"+multi)})
	p.fault = nil
	return p, before, err
}

// Whatever fails at whichever call, the routes are afterwards what they were, or all of them are there; and an error says which.
func TestChangeRoutesFaults(t *testing.T) {
	complete, _, err := faultyChange(t, func(*process, func()) {})
	if err != nil {
		t.Fatal(err)
	}
	calls := slices.Clone(complete.calls)
	for _, test := range []struct {
		name  string
		fault func(cancel func()) fault
	}{
		{"refused", func(func()) fault { return fault{err: &Error{Kind: ErrInvalid, What: "no"}} }},
		{"plain", func(func()) fault { return fault{err: errBroken} }},
		{"interrupted", func(cancel func()) fault { return fault{cancel: cancel} }},
		{"hanging", func(func()) fault { return fault{hang: true} }},
		{"answer lost", func(func()) fault { return fault{after: true, err: &Error{Kind: ErrTimeout, What: "too slow"}} }},
		{"interrupted when it was done", func(cancel func()) fault { return fault{after: true, cancel: cancel} }},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for n := range calls {
					p, before, err := faultyChange(t, func(p *process, cancel func()) {
						p.fault = func(i int, _ string) fault {
							if i == n {
								return test.fault(cancel)
							}
							return fault{}
						}
					})
					want := before
					if err == nil { // what it does not need to know, it can do without
						want = complete.String()
					}
					same(t, fmt.Sprintf("call %d, %s (%v): the host", n, calls[n], err), p.String(), want)
				}
			})
		})
	}
}

// A process that is killed while it changes routes leaves a host on which the next command makes whole what root's files say.
func TestChangeRoutesKilled(t *testing.T) {
	complete, _, err := faultyChange(t, func(*process, func()) {})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		for n := range complete.calls {
			for _, after := range []bool{false, true} {
				var p *process
				survives(func() {
					p, _, _ = faultyChange(t, func(killed *process, _ func()) {
						p = killed
						killed.fault = func(i int, _ string) fault { return fault{kill: i == n, after: after} }
					})
				})
				next := p.world.start()
				if _, err := next.keeper().Converge(t.Context()); err != nil {
					t.Fatal(err)
				}
				for _, line := range strings.Split(toldRoutes(t, next.host()), "\n") {
					if !strings.HasSuffix(line, ", set") {
						t.Errorf("killed at call %d, %s: %s", n, complete.calls[n], line)
					}
				}
			}
		}
	})
}

// Two who change the routes of one tunnel at the same moment: neither's change is lost, whoever is in front.
func TestChangeRoutesTwoAtOnce(t *testing.T) {
	for i := range 14 {
		for j := range 14 {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				mustCreate(t, w, simple(t))
				run := func(p *process, text string) func() {
					return func() {
						if _, err := p.host().ChangeRoutes(t.Context(), "gre1", RouteChange{Op: RouteAdd, Routes: specs(t, text+multi, text+" metric 9")}); err != nil {
							t.Errorf("%d and %d calls, %s: %v", i, j, text, err)
						}
					}
				}
				a, b := w.start(), w.start()
				schedule(a, b, i, j, run(a, "10.30.0.0/16"), run(b, "10.40.0.0/16"))
				lines := toldRoutes(t, w.start().host())
				for _, want := range []string{"10.30.0.0/16" + multi, "10.40.0.0/16" + multi, "10.30.0.0/16 metric 9", "10.40.0.0/16 metric 9"} {
					if !strings.Contains(lines, want) {
						t.Errorf("%d and %d calls: %s is lost:\n%s", i, j, want, lines)
					}
				}
			})
		}
	}
}

// Two routes are equal only if they are in every field.
func TestRouteEqualLooksAtEverything(t *testing.T) {
	full := func() Route {
		var r Route
		fill(reflect.ValueOf(&r).Elem(), 1)
		return r
	}
	a, b := full(), full()
	if !a.Equal(&b) {
		t.Fatal("equal routes are not equal")
	}
	for i := range reflect.TypeFor[Route]().NumField() {
		other := full()
		fill(reflect.ValueOf(&other).Elem().Field(i), 2)
		if a.Equal(&other) {
			t.Errorf("the field %s does not count", reflect.TypeFor[Route]().Field(i).Name)
		}
	}
}

// fill gives a value, and all that it holds, something that depends on n.
func fill(v reflect.Value, n uint64) {
	switch {
	case v.Type() == reflect.TypeFor[Route]() || v.Kind() == reflect.Struct && v.NumField() > 0 && v.Type().Field(0).IsExported():
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	case v.Type().String() == "netip.Addr":
		v.Set(reflect.ValueOf(addr(fmt.Sprintf("10.0.0.%d", n))))
	case v.Type().String() == "netip.Prefix":
		v.Set(reflect.ValueOf(cidr(fmt.Sprintf("10.0.%d.0/24", n))))
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), n)
	case v.Kind() == reflect.Array:
		fill(v.Index(0), n)
	case v.Kind() == reflect.String:
		v.SetString(fmt.Sprint("s", n))
	case v.Kind() == reflect.Bool:
		v.SetBool(n%2 == 1)
	default:
		v.SetUint(n)
	}
}

// The index finds what a map finds, also when it has to grow.
func TestSlotIndex(t *testing.T) {
	var routes []Route
	index := newSlotIndex(1, func(i int32) *Route { return &routes[i] })
	known := make(map[routeSlot]int32)
	for i := range 5000 {
		r := Route{Dst: cidr(fmt.Sprintf("10.%d.%d.0/24", i%7, i%250)), TOS: uint8(i % 3)}
		if i%2 == 0 {
			r.Metric = ptr(uint32(i % 5))
		}
		routes = append(routes, r)
		want, known1 := known[r.slot()]
		if got, found := index.find(r.slot()); found != known1 || found && got != want {
			t.Fatalf("route %d: %d %v, want %d %v", i, got, found, want, known1)
		}
		index.put(int32(i))
		known[r.slot()] = int32(i)
	}
}
