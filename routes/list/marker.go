package list

import "nmgre/routes"

// Marker parses routes that stand one a line, as a [Reader] does. It keeps none of them, but marks
// those that another list has as well: two lists of very many routes would take twice the memory.
// Make it by [NewMarker].
type Marker struct {
	of    []routes.Route
	index *Index[routes.Slot]
	marks []bool
	lines int // that are routes
	bad   []BadLine
}

// NewMarker returns a marker of a list, in which each slot is taken once. The list must not be
// changed while the marker is in use.
func NewMarker(of []routes.Route) *Marker {
	return &Marker{of: of, index: IndexOf(of), marks: make([]bool, len(of))}
}

// Add parses the line with the number n. Comments must have been removed from it.
func (m *Marker) Add(n int, text string) {
	var spec routes.Parser
	if err := spec.Read(text); err != nil {
		if len(m.bad) <= MaxBadLines {
			m.bad = append(m.bad, BadLine{n, err})
		}
		return
	}
	m.mark(&spec.Route)
}

// AddPlain is Add for a plain line, as [Reader.AddPlain] is.
func (m *Marker) AddPlain(_ int, text []byte) bool {
	route, ok := plainRoute(text)
	if ok {
		m.mark(&route)
	}
	return ok
}

func (m *Marker) mark(r *routes.Route) {
	m.lines++
	if i, found := m.index.Find(r.Slot()); found && m.of[i].Equal(r) {
		m.marks[i] = true
	}
}

// Marks tells which routes of the list there was a line for. Routes are compared as
// [routes.Route.Equal] does.
func (m *Marker) Marks() []bool { return m.marks }

// Lines returns how many lines were routes.
func (m *Marker) Lines() int { return m.lines }

// Finish returns the lines that are no routes, and no list.
func (m *Marker) Finish() (List, []BadLine) { return List{}, m.bad }
