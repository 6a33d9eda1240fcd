package reconcile

import (
	"slices"
	"strings"

	"nmgre/nm"
	"nmgre/nm/verify/differ"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// stateNotes are the notes on a tunnel whose profile is as the document wants it: it is down, or
// its link differs from the profile. A document is about profiles: it mends neither.
func stateNotes(s *Step, links []kernel.Link) []string {
	p := s.Have.Profile
	switch {
	case s.Action == Create || s.Action == Delete || p.UUID == "":
		return nil
	case p.State == nm.StateInactive && s.Want.Autoconnect:
		return []string{"it is down, and stays down; to bring it up: nmgre up " + fault.Operand(s.Name)}
	case s.Action != None || p.State != nm.StateActive:
		return nil
	}
	drift := drifted(s.Have, links)
	if len(drift) == 0 {
		return nil
	}
	name := fault.Operand(s.Name)
	return []string{"its profile is as wanted, and its link is not: " + strings.Join(drift, "; ") + "; to make the link anew: nmgre down " + name + " && nmgre up " + name}
}

// drifted names each attribute in which the link of a tunnel that is up differs from its profile
// and from the options that root keeps. A link that is not there is left to NetworkManager, which
// takes the tunnel down.
func drifted(have Have, links []kernel.Link) []string {
	t := have.Whole()
	link := kernel.Named(links, t.Name)
	if link == nil || link.GRE == nil {
		return nil
	}
	if !link.Up {
		return []string{"it is down"}
	}
	parent := ""
	if i := slices.IndexFunc(links, func(l kernel.Link) bool { return link.GRE.Parent != 0 && l.Index == link.GRE.Parent }); i >= 0 {
		parent = links[i].Name
	}
	list := differ.Link(t, *link, parent)
	for _, a := range t.Addresses {
		if !slices.Contains(link.Addresses, a) {
			list = append(list, "it has no address "+a.String())
		}
	}
	if missing := have.Kept.MissingOptions(link); missing.Any() {
		list = append(list, "it lacks "+strings.Join(missing.Names(), ", "))
	}
	return list
}
