package nmgre

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	"nmgre/nm"
	"nmgre/nm/crowd"
	"nmgre/nm/plan"
	"nmgre/nm/reconcile"
	"nmgre/nm/undo"
	"nmgre/nm/verify"
	"nmgre/routes/fault"
)

// EditTogether is [Host.Edit] for several tunnels: all of the edits are carried out, or none. There
// must be at least one. The first one's far end is probed, if it has one, and with Confirm its
// report is confirmed for all.
func (h *Host) EditTogether(ctx context.Context, plans []plan.EditPlan, opts EditOptions) ([]Edited, error) {
	done := make([]Edited, len(plans))
	if len(plans) == 1 && len(plans[0].Changes) == 0 {
		status, err := h.status(ctx, plans[0].Profile.UUID)
		done[0].Status = status
		return done, fault.Ended(ctx, err)
	}
	if opts.Confirm != nil {
		confirmed := *h
		confirmed.Confirm, h = opts.Confirm, &confirmed
	}
	b, err := h.newBatch(ctx, Changes{Edit: plans}, CreateOptions{NoProbe: opts.NoProbe})
	if err != nil {
		return done, err
	}
	for i, e := range b.edits {
		e.faulty, e.noProbe = opts.faulty, opts.NoProbe || i > 0
	}
	if err := b.carryOut(ctx); err != nil {
		done[0].Report = b.edits[0].report
		return done, b.undo(ctx, err)
	}
	for i, e := range b.edits {
		done[i] = e.edited(ctx)
	}
	return done, nil
}

// PlanAll is [Host.Plan] for several new tunnels, which are made together. errs has the error of
// each, or nil; err is for all of them.
func (h *Host) PlanAll(ctx context.Context, wants []nm.Tunnel) (plans []plan.Plan, errs []error, err error) {
	var listed []nm.Profile
	once := func(ctx context.Context) (_ []nm.Profile, err error) {
		if listed == nil {
			listed, err = h.profiles(ctx)
		}
		return listed, err
	}
	plans, errs, sys := make([]plan.Plan, len(wants)), make([]error, len(wants)), crowd.View(h.System, len(wants))
	for i, want := range wants {
		plans[i], errs[i] = reconcile.PlanNew(ctx, sys, once, want)
		if ctx.Err() != nil {
			return nil, nil, fault.Ended(ctx, errs[i])
		}
		if line := crowd.Progress("planned", i+1, len(wants)); line != "" {
			h.tell(Event{What: line})
		}
	}
	return plans, errs, nil
}

// CreateAll is [Host.Create] for several tunnels: all of them are made, or none. Each step is taken
// for all tunnels before the next one.
func (h *Host) CreateAll(ctx context.Context, plans []plan.Plan, opts CreateOptions) ([]Created, error) {
	b, err := h.newBatch(ctx, Changes{Create: plans}, opts)
	if err == nil {
		if err = b.carryOut(ctx); err != nil {
			err = b.undo(ctx, err)
		}
	}
	if err != nil {
		return nil, err
	}
	return b.created(), nil
}

// Changes are tunnels to make, to change and to delete together.
type Changes = reconcile.Changes

// batch is the work on several tunnels, of which all is done, or nothing. The first tunnel is the
// leader: when it is saved, or where all are deleted, when it is gone, everything is decided. If
// the process is killed before, the next command undoes everything. If it is killed later, the next
// command does the rest. The others' profiles say who the leader is.
type batch struct {
	host    *Host
	creates []*createWork
	edits   []*editWork
	drops   []*dropWork
	works   []work // all of them
	opts    CreateOptions
	looking *Host      // one look at the host for the checks of all
	saying  sync.Mutex // steps of several tunnels end at the same time
}

// work is the work on one tunnel.
type work interface {
	named() string
	// steps are the steps of a phase.
	steps(ctx context.Context, p phase, first bool) []editStep
	takes(id string) bool
	commands(id string) []string
	undo(ctx context.Context, cause error) error
}

// phase is a part of the work, which is done for all tunnels before the next one.
type phase int

