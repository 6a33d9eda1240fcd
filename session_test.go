package nmgre_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"nmgre"
	"nmgre/nm"
	"nmgre/nm/plan"
	"nmgre/nm/verify"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
	"nmgre/routes/rule"
	"nmgre/testdata/fake"
	"nmgre/testdata/want"
)

// verb is a change of the tunnel gre1, or one that makes gre2.
type verb struct {
	name   string
	down   bool   // the tunnel is down before
	client string // the person's host
	do     func(context.Context, *nmgre.Host) error
	cuts   bool
}

// second returns a tunnel gre2 with one more route.
func second(t *testing.T, route string) nm.Tunnel {
	tunnel := fake.Simple(t)
	tunnel.Name, tunnel.Remote, tunnel.Addresses = "gre2", want.Addr("100.0.3.100"), want.CIDRs("172.16.1.1/30")
	tunnel.Routes = []routes.Route{routes.MustParse(route)}
	return tunnel
}

func changeRoutes(op plan.RouteOp, route string) func(context.Context, *nmgre.Host) error {
	return func(ctx context.Context, h *nmgre.Host) error {
		_, err := h.ChangeRoutes(ctx, "gre1", plan.RouteChange{Op: op, Routes: []routes.Route{routes.MustParse(route)}})
		return err
	}
}

// guardedVerbs are all verbs that change the host, with sessions that they do and do not cut off.
func guardedVerbs(t *testing.T) []verb {
	create := func(route string) func(context.Context, *nmgre.Host) error {
		return func(ctx context.Context, h *nmgre.Host) error {
			_, err := fake.Create(ctx, h, second(t, route))
			return err
		}
	}
	edit := func(change func(*nm.Tunnel)) func(context.Context, *nmgre.Host) error {
		return func(ctx context.Context, h *nmgre.Host) error {
			planned, err := h.PlanEdit(ctx, "gre1", func(t *nm.Tunnel) error { change(t); return nil })
			if err != nil {
				return err
			}
			_, err = h.Edit(ctx, planned, nmgre.EditOptions{})
			return err
		}
	}
	up := func(ctx context.Context, h *nmgre.Host) error { _, err := h.Up(ctx, "gre1"); return err }
	down := func(ctx context.Context, h *nmgre.Host) error { _, err := h.Down(ctx, "gre1"); return err }
	remove := func(ctx context.Context, h *nmgre.Host) error { _, err := h.Delete(ctx, "gre1"); return err }
	const behind, lan, elsewhere, carried = "10.10.2.9", "10.10.1.9", "198.51.100.7", "10.20.0.9"
	return []verb{
		{"create with a route to the client", false, elsewhere, create("198.51.100.0/24"), true},
		{"create with a route to others", false, elsewhere, create("10.99.0.0/16"), false},
		{"create with a wider route than the present one", false, lan, create("10.0.0.0/8"), false},
		{"create with a route in another table", false, elsewhere, create("198.51.100.0/24 table 100"), false},
		{"create takes the client from another tunnel", false, behind, create("10.10.2.8/29"), true},
		{"edit with a new link", false, behind, edit(func(t *nm.Tunnel) { t.TTL = 9 }), true},
		{"edit of another setting", false, behind, edit(func(t *nm.Tunnel) { t.Autoconnect = false }), false},
		{"edit of a tunnel that is down", true, elsewhere, edit(func(t *nm.Tunnel) { t.TTL = 9 }), false},
		{"edit that the session does not go through", false, elsewhere, edit(func(t *nm.Tunnel) { t.TTL = 9 }), false},
		{"route add that takes the client", false, elsewhere, changeRoutes(plan.RouteAdd, "198.51.100.0/24"), true},
		{"route add of a default route", false, elsewhere, changeRoutes(plan.RouteAdd, "0.0.0.0/0"), true},
		{"route add of a default route that is the last choice", false, elsewhere, changeRoutes(plan.RouteAdd, "0.0.0.0/0 metric 4000"), false},
		{"route add that takes the client by a kept route", false, elsewhere, changeRoutes(plan.RouteAdd, "198.51.100.0/24 nexthop via 172.16.0.2 nexthop via 100.0.1.1 dev eth0"), true},
		{"route add of a discarding route", false, behind, changeRoutes(plan.RouteAdd, "blackhole 10.10.2.9"), true},
		{"route add of another way into the same tunnel", false, behind, changeRoutes(plan.RouteAdd, "10.10.2.0/25"), false},
		{"route add to a tunnel that is down", true, elsewhere, changeRoutes(plan.RouteAdd, "198.51.100.0/24"), false},
		{"route replace of the client's route", false, behind, changeRoutes(plan.RouteReplace, "10.10.2.0/24 encap ip id 7 dst 172.16.0.9"), true},
		{"route delete of the client's route", false, behind, changeRoutes(plan.RouteDelete, "10.10.2.0/24"), true},
		{"route delete of another", false, behind, changeRoutes(plan.RouteDelete, "10.20.0.0/16"), false},
		{"up with a route to the client", true, behind, up, true},
		{"up with a kept route to the client", true, carried, up, true},
		{"up that leads elsewhere", true, elsewhere, up, false},
		{"up of a tunnel that is up", false, behind, up, false},
		{"down", false, behind, down, true},
		{"down of a tunnel that is down", true, behind, down, false},
		{"down of another tunnel", false, elsewhere, down, false},
		{"delete", false, behind, remove, true},
		{"delete of a tunnel that is down", true, behind, remove, false},
		{"delete of another tunnel", false, lan, remove, false},
	}
}

