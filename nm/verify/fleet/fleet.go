package fleet

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"nmgre/nm"
	"nmgre/nm/verify"
	"nmgre/nm/verify/place"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// Down is the verdict on a tunnel that is down, and is not to come up by itself. It is no fault.
const Down verify.Verdict = "down"

// inFlight is how many tunnels are verified at the same time at most.
const inFlight = 48

// Bounds of the time that many tunnels take. One that is broken takes up to three seconds.
const (
	leastPatience = 30 * time.Second
	perWave       = 4 * time.Second
	// aloneBudget is how long tunnels are begun to be verified alone, after all others.
	aloneBudget = 5 * time.Second
)

// Patience is how long the verification of n tunnels may take.
func Patience(n int) time.Duration {
	return leastPatience + time.Duration(n/inFlight)*perWave
}

// Options are the choices for a verification of many tunnels.
type Options struct {
	Active  bool // only tunnels that are up, or on their way up
	NoProbe bool // no echo requests are sent
	// behind the far ends, as those of [verify.Options]; each is asked through the tunnel that
	// leads there
	To   []netip.Addr
	Done func(done, total int) // is called after each tunnel, one call at a time; may be nil
}

// Result is the report on one of the tunnels. Its verdict may be [Down].
type Result struct {
	Profile nm.Profile
	verify.Report
}

// Worst returns the worst verdict. Tunnels that are [Down] count as if they passed.
func Worst(results []Result) verify.Verdict {
	worst := verify.Pass
	for _, r := range results {
		if r.Verdict == verify.Fail || r.Verdict == verify.Warn && worst == verify.Pass {
			worst = r.Verdict
		}
	}
	return worst
}

// Run verifies those of the profiles that are tunnels, and returns their results, sorted by name.
// It takes no longer than [Patience]. It fails if the host cannot be read, or ctx ends.
func Run(ctx context.Context, sys nm.System, profiles []nm.Profile, opts Options) ([]Result, error) {
	var tunnels []nm.Profile
	for _, p := range profiles {
		if p.Tunnel.Mode != 0 && !(opts.Active && p.State == nm.StateInactive) {
			tunnels = append(tunnels, p)
		}
	}
	slices.SortFunc(tunnels, nm.ByName)
	ctx, cancel := context.WithTimeout(ctx, Patience(len(tunnels)))
	defer cancel()
	r := run{sys: sys, all: profiles, tunnels: tunnels, opts: opts, to: make([][]netip.Addr, len(tunnels)), results: make([]Result, len(tunnels)), ears: make([]*ear, len(tunnels))}
	if err := (verify.Options{To: opts.To, NoProbe: opts.NoProbe}).CheckTo(); err != nil {
		return nil, err
	}
	closeAll, err := r.share(ctx)
	if err != nil {
		return nil, fault.Ended(ctx, err)
	}
	if err = r.shareTo(ctx); err == nil {
		err = r.together(ctx)
	}
	closeAll()
	if err == nil {
		err = r.alone(ctx)
	}
	if ctx.Err() != nil { // which of the tunnels was cut off does not matter
		return nil, fault.Interrupted(ctx.Err())
	}
	if err != nil {
		return nil, err
	}
	return r.results, nil
}

// run is a verification of many tunnels.
type run struct {
	sys     nm.System    // for one tunnel alone
	shared  nm.System    // for all of them
	all     []nm.Profile // of the host
	tunnels []nm.Profile // that are verified
	opts    Options
	to      [][]netip.Addr // of each of the tunnels
	results []Result
	crowd   crowd
	ears    []*ear // of the tunnels; nil for those that need none

	mu   sync.Mutex
	done int
	err  error // the first one
}

