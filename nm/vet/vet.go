// Package vet checks the routes and rules that a user who is not root asks root to keep for a
// tunnel, and trusts nothing in them. It reads the host and changes nothing on it.
//
// Begin with [Keep].
package vet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"nmgre/nm"
	"nmgre/nm/plan"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
	"nmgre/routes/list"
)

// Keep checks k, which a user who is not root asks root to keep, and trusts nothing in it. user is
// that user's name, and empty for root. It returns k for [keep.LocalKeeper], which calls it under
// the lock. The tunnel must be one of NetworkManager's; its name, far end and inner networks come
// from the profile. Everything else must belong to that tunnel. Routes and rules that root keeps
// for the tunnel and its far end already may stay, even if the host has changed since. Errors are
// [fault.ErrInvalid], [fault.ErrChanged] if k's stamp is not that of the file,
// [fault.ErrNotPermitted] for requests that root alone may make, and those of reading the host.
func Keep(ctx context.Context, sys nm.System, user string, k keep.Kept) (keep.Kept, error) {
	sys.Kernel = kernel.Once(sys.Kernel)
	v := vetting{kept: k} // its lists are shared, and not written to: there may be very many routes
	if err := v.checkRequest(); err != nil {
		return keep.Kept{}, err
	}
	if err := v.readHost(ctx, sys); err != nil {
		return keep.Kept{}, err
	}
	if err := mayTouch(v.profile, user); err != nil {
		return keep.Kept{}, err
	}
	if err := v.checkTunnel().Err(); err != nil {
		return keep.Kept{}, err
	}
	problems := slices.Concat(v.checkForwarding(), v.checkDevices(), v.checkInner(), v.checkRoutes(), v.checkPolicy())
	if err := problems[:min(len(problems), list.MaxToldErrors)].Err(); err != nil {
		return keep.Kept{}, err
	}
	if err := plan.Vet(ctx, sys, v.profile, v.allowed, v.stay, v.kept); err != nil {
		return keep.Kept{}, firstFew(err)
	}
	if err := v.checkPolicyLoops(ctx, sys); err != nil {
		return keep.Kept{}, err
	}
	return v.kept, nil
}

// Forget checks whether a user, whose name is empty for root, may have root forget the kept routes
// and rules of a tunnel. Its profile may be gone already. Errors are [fault.ErrNotFound] if nothing
// is kept, [fault.ErrNotPermitted] for another user's tunnel, and those of reading the host.
func Forget(ctx context.Context, sys nm.System, user, uuid string) error {
	uuids, err := sys.Store.UUIDs(ctx)
	if err != nil {
		return err
	}
	p, err := sys.Profiles.Get(ctx, uuid)
	if err == nil {
		err = mayTouch(p, user)
	}
	if err != nil && !errors.Is(err, fault.ErrNotFound) {
		return err
	}
	if !slices.Contains(uuids, uuid) {
		return &fault.Error{Kind: fault.ErrNotFound, What: "nothing is kept for " + fault.Printable(cmp.Or(p.ID, uuid))}
	}
	return nil
}

// mayTouch refuses a profile that is for other users.
func mayTouch(p nm.Profile, user string) error {
	if user == "" || len(p.Users) == 0 || slices.Contains(p.Users, user) {
		return nil
	}
	return rootOnly("", "the tunnel %s is another user's", fault.Printable(p.Tunnel.Name))
}

// firstFew returns the first of very many joined errors.
func firstFew(err error) error {
	all := fault.Split(err)
	return errors.Join(all[:min(len(all), list.MaxToldErrors)]...)
}

// Bounds of the routes and rules that root keeps for a user who is not root.
const (
	maxRoutes = 200_000
	maxRules  = 10_000
	// maxVetted is the highest number of SNAT rules, and of inner networks. Each is compared with
	// all others.
	maxVetted = 1000
	// minInner is the shortest prefix of an inner network.
	minInner = 8
)

// rootOnly returns the error about a request that root alone may make.
func rootOnly(field, format string, args ...any) *fault.Error {
	return &fault.Error{Kind: fault.ErrNotPermitted, Field: field, Hint: fault.HintRoot, What: fmt.Sprintf(format, args...)}
}

// vetting is a request while it is checked.
type vetting struct {
	kept    keep.Kept
	before  keep.Kept // kept by root now, without its routes
	known   []bool    // which routes of kept are among these
	allowed keep.Kept // before, if it is for the same far end
	stay    []bool    // known, if it is for the same far end
	profile nm.Profile
	version nm.Version
	links   []kernel.Link
	covered map[covering]bool // the networks that the tunnel's own routes lead to; nil until they are needed
}

