package tui

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	tea "charm.land/bubbletea/v2"

	"nmgre"
	"nmgre/nm"
	"nmgre/nm/plan"
	"nmgre/nm/verify"
	"nmgre/routes/fault"
)

// apply is what is seen while the plan is carried out, and after it.
type apply struct {
	// an operation with the terminal to itself tells of its steps from its own goroutine
	mu      sync.Mutex
	running bool
	failed  error
	ended   bool
	steps   []plan.Step
	ticked  []bool
	done    []nmgre.Event
	checks  []verify.Check
	report  *verify.Report
	many    [2]int // of very many routes, how many are set
	far     *nm.Tunnel
	farErr  error
	name    string
	changed bool // it was there before
}

// start carries out what the preview shows.
func (w *wizard) start() tea.Cmd {
	a := &w.apply
	a.mu.Lock()
	a.running, a.failed, a.ended, a.done, a.checks, a.report, a.many = true, nil, false, nil, nil, nil, [2]int{}
	if w.change != nil {
		a.steps, a.name, a.changed = w.change.Steps, w.was.Tunnel.Name, true
	} else {
		a.steps, a.name = w.plan.Steps, w.plan.Tunnel.Name
	}
	a.ticked = make([]bool, len(a.steps))
	a.mu.Unlock()
	w.page = pageApply
	w.windows[pageApply].top = 0
	if w.change != nil {
		return w.startEdit()
	}
	planned := *w.plan
	work := wizWork{Name: "make " + fault.Printable(a.name), Root: !planned.Kept.Empty(), Step: a.step, Check: a.check, Advance: a.advance}
	return carryOut(w.shell, work, func(ctx context.Context, wf workflow) (nmgre.Created, error) {
		return wf.Create(ctx, planned, nmgre.CreateOptions{})
	}, w.created)
}

// created ends the making of a tunnel.
func (w *wizard) created(c nmgre.Created, err error) tea.Cmd {
	a := &w.apply
	a.end(err)
	if c.Report.Checks != nil {
		a.report = &c.Report
	}
	if err != nil {
		if errors.Is(err, fault.ErrInvalid) {
			w.refused(err)
		}
		return nil
	}
	name, uuid := fault.Printable(c.Status.Tunnel.Name), c.Status.UUID
	back := wizUndo{Done: "made " + name, How: "delete " + name, Root: !c.Status.Kept.Empty(), Do: func(ctx context.Context, wf workflow) error {
		_, err := wf.Delete(ctx, uuid)
		return err
	}}
	return tea.Batch(w.readFar(c.Status.Tunnel), w.shell.Made(uuid, back, w.danger != ""))
}

// readFar finds out what the far end has to type.
func (w *wizard) readFar(t nm.Tunnel) tea.Cmd {
	return ask(w.shell, "think of the far end", func(ctx context.Context, wf workflow) (nm.Tunnel, error) { return wf.FarEnd(ctx, t) },
		func(far nm.Tunnel, err error) tea.Cmd {
			w.apply.far, w.apply.farErr = &far, err
			return nil
		})
}

// startEdit carries out a change of a tunnel that is there. Where it may cut the person off,
// nothing is on disk until it is confirmed.
func (w *wizard) startEdit() tea.Cmd {
	planned, name, uuid := *w.change, fault.Printable(w.was.Tunnel.Name), w.was.UUID
	a, before := &w.apply, planned.Before.Clone()
	work := wizWork{Name: "change " + name, Root: !planned.Kept.Empty() || !w.was.Kept.Empty(), Step: a.step, Check: a.check, Advance: a.advance}
	back := wizUndo{Done: "changed " + name, How: "change " + name + " back", Root: work.Root,
		Do: func(ctx context.Context, wf workflow) error { return editTo(ctx, wf, uuid, before) }}
	var opts nmgre.EditOptions
	if w.danger != "" {
		opts.Confirm = w.shell.Confirm(back)
	}
	return carryOut(w.shell, work, func(ctx context.Context, wf workflow) (nmgre.Edited, error) { return wf.Edit(ctx, planned, opts) },
		func(e nmgre.Edited, err error) tea.Cmd {
			a.end(err)
			if e.Report.Checks != nil {
				a.report = &e.Report
			}
			if err == nil {
				w.shell.Changed(back)
			}
			return nil
		})
}

