package nmgre_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"nmgre"
	"nmgre/nm"
	"nmgre/nm/plan"
	"nmgre/nm/verify"
	"nmgre/routes"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
	"nmgre/testdata/fake"
	"nmgre/testdata/want"
)

// tunnelTo is the n-th tunnel, to 100.0.n.100, with those routes.
func tunnelTo(t *testing.T, n byte, list ...string) nm.Tunnel {
	t.Helper()
	tunnel := nm.NewTunnel()
	tunnel.Name, tunnel.Remote = "gre"+string('0'+n), netip.AddrFrom4([4]byte{100, 0, n, 100})
	tunnel.Addresses = []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 16, n, 1}), 30)}
	for _, text := range list {
		tunnel.Routes = append(tunnel.Routes, routes.MustParse(text))
	}
	return tunnel
}

// over6 is [tunnelTo] over IPv6.
func over6(t *testing.T, n byte, list ...string) nm.Tunnel {
	t.Helper()
	tunnel := tunnelTo(t, n, list...)
	tunnel.Mode, tunnel.Remote = gre.ModeIP6GRE, want.Addr("2001:db8:2::"+string('0'+n))
	return tunnel
}

// pinned returns the far ends that the kernel has a pin to.
func pinned(w *fake.World) []string {
	var list []string
	for _, r := range w.Table {
		if r.Dst.IsSingleIP() && r.Protocol == 213 && r.Dev == "eth0" {
			list = append(list, r.Dst.Addr().String())
		}
	}
	slices.Sort(list)
	return list
}

// worldWith is a host whose default route by eth0 is another one.
func worldWith(present string) *fake.World {
	w := fake.NewWorld()
	w.Table = slices.DeleteFunc(w.Table, func(r fake.Route) bool { return r.Dst.Bits() == 0 && r.Dst.Addr().Is4() })
	w.AddRoute("eth0", present, 3)
	return w
}

// Tunnels with default routes live side by side, and beside others, in any order: no tunnel's
// packets go into another tunnel.
func TestDefaultsSideBySide(t *testing.T) {
	const a, b = "default metric 50", "default metric 60"
	for _, c := range []struct {
		name    string
		tunnels []nm.Tunnel
		pins    string
	}{
		{"two defaults", []nm.Tunnel{tunnelTo(t, 2, a), tunnelTo(t, 3, b)}, "100.0.2.100 100.0.3.100"},
		{"the backup first", []nm.Tunnel{tunnelTo(t, 2, b), tunnelTo(t, 3, a)}, "100.0.2.100 100.0.3.100"},
		{"without a default, then with one", []nm.Tunnel{tunnelTo(t, 2, "10.10.2.0/24"), tunnelTo(t, 3, a)}, "100.0.2.100 100.0.3.100"},
		{"with a default, then without one", []nm.Tunnel{tunnelTo(t, 2, a), tunnelTo(t, 3, "10.10.3.0/24")}, "100.0.2.100 100.0.3.100"},
		{"three", []nm.Tunnel{tunnelTo(t, 4), tunnelTo(t, 2, a), tunnelTo(t, 3, b)}, "100.0.2.100 100.0.3.100 100.0.4.100"},
		{"over IPv6, behind another", []nm.Tunnel{tunnelTo(t, 2), over6(t, 3, a)}, "100.0.2.100 2001:db8:2::3"},
		{"over IPv6, before another", []nm.Tunnel{over6(t, 3, a), tunnelTo(t, 2)}, "100.0.2.100"},
		{"over IPv6, with two defaults", []nm.Tunnel{tunnelTo(t, 2, a), over6(t, 3, b)}, "100.0.2.100 2001:db8:2::3"},
		{"two halves of a default", []nm.Tunnel{tunnelTo(t, 4), over6(t, 3, "0.0.0.0/1", "128.0.0.0/1")}, "100.0.4.100 2001:db8:2::3"},
		{"a network as wide, not the default", []nm.Tunnel{tunnelTo(t, 4), tunnelTo(t, 2, "100.0.0.0/16 metric 50")}, "100.0.2.100 100.0.4.100"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := worldWith("default via 100.0.1.1 metric 100")
			clean := w.String()
			for _, tunnel := range c.tunnels {
				fake.MustCreate(t, w, tunnel)
			}
			for _, tunnel := range c.tunnels {
				show, err := w.Start().Host().Show(t.Context(), tunnel.Name)
				if local := show.Tunnel.Local; err != nil || local != want.Addr("100.0.1.100") && local != want.Addr("2001:db8:1::100") {
					t.Errorf("%s sends from %s: %v", tunnel.Name, local, err)
				}
			}
			if got := strings.Join(pinned(w), " "); got != c.pins {
				t.Errorf("pins to %q, want %q", got, c.pins)
			}
			for _, tunnel := range c.tunnels {
				if _, err := w.Start().Host().Delete(t.Context(), tunnel.Name); err != nil {
					t.Fatal(err)
				}
			}
			want.Same(t, "after all are deleted", w.String(), clean)
		})
	}
}

