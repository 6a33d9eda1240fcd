package nmgre_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"nmgre"
	"nmgre/nm"
	"nmgre/nm/plan"
	"nmgre/nm/verify"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
	"nmgre/testdata/fake"
	"nmgre/testdata/want"
)

// NetworkManager is upgraded, or an older one comes back, while a tunnel is there: looking changes
// nothing, the tunnel works as before, and can be deleted without a rest.
func TestNetworkManagerUpgraded(t *testing.T) {
	versions := []nm.Version{nm.MinVersion, {Major: 1, Minor: 52}, {Major: 1, Minor: 58}}
	for _, from := range versions {
		for _, to := range versions {
			synctest.Test(t, func(t *testing.T) {
				ctx, w := t.Context(), fake.NewWorld()
				initial := w.String()
				w.NM.Version = from
				haveWhole(t, w)
				made := w.String()
				w.NM.Version = to
				h := w.Start().Host()
				at := fmt.Sprintf("from %v to %v: ", from, to)
				if report, err := h.Verify(ctx, "gre1", verify.Options{}); err != nil || report.Verdict == verify.Fail {
					t.Errorf("%s%v\n%s", at, err, fake.ReportText(report))
				}
				if _, err := h.Keeper.Converge(ctx, ""); err != nil {
					t.Error(at, err)
				}
				want.Same(t, at+"the host after looking", w.String(), made)
				for _, do := range []func() error{
					func() error { return addRoutes(t, "10.30.0.0/16", "10.40.0.0/16"+multi)(ctx, h) },
					func() error { _, err := h.Down(ctx, "gre1"); return err },
					func() error { _, err := h.Up(ctx, "gre1"); return err },
					func() error {
						_, err := h.ChangeRoutes(ctx, "gre1", plan.RouteChange{Op: plan.RouteDelete, Routes: specs(t, "10.30.0.0/16", "10.40.0.0/16"+multi)})
						return err
					},
				} {
					if err := do(); err != nil {
						t.Error(at, err)
					}
				}
				want.Same(t, at+"the host after down and up", w.String(), made)
				if _, err := h.Delete(ctx, "gre1"); err != nil {
					t.Error(at, err)
				}
				want.Same(t, at+"the host after delete", w.String(), initial)
			})
		}
	}
}

// On a kernel without GRE, and on one whose nftables cannot do NAT, a create that needs it changes
// nothing and names the missing module. One that does not need it succeeds.
func TestKernelLacks(t *testing.T) {
	for _, test := range []struct {
		name  string
		lacks func(p *fake.Process)
		plain bool // a tunnel without SNAT can be made
	}{
		{"gre", func(p *fake.Process) { p.Unsupported = map[gre.Mode]bool{gre.ModeGRE: true} }, false},
		{"nft_nat", func(p *fake.Process) {
			p.Fault = func(_ int, method string) fake.Fault {
				if method == "SetRules" || method == "Missing" {
					return fake.Fault{Err: &fault.Error{Kind: fault.ErrUnsupported, What: "no nft_nat"}}
				}
				return fake.Fault{}
			}
		}, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := fake.NewWorld().Start()
			before := p.String()
			test.lacks(p)
			if _, err := fake.Create(t.Context(), p.Host(), whole(t)); !errors.Is(err, fault.ErrUnsupported) {
				t.Errorf("%s: %v", test.name, err)
			}
			p.Settle()
			want.Same(t, test.name+": the host", p.String(), before)
			if _, err := fake.Create(t.Context(), p.Host(), fake.Simple(t)); (err == nil) != test.plain {
				t.Errorf("%s: a tunnel without SNAT: %v", test.name, err)
			}
		})
	}
}

// fighters are the commands that meet.
func fighters(t *testing.T) map[string]func(ctx context.Context, h *nmgre.Host) error {
	edit := func(change func(*nm.Tunnel)) func(ctx context.Context, h *nmgre.Host) error {
		return func(ctx context.Context, h *nmgre.Host) error {
			planned, err := h.PlanEdit(ctx, "gre1", func(tunnel *nm.Tunnel) error { change(tunnel); return nil })
			if err == nil {
				_, err = h.Edit(ctx, planned, nmgre.EditOptions{NoProbe: true})
			}
			return err
		}
	}
	other := whole(t)
	other.Name, other.Remote, other.Addresses = "gre2", want.Addr("100.0.3.100"), want.CIDRs("172.17.0.1/30")
	other.Routes = specs(t, "10.10.3.0/24", "10.60.0.0/16 nexthop via 172.17.0.2 nexthop via 100.0.1.1 dev eth0")
	return map[string]func(ctx context.Context, h *nmgre.Host) error{
		"create": func(ctx context.Context, h *nmgre.Host) error { _, err := fake.Create(ctx, h, other); return err },
		"edit":   edit(func(tunnel *nm.Tunnel) { tunnel.MTU = 1400 }),
		"rekey":  edit(func(tunnel *nm.Tunnel) { k := gre.Key(42); tunnel.InputKey, tunnel.OutputKey = &k, &k }),
		"up":     func(ctx context.Context, h *nmgre.Host) error { _, err := h.Up(ctx, "gre1"); return err },
		"down":   func(ctx context.Context, h *nmgre.Host) error { _, err := h.Down(ctx, "gre1"); return err },
		"delete": func(ctx context.Context, h *nmgre.Host) error { _, err := h.Delete(ctx, "gre1"); return err },
		"route":  addRoutes(t, "10.30.0.0/16", "10.40.0.0/16"+multi),
		"hook":   func(ctx context.Context, h *nmgre.Host) error { _, err := h.Keeper.Converge(ctx, ""); return err },
	}
}

