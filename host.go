package nmgre

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"nmgre/nm"
	"nmgre/nm/ends"
	"nmgre/nm/find"
	"nmgre/nm/notice"
	"nmgre/nm/plan"
	"nmgre/nm/undo"
	"nmgre/nm/verify"
	"nmgre/nm/verify/fleet"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// Host has nmgre's verbs for one host. It has no state of its own. Several goroutines may use it at
// once if they may use its System.
type Host struct {
	nm.System
	// Listed says that the caller lists all tunnels before anything else, as screens do. A tunnel
	// that is given by its UUID is then looked up alone. Otherwise every method lists all tunnels,
	// and removes the remains of killed processes.
	Listed bool
	// Session, if it is set, returns the session that the person sits at. A change that may cut it
	// off is refused with [fault.ErrCutsOff], unless Confirm, ConfirmCut or Insist is set.
	Session func() Session
	// Confirm, if it is set, is called by every method that changes the host, when the change is
	// made, and verified if it makes a new link or other routes. An edit and a new tunnel are then
	// not on disk yet. If it returns an error, everything is undone, and the method returns that
	// error. It must return when its context ends.
	Confirm func(ctx context.Context, applied verify.Report) error
	// ConfirmCut, if it is set, takes the place of Confirm for changes that may cut the session
	// off.
	ConfirmCut func(ctx context.Context, applied verify.Report) error
	// Insist lets changes cut off the session.
	Insist bool
	// Progress, if it is set, is called at the end of each step, by the goroutine that called the
	// method.
	Progress func(Event)
	// Checked, if it is set, is called with each check of a verification.
	Checked func(verify.Check)
	// Advance, if it is set, is called now and then while very many routes are set, and
	// AdvanceTunnels while many tunnels are changed together.
	Advance, AdvanceTunnels func(done, total int)
	undoTime                *undo.Time // of several tunnels together; nil for [keep.UndoTimeout]
}

// Event is the end of a step, or other news for the user.
type Event struct {
	// Step is the ID of the plan's step that has ended, such as [plan.StepActivate]. It is empty
	// for an event that is in no plan. All steps for the kept routes and rules end together, as
	// [plan.StepRoute].
	Step string
	What string // a few words, such as "brought it up"
	Took time.Duration
	Err  error // nil, or the reason why the step failed
	Undo bool  // the step undid something
	// Commands are lines of nmcli, ip, nft or sysctl that do the same. A step that only reads has
	// none.
	Commands []string
	// Detail says that only users who want to see every step want to see this one.
	Detail bool
}

// tell hands an event to Progress.
func (h *Host) tell(e Event) {
	if h.Progress != nil {
		h.Progress(e)
	}
}

// warn tells of trouble that does not make the request fail.
func (h *Host) warn(texts ...string) {
	for _, text := range texts {
		h.tell(Event{What: "warning: " + text})
	}
}

// step takes one step, unless ctx has ended, and tells its event. An event with an empty What is
// not told.
func (h *Host) step(ctx context.Context, e Event, do func() error) error {
	if err := ctx.Err(); err != nil {
		return fault.Interrupted(err)
	}
	begin := time.Now()
	e.Err = do()
	e.Took = time.Since(begin)
	if e.What != "" {
		h.tell(e)
	}
	return e.Err
}

// waitGone is [kernel.WaitGone] on this host, of a device whose profile is down or deleted. It
// warns where another profile has made the device anew.
func (h *Host) waitGone(ctx context.Context, dev string) error {
	heir, err := find.UnlessTaken(ctx, h.Profiles, dev, kernel.WaitGone(ctx, h.Kernel, dev))
	if heir != "" {
		h.warn(heir)
	}
	return err
}

// keep has root keep k. It warns of trouble with other tunnels.
func (h *Host) keep(ctx context.Context, k keep.Kept) error {
	c, err := h.Keeper.Keep(ctx, k, h.Advance)
	h.warn(c.Trouble...)
	return err
}

// try has root keep k on trial. It warns of trouble with other tunnels. The trial is nil if there
// is nothing to end.
func (h *Host) try(ctx context.Context, k keep.Kept, byProfile bool) (keep.Trial, error) {
	c, trial, err := h.Keeper.Try(ctx, k, byProfile, h.Advance)
	h.warn(c.Trouble...)
	if err != nil && !errors.Is(err, fault.ErrLeftBehind) {
		trial = nil // a trial that changed nothing needs no undo
	}
	return trial, err
}

// saved makes root's trial the tunnel's kept file, if there is a trial.
func saved(ctx context.Context, trial keep.Trial) error {
	if trial == nil {
		return nil
	}
	return trial.Save(ctx)
}

