package wizard

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"nmgre"
	"nmgre/nm"
	"nmgre/nm/plan"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
	"nmgre/tui/answers"
	"nmgre/tui/draw"
	"nmgre/tui/form"
	"nmgre/tui/screen"
)

// The pages after the forms.
const (
	pagePreview = answers.Pages + iota
	pageApply
	pageFarEnd
	allPages
)

// pageNames are the names of all pages.
var pageNames = append(answers.Names[:], "Preview", "Apply", "Far end")

// restOnField is the rest after a key before the kernel is asked about an address.
const restOnField = 200 * time.Millisecond

// Wizard asks for a tunnel, page by page, and makes it. It also changes an existing tunnel.
type Wizard struct {
	answers *answers.Answers
	shell   Shell
	theme   draw.Theme
	was     *nmgre.Status // the tunnel that is changed; nil for a new one

	page    answers.Page
	windows [allPages]draw.Window
	asking  int  // counts the questions for the way: only the last one's answer counts
	closed  bool // the screen has gone

	planning bool
	plan     *plan.Plan
	change   *plan.EditPlan
	danger   string
	apply    apply
}

// New begins a new tunnel: a duplicate of like, unless that is nil. The command reads the host's
// interfaces; it must be carried out once the wizard is on the screen.
func New(sh Shell, th draw.Theme, like *nmgre.Status) (*Wizard, tea.Cmd) {
	w := &Wizard{shell: sh, theme: th}
	if like == nil {
		w.answers = answers.New(sh.Host)
	} else {
		w.answers = answers.Like(answers.Whole(*like), sh.Host)
	}
	return w, w.open()
}

// Edit begins a change of an existing tunnel. The command is that of [New].
func Edit(sh Shell, th draw.Theme, was nmgre.Status) (*Wizard, tea.Cmd) {
	w := &Wizard{shell: sh, theme: th, was: &was, answers: answers.Edit(answers.Whole(was), sh.Host)}
	return w, w.open()
}

// open reads the host's interfaces, and the way to the far end.
func (w *Wizard) open() tea.Cmd {
	w.answers.Refresh()
	return tea.Batch(w.askWay(0), ask(w.shell, "read the host's interfaces", func(ctx context.Context, wf Workflow) ([]kernel.Link, error) { return wf.Links(ctx) },
		func(links []kernel.Link, err error) tea.Cmd {
			if err != nil {
				w.shell.Warn("the host's interfaces could not be read: " + err.Error())
				return nil
			}
			w.answers.SetLinks(links)
			return nil
		}), ask(w.shell, "read firewalld's zones", func(ctx context.Context, wf Workflow) ([]string, error) { return wf.ZoneNames(ctx) },
		func(names []string, err error) tea.Cmd {
			if err == nil { // without a list, no zone is offered
				w.answers.SetZones(names)
			}
			return nil
		}))
}

// Typing is true in a text field: letters are text there.
func (w *Wizard) Typing() bool {
	return w.page < answers.Pages && w.answers.Forms[w.page].Current().Kind == form.Text
}

// Update takes a message that is for the field which has the keys.
func (w *Wizard) Update(msg tea.Msg) tea.Cmd {
	if w.page >= answers.Pages {
		return nil
	}
	f := w.answers.Forms[w.page].Current()
	if f.Why != "" {
		if _, ok := msg.(tea.KeyPressMsg); ok {
			w.shell.Warn(f.Label + ": " + f.Why)
		}
		return nil
	}
	if paste, ok := msg.(tea.PasteMsg); ok && strings.Contains(strings.TrimSpace(paste.Content), "\n") && answers.TakesLines(f) {
		w.plan, w.change = nil, nil
		w.answers.Paste(w.page, f.ID, paste.Content)
		return nil
	}
	if !f.Key(msg) {
		return nil
	}
	w.plan, w.change = nil, nil
	if w.answers.Changed(f) {
		return w.askWay(restOnField)
	}
	return nil
}

