package verify

import (
	"context"
	"fmt"

	"nmgre/nm"
	"nmgre/nm/verify/cause"
	"nmgre/nm/verify/underlay"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
)

// checkUnderlay checks the way to the far end. Nothing else is said about a way that leads nowhere.
func (v *verifier) checkUnderlay(ctx context.Context) error {
	if v.tunnel.Remote.IsUnspecified() { // the way to 0.0.0.0 is one to this host
		v.wrongWay = true
		v.report.add(Check{ID: "underlay", Status: Warn, Certainty: Proved, Summary: "the tunnel has no far end, so nothing about it can be proved", Evidence: "its remote is " + gre.RemoteText(v.tunnel.Mode, v.tunnel.Remote), Hint: "give it one with nmgre edit " + fault.Operand(v.name) + " --peer ADDR"})
		return nil
	}
	looking := underlay.Looking{Kernel: v.sys.Kernel, Links: v.links, Tunnel: v.tunnel, Rules: v.heldRules}
	var err error
	if v.ev.Under, err = looking.Look(ctx); err != nil {
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