const (
	phaseBegin phase = iota // tunnels to delete or change are as they were, and are marked
	phaseDown               // tunnels to delete go down
	phaseAdd
	phaseClaim
	phaseChange
	phaseKeep
	phaseUp
	phaseCheck
	phaseAsk
	phaseMark // new tunnels are on disk, and still on trial
	phaseLead // the leader is saved
	phaseSave
	phaseDrop
)

// alone says whether a phase is done for one tunnel after the other: root's files have one lock.
func (p phase) alone() bool { return p == phaseClaim || p == phaseKeep || p == phaseAsk }

// newBatch returns the work on several tunnels. It refuses a change that may cut off the person's
// session.
func (h *Host) newBatch(ctx context.Context, c Changes, opts CreateOptions) (*batch, error) {
	guarded := h
	for _, effect := range c.Effects() {
		safe, err := h.guarded(ctx, effect)
		if err != nil {
			return nil, err
		}
		if guarded == h || safe.Confirm != nil {
			guarded = safe
		}
	}
	b := &batch{opts: opts}
	b.host = b.orderly(guarded)
	for _, planned := range c.Create {
		one := &createWork{host: b.host, uuid: nm.NewUUID(), tunnel: planned.Tunnel, plan: planned, beside: len(c.Create) - 1, batch: b}
		b.creates, b.works = append(b.creates, one), append(b.works, one)
	}
	for _, planned := range c.Edit {
		one := &editWork{host: b.host, plan: planned, noProbe: opts.NoProbe, joins: planned.Mends() || planned.Raises, assumed: planned.KeptStays() && !planned.KeptDiffers()}
		b.edits, b.works = append(b.edits, one), append(b.works, one)
	}
	for _, p := range c.Delete {
		one := &dropWork{host: b.host, profile: p}
		b.drops, b.works = append(b.drops, one), append(b.works, one)
	}
	b.lead()
	return b, nil
}

// orderly returns the host whose steps may end at the same time: the caller's functions are called
// one after the other.
func (b *batch) orderly(h *Host) *Host {
	own := *h
	own.Progress = func(e Event) { b.saying.Lock(); defer b.saying.Unlock(); h.tell(e) }
	if h.Checked != nil {
		own.Checked = func(c verify.Check) { b.saying.Lock(); defer b.saying.Unlock(); h.Checked(c) }
	}
	return &own
}

// lead has all profiles name their leader, if there are several.
func (b *batch) lead() {
	if len(b.works) == 1 && len(b.drops) == 0 {
		return
	}
	var leader string
	switch {
	case len(b.creates) > 0:
		leader = b.creates[0].uuid
	case len(b.edits) > 0:
		leader = b.edits[0].plan.Profile.UUID
	default:
		leader = "-" + b.drops[0].profile.UUID
	}
	for i, e := range b.edits {
		e.joins, e.leader = true, leader
		if i == 0 && len(b.creates) == 0 {
			e.leader = ""
		}
	}
	for _, d := range b.drops {
		d.leader = leader
	}
}

// carryOut takes each phase for all tunnels before it takes the next one.
func (b *batch) carryOut(ctx context.Context) error {
	var turn sync.Mutex
	for p := phaseBegin; p <= phaseDrop; p++ {
		works, at := b.works, 0
		switch {
		case p == phaseCheck:
			looking := *b.host
			looking.System, b.looking = crowd.View(b.host.System, len(b.works)), &looking
		case p == phaseLead || p == phaseAsk:
			works = works[:1]
		case p == phaseSave:
			works, at = works[1:], 1
		}
		err := crowd.Take(len(works), func(i int) error {
			if p.alone() {
				turn.Lock()
				defer turn.Unlock()
			}
			return b.take(ctx, p, works[i], i+at == 0)
		}, func(done int) { b.advanced(p, done, len(works)) })
		if err != nil {
			return err
		}
	}
	return nil
}

