package wizard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"nmgre"
	"nmgre/nm"
	"nmgre/nm/plan"
	"nmgre/nm/verify"
	"nmgre/routes/fault"
	"nmgre/tui/answers"
	"nmgre/tui/draw"
	"nmgre/tui/screen"
	"nmgre/tui/way"
)

// apply is the page that is shown while the plan is carried out, and after it.
type apply struct {
	running bool
	failed  error
	ended   bool
	steps   []plan.Step
	ticked  []bool
	done    []nmgre.Event
	checks  []verify.Check
	report  *verify.Report
	many    [2]int // of very many routes, how many are set
	far     *nm.FarEnd
	farErr  error
	name    string
	tunnel  nm.Tunnel
	changed bool // it was there before
	uuid    string
	farHost string // the far end for ssh: its name, or its outer address
	paired  bool   // the far end is made, too
}

// start carries out the plan of the preview.
func (w *Wizard) start() tea.Cmd {
	a := &w.apply
	a.running, a.failed, a.ended, a.done, a.checks, a.report, a.many = true, nil, false, nil, nil, nil, [2]int{}
	if w.change != nil {
		a.steps, a.name, a.tunnel, a.changed = w.change.Steps, w.was.Tunnel.Name, w.change.After, true
	} else {
		a.steps, a.name, a.tunnel = w.plan.Steps, w.plan.Tunnel.Name, w.plan.Tunnel
	}
	a.ticked = make([]bool, len(a.steps))
	w.page = pageApply
	w.windows[pageApply].Top = 0
	if w.change != nil {
		return w.startEdit()
	}
	planned := *w.plan
	work := Work{Name: "make " + fault.Printable(a.name), Root: !planned.Kept.Empty(), Undo: undoCreate(a.name, ""), Step: a.step, Check: a.check, Advance: a.advance}
	return carryOut(w.shell, work, func(ctx context.Context, wf Workflow) (nmgre.Created, error) {
		return wf.Create(ctx, planned, nmgre.CreateOptions{})
	}, w.created)
}

// undoCreate undoes the making of a tunnel.
func undoCreate(name, uuid string) Undo {
	name = fault.Printable(name)
	return Undo{Done: "made " + name, How: "delete " + name, Do: func(ctx context.Context, wf Workflow) error {
		_, err := wf.Delete(ctx, uuid)
		return err
	}}
}

// created ends the making of a tunnel.
func (w *Wizard) created(c nmgre.Created, err error) tea.Cmd {
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
	back := undoCreate(c.Status.Tunnel.Name, c.Status.UUID)
	back.Root = !c.Status.Kept.Empty()
	w.shell.Made(c.Status.UUID, back)
	t := c.Status.Tunnel
	w.apply.uuid, w.apply.farHost = c.Status.UUID, cmp.Or(t.PeerName, t.Remote.String())
	return w.readFar(c.Status.Tunnel)
}

// readFar works out the commands for the far end.
func (w *Wizard) readFar(t nm.Tunnel) tea.Cmd {
	return ask(w.shell, "work out the far end's commands", func(ctx context.Context, wf Workflow) (nm.FarEnd, error) { return wf.FarEnd(ctx, t) },
		func(far nm.FarEnd, err error) tea.Cmd {
			w.apply.far, w.apply.farErr = &far, err
			return nil
		})
}

