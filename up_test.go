package nmgre_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"nmgre"
	"nmgre/nm"
	"nmgre/nm/verify"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
	"nmgre/testdata/fake"
	"nmgre/testdata/want"
)

// An up or a down that is done in part names its outcome, and its error is not that of a failure.
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

// Up of a tunnel that is up makes it run with the whole of its profile, by a new link only if there
// must be one. If that fails, the tunnel runs as before, and the profile stays as somebody left it.
func TestUpAppliesWhatIsPending(t *testing.T) {
	ttl := func(tunnel *nm.Tunnel) { tunnel.TTL = 9 }
	for _, c := range []struct {
		name    string
		change  func(*nm.Tunnel)
		broken  string // the call that fails
		confirm error
		ttl     uint8 // of the link afterwards
		mtu     int
		told    string
		fails   bool
		anew    bool // the link is another one
	}{
		{"nothing", func(*nm.Tunnel) {}, "", nil, 64, 1476, "", false, false},
		{"a new link", ttl, "", nil, 9, 1476, "it goes down and up, since ttl needs a new link", false, true},
		{"without a new link", func(tunnel *nm.Tunnel) { tunnel.MTU = 1300 }, "", nil, 64, 1300, "mtu; it stays up", false, false},
		{"it does not come up", ttl, "Activate", nil, 64, 1476, "brought it up as it was before", true, true},
		{"not confirmed", ttl, "", errors.New("no"), 64, 1476, "undid everything", true, true},
		{"not confirmed, without a new link", func(tunnel *nm.Tunnel) { tunnel.MTU = 1300 }, "", errors.New("no"), 64, 1476, "undid everything", true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := fake.NewWorld()
				haveWhole(t, w)
				f, index := w.Named("gre1"), w.Link("gre1").Index
				c.change(&f.Tunnel)
				wanted := f.Tunnel.Clone()
				p, broke := w.Start(), false
				p.Fault = func(_ int, method string) fake.Fault {
					if method != c.broken || broke {
						return fake.Fault{}
					}
					broke = true
					return fake.Fault{Err: fake.ErrBroken}
				}
				var told []string
				h := p.Host()
				h.Progress = func(e nmgre.Event) { told = append(told, e.What) }
				if c.confirm != nil {
					h.Confirm = func(context.Context, verify.Report) error { return c.confirm }
				}
				if _, err := h.Up(t.Context(), "gre1"); (err != nil) != c.fails {
					t.Errorf("%v", err)
				}
				if all := strings.Join(told, "\n"); !strings.Contains(all, c.told) {
					t.Errorf("told:\n%s", all)
				}
				link := w.Link("gre1")
				if link == nil || link.GRE.TTL != c.ttl || link.MTU != c.mtu || (link.Index != index) != c.anew {
					t.Fatalf("the link is %+v", link)
				}
				if f.State != nm.StateActive || f.Unsaved || !f.Tunnel.SameInProfile(wanted) {
					t.Errorf("the profile is %+v", f.Profile)
				}
			})
		})
	}
}

// Up warns a user whom NetworkManager lets compare nothing, and leaves the tunnel as it is.
func TestUpWithoutRightsToCompare(t *testing.T) {
	w := fake.NewWorld()
	fake.MustCreate(t, w, fake.Simple(t))
	w.Named("gre1").Tunnel.TTL = 9
	p := w.Start()
	p.Fault = func(_ int, method string) fake.Fault {
		if method == "Pending" {
			return fake.Fault{Err: fault.ErrNotPermitted}
		}
		return fake.Fault{}
	}
	h, warned := p.Host(), false
	h.Progress = func(e nmgre.Event) {
		warned = warned || strings.Contains(e.What, "does not tell you whether gre1 runs")
	}
	if _, err := h.Up(t.Context(), "gre1"); err != nil || !warned || w.Link("gre1").GRE.TTL == 9 {
		t.Errorf("%v, warned %v", err, warned)
	}
	if _, err := p.Host().UpEffect(t.Context(), "gre1"); err != nil {
		t.Error(err)
	}
}

// A change that waits may cut the session off when it is applied.
func TestUpGuardsWhatIsPending(t *testing.T) {
	w := fake.NewWorld()
	fake.MustCreate(t, w, fake.Simple(t))
	w.Named("gre1").Tunnel.TTL = 9
	h := w.Start().Host()
	h.Session = func() nmgre.Session { return nmgre.Session{Client: want.Addr("10.10.2.9")} }
	if _, err := h.Up(t.Context(), "gre1"); !errors.Is(err, fault.ErrCutsOff) {
		t.Errorf("got %v", err)
	}
	if w.Link("gre1").GRE.TTL == 9 {
		t.Error("it was done all the same")
	}
}

// The kernel's own device cannot be a tunnel's: the hint proposes another name.
func TestUpOfAFallbackDevice(t *testing.T) {
	w := fake.NewWorld()
	w.AddLink(kernel.Link{Name: "gre0", Kind: "gre"})
	w.AddProfile(nm.Profile{UUID: "00000000-0000-4000-8000-0000000000b1", ID: "gre0", State: nm.StateInactive, Tunnel: nm.Tunnel{Name: "gre0", Mode: gre.ModeGRE, Remote: want.Addr("100.0.2.100"), Local: want.Addr("100.0.1.100")}})
	_, err := w.Start().Host().Up(t.Context(), "gre0")
	if hints := strings.Join(fault.Hints(err), "; "); err == nil || !strings.Contains(hints, "kernel's own") || !strings.Contains(hints, "--name gre1") || strings.Contains(hints, "ip -d link") {
		t.Errorf("%v, hints %s", err, hints)
	}
}
