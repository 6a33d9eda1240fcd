package verify

import "fmt"

// Bounds of the checks of a profile's routes in a report. There may be thousands. Routes with a
// fault come in front: far more of them are shown, since each may have a fault of its own.
const (
	maxRoutesFine   = maxRouteChecks
	maxRoutesFaulty = 4 * maxRouteChecks
)

// The checks of the routes that have none of their own.
const (
	moreRoutesID       = "more routes"
	moreFaultyRoutesID = "more faulty routes"
)

// moreRoutes counts the checks of routes, and keeps surplus ones out of the report.
type moreRoutes struct {
	fine, faulty  int // all of them
	first, passes Check
}

// has reports whether the check is one too many, and counts it.
func (m *moreRoutes) has(c Check) bool {
	if severity(c.Status) == 0 {
		m.fine++
		m.passes = c
		return m.fine > maxRoutesFine
	}
	m.faulty++
	if m.faulty <= maxRoutesFaulty {
		return false
	}
	if severity(c.Status) > severity(m.first.Status) {
		m.first = c
	}
	return true
}

// checks are those that stand for the ones that were too many.
func (m *moreRoutes) checks() (list []Check) {
	if n := m.fine - maxRoutesFine; n > 0 {
		c := m.passes
		c.ID, c.Evidence, c.Facts = moreRoutesID, "", Facts{"routes": n}
		c.Summary = fmt.Sprintf("and %d more routes pass, or are not checked; the last one: %s", n, c.Summary)
		list = append(list, c)
	}
	if n := m.faulty - maxRoutesFaulty; n > 0 {
		c := m.first
		c.Summary = fmt.Sprintf("and %d more routes do not pass, such as %s: %s", n, c.ID, c.Summary)
		c.ID, c.Facts = moreFaultyRoutesID, c.Facts.With(Facts{"routes": n})
		list = append(list, c)
	}
	return list
}