// take takes those steps of a phase that one tunnel has, until one fails.
func (b *batch) take(ctx context.Context, p phase, w work, first bool) error {
	if p == phaseLead {
		p = phaseSave
	}
	several := len(b.works) > 1
	for _, s := range w.steps(ctx, p, first) {
		if !w.takes(s.id) {
			continue
		}
		e := Event{Step: s.id, What: s.what, Commands: w.commands(s.id), Detail: several && len(b.edits) < len(b.works) && (s.id != plan.StepSave || len(b.works) >= crowd.Told)}
		if several && e.What != "" {
			e.What += ": " + fault.Printable(w.named())
		}
		if err := b.host.step(ctx, e, s.do); err != nil {
			if several && len(b.edits) < len(b.works) {
				what := map[bool]string{true: " was made", false: " was done"}[len(b.creates) == len(b.works)]
				err = errors.Join(err, &fault.Error{What: "the tunnel " + fault.Printable(w.named()) + " failed, so none of the " + strconv.Itoa(len(b.works)) + what})
			}
			return err
		}
	}
	return nil
}

// phaseNames are the phases that take long.
var phaseNames = map[phase]string{phaseAdd: "added the profile", phaseChange: "brought it up", phaseCheck: "verified it", phaseSave: "wrote the profile to disk", phaseDrop: "deleted it"}

// advanced tells the progress of a phase.
func (b *batch) advanced(p phase, done, total int) {
	if b.host.AdvanceTunnels != nil {
		b.saying.Lock()
		defer b.saying.Unlock()
		n := len(b.works) // some phases are for fewer of them
		b.host.AdvanceTunnels(int(p)*n+done*n/total, int(phaseDrop+1)*n)
		return
	}
	if line := crowd.Progress(phaseNames[p], done, total); line != "" && (p != phaseDrop || len(b.drops) > 0) {
		b.host.tell(Event{What: line})
	}
}

// undo undoes everything. New tunnels go first: without their first one nothing is decided. An edit
// that leads is undone as the last, since a profile without a mark would have everything decided.
// Where a tunnel is deleted already, the others are, too.
func (b *batch) undo(ctx context.Context, cause error) error {
	b.host.undoTime = undo.New(time.Now(), crowd.UndoTime(len(b.works)))
	if slices.ContainsFunc(b.drops, func(d *dropWork) bool { return d.gone }) {
		return b.finish(ctx, cause)
	}
	cause = undoAll(ctx, b.creates, cause)
	for _, d := range b.drops {
		cause = d.undo(ctx, cause)
	}
	for i := len(b.edits) - 1; i >= 0; i-- {
		cause = b.edits[i].undo(ctx, cause)
	}
	return cause
}

// undoAll undoes everything that the works may have made. The first one decides for all: if the
// process is killed meanwhile, the next command undoes the others.
func undoAll(ctx context.Context, works []*createWork, cause error) error {
	if len(works) == 0 {
		return cause
	}
	cause = works[0].undo(ctx, cause)
	rest, errs := works[1:], make([]error, len(works))
	if slices.ContainsFunc(rest, func(c *createWork) bool { return c.keeping || c.trial != nil }) {
		for _, c := range rest {
			cause = c.undo(ctx, cause)
		}
		return cause
	}
	_ = crowd.Take(len(rest), func(i int) error { errs[i] = rest[i].undo(ctx, nil); return nil }, func(int) {}) // they do not fail
	return errors.Join(append([]error{cause}, errs...)...)
}

// finish does the rest of the deletions: all else is done. It fails only if they do.
func (b *batch) finish(ctx context.Context, cause error) (err error) {
	for _, d := range b.drops {
		if dropErr := b.host.undo(ctx, "", d.drop); dropErr != nil {
			err = errors.Join(err, &fault.Error{What: "could not delete " + fault.Printable(d.named()), Err: dropErr, Hint: "the next nmgre command deletes it"})
		}
	}
	if err != nil {
		err = errors.Join(fault.Ended(ctx, cause), err)
	}
	return err
}

// created returns the new tunnels.
func (b *batch) created() []Created {
	done := make([]Created, len(b.creates))
	for i, c := range b.creates {
		done[i] = Created{Status: Status{Profile: c.asSaved(), Kept: c.kept()}, Report: c.report}
		done[i].Report.Saved(done[i].Status.Profile)
	}
	return done
}
