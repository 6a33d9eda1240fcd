package nmgre

import (
	"context"
	"time"

	"nmgre/nm"
	"nmgre/nm/verify"
	"nmgre/routes/fault"
)

// Verify proves what can be proved of a tunnel, layer by layer: the profile, the device, the link,
// its addresses and routes, the way to the far end, the MTU, and, by an echo through the tunnel,
// that the far end answers. It changes nothing.
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

// Host carries out what is asked for on one host. It holds no state of its own and may be used by
// several goroutines at once if what it is made of may.
type Host struct {
	nm.System
	// Listed says that the tunnels are listed before anything else, as screens do it, so that one
	// that is given by its UUID is looked up alone. Otherwise every method looks at all of them,
	// and removes what killed processes have left behind.
	Listed bool
	// Progress, if it is set, is told of each step as it ends. It is called by the goroutine that
	// called the method.
	Progress func(Event)
	// Checked, if it is set, is told of each check of a verification as it comes in.
	Checked func(verify.Check)
	// Advance, if it is set, is told now and then how many of very many routes are set.
	Advance func(done, total int)
}

// Event says how a step went, or what was found on the way.
type Event struct {
	// Step is the ID of the plan's step that has ended, such as [plan.StepActivate]. It is empty
	// for what is in no plan. Several steps of a plan about what root keeps end together, as
	// [plan.StepRoute].
	Step string
	What string
	Took time.Duration
	Err  error // why the step failed
	Undo bool  // the step took something back
	// Commands are the nmcli, ip, nft or sysctl lines that do the same; none where there are no
	// such lines, or it is only read.
	Commands []string
	// Detail says that the step is of interest only to who wants to see every step.
	Detail bool
}

const undoRetry = 200 * time.Millisecond // between two tries while NetworkManager is away

const goneTimeout = 5 * time.Second // for a link to vanish after its profile

const gonePoll = 20 * time.Millisecond

// for the hook to remove what was kept for a profile that is gone
const orphanTimeout = 10 * time.Second

func (h *Host) tell(e Event) {
	if h.Progress != nil {
		h.Progress(e)
	}
}

// step does one step and tells how it went, and does none once ctx has ended. A step without a name
// is no news.
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