// askWay asks the kernel for the way to the far end that is typed.
func (w *Wizard) askWay(rest time.Duration) tea.Cmd {
	w.asking++
	turn := w.asking
	return w.shell.After(rest, func() tea.Cmd {
		if name, v6, ok := w.answers.NameQuery(); ok && turn == w.asking && !w.closed {
			return w.askName(turn, name, v6)
		}
		q, ok := w.answers.WayQuery()
		if turn != w.asking || w.closed || !ok {
			return nil
		}
		return ask(w.shell, "ask the kernel for the way to the far end", func(ctx context.Context, wf Workflow) (kernel.Hop, error) { return wf.Lookup(ctx, q) },
			func(hop kernel.Hop, err error) tea.Cmd {
				if turn == w.asking {
					w.answers.SetWay(q, hop, err)
				}
				return nil
			})
	})
}

// askName looks the far end's name up, and then asks for the way to it.
func (w *Wizard) askName(turn int, name string, v6 bool) tea.Cmd {
	return ask(w.shell, "look up "+name, func(ctx context.Context, wf Workflow) ([]netip.Addr, error) { return wf.Resolve(ctx, name, v6) },
		func(list []netip.Addr, err error) tea.Cmd {
			if turn != w.asking {
				return nil
			}
			w.answers.SetName(name, v6, list, err)
			return w.askWay(0)
		})
}

// Keys are the keys of the page that is open.
func (w *Wizard) Keys() []screen.Key {
	switch {
	case w.page < answers.Pages:
		return w.formKeys()
	case w.page == pagePreview:
		return w.previewKeys()
	case w.page == pageApply:
		return w.applyKeys()
	}
	return w.farEndKeys()
}

func (w *Wizard) formKeys() []screen.Key {
	fm := w.answers.Forms[w.page]
	step := func(by int) func() tea.Cmd {
		return func() tea.Cmd { return w.moveField(by) }
	}
	preview := screen.Key{Keys: []string{"ctrl+s"}, Hint: "preview", Help: "straight to the preview, with these answers", Do: func() tea.Cmd { return w.submitAll() }}
	if w.planning {
		preview.Why = "the plan is being made"
	}
	next := "next page"
	if w.page == answers.Pages-1 {
		next = "the preview"
	}
	list := []screen.Key{
		{Keys: []string{"enter"}, Hint: "next", Help: "the next field; after the last one " + next, Do: func() tea.Cmd {
			if fm.AtLast() {
				return w.nextPage()
			}
			return w.moveField(1)
		}},
		{Keys: []string{"esc"}, Hint: "leave", Help: "leave the wizard (asks if anything was typed)", Do: func() tea.Cmd { return w.Leave() }},
		preview,
		{Keys: []string{"ctrl+n", "pgdown"}, Hint: "next page", Help: next, Do: func() tea.Cmd { return w.nextPage() }},
		{Keys: []string{"ctrl+p", "pgup"}, Hint: "back", Help: "the previous page; nothing is lost", Why: w.backWhy(), Do: func() tea.Cmd { return w.toPage(w.page - 1) }},
		{Keys: []string{"tab", "down"}, Help: "the next field", Do: step(1)},
		{Keys: []string{"shift+tab", "up"}, Help: "the previous field; before the first one the previous page", Do: step(-1)},
	}
	if f := fm.Current(); f.Kind != form.Text {
		turn := func(code rune) func() tea.Cmd {
			return func() tea.Cmd { return w.Update(tea.KeyPressMsg{Code: code}) }
		}
		list = append([]screen.Key{
			{Keys: []string{"right", "l", "space"}, Hint: "choose", Help: "the next value", Do: turn(tea.KeyRight)},
			{Keys: []string{"left", "h"}, Help: "the previous value", Do: turn(tea.KeyLeft)},
		}, list...)
	}
	return list
}

func (w *Wizard) backWhy() string {
	if w.page == answers.PageEndpoints {
		return "this is the first page"
	}
	return ""
}

