package verify

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// checkUnderlay checks the way to the far end. Nothing else is said about a way that leads nowhere.
func (v *verifier) checkUnderlay(ctx context.Context) error {
	if err := v.lookUnderlay(ctx); err != nil {
		return err
	}
	if cause := firstOf(underlayCauses, v.facts); cause != nil {
		v.wrongWay = true
		v.report.add(cause.check("underlay", v.facts))
		return nil
	}
	c := Check{ID: "underlay", Status: Pass, Certainty: Proved, Summary: "the way to the far end does not lead into a tunnel", Evidence: hopText(v.tunnel.Remote, v.facts.under.hop)}
	if v.facts.under.nested {
		c.Status, c.Summary, c.Evidence = Warn, "the way to the far end leads into another GRE tunnel", v.facts.under.path
		c.Hint = "if you did not mean that, give the far end a route of its own by the right gateway"
	}
	v.report.add(c)
	return nil
}

// lookUnderlay asks the kernel for the way to the far end.
func (v *verifier) lookUnderlay(ctx context.Context) error {
	u, from := &v.facts.under, netip.Addr{}
	if local := v.tunnel.Local; local.IsValid() && !local.IsUnspecified() {
		from, u.from = local, local
		holder := kernel.Holding(v.links, local)
		if holder == nil {
			u.away = true
			return v.lookPresent(ctx)
		}
		if !holder.Up { // its routes went with it; those of one without a carrier stay
			v.noteDown(holder)
		}
	}
	if dev := v.parentDevice(); dev != "" {
		parent := kernel.Named(v.links, dev)
		if parent == nil {
			u.parent = dev
			return nil
		}
		v.noteDown(parent)
	}
	hop, err := v.sys.Kernel.Lookup(ctx, kernel.Query{To: v.tunnel.Remote, From: from, Dev: v.parentDevice()})
	if errors.Is(err, fault.ErrUnreachable) {
		u.noRoute = err.Error()
		return nil
	}
	if err != nil {
		return err
	}
	// the address may be on another device than the way out
	u.hop, u.down, u.unplugged = hop, "", false
	v.noteDown(kernel.Named(v.links, hop.Dev))
	if !u.from.IsValid() {
		u.from = hop.Src
	}
	return v.followUnderlay(ctx)
}

// noteDown notes a device on the way that is down.
func (v *verifier) noteDown(l *kernel.Link) {
	if l != nil && (!l.Up || l.NoCarrier) {
		v.facts.under.down, v.facts.under.unplugged = l.Name, l.Up
	}
}

// lookPresent asks the kernel for the address that packets to the far end would leave from.
func (v *verifier) lookPresent(ctx context.Context) error {
	hop, err := v.sys.Kernel.Lookup(ctx, kernel.Query{To: v.tunnel.Remote})
	if err == nil && hop.Dev != v.tunnel.Name {
		v.facts.under.present = hop.Src
	}
	if errors.Is(err, fault.ErrUnreachable) {
		return nil
	}
	return err
}

// parentDevice returns the name of the parent device, or the empty string if it is given by a UUID.
func (v *verifier) parentDevice() string {
	if keep.IsUUID(v.tunnel.Parent) {
		return ""
	}
	return v.tunnel.Parent
}

// maxNesting is the highest number of tunnels inside one another that are followed.
const maxNesting = 8

// followUnderlay follows the way to the far end, through other tunnels if it leads into any. It
// must not lead back into this tunnel.
func (v *verifier) followUnderlay(ctx context.Context) error {
	u := &v.facts.under
	hop, seen := u.hop, make(map[string]bool)
	u.path = fault.Printable(v.tunnel.Name)
	for range maxNesting {
		u.path += " -> " + fault.Printable(hop.Dev)
		link := kernel.Named(v.links, hop.Dev)
		u.itself, u.loop = hop.Dev == v.tunnel.Name, seen[hop.Dev]
		if u.itself || u.loop {
			return v.lookPast(ctx)
		}
		if link == nil || link.GRE == nil {
			return nil
		}
		seen[hop.Dev], u.nested = true, true
		next, err := v.sys.Kernel.Lookup(ctx, kernel.Query{To: link.GRE.Remote})
		if errors.Is(err, fault.ErrUnreachable) || link.GRE.Remote.IsUnspecified() {
			return nil
		}
		if err != nil {
			return err
		}
		hop = next
	}
	return nil
}

// lookPast looks for a route that would lead to the far end past all tunnels: the most specific
// one.
func (v *verifier) lookPast(ctx context.Context) error {
	list, err := v.sys.Kernel.RoutesTo(ctx, v.tunnel.Remote)
	if err != nil {
		return err
	}
	best := -1
	for _, r := range list {
		link := kernel.Named(v.links, r.Dev)
		if link == nil || link.GRE != nil || r.Dst.Bits() <= best {
			continue
		}
		best = r.Dst.Bits()
		v.facts.under.gateway = pastText(v.tunnel.Remote, r)
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

// checkMTU compares the device's MTU with the largest one that fits through the way to the far end,
// as far as this host knows it, and as it was measured.
func (v *verifier) checkMTU(context.Context) error {
	f := v.facts
	switch {
	case v.wrongWay:
		v.report.add(skip("mtu", "not checked: the way to the far end leads nowhere"))
		return nil
	case v.link == nil:
		v.report.add(skip("mtu", noLink))
		return nil
	}
	if cause := firstOf(mtuCauses, f); cause != nil {
		v.report.add(cause.check("mtu", f))
		return nil
	}
	path, told := f.pathMTU()
	c := Check{ID: "mtu", Status: Pass, Certainty: Likely, Summary: fmt.Sprintf("packets of %d bytes fit through the way to the far end, as far as this host knows", v.link.MTU),
		Evidence: v.tunnel.Encapsulation().Arithmetic(path) + ", " + told, Facts: Facts{"mtu": v.link.MTU, "fits": f.fits(), "path_mtu": path}}
	if f.large.Through() {
		c.Certainty, c.Summary = Proved, fmt.Sprintf("packets of %d bytes got through to the far end", f.large.Whole)
		c.Evidence, c.Facts["answered"] = "an echo of that size, not to be fragmented, was answered; "+c.Evidence, f.large.Fits
	}
	v.report.add(c)
	return nil
}
