package whole

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"nmgre/nm"
	"nmgre/nm/ends"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// Unpinned returns a note if a route of the tunnel p, which is up, leads the packets that carry it
// into it, and a pin can prevent that. nmgre plans no such tunnel, but anybody can write its
// profile. For a caller without root the note has the command. It is empty if there is nothing to
// pin.
func Unpinned(ctx context.Context, sys nm.System, p nm.Profile) (string, error) {
	t := &p.Tunnel
	i := slices.IndexFunc(t.Routes, func(r routes.Route) bool { return nm.Covers(&r, t.Remote) })
	if i < 0 || p.State != nm.StateActive {
		return "", nil
	}
	links, err := sys.Kernel.Links(ctx)
	if err != nil {
		return "", err
	}
	hop, err := sys.Kernel.Lookup(ctx, ends.Way(links, *t))
	if err != nil || hop.Dev != t.Name || ends.Apart(hop) {
		return "", nil // no way at all is nothing that a pin mends
	}
	pin, err := keep.PinFor(ctx, sys.Kernel, links, t.Remote)
	if err != nil || pin == nil {
		return "", err
	}
	note := CoverText(hop.Match) + " leads the packets that carry " + fault.Printable(t.Name) + " into the tunnel itself; "
	if !sys.Kernel.CanChange() {
		return note + "a host route keeps the far end reachable: sudo nmgre up " + fault.Operand(t.Name), nil
	}
	return note + fmt.Sprintf("a host route keeps the far end reachable, at present: %s dev %s", pin.Route, fault.Printable(pin.Dev)), nil
}

// CoverText names the network of a route: a default route is called so, as a person writes it.
func CoverText(p netip.Prefix) string {
	if p.Bits() == 0 {
		return "the default route"
	}
	return p.String()
}

// IsPin says whether the way to end is a pin that nmgre has set before.
func IsPin(ctx context.Context, k kernel.Kernel, hop kernel.Hop, end netip.Addr) (bool, error) {
	if !hop.Match.IsSingleIP() {
		return false, nil
	}
	there, err := k.RoutesTo(ctx, end)
	return slices.ContainsFunc(there, func(r kernel.DeviceRoute) bool { return r.Dst == hop.Match && r.Protocol == kernel.RouteProtocol }), err
}

// Pin has root keep a pin for the tunnel p, which is up, if it needs one that nobody has planned,
// and tells why. undo is nil if nothing has changed. A caller without root is only told.
func Pin(ctx context.Context, sys nm.System, p nm.Profile, tell func(...string)) (undo func(context.Context) error, err error) {
	before, err := keep.Of(ctx, sys.Store, p.UUID)
	if err != nil || before.Pin || before.Remote.IsValid() && before.Remote != p.Tunnel.Remote {
		return nil, err
	}
	p.State = nm.StateActive
	note, err := Unpinned(ctx, sys, p)
	if err != nil || note == "" {
		return nil, err
	}
	tell(note)
	if !sys.Kernel.CanChange() {
		return nil, nil
	}
	k, t := before, p.Tunnel
	k.UUID, k.Name, k.Remote, k.Inner, k.Pin = p.UUID, t.Name, t.Remote, t.InnerNetworks(), true
	undo = func(ctx context.Context) error {
		before.UUID, before.Stamp = p.UUID, ""
		_, err := sys.Keeper.Keep(ctx, before, nil)
		return err
	}
	done, err := sys.Keeper.Keep(ctx, k, nil)
	tell(done.Trouble...)
	return undo, err
}