// A tunnel is meant to be carried by another one if the route that leads there is a narrow one.
func TestTunnelOverTunnelIsNotPinned(t *testing.T) {
	w := worldWith("default via 100.0.1.1 metric 100")
	fake.MustCreate(t, w, tunnelTo(t, 2, "100.0.3.0/24"))
	fake.MustCreate(t, w, tunnelTo(t, 3))
	if got := pinned(w); len(got) > 0 {
		t.Errorf("pins to %q", got)
	}
}

// A default route without a metric gets one that makes it win, or the next one behind another
// tunnel's. The notes say which.
func TestMetricOfADefault(t *testing.T) {
	for _, c := range []struct {
		name    string
		present string // the host's default route by eth0
		other   string // the route of another tunnel
		route   string
		want    string
		note    string
	}{
		{"before NetworkManager's Ethernet", "default via 100.0.1.1 metric 100", "", "default", "default metric 50", "default gets the metric 50, before that of eth0 with 100"},
		{"before a low one", "default via 100.0.1.1 metric 20", "", "default", "default metric 19", "before that of eth0 with 20"},
		{"nothing is before 0", "default via 100.0.1.1", "", "default", "default metric 50", "behind that of eth0 with 0, since hardly any is before that: it carries nothing as long as"},
		{"nor before 1", "default via 100.0.1.1 metric 1", "", "default", "default metric 50", "behind that of eth0 with 1"},
		{"behind another tunnel's", "default via 100.0.1.1 metric 100", "default metric 50", "default", "default metric 60", "behind that of gre3 with 50: it takes over when that tunnel goes down"},
		{"behind two other tunnels'", "default via 100.0.1.1 metric 100", "default metric 50; default metric 60", "default", "default metric 70", "behind that of gre3 with 50"},
		{"its own metric", "default via 100.0.1.1 metric 100", "", "default metric 7", "default metric 7", ""},
		{"in a table of its own", "default via 100.0.1.1 metric 100", "", "default table 100", "default table 100", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := worldWith(c.present)
			if c.other != "" {
				for i, other := range strings.Split(c.other, "; ") {
					fake.MustCreate(t, w, tunnelTo(t, byte(3+i), other))
				}
			}
			planned, err := w.Start().Host().Plan(t.Context(), tunnelTo(t, 2, c.route))
			if err != nil {
				t.Fatal(err)
			}
			if got := planned.Tunnel.Routes[0].String(); got != c.want || !strings.Contains(strings.Join(planned.Notes, "\n"), c.note) {
				t.Errorf("%s, notes %q", got, planned.Notes)
			}
			fake.MustCreate(t, w, tunnelTo(t, 2))
			for range 2 { // the second time nothing changes
				result, err := w.Start().Host().ChangeRoutes(t.Context(), "gre2", plan.RouteChange{Op: plan.RouteAdd, Routes: []routes.Route{routes.MustParse(c.route)}})
				if err != nil {
					t.Fatal(err)
				}
				if got := result.Routes[0].Route.String(); got != c.want {
					t.Errorf("route add: %s", got)
				}
			}
		})
	}
}

