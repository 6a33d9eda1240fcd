package policy

import (
	"context"
	"slices"

	"nmgre/routes"
	"nmgre/routes/kernel"
	"nmgre/routes/rule"
)

// Deserted returns the name of the VRF that one of the devices is, or is in, if no rule leads to
// the tables of VRFs (ip-rule(8), l3mdev): packets by that device find no way. It is empty
// otherwise. The kernel makes the rule with the first VRF; a flush of the rules takes it away, and
// nobody sets it again. devices may have nil ones.
func Deserted(ctx context.Context, k kernel.Policy, links []kernel.Link, ipv6 bool, devices ...*kernel.Link) (string, error) {
	vrf := ""
	for _, dev := range devices {
		if of := kernel.VRF(links, dev); of != nil && vrf == "" {
			vrf = of.Name
		}
	}
	if vrf == "" {
		return "", nil
	}
	held, err := k.Rules(ctx)
	if err != nil || slices.ContainsFunc(held, func(h kernel.HeldRule) bool { return h.IPv6 == ipv6 && leadsToVRFs(h) }) {
		return "", err
	}
	return vrf, nil
}

// leadsToVRFs says whether a rule leads to the tables of VRFs: it names no table.
func leadsToVRFs(h kernel.HeldRule) bool { return h.Partly && h.Action == rule.Lookup && h.Table == 0 }

// InVRF changes the routes of a tunnel to the tables that they are set in, and returns them (see
// [kernel.InVRF]). vrf is nil for a device that is in none.
func InVRF(list []routes.Route, vrf *kernel.Link) []routes.Route {
	for i := range list {
		list[i] = *kernel.InVRF(&list[i], vrf)
	}
	return list
}
