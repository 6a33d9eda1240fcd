package nmgre_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"nmgre"
	"nmgre/nm"
	"nmgre/nm/verify"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/testdata/fake"
	"nmgre/testdata/want"
)

// The routes with a weight that nmcli has written into two profiles.
const (
	weighted1 = "10.50.0.0/16 metric 50 nexthop via 172.16.0.2 weight 2"
	weighted2 = "10.50.0.0/16 metric 50 nexthop weight 3"
	joined    = "10.50.0.0/16 metric 50 nexthop via 172.16.0.2 weight 2 nexthop dev gre2 weight 3"
)

// haveWeighted makes two tunnels, gre1 and gre2, with these routes in their profiles.
func haveWeighted(t *testing.T, w *fake.World) {
	t.Helper()
	for i, r := range []string{weighted1, weighted2} {
		tunnel := nm.NewTunnel()
		tunnel.Name, tunnel.Remote = fmt.Sprint("gre", i+1), want.Addr(fmt.Sprintf("100.0.%d.100", i+2))
		tunnel.Addresses = want.CIDRs(fmt.Sprintf("172.16.%d.1/30", i))
		fake.MustCreate(t, w, tunnel)
		f := w.Named(tunnel.Name)
		f.Tunnel.Routes = specs(t, r)
		if err := w.Apply(f); err != nil {
			t.Fatal(err)
		}
	}
}

// keepRoutes is the command `nmgre route keep NAME`.
func keepRoutes(ctx context.Context, h *nmgre.Host, name string) error {
	plans, err := h.PlanKeepRoutes(ctx, name)
	if err == nil && len(plans) > 0 {
		_, err = h.EditTogether(ctx, plans, nmgre.EditOptions{})
	}
	return err
}

// routesIn are the routes of the profiles and those of root's files.
func routesIn(w *fake.World) string {
	var lines []string
	for _, f := range w.Profiles {
		if f.Tunnel.Mode != 0 {
			lines = append(lines, fmt.Sprintf("%s: profile %v, kept %v", f.ID, texts(f.Tunnel.Routes), texts(w.Files[f.UUID].Routes)))
		}
	}
	return strings.Join(lines, "\n")
}

func texts(list []routes.Route) []string {
	var all []string
	for i := range list {
		all = append(all, list[i].String())
	}
	return all
}

// One command moves the routes with a weight of both tunnels to root's file, by whichever tunnel it
// is called. A second one finds nothing to do.
func TestKeepRoutes(t *testing.T) {
	for name, whole := range map[string]string{
		"gre1": "gre1: profile [], kept [" + joined + "]\ngre2: profile [], kept []",
		"gre2": "gre1: profile [], kept []\ngre2: profile [], kept [10.50.0.0/16 metric 50 nexthop weight 3 nexthop via 172.16.0.2 dev gre1 weight 2]",
	} {
		w := fake.NewWorld()
		haveWeighted(t, w)
		h := w.Start().Host()
		if err := keepRoutes(t.Context(), h, name); err != nil {
			t.Fatal(err)
		}
		want.Same(t, name, routesIn(w), whole)
		if own := ownTable(w); len(own) != 1 {
			t.Errorf("%s: the kernel has %v", name, own)
		}
		for _, f := range w.Profiles {
			if f.Unsaved || f.State != nm.StateActive && f.Tunnel.Mode != 0 {
				t.Errorf("%s is %s, unsaved %v", f.ID, f.State, f.Unsaved)
			}
		}
		for _, each := range []string{"gre1", "gre2"} {
			if plans, err := h.PlanKeepRoutes(t.Context(), each); err != nil || len(plans) > 0 {
				t.Errorf("%s again: %d plans, %v", each, len(plans), err)
			}
		}
	}
}

// The list of routes and verify tell of such routes before they are moved, and not any more after.
func TestWeightsAreTold(t *testing.T) {
	w := fake.NewWorld()
	haveWeighted(t, w)
	h := w.Start().Host()
	told := func() (list string, warned bool) {
		_, states, err := h.Routes(t.Context(), "gre1")
		report, verifyErr := h.Verify(t.Context(), "gre1", verify.Options{})
		if err := errors.Join(err, verifyErr); err != nil {
			t.Fatal(err)
		}
		for _, s := range states {
			list += fmt.Sprintf("%s: %s, %s, %s\n", s.Route, s.Owner, s.State, s.Why)
		}
		return list, slices.ContainsFunc(report.Checks, func(c verify.Check) bool {
			return c.ID == "weights" && c.Status == verify.Warn && strings.HasSuffix(c.Hint, ": nmgre route keep gre1") && c.Evidence == weighted1
		})
	}
	list, warned := told()
	if !warned || !strings.HasPrefix(list, weighted1+": profile, set, NetworkManager joins") || !strings.HasSuffix(list, "nmgre route keep gre1\n") {
		t.Errorf("verify warns: %v; route list:\n%s", warned, list)
	}
	if err := keepRoutes(t.Context(), h, "gre1"); err != nil {
		t.Fatal(err)
	}
	if list, warned = told(); warned || !strings.HasPrefix(list, joined+": kernel, set") {
		t.Errorf("after it verify warns: %v; route list:\n%s", warned, list)
	}
}

