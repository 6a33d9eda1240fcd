package tui

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"nmgre"
	"nmgre/nm"
	"nmgre/nm/plan"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// The pages behind the forms.
const (
	pagePreview = formPages + iota
	pageApply
	pageFarEnd
	allPages
)

// pageNames are what the pages are called.
var pageNames = append(formNames[:], "Preview", "Apply", "Far end")

// restOnField is how long the person rests before the kernel is asked about what was typed.
const restOnField = 200 * time.Millisecond

// wizard asks for everything that makes a tunnel, page by page, and makes it; or changes one that
// is there.
type wizard struct {
	*answers
	shell shell
	theme theme
	was   *nmgre.Status // the tunnel that is changed; nil for a new one

	page    page
	windows [allPages]window
	asking  int  // counts the questions for the way: only the last one's answer counts
	closed  bool // the screen has gone

	planning bool
	plan     *plan.Plan
	change   *plan.EditPlan
	danger   string
	apply    apply
}

// newWizard begins a new tunnel, like one that is there if like is not nil. What it returns besides
// has to be carried out once the wizard is on the screen.
func newWizard(sh shell, th theme, like *nmgre.Status) (*wizard, tea.Cmd) {
	w := &wizard{shell: sh, theme: th}
	if like == nil {
		w.answers = newAnswers(sh.Host)
	} else {
		w.answers = likeAnswers(whole(*like), sh.Host)
	}
	return w, w.open()
}

// editWizard changes a tunnel that is there.
func editWizard(sh shell, th theme, was nmgre.Status) (*wizard, tea.Cmd) {
	w := &wizard{shell: sh, theme: th, was: &was, answers: editAnswers(whole(was), sh.Host)}
	return w, w.open()
}

// open reads what the host has to offer for the forms.
func (w *wizard) open() tea.Cmd {
	w.refresh()
	return tea.Batch(w.askWay(0), ask(w.shell, "read the host's interfaces", func(ctx context.Context, wf workflow) ([]kernel.Link, error) { return wf.Links(ctx) },
		func(links []kernel.Link, err error) tea.Cmd {
			if err != nil {
				w.shell.Warn("the host's interfaces could not be read: " + err.Error())
				return nil
			}
			w.setLinks(links)
			return nil
		}))
}

// Typing says whether letters are text: in a text field they are.
func (w *wizard) Typing() bool {
	return w.page < formPages && w.forms[w.page].current().kind == kindText
}

// Update takes a message that is for the field which has the keys.
func (w *wizard) Update(msg tea.Msg) tea.Cmd {
	if w.page >= formPages {
		return nil
	}
	f := w.forms[w.page].current()
	if f.why != "" {
		if _, ok := msg.(tea.KeyPressMsg); ok {
			w.shell.Warn(f.label + ": " + f.why)
		}
		return nil
	}
	if paste, ok := msg.(tea.PasteMsg); ok && strings.Contains(strings.TrimSpace(paste.Content), "\n") && takesLines(f) {
		w.plan, w.change = nil, nil
		w.paste(w.page, f.id, paste.Content)
		return nil
	}
	cmd, changed := f.key(msg)
	if !changed {
		return cmd
	}
	w.plan, w.change = nil, nil
	if w.changed(f) {
		return tea.Batch(cmd, w.askWay(restOnField))
	}
	return cmd
}

// askWay asks the kernel for the way to the far end that is typed.
func (w *wizard) askWay(rest time.Duration) tea.Cmd {
	w.asking++
	turn := w.asking
	return w.shell.After(rest, func() tea.Cmd {
		q, ok := w.wayQuery()
		if turn != w.asking || w.closed || !ok {
			return nil
		}
		return ask(w.shell, "ask the kernel for the way to the far end", func(ctx context.Context, wf workflow) (kernel.Hop, error) { return wf.Lookup(ctx, q) },
			func(hop kernel.Hop, err error) tea.Cmd {
				if turn == w.asking {
					w.setWay(q, hop, err)
				}
				return nil
			})
	})
}

// Keys are those of the page that is open.
func (w *wizard) Keys() []binding {
	switch {
	case w.page < formPages:
		return w.formKeys()
	case w.page == pagePreview:
		return w.previewKeys()
	case w.page == pageApply:
		return w.applyKeys()
	}
	return w.farEndKeys()
}

