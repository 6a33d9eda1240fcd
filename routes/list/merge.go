package list

import "nmgre/routes"

// Merged returns the list now after a change from old to wanted. Routes of now that are not in old
// stay: somebody else has added or changed them.
func Merged(now, old, wanted []routes.Route) []routes.Route {
	if routes.EqualLists(now, old) {
		return wanted
	}
	inOld, inWanted := IndexOf(old), IndexOf(wanted)
	var out []routes.Route
	for i := range now {
		r := &now[i]
		at, known := inOld.Find(r.Slot())
		if !known || !old[at].Equal(r) { // somebody else's
			out = append(out, *r)
		} else if at, stays := inWanted.Find(r.Slot()); stays {
			out = append(out, wanted[at])
		}
	}
	inNow := IndexOf(now)
	for i := range wanted {
		_, old := inOld.Find(wanted[i].Slot())
		if _, present := inNow.Find(wanted[i].Slot()); !old && !present {
			out = append(out, wanted[i])
		}
	}
	return out
}
