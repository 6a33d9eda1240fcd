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

// Vet looks at what somebody who is not root wants to have kept, believing nothing of it, and
// returns it as [LocalKeeper.Keep] may take it. It is for a tunnel that NetworkManager holds, and
// whatever could be known by looking is what was looked up. What root has kept for the tunnel
// before may stay, though the host has changed since. Errors are [ErrInvalid], [ErrNotPermitted]
// for what root alone may want, and those of looking at the host.
func Vet(ctx context.Context, l nm.System, k keep.Kept) (keep.Kept, error) {
	v := vetting{kept: k.Clone()}
	if err := v.itself(); err != nil {
		return keep.Kept{}, err
	}
	if err := v.look(ctx, l); err != nil {
		return keep.Kept{}, err
	}
	if err := v.tunnel().Err(); err != nil {
		return keep.Kept{}, err
	}
	problems := slices.Concat(v.forwarding(), v.devices(), v.sources(), v.routes())
	if err := problems[:min(len(problems), list.MaxToldErrors)].Err(); err != nil {
		return keep.Kept{}, err
	}
	return v.kept, nil
}

// maxVetted is how many SNAT rules, and inner networks, somebody who is not root can have kept for
// a tunnel. Each is compared with all others.
const maxVetted = 1000

// vetting is a request while it is looked at.
type vetting struct {
	kept    keep.Kept
	before  keep.Kept // what is kept now
	profile nm.Profile
	version nm.Version
	links   []kernel.Link
	tunnels map[string]bool // the devices of all tunnels
}

// itself looks at what needs no host.
func (v *vetting) itself() error {
	switch k := v.kept; {
	case !keep.IsUUID(k.UUID):
		return fault.Invalid("", "it is the UUID of the profile", "\"%.80s\" is no UUID", fault.Printable(k.UUID))
	case len(k.Bad) > 0:
		return &fault.Error{Kind: fault.ErrInvalid, What: fmt.Sprintf("line %d cannot be read", k.Bad[0].Line), Err: k.Bad[0].Err}
	case k.Empty():
		return fault.Invalid("", "", "there is nothing to keep")
	case len(k.SNAT) > maxVetted || len(k.Inner) > maxVetted:
		return fault.Invalid("", fault.HintRoot, "more than %d SNAT rules or inner networks", maxVetted)
	}
	return nil
}

// look reads the host.
func (v *vetting) look(ctx context.Context, l nm.System) error {
	m, err := l.Profiles.Manager(ctx)
	if err != nil {
		return err
	}
	v.version = m.Version
	if v.profile, err = l.Profiles.Get(ctx, v.kept.UUID); err != nil {
		return err
	}
	if v.before, err = l.Store.Get(ctx, v.kept.UUID); err != nil && !errors.Is(err, fault.ErrNotFound) {
		return err
	}
	if v.links, err = l.Kernel.Links(ctx); err != nil {
		return err
	}
	return v.lookAtTunnels(ctx, l)
}

// lookAtTunnels notes which devices are tunnels: those that are there, and those of profiles that
// are down.
func (v *vetting) lookAtTunnels(ctx context.Context, l nm.System) error {
	profiles, err := l.Profiles.List(ctx)
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

// tunnel refuses what is about something else than the profile's tunnel. What the profile says is
// put into the place of what was said.
func (v *vetting) tunnel() fault.List {
	const hint = "the tunnel may have been changed at this moment: try again"
	k, p := &v.kept, v.profile
	switch inner := nm.InnerNetworks(p.Tunnel); {
	case p.UUID != k.UUID:
		return fault.List{fault.Invalid("", "", "the profile's UUID is %s, not %s", fault.Printable(p.UUID), k.UUID)}
	case p.Tunnel.Mode == 0 || p.State == nm.StateExternal:
		return fault.List{fault.Invalid("", "nmgre list shows the tunnels", "the profile %s is no GRE tunnel of NetworkManager's", k.UUID)}
	case !routes.IsDevice(p.Tunnel.Name) || k.Name != p.Tunnel.Name:
		return fault.List{fault.Invalid("", hint, "the interface of the profile is %s, not %s", fault.Printable(p.Tunnel.Name), fault.Printable(k.Name))}
	case k.Remote != p.Tunnel.Remote:
		return fault.List{fault.Invalid("", hint, "the far end of %s is %s, not %s", k.Name, p.Tunnel.Remote, k.Remote)}
	case !sameNetworks(k.Inner, inner):
		return fault.List{fault.Invalid("", hint, "the inner networks of %s are others: %v", k.Name, inner)}
	default:
		k.Name, k.Remote, k.Inner = p.Tunnel.Name, p.Tunnel.Remote, inner
	}
	return nil
}

// sameNetworks says whether two lists have the same networks: NetworkManager may have told them in
// another order.
func sameNetworks[T comparable](a, b []T) bool {
	subset := func(a, b []T) bool {
		return !slices.ContainsFunc(a, func(n T) bool { return !slices.Contains(b, n) })
	}
	return subset(a, b) && subset(b, a)
}

// forwarding refuses SNAT and forwarding that no request could ask for.
func (v *vetting) forwarding() fault.List {
	t := v.profile.Tunnel.Clone()
	t.SNAT, t.Forward, t.ClampMSS = v.kept.SNAT, len(v.kept.Forward) > 0, v.kept.ClampMSS
	return nm.CheckForwarding(t)
}

// devices refuses to forward between devices that this host does not have.
func (v *vetting) devices() fault.List {
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

// sources refuses SNAT sources that this host does not have.
func (v *vetting) sources() fault.List {
	var problems fault.List
	for _, s := range v.kept.SNAT {
		if !slices.Contains(v.before.SNAT, s) {
			problems.Add(nm.SourceNotHere(v.links, s))
		}
	}
	return problems
}

// routes refuses routes that are none, that the profile is the place for, or that do not lead into
// the tunnel.
func (v *vetting) routes() fault.List {
	t := v.profile.Tunnel.Clone()
	t.Routes = v.kept.Routes
	problems := nm.CheckRoutes(t)
	kept := list.NewSet(v.before.Routes)
	for _, o := range nm.AssignRoutes(v.kept.Routes, len(v.profile.Tunnel.Routes), v.version) {
		if kept.Has(o.Route) {
			continue
		}
		if o.Owner != nm.OwnerKernel {
			problems.Add(fault.Invalid("route", "add it to the profile", "%s: %s", o.Route, o.Why))
		}
		problems.Add(v.leadsAway(*o.Route))
	}
	return problems
}

// leadsAway refuses a multipath route that is another tunnel's, or that leads into something else
// than tunnels.
func (v *vetting) leadsAway(r routes.Route) *fault.Error {
	own := len(r.Nexthops) == 0
	for _, hop := range r.Nexthops {
		if hop.Dev != "" && hop.Dev != v.kept.Name && !v.tunnels[hop.Dev] {
			return &fault.Error{Kind: fault.ErrNotPermitted, Field: "route", Hint: fault.HintRoot,
				What: fmt.Sprintf("%s: %s is no tunnel, and root alone leads packets elsewhere", r, fault.Printable(hop.Dev))}
		}
		own = own || hop.Dev == "" || hop.Dev == v.kept.Name
	}
	if !own {
		return fault.Invalid("route", "add it to a tunnel that it leads into", "%s: no nexthop leads into %s", r, v.kept.Name)
	}
	return nil
}
