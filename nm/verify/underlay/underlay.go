// Package underlay asks the kernel for the way of a tunnel's packets to its far end: the devices
// and tunnels on it, and why it leads nowhere, if it does. It is pure. Begin at [Looking].
package underlay

import (
	"context"
	"errors"
	"net/netip"

	"nmgre/nm"
	"nmgre/nm/policy"
	"nmgre/nm/verify/cause"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// Looking is the question for the way to the far end of a tunnel that has one.
type Looking struct {
	Kernel kernel.Kernel
	Links  []kernel.Link
	Tunnel nm.Tunnel
	Rules  []kernel.HeldRule // the kernel's
}

// Look looks for the way. It fails if the kernel does not answer.
func (q Looking) Look(ctx context.Context) (cause.Underlay, error) {
	l := look{Looking: q}
	err := l.find(ctx)
	return l.under, err
}

// look is one look for the way.
type look struct {
	Looking
	under cause.Underlay // as far as it is known
}

// find asks the kernel for the way to the far end.
func (l *look) find(ctx context.Context) error {
	u, from := &l.under, netip.Addr{}
	var holder, parent *kernel.Link
	if local := l.Tunnel.Local; local.IsValid() && !local.IsUnspecified() {
		from, u.From = local, local
		holder = kernel.Holding(l.Links, local)
		if holder == nil {
			u.Away = true
			return l.present(ctx)
		}
		if !holder.Up { // its routes went with it; those of one without a carrier stay
			l.noteDown(holder)
		}
	}
	if dev := l.Tunnel.ParentDevice(); dev != "" {
		parent = kernel.Named(l.Links, dev)
		if parent == nil {
			u.Parent = dev
			return nil
		}
		l.noteDown(parent)
	}
	hop, err := l.Kernel.Lookup(ctx, kernel.Query{To: l.Tunnel.Remote, From: from, Dev: l.Tunnel.ParentDevice()})
	if err != nil { // without its rule, a VRF has neither routes nor addresses
		vrf, ruleErr := policy.Deserted(ctx, l.Kernel, l.Links, l.Tunnel.Remote.Is6(), parent, holder)
		if u.VRF = vrf; vrf != "" || errors.Is(err, fault.ErrUnreachable) {
			u.NoRoute = err.Error()
			return errors.Join(ruleErr, l.past(ctx))
		}
		return err
	}
	// the address may be on another device than the way out
	u.Hop, u.Down, u.Unplugged = hop, "", false
	u.Rule, u.Pass = policy.Leading(l.Tunnel, l.Rules, hop.Table)
	l.noteDown(kernel.Named(l.Links, hop.Dev))
	if !u.From.IsValid() {
		u.From = hop.Src
	}
	return l.follow(ctx)
}

// noteDown notes a device on the way that is down.
func (l *look) noteDown(dev *kernel.Link) {
	if dev != nil && (!dev.Up || dev.NoCarrier) {
		l.under.Down, l.under.Unplugged = dev.Name, dev.Up
	}
}

// present asks the kernel for the address that packets to the far end would leave from.
func (l *look) present(ctx context.Context) error {
	q := kernel.Query{To: l.Tunnel.Remote}
	if dev := l.Tunnel.ParentDevice(); kernel.Named(l.Links, dev) != nil { // it may have gone with its address
		q.Dev = dev
	}
	hop, err := l.Kernel.Lookup(ctx, q)
	if err == nil && hop.Dev != l.Tunnel.Name {
		l.under.Present = hop.Src
	}
	if errors.Is(err, fault.ErrUnreachable) {
		return nil
	}
	return err
}

// maxNesting is the highest number of tunnels inside one another that are followed.
const maxNesting = 8

// follow follows the way to the far end, through other tunnels if it leads into any. It
// must not lead back into this tunnel.
func (l *look) follow(ctx context.Context) error {
	u := &l.under
	hop, seen := u.Hop, make(map[string]bool)
	u.Path = fault.Printable(l.Tunnel.Name)
	for range maxNesting {
		u.Path += " -> " + fault.Printable(hop.Dev)
		link := kernel.Named(l.Links, hop.Dev)
		u.Itself, u.Loop = hop.Dev == l.Tunnel.Name, seen[hop.Dev]
		if u.Itself || u.Loop {
			return l.past(ctx)
		}
		if link == nil || link.GRE == nil {
			return nil
		}
		seen[hop.Dev], u.Nested = true, true
		if link.GRE.Remote.IsUnspecified() {
			return nil
		}
		next, err := l.Kernel.Lookup(ctx, kernel.UnderlayOf(l.Links, hop.Dev))
		if errors.Is(err, fault.ErrUnreachable) {
			return nil
		}
		if err != nil {
			return err
		}
		hop = next
	}
	return nil
}

// past looks for a route that would lead to the far end past all tunnels, and past routes that
// drop packets: the most specific one.
func (l *look) past(ctx context.Context) error {
	list, err := l.Kernel.RoutesTo(ctx, l.Tunnel.Remote)
	if err != nil {
		return err
	}
	best := -1
	for _, r := range list {
		link := kernel.Named(l.Links, r.Dev)
		if link == nil || link.GRE != nil || r.Dst.Bits() <= best {
			continue
		}
		best = r.Dst.Bits()
		l.under.Gateway = pastText(l.Tunnel.Remote, r)
	}
	return nil
}

// pastText writes a route to the far end by the gateway of r, in the words of `ip route`.
func pastText(to netip.Addr, r kernel.DeviceRoute) string {
	text := to.String()
	if r.Via.IsValid() {
		text += " via " + r.Via.String()
	}
	return text + " dev " + fault.ShellWord(r.Dev)
}
