package tui

import (
	"context"

	tea "charm.land/bubbletea/v2"

	"nmgre/tui/rates"
)

// startTraffic measures until the tab, or the tunnel, is left.
func (m *Model) startTraffic(uuid string) tea.Cmd {
	if m.detail.traffic.Running {
		return nil
	}
	m.detail.traffic.Running = true
	return m.measure(uuid)
}

func (m *Model) measure(uuid string) tea.Cmd {
	s := m.status()
	if m.detail.uuid != uuid {
		return nil // another tunnel has a loop of its own
	}
	if m.detail.tab != tabTraffic || len(m.screens) > 0 && m.changing() == nil || m.lost || s == nil {
		m.detail.traffic.Running = false
		return nil
	}
	return read(m, "measure the traffic", func(ctx context.Context, wf Workflow) (rates.Sample, error) { return rates.Take(ctx, wf, *s) },
		func(got rates.Sample, err error) tea.Cmd {
			if m.detail.uuid != uuid {
				return nil
			}
			m.detail.traffic.Add(got, err)
			return m.after(rates.Every, func() tea.Cmd { return m.measure(uuid) })
		})
}
