package watchdog

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"nmgre"
	"nmgre/nm"
	"nmgre/nm/verify"
	"nmgre/testdata/fake"
	"nmgre/testdata/want"
)

// killedEdit is a host on which an edit was killed while it waited to be confirmed.
func killedEdit(t *testing.T) (w *fake.World, before string) {
	t.Helper()
	w = fake.NewWorld()
	fake.MustCreate(t, w, fake.Simple(t))
	before = w.String()
	p := w.Start()
	h := p.Host()
	planned, err := h.PlanEdit(t.Context(), "gre1", func(tunnel *nm.Tunnel) error { tunnel.MTU, tunnel.ClampMSS = 1400, true; return nil })
	if err != nil {
		t.Fatal(err)
	}
	if fake.Survives(func() {
		_, _ = h.Edit(t.Context(), planned, nmgre.EditOptions{Confirm: func(ctx context.Context, _ verify.Report) error {
			p.Fault = func(int, string) fake.Fault { return fake.Fault{Kill: true} }
			_, err := h.Kernel.Links(ctx)
			return err
		}})
	}) {
		t.Fatal("it lives")
	}
	return w, before
}

// A killed edit is undone, also when NetworkManager is away at first.
func TestUndo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, before := killedEdit(t)
		tried := 0
		err := Undo(t.Context(), func(context.Context) (*nmgre.Host, func(), error) {
			if tried++; tried < 4 {
				return nil, nil, errors.New("the bus is away")
			}
			return w.Start().Host(), func() {}, nil
		}, "")
		if err != nil {
			t.Error(err)
		}
		want.Same(t, "the host", w.String(), before)
	})
}

// The last line of the command is carried out, and once.
func TestUndoUpAndDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := fake.NewWorld()
		fake.MustCreate(t, w, fake.Simple(t))
		open := func(context.Context) (*nmgre.Host, func(), error) { return w.Start().Host(), func() {}, nil }
		for _, what := range []string{"down gre1", "up gre1", "down gre1"} {
			if err := Undo(t.Context(), open, what); err != nil {
				t.Error(err)
			}
			if up := w.Named("gre1").State == nm.StateActive; up != (what == "up gre1") {
				t.Errorf("%s: up %v", what, up)
			}
		}
	})
}

// It does not try for ever.
func TestUndoEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tried := 0
		away := errors.New("away")
		err := Undo(t.Context(), func(context.Context) (*nmgre.Host, func(), error) { tried++; return nil, nil, away }, "")
		if !errors.Is(err, away) || tried != tries {
			t.Errorf("%d tries, %v", tried, err)
		}
	})
}