// Rules of the routing policy, and routes in their tables, cut off a session as routes of the main
// table do. Those that are for other packets do not.
func TestRulesAreGuarded(t *testing.T) {
	const elsewhere = "198.51.100.7"
	words := func(specs ...string) (list []rule.Rule) {
		for _, spec := range specs {
			list = append(list, rule.MustParse(spec))
		}
		return list
	}
	in100 := []routes.Route{routes.MustParse("default via 172.16.0.2 table 100")}
	away := rule.MustParse("to 198.51.100.0/24 table 100 priority 9") // the session goes through gre1
	for _, c := range []struct {
		name   string
		before []rule.Rule
		held   string // a rule of somebody else's
		after  []rule.Rule
		change func(*nm.Tunnel) // of the rest; nil for none
		cuts   bool
	}{
		{"a rule for all", nil, "", words("from all table 100 priority 9", "to 100.0.0.0/16 table main priority 8"), nil, true},
		{"a rule for the client", nil, "", words("to 198.51.100.0/24 table 100"), nil, true},
		{"a rule for the address that the session came to", nil, "", words("from 100.0.1.100 to 198.51.0.0/16 table 100"), nil, true},
		{"a rule for ssh", nil, "", words("ipproto tcp sport 22 to 198.51.0.0/16 table 100"), nil, true},
		{"a rule that drops the client's packets", nil, "", words("to 198.51.100.7 prohibit"), nil, true},
		{"a rule for others", nil, "", words("to 203.0.113.0/24 table 100"), nil, false},
		{"a rule for the tunnel's own packets", nil, "", words("from 172.16.0.1 table 100"), nil, false},
		{"a rule for forwarded packets", nil, "", words("iif eth1 table 100"), nil, false},
		{"a rule for other ports", nil, "", words("ipproto tcp sport 80 to 198.51.0.0/16 table 100"), nil, false},
		{"a rule to a table where only a default route is, which it leaves out", nil, "", words("to 198.51.100.0/24 table 100 suppress_prefixlength 0"), nil, false},
		{"a rule to an empty table", nil, "", words("to 198.51.100.0/24 table 77"), nil, false},
		{"a rule to a table of somebody else's", nil, "", words("to 198.51.100.0/24 table 300"), nil, true},
		{"a rule after one that leads the client", nil, "to 198.51.100.0/24 table main priority 5", words("to 198.51.100.0/24 table 100 priority 6"), nil, false},
		{"the rule goes that leads the client", []rule.Rule{away}, "", nil, nil, true},
		{"the rule that leads the client stays", []rule.Rule{away}, "", append(words("to 203.0.113.0/24 table 100"), away), nil, false},
		{"an exception comes before it", []rule.Rule{away}, "", append(words("to 198.51.100.7 table main priority 8"), away), nil, true},
		{"the route goes to which the rule leads", []rule.Rule{away}, "", []rule.Rule{away}, func(t *nm.Tunnel) { t.Routes = nil }, true},
		{"a route comes in a table to which somebody's rule leads", nil, "to 198.51.100.0/24 table 101 priority 5", nil,
			func(t *nm.Tunnel) {
				t.Routes = append(t.Routes, routes.MustParse("198.51.0.0/16 via 172.16.0.2 table 101"))
			}, true},
		{"a route comes in a table to which no rule leads", nil, "", nil,
			func(t *nm.Tunnel) {
				t.Routes = append(t.Routes, routes.MustParse("198.51.0.0/16 via 172.16.0.2 table 101"))
			}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := fake.NewWorld()
				tunnel := fake.Simple(t)
				tunnel.Routes, tunnel.Rules = in100, c.before
				fake.MustCreate(t, w, tunnel)
				w.AddRoute("eth1", "default via 10.10.1.254 table 300", 3)
				if c.held != "" {
					w.Policy = append(w.Policy, kernel.HeldRule{Rule: rule.MustParse(c.held), Protocol: 3})
				}
				before, h := w.String(), w.Start().Host()
				h.Session = func() nmgre.Session { return nmgre.Session{Client: want.Addr(elsewhere)} }
				planned, err := h.PlanEdit(t.Context(), "gre1", func(t *nm.Tunnel) error {
					t.Rules = c.after
					if c.change != nil {
						c.change(t)
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				_, err = h.Edit(t.Context(), planned, nmgre.EditOptions{NoProbe: true})
				if errors.Is(err, fault.ErrCutsOff) != c.cuts || !c.cuts && err != nil {
					t.Errorf("got %v", err)
				}
				if c.cuts {
					want.Same(t, "the host", w.String(), before)
				}
			})
		})
	}
}

