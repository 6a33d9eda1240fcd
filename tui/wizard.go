package tui

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
)

// The pages of the wizard. The first five are forms.
type pageNumber int

const (
	pageEndpoints pageNumber = iota
	pageInner
	pageOptions
	pageRoutes
	pageForward
	pagePreview
	pageApply
	pageFarEnd
	formPages = pagePreview
)

var pageNames = [...]string{"Endpoints", "Inner", "Options", "Routes", "SNAT", "Preview", "Apply", "Far end"}

// restOnField is how long the person rests before the kernel is asked about what was typed.
const restOnField = 200 * time.Millisecond

// wizard asks for everything that makes a tunnel, page by page, and makes it; or changes one that
// is there.
type wizard struct {
	edit *nmgre.Status // the tunnel that is changed; nil for a new one
	base nm.Tunnel     // what the answers are put on top of
	tell []nm.Tunnel

	page    pageNumber
	forms   [formPages]*form
	windows [len(pageNames)]window
	submit  bool           // everything has been submitted once: whatever is wrong is said
	host    []*fault.Error // what the host had to say against the last submission

	links  []kernel.Link
	routeR *kernel.Hop // the kernel's way to the far end; nil if it is not known
	hopFor netip.Addr
	hopErr error
	asking int

	planning  bool
	plan      *plan.Plan
	change    *plan.EditPlan
	danger    string
	apply     apply
	proposals []netip.Prefix
}

// openWizard begins a new tunnel, like one that is there if like is not nil.
func (m *Model) openWizard(like *nmgre.Status) tea.Cmd {
	w := &wizard{base: nm.NewTunnel()}
	if like != nil {
		w.base = whole(*like)
		w.base.Name = ""
	}
	return w.open(m, like != nil)
}

// openEdit changes a tunnel. It is read anew, so that what is changed is what is there.
func (m *Model) openEdit(s *nmgre.Status) tea.Cmd {
	uuid := s.UUID
	return read(m, "read the tunnel", func(ctx context.Context, wf Workflow) (nmgre.Status, error) { return wf.Show(ctx, uuid) },
		func(got nmgre.Status, err error) tea.Cmd {
			if err != nil {
				m.fail(err)
				return m.refresh()
			}
			w := &wizard{edit: &got, base: whole(got)}
			return w.open(m, false)
		})
}

// open builds the forms and reads what the host has to offer for them.
func (w *wizard) open(m *Model, duplicate bool) tea.Cmd {
	w.build(duplicate)
	m.push(w)
	w.refresh(m)
	return tea.Batch(w.askHop(m, 0), read(m, "read the host's interfaces", func(ctx context.Context, wf Workflow) ([]kernel.Link, error) { return wf.Links(ctx) },
		func(links []kernel.Link, err error) tea.Cmd {
			if err != nil {
				m.warn("the host's interfaces could not be read: " + err.Error())
				return nil
			}
			w.links = links
			w.offer(m)
			w.refresh(m)
			return nil
		}))
}

// typing says whether letters are text: in a text field they are.
func (w *wizard) typing() bool {
	return w.page < formPages && w.forms[w.page].current().kind == kindText
}

// update takes what is no key of the wizard: it belongs to the field.
func (w *wizard) update(m *Model, msg tea.Msg) tea.Cmd {
	if w.page >= formPages {
		return nil
	}
	f := w.forms[w.page].current()
	if f.why != "" {
		if _, ok := msg.(tea.KeyPressMsg); ok {
			m.warn(f.label + ": " + f.why)
		}
		return nil
	}
	if paste, ok := msg.(tea.PasteMsg); ok && strings.Contains(strings.TrimSpace(paste.Content), "\n") && (f.id == "route" || f.id == "snat") {
		return w.pasteLines(m, f, paste.Content)
	}
	cmd, changed := f.key(msg)
	if !changed {
		return cmd
	}
	return tea.Batch(cmd, w.changed(m, f))
}

// changed carries on from a field whose value is another now.
func (w *wizard) changed(m *Model, f *field) tea.Cmd {
	w.plan, w.change = nil, nil
	w.forget(f.id)
	switch f.id {
	case "network":
		w.takeNetwork(f.value())
	case "route", "snat":
		w.growLines(w.forms[w.page], f.id)
	}
	w.refresh(m)
	if f.id == "peer" || f.id == "local" || f.id == "mode" {
		return w.askHop(m, restOnField)
	}
	return nil
}

// pasteLines gives each line of a paste a field of its own.
func (w *wizard) pasteLines(m *Model, f *field, content string) tea.Cmd {
	fm := w.forms[w.page]
	for _, ln := range strings.Split(content, "\n") {
		if ln = strings.TrimSpace(ln); ln == "" {
			continue
		}
		fm.current().input.SetValue(fm.current().input.Value() + ln)
		fm.current().touched = true
		w.growLines(fm, f.id)
		fm.move(1)
	}
	w.plan, w.change = nil, nil
	w.refresh(m)
	return nil
}

