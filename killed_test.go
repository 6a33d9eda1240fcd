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
	"nmgre/nm"
	"nmgre/nm/plan"
	"nmgre/nm/verify"
	"nmgre/routes/keep"
	"nmgre/testdata/fake"
	"nmgre/testdata/want"
)

// deadly is a command that is killed at each of its calls, before and after the call's work.
type deadly struct {
	name   string
	before func(t *testing.T, w *fake.World) // makes the host as the command finds it
	run    func(ctx context.Context, h *nmgre.Host) error
}

// whole is a tunnel of everything that root keeps: a route over two nexthops, SNAT, forwarding and
// the clamp. It also has a route of the profile's.
func whole(t *testing.T) nm.Tunnel {
	t.Helper()
	tunnel := fake.Simple(t)
	tunnel.SNAT, tunnel.Forward, tunnel.ClampMSS = []keep.SNAT{{Dst: want.CIDR("10.10.1.0/24"), Source: want.Addr("10.10.1.1")}}, true, true
	return tunnel
}

// haveWhole makes the whole tunnel.
func haveWhole(t *testing.T, w *fake.World) {
	t.Helper()
	fake.MustCreate(t, w, whole(t))
}

// takenDown makes the whole tunnel, and takes it down as NetworkManager does.
func takenDown(t *testing.T, w *fake.World) {
	t.Helper()
	haveWhole(t, w)
	if _, err := w.Start().Host().Down(t.Context(), "gre1"); err != nil {
		t.Fatal(err)
	}
}

func addRoutes(t *testing.T, words ...string) func(ctx context.Context, h *nmgre.Host) error {
	change := plan.RouteChange{Op: plan.RouteAdd, Routes: specs(t, words...)}
	return func(ctx context.Context, h *nmgre.Host) error {
		_, err := h.ChangeRoutes(ctx, "gre1", change)
		return err
	}
}

