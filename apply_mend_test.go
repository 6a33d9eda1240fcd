package nmgre_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"nmgre/nm"
	"nmgre/nm/reconcile"
	"nmgre/routes"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
	"nmgre/routes/rule"
	"nmgre/testdata/fake"
	"nmgre/testdata/want"
)

// rich is a tunnel with something of every kind, of both owners.
func rich(t *testing.T) nm.Tunnel {
	t.Helper()
	one := withKept(simple(1))
	one.Forward, one.ClampMSS = true, true
	one.Link, one.Zone = gre.LinkOptions{Multicast: true}, "work"
	for _, text := range []string{"10.20.0.0/16", "10.21.0.0/16 table 100", "10.22.0.0/16 metric 7 congctl bbr"} {
		r, err := routes.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		one.Routes = append(one.Routes, r)
	}
	for _, text := range []string{"from 10.9.0.0/16 table 100 priority 500", "from 10.8.0.0/16 table 100 priority 501 suppress_ifgroup 3"} {
		r, err := rule.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		one.Rules = append(one.Rules, r)
	}
	return one
}

// losses are the ways in which somebody changes the kernel, each with what apply says of it.
var losses = []struct {
	name   string
	change func(w *fake.World)
	says   []string
	flaps  bool
}{
	{"an address", func(w *fake.World) { w.Link("gre1").Addresses = nil }, []string{"it lacks the address 172.16.1.1/30"}, false},
	{"the profile's routes", func(w *fake.World) {
		w.Table = slices.DeleteFunc(w.Table, func(r fake.Route) bool { return r.Dev == "gre1" && r.Protocol == 4 })
	}, []string{"it lacks the route 10.20.0.0/16", "it lacks the route 10.21.0.0/16 table 100"}, false},
	{"all that root keeps", (*fake.World).LoseAll, []string{"it lacks multicast", "it lacks the route 10.22.0.0/16 metric 7 congctl bbr",
		"it lacks the rule from 10.8.0.0/16 table 100 suppress_ifgroup 3 priority 501", "it lacks the nftables rule to give packets", "it lacks the nftables rule to lower the MSS",
		"packets that come in by gre1 are not forwarded"}, false},
	{"the rules", func(w *fake.World) { w.Policy = nil }, []string{"it lacks the rule from 10.9.0.0/16 table 100 priority 500", "it lacks the rule from 10.8.0.0/16"}, false},
	{"forwarding", func(w *fake.World) { w.SwitchForwarding(false) }, []string{"packets that come in by gre1 are not forwarded"}, false},
	{"the TTL", func(w *fake.World) { g := *w.Link("gre1").GRE; g.TTL = 9; w.Link("gre1").GRE = &g }, []string{"ttl: profile 64, kernel 9"}, true},
	{"the key", func(w *fake.World) {
		g := *w.Link("gre1").GRE
		g.InputKey = want.Ptr(gre.Key(9))
		w.Link("gre1").GRE = &g
	}, []string{"input key: profile none, kernel 9"}, true},
	{"the MTU", func(w *fake.World) { w.Link("gre1").MTU = 1300 }, []string{"mtu: profile 1476, kernel 1300"}, false},
	{"the firewall's zone", func(w *fake.World) { w.Zone.Name = "public" }, []string{"firewalld has it in the zone public, not in work"}, false},
	{"the link's state", func(w *fake.World) { w.Link("gre1").Up = false }, []string{"its link is down"}, true},
	{"a key and a route", func(w *fake.World) {
		g := *w.Link("gre1").GRE
		g.OutputKey = want.Ptr(gre.Key(9))
		w.Link("gre1").GRE = &g
		w.Table = slices.DeleteFunc(w.Table, func(r fake.Route) bool { return r.Dev == "gre1" && r.Protocol == kernel.RouteProtocol })
	}, []string{"output key: profile none, kernel 9", "it lacks the route 10.22.0.0/16"}, true},
}

// Whatever somebody changes in the kernel behind the profile is named by a plan, mended by apply,
// and no difference after that. The tunnel beside it stays as it is.
func TestApplyMends(t *testing.T) {
	for _, c := range losses {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := fake.NewWorld()
				w.Zones, w.Zone = []string{"public", "work"}, nm.Zone{Name: "work"}
				wants := wantAll(rich(t), simple(2))
				mustApply(t, w, wants, "gre1 create, gre2 create")
				before := sortedLinks(w.String())
				mustApply(t, w, wants, "gre1 none, gre2 none")
				c.change(w)
				planned, err := applied(t.Context(), w.Start().Host(), wants)
				if err != nil || actions(planned) != "gre1 change, gre2 none" || planned.Changes.Edit[0].Flaps != c.flaps {
					t.Fatalf("%v, %s, %+v\n%s", err, actions(planned), planned.Steps[0].Drift, w)
				}
				said := reconcile.Words(planned.Steps[0].Drift)
				for _, text := range c.says {
					if !strings.Contains(said, text) {
						t.Errorf("it says %q, and not %q", said, text)
					}
				}
				want.Same(t, "the host", sortedLinks(w.String()), before)
				if w.Zone.Name != "work" {
					t.Errorf("firewalld has it in %s", w.Zone.Name)
				}
				mustApply(t, w, wants, "gre1 none, gre2 none")
			})
		})
	}
}