// growLines keeps an empty line behind the last one, to type the next into.
func (w *wizard) growLines(fm *form, id string) {
	last, filled := -1, false
	for i, f := range fm.fields {
		if f.id == id {
			last, filled = i, f.value() != ""
		}
	}
	if last >= 0 && filled {
		f := fm.fields[last]
		next := textField(id, f.label, "", f.input.Placeholder, f.help)
		fm.fields = append(fm.fields[:last+1], append([]*field{next}, fm.fields[last+1:]...)...)
	}
}

// askHop asks the kernel for the way to the far end that is typed.
func (w *wizard) askHop(m *Model, rest time.Duration) tea.Cmd {
	w.asking++
	turn := w.asking
	return m.after(rest, func() tea.Cmd {
		t, _ := w.tunnel()
		if turn != w.asking || !m.isOpen(w) || !t.Remote.IsValid() || t.Remote.IsUnspecified() || t.Remote.Is4In6() {
			return nil
		}
		q := kernel.Query{To: t.Remote}
		if t.Local.IsValid() && !t.Local.IsUnspecified() && t.Local.Is4() == t.Remote.Is4() {
			q.From = t.Local
		}
		return read(m, "ask the kernel for the way to the far end", func(ctx context.Context, wf Workflow) (kernel.Hop, error) { return wf.Lookup(ctx, q) },
			func(hop kernel.Hop, err error) tea.Cmd {
				if turn == w.asking {
					w.hopFor, w.hopErr, w.routeR = t.Remote, err, &hop
					if err != nil {
						w.routeR = nil
					}
					w.offer(m)
					w.refresh(m)
				}
				return nil
			})
	})
}

// keys of the page that is open.
func (w *wizard) keys(m *Model) []binding {
	switch {
	case w.page < formPages:
		return w.formKeys(m)
	case w.page == pagePreview:
		return w.previewKeys(m)
	case w.page == pageApply:
		return w.applyKeys(m)
	}
	return w.farEndKeys(m)
}