// editTo makes a tunnel that is there into another.
func editTo(ctx context.Context, wf workflow, uuid string, want nm.Tunnel) error {
	plan, err := wf.PlanEdit(ctx, uuid, func(t *nm.Tunnel) error { *t = want; return nil })
	if err != nil {
		return err
	}
	_, err = wf.Edit(ctx, plan, nmgre.EditOptions{})
	return err
}

func (a *apply) end(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.running, a.ended, a.failed = false, true, err
	if err == nil {
		for i := range a.ticked {
			a.ticked[i] = true
		}
	}
}

func (a *apply) check(c verify.Check) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.checks = append(a.checks, c)
}

func (a *apply) advance(done, total int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.many = [2]int{done, total}
}

// step takes what was done.
func (a *apply) step(s nmgre.Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s.Detail {
		return
	}
	a.done = append(a.done, s)
	if s.Err == nil && !s.Undo {
		a.tick(s.Step)
	}
}

// tick marks the step of the plan that has ended. Several steps about what root keeps end together,
// as [plan.StepRoute].
func (a *apply) tick(id string) {
	for i, s := range a.steps {
		if id != "" && (s.ID == id || id == plan.StepRoute && kept(s.ID)) {
			a.ticked[i] = true
		}
	}
}

// kept says whether a step is about what root keeps.
func kept(id string) bool {
	switch id {
	case plan.StepPin, plan.StepRoute, plan.StepForward, plan.StepSNAT, plan.StepClamp:
		return true
	}
	return false
}

// lines show what has been done with its times, what is still to do, and the checks.
func (a *apply) lines(th theme, width int) []line {
	a.mu.Lock()
	defer a.mu.Unlock()
	var lines []line
	for _, s := range a.done {
		glyph, st := th.pass, green
		switch {
		case s.Err != nil:
			glyph, st = th.fail, red
		case s.Undo || s.Took == 0:
			glyph, st = th.skip, yellow
		}
		lines = append(lines, doneLines(th, glyph, st, s, width)...)
	}
	if a.running {
		lines = append(lines, a.pending(th, width)...)
	}
	lines = append(lines, a.outcome(th, width)...)
	checks := a.checks
	if a.report != nil {
		checks = a.report.Checks
	}
	for i, c := range checks {
		if i == 0 {
			lines = append(lines, text(""), styled(" Checks", bold))
		}
		for _, ln := range checkText(th, c, width-2) {
			lines = append(lines, append(line{plain.of(" ")}, ln...))
		}
	}
	return lines
}

// doneLines put the time to the right.
func doneLines(th theme, glyph string, st style, s nmgre.Event, width int) []line {
	took := ""
	if s.Took > 0 {
		took = tookText(s.Took)
	}
	what := fault.Printable(s.What)
	if s.Err != nil {
		what += ": " + errorText(s.Err)
	}
	room := max(width-4-9, 10)
	var lines []line
	for i, part := range wrap(what, room) {
		if i == 0 {
			lines = append(lines, line{st.of(" " + glyph + " "), plain.of(th.fit(part, room)), dim.of(fmt.Sprintf("%9s", took))})
			continue
		}
		lines = append(lines, line{plain.of("   " + part)})
	}
	return lines
}

// pending are the steps that are not done yet; the first of them is under way.
func (a *apply) pending(th theme, width int) []line {
	var lines []line
	first := true
	for i, s := range a.steps {
		if a.ticked[i] {
			continue
		}
		glyph, st := " ", dim
		if first {
			glyph, st = th.wait, plain
		}
		lines = append(lines, wrapped(glyph+" "+fault.Printable(s.What), width-1, " ", st)...)
		if first && a.many[1] > 0 {
			lines = append(lines, line{plain.of("   " + bar(a.many[0], a.many[1], min(width-30, 30))), dim.of(fmt.Sprintf(" %d of %d routes", a.many[0], a.many[1]))})
		}
		first = false
	}
	return lines
}

func bar(done, total, width int) string {
	full := 0
	if total > 0 {
		full = width * done / total
	}
	return "[" + repeat("#", full) + repeat("-", width-full) + "]"
}

