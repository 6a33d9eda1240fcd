package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"nmgre/nm/verify/apart"
	"nmgre/nm/verify/cause"
	"nmgre/nm/verify/place"
	"nmgre/nm/verify/snat"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// checkKept checks the routes and rules that root keeps for the tunnel: the file can be read, the
// hook sets them whenever the tunnel comes up, and the kernel has the routes. err is why the file
// could not be read, or nil.
func (v *verifier) checkKept(ctx context.Context, err error) error {
	if err != nil {
		v.report.add(Check{ID: "kept", Status: Fail, Certainty: Proved, Cause: cause.KeptUnreadable, Summary: "the file with what nmgre keeps for the tunnel cannot be read", Evidence: err.Error(),
			Hint: firstHint(err, "it is not set when the tunnel comes up: correct the file, or delete the tunnel and make it again")})
		return nil
	}
	if v.kept.Empty() && len(v.kept.Bad) == 0 {
		return nil
	}
	v.report.add(v.checkFile())
	v.report.add(v.checkHook(ctx))
	if v.kept.Bound(v.profile.Running(), v.link) != nil {
		v.kept = keep.Kept{UUID: v.kept.UUID} // nothing else of it is expected in the kernel
		return nil
	}
	if v.link == nil || len(v.kept.Routes) == 0 || v.opts.NoLongList && len(v.kept.Routes) > maxRouteChecks {
		return nil
	}
	if v.missing, err = keep.Missing(ctx, v.sys.Kernel, v.profile.Running(), v.kept); err != nil {
		return err
	}
	if len(v.kept.Routes) > maxRouteChecks {
		v.report.add(v.checkManyRoutes())
	}
	return nil
}

// readKept reads root's file of the tunnel, unless the caller knows its contents.
func (v *verifier) readKept(ctx context.Context) (err error) {
	if v.opts.Kept != nil {
		v.kept = *v.opts.Kept
		return nil
	}
	v.kept, err = keep.Of(ctx, v.sys.Store, v.profile.UUID)
	return err
}

// firstHint returns the first hint of err, or otherwise if err has no hint.
func firstHint(err error, otherwise string) string {
	if hints := fault.Hints(err); len(hints) > 0 {
		return hints[0]
	}
	return otherwise
}

// checkFile checks that the file is for the tunnel as it is, and that all lines of it could be
// read.
func (v *verifier) checkFile() Check {
	c := Check{ID: "kept", Status: Pass, Certainty: Proved, Summary: "nmgre keeps for the tunnel: " + v.kept.Summary(), Evidence: "of " + v.profile.Called()}
	if err := v.kept.Bound(v.profile.Running(), v.link); err != nil {
		c.Status, c.Cause, c.Summary, c.Evidence, c.Hint = Fail, cause.KeptForAnother, "what root keeps for the tunnel was allowed for another one, so it is not set", err.Error(), firstHint(err, "")
		return c
	}
	if len(v.kept.Bad) == 0 {
		return c
	}
	bad := v.kept.Bad[0]
	c.Status, c.Cause, c.Summary = Fail, cause.KeptUnreadable, fmt.Sprintf("line %d of the file with what nmgre keeps for the tunnel cannot be read", bad.Line)
	if n := len(v.kept.Bad); n > 1 {
		c.Summary = fmt.Sprintf("%d lines of the file with what nmgre keeps for the tunnel cannot be read, the first is line %d", n, bad.Line)
	}
	c.Evidence, c.Hint = bad.Err.Error(), "correct or remove the line; the other lines are used"
	return c
}

// checkHook checks that NetworkManager's dispatcher runs nmgre's hook.
func (v *verifier) checkHook(ctx context.Context) Check {
	err := v.sys.Store.HookMissing(ctx)
	if err == nil {
		return Check{ID: "hook", Status: Pass, Certainty: Proved, Summary: "the dispatcher's hook sets what nmgre keeps whenever the tunnel comes up"}
	}
	return Check{ID: "hook", Status: Warn, Certainty: Proved, Cause: cause.HookMissing, Summary: "what NetworkManager cannot hold does not return by itself: " + v.kept.Summary(),
		Evidence: err.Error(), Hint: firstHint(err, "install the hook: sudo nmgre install-hook")}
}

// setAgainHint says how to set the routes and rules that the kernel lacks.
func (v *verifier) setAgainHint() string {
	return "set it again: sudo nmgre up " + fault.Operand(v.name)
}

// missingRoute is the check of a kept route that the kernel does not have.
func (v *verifier) missingRoute(r routes.Route) Check {
	return Check{ID: routeID(r), Status: Fail, Certainty: Proved, Cause: cause.RouteMissing, Summary: "the kernel does not have the route, or has it with other attributes", Evidence: r.String(), Hint: v.setAgainHint()}
}

// LongListID is the ID of the one check of a long list of kept routes.
const LongListID = "routes"

// checkManyRoutes is one check of a long list of routes.
func (v *verifier) checkManyRoutes() Check {
	all, gone := len(v.kept.Routes), len(v.missing)
	c := Check{ID: LongListID, Status: Pass, Certainty: Proved, Summary: fmt.Sprintf("the kernel has all %d routes", all)}
	if gone == 0 {
		return c
	}
	c.Status, c.Cause, c.Summary, c.Hint = Fail, cause.RouteMissing, fmt.Sprintf("the kernel lacks %d of %s", gone, fault.Count(all, "route")), v.setAgainHint()
	for i, r := range v.kept.Routes {
		if v.missing[i] {
			c.Evidence = "such as " + r.String()
			break
		}
	}
	return c
}