// Two commands meet, in every order of their calls. The host is then as if one had come after the
// other. A command that fails says so and has done nothing.
func TestTwoCommandsAtOnce(t *testing.T) {
	for _, pair := range []string{
		"edit and edit", "edit and rekey", "edit and route", "edit and delete", "edit and hook", "delete and delete", "delete and route", "delete and hook", "up and down",
		"down and delete", "down and hook", "route and hook", "route and down", "hook and hook",
		"create and down", "create and delete", "create and route", "create and hook",
	} {
		t.Run(pair, func(t *testing.T) { fight(t, pair) })
	}
}

// fight lets the two commands of a pair meet.
func fight(t *testing.T, pair string) {
	t.Helper()
	nameA, nameB, _ := strings.Cut(pair, " and ")
	synctest.Test(t, func(t *testing.T) {
		commands := fighters(t)
		first, second := commands[nameA], commands[nameB]
		alone := func(run ...func(ctx context.Context, h *nmgre.Host) error) (state string, calls int) {
			w := fake.NewWorld()
			haveWhole(t, w)
			for _, f := range run {
				p := w.Start()
				_ = f(t.Context(), p.Host()) // the second may find no tunnel any more
				calls = max(calls, len(p.Calls))
			}
			return settled(t, w), calls
		}
		one, n := alone(first)
		two, m := alone(second)
		both, _ := alone(first, second)
		reverse, _ := alone(second, first)
		none, _ := alone()
		for i := range n + 1 {
			for j := range m + 1 {
				w := fake.NewWorld()
				haveWhole(t, w)
				a, b := w.Start(), w.Start()
				var errA, errB error
				fake.Schedule(a, b, i, j, func() { errA = first(t.Context(), a.Host()) }, func() { errB = second(t.Context(), b.Host()) })
				got := settled(t, w)
				allowed := []string{both, reverse}
				if errB != nil {
					allowed = append(allowed, one)
				}
				if errA != nil {
					allowed = append(allowed, two)
				}
				if errA != nil && errB != nil {
					allowed = append(allowed, none)
				}
				if !oneOf(got, allowed) {
					t.Errorf("%d calls of %s (%v), %d of %s (%v), then the rest:\n%s", i, nameA, errA, j, nameB, errB, want.Diff(both, got))
					return
				}
			}
		}
	})
}

func oneOf(got string, allowed []string) bool {
	for _, state := range allowed {
		if sortedLinks(got) == sortedLinks(state) {
			return true
		}
	}
	return false
}

// settled returns the host when NetworkManager's dispatcher has called the hook.
func settled(t *testing.T, w *fake.World) string {
	t.Helper()
	w.Settle()
	if _, err := w.Start().Keeper().Converge(t.Context(), ""); err != nil {
		t.Error(err)
	}
	return w.String()
}

// The LAN's device, or the tunnel's link, is removed and made anew, by hand or with its driver. The
// hook of the event that follows sets all again that went with it.
func TestDeviceMadeAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := fake.NewWorld()
		haveWhole(t, w)
		made := settled(t, w)
		lan := w.Link("eth1").Link
		w.RemoveLink("eth1")
		settled(t, w)
		w.AddLink(lan)
		want.Same(t, "the LAN's device: the host", sortedLinks(settled(t, w)), sortedLinks(made))

		f := w.Named("gre1")
		w.RemoveLink("gre1")
		w.BringDown(f)
		if own := ownTable(w); len(own) > 0 {
			t.Errorf("without the link there are %v", own)
		}
		settled(t, w)
		if err := w.BringUp(f); err != nil {
			t.Fatal(err)
		}
		want.Same(t, "the tunnel's link: the host", sortedLinks(settled(t, w)), sortedLinks(made))
	})
}

// ownTable returns nmgre's own routes.
func ownTable(w *fake.World) (own []fake.Route) {
	for _, r := range w.Table {
		if r.Protocol == kernel.RouteProtocol {
			own = append(own, r)
		}
	}
	return own
}

// mortal is the Keeper of a user without root, whose helper is killed at a call. Those that she
// starts later live.
type mortal struct {
	*asking
	w     *fake.World
	at    int
	after bool
	first *fake.Process // the helper that is killed
	tried string        // the UUID of the tunnel of its trial
}

var errNoAnswer = &fault.Error{Kind: fault.ErrLeftBehind, What: "the helper ended without an answer"}

// start begins a process of root's.
func (m *mortal) start() *fake.Process {
	p := m.w.Start()
	p.AsRoot = true
	if m.first == nil {
		m.first = p
		p.Fault = func(i int, _ string) fake.Fault { return fake.Fault{Kill: i == m.at, After: m.after && i == m.at} }
	}
	return p
}

