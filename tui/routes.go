package tui

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	tea "charm.land/bubbletea/v2"

	"nmgre"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
	"nmgre/tui/draw"
)

// routesView is the tab of the routes. Only the routes in its window are turned into text, as there
// may be very many.
type routesView struct {
	list   []nmgre.RouteState
	err    error
	read   bool
	at     int
	window draw.Window
	seen   int               // rows of the last frame
	hops   map[string]string // by destination: where the kernel would send
	asking int               // counts the questions: only the answer to the last one counts
}

func (m *Model) loadRoutes(uuid string) tea.Cmd {
	type answer struct{ list []nmgre.RouteState }
	return read(m, "read the routes", func(ctx context.Context, wf Workflow) (answer, error) {
		_, list, err := wf.Routes(ctx, uuid)
		return answer{list}, err
	}, func(got answer, err error) tea.Cmd {
		if m.detail.uuid != uuid {
			return nil
		}
		r := &m.detail.routes
		r.read, r.err, r.hops = true, err, nil
		if err == nil {
			r.list = got.list
		}
		r.at = max(min(r.at, len(r.list)-1), 0)
		return m.askKernel()
	})
}

func (m *Model) moveRoutes(by int) tea.Cmd {
	r := &m.detail.routes
	r.at = max(min(r.at+by, len(r.list)-1), 0)
	return m.askKernel()
}

// askKernel asks where the kernel would send packets for the routes that are seen, once the person
// rests on them.
func (m *Model) askKernel() tea.Cmd {
	r := &m.detail.routes
	r.asking++
	turn, uuid := r.asking, m.detail.uuid
	return m.after(restOnRow, func() tea.Cmd {
		r := &m.detail.routes
		if r.asking != turn || m.detail.uuid != uuid || m.detail.tab != tabRoutes || m.lost {
			return nil
		}
		to := r.unknown()
		if len(to) == 0 {
			return nil
		}
		return read(m, "ask the kernel for the routes' devices", func(ctx context.Context, wf Workflow) (map[string]string, error) { return lookUp(ctx, wf, to), nil },
			func(hops map[string]string, _ error) tea.Cmd {
				if m.detail.uuid == uuid {
					m.detail.routes.learn(hops)
				}
				return nil
			})
	})
}

// unknown are the routes in the window that the kernel has not been asked about.
func (r *routesView) unknown() []routes.Route {
	var list []routes.Route
	from, to := r.window.Show(r.at, len(r.list), max(r.seen, 1))
	for _, s := range r.list[from:to] {
		if _, known := r.hops[s.Route.Dst.String()]; !known {
			list = append(list, *s.Route)
		}
	}
	return list
}

func (r *routesView) learn(hops map[string]string) {
	if r.hops == nil {
		r.hops = make(map[string]string)
	}
	for dst, hop := range hops {
		r.hops[dst] = hop
	}
}

// lookUp asks the kernel for an address of each route.
func lookUp(ctx context.Context, wf Workflow, list []routes.Route) map[string]string {
	hops := make(map[string]string, len(list))
	for _, r := range list {
		dst := r.Dst.String()
		if r.TableOrMain() != routes.MainTable {
			hops[dst] = fmt.Sprintf("table %d", r.Table)
			continue
		}
		hop, err := wf.Lookup(ctx, kernel.Query{To: routes.SampleAddr(r.Dst, netip.Addr{})})
		switch {
		case errors.Is(err, fault.ErrUnreachable):
			hops[dst] = "nowhere"
		case err != nil:
			hops[dst] = "?"
		default:
			hops[dst] = hop.Dev
		}
	}
	return hops
}

// viewRoutes draws the window of the list, and details of the chosen route below it.
func (m *Model) viewRoutes(width, height int) (rows []string, foot string) {
	th, r := m.theme, &m.detail.routes
	var lines []draw.Line
	switch {
	case r.err != nil:
		lines = draw.Wrapped(draw.ErrorText(r.err), width, "", draw.Red)
	case !r.read:
		lines = []draw.Line{draw.Styled("reading the routes "+th.Wait, draw.Dim)}
	case len(r.list) == 0:
		lines = draw.Wrapped("only the tunnel's own network is reached through it (e adds routes)", width, "", draw.Plain)
	default:
		return m.routeRows(width, height)
	}
	for _, ln := range lines {
		rows = append(rows, th.Render(width, ln))
	}
	return rows, ""
}