// checkRequest checks the parts of the request that do not depend on the host.
func (v *vetting) checkRequest() error {
	switch k := v.kept; {
	case !keep.IsUUID(k.UUID):
		return fault.Invalid("", "give the UUID of the profile", "\"%.80s\" is not a UUID", fault.Printable(k.UUID))
	case len(k.Bad) > 0:
		return &fault.Error{Kind: fault.ErrInvalid, What: fmt.Sprintf("line %d cannot be read", k.Bad[0].Line), Err: k.Bad[0].Err}
	case k.Empty():
		return fault.Invalid("", "", "there is nothing to keep")
	case len(k.SNAT) > maxVetted || len(k.Inner) > maxVetted:
		return fault.Invalid("", fault.HintRoot, "more than %d SNAT rules or inner networks", maxVetted)
	case len(k.SNAT)*len(k.Inner) > maxRules:
		return rootOnly("snat", "more than %d rules: each of %d SNAT rules is for each of %d inner networks", maxRules, len(k.SNAT), len(k.Inner))
	case len(k.Policy) > nm.MaxRules:
		return rootOnly("rule", "more than %d rules of the routing policy", nm.MaxRules)
	case len(k.Routes) > maxRoutes:
		return rootOnly("route", "more than %d routes", maxRoutes)
	}
	return nil
}

// readHost reads the profile, its kept file, and the devices. A file that has changed since the
// request was made is an error.
func (v *vetting) readHost(ctx context.Context, sys nm.System) error {
	m, err := sys.Profiles.Manager(ctx)
	if err != nil {
		return err
	}
	v.version = m.Version
	if v.profile, err = sys.Profiles.Get(ctx, v.kept.UUID); err != nil {
		return err
	}
	if v.before, v.known, err = keep.KnownOf(ctx, sys.Store, v.kept.UUID, v.kept.Routes); err != nil {
		return err
	}
	if v.kept.Stamp != "" && v.kept.Stamp != v.before.Stamp {
		return &fault.Error{Kind: fault.ErrChanged, What: "somebody else has changed what root keeps for " + fault.Printable(v.kept.Name) + " meanwhile", Hint: "try again"}
	}
	if v.before.Remote == v.kept.Remote {
		v.allowed, v.stay = v.before, v.known
	}
	v.links, err = sys.Kernel.Links(ctx)
	return err
}

// checkTunnel refuses a request whose name, far end or inner networks are not the profile's. It
// takes over the profile's own values.
func (v *vetting) checkTunnel() fault.List {
	const hint = "somebody may have changed the tunnel just now: try again"
	k, p := &v.kept, v.profile
	switch inner := p.Tunnel.InnerNetworks(); {
	case p.UUID != k.UUID:
		return fault.List{fault.Invalid("", "", "the UUID of the profile %s is %s, not %s", fault.Printable(p.ID), fault.Printable(p.UUID), k.UUID)}
	case p.Tunnel.Mode == 0 || p.State == nm.StateExternal:
		return fault.List{fault.Invalid("", "nmgre list shows the tunnels", "the profile %s is not a GRE tunnel of NetworkManager's", fault.Printable(cmp.Or(p.ID, k.UUID)))}
	case !routes.IsDevice(p.Tunnel.Name) || k.Name != p.Tunnel.Name:
		return fault.List{fault.Invalid("", hint, "the interface of the profile is %s, not %s", fault.Printable(p.Tunnel.Name), fault.Printable(k.Name))}
	case k.Remote != p.Tunnel.Remote:
		return fault.List{fault.Invalid("", hint, "the far end of %s is %s, not %s", k.Name, p.Tunnel.Remote, k.Remote)}
	case k.PeerName != "" && k.PeerName != v.allowed.PeerName:
		return fault.List{rootOnly("follow", "only root may have the far end followed by a name, %s, where root keeps something for it", fault.Printable(k.PeerName))}
	case !sameNetworks(k.Inner, inner):
		return fault.List{fault.Invalid("", hint, "the inner networks of %s are %v, and the request has others", k.Name, inner)}
	default:
		k.Name, k.Remote, k.Inner = p.Tunnel.Name, p.Tunnel.Remote, inner
	}
	return nil
}

// sameNetworks says whether two lists have the same networks. The order does not count: it is
// NetworkManager's.
func sameNetworks[T comparable](a, b []T) bool {
	subset := func(a, b []T) bool {
		return !slices.ContainsFunc(a, func(n T) bool { return !slices.Contains(b, n) })
	}
	return subset(a, b) && subset(b, a)
}

// checkForwarding refuses SNAT, forwarding and options of the link that no valid tunnel can have.
func (v *vetting) checkForwarding() fault.List {
	t := v.profile.Tunnel.Clone()
	t.SNAT, t.Forward, t.ClampMSS = v.kept.SNAT, len(v.kept.Forward) > 0, v.kept.ClampMSS
	return append(nm.CheckForwarding(t), v.kept.Link.Problems(t.Mode, !t.NoPMTUD)...)
}

