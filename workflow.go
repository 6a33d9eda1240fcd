package nmgre

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"
)

// Host carries out what is asked for on one host. It holds no state of its own and may be used by several goroutines at once if
// its Profiles and Kernel may.
type Host struct {
	Profiles Profiles
	Kernel   Kernel
	// Progress, if it is set, is told of each step as it ends. It is called by the goroutine that called the method.
	Progress func(Event)
}

// Event says how a step went, or what was found on the way.
type Event struct {
	What string
	Took time.Duration
	Err  error // why the step failed
	Undo bool  // the step took something back
}

// Limits on the time that the workflow takes by itself, beside the context's deadline.
const (
	undoTimeout = 30 * time.Second       // for taking everything back, waiting for NetworkManager to return included
	undoRetry   = 200 * time.Millisecond // between two tries while NetworkManager is away
	goneTimeout = 5 * time.Second        // for a link to vanish after its profile
	gonePoll    = 20 * time.Millisecond
)

func (h *Host) tell(e Event) {
	if h.Progress != nil {
		h.Progress(e)
	}
}

// Plan decides everything about the tunnel that is wanted, and checks that this host can have it. It changes nothing.
// Its errors are of the kind [ErrInvalid] for the request's own faults, joined when there are several; [ErrUnsupported],
// [ErrNotPermitted] and [ErrNoNetworkManager] for the host's.
func (h *Host) Plan(ctx context.Context, want Tunnel) (Plan, error) {
	if err := want.Validate(); err != nil {
		return Plan{}, err
	}
	if err := h.ready(ctx, want); err != nil {
		return Plan{}, withContext(ctx, err)
	}
	p, err := h.survey(ctx, want)
	if err != nil {
		return Plan{}, withContext(ctx, err)
	}
	if err := p.decide(ctx); err != nil {
		return Plan{}, withContext(ctx, err)
	}
	if err := p.t.Validate(); err != nil { // again: what was decided must fit what was given
		return Plan{}, err
	}
	if err := errors.Join(p.problems(ctx)...); err != nil {
		return Plan{}, withContext(ctx, err)
	}
	return Plan{Tunnel: p.t, Steps: createSteps(p.t), Notes: p.notes, newest: newest(p.profiles)}, nil
}

func newest(profiles []Profile) uint64 {
	var highest uint64
	for _, p := range profiles {
		highest = max(highest, p.Serial)
	}
	return highest
}

// ready checks that NetworkManager, the kernel and the caller's rights suffice.
func (h *Host) ready(ctx context.Context, want Tunnel) error {
	m, err := h.Profiles.Manager(ctx)
	if err != nil {
		return err
	}
	if err := h.Kernel.Supports(want.Mode); err != nil {
		return err
	}
	if m.Modify == PermissionNo || m.Control == PermissionNo {
		return &Error{Kind: ErrNotPermitted, What: "NetworkManager does not let you make connections", Hint: "run it with sudo"}
	}
	if len(want.RoutesOf(OwnerKernel)) > 0 && !h.Kernel.CanChange() {
		return &Error{Kind: ErrNotPermitted, Field: "route", What: "a route that NetworkManager cannot hold needs root", Hint: "run it with sudo"}
	}
	return nil
}

// survey reads what is on the host.
func (h *Host) survey(ctx context.Context, want Tunnel) (*preflight, error) {
	profiles, err := h.profiles(ctx)
	if err != nil {
		return nil, err
	}
	links, err := h.Kernel.Links(ctx)
	if err != nil {
		return nil, err
	}
	return &preflight{t: want.Clone(), profiles: profiles, links: links, kernel: h.Kernel}, nil
}

// CreateOptions say how far [Host.Create] goes to prove the tunnel.
type CreateOptions struct {
	NoProbe bool // the far end is not probed
}

// Created is the tunnel that was made.
type Created struct {
	Status Status
	Report Report
}