// answer is that of a helper which may be killed meanwhile, or before.
func answer(p *fake.Process, run func() error) (err error) {
	if p.Dead || !fake.Survives(func() { err = run() }) {
		return errNoAnswer
	}
	return err
}

func (m *mortal) Keep(ctx context.Context, k keep.Kept, progress func(done, total int)) (c keep.Converged, err error) {
	p := m.start()
	err = answer(p, func() (err error) { c, err = p.Keeper().Keep(ctx, k, progress); return err })
	return c, err
}

func (m *mortal) Try(ctx context.Context, k keep.Kept, byProfile bool, progress func(done, total int)) (c keep.Converged, t keep.Trial, err error) {
	p := m.start()
	err = answer(p, func() (err error) { c, _, err = p.Keeper().Try(ctx, k, byProfile, progress); return err })
	m.tried = k.UUID
	return c, mortalTrial{p, p.Keeper().Trial(k.UUID)}, err
}

func (m *mortal) Forget(ctx context.Context, uuid string) error {
	p := m.start()
	return answer(p, func() error { return p.Keeper().Forget(ctx, uuid) })
}

// mortalTrial is a trial of a helper that may be killed.
type mortalTrial struct {
	by *fake.Process
	keep.Trial
}

func (t mortalTrial) Save(ctx context.Context) error {
	return answer(t.by, func() error { return t.Trial.Save(ctx) })
}

func (t mortalTrial) Drop(ctx context.Context) error {
	return answer(t.by, func() error { return t.Trial.Drop(ctx) })
}

// kill -9 of the helper, before and after each of its calls. The command fails and undoes its work,
// or succeeds. After the hook, the host is as it was before the command, or as after it.
func TestHelperKilledAtEveryCall(t *testing.T) {
	for _, d := range deadlies(t) {
		switch d.name {
		case "create", "delete", "route add to the kernel":
			t.Run(d.name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { killHelper(t, d) }) })
		}
	}
}

// kill -9 of a command without root, before and after each of its calls. Its helper, which lives,
// hears of it. After the next command and the hook, the host is as it was before the command, or as
// after it.
func TestCallerKilledAtEveryCall(t *testing.T) {
	for _, d := range deadlies(t) {
		switch d.name {
		case "create", "delete", "route add to the kernel", "edit of what root keeps", "edit with a new link, another name and another SNAT":
			t.Run(d.name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { killCaller(t, d) }) })
		}
	}
}

func killCaller(t *testing.T, d deadly) {
	t.Helper()
	run := func(at int, after bool) (state string, calls []string) {
		w := fake.NewWorld()
		d.before(t, w)
		p, keeper, h := worldAnn(w)
		m := &mortal{asking: keeper, w: w, at: -1}
		h.Keeper = m
		p.Fault = func(i int, _ string) fake.Fault { return fake.Fault{Kill: i == at, After: after && i == at} }
		var err error
		if alive := fake.Survives(func() { err = d.run(t.Context(), h) }); alive != (at < 0) || err != nil {
			t.Fatalf("killed at call %d, %s: lives %v, %v", at, p.Calls[at], alive, err)
		}
		if at >= 0 && m.tried != "" {
			if err := m.first.Keeper().Abandon(t.Context(), m.tried); err != nil {
				t.Error(err)
			}
		}
		w.NoRoot = false
		w.Settle()
		if err := listed(t.Context(), w); err != nil {
			t.Error(err)
		}
		return sortedLinks(settled(t, w)), p.Calls
	}
	w := fake.NewWorld()
	d.before(t, w)
	old := sortedLinks(settled(t, w))
	done, calls := run(-1, false)
	for n := range calls {
		for _, after := range []bool{false, true} {
			if got, _ := run(n, after); got != old && got != done {
				t.Errorf("killed at call %d, %s, done %v: the host is neither as before nor as after:\n%s\nor\n%s", n, calls[n], after, want.Diff(old, got), want.Diff(done, got))
			}
		}
	}
}

func killHelper(t *testing.T, d deadly) {
	t.Helper()
	run := func(at int, after bool) (state string, calls []string, err error) {
		w := fake.NewWorld()
		d.before(t, w)
		_, keeper, h := worldAnn(w)
		m := &mortal{asking: keeper, w: w, at: at, after: after}
		h.Keeper = m
		err = d.run(t.Context(), h)
		w.NoRoot = false
		return settled(t, w), m.first.Calls, err
	}
	w := fake.NewWorld()
	d.before(t, w)
	old := settled(t, w)
	done, calls, err := run(-1, false)
	if err != nil || len(calls) == 0 {
		t.Fatalf("the helper's calls are %v, %v", calls, err)
	}
	for n := range calls {
		for _, after := range []bool{false, true} {
			got, _, err := run(n, after)
			if got != old && got != done || err == nil && got != done {
				t.Errorf("killed at call %d, %s, done %v (%v): the host is neither as before nor as after:\n%s\nor\n%s", n, calls[n], after, err, want.Diff(old, got), want.Diff(done, got))
			}
		}
	}
}
