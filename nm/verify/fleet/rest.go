package fleet

import (
	"fmt"
	"slices"

	"nmgre/nm"
	"nmgre/nm/find"
	"nmgre/nm/verify"
	"nmgre/routes/fault"
)

// resting returns the check of a tunnel that is down on purpose: it is not to come up by itself, or
// another of the tunnels is up in its place. Its summary is empty for all others.
func resting(p nm.Profile, all []nm.Profile) verify.Check {
	c := verify.Check{ID: "device", Status: verify.Skip, Certainty: verify.Proved}
	if p.State != nm.StateInactive {
		return c
	}
	twin := slices.IndexFunc(all, func(o nm.Profile) bool {
		return o.UUID != p.UUID && o.Tunnel.Name == p.Tunnel.Name && o.State != nm.StateInactive
	})
	switch {
	case twin >= 0:
		c.Summary = "the tunnel is down: another one has its device"
		c.Evidence = fmt.Sprintf("%s is up, of the profile %s", fault.Printable(p.Tunnel.Name), all[twin].Called())
	case !p.Tunnel.Autoconnect:
		c.Summary, c.Evidence = "the tunnel is down, and is not to come up by itself", "state inactive, autoconnect no"
		name := p.Tunnel.Name
		if len(find.Twins(all, p)) > 0 {
			name = p.UUID
		}
		command := "nmgre up " + fault.Operand(name)
		c.Hint, c.Facts = "bring it up: "+command, verify.Facts{"mend_here": command}
	}
	return c
}

// admit weakens the check of the profile: a list of very many tunnels does not tell of files.
func admit(r *Result) {
	p := r.Profile
	if p.Path != "" || p.Unsaved || p.State == nm.StateExternal || len(r.Checks) == 0 || r.Checks[0].ID != "profile" {
		return
	}
	c := &r.Checks[0]
	c.Summary, c.Certainty = "NetworkManager has the profile", verify.Likely
	c.Evidence = fmt.Sprintf("%s; whether it is on disk was not asked, for so many tunnels", p.Called())
}
