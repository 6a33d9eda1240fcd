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
	"nmgre/nm/plan"
	"nmgre/nm/verify"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/testdata/fake"
	"nmgre/testdata/want"
)

// asking is the Keeper of a user who is not root. A process of root's does the work when it is
// asked.
type asking struct {
	*keep.LocalKeeper
	may, refused error // of MayKeep, and of being asked
	asked        []string
	gone         bool // the helper is gone
}

func (a *asking) MayKeep() error { return a.may }

func (a *asking) Keep(ctx context.Context, k keep.Kept, progress func(done, total int)) (keep.Converged, error) {
	a.asked = append(a.asked, "keep")
	if a.refused != nil {
		return keep.Converged{}, a.refused
	}
	return a.LocalKeeper.Keep(ctx, k, progress)
}

func (a *asking) Try(ctx context.Context, k keep.Kept, byProfile bool, progress func(done, total int)) (keep.Converged, keep.Trial, error) {
	a.asked = append(a.asked, "try")
	if a.refused != nil {
		return keep.Converged{}, nil, a.refused
	}
	if k.Name == "" { // as a request to the helper
		return keep.Converged{}, nil, &fault.Error{Kind: fault.ErrInvalid, What: "it names no tunnel"}
	}
	c, trial, err := a.LocalKeeper.Try(ctx, k, byProfile, progress)
	return c, helped{trial, a}, err
}

// helped is a trial of the helper's, which may have gone.
type helped struct {
	keep.Trial
	by *asking
}

func (h helped) Drop(ctx context.Context) error {
	if h.by.gone {
		return fake.ErrBroken
	}
	return h.Trial.Drop(ctx)
}

func (a *asking) Forget(ctx context.Context, uuid string) error {
	a.asked = append(a.asked, "forget")
	if a.refused != nil {
		return a.refused
	}
	return a.LocalKeeper.Forget(ctx, uuid)
}

func (a *asking) Converge(ctx context.Context, about string) (keep.Converged, error) {
	a.asked = append(a.asked, "converge")
	return a.LocalKeeper.Converge(ctx, about)
}

// worldAnn returns a process of a user who is not root, with her Keeper.
func worldAnn(w *fake.World) (*fake.Process, *asking, *nmgre.Host) {
	w.NoRoot = true
	root := w.Start()
	root.AsRoot = true
	p, keeper := w.Start(), &asking{LocalKeeper: root.Keeper()}
	h := p.Host()
	h.Keeper = keeper
	return p, keeper, h
}

var errDismissed = &fault.Error{Kind: fault.ErrNotPermitted, What: "dismissed", Hint: fault.HintRoot}

// A user who is not root makes, changes and deletes a tunnel with kept routes. She is asked once
// for each, and never for reading.
func TestWithoutRoot(t *testing.T) {
	w := fake.NewWorld()
	before := w.String()
	_, keeper, h := worldAnn(w)
	asked := func(what string, expected ...string) {
		t.Helper()
		if !slices.Equal(keeper.asked, expected) {
			t.Errorf("%s: asked %q, want %q", what, keeper.asked, expected)
		}
		keeper.asked = nil
	}
	if _, err := fake.Create(t.Context(), h, fake.Simple(t)); err != nil {
		t.Fatal(err)
	}
	asked("create", "try")
	if len(w.Files) != 1 || len(worldRoutesOf(w, "gre1")) == 0 {
		t.Errorf("after create:\n%s", w)
	}
	for _, look := range []func() error{
		func() error { _, err := h.List(t.Context()); return err },
		func() error { _, err := h.Show(t.Context(), "gre1"); return err },
		func() error { _, _, err := h.Routes(t.Context(), "gre1"); return err },
		func() error { _, err := h.Verify(t.Context(), "gre1", verify.Options{}); return err },
		func() error { _, err := h.Down(t.Context(), "gre1"); return err },
		func() error { _, err := h.Up(t.Context(), "gre1"); return err },
	} {
		if err := look(); err != nil {
			t.Error(err)
		}
	}
	asked("looking, down and up")
	change := plan.RouteChange{Op: plan.RouteAdd, Routes: []routes.Route{routes.MustParse("10.40.0.0/16 nexthop via 172.16.0.2 nexthop via 172.16.0.2 weight 2")}}
	if _, err := h.ChangeRoutes(t.Context(), "gre1", change); err != nil {
		t.Error(err)
	}
	asked("route add", "try")
	change.Routes = []routes.Route{routes.MustParse("10.50.0.0/16")}
	if _, err := h.ChangeRoutes(t.Context(), "gre1", change); err != nil {
		t.Error(err)
	}
	asked("route add of the profile's own")
	if _, err := h.Delete(t.Context(), "gre1"); err != nil {
		t.Error(err)
	}
	asked("delete", "try")
	want.Same(t, "the host", w.String(), before)
}