// When a call fails, before or after its work, both tunnels are as they were, or the command is
// done.
func TestKeepRoutesAtFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := fake.NewWorld()
		haveWeighted(t, w)
		before := sortedLinks(w.String())
		p := w.Start()
		if err := keepRoutes(t.Context(), p.Host(), "gre1"); err != nil {
			t.Fatal(err)
		}
		done := sortedLinks(w.String())
		for n := range p.Calls {
			for _, after := range []bool{false, true} {
				w := fake.NewWorld()
				haveWeighted(t, w)
				again := w.Start()
				again.Fault = func(i int, _ string) fake.Fault {
					if i != n {
						return fake.Fault{}
					}
					return fake.Fault{Err: fake.ErrBroken, After: after}
				}
				err := keepRoutes(t.Context(), again.Host(), "gre1")
				w.Settle()
				left := sortedLinks(w.String())
				if left != before && (err != nil || left != done) {
					t.Errorf("call %d, %s, done %v: %v, and the host\n%s", n, p.Calls[n], after, err, want.Diff(before, left))
				}
			}
		}
	})
}

// kill -9 at each call: after the next command both tunnels are as they were, or the command is
// done.
func TestKeepRoutesKilled(t *testing.T) {
	d := deadly{"route keep", haveWeighted, func(ctx context.Context, h *nmgre.Host) error { return keepRoutes(ctx, h, "gre1") }}
	synctest.Test(t, func(t *testing.T) {
		w := fake.NewWorld()
		haveWeighted(t, w)
		before := routesIn(w)
		p := w.Start()
		if err := d.run(t.Context(), p.Host()); err != nil {
			t.Fatal(err)
		}
		done := routesIn(w)
		for name, next := range afterwards() {
			for n := range p.Calls {
				for _, after := range []bool{false, true} {
					var world *fake.World
					killedAt(t, d, n, after, func(ctx context.Context, w *fake.World) error { world = w; return next(ctx, w) })
					if left := routesIn(world); left != before && left != done {
						t.Errorf("killed at call %d, %s, done %v, then %s: %s", n, p.Calls[n], after, name, left)
					}
				}
			}
		}
	})
}

// A route that stands alone stays in its profile as a plain one. Routes without a metric are not
// joined, nor are those that differ otherwise.
func TestKeepRoutesAlone(t *testing.T) {
	for _, c := range []struct{ one, two, want string }{
		{"10.50.0.0/16 metric 50 nexthop via 172.16.0.2 weight 2", "10.60.0.0/16", "gre1: profile [10.50.0.0/16 via 172.16.0.2 metric 50], kept []\ngre2: profile [10.60.0.0/16], kept []"},
		{"10.50.0.0/16 nexthop weight 2", "10.50.0.0/16 nexthop weight 3", "gre1: profile [10.50.0.0/16], kept []\ngre2: profile [10.50.0.0/16], kept []"},
		{"10.50.0.0/16 metric 50 nexthop weight 2", "10.50.0.0/16 metric 60 nexthop weight 2", "gre1: profile [10.50.0.0/16 metric 50], kept []\ngre2: profile [10.50.0.0/16 metric 60 nexthop weight 2], kept []"},
		{"10.50.0.0/16 metric 50 nexthop weight 2", "10.50.0.0/16 mtu 1300 metric 50 nexthop weight 2", "gre1: profile [10.50.0.0/16 metric 50], kept []\ngre2: profile [10.50.0.0/16 metric 50 mtu 1300 nexthop weight 2], kept []"},
	} {
		w := fake.NewWorld()
		haveWeighted(t, w)
		for _, tunnel := range []struct{ name, spec string }{{"gre1", c.one}, {"gre2", c.two}} {
			w.Named(tunnel.name).Tunnel.Routes = specs(t, tunnel.spec)
			if err := w.Apply(w.Named(tunnel.name)); err != nil {
				t.Fatal(err)
			}
		}
		if err := keepRoutes(t.Context(), w.Start().Host(), "gre1"); err != nil {
			t.Errorf("%s and %s: %v", c.one, c.two, err)
		}
		want.Same(t, c.one+" and "+c.two, routesIn(w), c.want)
	}
}

