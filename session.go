package nmgre

import (
	"context"
	"errors"
	"net/netip"

	"nmgre/nm"
	"nmgre/nm/cut"
	"nmgre/nm/plan"
	"nmgre/nm/verify"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
)

// Session is the connection by which a person sits at this host, such as one of ssh.
type Session struct {
	Client netip.Addr // the person's host; the zero Addr if there is no session
	Server netip.Addr // the address of this host that the client connected to; may be the zero Addr
}

// CutsOff says whether a change may cut a session off: whether packets to the session's client, or
// to the far ends of the tunnels that carry them, would go another way than now. The zero session
// cannot be cut off, nor can one from this host itself.
func (h *Host) CutsOff(ctx context.Context, e plan.Effect, s Session) (bool, error) {
	cuts, err := cut.Off(ctx, h.Kernel, e, s.Client.Unmap(), s.Server.Unmap())
	return cuts, fault.Ended(ctx, err)
}

// guarded returns the host that carries out a change, whose Confirm is the right one for it. It
// refuses a change that may cut off the person's session, unless the person is asked to confirm it,
// or insists. Every method that changes something calls it before it begins.
func (h *Host) guarded(ctx context.Context, effect func() plan.Effect) (*Host, error) {
	if h.Session == nil {
		return h, nil
	}
	safe := *h
	safe.Session = nil
	s := h.Session()
	if !s.Client.IsValid() {
		return &safe, nil
	}
	cuts, err := h.CutsOff(ctx, effect(), s)
	if err != nil || !cuts {
		return &safe, err
	}
	if h.ConfirmCut != nil {
		safe.Confirm = h.ConfirmCut
	}
	what := "the route to your ssh client " + s.Client.String() + " leads through what is changed: it may cut your session off"
	if safe.Confirm != nil || h.Insist {
		h.warn(what)
		return &safe, nil
	}
	return nil, &fault.Error{Kind: fault.ErrCutsOff, Field: "confirm", What: what,
		Hint: "add --confirm 60s: unless you press Enter within that time, everything is undone"}
}

// UpEffect returns the effect of [Host.Up].
func (h *Host) UpEffect(ctx context.Context, name string) (plan.Effect, error) {
	p, err := h.own(ctx, name)
	if err != nil {
		return plan.Effect{}, err
	}
	waiting, err := h.pending(ctx, p)
	if errors.Is(err, fault.ErrNotPermitted) {
		err = nil // Up tells
	}
	return h.upEffect(ctx, p, waiting), err
}

// upEffect returns the effect of bringing p up. A tunnel that is up gets the kept routes that the
// kernel lacks, and its profile's pending settings. A kept file that cannot be read has no effect.
func (h *Host) upEffect(ctx context.Context, p nm.Profile, waiting nm.Pending) plan.Effect {
	k, err := keep.Of(ctx, h.Store, p.UUID)
	if err != nil {
		k = keep.Kept{}
	}
	has := func(int) bool { return false }
	if missing, err := keep.Missing(ctx, h.Kernel, p.Running(), k); err == nil && p.State == nm.StateActive {
		has = func(i int) bool { return !missing[i] }
	}
	return plan.UpEffect(p, waiting, k, has)
}

// DownEffect returns the effect of [Host.Down] and [Host.Delete].
func (h *Host) DownEffect(ctx context.Context, name string) (plan.Effect, error) {
	p, err := h.own(ctx, name)
	return h.downEffect(ctx, p), err
}

// downEffect returns the effect of taking p down. A kept file that cannot be read has no effect.
func (h *Host) downEffect(ctx context.Context, p nm.Profile) plan.Effect {
	k, err := keep.Of(ctx, h.Store, p.UUID)
	if err != nil {
		k = keep.Kept{}
	}
	return plan.DownEffect(p, k)
}

// confirmName names the step that asks for a confirmation, or is empty if nobody is asked.
func (h *Host) confirmName() string {
	if h.Confirm == nil {
		return ""
	}
	return "asked whether to keep it"
}

// asked asks for the confirmation, if there is somebody to ask.
func (h *Host) asked(ctx context.Context, applied verify.Report) error {
	if h.Confirm == nil {
		return nil
	}
	return h.Confirm(ctx, applied)
}

// confirmed asks whether a change without a report stays. If it does not, undo undoes it.
func (h *Host) confirmed(ctx context.Context, undo func(context.Context) error) error {
	err := h.asked(ctx, verify.Report{})
	if err == nil {
		return nil
	}
	err = fault.Ended(ctx, err)
	if undoErr := h.undo(ctx, "undid everything", undo); undoErr != nil {
		err = errors.Join(err, &fault.Error{What: "could not undo everything", Err: undoErr, Hint: "nmgre list shows the present state"})
	}
	return err
}
