package nmgre

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Host carries out what is asked for on one host. It holds no state of its own and may be used by several goroutines at once if
// what it is made of may.
type Host struct {
	System
	// Listed says that the tunnels are listed before anything else, as screens do it, so that one that is given by its UUID is looked up
	// alone. Otherwise every method looks at all of them, and removes what killed processes have left behind.
	Listed bool
	// Progress, if it is set, is told of each step as it ends. It is called by the goroutine that called the method.
	Progress func(Event)
	// Checked, if it is set, is told of each check of a verification as it comes in.
	Checked func(Check)
	// Advance, if it is set, is told now and then how many of very many routes are set.
	Advance func(done, total int)
}

// Event says how a step went, or what was found on the way.
type Event struct {
	What string
	Took time.Duration
	Err  error // why the step failed
	Undo bool  // the step took something back
	// Commands are the nmcli, ip, nft or sysctl lines that do the same; none where there are no such lines, or it is only read.
	Commands []string
	// Detail says that the step is of interest only to who wants to see every step.
	Detail bool
}

// Limits on the time that the workflow takes by itself, beside the context's deadline.
const (
	undoTimeout = 30 * time.Second       // for taking everything back, waiting for NetworkManager to return included
	undoRetry   = 200 * time.Millisecond // between two tries while NetworkManager is away
	goneTimeout = 5 * time.Second        // for a link to vanish after its profile
	gonePoll    = 20 * time.Millisecond

	orphanTimeout = 10 * time.Second // for the hook to remove what was kept for a profile that is gone
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
	return planCreate(ctx, h.System, h.profiles, want)
}

// planCreate decides everything about a new tunnel; profiles lists those that are there.
func planCreate(ctx context.Context, sys System, profiles func(context.Context) ([]Profile, error), want Tunnel) (Plan, error) {
	version, err := ready(ctx, sys, want)
	if err != nil {
		return Plan{}, withContext(ctx, err)
	}
	p, err := survey(ctx, sys, profiles, want)
	if err != nil {
		return Plan{}, withContext(ctx, err)
	}
	p.version = version
	if err := p.decide(ctx); err != nil {
		return Plan{}, withContext(ctx, err)
	}
	if err := p.t.Validate(); err != nil { // again: what was decided must fit what was given
		return Plan{}, err
	}
	if err := errors.Join(p.problems(ctx)...); err != nil {
		return Plan{}, withContext(ctx, err)
	}
	k, err := p.kept(ctx)
	if err != nil {
		return Plan{}, withContext(ctx, err)
	}
	if err := mayKeep(sys, k); err != nil {
		return Plan{}, err
	}
	p.notes = slices.Concat(p.notes, p.offers(), forwardNotes(ctx, sys, k), hookNote(ctx, sys, k))
	plan := Plan{Tunnel: p.t, Routes: p.owned, Kept: k, Notes: p.notes, version: version, newest: newest(p.profiles)}
	plan.Steps = plan.steps()
	return plan, nil
}

func newest(profiles []Profile) uint64 {
	var highest uint64
	for _, p := range profiles {
		highest = max(highest, p.Serial)
	}
	return highest
}

// ready checks that NetworkManager, the kernel and the caller's rights suffice.
func ready(ctx context.Context, h System, want Tunnel) (Version, error) {
	m, err := h.Profiles.Manager(ctx)
	if err != nil {
		return m.Version, err
	}
	if err := h.Kernel.Supports(want.Mode); err != nil {
		return m.Version, err
	}
	if m.Modify == PermissionNo || m.Control == PermissionNo {
		return m.Version, &Error{Kind: ErrNotPermitted, What: "NetworkManager does not let you make connections", Hint: HintRoot}
	}
	return m.Version, nil
}

// mayKeep refuses what only root can do to those who can neither do it nor ask for it.
func mayKeep(h System, k Kept) error {
	if k.Empty() {
		return nil
	}
	err := h.Keeper.MayKeep()
	if err == nil {
		return nil
	}
	return &Error{Kind: ErrNotPermitted, What: "NetworkManager cannot hold " + k.summary() + ", and the rest needs root", Err: err}
}

// survey reads what is on the host.
func survey(ctx context.Context, h System, list func(context.Context) ([]Profile, error), want Tunnel) (*preflight, error) {
	profiles, err := list(ctx)
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
	tx := transaction{host: h, uuid: uuid, tunnel: t, plan: plan}
	report, err := tx.create(ctx, opts)
	if err != nil {
		return Created{Report: report}, tx.undo(ctx, err)
	}
	status, err := h.status(ctx, uuid)
	if err != nil { // the tunnel is there for good: that it cannot be shown is no failure
		status = Status{Profile: Profile{UUID: uuid, ID: t.Name, Tunnel: plan.profile(), State: StateActive, Device: t.Name}, Kept: plan.Kept}
	}
	report.replace((&verifier{profile: status.Profile}).checkProfile()) // it is on disk now
	return Created{Status: status, Report: report}, nil
}

// transaction is a tunnel in the making.
type transaction struct {
	host    *Host
	uuid    string
	tunnel  Tunnel
	plan    Plan
	device  string // what the undo waits for; empty as long as nothing of that name can be ours
	keeping bool   // something may be in root's files
	saving  bool   // the profile may be on disk
}