// checkDevices refuses forwarding between devices that this host does not have.
func (v *vetting) checkDevices() fault.List {
	var problems fault.List
	k := v.kept
	if len(k.Forward) > 0 && !slices.Contains(k.Forward, k.Name) {
		problems.Add(fault.Invalid("forward", "", "the tunnel %s is not among the devices", k.Name))
	}
	for _, dev := range k.Forward {
		if dev != k.Name && kernel.Named(v.links, dev) == nil && !slices.Contains(v.allowed.Forward, dev) {
			problems.Add(fault.Invalid("forward", "", "there is no device %s", fault.Printable(dev)))
		}
	}
	return problems
}

// checkRoutes refuses routes that are not valid, that belong into the profile, or that do not lead
// into the tunnel.
func (v *vetting) checkRoutes() fault.List {
	t := v.profile.Tunnel.Clone()
	t.Routes = v.kept.Routes
	problems := nm.CheckRoutes(t)
	overflows := nm.ProfileOverflows(t.Routes, len(v.profile.Tunnel.Routes), v.version)
	for i := range t.Routes {
		if len(v.stay) > 0 && v.stay[i] {
			continue
		}
		r := &t.Routes[i]
		if owner, _ := nm.RouteOwner(*r, v.version); !v.known[i] && owner != nm.OwnerKernel && !overflows {
			problems.Add(fault.Invalid("route", "add it to the profile", "%s: a NetworkManager profile can hold it", r))
		}
		problems.Add(v.checkType(r), v.checkWays(r))
	}
	return problems
}

// checkType refuses types, tables and nexthop objects by which packets go elsewhere than into the
// tunnel.
func (v *vetting) checkType(r *routes.Route) *fault.Error {
	switch {
	case r.NexthopID != 0:
		return rootOnly("route", "%s: only root may use nexthop objects, which may lead anywhere", r)
	case r.TableOrMain() == routes.LocalTable:
		return rootOnly("route", "%s: only root may change the table local", r)
	// packets to other networks are not forwarded by a multicast route: the kernel drops them
	case r.Type == routes.TypeUnicast || r.Type == routes.TypeMulticast && r.Dst.Addr().IsMulticast():
		return nil
	case r.Type.HasDevice():
		return rootOnly("route", "%s: only root may set a route of the type %s", r, r.Type)
	case !v.isCovered(r):
		return rootOnly("route", "%s: no route of %s leads there, and only root may set a route of the type %s for other networks", r, v.kept.Name, r.Type)
	}
	return nil
}

// covering is a network to which the tunnel's own routes lead.
type covering struct {
	table uint32
	dst   netip.Prefix
}

// isCovered says whether a route of the tunnel leads to r's network, or to a wider one, in the same
// table. Its inner networks count as routes of the main table.
func (v *vetting) isCovered(r *routes.Route) bool {
	if v.covered == nil {
		v.covered = make(map[covering]bool)
		for _, n := range v.kept.Inner {
			v.covered[covering{routes.MainTable, n}] = true
		}
		for _, own := range [][]routes.Route{v.profile.Tunnel.Routes, v.kept.Routes} {
			for i := range own {
				if own[i].Type == routes.TypeUnicast {
					v.covered[covering{own[i].TableOrMain(), own[i].Dst}] = true
				}
			}
		}
	}
	for bits := r.Dst.Bits(); bits >= 0; bits-- {
		if v.covered[covering{r.TableOrMain(), netip.PrefixFrom(r.Dst.Addr(), bits).Masked()}] {
			return true
		}
	}
	return false
}

// checkWays refuses a route by which packets leave the tunnels of this host: by another device, or
// in an encapsulation whose own address is routed anew. One of its ways must be the request's own
// tunnel.
func (v *vetting) checkWays(r *routes.Route) *fault.Error {
	own := len(r.Nexthops) == 0
	if problem := v.checkEncap(r, r.Encap); problem != nil {
		return problem
	}
	for _, hop := range r.Nexthops {
		if hop.Dev != "" && hop.Dev != v.kept.Name && !v.isTunnel(hop.Dev) {
			return rootOnly("route", "%s: %s is not a tunnel that is up, and only root may lead packets elsewhere", r, fault.Printable(hop.Dev))
		}
		if problem := v.checkEncap(r, hop.Encap); problem != nil {
			return problem
		}
		own = own || hop.Dev == "" || hop.Dev == v.kept.Name
	}
	if !own {
		return fault.Invalid("route", "add it to a tunnel that it leads into", "%s: no nexthop leads into %s", r, v.kept.Name)
	}
	return nil
}

// isTunnel says whether the kernel has a GRE tunnel of that name. A profile proves nothing: it may
// have the name of any device.
func (v *vetting) isTunnel(dev string) bool {
	link := kernel.Named(v.links, dev)
	return link != nil && link.GRE != nil
}

// checkEncap refuses an encapsulation with an address of its own. Labels of MPLS have none: they
// stay in the tunnel. e may be nil.
func (v *vetting) checkEncap(r *routes.Route, e *routes.Encap) *fault.Error {
	if e == nil || e.Type == routes.EncapMPLS {
		return nil
	}
	return rootOnly("route", "%s: encap %s gives packets an address of its own, and only root may lead packets elsewhere", r, e.Type)
}