// share makes the system that all tunnels share. The function that it returns closes it.
func (r *run) share(ctx context.Context) (closeAll func(), err error) {
	r.shared = r.sys
	r.shared.Kernel = kernel.Together(r.sys.Kernel)
	links, err := kernel.Once(r.shared.Kernel).Links(ctx)
	if err != nil {
		return nil, err
	}
	var closeRules, closeEars func()
	r.shared.Gateway, closeRules = r.sys.Gateway.Together()
	r.shared.Store = filesOnce(ctx, r.sys.Store)
	if r.sys.Zones != nil {
		r.shared.Zones = &zones{Zones: r.sys.Zones, known: make(map[string]nm.Zone)}
	}
	if r.sys.Listener == nil {
		return closeRules, nil
	}
	ends := make([]kernel.Ends, 0, len(r.tunnels))
	for _, p := range r.tunnels {
		ends = append(ends, endsOf(p.Tunnel, kernel.Named(links, p.Tunnel.Name)))
	}
	r.shared.Listener, closeEars = r.sys.Listener.Together(ends)
	return func() { closeEars(); closeRules() }, nil
}

// endsOf returns the ends of a tunnel. Its link, which may be nil, has the keys that count.
func endsOf(t nm.Tunnel, link *kernel.Link) kernel.Ends {
	e := kernel.Ends{Mode: t.Mode, Local: t.Local, Remote: t.Remote, Key: t.OutputKey, InputKey: t.InputKey}
	if link != nil && link.GRE != nil {
		e.Key, e.InputKey = link.GRE.OutputKey, link.GRE.InputKey
	}
	return e
}

// together verifies all tunnels, some of them at the same time.
func (r *run) together(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	slots := make(chan struct{}, inFlight)
	var all sync.WaitGroup
	for i := range r.tunnels {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		all.Go(func() {
			defer func() { <-slots }()
			if err := r.one(ctx, i); err != nil {
				r.fail(err)
				cancel()
			}
		})
	}
	all.Wait()
	return r.err
}

// fail notes the first error.
func (r *run) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = err
	}
}

// one verifies a tunnel among the others.
func (r *run) one(ctx context.Context, i int) (err error) {
	p := r.tunnels[i]
	r.results[i].Profile = p
	if why := resting(p, r.tunnels); why.Summary != "" {
		r.results[i].Report = verify.Report{Tunnel: p.Tunnel.Name, Verdict: Down, Checks: []verify.Check{why}, Works: []place.Place{}}
		r.tell()
		return nil
	}
	sys := r.shared
	if sys.Listener != nil {
		r.ears[i] = &ear{Listener: sys.Listener, crowd: &r.crowd, remote: p.Tunnel.Remote}
		sys.Listener = r.ears[i]
	}
	r.results[i].Report, err = verify.Run(ctx, sys, p, r.settings(i, true))
	r.results[i].Link = nil // the links of many are not kept
	admit(&r.results[i])
	if err == nil {
		r.tell()
	}
	return err
}

// settings are those of a verification by name.
func (r *run) settings(i int, inCrowd bool) verify.Settings {
	return verify.Settings{Probe: !r.opts.NoProbe, To: r.to[i], Networks: true, InCrowd: inCrowd, Others: r.all}
}

// tell reports the progress.
func (r *run) tell() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done++
	if r.opts.Done != nil {
		r.opts.Done(r.done, len(r.tunnels))
	}
}

// alone verifies those tunnels once more that have failed, and whose evidence may be others', as
// long as that does not take too long.
func (r *run) alone(ctx context.Context) error {
	until := time.Now().Add(aloneBudget)
	for i := range r.tunnels {
		if r.ears[i] == nil || !silent(r.results[i].Report) || !r.crowd.mixed(r.ears[i]) {
			continue
		}
		if time.Now().After(until) {
			return nil
		}
		report, err := verify.Run(ctx, r.sys, r.tunnels[i], r.settings(i, false))
		if err != nil {
			return err
		}
		report.Link = nil
		r.results[i].Report = report
		admit(&r.results[i])
	}
	return nil
}

// silent reports whether the far end has not answered.
func silent(report verify.Report) bool {
	for _, c := range report.Checks {
		if answered, told := c.Facts["answered"].(int); c.ID == "probe" && told && answered == 0 {
			return true
		}
	}
	return false
}