// outcome says how it ended.
func (a *apply) outcome(th theme, width int) []line {
	if !a.ended {
		return nil
	}
	lines := []line{text("")}
	if a.failed != nil {
		lines = append(lines, wrapped(th.fail+" It failed, and what was done has been taken back:", width-1, " ", red)...)
		for _, part := range strings.Split(a.failed.Error(), "\n") {
			lines = append(lines, wrapped(fault.Printable(part), width-1, "   ", plain)...)
		}
		for _, hint := range fault.Hints(a.failed) {
			lines = append(lines, wrapped("hint: "+fault.Printable(hint), width-1, "   ", yellow)...)
		}
		return lines
	}
	return append(lines, a.success(th, width)...)
}

// success says what there is now.
func (a *apply) success(th theme, width int) []line {
	glyph, st, more := th.warn, yellow, ""
	switch {
	case a.report == nil:
		glyph, st = th.pass, green
	case a.report.Verdict == verify.Pass:
		glyph, st, more = th.pass, green, ", and carries traffic"
	case a.onlySilent():
		more = ". The far end does not answer: it may have to be set up still"
	default:
		more = ", but look at what is marked below"
	}
	is := " is there"
	if a.changed {
		is = " is changed"
	}
	return wrapped(glyph+" "+fault.Printable(a.name)+is+more, width-1, " ", st)
}

// onlySilent says whether all that is marked is that the far end is silent, as it is until it is
// set up.
func (a *apply) onlySilent() bool {
	silent := false
	for _, c := range a.report.Checks {
		switch {
		case c.Status != verify.Warn && c.Status != verify.Fail:
		case c.Status == verify.Warn && (c.ID == "probe" || c.ID == "counters"):
			silent = true
		default:
			return false
		}
	}
	return silent
}

// applyKeys are those while the plan is carried out, and after it.
func (w *wizard) applyKeys() []binding {
	a := &w.apply
	next := binding{keys: []string{"enter"}, hint: "the far end", help: "what to type at the far end", do: func() tea.Cmd { return w.toPage(pageFarEnd) }}
	back := binding{keys: []string{"ctrl+p", "b"}, hint: "back", help: "back to the answers", do: func() tea.Cmd { w.apply.ended = false; return w.toPage(formPages - 1) }}
	leave := binding{keys: []string{"esc", "q"}, hint: "close", help: "close the wizard", do: func() tea.Cmd { return w.Leave() }}
	switch {
	case a.running:
		next.why, back.why = "it is still being made", "it is still being made (esc stops it, and takes it back)"
		leave.hint, leave.help = "stop", "stop, and take back what was done"
	case a.failed != nil:
		next.why = "there is no tunnel"
	default:
		back.why = "it is done: e changes the tunnel, z takes it back"
	}
	if w.edit {
		next = binding{keys: []string{"enter"}, hint: "close", help: "close the wizard", why: next.why, do: func() tea.Cmd { return w.Leave() }}
	}
	return append([]binding{next, back, leave}, scrollKeys(&w.windows[pageApply])...)
}

// farLines are the last page.
func (w *wizard) farLines(width int) []line {
	switch {
	case w.apply.farErr != nil:
		return wrapped(errorText(w.apply.farErr), width-1, " ", red)
	case w.apply.far == nil:
		return []line{styled(" thinking of the far end", dim)}
	}
	lines := farEndText(*w.apply.far, width-2)
	for i := range lines {
		lines[i] = append(line{plain.of(" ")}, lines[i]...)
	}
	return lines
}

func (w *wizard) farEndKeys() []binding {
	copying := binding{keys: []string{"y"}, hint: "copy", help: "copy the far end's nmgre command", do: func() tea.Cmd {
		w.shell.Copy("the far end's command", w.apply.far.CreateCommand())
		return nil
	}}
	if w.apply.far == nil {
		copying.why = "the far end is not known yet"
	}
	return append([]binding{copying,
		{keys: []string{"enter", "esc", "q"}, hint: "close", help: "close the wizard", do: func() tea.Cmd { return w.Leave() }},
		{keys: []string{"ctrl+p", "b", "left", "h"}, hint: "back", help: "back to the checks", do: func() tea.Cmd { w.page = pageApply; return nil }},
	}, scrollKeys(&w.windows[pageFarEnd])...)
}