// Another nmgre that changes one of the two tunnels, or a user who may not change the kept routes,
// gets the command refused. Nothing changes.
func TestKeepRoutesRefused(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(w *fake.World)
		kind error
	}{
		"an edit of the other": {func(w *fake.World) {
			w.Named("gre2").Trial = true
		}, fault.ErrInvalid},
		"no root":                   {func(w *fake.World) { w.NoRoot = true }, fault.ErrNotPermitted},
		"files that are not root's": {func(w *fake.World) { w.FileErr = fake.ErrBroken }, fake.ErrBroken},
	} {
		w := fake.NewWorld()
		haveWeighted(t, w)
		c.set(w)
		before := w.String()
		if err := keepRoutes(t.Context(), w.Start().Host(), "gre1"); !errors.Is(err, c.kind) {
			t.Errorf("%s: %v", name, err)
		}
		want.Same(t, name, w.String(), before)
	}
}

// A change that nobody confirms is undone for both tunnels. One question is asked.
func TestKeepRoutesUnconfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := fake.NewWorld()
		haveWeighted(t, w)
		before := sortedLinks(w.String())
		h, asked := w.Start().Host(), 0
		h.Confirm = func(context.Context, verify.Report) error {
			if asked++; len(w.Files) > 0 || len(ownTable(w)) != 1 {
				t.Errorf("it is asked too early or too late:\n%s", w)
			}
			return fake.ErrBroken
		}
		if err := keepRoutes(t.Context(), h, "gre1"); !errors.Is(err, fake.ErrBroken) || asked != 1 {
			t.Errorf("asked %d times: %v", asked, err)
		}
		w.Settle()
		want.Same(t, "the host", sortedLinks(w.String()), before)
	})
}

// A session that comes in by one of the two tunnels is not cut off unawares.
func TestKeepRoutesCutsOff(t *testing.T) {
	w := fake.NewWorld()
	haveWeighted(t, w)
	h := w.Start().Host()
	h.Session = func() nmgre.Session { return nmgre.Session{Client: want.Addr("10.50.0.7")} }
	if err := keepRoutes(t.Context(), h, "gre1"); !errors.Is(err, fault.ErrCutsOff) {
		t.Error(err)
	}
	h.Insist = true
	if err := keepRoutes(t.Context(), h, "gre1"); err != nil {
		t.Error(err)
	}
}

// A new route with a single nexthop is a plain route of the profile: a weight never goes there.
func TestLoneNexthop(t *testing.T) {
	w := fake.NewWorld()
	haveWeighted(t, w)
	h := w.Start().Host()
	planned, err := h.PlanEdit(t.Context(), "gre2", func(tunnel *nm.Tunnel) error {
		tunnel.Routes = append(tunnel.Routes, specs(t, "10.70.0.0/16 nexthop dev gre2 weight 7")...)
		return nil
	})
	if err != nil || len(planned.Notes) == 0 || !strings.Contains(planned.Notes[0], "the weight of a single nexthop means nothing") {
		t.Fatal(planned.Notes, err)
	}
	if _, err := h.Edit(t.Context(), planned, nmgre.EditOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := addRoutes(t, "10.80.0.0/16 metric 7 nexthop via 172.16.0.2 dev gre1 weight 4", "10.90.0.0/16 nexthop dev gre2 weight 4")(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	want.Same(t, "the routes", routesIn(w), "gre1: profile ["+weighted1+" 10.80.0.0/16 via 172.16.0.2 metric 7], kept [10.90.0.0/16 nexthop dev gre2 weight 4]\ngre2: profile ["+weighted2+" 10.70.0.0/16], kept []")
	tunnel := nm.NewTunnel()
	tunnel.Remote, tunnel.Addresses, tunnel.Routes = want.Addr("100.0.9.100"), want.CIDRs("172.16.9.1/30"), specs(t, "10.99.0.0/16 nexthop via 172.16.9.2 weight 4")
	if created := fake.MustCreate(t, w, tunnel); fmt.Sprint(texts(created.Status.Tunnel.Routes)) != "[10.99.0.0/16 via 172.16.9.2]" {
		t.Error(texts(created.Status.Tunnel.Routes))
	}
}