// A user who cannot ask for root's rights gets the reason before anything is done.
func TestWithoutRootAndPolkit(t *testing.T) {
	w := fake.NewWorld()
	before := w.String()
	_, keeper, h := worldAnn(w)
	keeper.may = &fault.Error{Kind: fault.ErrNotPermitted, What: "pkexec is not installed", Hint: fault.HintRoot}
	_, err := h.Plan(t.Context(), fake.Simple(t))
	if !errors.Is(err, fault.ErrNotPermitted) || !strings.HasSuffix(err.Error(), "nmgre needs root for that: pkexec is not installed") || !slices.Equal(fault.Hints(err), []string{fault.HintRoot}) {
		t.Errorf("%v, hints %q", err, fault.Hints(err))
	}
	want.Same(t, "the host", w.String(), before)
	keeper.may = nil
	if _, err := fake.Create(t.Context(), h, fake.Simple(t)); err != nil {
		t.Fatal(err)
	}
	made := w.String()
	keeper.may = errDismissed
	if _, err := h.Delete(t.Context(), "gre1"); !errors.Is(err, fault.ErrNotPermitted) {
		t.Error(err)
	}
	want.Same(t, "the host", w.String(), made)
	if !slices.Equal(keeper.asked, []string{"try"}) {
		t.Errorf("asked %q", keeper.asked)
	}
}

// If the user dismisses the question, nothing changes, and she is not asked again for the undo.
func TestWithoutRootDismissed(t *testing.T) {
	w := fake.NewWorld()
	before := w.String()
	_, keeper, h := worldAnn(w)
	keeper.refused = errDismissed
	if _, err := fake.Create(t.Context(), h, fake.Simple(t)); !errors.Is(err, fault.ErrNotPermitted) || len(want.Flatten(err)) != 1 {
		t.Error(err)
	}
	if !slices.Equal(keeper.asked, []string{"try"}) {
		t.Errorf("create: asked %q", keeper.asked)
	}
	want.Same(t, "the host after create", w.String(), before)

	keeper.refused, keeper.asked = nil, nil
	if _, err := fake.Create(t.Context(), h, fake.Simple(t)); err != nil {
		t.Fatal(err)
	}
	made := w.String()
	keeper.refused, keeper.asked = errDismissed, nil
	change := plan.RouteChange{Op: plan.RouteAdd, Routes: []routes.Route{routes.MustParse("10.40.0.0/16 nexthop via 172.16.0.2 nexthop via 172.16.0.2 weight 2"), routes.MustParse("10.50.0.0/16")}}
	if _, err := h.ChangeRoutes(t.Context(), "gre1", change); !errors.Is(err, fault.ErrNotPermitted) {
		t.Error(err)
	}
	if _, err := h.Delete(t.Context(), "gre1"); !errors.Is(err, fault.ErrNotPermitted) {
		t.Error(err)
	}
	if !slices.Equal(keeper.asked, []string{"try", "try"}) {
		t.Errorf("asked %q", keeper.asked)
	}
	want.Same(t, "the host after all", w.String(), made)
}