func (w *wizard) formKeys() []binding {
	fm := w.forms[w.page]
	step := func(by int) func() tea.Cmd {
		return func() tea.Cmd { return w.moveField(by) }
	}
	preview := binding{keys: []string{"ctrl+s"}, hint: "preview", help: "straight to the preview, with what is there", do: func() tea.Cmd { return w.submitAll() }}
	if w.planning {
		preview.why = "the plan is being made"
	}
	next := "next page"
	if w.page == formPages-1 {
		next = "the preview"
	}
	list := []binding{
		{keys: []string{"enter"}, hint: "next", help: "the next field; behind the last one " + next, do: func() tea.Cmd {
			if fm.atLast() {
				return w.nextPage()
			}
			return w.moveField(1)
		}},
		{keys: []string{"esc"}, hint: "leave", help: "leave the wizard (asks if anything was typed)", do: func() tea.Cmd { return w.Leave() }},
		preview,
		{keys: []string{"ctrl+n", "pgdown"}, hint: "next page", help: next, do: func() tea.Cmd { return w.nextPage() }},
		{keys: []string{"ctrl+p", "pgup"}, hint: "back", help: "the page before; nothing is lost", why: w.backWhy(), do: func() tea.Cmd { return w.toPage(w.page - 1) }},
		{keys: []string{"tab", "down"}, help: "the next field", do: step(1)},
		{keys: []string{"shift+tab", "up"}, help: "the field before; on the first one the page before", do: step(-1)},
	}
	if f := fm.current(); f.kind != kindText {
		turn := func(code rune) func() tea.Cmd {
			return func() tea.Cmd { return w.Update(tea.KeyPressMsg{Code: code}) }
		}
		list = append([]binding{
			{keys: []string{"right", "l", "space"}, hint: "choose", help: "the next value", do: turn(tea.KeyRight)},
			{keys: []string{"left", "h"}, help: "the value before", do: turn(tea.KeyLeft)},
		}, list...)
	}
	return list
}

func (w *wizard) backWhy() string {
	if w.page == pageEndpoints {
		return "this is the first page"
	}
	return ""
}

// moveField goes to another field; off the ends of the form to another page.
func (w *wizard) moveField(by int) tea.Cmd {
	fm := w.forms[w.page]
	if fm.move(by) {
		w.refresh()
		return nil
	}
	switch {
	case by < 0 && w.page > pageEndpoints:
		cmd := w.toPage(w.page - 1)
		w.forms[w.page].toLast()
		return cmd
	case by < 0:
		w.shell.Say("this is the first field")
		return nil
	}
	fm.current().touched = true
	w.refresh()
	if w.page < formPages-1 {
		w.shell.Say("this is the last field: enter goes to the next page")
	} else {
		w.shell.Say("this is the last field: enter goes to the preview")
	}
	return nil
}

// toPage opens a page. Nothing that is wrong keeps anybody from it.
func (w *wizard) toPage(to page) tea.Cmd {
	w.page = max(to, pageEndpoints)
	w.refresh()
	return nil
}

// nextPage submits the page: its errors are shown, and the first one gets the keys.
func (w *wizard) nextPage() tea.Cmd {
	fm := w.forms[w.page]
	fm.touch()
	w.refresh()
	if f := fm.problem(); f != nil {
		fm.goTo(f)
		w.shell.Warn(f.label + ": " + f.problem)
		return nil
	}
	if w.page == formPages-1 {
		return w.submitAll()
	}
	return w.toPage(w.page + 1)
}

// submitAll has the plan made, unless something is wrong: then the first field with an error gets
// the keys.
func (w *wizard) submitAll() tea.Cmd {
	w.submit()
	if w.toFirstProblem() {
		return nil
	}
	t, _ := w.tunnel()
	w.planning = true
	if w.edit {
		return w.planEdit(t)
	}
	return ask(w.shell, "make the plan", func(ctx context.Context, wf workflow) (plan.Plan, error) { return wf.Plan(ctx, t) },
		func(planned plan.Plan, err error) tea.Cmd {
			w.planning = false
			if w.refused(err) {
				return nil
			}
			return w.shell.Danger(nil, planned.Tunnel, func(danger string) tea.Cmd {
				w.plan, w.danger = &planned, danger
				return w.toPage(pagePreview)
			})
		})
}

// planEdit has the workflow say what the change would do.
func (w *wizard) planEdit(t nm.Tunnel) tea.Cmd {
	uuid := w.was.UUID
	return ask(w.shell, "make the plan", func(ctx context.Context, wf workflow) (plan.EditPlan, error) {
		return wf.PlanEdit(ctx, uuid, func(own *nm.Tunnel) error { *own = t; return nil })
	}, func(edit plan.EditPlan, err error) tea.Cmd {
		w.planning = false
		if errors.Is(err, fault.ErrNotFound) {
			w.shell.Warn(fault.Printable(w.was.Tunnel.Name) + " is gone: somebody has deleted it (what you typed is here still; esc leaves)")
			return nil
		}
		if w.refused(err) {
			return nil
		}
		if len(edit.Changes) == 0 {
			w.shell.Say("nothing is different from what is there")
			return nil
		}
		return w.shell.Danger(w.was, edit.After, func(danger string) tea.Cmd {
			w.change, w.danger = &edit, danger
			return w.toPage(pagePreview)
		})
	})
}

