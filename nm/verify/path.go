package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"nmgre/nm"
	"nmgre/nm/policy"
	"nmgre/nm/verify/cause"
	"nmgre/nm/verify/words"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// maxRouteChecks is the highest number of kept routes with a check of their own. Longer lists have
// one check, which compares them with the kernel's routes.
const maxRouteChecks = 50

// checkRoutes checks where a packet would go that follows one of the profile's routes, or one of
// the kept routes.
func (v *verifier) checkRoutes(ctx context.Context) error {
	list := v.profileRoutes()
	inProfile := len(list)
	if len(v.kept.Routes) <= maxRouteChecks {
		list = append(list, policy.InVRF(slices.Clone(v.kept.Routes), kernel.VRF(v.links, v.link))...)
	}
	v.heldRoutes = sync.OnceValues(func() ([]kernel.HeldRoute, error) {
		return v.sys.Kernel.Routes(ctx, v.link.Name, kernel.OneOf(list))
	})
	var rest moreRoutes
	for i, r := range list {
		c, err := v.checkOneRoute(ctx, r, i >= inProfile && v.missing[i-inProfile])
		if err != nil {
			return err
		}
		if rest.has(c) {
			continue
		}
		v.report.add(c)
	}
	for _, c := range rest.checks() {
		v.report.add(c)
	}
	return nil
}

// checkOneRoute checks one route, of which it may be known that the kernel misses it.
func (v *verifier) checkOneRoute(ctx context.Context, r routes.Route, missing bool) (Check, error) {
	switch {
	case v.link == nil:
		return skip(routeID(r), noLink), nil
	case missing:
		return v.missingRoute(r), nil
	}
	return v.checkRoute(ctx, r)
}

// routeID returns the ID of a route's check. It does not change as long as the route does not, and
// has the table and the metric, which tell two routes to one destination apart.
func routeID(r routes.Route) string {
	id := "route " + r.Dst.String()
	if r.TableOrMain() != routes.MainTable {
		id += fmt.Sprintf(" table %d", r.Table)
	}
	if r.Metric != nil {
		id += fmt.Sprintf(" metric %d", *r.Metric)
	}
	return id
}

// profileRoutes returns the routes that NetworkManager should have set.
func (v *verifier) profileRoutes() []routes.Route {
	list := slices.Clone(v.tunnel.Routes)
	if v.opts.Want != nil {
		list = v.tunnel.RoutesOf(nm.OwnerProfile, nm.MinVersion)
	}
	return policy.InVRF(list, kernel.VRF(v.links, v.link))
}

// checkRoute checks one route.
func (v *verifier) checkRoute(ctx context.Context, r routes.Route) (Check, error) {
	if !r.Type.HasDevice() {
		return v.checkFate(ctx, r)
	}
	if c, ours, err := v.checkByRule(ctx, r); ours || err != nil {
		return c, err
	}
	if r.TableOrMain() != routes.MainTable || r.From.IsValid() || r.TOS != 0 || r.NexthopID != 0 || r.Type != routes.TypeUnicast {
		return v.checkHeld(r)
	}
	c := Check{ID: routeID(r), Status: Pass, Certainty: Proved}
	to := routes.SampleAddr(r.Dst, v.tunnel.Remote)
	hop, err := v.sys.Kernel.Lookup(ctx, kernel.Query{To: to})
	switch {
	case errors.Is(err, fault.ErrUnreachable):
		c.Status, c.Cause, c.Summary, c.Evidence = Fail, cause.RouteMissing, "the kernel has no route to "+to.String(), err.Error()
		c.Hint = "the route is missing; set it again: nmcli connection up " + v.nmcli()
	case err != nil:
		return c, err
	case !v.leadsTo(r, hop):
		c.Status, c.Cause, c.Summary = Fail, cause.RouteElsewhere, fmt.Sprintf("packets to %s do not go into the tunnel", to)
		c.Evidence, c.Hint = nm.HopText(to, hop), words.WrongWay(r, hop)
		held, err := v.held(r)
		if err != nil {
			return c, err
		}
		if held == nil {
			c.Cause, c.Hint = cause.RouteMissing, "the route is missing; set it again: nmcli connection up "+v.nmcli()
		}
		meant, err := v.meantToYield(ctx, r, hop)
		if err != nil {
			return c, err
		}
		if meant {
			c.Status, c.Summary = Warn, fmt.Sprintf("the route is set, but packets to %s do not go into the tunnel", to)
			if by := words.Standby(v.links, r, hop); by != "" {
				c.Status, c.Cause, c.Summary, c.Hint = Pass, "", by, ""
			}
		}
	case r.Src.IsValid() && hop.Src != r.Src:
		c.Status, c.Cause, c.Summary, c.Evidence = Fail, cause.RouteSource, fmt.Sprintf("packets to %s have another source address than %s", to, r.Src), nm.HopText(to, hop)
		c.Hint = "another route to the same destination takes them: ip route show " + r.Dst.String()
	default:
		c.Summary, c.Evidence = "packets to it go into the tunnel", nm.HopText(to, hop)
		if hop.Dev != v.link.Name {
			c.Summary = "packets to it go into the tunnel, or by the route's other devices"
		}
	}
	return c, nil
}