// Verify checks a tunnel layer by layer: the profile, the device, the link, its addresses and
// routes, the way to the far end, and the MTU. An echo through the tunnel proves that the far end
// answers. Verify changes nothing.
func (h *Host) Verify(ctx context.Context, name string, opts verify.Options) (verify.Report, error) {
	p, all, err := h.find(ctx, name, find.Saved)
	if err != nil {
		return verify.Report{}, err
	}
	if opts.PeerAddress.IsValid() {
		p.Tunnel.SetPeers([]netip.Addr{opts.PeerAddress})
		if err := nm.CheckPeerAddress(p.Tunnel).Err(); err != nil {
			return verify.Report{}, err
		}
	}
	if err := opts.Check(p.Tunnel); err != nil {
		return verify.Report{}, err
	}
	return h.verifyProfile(ctx, p, verify.Settings{Probe: !opts.NoProbe, To: opts.To, Networks: opts.Networks, Others: all})
}

// VerifyAll verifies all tunnels together, or those that opts chooses, and returns their results in
// the order of [Host.List].
func (h *Host) VerifyAll(ctx context.Context, opts fleet.Options) ([]fleet.Result, error) {
	profiles, err := h.profiles(ctx)
	if err != nil {
		return nil, err
	}
	return fleet.Run(ctx, h.System, profiles, opts)
}

// verifyProfile makes all checks, and hands each to Checked.
func (h *Host) verifyProfile(ctx context.Context, p nm.Profile, opts verify.Settings) (verify.Report, error) {
	opts.Each = h.Checked
	return verify.Run(ctx, h.System, p, opts)
}

// cameUpWrong returns a failed check as an error. It is the reason to undo everything.
func cameUpWrong(c verify.Check) error {
	what := "the tunnel came up wrong: " + c.Summary
	if c.Evidence != "" {
		what += " (" + c.Evidence + ")"
	}
	return &fault.Error{What: what, Hint: c.Hint}
}

// FarEnd returns the tunnel that the far end has to make. Its routes lead to the networks of this
// host's devices. Tunnels, and the device that leads to the far end, do not count.
func (h *Host) FarEnd(ctx context.Context, t nm.Tunnel) (nm.FarEnd, error) {
	far, err := plan.FarEnd(ctx, h.Kernel, t)
	far.Notes = append(far.Notes, ends.FarEndNotes(t, far)...)
	return far, err
}

// Notice says which parts of the host may have changed.
type Notice = notice.Notice

// Watch sends a notice when the host has changed. It listens to NetworkManager's and the kernel's
// own events, and asks neither of them by itself. Events that come close together make one notice,
// and there is at most one notice a second. Only the loss and the return of NetworkManager, or of
// the kernel's notifications, are sent at once. A notice that nobody receives is joined with the
// next one.
//
// The watch ends when ctx ends: then the channel is closed, and nothing of the watch is left. While
// NetworkManager is away, the watch goes on and finds it again by itself. After Back,
// NetworkManager may still be starting. Another notice with Profiles comes when it is done.
//
// Where the process is root, the watch also sets nmgre's rules again when somebody has removed
// them, such as by a flush of the whole ruleset.
func (h *Host) Watch(ctx context.Context) (<-chan Notice, error) {
	ctx, cancel := context.WithCancel(ctx)
	profiles, err := h.Profiles.Watch(ctx)
	if err != nil {
		cancel()
		return nil, fault.Ended(ctx, err)
	}
	kernelEvents, err := h.Kernel.Watch(ctx)
	if err != nil {
		cancel()
		for range profiles { // until it is closed
		}
		return nil, err
	}
	out, mended := make(chan Notice), h.mendRules(ctx)
	go func() {
		defer close(out)
		defer func() { <-mended }()
		defer cancel()
		notice.Relay(ctx, profiles, kernelEvents, out)
	}()
	return out, nil
}

// mendEvery is the least time between two repairs of the rules, so that a program which removes
// them again and again costs little.
const mendEvery = time.Second

// mendRules sets nmgre's rules again whenever somebody has removed them, until ctx ends. It does so
// for root only: nobody is asked for a password because of a flush. Verify tells of a rule that
// cannot be set. The channel that it returns is closed at its end.
func (h *Host) mendRules(ctx context.Context) <-chan struct{} {
	ended := make(chan struct{})
	var removed <-chan struct{}
	if h.Kernel.CanChange() {
		removed, _ = h.Gateway.WatchRules(ctx) // without it the hook's next event sets them
	}
	go func() {
		defer close(ended)
		if removed == nil {
			return
		}
		for range removed {
			mending, cancel := context.WithTimeout(ctx, keep.UndoTimeout)
			_, _ = h.Keeper.Converge(mending, "")
			cancel()
			fault.Pause(ctx, mendEvery)
		}
	}()
	return ended
}
