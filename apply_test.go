package nmgre_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"nmgre"
	"nmgre/nm"
	"nmgre/nm/reconcile"
	"nmgre/nm/verify"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
	"nmgre/testdata/fake"
	"nmgre/testdata/want"
)

// simple is a tunnel to the n-th far end.
func simple(n int) nm.Tunnel {
	t := nm.NewTunnel()
	t.Name, t.Remote = fmt.Sprint("gre", n), want.Addr(fmt.Sprintf("100.0.%d.100", n+1))
	t.Addresses = want.CIDRs(fmt.Sprintf("172.16.%d.1/30", n))
	return t
}

// withKept adds an SNAT rule to a tunnel, which root keeps.
func withKept(t nm.Tunnel) nm.Tunnel {
	t.SNAT = []keep.SNAT{{Dst: want.CIDR("10.10.1.0/24"), Source: want.Addr("10.10.1.1")}}
	return t
}

func wantAll(tunnels ...nm.Tunnel) []reconcile.Wanted {
	var list []reconcile.Wanted
	for _, t := range tunnels {
		list = append(list, reconcile.Wanted{Tunnel: t})
	}
	return list
}

// applied is the command `nmgre apply --prune`.
func applied(ctx context.Context, h *nmgre.Host, wants []reconcile.Wanted) (reconcile.Plan, error) {
	planned, err := h.PlanApply(ctx, wants, reconcile.Options{Document: "default", Prune: true})
	if err == nil {
		_, err = h.Apply(ctx, planned, false)
	}
	return planned, err
}

// has says whether there is a profile of that name.
func has(w *fake.World, name string) bool {
	return slices.ContainsFunc(w.Profiles, func(p *fake.Profile) bool { return p.ID == name })
}

// actions writes the action of each step.
func actions(p reconcile.Plan) string {
	var words []string
	for _, s := range p.Steps {
		words = append(words, s.Name+" "+string(s.Action))
	}
	return strings.Join(words, ", ")
}

func mustApply(t *testing.T, w *fake.World, wants []reconcile.Wanted, want string) {
	t.Helper()
	planned, err := applied(t.Context(), w.Start().Host(), wants)
	if err != nil {
		t.Fatal(err)
	}
	if got := actions(planned); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// threeThere makes gre1 to gre3 from a document, and gre9 by hand of create.
func threeThere(t *testing.T, w *fake.World) {
	t.Helper()
	fake.MustCreate(t, w, simple(9))
	mustApply(t, w, wantAll(simple(1), withKept(simple(2)), withKept(simple(3))), "gre1 create, gre2 create, gre3 create")
}

// mixed makes gre4 and gre5, changes gre1 and gre2, and prunes gre3.
func mixed() []reconcile.Wanted {
	one, two := simple(1), simple(2)
	one.MTU, two.TTL = 1400, 9
	return wantAll(simple(4), withKept(simple(5)), one, two)
}

// Tunnels are made, changed and pruned together; a second time there is nothing to do. A tunnel
// that was not made from the document stays.
func TestApply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := fake.NewWorld()
		threeThere(t, w)
		mustApply(t, w, wantAll(simple(1), withKept(simple(2)), withKept(simple(3))), "gre1 none, gre2 none, gre3 none")
		mustApply(t, w, mixed(), "gre4 create, gre5 create, gre1 change, gre2 change, gre3 delete")
		before := w.String()
		mustApply(t, w, mixed(), "gre4 none, gre5 none, gre1 none, gre2 none")
		want.Same(t, "applied again", w.String(), before)
		if !has(w, "gre9") || has(w, "gre3") || w.Named("gre1").Tunnel.MTU != 1400 || w.Named("gre2").Tunnel.TTL != 9 || len(w.Files) != 1 {
			t.Errorf("the host has\n%s", w)
		}
		for _, f := range w.Profiles {
			if f.Unsaved || f.Tunnel.Leader != "" && !f.Trial {
				t.Errorf("%s is unsaved, or has a leader", f.ID)
			}
		}
		// a field that a document no longer has is the default again
		mustApply(t, w, wantAll(simple(1), simple(2)), "gre1 change, gre2 change, gre4 delete, gre5 delete")
		if w.Named("gre1").Tunnel.MTU != 1476 || w.Named("gre2").Tunnel.TTL != 64 || len(w.Files) != 0 {
			t.Errorf("the host has\n%s", w)
		}
		absent := []reconcile.Wanted{{Tunnel: nm.Tunnel{Name: "gre1"}, Absent: true}, {Tunnel: nm.Tunnel{Name: "gre77"}, Absent: true}}
		mustApply(t, w, absent, "gre1 delete, gre77 none, gre2 delete")
		if !has(w, "gre9") || has(w, "gre1") {
			t.Errorf("the host has\n%s", w)
		}
	})
}