// startEdit carries out a change of an existing tunnel. A change that may cut the person off is
// saved only once it is confirmed.
func (w *Wizard) startEdit() tea.Cmd {
	planned, name, uuid := *w.change, fault.Printable(w.was.Tunnel.Name), w.was.UUID
	a, before := &w.apply, planned.Before.Clone()
	work := Work{Name: "change " + name, Root: !planned.Kept.Empty() || !w.was.Kept.Empty(), Step: a.step, Check: a.check, Advance: a.advance}
	back := Undo{Done: "changed " + name + " to " + values(planned.Changes, false), How: "set " + name + " back to " + values(planned.Changes, true), Root: work.Root,
		Do: func(ctx context.Context, wf Workflow) error { return editTo(ctx, wf, uuid, before) }}
	work.Undo = back
	return carryOut(w.shell, work, func(ctx context.Context, wf Workflow) (nmgre.Edited, error) {
		return wf.Edit(ctx, planned, nmgre.EditOptions{})
	},
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

// maxValue is how many characters of a value are shown.
const maxValue = 40

// values are the fields of a change with their values: the old ones, or the new ones.
func values(changes []nm.FieldChange, old bool) string {
	texts := make([]string, len(changes))
	for i, c := range changes {
		value := c.New
		if old {
			value = c.Old
		}
		switch {
		case value == "":
			texts[i] = "no " + c.Field
		case len(value) > maxValue && old:
			texts[i] = "the former " + c.Field
		case len(value) > maxValue:
			texts[i] = "another " + c.Field
		default:
			texts[i] = c.Field + " " + fault.Printable(value)
		}
	}
	return strings.Join(texts, ", ")
}

// editTo changes an existing tunnel into want.
func editTo(ctx context.Context, wf Workflow, uuid string, want nm.Tunnel) error {
	plan, err := wf.PlanEdit(ctx, uuid, func(t *nm.Tunnel) error { *t = want; return nil })
	if err != nil {
		return err
	}
	_, err = wf.Edit(ctx, plan, nmgre.EditOptions{})
	return err
}

func (a *apply) end(err error) {
	a.running, a.ended, a.failed = false, true, err
	if err == nil {
		for i := range a.ticked {
			a.ticked[i] = true
		}
	}
}

func (a *apply) check(c verify.Check) {
	a.checks = append(a.checks, c)
}

func (a *apply) advance(done, total int) {
	a.many = [2]int{done, total}
}

// step takes a step that has ended.
func (a *apply) step(s nmgre.Event) {
	if s.Detail {
		return
	}
	a.done = append(a.done, s)
	if s.Err == nil && !s.Undo {
		a.tick(s.Step)
	}
}

// tick marks the step of the plan that has ended. Several steps about root's files end together, as
// [plan.StepRoute].
func (a *apply) tick(id string) {
	for i, s := range a.steps {
		if id != "" && (s.ID == id || id == plan.StepRoute && kept(s.ID)) {
			a.ticked[i] = true
		}
	}
}

// kept says whether a step is about the files that root keeps.
func kept(id string) bool {
	switch id {
	case plan.StepPin, plan.StepRoute, plan.StepRule, plan.StepForward, plan.StepSNAT, plan.StepClamp:
		return true
	}
	return false
}

// lines show the steps that have ended with their times, the steps to come, and the checks.
func (a *apply) lines(th draw.Theme, width int) []draw.Line {
	var lines []draw.Line
	for _, s := range a.done {
		glyph, st := th.Pass, draw.Green
		switch {
		case s.Err != nil:
			glyph, st = th.Fail, draw.Red
		case s.Undo || s.Took == 0:
			glyph, st = th.Skip, draw.Yellow
		}
		lines = append(lines, doneLines(th, glyph, st, s, width)...)
	}
	if a.running {
		lines = append(lines, a.pending(th, width)...)
	}
	lines = append(lines, a.outcome(th, width)...)
	if a.report != nil {
		return append(lines, a.way(th, width)...)
	}
	for i, c := range a.checks {
		if i == 0 {
			lines = append(lines, draw.Text(""), draw.Styled(" Checks", draw.Bold))
		}
		lines = append(lines, indented(draw.CheckText(th, c, width-2))...)
	}
	return lines
}

// way is the picture of the tunnel's way, and below it the findings.
func (a *apply) way(th draw.Theme, width int) []draw.Line {
	v := way.View{Tunnel: a.tunnel, Report: a.report}
	lines := append([]draw.Line{draw.Text("")}, way.Picture(th, v, width-1, true)...)
	return append(append(lines, draw.Text("")), indented(way.Findings(th, v, width-2))...)
}

// indented keeps the lines off the frame.
func indented(lines []draw.Line) []draw.Line {
	for i := range lines {
		lines[i] = append(draw.Line{draw.Plain.Of(" ")}, lines[i]...)
	}
	return lines
}

// doneLines put the time to the right.
func doneLines(th draw.Theme, glyph string, st draw.Style, s nmgre.Event, width int) []draw.Line {
	took := ""
	if s.Took > 0 {
		took = draw.TookText(s.Took)
	}
	what := fault.Printable(s.What)
	if s.Err != nil {
		what += ": " + draw.ErrorText(s.Err)
	}
	room := max(width-4-9, 10)
	var lines []draw.Line
	for i, part := range draw.Wrap(what, room) {
		if i == 0 {
			lines = append(lines, draw.Line{st.Of(" " + glyph + " "), draw.Plain.Of(th.Fit(part, room)), draw.Dim.Of(fmt.Sprintf("%9s", took))})
			continue
		}
		lines = append(lines, draw.Line{draw.Plain.Of("   " + part)})
	}
	return lines
}

// pending are the steps that are not done yet; the first of them is under way.
func (a *apply) pending(th draw.Theme, width int) []draw.Line {
	var lines []draw.Line
	first := true
	for i, s := range a.steps {
		if a.ticked[i] {
			continue
		}
		glyph, st := " ", draw.Dim
		if first {
			glyph, st = th.Wait, draw.Plain
		}
		lines = append(lines, draw.Wrapped(glyph+" "+fault.Printable(s.What), width-1, " ", st)...)
		if first && a.many[1] > 0 {
			lines = append(lines, draw.Line{draw.Plain.Of("   " + bar(a.many[0], a.many[1], min(width-30, 30))), draw.Dim.Of(fmt.Sprintf(" %d of %d routes", a.many[0], a.many[1]))})
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
	return "[" + strings.Repeat("#", max(full, 0)) + strings.Repeat("-", max(width-full, 0)) + "]"
}

// outcome says how it ended.
func (a *apply) outcome(th draw.Theme, width int) []draw.Line {
	if !a.ended {
		return nil
	}
	lines := []draw.Line{draw.Text("")}
	if a.failed != nil {
		lines = append(lines, draw.Wrapped(th.Fail+" It failed, and everything was undone:", width-1, " ", draw.Red)...)
		for _, part := range strings.Split(a.failed.Error(), "\n") {
			lines = append(lines, draw.Wrapped(fault.Printable(part), width-1, "   ", draw.Plain)...)
		}
		for _, hint := range fault.Hints(a.failed) {
			lines = append(lines, draw.Wrapped("hint: "+fault.Printable(hint), width-1, "   ", draw.Yellow)...)
		}
		return lines
	}
	return append(lines, a.success(th, width)...)
}

// success names the tunnel, and says whether it carries traffic.
func (a *apply) success(th draw.Theme, width int) []draw.Line {
	glyph, st, more := th.Warn, draw.Yellow, ""
	switch {
	case a.report == nil:
		glyph, st = th.Pass, draw.Green
	case a.report.Verdict == verify.Pass:
		glyph, st, more = th.Pass, draw.Green, ", and carries traffic"
	case a.onlySilent():
		more = ". The far end does not answer: it may not be set up yet"
	default:
		more = ", but look at the marked checks below"
	}
	is := " is there"
	if a.changed {
		is = " is changed"
	}
	return draw.Wrapped(glyph+" "+fault.Printable(a.name)+is+more, width-1, " ", st)
}

// onlySilent says whether the only warnings are about a silent far end, as it is until it is set
// up.
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

// applyKeys are the keys while the plan is carried out, and after it.
func (w *Wizard) applyKeys() []screen.Key {
	a := &w.apply
	next := screen.Key{Keys: []string{"enter"}, Hint: "the far end", Help: "what to type at the far end", Do: func() tea.Cmd { return w.toPage(pageFarEnd) }}
	back := screen.Key{Keys: []string{"ctrl+p", "b"}, Hint: "back", Help: "back to the answers", Do: func() tea.Cmd { w.apply.ended = false; return w.toPage(answers.Pages - 1) }}
	leave := screen.Key{Keys: []string{"esc", "q"}, Hint: "close", Help: "close the wizard", Do: func() tea.Cmd { return w.Leave() }}
	switch {
	case a.running:
		next.Why, back.Why = "it is still being made", "it is still being made (esc stops and undoes it)"
		leave.Hint, leave.Help = "stop", "stop, and undo everything"
	case a.failed != nil:
		next.Why = "there is no tunnel"
	default:
		back.Why = "it is done: e changes the tunnel, z undoes it"
	}
	if w.answers.Edit {
		next = screen.Key{Keys: []string{"enter"}, Hint: "close", Help: "close the wizard", Why: next.Why, Do: func() tea.Cmd { return w.Leave() }}
	}
	return append([]screen.Key{next, back, leave}, screen.Scroll(&w.windows[pageApply])...)
}

// farLines are the last page.
func (w *Wizard) farLines(width int) []draw.Line {
	switch {
	case w.apply.farErr != nil:
		return draw.Wrapped(draw.ErrorText(w.apply.farErr), width-1, " ", draw.Red)
	case w.apply.far == nil:
		return []draw.Line{draw.Styled(" working out the far end's commands", draw.Dim)}
	}
	return indented(draw.FarEndText(*w.apply.far, width-2))
}

func (w *Wizard) farEndKeys() []screen.Key {
	copying := screen.Key{Keys: []string{"y"}, Hint: "copy", Help: "copy the far end's nmgre command", Do: func() tea.Cmd {
		w.shell.Copy("the far end's command", w.apply.far.CreateCommand())
		return nil
	}}
	switch far := w.apply.far; {
	case far == nil:
		copying.Why = "the far end is not known yet"
	case far.Missing != "":
		copying.Why = far.Missing
	}
	return append([]screen.Key{copying, w.pairKey(),
		{Keys: []string{"enter", "esc", "q"}, Hint: "close", Help: "close the wizard", Do: func() tea.Cmd { return w.Leave() }},
		{Keys: []string{"ctrl+p", "b", "left", "h"}, Hint: "back", Help: "back to the checks", Do: func() tea.Cmd { w.page = pageApply; return nil }},
	}, screen.Scroll(&w.windows[pageFarEnd])...)
}

// pairKey makes the other end too.
func (w *Wizard) pairKey() screen.Key {
	key := screen.Key{Keys: []string{"p"}, Hint: "make it", Help: "make the other end too, over ssh", Do: w.askPair}
	switch far := w.apply.far; {
	case w.apply.paired:
		key.Why = "both ends are made"
	case far == nil:
		key.Why = "the far end is not known yet"
	case far.Missing != "":
		key.Why = far.Missing
	default:
		key.Why = w.shell.ChangeWhy()
	}
	return key
}

// askPair asks before it logs in to the other host.
func (w *Wizard) askPair() tea.Cmd {
	host := w.apply.farHost
	text := "nmgre logs in to " + fault.Printable(host) + " by your own ssh, makes its end, and saves it when both ends have proved the tunnel. ssh may ask you something on the terminal. For another name of that host type: nmgre pair HOST " + fault.Operand(w.apply.name)
	w.shell.Ask("Make the other end too?", text, "make it", "not now", func() tea.Cmd { return w.pair(host) })
	return nil
}

// pair makes the other end.
func (w *Wizard) pair(host string) tea.Cmd {
	called := "the far end at " + fault.Printable(host)
	work := Work{Name: "make " + called + ", over ssh", Alone: true, Step: w.apply.step}
	uuid := w.apply.uuid
	return carryOut(w.shell, work, func(ctx context.Context, wf Workflow) (struct{}, error) { return struct{}{}, wf.Pair(ctx, host, uuid) },
		func(_ struct{}, err error) tea.Cmd {
			if w.apply.paired = err == nil; err != nil {
				w.shell.Fail(err)
				return nil
			}
			w.shell.Say("made " + called + ", and proved it from both ends")
			return nil
		})
}
