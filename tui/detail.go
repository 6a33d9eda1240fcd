package tui

import (
	"context"
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"nmgre"
	"nmgre/routes/fault"
	"nmgre/tui/answers"
	"nmgre/tui/draw"
	"nmgre/tui/far"
	"nmgre/tui/rates"
	"nmgre/tui/way"
)

// tab is one of the views of the chosen tunnel.
type tab int

const (
	tabOverview tab = iota
	tabTraffic
	tabRoutes
	tabChecks
	tabFarEnd
	tabLog
	tabs
)

var tabNames = [tabs]string{"Overview", "Rates", "Routes", "Checks", "Far end", "Log"}

// restOnRow is how long the person rests on a tunnel before more of it is read.
const restOnRow = 120 * time.Millisecond

// detail is everything known of the chosen tunnel that the list does not show.
type detail struct {
	uuid string
	tab  tab

	status    *nmgre.Status // nil until it has been read
	statusErr error
	far       far.View
	routes    routesView
	checks    way.View
	traffic   rates.Traffic
	windows   [tabs]draw.Window
}

// reset forgets the tunnel that was chosen before.
func (d *detail) reset(uuid string) {
	if d.uuid != uuid {
		*d = detail{uuid: uuid, tab: d.tab}
	}
}

// status is the chosen tunnel, as far as it has been read; nil if there is none.
func (m *Model) status() *nmgre.Status {
	s := m.current()
	if s != nil && m.detail.status != nil && m.detail.status.UUID == s.UUID {
		return m.detail.status
	}
	return s
}

// openTab shows another tab.
func (m *Model) openTab(t tab) tea.Cmd {
	m.detail.tab = t
	if m.narrow() && m.current() != nil {
		m.inDetail = true
	}
	return m.loadDetail()
}

// loadDetail reads everything that the open tab shows.
func (m *Model) loadDetail() tea.Cmd {
	s := m.current()
	if s == nil || m.lost {
		return nil
	}
	uuid := s.UUID
	m.detail.reset(uuid)
	cmds := []tea.Cmd{read(m, "read the tunnel", func(ctx context.Context, wf Workflow) (nmgre.Status, error) { return wf.Show(ctx, uuid) },
		func(got nmgre.Status, err error) tea.Cmd {
			if m.detail.uuid != uuid {
				return nil
			}
			m.detail.statusErr = err
			if err == nil {
				m.detail.status = &got
				return m.loadFarEnd(got)
			}
			return nil
		})}
	switch m.detail.tab {
	case tabRoutes:
		cmds = append(cmds, m.loadRoutes(uuid))
	case tabChecks:
		if m.detail.checks.Report == nil && !m.detail.checks.Running {
			cmds = append(cmds, m.verify())
		}
	case tabTraffic:
		cmds = append(cmds, m.startTraffic(uuid))
	default:
	}
	return tea.Batch(cmds...)
}

func (m *Model) loadFarEnd(s nmgre.Status) tea.Cmd {
	if m.detail.tab != tabFarEnd {
		return nil
	}
	t := answers.Whole(s)
	return read(m, "work out the far end's commands", func(ctx context.Context, wf Workflow) (far.View, error) {
		end, err := wf.FarEnd(ctx, t)
		return far.View{Tunnel: t, End: &end, Err: err, Kind: wf.Notation(s.UUID)}, nil
	}, func(v far.View, err error) tea.Cmd {
		if m.detail.uuid == s.UUID {
			m.detail.far = v
		}
		return nil
	})
}

// viewDetail draws the right side.
func (m *Model) viewDetail(width, height int) []string {
	margin := marginOf(width - 2)
	body, foot := m.detailBody(width-2-2*len(margin), height-3)
	rows := []string{m.tabLine(width - 2)}
	for _, row := range body {
		rows = append(rows, margin+row+margin)
	}
	return m.theme.Panel(draw.Panel{Title: m.detailTitle(), Foot: foot, Focused: m.inDetail}, width, height, rows[:min(len(rows), height-2)])
}

