package ends

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// Stray is a local address whose packets leave by another device than the one that has it: a
// provider drops packets from addresses of others (RFC 2827).
type Stray struct {
	What, Why string // in words; Why is what becomes of the packets
	Remedy    string // in words and commands
}

// Astray tells whether the packets from a tunnel's own local address, which take hop, go astray. It
// is the zero Stray where they do not, and where another way is usual, as for an address of lo, and
// for a tunnel that is bound to a device.
func Astray(links []kernel.Link, t nm.Tunnel, hop kernel.Hop) Stray {
	holder := kernel.Holding(links, t.Local)
	usual := holder == nil || holder.Name == "lo" || holder.Kind == "dummy" || t.Parent != "" || hop.Dev == "" || hop.Dev == holder.Name
	if usual || !t.Remote.IsValid() || t.Remote.IsUnspecified() {
		return Stray{}
	}
	if out := kernel.Named(links, hop.Dev); out != nil && out.GRE != nil { // a route that gets a pin, or is refused
		return Stray{}
	}
	dev := fault.Printable(holder.Name)
	s := Stray{What: fmt.Sprintf("the local address %s is on %s, but its packets leave by %s", t.Local, dev, fault.Printable(hop.Dev))}
	if vrf := kernel.VRF(links, holder); vrf != nil {
		s.What += ", outside the VRF " + fault.Printable(vrf.Name)
		s.Why = "that VRF takes no answers from there"
		s.Remedy = "bind the tunnel to its device: --parent " + fault.ShellWord(holder.Name)
		return s
	}
	s.Why = "whoever provides that way may drop them"
	s.Remedy = fmt.Sprintf("where %s has a gateway of its own, a rule leads them there: %s rule add from %s table TABLE", dev, ipFor(t.Local), t.Local)
	return s
}

// astrayNote asks for the way of a tunnel's packets, and warns of those that go astray.
func astrayNote(ctx context.Context, k kernel.Kernel, links []kernel.Link, t nm.Tunnel) (string, error) {
	if kernel.Holding(links, t.Local) == nil || !t.Remote.IsValid() || t.Remote.IsUnspecified() {
		return "", nil
	}
	hop, err := k.Lookup(ctx, Way(links, t))
	if err != nil {
		if errors.Is(err, fault.ErrUnreachable) { // other checks tell of it
			return "", nil
		}
		return "", err
	}
	s := Astray(links, t, hop)
	if s.What == "" {
		return "", nil
	}
	return "warning: " + s.What + ": " + s.Why + "; " + s.Remedy, nil
}

// ipFor returns iproute2's command for an address's family.
func ipFor(a netip.Addr) string {
	if a.Is6() {
		return "ip -6"
	}
	return "ip"
}