// downs has gre1, which root keeps a part of, and gre2, which never comes up by itself: both are
// down.
func downs(t *testing.T) (w *fake.World, wants []reconcile.Wanted) {
	t.Helper()
	w = fake.NewWorld()
	manual := simple(2)
	manual.Autoconnect = false
	wants = wantAll(withKept(simple(1)), manual)
	mustApply(t, w, wants, "gre1 create, gre2 create")
	for _, name := range []string{"gre1", "gre2"} {
		if _, err := w.Start().Host().Down(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	return w, wants
}

// A tunnel that is down comes up, also with a change; not one that never comes up by itself.
// Whatever fails, and whenever the process is killed, it is down as before, or up.
func TestApplyOfDownTunnels(t *testing.T) {
	for name, ttl := range map[string]uint8{"as wanted": 0, "with a change": 99} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				done, wants := downs(t)
				if ttl != 0 {
					wants[0].Tunnel.TTL = ttl
				}
				mustApply(t, done, wants, "gre1 change, gre2 none")
				if l := done.Link("gre1"); l == nil || ttl != 0 && l.GRE.TTL != ttl || done.Link("gre2") != nil {
					t.Fatalf("the host has\n%s", done)
				}
				mustApply(t, done, wants, "gre1 none, gre2 none")
				failed := 0
				for n := range 60 {
					failed += applyDownWithFault(t, wants, fake.Fault{Err: errors.New("no")}, n, done.String())
					applyDownWithFault(t, wants, fake.Fault{Kill: true}, n, done.String())
				}
				if failed < 5 {
					t.Errorf("it failed %d times", failed)
				}
			})
		})
	}
}

// applyDownWithFault applies the wanted tunnels to [downs] with a fault of a call. It returns 1 if
// that fails.
func applyDownWithFault(t *testing.T, wants []reconcile.Wanted, f fake.Fault, n int, done string) (failed int) {
	t.Helper()
	w, _ := downs(t)
	before, p := w.String(), w.Start()
	planned, err := p.Host().PlanApply(t.Context(), wants, reconcile.Options{Document: "doc"})
	if err != nil {
		t.Fatal(err)
	}
	p.Calls = nil
	p.Fault = func(i int, _ string) fake.Fault {
		if i == n {
			return f
		}
		return fake.Fault{}
	}
	alive := fake.Survives(func() { _, err = p.Host().Apply(t.Context(), planned, true) })
	p.Fault = nil
	w.Settle()
	if _, err := w.Start().Host().List(t.Context()); err != nil {
		t.Error(err)
	}
	w.Settle()
	switch text := w.String(); {
	case alive && err == nil:
		want.Same(t, fmt.Sprintf("call %d", n), text, done)
	case alive || text != done:
		want.Same(t, fmt.Sprintf("call %d, %+v: %v", n, f, err), text, before)
	}
	if alive && err != nil {
		return 1
	}
	return 0
}

// A tunnel that takes the place of one that is deleted may have its addresses.
func TestApplyReplaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := fake.NewWorld()
		mustApply(t, w, wantAll(simple(1)), "gre1 create")
		renamed := simple(1)
		renamed.Name = "office"
		mustApply(t, w, wantAll(renamed), "office create, gre1 delete")
		if w.Link("gre1") != nil || w.Link("office") == nil {
			t.Errorf("the host has\n%s", w)
		}
	})
}