// A failure is undone without another question, which the person may not be there to answer: the
// helper drops its trial. If the helper is gone, its trial has no effect, and the hook removes the
// rest.
func TestWithoutRootUndo(t *testing.T) {
	add := func(ctx context.Context, h *nmgre.Host) error {
		change := plan.RouteChange{Op: plan.RouteAdd, Routes: []routes.Route{routes.MustParse("10.40.0.0/16 nexthop via 172.16.0.2 nexthop via 172.16.0.2 weight 2"), routes.MustParse("10.50.0.0/16")}}
		_, err := h.ChangeRoutes(ctx, "gre1", change)
		return err
	}
	edit := func(ctx context.Context, h *nmgre.Host) error {
		planned, err := h.PlanEdit(ctx, "gre1", func(tunnel *nm.Tunnel) error { tunnel.MTU, tunnel.ClampMSS = 1400, true; return nil })
		if err == nil {
			_, err = h.Edit(ctx, planned, nmgre.EditOptions{})
		}
		return err
	}
	create := func(ctx context.Context, h *nmgre.Host) error {
		_, err := fake.Create(ctx, h, fake.Simple(t))
		return err
	}
	remove := func(ctx context.Context, h *nmgre.Host) error { _, err := h.Delete(ctx, "gre1"); return err }
	for _, test := range []struct {
		name   string
		there  bool   // the tunnel is there before
		method string // this call fails, when root tries already
		do     func(context.Context, *nmgre.Host) error
	}{{"create", false, "Save", create}, {"edit", true, "Save", edit}, {"route add", true, "SetRoutes", add}, {"delete", true, "Delete", remove}} {
		for _, gone := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, the helper is gone %v", test.name, gone), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := fake.NewWorld()
					if test.there {
						fake.MustCreate(t, w, fake.Simple(t))
					}
					before := w.String()
					p, keeper, h := worldAnn(w)
					root := w.Start()
					root.AsRoot = true
					keeper.LocalKeeper = root.Keeper()
					failed := false
					p.Fault = func(_ int, method string) fake.Fault {
						if method != test.method || len(keeper.asked) == 0 || failed {
							return fake.Fault{}
						}
						failed, root.Dead, keeper.gone = true, gone, gone
						return fake.Fault{Err: fake.ErrBroken}
					}
					if err := test.do(t.Context(), h); !errors.Is(err, fake.ErrBroken) {
						t.Error(err)
					}
					if !slices.Equal(keeper.asked, []string{"try"}) {
						t.Errorf("asked %q", keeper.asked)
					}
					w.Settle()
					if gone {
						hook := w.Start()
						hook.AsRoot = true
						if _, err := hook.Keeper().Converge(t.Context(), ""); err != nil {
							t.Error(err)
						}
						p.Dead = true
						if _, err := w.Start().Host().List(t.Context()); err != nil { // her next command
							t.Error(err)
						}
						w.Settle()
					}
					want.Same(t, "the host", sortedLinks(w.String()), sortedLinks(before))
				})
			})
		}
	}
}

// toKeep returns a host with a tunnel, and the routes and rules that root is to keep for it.
func toKeep(t *testing.T) (*fake.World, keep.Kept) {
	t.Helper()
	w, tunnel := fake.NewWorld(), fake.Simple(t)
	tunnel.Routes = nil
	created := fake.MustCreate(t, w, tunnel)
	return w, keep.Kept{UUID: created.Status.UUID, Name: "gre1", Remote: tunnel.Remote, Inner: want.CIDRs("172.16.0.0/30"), Routes: specs(t, "10.20.0.0/16"+multi),
		SNAT: []keep.SNAT{{Dst: want.CIDR("10.10.1.0/24"), Source: want.Addr("10.10.1.1")}}, Forward: []string{"gre1", "eth1"}, ClampMSS: true}
}

// The undo asks for root's rights only if something may have been left behind.
func TestKeepSaysWhatIsLeft(t *testing.T) {
	for _, test := range []struct {
		method string
		left   bool
	}{{"Lock", false}, {"Write", false}, {"SetRules", false}, {"SyncRoutes", false}} {
		w, k := toKeep(t)
		before := w.String()
		p := w.Start()
		calls := 0
		p.Fault = func(_ int, method string) fake.Fault {
			if method != test.method {
				return fake.Fault{}
			}
			calls++
			return fake.Fault{Err: map[bool]error{true: fake.ErrBroken}[calls == 1]}
		}
		_, err := p.Keeper().Keep(t.Context(), k, nil)
		if !errors.Is(err, fake.ErrBroken) || errors.Is(err, fault.ErrLeftBehind) != test.left {
			t.Errorf("%s: %v", test.method, err)
		}
		want.Same(t, test.method+": the host", w.String(), before)
	}
	w, k := toKeep(t)
	p := w.Start()
	p.Fault = func(_ int, method string) fake.Fault {
		return fake.Fault{Err: map[bool]error{true: fake.ErrBroken}[method == "SyncRoutes"]}
	}
	if _, err := p.Keeper().Keep(t.Context(), k, nil); !errors.Is(err, fault.ErrLeftBehind) {
		t.Errorf("a kernel that refuses everything: %v", err)
	}
}