func (tx *transaction) create(ctx context.Context, opts CreateOptions) (report Report, err error) {
	h, t := tx.host, tx.tunnel
	steps := []func() error{
		func() error { return h.Profiles.Add(ctx, tx.uuid, tx.plan.profile()) },
		func() error { return tx.claim(ctx) },
		func() error { tx.device = t.Name; return h.Profiles.Activate(ctx, tx.uuid) },
		func() error { return tx.keep(ctx) },
		func() error { report, err = tx.check(ctx, opts); return err },
		func() error { tx.saving = true; return h.Profiles.Save(ctx, tx.uuid) },
	}
	events := []Event{
		{What: "added the profile " + t.Name + ", in memory", Commands: tx.commands(StepProfile)},
		{What: "made sure that the name is free"},
		{What: "brought it up", Commands: tx.commands(StepActivate)},
		{What: tx.keepName(), Commands: commandsOf(tx.plan.Steps, keptStep)},
		{What: "verified it", Commands: tx.commands(StepCheck)},
		{What: "wrote the profile to disk", Commands: tx.commands(StepSave)},
	}
	for i, do := range steps {
		if err := h.step(ctx, events[i], do); err != nil {
			return report, err
		}
	}
	return report, nil
}

// commands are those that do what the plan's step with that ID does.
func (tx *transaction) commands(id string) []string {
	return commandsOf(tx.plan.Steps, func(of string) bool { return of == id })
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
		if serial > tx.plan.newest {
			since++
		}
	}
	return since == 1, err
}

// keep has root keep what NetworkManager cannot hold, if there is anything.
func (tx *transaction) keep(ctx context.Context) error {
	k := tx.plan.Kept
	if k.Empty() {
		return nil
	}
	k.UUID, tx.keeping = tx.uuid, true
	err := tx.host.keep(ctx, k)
	// Nobody is asked for root's rights once more to take back what has not been done.
	tx.keeping = err == nil || errors.Is(err, ErrLeftBehind)
	return err
}

// keptNow is what is kept for the tunnel that is being made.
func (tx *transaction) keptNow() *Kept {
	k := tx.plan.Kept
	k.UUID = tx.uuid
	return &k
}

func (tx *transaction) keepName() string {
	if tx.plan.Kept.Empty() {
		return ""
	}
	return "set " + tx.plan.Kept.summary()
}

// keep has root keep k, and tells of what else went wrong meanwhile.
func (h *Host) keep(ctx context.Context, k Kept) error {
	c, err := h.Keeper.Keep(ctx, k, h.Advance)
	for _, trouble := range c.Trouble {
		h.tell(Event{What: "warning: " + trouble})
	}
	return err
}

// asActivated is the profile as it is known to be when the activation has ended well.
func (tx *transaction) asActivated() Profile {
	t := tx.tunnel
	return Profile{UUID: tx.uuid, ID: t.Name, Tunnel: t, State: StateActive, Device: t.Name, DeviceState: "activated", Unsaved: true, Trial: true}
}

// check verifies the tunnel before it is kept. That the far end is silent is a warning: the first end of a tunnel is made before
// the second.
func (tx *transaction) check(ctx context.Context, opts CreateOptions) (Report, error) {
	report, err := tx.host.verify(ctx, tx.asActivated(), verifyOptions{probe: !opts.NoProbe, beforeSave: true, want: &tx.tunnel, kept: tx.keptNow()})
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
	err := tx.takeBack(undoing)
	for (errors.Is(err, ErrNoNetworkManager) || errors.Is(err, ErrTimeout)) && undoing.Err() == nil {
		pause(undoing, undoRetry)
		err = tx.takeBack(undoing)
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

// takeBack removes everything that the transaction may have made. Root removes what is kept first. For others the hook does it when the
// profile is gone, so that nobody has to be asked for root's rights.
func (tx *transaction) takeBack(ctx context.Context) error {
	h := tx.host
	var err error
	if tx.keeping && h.Kernel.CanChange() {
		err = h.Keeper.Forget(ctx, tx.uuid)
	}
	err = errors.Join(err, h.remove(ctx, tx.uuid, tx.device))
	if err == nil && tx.keeping && !h.Kernel.CanChange() {
		err = h.forgetOrphan(ctx, tx.uuid)
	}
	return err
}

// forgetOrphan sees to it that nothing is kept for a profile that is gone: the hook removes it; where it does not, the Keeper does.
func (h *Host) forgetOrphan(ctx context.Context, uuid string) error {
	waiting, cancel := context.WithTimeout(ctx, orphanTimeout)
	defer cancel()
	hook := h.Store.HookMissing(ctx) == nil
	for {
		uuids, err := h.Store.UUIDs(ctx)
		if err != nil || !slices.Contains(uuids, uuid) {
			return err
		}
		if !hook || waiting.Err() != nil {
			break
		}
		pause(waiting, gonePoll)
	}
	if err := h.Keeper.Forget(ctx, uuid); err != nil {
		return &Error{What: "what root keeps of it is still there", Hint: "the next nmgre command of root's removes it: sudo nmgre list", Err: err}
	}
	return nil
}

// remove deletes a profile and waits for its link to go.
func (h *Host) remove(ctx context.Context, uuid, dev string) error {
	if err := h.Profiles.Delete(ctx, uuid); err != nil {
		return err
	}
	return h.waitGone(ctx, dev)
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
		if err := ctx.Err(); err != nil {
			return contextError(err)
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