// deadlies are the commands that change a host.
func deadlies(t *testing.T) []deadly {
	hook := func(ctx context.Context, h *nmgre.Host) error { _, err := h.Keeper.Converge(ctx, ""); return err }
	edit := func(change func(*nm.Tunnel)) func(ctx context.Context, h *nmgre.Host) error {
		return func(ctx context.Context, h *nmgre.Host) error {
			planned, err := h.PlanEdit(ctx, "gre1", func(tunnel *nm.Tunnel) error { change(tunnel); return nil })
			if err != nil {
				return err
			}
			_, err = h.Edit(ctx, planned, nmgre.EditOptions{Confirm: func(ctx context.Context, _ verify.Report) error { _, err := h.Kernel.Links(ctx); return err }})
			return err
		}
	}
	renamed := func(tunnel *nm.Tunnel) {
		tunnel.Name, tunnel.TTL, tunnel.SNAT[0].Source = "office", 9, want.Addr("100.0.1.100")
	}
	return []deadly{
		{"edit while it is up", haveWhole, edit(func(tunnel *nm.Tunnel) { tunnel.MTU = 1400 })},
		{"edit of what root keeps", haveWhole, edit(func(tunnel *nm.Tunnel) { tunnel.ClampMSS = false })},
		{"edit that removes all that root keeps", haveWhole, edit(func(tunnel *nm.Tunnel) {
			tunnel.SNAT, tunnel.Forward, tunnel.ClampMSS, tunnel.Routes = nil, false, false, tunnel.Routes[:1]
		})},
		{"edit that keeps the first", func(t *testing.T, w *fake.World) {
			tunnel := fake.Simple(t)
			tunnel.Routes = tunnel.Routes[:1]
			fake.MustCreate(t, w, tunnel)
		}, edit(func(tunnel *nm.Tunnel) { tunnel.ClampMSS = true; tunnel.MTU = 1400 })},
		{"edit with a new link, another name and another SNAT", haveWhole, edit(renamed)},
		{"edit of a tunnel that is down", takenDown, edit(renamed)},
		{"edit that nobody confirms", haveWhole, func(ctx context.Context, h *nmgre.Host) error {
			planned, err := h.PlanEdit(ctx, "gre1", func(tunnel *nm.Tunnel) error { renamed(tunnel); return nil })
			if err == nil {
				_, _ = h.Edit(ctx, planned, nmgre.EditOptions{Confirm: func(context.Context, verify.Report) error { return errors.New("no") }})
			}
			return err
		}},
		{"create", func(*testing.T, *fake.World) {}, func(ctx context.Context, h *nmgre.Host) error {
			_, err := fake.Create(ctx, h, whole(t))
			return err
		}},
		{"import", func(*testing.T, *fake.World) {}, func(ctx context.Context, h *nmgre.Host) error {
			wants := newTunnels(3)
			wants[0].Forward, wants[1].SNAT, wants[1].Forward = true, []keep.SNAT{{Dst: want.CIDR("10.10.1.0/24"), Source: want.Addr("10.10.1.1")}}, true
			_, err := createAll(ctx, h, wants)
			return err
		}},
		{"import of what the profiles hold", func(*testing.T, *fake.World) {}, func(ctx context.Context, h *nmgre.Host) error {
			_, err := createAll(ctx, h, newTunnels(3))
			return err
		}},
		{"up", takenDown, func(ctx context.Context, h *nmgre.Host) error { _, err := h.Up(ctx, "gre1"); return err }},
		{"down", haveWhole, func(ctx context.Context, h *nmgre.Host) error { _, err := h.Down(ctx, "gre1"); return err }},
		{"delete", haveWhole, func(ctx context.Context, h *nmgre.Host) error { _, err := h.Delete(ctx, "gre1"); return err }},
		{"delete of a tunnel that is down", takenDown, func(ctx context.Context, h *nmgre.Host) error { _, err := h.Delete(ctx, "gre1"); return err }},
		{"route add to the profile", haveWhole, addRoutes(t, "10.30.0.0/16")},
		{"route add to the kernel", haveWhole, addRoutes(t, "10.40.0.0/16"+multi)},
		{"hook after up", func(t *testing.T, w *fake.World) {
			takenDown(t, w)
			if err := w.BringUp(w.Named("gre1")); err != nil {
				t.Fatal(err)
			}
		}, hook},
		{"hook after a flush", func(t *testing.T, w *fake.World) {
			haveWhole(t, w)
			if _, err := w.Start().SetRules(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			w.RemoveRoutes("10.20.0.0/16")
		}, hook},
		{"hook after delete", func(t *testing.T, w *fake.World) {
			haveWhole(t, w)
			p := w.Start()
			if err := p.Delete(t.Context(), w.Named("gre1").UUID); err != nil {
				t.Fatal(err)
			}
			w.Settle()
		}, hook},
	}
}

// afterwards are the next processes on the host: a command of root's and the hook, in both orders.
// NetworkManager calls the hook for the event that the killed command has caused, or the next one.
func afterwards() map[string]func(ctx context.Context, w *fake.World) error {
	hook := func(ctx context.Context, w *fake.World) error {
		_, err := w.Start().Keeper().Converge(ctx, "")
		return err
	}
	return map[string]func(ctx context.Context, w *fake.World) error{
		"list, then the hook": func(ctx context.Context, w *fake.World) error { return errors.Join(listed(ctx, w), hook(ctx, w)) },
		"the hook, then list": func(ctx context.Context, w *fake.World) error { return errors.Join(hook(ctx, w), listed(ctx, w)) },
	}
}

// A command that is killed while it makes the kernel agree with root's files is finished, or
// undone, by the next one. No event of NetworkManager's needs to follow.
func TestKilledAtEveryCallWithoutAHook(t *testing.T) {
	for _, d := range deadlies(t) {
		if strings.HasPrefix(d.name, "hook") || d.name == "up" || d.name == "down" {
			continue // an event of NetworkManager's follows or has come before
		}
		t.Run(d.name, func(t *testing.T) {
			killEverywhere(t, d, map[string]func(ctx context.Context, w *fake.World) error{"list": listed})
		})
	}
}

// listed is the next command, of root's.
func listed(ctx context.Context, w *fake.World) error {
	_, err := w.Start().Host().List(ctx)
	return err
}

// kill -9 before and after each call of every command. After the next command and the hook, the
// host is as it was before, or as it is when the command is not killed.
func TestKilledAtEveryCall(t *testing.T) {
	for _, d := range deadlies(t) {
		t.Run(d.name, func(t *testing.T) { killEverywhere(t, d, afterwards()) })
	}
}

// killEverywhere kills a command at each of its calls, and lets the next processes run.
func killEverywhere(t *testing.T, d deadly, afterwards map[string]func(ctx context.Context, w *fake.World) error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := fake.NewWorld()
		d.before(t, w)
		old := sortedLinks(w.String())
		p := w.Start()
		if err := d.run(t.Context(), p.Host()); err != nil {
			t.Fatal(err)
		}
		w.Settle()
		done := sortedLinks(w.String())
		for name, next := range afterwards {
			for n := range p.Calls {
				for _, after := range []bool{false, true} {
					at := fmt.Sprintf("killed at call %d, %s, done %v, then %s: the host", n, p.Calls[n], after, name)
					left := sortedLinks(killedAt(t, d, n, after, next))
					if left != old && left != done {
						t.Errorf("%s is neither as before nor as after:\n%s\nor\n%s", at, want.Diff(old, left), want.Diff(done, left))
					}
				}
			}
		}
	})
}

