package list

import "nmgre/routes"

// Set tells which routes a list has. Routes are compared as [routes.Route.Equal] does.
type Set struct {
	routes []routes.Route
	index  *Index[routes.Slot]
	others []int // of routes, those that are not the first in their slot
}

// NewSet returns the set of a list's routes. The list must not be changed while the set is in use.
func NewSet(list []routes.Route) Set {
	s := Set{routes: list, index: NewIndex(len(list), func(i int) routes.Slot { return list[i].Slot() })}
	for i := range list {
		if _, taken := s.index.Add(list[i].Slot(), i); taken {
			s.others = append(s.others, i)
		}
	}
	return s
}

// Has reports whether the list has a route.
func (s Set) Has(r *routes.Route) bool {
	i, found := s.index.Find(r.Slot())
	if !found || s.routes[i].Equal(r) {
		return found
	}
	for _, i := range s.others {
		if s.routes[i].Equal(r) {
			return true
		}
	}
	return false
}

// Marks tells which routes of another list the list has.
func (s Set) Marks(of []routes.Route) []bool {
	marks := make([]bool, len(of))
	for i := range of {
		marks[i] = s.Has(&of[i])
	}
	return marks
}

// Split parts the routes that the list has from those that it has not. Both keep their order.
func (s Set) Split(list []routes.Route) (known, fresh []routes.Route) {
	for i := range list {
		if s.Has(&list[i]) {
			known = append(known, list[i])
		} else {
			fresh = append(fresh, list[i])
		}
	}
	return known, fresh
}