// mixedDone applies [mixed] to a host with three tunnels. It returns the process with its calls,
// and the host before and afterwards.
func mixedDone(t *testing.T) (p *fake.Process, before, done string) {
	t.Helper()
	w := fake.NewWorld()
	threeThere(t, w)
	before = sortedLinks(w.String())
	p = w.Start()
	if _, err := applied(t.Context(), p.Host(), mixed()); err != nil {
		t.Fatal(err)
	}
	return p, before, sortedLinks(w.String())
}

// A failure of any call undoes everything, whether the call's work was done or not, unless
// everything was decided.
func TestApplyAtFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, before, done := mixedDone(t)
		undone := 0
		for n := range p.Calls {
			for _, after := range []bool{false, true} {
				w := fake.NewWorld()
				threeThere(t, w)
				again := w.Start()
				again.Fault = func(i int, _ string) fake.Fault {
					if i != n {
						return fake.Fault{}
					}
					return fake.Fault{Err: fake.ErrBroken, After: after}
				}
				_, err := applied(t.Context(), again.Host(), mixed())
				w.Settle()
				switch left := sortedLinks(w.String()); {
				case left == before && err != nil:
					undone++
				case left == done:
				default:
					t.Errorf("call %d, %s, done %v: %v, and the host\n%s", n, p.Calls[n], after, err, want.Diff(before, left))
				}
			}
		}
		if undone < len(p.Calls) {
			t.Errorf("of %d calls, %d were undone", len(p.Calls), undone)
		}
	})
}

// kill -9 at each call: after the next command all is as it was, or all is done.
func TestApplyKilled(t *testing.T) {
	for _, c := range []struct {
		name  string
		wants []reconcile.Wanted
	}{
		{"make, change and delete", mixed()},
		{"make", append(wantAll(simple(1), withKept(simple(2)), withKept(simple(3))), wantAll(simple(4), withKept(simple(5)))...)},
		{"change", func() []reconcile.Wanted {
			one, two, three := simple(1), withKept(simple(2)), simple(3)
			one.TTL, two.SNAT, three.MTU = 9, nil, 1300
			return wantAll(one, two, three)
		}()},
		{"delete", wantAll(simple(1))},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := deadly{c.name, threeThere, func(ctx context.Context, h *nmgre.Host) error { _, err := applied(ctx, h, c.wants); return err }}
				w := fake.NewWorld()
				threeThere(t, w)
				before := whole5(w)
				p := w.Start()
				if err := d.run(t.Context(), p.Host()); err != nil {
					t.Fatal(err)
				}
				done := whole5(w)
				was := map[bool]int{}
				for name, next := range afterwards() {
					for n := range p.Calls {
						for _, after := range []bool{false, true} {
							var world *fake.World
							killedAt(t, d, n, after, func(ctx context.Context, w *fake.World) error { world = w; return next(ctx, w) })
							left := whole5(world)
							if left != before && left != done {
								t.Errorf("killed at call %d, %s, done %v, then %s:\n%s\nwas\n%s\nnow\n%s", n, p.Calls[n], after, name, left, before, done)
							}
							was[left == done]++
						}
					}
				}
				if was[true] == 0 || was[false] == 0 {
					t.Errorf("%d were done, %d undone", was[true], was[false])
				}
			})
		})
	}
}