// killedAt returns the host after a command that was killed at its n-th call, and the next process.
func killedAt(t *testing.T, d deadly, n int, after bool, next func(ctx context.Context, w *fake.World) error) string {
	t.Helper()
	w := fake.NewWorld()
	d.before(t, w)
	p := w.Start()
	p.Fault = func(i int, _ string) fake.Fault { return fake.Fault{Kill: i == n, After: after && i == n} }
	if fake.Survives(func() { _ = d.run(t.Context(), p.Host()) }) {
		t.Fatalf("%s lives after call %d %v", d.name, n, p.Calls)
	}
	w.Settle()
	if err := next(t.Context(), w); err != nil {
		t.Errorf("killed at call %d, %s: the next one: %v", n, p.Calls[n], err)
	}
	w.Settle()
	return w.String()
}

// A reboot after kill -9 at any moment of an edit: settings that were never saved are gone. The
// tunnel is as it was, or as it is after the edit.
func TestRebootAfterAKilledEdit(t *testing.T) {
	reboot := func(t *testing.T, w *fake.World) string {
		w.Settle()
		w.Reboot()
		w.Settle()
		for _, f := range w.Profiles {
			if f.Tunnel.Mode != 0 && f.Tunnel.Autoconnect {
				if err := w.BringUp(f); err != nil {
					t.Fatal(err)
				}
			}
		}
		if _, err := w.Start().Keeper().Converge(t.Context(), ""); err != nil {
			t.Error(err)
		}
		return sortedLinks(w.String())
	}
	for _, d := range deadlies(t) {
		if !strings.HasPrefix(d.name, "edit") {
			continue
		}
		synctest.Test(t, func(t *testing.T) {
			w := fake.NewWorld()
			d.before(t, w)
			old := reboot(t, w)
			w = fake.NewWorld()
			d.before(t, w)
			p := w.Start()
			if err := d.run(t.Context(), p.Host()); err != nil {
				t.Fatal(err)
			}
			done := reboot(t, w)
			// each call counts twice: before and after its work
			inFile, inRoots := 2*slices.Index(p.Calls, "Save"), 2*slices.Index(p.Calls, "EndTrial")
			if inFile < 0 {
				inFile = inRoots
			}
			for n := range p.Calls {
				for _, after := range []bool{false, true} {
					w := fake.NewWorld()
					d.before(t, w)
					killed := w.Start()
					killed.Fault = func(i int, _ string) fake.Fault { return fake.Fault{Kill: i == n, After: after && i == n} }
					if fake.Survives(func() { _ = d.run(t.Context(), killed.Host()) }) {
						t.Fatalf("%s lives", d.name)
					}
					left := reboot(t, w)
					at := 2 * n
					if after {
						at++
					}
					// power that fails between the profile's file and root's leaves the new one and
					// the old one
					between := at > inFile && at <= inRoots
					if left != old && (at <= inFile || left != done && !between) {
						t.Errorf("%s, killed at call %d, %s, done %v, and rebooted:\n%s", d.name, n, p.Calls[n], after, want.Diff(old, left))
					}
				}
			}
		})
	}
}

