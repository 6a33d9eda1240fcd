package tui

import (
	"context"

	tea "charm.land/bubbletea/v2"

	"nmgre"
	"nmgre/nm"
	"nmgre/nm/adopt"
	"nmgre/nm/plan"
	"nmgre/routes/fault"
	"nmgre/tui/draw"
)

// adoptWhy says why the tunnel s cannot be adopted.
func (m *Model) adoptWhy(s *nmgre.Status) string {
	if s != nil && s.State != nm.StateExternal {
		return fault.Printable(s.Tunnel.Name) + " has a profile already"
	}
	return m.changeWhy()
}

// askAdopt shows the fate of each part of a tunnel that was made by hand, and asks.
func (m *Model) askAdopt(s *nmgre.Status) tea.Cmd {
	dev := s.Tunnel.Name
	name := fault.Printable(dev)
	return read(m, "look at what was made by hand", func(ctx context.Context, wf Workflow) (adopt.Adoption, error) {
		return wf.PlanAdopt(ctx, dev, adopt.Options{})
	},
		func(planned adopt.Adoption, err error) tea.Cmd {
			if err != nil {
				m.fail(err)
				return nil
			}
			effect := func(context.Context, Workflow) (plan.Effect, error) { return planned.Effect(), nil }
			return m.withDanger(effect, func(danger string) tea.Cmd {
				m.push(&question{m: m, title: "Adopt " + name + "?", lines: warned(draw.Adoption(planned, m.height), danger), yes: "adopt it", no: "leave it as it is",
					do: func() tea.Cmd { return m.perform(m.adoptTask(planned)) }})
				return nil
			})
		})
}

// adoptTask carries the plan out. It has no undo but while it is confirmed: the profile can be
// deleted.
func (m *Model) adoptTask(planned adopt.Adoption) task {
	name := fault.Printable(planned.Tunnel.Name)
	return task{name: "adopt " + name, done: name + " is adopted: NetworkManager has its profile", root: true,
		do: func(ctx context.Context, wf Workflow) error {
			_, err := wf.Create(ctx, planned.Plan, nmgre.CreateOptions{})
			return err
		}, asks: &undo{what: "adopted " + name, how: "give the link back as it was"}}
}