// meantToYield says whether the user must have meant another route to win: r has a metric, and is
// there behind one with a lower metric; or a more specific route took the sample only.
func (v *verifier) meantToYield(ctx context.Context, r routes.Route, hop kernel.Hop) (bool, error) {
	if r.Metric == nil || hop.Match != r.Dst {
		return v.restLeadsTo(ctx, r, hop)
	}
	held, err := v.held(r)
	return held != nil, err
}

// restLeadsTo says whether a more specific route took the sample only, such as one for a part of
// r's network, and packets to the end of that network still go into the tunnel.
func (v *verifier) restLeadsTo(ctx context.Context, r routes.Route, hop kernel.Hop) (bool, error) {
	if !words.MoreSpecific(hop, r) || r.Dst.Bits() == 0 {
		return false, nil
	}
	last, err := v.sys.Kernel.Lookup(ctx, kernel.Query{To: routes.LastAddr(r.Dst).Prev()})
	if errors.Is(err, fault.ErrUnreachable) {
		return false, nil
	}
	return err == nil && v.leadsTo(r, last), err
}

// leadsTo says whether the packet goes into the tunnel, or, if a multipath route r has won, by
// another of its devices.
func (v *verifier) leadsTo(r routes.Route, hop kernel.Hop) bool {
	if hop.Dev == v.link.Name {
		return true
	}
	won := !hop.Match.IsValid() || hop.Match == r.Dst
	return won && slices.ContainsFunc(r.Nexthops, func(next routes.Nexthop) bool { return next.Dev == hop.Dev })
}

// checkHeld checks that the kernel holds a route. Where packets go that may follow the route cannot
// be looked up: that depends on policy rules, or on more of the packet than its destination.
func (v *verifier) checkHeld(r routes.Route) (Check, error) {
	c := Check{ID: routeID(r), Status: Pass, Certainty: Proved}
	held, err := v.held(r)
	switch {
	case err != nil:
		return c, err
	case held != nil:
		c.Summary, c.Evidence = fmt.Sprintf("table %d has it", r.TableOrMain()), held.String()
	case r.NexthopID != 0: // its device is not known
		c.Summary = fmt.Sprintf("table %d has it, by the nexthop object %d", r.TableOrMain(), r.NexthopID)
	default:
		c.Status, c.Cause, c.Summary = Fail, cause.RouteMissing, fmt.Sprintf("table %d does not have it", r.TableOrMain())
		c.Hint = "set it again: nmcli connection up " + v.nmcli()
	}
	return c, nil
}

// checkFate checks a route without a device, such as blackhole or unreachable.
func (v *verifier) checkFate(ctx context.Context, r routes.Route) (Check, error) {
	c := Check{ID: routeID(r), Status: Pass, Certainty: Proved}
	if r.TableOrMain() != routes.MainTable || r.Type == routes.TypeThrow {
		return skip(c.ID, "not checked: routes of the type "+r.Type.String()+" lead nowhere"), nil
	}
	to := routes.SampleAddr(r.Dst, v.tunnel.Remote)
	hop, err := v.sys.Kernel.Lookup(ctx, kernel.Query{To: to})
	switch {
	case errors.Is(err, fault.ErrUnreachable):
		c.Summary, c.Evidence = "packets to it are dropped, as they should be", err.Error()
	case err != nil:
		return c, err
	default:
		c.Status, c.Cause, c.Summary, c.Evidence = Warn, cause.NotDropped, "packets to it are not dropped", nm.HopText(to, hop)
		c.Hint = "another route to the same destination takes them: ip route show " + r.Dst.String()
	}
	return c, nil
}

// held returns the kernel's route that is r. It returns nil if the kernel has no such route.
func (v *verifier) held(r routes.Route) (*kernel.HeldRoute, error) {
	list, err := v.heldRoutes()
	if err != nil {
		return nil, err
	}
	for i, k := range list {
		if k.Dst == r.Dst && k.TableOrMain() == r.TableOrMain() && (r.Metric == nil || k.KernelMetric() == *r.Metric) {
			return &list[i], nil
		}
	}
	return nil, nil
}

// hopFacts are the same as fields.
func hopFacts(hop kernel.Hop) Facts {
	facts := Facts{"device": fault.Printable(hop.Dev)}
	if hop.Via.IsValid() {
		facts["gateway"] = hop.Via.String()
	}
	if hop.Src.IsValid() {
		facts["source"] = hop.Src.String()
	}
	return facts
}
