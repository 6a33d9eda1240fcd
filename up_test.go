package nmgre_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"nmgre"
	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/testdata/fake"
)

// An up or a down that is done in part says what is there, and is told from one that failed.
func TestDoneInPart(t *testing.T) {
	up := func(ctx context.Context, h *nmgre.Host) error { _, err := h.Up(ctx, "gre1"); return err }
	down := func(ctx context.Context, h *nmgre.Host) error { _, err := h.Down(ctx, "gre1"); return err }
	failing := func(method string) func(w *fake.World, p *fake.Process) {
		return func(_ *fake.World, p *fake.Process) {
			p.Fault = func(_ int, called string) fake.Fault {
				if called == method {
					return fake.Fault{Err: fake.ErrBroken}
				}
				return fake.Fault{}
			}
		}
	}
	for _, c := range []struct {
		name  string
		isUp  bool // before
		spoil func(w *fake.World, p *fake.Process)
		do    func(context.Context, *nmgre.Host) error
		up    bool // afterwards
		words string
	}{
		{"the kernel does not set the routes", false, failing("SyncRoutes"), up, true, "gre1 is up, but not everything is set"},
		{"nor for a tunnel that is up", true, failing("SyncRoutes"), up, true, "gre1 is up, but not everything is set"},
		{"the rules cannot be set", false, failing("SetRules"), up, true, "broken"},
		{"root's file cannot be read", false, func(w *fake.World, _ *fake.Process) { w.FileErr = fake.ErrBroken }, up, true, "broken"},
		{"the profile has another interface than root's file", false, func(w *fake.World, _ *fake.Process) {
			f := w.Named("gre1")
			kept := w.Files[f.UUID]
			kept.Name = "gre7"
			w.Files[f.UUID] = kept
		}, up, true, "the interface of the profile is gre1 by now"},
		{"neither root nor the hook", false, func(w *fake.World, _ *fake.Process) { w.NoRoot, w.Hook = true, fake.ErrBroken }, up, true, "only root can set it, or the hook"},
		{"the rules cannot be removed", true, failing("SetRules"), down, false, "gre1 is down, but not everything is gone"},
		{"the link stays", true, func(w *fake.World, p *fake.Process) {
			p.Turn = func(_ int, method string) {
				if l := w.Link("gre1"); l != nil && method == "Links" {
					l.Dying = 2
				}
			}
		}, down, false, "the device gre1 is still there"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := fake.NewWorld()
				haveWhole(t, w)
				if !c.isUp {
					if err := down(t.Context(), w.Start().Host()); err != nil {
						t.Fatal(err)
					}
				}
				p := w.Start()
				c.spoil(w, p)
				err := c.do(t.Context(), p.Host())
				if !errors.Is(err, fault.ErrHalfDone) || !strings.Contains(err.Error(), c.words) || len(fault.Hints(err)) == 0 {
					t.Errorf("got %v", err)
				}
				if isUp := w.Named("gre1").State == nm.StateActive; isUp != c.up {
					t.Errorf("up %v", isUp)
				}
			})
		})
	}
}

// A profile made by hand may have a name that begins with a dash. The command in a hint takes it
// for a name all the same.
func TestHintForADash(t *testing.T) {
	w := fake.NewWorld()
	takenDown(t, w)
	f := w.Named("gre1")
	f.Tunnel.Name = "-gre1"
	kept := w.Files[f.UUID]
	kept.Name = f.Tunnel.Name
	w.Files[f.UUID] = kept
	p := w.Start()
	p.Fault = func(_ int, called string) fake.Fault {
		if called == "SetRules" {
			return fake.Fault{Err: fake.ErrBroken}
		}
		return fake.Fault{}
	}
	_, err := p.Host().Up(t.Context(), f.UUID)
	if hints := fault.Hints(err); len(hints) == 0 || hints[0] != "see what is there: nmgre verify -- -gre1" {
		t.Errorf("%v, %q", err, hints)
	}
}