// refused shows what the host has against what is asked for, at the fields, and says whether it
// has.
func (w *wizard) refused(err error) bool {
	if err == nil {
		return false
	}
	w.refuse(err)
	if !w.toFirstProblem() {
		w.shell.Fail(err)
	}
	return true
}

// toFirstProblem gives the keys to the first field with an error.
func (w *wizard) toFirstProblem() bool {
	at, f := w.problem()
	if f == nil {
		return false
	}
	w.page = at
	w.forms[at].goTo(f)
	w.shell.Warn(f.label + ": " + f.problem)
	return true
}

// Leave closes the wizard, after asking where something would be lost.
func (w *wizard) Leave() tea.Cmd {
	switch {
	case w.page == pageApply && w.apply.running:
		w.shell.Stop()
		return nil
	case w.page >= pageApply || !w.dirty():
		return w.close()
	}
	what := "the new tunnel"
	if w.edit {
		what = "the changes of " + fault.Printable(w.was.Tunnel.Name)
	}
	w.shell.Ask("Leave?", "What you have typed for "+what+" is lost; nothing has been changed on this host.", "leave", "stay", w.close)
	return nil
}

func (w *wizard) close() tea.Cmd {
	w.closed = true
	return w.shell.Close()
}

// View draws the page below a line of all pages.
func (w *wizard) View(width, height int) drawing {
	th := w.theme
	inner, room := width-2, height-4
	title := line{bold.of("New tunnel")}
	if w.edit {
		title = line{bold.of("Edit " + fault.Printable(w.was.Tunnel.Name))}
	}
	rows := []string{w.pageLine(th, inner), th.render(inner, nil)}
	var d drawn
	switch {
	case w.page < formPages:
		d = w.forms[w.page].draw(th, inner)
		d.lines = append(d.lines, w.planningLines(th)...)
	case w.page == pagePreview:
		d = drawn{lines: w.previewLines(th, inner), focus: -1}
	case w.page == pageApply:
		d = drawn{lines: w.apply.lines(th, inner), focus: -1}
	default:
		d = drawn{lines: w.farLines(inner), focus: -1}
	}
	win := &w.windows[w.page]
	from, to := win.clamp(len(d.lines), room)
	if w.page < formPages {
		win.show(d.last, len(d.lines), room)
		from, to = win.show(d.focus, len(d.lines), room)
	}
	for _, ln := range d.lines[from:to] {
		rows = append(rows, th.render(inner, ln))
	}
	foot := ""
	if len(d.lines) > room {
		foot = fmt.Sprintf("%d-%d of %d", from+1, to, len(d.lines))
	}
	out := drawing{rows: th.panel(panel{title: title, foot: foot, focused: true}, width, height, rows)}
	if d.cursor != nil {
		out.cursor = &tea.Position{X: d.cursor.X + 1, Y: d.cursor.Y - from + 3}
	}
	return out
}

// pageLine shows where the person is.
func (w *wizard) pageLine(th theme, width int) string {
	pages := w.pages()
	var out line
	used, here := 0, 0
	for i, p := range pages {
		st, mark := dim, ""
		switch {
		case p == w.page:
			st, here = reverse, i
		case p < formPages && w.forms[p].problem() != nil:
			st, mark = yellow, th.warn
		}
		name := " " + mark + pageNames[p] + " "
		out = append(out, st.of(name))
		used += cells(name)
	}
	if used <= width {
		return th.render(width, out)
	}
	return th.render(width, line{reverse.of(fmt.Sprintf(" %s ", pageNames[w.page])), dim.of(fmt.Sprintf(" page %d of %d", here+1, len(pages)))})
}

// pages are those that this wizard has: a change needs no far end's page.
func (w *wizard) pages() []page {
	list := []page{pageEndpoints, pageInner, pageOptions, pageRoutes, pageForward, pagePreview, pageApply}
	if !w.edit {
		list = append(list, pageFarEnd)
	}
	return list
}

// planningLines say below the form that the plan is being made.
func (w *wizard) planningLines(th theme) []line {
	if w.planning {
		return []line{text(""), styled(" making the plan "+th.wait, dim)}
	}
	return nil
}
