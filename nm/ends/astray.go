package ends

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// astray says that the packets from a tunnel's own local address leave by another device than the
// one that has it: a provider drops packets from addresses of others (RFC 2827). It is empty where
// that is usual, as for an address of lo, and for a tunnel that is bound to a device.
func astray(ctx context.Context, k kernel.Kernel, links []kernel.Link, t nm.Tunnel) (string, error) {
	holder := kernel.Holding(links, t.Local)
	if holder == nil || holder.Name == "lo" || holder.Kind == "dummy" || t.Parent != "" || !t.Remote.IsValid() || t.Remote.IsUnspecified() {
		return "", nil
	}
	hop, err := k.Lookup(ctx, Way(links, t))
	switch {
	case errors.Is(err, fault.ErrUnreachable): // other checks tell of it
		return "", nil
	case err != nil || hop.Dev == "" || hop.Dev == holder.Name:
		return "", err
	}
	if out := kernel.Named(links, hop.Dev); out != nil && out.GRE != nil { // a route that gets a pin, or is refused
		return "", nil
	}
	return astrayText(links, *holder, hop.Dev, t), nil
}

func astrayText(links []kernel.Link, holder kernel.Link, out string, t nm.Tunnel) string {
	text := fmt.Sprintf("warning: the local address %s is on %s, but its packets leave by %s", t.Local, fault.Printable(holder.Name), fault.Printable(out))
	vrf := slices.IndexFunc(links, func(l kernel.Link) bool { return l.Index == holder.Controller && l.Kind == "vrf" })
	if vrf >= 0 {
		return text + fmt.Sprintf(", outside the VRF %s, which takes no answers from there; bind the tunnel to its device: --parent %s", fault.Printable(links[vrf].Name), fault.ShellWord(holder.Name))
	}
	return text + fmt.Sprintf(": whoever provides that way may drop them; where %s has a gateway of its own, a rule leads them there: %s rule add from %s table TABLE", fault.Printable(holder.Name), ipFor(t.Local), t.Local)
}

// ipFor returns iproute2's command for an address's family.
func ipFor(a netip.Addr) string {
	if a.Is6() {
		return "ip -6"
	}
	return "ip"
}