// whole5 writes the tunnels with summaries of their kept files.
func whole5(w *fake.World) string {
	var lines []string
	for _, f := range w.Profiles {
		if f.Tunnel.Mode != 0 {
			k := w.Files[f.UUID]
			lines = append(lines, fmt.Sprintf("%s: %s, %s, mtu %d, ttl %d, unsaved %v, kept %s", f.ID, f.State, f.Tunnel.Remote, f.Tunnel.MTU, f.Tunnel.TTL, f.Unsaved, k.Summary()))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// With a question to confirm, everything waits for the answer, and a no undoes all of it.
func TestApplyConfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := fake.NewWorld()
		threeThere(t, w)
		before := sortedLinks(w.String())
		h := w.Start().Host()
		asked := 0
		h.Confirm = func(context.Context, verify.Report) error {
			asked++
			if w.Link("gre4") == nil || w.Link("gre3") != nil || !has(w, "gre3") {
				t.Errorf("when it is asked, the host has\n%s", w)
			}
			return errors.New("no")
		}
		if _, err := applied(t.Context(), h, mixed()); err == nil || asked != 1 {
			t.Errorf("%v, asked %d times", err, asked)
		}
		w.Settle()
		want.Same(t, "after a no", sortedLinks(w.String()), before)
	})
}

// A plan that is not possible changes nothing, and says which tunnel it is about.
func TestApplyRefused(t *testing.T) {
	w := fake.NewWorld()
	threeThere(t, w)
	twin := simple(4)
	twin.Name, twin.Addresses = "twin", want.CIDRs("172.16.99.1/30")
	foreign := simple(5)
	foreign.Local = netip.MustParseAddr("192.0.2.77")
	hand := simple(6)
	w.AddProfile(nm.Profile{UUID: "00000000-0000-4000-8000-000000000006", ID: "gre6", State: nm.StateExternal, Device: "gre6", Tunnel: hand})
	twice := simple(7)
	for i := range 2 {
		w.AddProfile(nm.Profile{UUID: fmt.Sprintf("00000000-0000-4000-8000-00000000001%d", i), ID: "gre7", State: nm.StateInactive, Tunnel: twice})
	}
	before := w.String()
	for name, c := range map[string]struct {
		wants []reconcile.Wanted
		words []string
	}{
		"two for the same packets": {wantAll(simple(4), twin), []string{"gre4", "twin", "100.0.5.100"}},
		"an address of nobody":     {wantAll(simple(4), foreign), []string{"gre5", "192.0.2.77"}},
		"made by hand":             {wantAll(hand), []string{"gre6", "by hand"}},
		"two profiles":             {wantAll(twice), []string{"gre7", "2 profiles"}},
		"no name servers": {wantAll(func() nm.Tunnel {
			t := simple(8)
			t.Remote, t.PeerName = netip.Addr{}, "gw.example.org"
			return t
		}()), []string{"gre8", "gw.example.org"}},
	} {
		_, err := applied(t.Context(), w.Start().Host(), c.wants)
		if err == nil || !errors.Is(err, fault.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, word := range c.words {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%s: %v has no %s", name, err, word)
			}
		}
		want.Same(t, name, w.String(), before)
	}
}