// moveField goes to another field, and from the first field to the previous page.
func (w *Wizard) moveField(by int) tea.Cmd {
	fm := w.answers.Forms[w.page]
	if fm.Move(by) {
		w.answers.Refresh()
		return nil
	}
	switch {
	case by < 0 && w.page > answers.PageEndpoints:
		cmd := w.toPage(w.page - 1)
		w.answers.Forms[w.page].ToLast()
		return cmd
	case by < 0:
		w.shell.Say("this is the first field")
		return nil
	}
	fm.Current().Touched = true
	w.answers.Refresh()
	if w.page < answers.Pages-1 {
		w.shell.Say("this is the last field: enter goes to the next page")
	} else {
		w.shell.Say("this is the last field: enter goes to the preview")
	}
	return nil
}

// toPage opens a page, whatever errors there are.
func (w *Wizard) toPage(to answers.Page) tea.Cmd {
	w.page = max(to, answers.PageEndpoints)
	w.answers.Refresh()
	return nil
}

// nextPage submits the page. Its errors are shown, and the first field with one gets the keys.
func (w *Wizard) nextPage() tea.Cmd {
	fm := w.answers.Forms[w.page]
	fm.Touch()
	w.answers.Refresh()
	if f := fm.Problem(); f != nil {
		fm.GoTo(f)
		w.shell.Warn(f.Label + ": " + f.Problem)
		return nil
	}
	if w.page == answers.Pages-1 {
		return w.submitAll()
	}
	return w.toPage(w.page + 1)
}

// submitAll asks for the plan. If there are errors, the first field with one gets the keys instead.
func (w *Wizard) submitAll() tea.Cmd {
	w.answers.Submit()
	if w.toFirstProblem() {
		return nil
	}
	t, _ := w.answers.Tunnel()
	w.planning = true
	if w.answers.Edit {
		return w.planEdit(t)
	}
	return ask(w.shell, "make the plan", func(ctx context.Context, wf Workflow) (plan.Plan, error) { return wf.Plan(ctx, t) },
		func(planned plan.Plan, err error) tea.Cmd {
			w.planning = false
			if w.refused(err) {
				return nil
			}
			return w.shell.Danger(planned.Effect(), func(danger string) tea.Cmd {
				w.plan, w.danger = &planned, danger
				return w.toPage(pagePreview)
			})
		})
}

// planEdit asks for the plan of a change.
func (w *Wizard) planEdit(t nm.Tunnel) tea.Cmd {
	uuid := w.was.UUID
	return ask(w.shell, "make the plan", func(ctx context.Context, wf Workflow) (plan.EditPlan, error) {
		return wf.PlanEdit(ctx, uuid, func(own *nm.Tunnel) error { *own = t; return nil })
	}, func(edit plan.EditPlan, err error) tea.Cmd {
		w.planning = false
		if errors.Is(err, fault.ErrNotFound) {
			w.shell.Warn(fault.Printable(w.was.Tunnel.Name) + " is gone: somebody has deleted it (your answers are still here; esc leaves)")
			return nil
		}
		if w.refused(err) {
			return nil
		}
		if len(edit.Changes) == 0 {
			w.shell.Say("nothing to change: the tunnel is like this already")
			return nil
		}
		return w.shell.Danger(edit.Effect(), func(danger string) tea.Cmd {
			w.change, w.danger = &edit, danger
			return w.toPage(pagePreview)
		})
	})
}

// refused shows the host's errors at their fields. It says whether there are any.
func (w *Wizard) refused(err error) bool {
	if err == nil {
		return false
	}
	w.answers.Refuse(err)
	if !w.toFirstProblem() {
		w.shell.Fail(err)
	}
	return true
}

// toFirstProblem gives the keys to the first field with an error.
func (w *Wizard) toFirstProblem() bool {
	at, f := w.answers.Problem()
	if f == nil {
		return false
	}
	w.page = at
	w.answers.Forms[at].GoTo(f)
	w.shell.Warn(f.Label + ": " + f.Problem)
	return true
}

