package verify

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"nmgre/nm"
	"nmgre/nm/policy"
	"nmgre/nm/verify/cause"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// checkUnderlay checks the way to the far end. Nothing else is said about a way that leads nowhere.
func (v *verifier) checkUnderlay(ctx context.Context) error {
	if v.tunnel.Remote.IsUnspecified() { // the way to 0.0.0.0 is one to this host
		v.wrongWay = true
		v.report.add(Check{ID: "underlay", Status: Warn, Certainty: Proved, Summary: "the tunnel has no far end, so nothing about it can be proved", Evidence: "its remote is " + gre.RemoteText(v.tunnel.Mode, v.tunnel.Remote), Hint: "give it one with nmgre edit " + fault.Operand(v.name) + " --peer ADDR"})
		return nil
	}
	if err := v.lookUnderlay(ctx); err != nil {
		return err
	}
	if found := cause.OfUnderlay(v.ev); found != nil {
		v.wrongWay = true
		v.report.add(checkOf("underlay", found))
		return nil
	}
	c := Check{ID: "underlay", Status: Pass, Certainty: Proved, Summary: "the way to the far end does not lead into a tunnel", Evidence: nm.HopText(v.tunnel.Remote, v.ev.Under.Hop), Facts: hopFacts(v.ev.Under.Hop)}
	if v.ev.Under.Nested {
		c.Status, c.Summary, c.Evidence = Warn, "the way to the far end leads into another GRE tunnel", v.ev.Under.Path
		c.Hint = "if you did not mean that, give the far end a route of its own by the right gateway"
	}
	v.report.add(c)
	return nil
}

// lookUnderlay asks the kernel for the way to the far end.
func (v *verifier) lookUnderlay(ctx context.Context) error {
	u, from := &v.ev.Under, netip.Addr{}
	var holder, parent *kernel.Link
	if local := v.tunnel.Local; local.IsValid() && !local.IsUnspecified() {
		from, u.From = local, local
		holder = kernel.Holding(v.links, local)
		if holder == nil {
			u.Away = true
			return v.lookPresent(ctx)
		}
		if !holder.Up { // its routes went with it; those of one without a carrier stay
			v.noteDown(holder)
		}
	}
	if dev := v.parentDevice(); dev != "" {
		parent = kernel.Named(v.links, dev)
		if parent == nil {
			u.Parent = dev
			return nil
		}
		v.noteDown(parent)
	}
	hop, err := v.sys.Kernel.Lookup(ctx, kernel.Query{To: v.tunnel.Remote, From: from, Dev: v.parentDevice()})
	if err != nil { // without its rule, a VRF has neither routes nor addresses
		vrf, ruleErr := policy.Deserted(ctx, v.sys.Kernel, v.links, v.tunnel.Remote.Is6(), parent, holder)
		if u.VRF = vrf; vrf != "" || errors.Is(err, fault.ErrUnreachable) {
			u.NoRoute = err.Error()
			return errors.Join(ruleErr, v.lookPast(ctx))
		}
		return err
	}
	// the address may be on another device than the way out
	u.Hop, u.Down, u.Unplugged = hop, "", false
	u.Rule, u.Pass = policy.Leading(v.tunnel, v.heldRules, hop.Table)
	v.noteDown(kernel.Named(v.links, hop.Dev))
	if !u.From.IsValid() {
		u.From = hop.Src
	}
	return v.followUnderlay(ctx)
}

// noteDown notes a device on the way that is down.
func (v *verifier) noteDown(l *kernel.Link) {
	if l != nil && (!l.Up || l.NoCarrier) {
		v.ev.Under.Down, v.ev.Under.Unplugged = l.Name, l.Up
	}
}

// lookPresent asks the kernel for the address that packets to the far end would leave from.
func (v *verifier) lookPresent(ctx context.Context) error {
	q := kernel.Query{To: v.tunnel.Remote}
	if dev := v.parentDevice(); kernel.Named(v.links, dev) != nil { // it may have gone with its address
		q.Dev = dev
	}
	hop, err := v.sys.Kernel.Lookup(ctx, q)
	if err == nil && hop.Dev != v.tunnel.Name {
		v.ev.Under.Present = hop.Src
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
	u := &v.ev.Under
	hop, seen := u.Hop, make(map[string]bool)
	u.Path = fault.Printable(v.tunnel.Name)
	for range maxNesting {
		u.Path += " -> " + fault.Printable(hop.Dev)
		link := kernel.Named(v.links, hop.Dev)
		u.Itself, u.Loop = hop.Dev == v.tunnel.Name, seen[hop.Dev]
		if u.Itself || u.Loop {
			return v.lookPast(ctx)
		}
		if link == nil || link.GRE == nil {
			return nil
		}
		seen[hop.Dev], u.Nested = true, true
		if link.GRE.Remote.IsUnspecified() {
			return nil
		}
		next, err := v.sys.Kernel.Lookup(ctx, kernel.UnderlayOf(v.links, hop.Dev))
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

// lookPast looks for a route that would lead to the far end past all tunnels, and past routes that
// drop packets: the most specific one.
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
		v.ev.Under.Gateway = pastText(v.tunnel.Remote, r)
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
	switch {
	case v.wrongWay:
		v.report.add(skip("mtu", "not checked: the way to the far end leads nowhere"))
		return nil
	case v.link == nil:
		v.report.add(skip("mtu", noLink))
		return nil
	}
	if found := cause.OfMTU(v.ev); found != nil && !v.tunnel.Link.IgnoreDF { // else it goes out in fragments
		v.report.add(checkOf("mtu", found))
		return nil
	}
	path, told := v.ev.PathMTU()
	c := Check{ID: "mtu", Status: Pass, Certainty: Likely, Summary: fmt.Sprintf("packets of %d bytes fit through the way to the far end, as far as this host knows", v.link.MTU),
		Evidence: v.ev.Encapsulation(path).Arithmetic(path) + ", " + told, Facts: Facts{"mtu": v.link.MTU, "fits": v.ev.Fits(), "path_mtu": path}}
	if _, why := v.ev.IPsec.Out.Carries(path); why != "" {
		c.Evidence += "; IPsec is not counted: " + why
	}
	if v.tunnel.Link.IgnoreDF && v.link.MTU > v.ev.Fits() {
		c.Summary = fmt.Sprintf("packets of more than %d bytes go out in fragments, since the DF bit is ignored", v.ev.Fits())
	}
	if v.ev.Large.Through() {
		c.Certainty, c.Summary = Proved, fmt.Sprintf("packets of %d bytes got through to the far end", v.ev.Large.Whole)
		c.Evidence, c.Facts["answered"] = v.throughText()+"; "+c.Evidence, v.ev.Large.Whole
	}
	v.report.add(c)
	return nil
}

// throughText names the packet of the whole MTU that got through.
func (v *verifier) throughText() string {
	if v.ev.Large.Fails == 0 {
		return "an echo of that size, not to be fragmented, was answered"
	}
	return "a UDP datagram of that size, not to be fragmented, was answered; an echo of that size was not"
}