// Create carries out a plan: all of it or none of it. Whatever fails, the end of ctx included, what was done is taken back before
// Create returns the error; a silent far end is no failure. A process that is killed in the middle leaves a profile in memory
// that is marked, and the next method that reads the profiles removes it.
func (h *Host) Create(ctx context.Context, plan Plan, opts CreateOptions) (Created, error) {
	t := plan.Tunnel
	uuid := newUUID()
	tx := transaction{host: h, uuid: uuid, tunnel: t, newest: plan.newest}
	report, err := tx.create(ctx, opts)
	if err != nil {
		return Created{Report: report}, tx.undo(ctx, err)
	}
	status, err := h.status(ctx, uuid)
	if err != nil { // the tunnel is there for good: that it cannot be shown is no failure
		status = Status{Profile: Profile{UUID: uuid, ID: t.Name, Tunnel: t, State: StateActive, Device: t.Name}}
	}
	report.replace((&verifier{profile: status.Profile}).checkProfile()) // it is on disk now
	return Created{Status: status, Report: report}, nil
}

// transaction is a tunnel in the making.
type transaction struct {
	host   *Host
	uuid   string
	tunnel Tunnel
	newest uint64 // the highest Serial that the plan has seen
	device string // what the undo waits for; empty as long as nothing of that name can be ours
	saving bool   // the profile may be on disk
}

func (tx *transaction) create(ctx context.Context, opts CreateOptions) (report Report, err error) {
	h, t := tx.host, tx.tunnel
	steps := []func() error{
		func() error { return h.Profiles.Add(ctx, tx.uuid, t) },
		func() error { return tx.claim(ctx) },
		func() error { tx.device = t.Name; return h.Profiles.Activate(ctx, tx.uuid) },
		func() error { return tx.addRoutes(ctx) },
		func() error { report, err = tx.check(ctx, opts); return err },
		func() error { tx.saving = true; return h.Profiles.Save(ctx, tx.uuid) },
	}
	names := []string{
		"added the profile " + t.Name + ", in memory", "made sure that the name is free", "brought it up", "",
		"verified it", "wrote the profile to disk",
	}
	for i, do := range steps {
		if err := tx.step(ctx, names[i], do); err != nil {
			return report, err
		}
	}
	return report, nil
}

// step does one step, and none once ctx has ended. A step without a name is no news.
func (tx *transaction) step(ctx context.Context, name string, do func() error) error {
	if err := ctx.Err(); err != nil {
		return contextError(err)
	}
	begin := time.Now()
	err := do()
	if name != "" {
		tx.host.tell(Event{What: name, Took: time.Since(begin), Err: err})
	}
	return err
}

// claim makes sure that of two who make the same name at the same moment only one goes on: the one whose profile NetworkManager
// got first. Each looks after it has added its own, so that the later one sees the earlier one's always.
func (tx *transaction) claim(ctx context.Context) error {
	alone, err := tx.alone(ctx)
	if alone || err != nil {
		return err
	}
	profiles, err := tx.host.profiles(ctx) // without those of the dead, whose links would be in the way
	if err != nil {
		return err
	}
	var own Profile
	for _, p := range profiles {
		if p.UUID == tx.uuid {
			own = p
		}
	}
	for _, p := range profiles {
		named := p.ID == tx.tunnel.Name || p.Tunnel.Name == tx.tunnel.Name
		if p.UUID != tx.uuid && named && p.State != StateExternal && !p.Abandoned && (!p.Trial || p.Serial < own.Serial) {
			return &Error{Kind: ErrNameLost, Field: "name", What: "somebody else has made " + tx.tunnel.Name + " at the same moment",
				Hint: "choose another name, or leave --name out"}
		}
	}
	return nil
}

// alone says whether nobody has added a profile since the plan but this transaction.
func (tx *transaction) alone(ctx context.Context) (bool, error) {
	serials, err := tx.host.Profiles.Serials(ctx)
	since := 0
	for _, serial := range serials {
		if serial > tx.newest {
			since++
		}
	}
	return since == 1, err
}

func (tx *transaction) addRoutes(ctx context.Context) error {
	for _, r := range tx.tunnel.RoutesOf(OwnerKernel) {
		if err := tx.step(ctx, "added the route "+r.String()+" to the kernel", func() error {
			return tx.host.Kernel.AddRoute(ctx, tx.tunnel.Name, r)
		}); err != nil {
			return &Error{Field: "route", What: r.String(), Err: err}
		}
	}
	return nil
}