// A change of one tunnel, the mending of another, and a new one are carried out together, each in
// its place.
func TestApplyMendsBesideChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := fake.NewWorld()
		mustApply(t, w, wantAll(simple(1), simple(2), simple(3)), "gre1 create, gre2 create, gre3 create")
		w.Link("gre1").Addresses, w.Link("gre3").MTU = nil, 1300
		two := simple(2)
		two.TTL = 9
		planned, err := w.Start().Host().PlanApply(t.Context(), wantAll(simple(1), two, simple(3), simple(4)), reconcile.Options{Document: "default"})
		if err != nil || actions(planned) != "gre1 change, gre2 change, gre3 change, gre4 create" {
			t.Fatalf("%v, %s", err, actions(planned))
		}
		done, err := w.Start().Host().Apply(t.Context(), planned, false)
		if err != nil {
			t.Fatal(err)
		}
		for i, d := range done {
			if d.Report.Tunnel != fmt.Sprint("gre", i+1) {
				t.Errorf("the report of %s is about %q", d.Name, d.Report.Tunnel)
			}
		}
		if w.Link("gre1").Addresses == nil || w.Link("gre3").MTU != 1476 || w.Link("gre2").GRE.TTL != 9 {
			t.Errorf("the host has\n%s", w)
		}
	})
}

// A zone is left as it is where the profile names none, and where firewalld has none of that name.
func TestApplyLeavesZones(t *testing.T) {
	for zone, zones := range map[string][]string{"": {"public", "work"}, "work": {"public"}} {
		synctest.Test(t, func(t *testing.T) {
			w := fake.NewWorld()
			w.Zones, w.Zone = []string{"public", "work"}, nm.Zone{Name: "public"}
			one := simple(1)
			one.Zone = zone
			mustApply(t, w, wantAll(one), "gre1 create")
			w.Zones, w.Zone.Name = zones, "public"
			mustApply(t, w, wantAll(one), "gre1 none")
		})
	}
}

// Without root, only NetworkManager's part is mended. The rest is named, with what to do.
func TestApplyMendsWithoutRoot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := fake.NewWorld()
		mustApply(t, w, wantAll(rich(t)), "gre1 create")
		w.LoseAll()
		w.Link("gre1").Addresses = nil
		w.NoRoot = true
		planned, err := applied(t.Context(), w.Start().Host(), wantAll(rich(t)))
		if err != nil || actions(planned) != "gre1 change" || w.Link("gre1").Addresses == nil {
			t.Fatalf("%v, %s\n%s", err, actions(planned), w)
		}
		notes := strings.Join(planned.Notes, "\n")
		if !strings.Contains(notes, "it lacks the route 10.22.0.0/16") || !strings.Contains(notes, "only root can set it again: sudo nmgre up gre1") || strings.Contains(notes, "address") {
			t.Errorf("the notes are %q", notes)
		}
	})
}

// A mending that fails at any call leaves the tunnel up, and so does one that is killed, after the
// next command.
func TestApplyMendsAtFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		changed := func() *fake.World {
			w := fake.NewWorld()
			mustApply(t, w, wantAll(rich(t), simple(2)), "gre1 create, gre2 create")
			w.Link("gre1").MTU, w.Link("gre2").Addresses = 1300, nil
			return w
		}
		whole := func(w *fake.World, at string) {
			t.Helper()
			w.Settle()
			for _, name := range []string{"gre1", "gre2"} {
				if l := w.Link(name); l == nil || !l.Up || len(w.Named(name).Tunnel.Addresses) != 1 {
					t.Errorf("%s: %s is not up\n%s", at, name, w)
				}
			}
			if strings.Contains(w.String(), "trial") || strings.Contains(w.String(), "unsaved") {
				t.Errorf("%s: a profile is not saved\n%s", at, w)
			}
			if planned, err := applied(t.Context(), w.Start().Host(), wantAll(rich(t), simple(2))); err != nil {
				t.Errorf("%s: the next apply: %v, %s", at, err, actions(planned))
			}
		}
		w := changed()
		p := w.Start()
		if _, err := applied(t.Context(), p.Host(), wantAll(rich(t), simple(2))); err != nil {
			t.Fatal(err)
		}
		for n, call := range p.Calls {
			for _, kill := range []bool{false, true} {
				w := changed()
				p := w.Start()
				p.Fault = func(i int, _ string) fake.Fault {
					if i != n {
						return fake.Fault{}
					}
					if kill {
						return fake.Fault{Kill: true}
					}
					return fake.Fault{Err: fake.ErrBroken}
				}
				fake.Survives(func() { _, _ = applied(context.Background(), p.Host(), wantAll(rich(t), simple(2))) })
				_, _ = w.Start().Host().List(t.Context())
				whole(w, fmt.Sprintf("call %d, %s, killed %v", n, call, kill))
			}
		}
	})
}

// What cannot be mended fails the whole, with the reason, and the tunnel stays up.
func TestApplyCannotMend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := fake.NewWorld()
		mustApply(t, w, wantAll(rich(t), simple(2)), "gre1 create, gre2 create")
		w.LoseAll()
		w.RefuseRule = func(keep.Rule) error { return fake.ErrBroken }
		planned, err := applied(t.Context(), w.Start().Host(), wantAll(rich(t), simple(2)))
		if err == nil || !strings.Contains(err.Error(), fake.ErrBroken.Error()) || !w.Link("gre1").Up {
			t.Errorf("%v, %s\n%s", err, actions(planned), w)
		}
	})
}
