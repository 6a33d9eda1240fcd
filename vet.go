package nmgre

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
	"nmgre/routes/list"
)

// Vet checks k, which a user who is not root asks root to keep, and trusts nothing in it. It
// returns k for [keep.LocalKeeper.Keep]. The tunnel must be one of NetworkManager's; its name, far
// end and inner networks come from the profile. Routes and rules that root keeps for the tunnel
// already may stay, even if the host has changed since. Errors are [fault.ErrInvalid],
// [fault.ErrNotPermitted] for requests that root alone may make, and those of reading the host.
func Vet(ctx context.Context, sys nm.System, k keep.Kept) (keep.Kept, error) {
	v := vetting{kept: k.Clone()}
	if err := v.checkRequest(); err != nil {
		return keep.Kept{}, err
	}
	if err := v.readHost(ctx, sys); err != nil {
		return keep.Kept{}, err
	}
	if err := v.checkTunnel().Err(); err != nil {
		return keep.Kept{}, err
	}
	problems := slices.Concat(v.checkForwarding(), v.checkDevices(), v.checkSources(), v.checkRoutes())
	if err := problems[:min(len(problems), list.MaxToldErrors)].Err(); err != nil {
		return keep.Kept{}, err
	}
	return v.kept, nil
}

// maxVetted is the highest number of SNAT rules, and of inner networks, for a user who is not root.
// Each is compared with all others.
const maxVetted = 1000

// vetting is a request while it is checked.
type vetting struct {
	kept    keep.Kept
	before  keep.Kept // kept by root now
	profile nm.Profile
	version nm.Version
	links   []kernel.Link
	tunnels map[string]bool // the names of all tunnels' devices
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
	}
	return nil
}

// readHost reads the profile, its kept file, and the devices.
func (v *vetting) readHost(ctx context.Context, sys nm.System) error {
	m, err := sys.Profiles.Manager(ctx)
	if err != nil {
		return err
	}
	v.version = m.Version
	if v.profile, err = sys.Profiles.Get(ctx, v.kept.UUID); err != nil {
		return err
	}
	if v.before, err = sys.Store.Get(ctx, v.kept.UUID); err != nil && !errors.Is(err, fault.ErrNotFound) {
		return err
	}
	if v.links, err = sys.Kernel.Links(ctx); err != nil {
		return err
	}
	return v.readTunnels(ctx, sys)
}

// readTunnels notes the names of tunnel devices, of profiles that are down included.
func (v *vetting) readTunnels(ctx context.Context, sys nm.System) error {
	profiles, err := sys.Profiles.List(ctx)
	v.tunnels = make(map[string]bool)
	for _, p := range profiles {
		if p.Tunnel.Mode != 0 {
			v.tunnels[p.Tunnel.Name] = true
		}
	}
	for _, link := range v.links {
		if link.GRE != nil {
			v.tunnels[link.Name] = true
		}
	}
	return err
}

// checkTunnel refuses a request whose name, far end or inner networks are not the profile's. It
// takes over the profile's own values.
func (v *vetting) checkTunnel() fault.List {
	const hint = "somebody may have changed the tunnel just now: try again"
	k, p := &v.kept, v.profile
	switch inner := p.Tunnel.InnerNetworks(); {
	case p.UUID != k.UUID:
		return fault.List{fault.Invalid("", "", "the profile's UUID is %s, not %s", fault.Printable(p.UUID), k.UUID)}
	case p.Tunnel.Mode == 0 || p.State == nm.StateExternal:
		return fault.List{fault.Invalid("", "nmgre list shows the tunnels", "the profile %s is not a GRE tunnel of NetworkManager's", k.UUID)}
	case !routes.IsDevice(p.Tunnel.Name) || k.Name != p.Tunnel.Name:
		return fault.List{fault.Invalid("", hint, "the interface of the profile is %s, not %s", fault.Printable(p.Tunnel.Name), fault.Printable(k.Name))}
	case k.Remote != p.Tunnel.Remote:
		return fault.List{fault.Invalid("", hint, "the far end of %s is %s, not %s", k.Name, p.Tunnel.Remote, k.Remote)}
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

// checkForwarding refuses SNAT and forwarding that no valid tunnel can have.
func (v *vetting) checkForwarding() fault.List {
	t := v.profile.Tunnel.Clone()
	t.SNAT, t.Forward, t.ClampMSS = v.kept.SNAT, len(v.kept.Forward) > 0, v.kept.ClampMSS
	return nm.CheckForwarding(t)
}

// checkDevices refuses forwarding between devices that this host does not have.
func (v *vetting) checkDevices() fault.List {
	var problems fault.List
	k := v.kept
	if len(k.Forward) > 0 && !slices.Contains(k.Forward, k.Name) {
		problems.Add(fault.Invalid("forward", "", "the tunnel %s is not among the devices", k.Name))
	}
	for _, dev := range k.Forward {
		if dev != k.Name && kernel.Named(v.links, dev) == nil && !slices.Contains(v.before.Forward, dev) {
			problems.Add(fault.Invalid("forward", "", "there is no device %s", fault.Printable(dev)))
		}
	}
	return problems
}

// checkSources refuses SNAT sources that this host does not have.
func (v *vetting) checkSources() fault.List {
	var problems fault.List
	for _, s := range v.kept.SNAT {
		if !slices.Contains(v.before.SNAT, s) {
			problems.Add(nm.CheckSNATSource(v.links, s))
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
	kept := list.NewSet(v.before.Routes)
	for _, o := range nm.AssignRoutes(v.kept.Routes, len(v.profile.Tunnel.Routes), v.version) {
		if kept.Has(o.Route) {
			continue
		}
		if o.Owner != nm.OwnerKernel {
			problems.Add(fault.Invalid("route", "add it to the profile", "%s: a NetworkManager profile can hold it", o.Route))
		}
		problems.Add(v.checkNexthops(*o.Route))
	}
	return problems
}

// checkNexthops refuses a multipath route with a nexthop that is not a tunnel, or without a nexthop
// into the request's own tunnel.
func (v *vetting) checkNexthops(r routes.Route) *fault.Error {
	own := len(r.Nexthops) == 0
	for _, hop := range r.Nexthops {
		if hop.Dev != "" && hop.Dev != v.kept.Name && !v.tunnels[hop.Dev] {
			return &fault.Error{Kind: fault.ErrNotPermitted, Field: "route", Hint: fault.HintRoot,
				What: fmt.Sprintf("%s: %s is not a tunnel, and only root may lead packets elsewhere", r, fault.Printable(hop.Dev))}
		}
		own = own || hop.Dev == "" || hop.Dev == v.kept.Name
	}
	if !own {
		return fault.Invalid("route", "add it to a tunnel that it leads into", "%s: no nexthop leads into %s", r, v.kept.Name)
	}
	return nil
}