func (m *Model) routeRows(width, height int) (rows []string, foot string) {
	th, r := m.theme, &m.detail.routes
	dev := ""
	if s := m.status(); s != nil {
		dev = s.Tunnel.Name
	}
	const owners, hops = 8, 10
	column := max(width-owners-hops-2, 8)
	rows = append(rows, th.Render(width, draw.Line{draw.Plain.Of("  "), draw.Underlined.Of(th.Fit("route", column-1)), draw.Plain.Of(" "), draw.Underlined.Of(th.Fit("held by", owners-1)), draw.Plain.Of(" "), draw.Underlined.Of("sends to")}))
	about := m.routeAbout(r.list[r.at], dev, width)
	r.seen = max(height-1-len(about), 1)
	from, to := r.window.Show(r.at, len(r.list), r.seen)
	for i := from; i < to; i++ {
		s := r.list[i]
		ground := draw.Plain
		if i == r.at && m.inDetail {
			ground = draw.Reverse
		}
		glyph, st := themeRouteState(th, s.State)
		hop, hopStyle := m.hopText(s, dev)
		rows = append(rows, th.RenderOn(width, draw.Line{st.Of(glyph + " "), draw.Plain.Of(th.Fit(s.Route.String(), column-1) + " "),
			draw.Plain.Of(th.Fit(string(s.Owner), owners-1) + " "), hopStyle.Of(hop)}, ground))
	}
	for len(rows) < height-len(about) {
		rows = append(rows, th.Render(width, nil))
	}
	for _, ln := range about {
		rows = append(rows, th.Render(width, ln))
	}
	return rows, fmt.Sprintf("%d of %d", r.at+1, len(r.list))
}

func themeRouteState(th draw.Theme, state string) (string, draw.Style) {
	switch state {
	case nmgre.RouteSet:
		return th.Pass, draw.Green
	case nmgre.RouteMissing:
		return th.Fail, draw.Red
	}
	return th.Inactive, draw.Dim
}

// hopText names the device by which the kernel would send, marked if it is not the tunnel.
func (m *Model) hopText(s nmgre.RouteState, dev string) (string, draw.Style) {
	hop, known := m.detail.routes.hops[s.Route.Dst.String()]
	switch {
	case !known:
		return m.theme.Wait, draw.Dim
	case hop == dev || s.State == nmgre.RouteDown || s.Route.TableOrMain() != routes.MainTable:
		return fault.Printable(hop), draw.Plain
	}
	return m.theme.Differs + " " + fault.Printable(hop), draw.Yellow
}

// routeAbout says who holds a route and why, and where the kernel would send.
func (m *Model) routeAbout(s nmgre.RouteState, dev string, width int) []draw.Line {
	state := map[string]string{nmgre.RouteSet: "the kernel has it", nmgre.RouteMissing: "the kernel does not have it: somebody removed it", nmgre.RouteDown: "the tunnel is down"}[s.State]
	lines := []draw.Line{draw.Styled(strings.Repeat(m.theme.Horizontal, max(width, 0)), draw.Dim)}
	hop, known := m.detail.routes.hops[s.Route.Dst.String()]
	if known && hop != dev && s.State == nmgre.RouteSet && s.Route.TableOrMain() == routes.MainTable {
		state += fmt.Sprintf(", but would send to %s by %s", routes.SampleAddr(s.Route.Dst, netip.Addr{}), fault.Printable(hop))
	}
	lines = append(lines, draw.Wrapped(s.Route.String()+": "+state, width, "", draw.Plain)...)
	return append(lines, draw.Wrapped("held by "+draw.HolderText(s.Owned), width, "", draw.Dim)...)
}