// Leave closes the wizard. It asks first if answers would be lost.
func (w *Wizard) Leave() tea.Cmd {
	switch {
	case w.page == pageApply && w.apply.running:
		w.shell.Stop()
		return nil
	case w.page >= pageApply || !w.answers.Dirty():
		return w.close()
	}
	subject := "the new tunnel"
	if w.answers.Edit {
		subject = "the changes of " + fault.Printable(w.was.Tunnel.Name)
	}
	w.shell.Ask("Leave?", "Your answers for "+subject+" are lost. Nothing has been changed on this host.", "leave", "stay", w.close)
	return nil
}

func (w *Wizard) close() tea.Cmd {
	w.closed = true
	return w.shell.Close()
}

// View draws the page below a line with the names of all pages.
func (w *Wizard) View(width, height int) screen.Drawing {
	th := w.theme
	inner, room := width-2, height-4
	title := draw.Line{draw.Bold.Of("New tunnel")}
	if w.answers.Edit {
		title = draw.Line{draw.Bold.Of("Edit " + fault.Printable(w.was.Tunnel.Name))}
	}
	rows := []string{w.pageLine(th, inner), th.Render(inner, nil)}
	var d form.Drawn
	switch {
	case w.page < answers.Pages:
		d = w.answers.Forms[w.page].Draw(th, inner)
		d.Lines = append(d.Lines, w.planningLines(th)...)
	case w.page == pagePreview:
		d = form.Drawn{Lines: w.previewLines(th, inner), Focus: -1}
	case w.page == pageApply:
		d = form.Drawn{Lines: w.apply.lines(th, inner), Focus: -1}
	default:
		d = form.Drawn{Lines: w.farLines(inner), Focus: -1}
	}
	win := &w.windows[w.page]
	from, to := win.Clamp(len(d.Lines), room)
	if w.page < answers.Pages {
		win.Show(d.Last, len(d.Lines), room)
		from, to = win.Show(d.Focus, len(d.Lines), room)
	}
	for _, ln := range d.Lines[from:to] {
		rows = append(rows, th.Render(inner, ln))
	}
	foot := ""
	if len(d.Lines) > room {
		foot = fmt.Sprintf("%d-%d of %d", from+1, to, len(d.Lines))
	}
	out := screen.Drawing{Rows: th.Panel(draw.Panel{Title: title, Foot: foot, Focused: true}, width, height, rows)}
	if d.Cursor != nil {
		out.Cursor = &tea.Position{X: d.Cursor.X + 1, Y: d.Cursor.Y - from + 3}
	}
	return out
}

// pageLine names all pages, and marks the one that is open.
func (w *Wizard) pageLine(th draw.Theme, width int) string {
	pages := w.pages()
	var out draw.Line
	used, here := 0, 0
	for i, p := range pages {
		st, mark := draw.Dim, ""
		switch {
		case p == w.page:
			st, here = draw.Reverse, i
		case p < answers.Pages && w.answers.Forms[p].Problem() != nil:
			st, mark = draw.Yellow, th.Warn
		}
		name := " " + mark + pageNames[p] + " "
		out = append(out, st.Of(name))
		used += draw.Cells(name)
	}
	if used <= width {
		return th.Render(width, out)
	}
	return th.Render(width, draw.Line{draw.Reverse.Of(fmt.Sprintf(" %s ", pageNames[w.page])), draw.Dim.Of(fmt.Sprintf(" page %d of %d", here+1, len(pages)))})
}

// pages are the pages of this wizard. A change has no page for the far end.
func (w *Wizard) pages() []answers.Page {
	list := []answers.Page{answers.PageEndpoints, answers.PageInner, answers.PageOptions, answers.PageRoutes, answers.PageForward, pagePreview, pageApply}
	if !w.answers.Edit {
		list = append(list, pageFarEnd)
	}
	return list
}

// planningLines say below the form that the plan is being made.
func (w *Wizard) planningLines(th draw.Theme) []draw.Line {
	if w.planning {
		return []draw.Line{draw.Text(""), draw.Styled(" making the plan "+th.Wait, draw.Dim)}
	}
	return nil
}