// A profile that somebody else wrote has a route that leads the tunnel's own packets into it. Up,
// an edit and a new route pin the far end, and whatever undoes them undoes that, too.
func TestPinOfAForeignProfile(t *testing.T) {
	up := func(ctx context.Context, h *nmgre.Host) error { _, err := h.Up(ctx, "gre2"); return err }
	edit := func(ctx context.Context, h *nmgre.Host) error {
		planned, err := h.PlanEdit(ctx, "gre2", func(t *nm.Tunnel) error { t.MTU = 1400; return nil })
		if err == nil {
			_, err = h.Edit(ctx, planned, nmgre.EditOptions{})
		}
		return err
	}
	add := func(ctx context.Context, h *nmgre.Host) error {
		change := plan.RouteChange{Op: plan.RouteAdd, Routes: []routes.Route{routes.MustParse("10.20.0.0/16")}}
		_, err := h.ChangeRoutes(ctx, "gre2", change)
		return err
	}
	refuse := func(p *fake.Process, h *nmgre.Host) {
		h.Confirm = func(context.Context, verify.Report) error { return fake.ErrBroken }
	}
	noRoot := func(p *fake.Process, h *nmgre.Host) { p.NoRoot = true }
	for _, c := range []struct {
		name  string
		route string
		down  bool
		own   string // a route of the host's own
		do    func(context.Context, *nmgre.Host) error
		spoil func(*fake.Process, *nmgre.Host)
		pins  string
	}{
		{"up", "default metric 50", true, "", up, nil, "100.0.2.100"},
		{"up of one that is up", "default metric 50", false, "", up, nil, "100.0.2.100"},
		{"a network", "100.0.0.0/16 metric 50", true, "", up, nil, "100.0.2.100"},
		{"an edit", "default metric 50", false, "", edit, nil, "100.0.2.100"},
		{"a new route", "default metric 50", false, "", add, nil, "100.0.2.100"},
		{"a default route that loses", "default metric 500", true, "", up, nil, ""},
		{"the host has a route of its own", "default metric 50", true, "100.0.2.100/32 via 100.0.1.1", up, nil, ""},
		{"up, not confirmed", "default metric 50", true, "", up, refuse, ""},
		{"up of one that is up, not confirmed", "default metric 50", false, "", up, refuse, ""},
		{"an edit, not confirmed", "default metric 50", false, "", edit, refuse, ""},
		{"up without root", "default metric 50", true, "", up, noRoot, ""},
		{"an edit without root", "default metric 50", false, "", edit, noRoot, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := worldWith("default via 100.0.1.1 metric 100")
				fake.MustCreate(t, w, tunnelTo(t, 2, c.route))
				id := w.Named("gre2").UUID
				if _, err := w.Start().Host().Keeper.Keep(t.Context(), keep.Kept{UUID: id}, nil); err != nil {
					t.Fatal(err)
				}
				if c.own != "" {
					w.AddRoute("eth0", c.own, 3)
				}
				if c.down {
					if _, err := w.Start().Host().Down(t.Context(), "gre2"); err != nil {
						t.Fatal(err)
					}
				}
				before := w.String()
				p := w.Start()
				h := p.Host()
				if c.spoil != nil {
					c.spoil(p, h)
				}
				var told []string
				h.Progress = func(e nmgre.Event) { told = append(told, e.What) }
				if err := c.do(t.Context(), h); err != nil && !errors.Is(err, fake.ErrBroken) {
					t.Fatal(err)
				}
				if got := strings.Join(pinned(w), " "); got != c.pins {
					t.Errorf("pins to %q, want %q; told %q", got, c.pins, told)
				}
				if h.Confirm != nil {
					want.Same(t, "after it was not confirmed", w.String(), before)
				}
				if _, err := w.Start().Host().Delete(t.Context(), "gre2"); err != nil || len(w.Files) > 0 || len(pinned(w)) > 0 {
					t.Errorf("after deletion: %v, %s", err, w)
				}
			})
		})
	}
}
