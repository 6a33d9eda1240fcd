package tui

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"

	"nmgre"
	"nmgre/nm/plan"
	"nmgre/tui/answers"
	"nmgre/tui/wizard"
)

// openWizard begins a new tunnel, like one that is there if like is not nil.
func (m *Model) openWizard(like *nmgre.Status) tea.Cmd {
	sh := &wizardShell{Model: m}
	w, cmd := wizard.New(sh, m.theme, like)
	sh.wizard = w
	m.push(w)
	return cmd
}

// openEdit changes a tunnel. It is read again, so that the wizard begins with its present values.
func (m *Model) openEdit(s *nmgre.Status) tea.Cmd {
	uuid := s.UUID
	return read(m, "read the tunnel", func(ctx context.Context, wf Workflow) (nmgre.Status, error) { return wf.Show(ctx, uuid) },
		func(got nmgre.Status, err error) tea.Cmd {
			if err != nil {
				m.fail(err)
				return m.refresh()
			}
			sh := &wizardShell{Model: m}
			w, cmd := wizard.Edit(sh, m.theme, got)
			sh.wizard = w
			m.push(w)
			return cmd
		})
}

// host is everything that the wizard's answers need of the host, beyond its interfaces.
func (m *Model) host() answers.Host {
	return answers.Host{Tunnels: m.all, Version: m.manager.Version, Names: m.opts.Names()}
}

// wizardShell is the program around a wizard.
type wizardShell struct {
	*Model
	wizard *wizard.Wizard
}

// Host returns the present state of the host.
func (s *wizardShell) Host() answers.Host { return s.host() }

// Say shows a note.
func (s *wizardShell) Say(text string) { s.say(text) }

// Warn shows a warning.
func (s *wizardShell) Warn(text string) { s.warn(text) }

// Fail shows an error.
func (s *wizardShell) Fail(err error) { s.fail(err) }

// Copy gives a text to the terminal's clipboard.
func (s *wizardShell) Copy(name, text string) { s.copyText(name, text) }

// Ask puts a question on top of the wizard.
func (s *wizardShell) Ask(title, text, yes, no string, then func() tea.Cmd) {
	s.push(&question{m: s.Model, title: title, lines: []string{text}, yes: yes, no: no, do: then})
}

// Close takes the wizard off the screen.
func (s *wizardShell) Close() tea.Cmd {
	s.drop(s.wizard)
	return s.refresh()
}

// After calls then when the rest has passed.
func (s *wizardShell) After(rest time.Duration, then func() tea.Cmd) tea.Cmd {
	return s.after(rest, then)
}

// Read runs do beside the screen.
func (s *wizardShell) Read(name string, do func(context.Context, wizard.Workflow) error, then func(error) tea.Cmd) tea.Cmd {
	return read(s.Model, name, func(ctx context.Context, wf Workflow) (struct{}, error) { return struct{}{}, do(ctx, wf) },
		func(_ struct{}, err error) tea.Cmd { return then(err) })
}

// Change runs do, which changes the host, and then reads everything again.
func (s *wizardShell) Change(work wizard.Work, do func(context.Context, wizard.Workflow) error, then func(error) tea.Cmd) tea.Cmd {
	op := &operation{name: work.Name, root: work.Root, alone: work.Alone, asks: undoOf(work.Undo), on: Listener{Step: work.Step, Check: work.Check, Advance: work.Advance}}
	return change(s.Model, op, func(ctx context.Context, wf Workflow) (struct{}, error) { return struct{}{}, do(ctx, wf) },
		func(_ struct{}, err error) tea.Cmd { return tea.Batch(then(err), s.refresh()) })
}

// Stop ends the change that runs.
func (s *wizardShell) Stop() {
	if op := s.changing(); op != nil {
		s.cancelOp(op)
	}
}

// ChangeWhy says why nothing can be changed now.
func (s *wizardShell) ChangeWhy() string { return s.changeWhy() }

// Danger warns where the person's own connection may be cut off.
func (s *wizardShell) Danger(e plan.Effect, then func(string) tea.Cmd) tea.Cmd {
	return s.withDanger(func(context.Context, Workflow) (plan.Effect, error) { return e, nil }, then)
}

// Made shows the tunnel that has been made.
func (s *wizardShell) Made(uuid string, back wizard.Undo) {
	s.list.uuid, s.list.filter = uuid, ""
	s.detail.reset(uuid)
	s.undo = undoOf(back)
}

// Changed remembers how to undo a change.
func (s *wizardShell) Changed(back wizard.Undo) { s.undo = undoOf(back) }

func undoOf(back wizard.Undo) *undo {
	return &undo{back.Done, back.How, func(ctx context.Context, wf Workflow) error { return back.Do(ctx, wf) }, back.Root}
}
