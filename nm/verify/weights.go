package verify

import (
	"fmt"
	"strings"

	"nmgre/nm"
	"nmgre/routes/fault"
)

// checkWeights warns of routes with a weight in the profile. NetworkManager joins those of several
// tunnels, and loses all of them when one tunnel goes down.
func (v *verifier) checkWeights() {
	var weighted []string
	for i := range v.profile.Tunnel.Routes {
		if r := &v.profile.Tunnel.Routes[i]; nm.IsWeighted(r) {
			weighted = append(weighted, r.String())
		}
	}
	if len(weighted) == 0 {
		return
	}
	routes := "a route"
	if n := len(weighted); n > 1 {
		routes = fmt.Sprintf("%d routes", n)
	}
	v.report.add(Check{ID: "weights", Status: Warn, Certainty: Proved, Summary: "the profile has " + routes + " with a weight: NetworkManager joins those of several tunnels, and loses all of them when one tunnel goes down",
		Evidence: strings.Join(fault.FirstFew(weighted), ", "), Hint: "move them out of the profiles: " + nm.KeepCommand(v.name)})
}
