package nmgre

import (
	"context"
	"errors"

	"nmgre/nm"
	"nmgre/nm/plan"
	"nmgre/nm/verify"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
)

// Plan decides everything about the tunnel that is wanted, and checks that this host can have it.
// It changes nothing. Its errors are of the kind [ErrInvalid] for the request's own faults, joined
// when there are several; [ErrUnsupported], [ErrNotPermitted] and [ErrNoNetworkManager] for the
// host's.
func (h *Host) Plan(ctx context.Context, want nm.Tunnel) (plan.Plan, error) {
	if err := want.Validate(); err != nil {
		return plan.Plan{}, err
	}
	return plan.Create(ctx, h.System, h.profiles, want)
}

// CreateOptions say how far [Host.Create] goes to prove the tunnel.
type CreateOptions struct {
	NoProbe bool // the far end is not probed
}

// Created is the tunnel that was made.
type Created struct {
	Status Status
	Report verify.Report
}

// Create carries out a plan: all of it or none of it. Whatever fails, the end of ctx included, what
// was done is taken back before Create returns the error; a silent far end is no failure. A process
// that is killed in the middle leaves a profile in memory that is marked, and the next method that
// reads the profiles removes it.
func (h *Host) Create(ctx context.Context, planned plan.Plan, opts CreateOptions) (Created, error) {
	t := planned.Tunnel
	uuid := nm.NewUUID()
	tx := transaction{host: h, uuid: uuid, tunnel: t, plan: planned}
	report, err := tx.create(ctx, opts)
	if err != nil {
		return Created{Report: report}, tx.undo(ctx, err)
	}
	status, err := h.status(ctx, uuid)
	if err != nil { // the tunnel is there for good: that it cannot be shown is no failure
		status = Status{Profile: nm.Profile{UUID: uuid, ID: t.Name, Tunnel: planned.Profile(), State: nm.StateActive, Device: t.Name}, Kept: planned.Kept}
	}
	report.Replace((&verify.Verifier{Profile: status.Profile}).CheckProfile()) // it is on disk now
	return Created{Status: status, Report: report}, nil
}

// transaction is a tunnel in the making.
type transaction struct {
	host    *Host
	uuid    string
	tunnel  nm.Tunnel
	plan    plan.Plan
	device  string // what the undo waits for; empty as long as nothing of that name can be ours
	keeping bool   // something may be in root's files
	saving  bool   // the profile may be on disk
}

func (tx *transaction) create(ctx context.Context, opts CreateOptions) (report verify.Report, err error) {
	h, t := tx.host, tx.tunnel
	steps := []func() error{
		func() error { return h.Profiles.Add(ctx, tx.uuid, tx.plan.Profile()) },
		func() error { return tx.claim(ctx) },
		func() error { tx.device = t.Name; return h.Profiles.Activate(ctx, tx.uuid) },
		func() error { return tx.keep(ctx) },
		func() error { report, err = tx.check(ctx, opts); return err },
		func() error { tx.saving = true; return h.Profiles.Save(ctx, tx.uuid) },
	}
	events := []Event{
		{Step: plan.StepProfile, What: "added the profile " + t.Name + ", in memory", Commands: tx.commands(plan.StepProfile)},
		{What: "made sure that the name is free"},
		{Step: plan.StepActivate, What: "brought it up", Commands: tx.commands(plan.StepActivate)},
		{Step: plan.StepRoute, What: tx.keepName(), Commands: tx.commands(plan.StepRoute)},
		{Step: plan.StepCheck, What: "verified it", Commands: tx.commands(plan.StepCheck)},
		{Step: plan.StepSave, What: "wrote the profile to disk", Commands: tx.commands(plan.StepSave)},
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
	return plan.CommandsOf(tx.plan.Steps, func(of string) bool { return plan.Covers(id, of) })
}

// claim makes sure that of two who make the same name at the same moment only one goes on: the one
// whose profile NetworkManager got first. Each looks after it has added its own, so that the later
// one sees the earlier one's always.
func (tx *transaction) claim(ctx context.Context) error {
	alone, err := tx.alone(ctx)
	if alone || err != nil {
		return err
	}
	// without those of the dead, whose links would be in the way
	profiles, err := tx.host.profiles(ctx)
	if err != nil {
		return err
	}
	var own nm.Profile
	for _, p := range profiles {
		if p.UUID == tx.uuid {
			own = p
		}
	}
	for _, p := range profiles {
		named := p.ID == tx.tunnel.Name || p.Tunnel.Name == tx.tunnel.Name
		if p.UUID != tx.uuid && named && p.State != nm.StateExternal && !p.Abandoned && (!p.Trial || p.Serial < own.Serial) {
			return &fault.Error{Kind: fault.ErrNameLost, Field: "name", What: "somebody else has made " + tx.tunnel.Name + " at the same moment",
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
		if serial > tx.plan.Newest {
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
	tx.keeping = err == nil || errors.Is(err, fault.ErrLeftBehind)
	return err
}

// keptNow is what is kept for the tunnel that is being made.
func (tx *transaction) keptNow() *keep.Kept {
	k := tx.plan.Kept
	k.UUID = tx.uuid
	return &k
}

func (tx *transaction) keepName() string {
	if tx.plan.Kept.Empty() {
		return ""
	}
	return "set " + tx.plan.Kept.Summary()
}

// keep has root keep k, and tells of what else went wrong meanwhile.
func (h *Host) keep(ctx context.Context, k keep.Kept) error {
	c, err := h.Keeper.Keep(ctx, k, h.Advance)
	for _, trouble := range c.Trouble {
		h.tell(Event{What: "warning: " + trouble})
	}
	return err
}

// asActivated is the profile as it is known to be when the activation has ended well.
func (tx *transaction) asActivated() nm.Profile {
	t := tx.tunnel
	return nm.Profile{UUID: tx.uuid, ID: t.Name, Tunnel: t, State: nm.StateActive, Device: t.Name, DeviceState: "activated", Unsaved: true, Trial: true}
}

// check verifies the tunnel before it is kept. That the far end is silent is a warning: the first
// end of a tunnel is made before the second.
func (tx *transaction) check(ctx context.Context, opts CreateOptions) (verify.Report, error) {
	report, err := tx.host.verifyProfile(ctx, tx.asActivated(), verify.Settings{Probe: !opts.NoProbe, BeforeSave: true, Want: &tx.tunnel, Kept: tx.keptNow()})
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
	return report, &fault.Error{What: what, Hint: c.Hint}
}