// asActivated is the profile as it is known to be when the activation has ended well.
func (tx *transaction) asActivated() Profile {
	t := tx.tunnel
	return Profile{UUID: tx.uuid, ID: t.Name, Tunnel: t, State: StateActive, Device: t.Name, DeviceState: "activated", Unsaved: true, Trial: true}
}

// check verifies the tunnel before it is kept. That the far end is silent is a warning: the first end of a tunnel is made before
// the second.
func (tx *transaction) check(ctx context.Context, opts CreateOptions) (Report, error) {
	report, err := tx.host.verify(ctx, tx.asActivated(), verifyOptions{probe: !opts.NoProbe, beforeSave: true, want: &tx.tunnel})
	if err != nil {
		return report, err
	}
	failures := report.Failures()
	if len(failures) == 0 {
		return report, nil
	}
	c := failures[0]
	what := "the tunnel came up wrong: " + c.Summary
	if c.Evidence != "" {
		what += " (" + c.Evidence + ")"
	}
	return report, &Error{What: what, Hint: c.Hint}
}

// undo takes everything back after cause. Deleting the profile takes its link along, and with the link its addresses and routes.
// While NetworkManager is away (it was restarted, or the bus was), it waits for it.
func (tx *transaction) undo(ctx context.Context, cause error) error {
	cause = withContext(ctx, cause)
	undoing, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	begin := time.Now()
	err := tx.host.remove(undoing, tx.uuid, tx.device)
	for (errors.Is(err, ErrNoNetworkManager) || errors.Is(err, ErrTimeout)) && undoing.Err() == nil {
		pause(undoing, undoRetry)
		err = tx.host.remove(undoing, tx.uuid, tx.device)
	}
	tx.host.tell(Event{What: "took back what had been done", Took: time.Since(begin), Err: err, Undo: true})
	if err == nil {
		return cause
	}
	hint := "what is left is in memory only: the next nmgre command removes it, and so does a reboot"
	if tx.saving {
		hint = "the tunnel may be there for good: see nmgre list, and remove it with: nmgre delete " + shellQuote(tx.tunnel.Name)
	}
	return errors.Join(cause, &Error{What: "could not take back everything", Err: err, Hint: hint})
}

// remove deletes a profile and waits for its link to go. Our own routes go first: of an IPv6 multipath route the kernel would keep
// what leads to other devices.
func (h *Host) remove(ctx context.Context, uuid, dev string) error {
	if err := h.removeRoutes(ctx, dev); err != nil {
		return err
	}
	if err := h.Profiles.Delete(ctx, uuid); err != nil {
		return err
	}
	return h.waitGone(ctx, dev)
}

// removeRoutes takes our routes into dev out of the kernel. Who may not change routes has none there.
func (h *Host) removeRoutes(ctx context.Context, dev string) error {
	if dev == "" || !h.Kernel.CanChange() {
		return nil
	}
	own, err := h.Kernel.OwnRoutes(ctx)
	if err != nil {
		return err
	}
	for _, r := range own[dev] {
		if err := h.Kernel.DeleteRoute(ctx, dev, r.Route); err != nil {
			return err
		}
	}
	return nil
}

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
			return withContext(ctx, err)
		}
		if findLink(links, dev) == nil {
			return nil
		}
		if waiting.Err() != nil {
			return &Error{Kind: ErrTimeout, What: "the device " + Printable(dev) + " is still there", Hint: "remove it with: ip link delete dev " + shellQuote(dev)}
		}
		pause(waiting, gonePoll)
	}
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// withContext says in err that ctx has ended, where that is the reason.
func withContext(ctx context.Context, err error) error {
	if ctx.Err() != nil && err == ctx.Err() { //nolint:errorlint // the bare error says nothing; a wrapped one says what was tried
		return contextError(err)
	}
	if ctx.Err() == nil || errors.Is(err, ErrTimeout) || errors.Is(err, context.Canceled) {
		return err
	}
	return errors.Join(contextError(ctx.Err()), err)
}

// contextError puts the end of a context into the workflow's words.
func contextError(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return &Error{Kind: ErrTimeout, What: "it took too long", Hint: "allow more with --wait", Err: err}
	}
	return &Error{What: "interrupted", Err: err}
}

// newUUID returns a random UUID (RFC 9562, version 4).
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails: crypto/rand's own promise
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}