func (w *wizard) formKeys(m *Model) []binding {
	fm := w.forms[w.page]
	step := func(by int) func() tea.Cmd {
		return func() tea.Cmd { return w.moveField(m, by) }
	}
	preview := binding{keys: []string{"ctrl+s"}, hint: "preview", help: "straight to the preview, with what is there", do: func() tea.Cmd { return w.submitAll(m) }}
	if w.planning {
		preview.why = "the plan is being made"
	}
	next := "next page"
	if w.page == formPages-1 {
		next = "the preview"
	}
	list := []binding{
		{keys: []string{"enter"}, hint: "next", help: "the next field; behind the last one " + next, do: func() tea.Cmd {
			if fm.at == len(fm.fields)-1 {
				return w.nextPage(m)
			}
			return w.moveField(m, 1)
		}},
		{keys: []string{"esc"}, hint: "leave", help: "leave the wizard (asks if anything was typed)", do: func() tea.Cmd { return w.leave(m) }},
		preview,
		{keys: []string{"ctrl+n", "pgdown"}, hint: "next page", help: next, do: func() tea.Cmd { return w.nextPage(m) }},
		{keys: []string{"ctrl+p", "pgup"}, hint: "back", help: "the page before; nothing is lost", why: w.backWhy(), do: func() tea.Cmd { return w.toPage(m, w.page-1) }},
		{keys: []string{"tab", "down"}, help: "the next field", do: step(1)},
		{keys: []string{"shift+tab", "up"}, help: "the field before; on the first one the page before", do: step(-1)},
	}
	if f := fm.current(); f.kind != kindText {
		turn := func(code rune) func() tea.Cmd {
			return func() tea.Cmd { return w.update(m, tea.KeyPressMsg{Code: code}) }
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
func (w *wizard) moveField(m *Model, by int) tea.Cmd {
	fm := w.forms[w.page]
	if fm.move(by) {
		w.refresh(m)
		return nil
	}
	switch {
	case by < 0 && w.page > pageEndpoints:
		cmd := w.toPage(m, w.page-1)
		w.forms[w.page].at = len(w.forms[w.page].fields) - 1
		return cmd
	case by < 0:
		m.say("this is the first field")
		return nil
	}
	fm.current().touched = true
	w.refresh(m)
	if w.page < formPages-1 {
		m.say("this is the last field: enter goes to the next page")
	} else {
		m.say("this is the last field: enter goes to the preview")
	}
	return nil
}

// toPage opens a page. Nothing that is wrong keeps anybody from it.
func (w *wizard) toPage(m *Model, to pageNumber) tea.Cmd {
	w.page = max(to, pageEndpoints)
	w.refresh(m)
	return nil
}

// nextPage submits the page: its errors are shown, and the first one gets the keys.
func (w *wizard) nextPage(m *Model) tea.Cmd {
	fm := w.forms[w.page]
	for _, f := range fm.fields {
		f.touched = true
	}
	w.refresh(m)
	for _, f := range fm.fields {
		if f.problem != "" {
			fm.goTo(f)
			m.warn(f.label + ": " + f.problem)
			return nil
		}
	}
	if w.page == formPages-1 {
		return w.submitAll(m)
	}
	return w.toPage(m, w.page+1)
}

// submitAll has the plan made, unless something is wrong: then the first field with an error gets
// the keys.
func (w *wizard) submitAll(m *Model) tea.Cmd {
	w.submit, w.host = true, nil
	w.refresh(m)
	if w.toFirstProblem(m) {
		return nil
	}
	t, _ := w.tunnel()
	w.planning = true
	if w.edit != nil {
		return w.planEdit(m, t)
	}
	return read(m, "make the plan", func(ctx context.Context, wf Workflow) (plan.Plan, error) { return wf.Plan(ctx, t) },
		func(planned plan.Plan, err error) tea.Cmd {
			w.planning = false
			if !w.refused(m, err) {
				w.plan, w.danger = &planned, m.routeDanger(planned.Tunnel)
				return w.toPage(m, pagePreview)
			}
			return nil
		})
}

// planEdit has the workflow say what the change would do.
func (w *wizard) planEdit(m *Model, t nm.Tunnel) tea.Cmd {
	uuid := w.edit.UUID
	return read(m, "make the plan", func(ctx context.Context, wf Workflow) (plan.EditPlan, error) {
		return wf.PlanEdit(ctx, uuid, func(own *nm.Tunnel) error { *own = t; return nil })
	}, func(edit plan.EditPlan, err error) tea.Cmd {
		w.planning = false
		if errors.Is(err, fault.ErrNotFound) {
			m.warn(printable(w.edit.Tunnel.Name) + " is gone: somebody has deleted it (what you typed is here still; esc leaves)")
			return nil
		}
		if w.refused(m, err) {
			return nil
		}
		if len(edit.Changes) == 0 {
			m.say("nothing is different from what is there")
			return nil
		}
		return m.withDanger(w.edit, func(danger string) tea.Cmd {
			w.change, w.danger = &edit, firstOf(danger, m.routeDanger(edit.After))
			return w.toPage(m, pagePreview)
		})
	})
}

// refused shows what the host has against what is asked for, at the fields, and says whether it
// has.
func (w *wizard) refused(m *Model, err error) bool {
	if err == nil {
		return false
	}
	for _, p := range problems(err) {
		if p.Field != "" {
			w.host = append(w.host, p)
		}
	}
	w.refresh(m)
	if !w.toFirstProblem(m) {
		m.fail(err)
	}
	return true
}

// toFirstProblem gives the keys to the first field with an error.
func (w *wizard) toFirstProblem(m *Model) bool {
	for page, fm := range w.forms {
		for _, f := range fm.fields {
			if f.problem != "" {
				w.page = pageNumber(page) //nolint:gosec // a handful
				fm.goTo(f)
				m.warn(f.label + ": " + f.problem)
				return true
			}
		}
	}
	return false
}

// leave closes the wizard, after asking where something would be lost.
func (w *wizard) leave(m *Model) tea.Cmd {
	switch {
	case w.page == pageApply && w.apply.running:
		if op := m.changing(); op != nil {
			m.cancelOp(op)
		}
		return nil
	case w.page >= pageApply || !w.dirty():
		m.drop(w)
		return m.refresh()
	}
	what := "the new tunnel"
	if w.edit != nil {
		what = "the changes of " + printable(w.edit.Tunnel.Name)
	}
	m.push(&question{title: "Leave?", lines: []string{"What you have typed for " + what + " is lost; nothing has been changed on this host."}, yes: "leave", no: "stay",
		do: func() tea.Cmd { m.drop(w); return m.refresh() }})
	return nil
}

// dirty says whether anything was typed.
func (w *wizard) dirty() bool {
	for _, fm := range w.forms {
		for _, f := range fm.fields {
			if f.dirty() {
				return true
			}
		}
	}
	return false
}

// view draws the page below a line of all pages.
func (w *wizard) view(m *Model, width, height int) drawing {
	th := m.theme
	inner, room := width-2, height-4
	title := line{bold.of("New tunnel")}
	if w.edit != nil {
		title = line{bold.of("Edit " + printable(w.edit.Tunnel.Name))}
	}
	rows := []string{w.pageLine(th, inner), th.render(inner, nil)}
	var d drawn
	switch {
	case w.page < formPages:
		d = w.forms[w.page].draw(th, inner)
		d.lines = append(d.lines, w.generalLines(th)...)
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
	out := drawing{rows: th.panel(panel{title, foot, true}, width, height, rows)}
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
		case p < formPages && w.hasProblem(p):
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
func (w *wizard) pages() []pageNumber {
	list := []pageNumber{pageEndpoints, pageInner, pageOptions, pageRoutes, pageForward, pagePreview, pageApply}
	if w.edit == nil {
		list = append(list, pageFarEnd)
	}
	return list
}

func (w *wizard) hasProblem(p pageNumber) bool {
	for _, f := range w.forms[p].fields {
		if f.problem != "" {
			return true
		}
	}
	return false
}