// A tunnel with a rule for the session cuts it off as well when it is made, and when it comes up or
// goes down.
func TestTunnelWithRulesIsGuarded(t *testing.T) {
	for _, text := range []string{"to 198.51.100.0/24 table 100", "to 198.51.100.0/24 table 300 suppress_ifgroup 7"} {
		synctest.Test(t, func(t *testing.T) { tunnelWithRule(t, rule.MustParse(text)) })
	}
}

// tunnelWithRule has the rule in the profile, or root keep it, and then lead to a route that is not
// the tunnel's.
func tunnelWithRule(t *testing.T, r rule.Rule) {
	w := fake.NewWorld()
	w.AddRoute("eth1", "default via 10.10.1.254 table 300", 3)
	tunnel := fake.Simple(t)
	tunnel.Routes = []routes.Route{routes.MustParse("default via 172.16.0.2 table 100")}
	tunnel.Rules = []rule.Rule{r}
	guarded := func(what string, do func(*nmgre.Host) error) {
		t.Helper()
		before, h := w.String(), w.Start().Host()
		h.Session = func() nmgre.Session { return nmgre.Session{Client: want.Addr("198.51.100.7")} }
		if err := do(h); !errors.Is(err, fault.ErrCutsOff) {
			t.Errorf("%s: %v", what, err)
		}
		want.Same(t, what, w.String(), before)
	}
	guarded("create", func(h *nmgre.Host) error { _, err := fake.Create(t.Context(), h, tunnel); return err })
	fake.MustCreate(t, w, tunnel)
	guarded("down", func(h *nmgre.Host) error { _, err := h.Down(t.Context(), "gre1"); return err })
	guarded("rule delete", func(h *nmgre.Host) error {
		_, err := h.ChangeRules(t.Context(), "gre1", func([]rule.Rule) ([]rule.Rule, error) { return nil, nil })
		return err
	})
	if _, err := w.Start().Host().Down(t.Context(), "gre1"); err != nil {
		t.Fatal(err)
	}
	guarded("up", func(h *nmgre.Host) error { _, err := h.Up(t.Context(), "gre1"); return err })
}

