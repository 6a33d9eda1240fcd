package nmgre

import (
	"context"
	"errors"
	"time"

	"nmgre/nm"
	"nmgre/nm/plan"
	"nmgre/nm/verify"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// Host carries out requests on one host. It holds no state of its own and may be used by several
// goroutines at once if its System may.
type Host struct {
	nm.System
	// Listed says that the tunnels are listed before anything else, as screens do it. A tunnel that
	// is given by its UUID is looked up alone then. Otherwise every method looks at all tunnels,
	// and removes the remains of killed processes.
	Listed bool
	// Progress, if it is set, is told of each step as it ends. It is called by the goroutine that
	// called the method.
	Progress func(Event)
	// Checked, if it is set, is told of each check of a verification as it comes in.
	Checked func(verify.Check)
	// Advance, if it is set, is told now and then how many of very many routes are set.
	Advance func(done, total int)
}

// Event tells that a step has ended, or of something that was found on the way.
type Event struct {
	// Step is the ID of the plan's step that has ended, such as [plan.StepActivate]. It is empty
	// for an event that is in no plan. The steps of the kernel half end together, as
	// [plan.StepRoute].
	Step string
	What string // in a few words, such as "brought it up"
	Took time.Duration
	Err  error // why the step failed
	Undo bool  // the step undid something
	// Commands are the nmcli, ip, nft or sysctl lines that do the same. It is empty where there are
	// no such lines, or the step only reads.
	Commands []string
	// Detail says that the step is of interest only to those who want to see every step.
	Detail bool
}

func (h *Host) tell(e Event) {
	if h.Progress != nil {
		h.Progress(e)
	}
}

// warn tells of trouble that is no failure of the request.
func (h *Host) warn(text string) { h.tell(Event{What: "warning: " + text}) }

// step does one step, unless ctx has ended, and tells how it went. A step whose event has no words
// is not told.
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

// The root package's own waits.
const (
	goneTimeout = 5 * time.Second       // for a link to vanish after its profile
	gonePoll    = 20 * time.Millisecond // between two looks whether it has
)

// waitGone returns when there is no device of that name any more. The empty name is no device's.
func (h *Host) waitGone(ctx context.Context, dev string) error {
	if dev == "" {
		return nil
	}
	waiting, cancel := context.WithTimeout(ctx, goneTimeout)
	defer cancel()
	for {
		links, err := h.Kernel.Links(ctx)
		if err != nil {
			return fault.Ended(ctx, err)
		}
		if kernel.Named(links, dev) == nil {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return fault.Interrupted(err)
		}
		if waiting.Err() != nil {
			return &fault.Error{Kind: fault.ErrTimeout, What: "the device " + fault.Printable(dev) + " is still there", Hint: "remove it with: ip link delete dev " + fault.ShellWord(dev)}
		}
		fault.Pause(waiting, gonePoll)
	}
}

// keep has root keep k, and warns of trouble with other tunnels meanwhile.
func (h *Host) keep(ctx context.Context, k keep.Kept) error {
	c, err := h.Keeper.Keep(ctx, k, h.Advance)
	for _, trouble := range c.Trouble {
		h.warn(trouble)
	}
	return err
}

// Verify proves a tunnel as far as that is possible, layer by layer: the profile, the device, the
// link, its addresses and routes, the way to the far end, the MTU, and, by an echo through the
// tunnel, that the far end answers. It changes nothing.
func (h *Host) Verify(ctx context.Context, name string, opts verify.Options) (verify.Report, error) {
	p, err := h.Find(ctx, name)
	if err != nil {
		return verify.Report{}, err
	}
	if opts.PeerAddress.IsValid() {
		p.Tunnel.PeerAddress = opts.PeerAddress
		if err := nm.CheckPeerAddress(p.Tunnel).Err(); err != nil {
			return verify.Report{}, err
		}
	}
	return h.verifyProfile(ctx, p, verify.Settings{Probe: !opts.NoProbe})
}

// verifyProfile makes all checks, and tells of each.
func (h *Host) verifyProfile(ctx context.Context, p nm.Profile, opts verify.Settings) (verify.Report, error) {
	opts.Each = h.Checked
	return verify.Run(ctx, h.System, p, opts)
}

// cameUpWrong turns a check that failed into the reason to undo what was made.
func cameUpWrong(c verify.Check) error {
	what := "the tunnel came up wrong: " + c.Summary
	if c.Evidence != "" {
		what += " (" + c.Evidence + ")"
	}
	return &fault.Error{What: what, Hint: c.Hint}
}

// FarEnd returns the tunnel as its other end has to make it. Its routes lead to this host's own
// networks: those of its devices, but for tunnels and the device by which the far end is reached.
func (h *Host) FarEnd(ctx context.Context, t nm.Tunnel) (nm.Tunnel, error) {
	return plan.FarEnd(ctx, h.Kernel, t)
}

// isAway says whether NetworkManager, or the bus, may come back: it was restarted, or is slow.
func isAway(err error) bool {
	return errors.Is(err, fault.ErrNoNetworkManager) || errors.Is(err, fault.ErrTimeout)
}
