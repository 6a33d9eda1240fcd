package verify

import (
	"fmt"
	"slices"
	"strings"

	"nmgre/nm"
	"nmgre/nm/port"
	"nmgre/nm/verify/cause"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// checkOptions checks that the link has the options that root keeps for it, since NetworkManager
// cannot hold them. The check has no ID where there are none.
func (v *verifier) checkOptions() Check {
	if !v.kept.Link.Any() || v.link == nil || v.link.GRE == nil || v.kept.Bound(v.profile.Running(), v.link) != nil {
		return Check{}
	}
	c := Check{ID: "options", Status: Pass, Certainty: Proved, Summary: "the link has what root keeps for it: " + strings.Join(v.kept.Link.Names(), ", "), Evidence: nm.DescribeLink(*v.link)}
	if missing := v.kept.MissingOptions(v.link); missing.Any() {
		c.Status, c.Cause, c.Hint = Fail, cause.LinkDiffers, v.setAgainHint()
		c.Summary = "the link does not have what root keeps for it: " + strings.Join(missing.Names(), ", ")
	}
	return c
}

// checkPort checks that a tunnel which is to be the port of a bridge is one, and that the bridge
// passes frames. The check has no ID for other tunnels.
func (v *verifier) checkPort() Check {
	if v.tunnel.Controller == "" || v.link == nil {
		return Check{}
	}
	bridge, want := v.bridge()
	c := Check{ID: "port", Status: Pass, Certainty: Proved, Summary: "the bridge " + fault.Printable(bridge) + " forwards to the tunnel"}
	if is := v.linkName(v.link.Controller); is != "" {
		c.Evidence = fmt.Sprintf("port of %s, state %s", is, v.link.Port)
	}
	problem, hint, waits := port.Judge(*v.link, want)
	if problem == "" {
		return c
	}
	if hint == "" {
		hint = "make it a port again: nmgre down " + fault.Operand(v.name) + " && nmgre up " + fault.Operand(v.name)
	}
	c.Status, c.Cause, c.Hint = Fail, cause.LinkDiffers, strings.ReplaceAll(hint, "BRIDGE", fault.Operand(bridge))
	c.Summary = fmt.Sprintf("the bridge %s does not forward to the tunnel: %s", fault.Printable(bridge), problem)
	if waits {
		c.Status = Warn
	}
	return c
}

// bridge returns the name of the bridge whose port the tunnel is to be, and the index of its
// device. The index is 0 where the profile names the bridge by the UUID of its profile.
func (v *verifier) bridge() (name string, index int) {
	name = port.Name(v.tunnel, v.links)
	if keep.IsUUID(v.tunnel.Controller) {
		return name, 0
	}
	if i := slices.IndexFunc(v.links, func(l kernel.Link) bool { return l.Name == name }); i >= 0 {
		index = v.links[i].Index
	}
	return name, index
}