// guardedWorld has the tunnel gre1, and eth0's default route, with a metric as NetworkManager's.
func guardedWorld(t *testing.T, v verb) *fake.World {
	t.Helper()
	w := worldWith("default via 100.0.1.1 metric 100")
	fake.MustCreate(t, w, fake.Simple(t))
	if v.down {
		if _, err := w.Start().Host().Down(t.Context(), "gre1"); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func sessionFrom(client string) func() nmgre.Session {
	s := nmgre.Session{Client: netip.MustParseAddr(client), Server: want.Addr("172.16.0.1")}
	return func() nmgre.Session { return s }
}

// Every verb that may cut off the person's session is refused before it changes anything. Without a
// danger it is carried out.
func TestEveryVerbIsGuarded(t *testing.T) {
	for _, v := range guardedVerbs(t) {
		t.Run(v.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := guardedWorld(t, v)
				before := w.String()
				h := w.Start().Host()
				h.Session = sessionFrom(v.client)
				err := v.do(t.Context(), h)
				if !v.cuts {
					if err != nil {
						t.Errorf("refused: %v", err)
					}
					return
				}
				if !errors.Is(err, fault.ErrCutsOff) || !errors.Is(err, fault.ErrInvalid) || len(fault.Hints(err)) == 0 || !strings.Contains(err.Error(), v.client) {
					t.Errorf("got %v", err)
				}
				want.Same(t, "the host", w.String(), before)
			})
		})
	}
}

// A person who insists is only warned.
func TestInsist(t *testing.T) {
	for _, v := range guardedVerbs(t) {
		synctest.Test(t, func(t *testing.T) {
			h := guardedWorld(t, v).Start().Host()
			h.Session, h.Insist = sessionFrom(v.client), true
			warned := false
			h.Progress = func(e nmgre.Event) { warned = warned || strings.Contains(e.What, "may cut your session off") }
			if err := v.do(t.Context(), h); err != nil || warned != v.cuts {
				t.Errorf("%s: warned %v, %v", v.name, warned, err)
			}
		})
	}
}

// Every verb waits for the confirmation, and undoes everything without it.
func TestEveryVerbIsConfirmed(t *testing.T) {
	for _, v := range guardedVerbs(t) {
		if !v.cuts {
			continue
		}
		t.Run(v.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				refused := errors.New("not confirmed")
				for _, answer := range []error{nil, refused} {
					w := guardedWorld(t, v)
					before, during := w.String(), ""
					h := w.Start().Host()
					h.Session = sessionFrom(v.client)
					h.Confirm = func(context.Context, verify.Report) error { during = w.String(); return answer }
					err := v.do(t.Context(), h)
					after := w.String()
					if during == "" || during == before {
						t.Errorf("it was not asked while the change is made: %q", during)
					}
					if answer == nil && (err != nil || after == before) {
						t.Errorf("confirmed: %v\n%s", err, after)
					}
					if answer != nil {
						want.Same(t, "the host after an undo", after, before)
						if !errors.Is(err, refused) {
							t.Errorf("not confirmed: %v", err)
						}
					}
				}
			})
		})
	}
}

// A session through a tunnel in a tunnel depends on both.
func TestCutsOffNested(t *testing.T) {
	w := fake.NewWorld()
	fake.MustCreate(t, w, fake.Simple(t))
	inside := second(t, "10.99.0.0/16")
	inside.Remote = want.Addr("10.10.2.50") // behind gre1
	fake.MustCreate(t, w, inside)
	h := w.Start().Host()
	for client, cut := range map[string]bool{"10.99.0.9": true, "10.10.1.9": false} {
		e, err := h.DownEffect(t.Context(), "gre1")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := h.CutsOff(t.Context(), e, nmgre.Session{Client: want.Addr(client)}); got != cut || err != nil {
			t.Errorf("%s: %v, %v", client, got, err)
		}
	}
}