// The facts that many tunnels all need are asked for once, and where nothing is to be done, nothing
// is asked about single tunnels.
func TestApplyAsksOnce(t *testing.T) {
	const n = 40
	w := fake.NewWorld()
	p := w.Start()
	h := p.Host()
	var wants []reconcile.Wanted
	for i := range n {
		tunnel := simple(i + 1)
		tunnel.Name = fmt.Sprint("ap", i)
		wants = append(wants, reconcile.Wanted{Tunnel: tunnel})
	}
	expect := func(what string, most map[string]int) {
		t.Helper()
		times := make(map[string]int)
		for _, call := range p.Calls {
			times[call]++
		}
		p.Calls = nil
		for call, count := range times {
			if count > most[call] {
				t.Errorf("%s of %d tunnels makes the call %s %d times", what, n, call, count)
			}
		}
	}
	planned, err := h.PlanApply(t.Context(), wants, reconcile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	look := map[string]int{"List": 1, "Manager": 1, "Links": 1, "All": 1, "UUIDs": 1}
	many := maps.Clone(look)
	many["Lookup"], many["IPsec"], many["Supports"] = 2*n, n, n // the way to the far end, and by the LAN
	expect("the plan", many)
	if _, err := h.Apply(t.Context(), planned, true); err != nil {
		t.Fatal(err)
	}
	expect("the change", map[string]int{"Add": n, "Activate": n, "SaveWith": n, "Save": n, "Lookup": n, "Links": 1, "Rules": 1, "Serials": 1})
	if _, err := h.PlanApply(t.Context(), wants, reconcile.Options{}); err != nil {
		t.Fatal(err)
	}
	expect("the plan of no change", look)
}

// The undo waits for a busy NetworkManager that takes seconds for each tunnel, as long as many
// tunnels may take together. It gives up one that does nothing at all after that time.
func TestApplyUndoneByBusyManager(t *testing.T) {
	const many = 40
	for _, hangs := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := fake.NewWorld()
			before := w.String()
			var wants []reconcile.Wanted
			for i := range many {
				one := simple(1)
				one.Name, one.InputKey, one.OutputKey = fmt.Sprint("gre", i+1), new(gre.Key(i)), new(gre.Key(i))
				one.Addresses = []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 16, byte(i), 1}), 30)}
				wants = append(wants, reconcile.Wanted{Tunnel: one})
			}
			p := w.Start()
			turn := make(chan struct{}, 1) // it does one after the other
			p.Turn = func(_ int, method string) {
				if method == "Delete" && !hangs {
					turn <- struct{}{}
					time.Sleep(2500 * time.Millisecond)
					<-turn
				}
			}
			var failed atomic.Bool
			p.Fault = func(_ int, method string) fake.Fault {
				if method == "Activate" && failed.CompareAndSwap(false, true) {
					return fake.Fault{Err: fake.ErrBroken}
				}
				return fake.Fault{Hang: hangs && method == "Delete"}
			}
			begin := time.Now()
			_, err := applied(t.Context(), p.Host(), wants)
			took := time.Since(begin)
			if !errors.Is(err, fake.ErrBroken) || errors.Is(err, fault.ErrNotPermitted) {
				t.Errorf("%v", err)
			}
			if told := strings.Contains(fmt.Sprint(err), "could not undo everything"); told != hangs {
				t.Errorf("hangs %v, after %v: %v", hangs, took, err)
			}
			if hangs && (took < time.Minute || took > 3*time.Minute) {
				t.Errorf("it is given up after %v", took)
			}
			if !hangs {
				want.Same(t, "the host", w.String(), before)
			}
		})
	}
}

// NetworkManager, or the bus, is away for a while from each call on, as it is started anew. All
// is undone, or all is done, and the error says that it was away; nothing is left to the next
// command, and it is no lack of permission.
func TestApplyWhileManagerIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, before, done := mixedDone(t)
		failed := 0
		for n := range p.Calls {
			w := fake.NewWorld()
			threeThere(t, w)
			again := w.Start()
			var until time.Time
			again.Fault = func(i int, method string) fake.Fault {
				if i == n {
					until = time.Now().Add(5 * time.Second)
				}
				if i >= n && time.Now().Before(until) && ofManager(method) {
					return fake.Fault{Err: &fault.Error{Kind: fault.ErrNoNetworkManager, What: "NetworkManager is not running"}}
				}
				return fake.Fault{}
			}
			_, err := applied(t.Context(), again.Host(), mixed())
			w.Settle()
			if err != nil {
				failed++
			}
			switch left := sortedLinks(w.String()); {
			case err == nil && left == done:
			case err == nil || left != before && left != done:
				t.Errorf("call %d, %s: %v, and the host\n%s", n, p.Calls[n], err, want.Diff(before, left))
			case !errors.Is(err, fault.ErrNoNetworkManager) || strings.Contains(err.Error(), "could not undo"):
				t.Errorf("call %d, %s: %v", n, p.Calls[n], err)
			}
		}
		if failed < 15 {
			t.Errorf("of %d moments, %d mattered", len(p.Calls), failed)
		}
	})
}

// ofManager says whether NetworkManager answers the call.
func ofManager(method string) bool {
	return slices.Contains([]string{"List", "Get", "Add", "Save", "Activate", "Deactivate", "Delete", "Update", "Reapply", "SetRoutes", "Manager"}, method)
}