// checkGateway checks everything that concerns forwarded packets: forwarding itself, nmgre's rules,
// and obstacles.
func (v *verifier) checkGateway(ctx context.Context) error {
	if v.link == nil {
		return nil
	}
	for _, dev := range v.kept.Forward {
		c, err := v.checkForwarding(ctx, dev)
		if err != nil {
			return err
		}
		v.report.add(c)
	}
	return v.checkRules(ctx)
}

// checkForwarding checks that packets which come in by dev are forwarded.
func (v *verifier) checkForwarding(ctx context.Context, dev string) (Check, error) {
	c := Check{ID: "forwarding " + fault.Printable(dev), Status: Pass, Certainty: Proved, Summary: "packets that come in by " + fault.Printable(dev) + " are forwarded"}
	on, err := v.sys.Gateway.Forwarding(ctx, dev)
	switch {
	case errors.Is(err, fault.ErrNotFound):
		c.Status, c.Cause, c.Summary, c.Hint = Fail, cause.NotForwarding, "packets are to be forwarded from "+fault.Printable(dev)+", but there is no such device", "bring up its connection"
	case err != nil:
		return c, err
	case !on:
		c.Status, c.Cause, c.Summary, c.Hint = Fail, cause.NotForwarding, "packets that come in by "+fault.Printable(dev)+" are not forwarded", v.setAgainHint()
	}
	return c, nil
}

// checkRules compares nmgre's rules in the kernel with the ones that the tunnel needs.
func (v *verifier) checkRules(ctx context.Context) error {
	want := v.kept.Rules()
	if len(want) == 0 {
		return nil
	}
	missing, err := v.sys.Gateway.Missing(ctx, want)
	if err != nil && !errors.Is(err, fault.ErrNotPermitted) {
		return err
	}
	tried, failed := v.trySNAT(ctx, want, missing, err)
	if failed != nil {
		return failed
	}
	for i, r := range want {
		c := Check{ID: r.ID(), Status: Pass, Certainty: Proved, Summary: "the rule is there: " + r.Summary()}
		switch {
		case err != nil:
			c = skip(c.ID, "not checked: only root can read the rules")
		case slices.Contains(missing, i):
			c.Status, c.Cause, c.Place, c.Summary, c.Hint = Fail, cause.RuleMissing, place.OwnFirewall, "the rule is missing: "+r.Summary(), v.setAgainHint()
			c.Evidence = fmt.Sprintf("nmgre's nftables tables lack %d of %s", len(missing), fault.Count(len(want), "rule"))
			c.readHint()
		case tried[r] != nil:
			c = v.judgeSNAT(c, *tried[r])
		}
		v.report.add(c)
	}
	return nil
}

// trySNAT tries the SNAT rules that are there. Where the rules cannot be read, none is. A trial
// that fails says nothing about the rules.
func (v *verifier) trySNAT(ctx context.Context, want []keep.Rule, missing []int, unread error) (map[keep.Rule]*snat.Found, error) {
	var rules []keep.Rule
	for i, r := range want {
		if unread == nil && !r.ClampMSS && !slices.Contains(missing, i) {
			rules = append(rules, r)
		}
	}
	if len(rules) == 0 {
		return nil, nil
	}
	found, _ := snat.Try(ctx, snat.Doors{Kernel: v.sys.Kernel, Gateway: v.sys.Gateway, Links: v.links, Send: v.opts.Probe && v.link.Up}, rules)
	tried := make(map[keep.Rule]*snat.Found)
	for i := range found {
		tried[found[i].Rule] = &found[i]
	}
	return tried, ctx.Err()
}

// judgeSNAT is the check of an SNAT rule that was tried. Whether the far end answers is none of its
// business.
func (v *verifier) judgeSNAT(c Check, tried snat.Found) Check {
	ev := v.ev
	ev.SNAT, ev.Probe = &tried, kernel.ProbeResult{}
	if found := cause.OfSNAT(ev); found != nil {
		return checkOf(c.ID, found)
	}
	switch {
	case !tried.Sent:
		return c
	case tried.Grew > 0:
		c.Evidence = fmt.Sprintf("its counter grew by %d when a packet was sent from %s to %s", tried.Grew, tried.From, tried.To)
	default:
		c.Evidence = fmt.Sprintf("its counter stayed when a packet was sent from %s to %s: another rule gives the same source", tried.From, tried.To)
	}
	c.Facts = Facts{"from": tried.From.String(), "to": tried.To.String(), "packets": tried.Grew}
	return c
}

// checkObstacles looks for firewalls that drop forwarded packets.
func (v *verifier) checkObstacles(ctx context.Context) error {
	if v.link == nil || v.opts.FailuresOnly {
		return nil
	}
	routed := v.anyRoute(func(r *routes.Route) bool {
		return r.Type == routes.TypeUnicast && r.Dst.Addr().Is4() && !r.Dst.IsSingleIP()
	})
	obstacles, err := apart.Look(ctx, v.sys.Gateway, apart.Between{Link: v.link.Name, Kept: v.kept.Forward, LANs: v.lans(), Routed: routed})
	for _, o := range obstacles {
		c := Check{ID: "firewall", Status: Warn, Certainty: Likely, Cause: cause.FirewallDrops, Place: place.OwnFirewall, Summary: fault.Printable(o.What), Hint: o.Hint}
		if o.Apart {
			c.Certainty, c.Evidence = Proved, "its rules drop a packet that begins a connection, in either direction"
		}
		v.report.add(c)
	}
	return err
}