// Routes of both owners are added, and nmgre is killed between the two. The routes of one owner are
// the old ones then, and those of the other the new ones; none is half set. The same command again
// completes the change.
func TestRouteAddToBothKilled(t *testing.T) {
	add := addRoutes(t, "10.30.0.0/16", "10.40.0.0/16"+multi)
	synctest.Test(t, func(t *testing.T) {
		whole, old := fake.NewWorld(), fake.NewWorld()
		haveWhole(t, whole)
		haveWhole(t, old)
		p := whole.Start()
		if err := add(t.Context(), p.Host()); err != nil {
			t.Fatal(err)
		}
		for n := range p.Calls {
			for _, after := range []bool{false, true} {
				at := fmt.Sprintf("killed at call %d, %s, done %v", n, p.Calls[n], after)
				w := fake.NewWorld()
				haveWhole(t, w)
				killed := w.Start()
				killed.Fault = func(i int, _ string) fake.Fault { return fake.Fault{Kill: i == n, After: after && i == n} }
				fake.Survives(func() { _ = add(t.Context(), killed.Host()) })
				left := settled(t, w)
				for line := range strings.Lines(left) {
					if !strings.Contains(whole.String()+old.String(), line) {
						t.Errorf("%s: there is %s", at, line)
					}
				}
				if lines := toldRoutes(t, w.Start().Host()); strings.Count(lines, ", set") != strings.Count(lines, "\n")+1 {
					t.Errorf("%s: not every route is set:\n%s", at, lines)
				}
				if err := add(t.Context(), w.Start().Host()); err != nil {
					t.Errorf("%s: again: %v", at, err)
				}
				want.Same(t, at+", then again: the host", sortedLinks(settled(t, w)), sortedLinks(whole.String()))
			}
		}
	})
}

// A user's own profile may have the note of an edit, and the name of another tunnel. Its edit is
// undone, and the other tunnel stays up.
func TestForgedEditOfAnothersName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := fake.NewWorld()
		haveWhole(t, w)
		forged := w.Named("gre1").Tunnel.Clone()
		forged.Remote = want.Addr("100.0.9.9")
		p := w.AddProfile(nm.Profile{UUID: nm.NewUUID(), ID: "forged", Users: []string{"ann"}, State: nm.StateActive, Tunnel: forged})
		forger := w.Start()
		other := forged.Clone()
		other.TTL = 9
		if _, err := forger.Update(t.Context(), p.UUID, nil, other); err != nil {
			t.Fatal(err)
		}
		p.State, forger.Dead = nm.StateInactive, true
		up := w.Named("gre1").State
		root := w.Start()
		begin := time.Now()
		if _, err := root.Host().List(t.Context()); err != nil {
			t.Fatal(err)
		}
		if p.Tunnel.TTL == 9 || p.State != nm.StateInactive || w.Named("gre1").State != up || w.Link("gre1").GRE.Remote == forged.Remote {
			t.Errorf("the host is now\n%s", w)
		}
		for _, call := range root.Calls {
			if call == "Activate" || call == "Deactivate" || call == "Reapply" {
				t.Errorf("root was led to %s", call)
			}
		}
		if took := time.Since(begin); took > time.Second {
			t.Errorf("it took %v", took)
		}
	})
}
