package port

import (
	"slices"

	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// kindBridge is the kernel's word for a bridge.
const kindBridge = "bridge"

// Resolve returns the bridge that text stands for, as a profile names its controller: by the
// interface, or by the UUID of the bridge's profile where several have the interface. text is an
// interface, or the name or UUID of a profile. A bridge that somebody made by hand has no profile:
// it is found by its interface. An empty text is no bridge. The error is a [fault.ErrInvalid] for
// the field "controller".
func Resolve(text string, profiles []nm.Profile, links []kernel.Link) (controller string, err *fault.Error) {
	if text == "" {
		return "", nil
	}
	same := func(p nm.Profile) bool {
		return p.State != nm.StateExternal && (p.UUID == text || p.ID == text || p.Tunnel.Name == text)
	}
	bridge := slices.IndexFunc(profiles, func(p nm.Profile) bool { return p.Bridge && same(p) })
	link := kernel.Named(links, text)
	switch {
	case bridge >= 0:
		return nameOf(profiles[bridge], text, profiles), nil
	case link != nil && link.Kind == kindBridge:
		return text, nil
	case link != nil && link.Kind == "vrf":
		return "", fault.Invalid("controller", vrfHint, "%s is a VRF and no bridge", fault.Printable(text))
	case link != nil || slices.ContainsFunc(profiles, same):
		return "", fault.Invalid("controller", hint, "%s is no bridge", fault.Printable(text))
	}
	return "", fault.Invalid("controller", "make it first, as in: nmcli connection add type bridge con-name br0 ifname br0", "there is no bridge %s, and no profile of one", fault.Printable(text))
}

const vrfHint = "with --parent, the tunnel's own packets leave by a device in the VRF; to put the tunnel itself into it: nmcli connection modify NAME master VRF slave-type vrf"

const hint = "give the bridge's interface, such as br0, or the name or UUID of its profile"

// nameOf returns the interface of a bridge's profile, or its UUID where that says more.
func nameOf(p nm.Profile, text string, profiles []nm.Profile) string {
	others := func(o nm.Profile) bool { return o.Bridge && o.UUID != p.UUID && o.Tunnel.Name == p.Tunnel.Name }
	if p.Tunnel.Name == "" || p.Tunnel.Name != text && slices.ContainsFunc(profiles, others) {
		return p.UUID
	}
	return p.Tunnel.Name
}

// Name returns the interface of the bridge whose port a tunnel is: as the kernel has it, or as its
// profile says. It is empty where neither tells.
func Name(t nm.Tunnel, links []kernel.Link) string {
	if !keep.IsUUID(t.Controller) {
		return t.Controller
	}
	own := kernel.Named(links, t.Name)
	if own == nil || own.Controller == 0 {
		return ""
	}
	i := slices.IndexFunc(links, func(l kernel.Link) bool { return l.Index == own.Controller })
	if i < 0 {
		return ""
	}
	return links[i].Name
}

// Judge says whether the bridge forwards to its port link. problem is empty if it does. waits says
// that it will by itself, when the spanning tree has listened for a while. bridge is the index of
// the bridge that the port is to be of; 0 where any will do.
func Judge(link kernel.Link, bridge int) (problem, hint string, waits bool) {
	switch {
	case link.Controller == 0:
		return "it is the port of no bridge", "", false
	case bridge != 0 && link.Controller != bridge:
		return "it is the port of another bridge", "", false
	}
	switch link.Port {
	case kernel.PortForwarding:
		return "", "", false
	case kernel.PortListening, kernel.PortLearning:
		return "the spanning tree does not let frames pass yet (" + link.Port.String() + ")", "wait for twice the bridge's forward delay, 30 seconds as a rule, or switch the spanning tree off: nmcli connection modify BRIDGE bridge.stp no", true
	case kernel.PortBlocking:
		return "the spanning tree keeps the port blocked: another way joins the two networks", "remove the other way, or leave it so as a reserve: bridge -d link", false
	case kernel.PortDisabled:
		return "the bridge has the port disabled", "bring the bridge and the tunnel up: nmgre up " + fault.Operand(link.Name), false
	case kernel.PortNone:
	}
	return "its controller is no bridge", "", false
}