func (m *Model) detailTitle() draw.Line {
	s := m.status()
	if s == nil {
		return draw.Line{draw.Bold.Of("nmgre")}
	}
	title := draw.Line{draw.Bold.Of(fault.Printable(s.Tunnel.Name))}
	if s.ID != s.Tunnel.Name {
		title = append(title, draw.Plain.Of(" "+fault.Printable(s.ID)))
	}
	return title
}

// detailBody draws the visible part of the open tab, and says which part that is.
func (m *Model) detailBody(width, height int) (rows []string, foot string) {
	s := m.status()
	if s != nil && m.detail.tab == tabRoutes {
		return m.viewRoutes(width, height)
	}
	lines := m.invitation(width)
	if s != nil || m.detail.tab == tabLog {
		lines = m.tabLines(s, width, height)
	}
	from, to := m.detail.windows[m.detail.tab].Clamp(len(lines), height)
	for _, ln := range lines[from:to] {
		rows = append(rows, m.theme.Render(width, ln))
	}
	if len(lines) > height {
		foot = fmt.Sprintf("%d-%d of %d", from+1, to, len(lines))
	}
	return rows, foot
}

// marginOf keeps text off the frame, where there is room for a margin.
func marginOf(inner int) string {
	const roomy = 44
	if inner < roomy {
		return ""
	}
	return " "
}

// tabLine names the tabs, with their keys where there is room for them. A narrow screen gets the
// open tab alone.
func (m *Model) tabLine(width int) string {
	for _, out := range []draw.Line{m.tabsAs(" %[1]d %[2]s ", ""), m.tabsAs("%[2]s", " ")} {
		used := 0
		for _, s := range out {
			used += draw.Cells(s.Text)
		}
		if used <= width {
			return m.theme.Render(width, out)
		}
	}
	here := fmt.Sprintf(" %s  %d of %d ", tabNames[m.detail.tab], m.detail.tab+1, tabs)
	return m.theme.Render(width, draw.Line{draw.Reverse.Of(here), draw.Dim.Of(" tab: next")})
}

// tabsAs names all tabs. The form has the number of a tab and its name.
func (m *Model) tabsAs(form, between string) (out draw.Line) {
	for i, name := range tabNames {
		st := draw.Plain
		if tab(i) == m.detail.tab {
			st = draw.Reverse
		}
		if i > 0 {
			out = append(out, draw.Plain.Of(between))
		}
		out = append(out, st.Of(fmt.Sprintf(form, i+1, name)))
	}
	return out
}

// tabLines are the lines of the open tab.
func (m *Model) tabLines(s *nmgre.Status, width, height int) []draw.Line {
	switch m.detail.tab {
	case tabTraffic:
		return m.detail.traffic.Lines(m.theme, s, width)
	case tabChecks:
		return m.checkLines(s, width, height)
	case tabFarEnd:
		return m.detail.far.Lines(width, m.theme.Wait)
	case tabLog:
		return m.log.Lines(m.theme, width)
	default:
		return m.overviewLines(s, width)
	}
}

// moveDetail scrolls the open tab.
func (m *Model) moveDetail(by int) tea.Cmd {
	if m.detail.tab == tabRoutes {
		return m.moveRoutes(by)
	}
	m.detail.windows[m.detail.tab].Top += by
	if m.detail.windows[m.detail.tab].Top < 0 {
		m.detail.windows[m.detail.tab].Top = 0
	}
	return nil
}

// invitation explains a first tunnel, on a host that has none.
func (m *Model) invitation(width int) []draw.Line {
	if !m.read || len(m.all) > 0 {
		return nil
	}
	lines := []draw.Line{draw.Text("")}
	for _, s := range []string{
		"A GRE tunnel joins two networks: packets for the far side are put into packets between two hosts.",
		"",
		"You need the far host's address, and the networks behind it. nmgre finds everything else, and shows it before anything is done.",
		"",
		"Press n to make the first one. Its last page has the command for the far end.",
	} {
		lines = append(lines, draw.Wrapped(s, width-1, " ", draw.Plain)...)
	}
	return lines
}
