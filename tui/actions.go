package tui

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
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/tui/answers"
	"nmgre/tui/draw"
)

// undo undoes the last change.
type undo struct {
	what string // the change: "took gre1 down"
	how  string // the undo: "bring gre1 up"
	do   func(context.Context, Workflow) error
	root bool // it changes the files that root keeps
}

// keeps says whether root has a kept part of a tunnel.
func keeps(s nmgre.Status) bool { return !s.Kept.Empty() }

func (m *Model) undoWhy() string {
	if m.undo == nil {
		return "nmgre has changed nothing since it was started"
	}
	return ""
}

// task is a change of the host, as the keys of the main view ask for it.
type task struct {
	name string // for the person: "bring gre1 up"
	done string // the message afterwards
	root bool   // it changes the files that root keeps
	do   func(context.Context, Workflow) error
	back *undo
	asks *undo // names it if the person has to confirm it; nil for back
}

// perform carries out a task, says how it went, and reads everything again. A task that may cut the
// person off is undone unless the person confirms it.
func (m *Model) perform(t task) tea.Cmd {
	asks := cmp.Or(t.asks, t.back)
	return change(m, &operation{name: t.name, root: t.root, asks: asks}, func(ctx context.Context, wf Workflow) (struct{}, error) { return struct{}{}, t.do(ctx, wf) },
		func(_ struct{}, err error) tea.Cmd {
			switch {
			case err == nil:
				m.say(t.done)
				m.undo = t.back
			case errors.Is(err, errNotConfirmed):
				m.warn("not confirmed, so undone: nmgre " + asks.what)
			default:
				m.fail(err)
			}
			return m.refresh()
		})
}

// upTask and downTask are the undo of each other.
func upTask(s *nmgre.Status) task {
	name, uuid := fault.Printable(s.Tunnel.Name), s.UUID
	return task{name: "bring " + name + " up", done: name + " is up", root: keeps(*s), do: func(ctx context.Context, wf Workflow) error { return second(wf.Up(ctx, uuid)) },
		back: &undo{"brought " + name + " up", "take " + name + " down", func(ctx context.Context, wf Workflow) error { return second(wf.Down(ctx, uuid)) }, keeps(*s)}}
}

func downTask(s *nmgre.Status) task {
	name, uuid := fault.Printable(s.Tunnel.Name), s.UUID
	return task{name: "take " + name + " down", done: name + " is down", root: keeps(*s), do: func(ctx context.Context, wf Workflow) error { return second(wf.Down(ctx, uuid)) },
		back: &undo{"took " + name + " down", "bring " + name + " up", func(ctx context.Context, wf Workflow) error { return second(wf.Up(ctx, uuid)) }, keeps(*s)}}
}

func (m *Model) up(s *nmgre.Status) tea.Cmd { return m.perform(upTask(s)) }

func second[T any](_ T, err error) error { return err }

// askDown asks before a tunnel goes down, and names the networks that are no longer reached.
func (m *Model) askDown(s *nmgre.Status) tea.Cmd {
	t := *s
	return m.withDanger(goes(t.UUID), func(danger string) tea.Cmd {
		lines := []string{fmt.Sprintf("%s to %s: packets to %s no longer go through it.", fault.Printable(t.Tunnel.Name), gre.OuterText(t.Tunnel.Remote), networks(t))}
		lines = append(lines, "The profile stays; u brings it up again.")
		m.push(&question{m: m, title: "Take " + fault.Printable(t.Tunnel.Name) + " down?", lines: warned(lines, danger), yes: "take it down", no: "leave it up",
			do: func() tea.Cmd { return m.perform(downTask(&t)) }})
		return nil
	})
}

// goes returns the effect of a tunnel that goes.
func goes(uuid string) func(context.Context, Workflow) (plan.Effect, error) {
	return func(ctx context.Context, wf Workflow) (plan.Effect, error) { return wf.DownEffect(ctx, uuid) }
}

// askDelete asks before a tunnel is deleted, and names everything that is lost.
func (m *Model) askDelete(s *nmgre.Status) tea.Cmd {
	t := *s
	if m.detail.status != nil && m.detail.status.UUID == s.UUID {
		t = *m.detail.status
	}
	return m.withDanger(goes(t.UUID), func(danger string) tea.Cmd {
		m.push(&question{m: m, title: "Delete " + fault.Printable(t.Tunnel.Name) + "?", lines: warned(losses(t), danger), yes: "delete it", no: "keep it",
			do: func() tea.Cmd { return m.perform(deleteTask(&t)) }})
		return nil
	})
}

// losses names everything that goes with a deleted tunnel.
func losses(s nmgre.Status) []string {
	t := s.Tunnel
	lines := []string{fmt.Sprintf("the profile %s, and %s to %s", s.Called(), fault.Printable(t.Name), gre.OuterText(t.Remote))}
	if len(t.Addresses) > 0 {
		lines = append(lines, "its inner address "+draw.Prefixes(t.Addresses))
	}
	if n := len(t.Routes) + len(s.Kept.Routes); n > 0 {
		lines = append(lines, fault.Count(n, "route")+": "+networks(s))
	}
	if len(s.Kept.SNAT) > 0 || len(s.Kept.Forward) > 0 || s.Kept.ClampMSS {
		lines = append(lines, "its SNAT and forwarding on this host")
	}
	if s.State == nm.StateActive {
		lines = append(lines, "Its traffic stops at once.")
	}
	return append([]string{"This is lost:"}, append(lines, "z makes it again, with another UUID, as long as nmgre runs.")...)
}

// networks names the first destinations of a tunnel's routes.
func networks(s nmgre.Status) string {
	const most = 4
	var names []string
	for _, r := range append(append([]routes.Route(nil), s.Tunnel.Routes...), s.Kept.Routes...) {
		if len(names) == most {
			return strings.Join(names, ", ") + fmt.Sprintf(" and %d more", len(s.Tunnel.Routes)+len(s.Kept.Routes)-most)
		}
		names = append(names, r.Dst.String())
	}
	if len(names) == 0 {
		return "the far end"
	}
	return strings.Join(names, ", ")
}

func deleteTask(s *nmgre.Status) task {
	name, uuid, want := fault.Printable(s.Tunnel.Name), s.UUID, answers.Whole(*s)
	return task{name: "delete " + name, done: name + " is deleted; z makes it again", root: keeps(*s), do: func(ctx context.Context, wf Workflow) error { return second(wf.Delete(ctx, uuid)) },
		back: &undo{"deleted " + name, "make " + name + " again", func(ctx context.Context, wf Workflow) error { return remake(ctx, wf, want) }, keeps(*s)}}
}

// remake makes a deleted tunnel again.
func remake(ctx context.Context, wf Workflow, want nm.Tunnel) error {
	plan, err := wf.Plan(ctx, want)
	if err != nil {
		return err
	}
	_, err = wf.Create(ctx, plan, nmgre.CreateOptions{})
	return err
}

// undone says that the change has been undone.
func (u *undo) undone() string { return "undone: nmgre " + u.what }

func (m *Model) askUndo() tea.Cmd {
	u := m.undo
	again := task{name: u.how, done: u.undone(), root: u.root, do: u.do, asks: &undo{what: "undid the last change", how: "make it again"}}
	m.push(&question{m: m, title: "Undo the last change?", lines: []string{"nmgre " + u.what + ". Undo will " + u.how + "."}, yes: "undo it", no: "leave it",
		do: func() tea.Cmd { return m.perform(again) }})
	return nil
}

func warned(lines []string, danger string) []string {
	if danger == "" {
		return lines
	}
	return append(lines, "", danger)
}
