package vet

import (
	"net/netip"
	"slices"

	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
	"nmgre/routes/rule"
)

// checkInner refuses very wide inner networks, and single addresses in the network of another
// device: SNAT and rules of the routing policy would change packets that are not the tunnel's.
// [plan.Vet] refuses all other networks that overlap another device's.
func (v *vetting) checkInner() fault.List {
	var problems fault.List
	for _, n := range v.kept.Inner {
		known := slices.Contains(v.allowed.Inner, n)
		if n.Bits() < minInner && !known {
			problems.Add(rootOnly("address", "the inner network %s is wider than /%d", n, minInner))
		}
		if known && !v.changesMore() {
			continue
		}
		if link, other := v.whose(n); link != nil {
			problems.Add(rootOnly("address", "%s is in the network %s on %s as well, and only root may have packets from there changed", n.Addr(), other.Masked(), fault.Printable(link.Name)))
		}
	}
	return problems
}

// changesMore reports whether the request has SNAT or rules that root does not keep yet.
func (v *vetting) changesMore() bool {
	return slices.ContainsFunc(v.kept.SNAT, func(s keep.SNAT) bool { return !slices.Contains(v.allowed.SNAT, s) }) ||
		slices.ContainsFunc(v.kept.Policy, func(r rule.Rule) bool { return !slices.Contains(v.allowed.Policy, r) })
}

// whose returns the other device in whose network the single address n is, and that network. The
// device is nil if there is none, or if nothing of the request depends on n. An address that a
// device has for itself, as many tunnels may share one, is the host's own.
func (v *vetting) whose(n netip.Prefix) (*kernel.Link, netip.Prefix) {
	if !n.IsSingleIP() || len(v.kept.SNAT)+len(v.kept.Policy) == 0 || n.Addr().Is6() && n.Addr().IsLinkLocalUnicast() {
		return nil, netip.Prefix{}
	}
	for i := range v.links {
		for _, other := range v.links[i].Addresses {
			if v.links[i].Name != v.kept.Name && other.Contains(n.Addr()) && !other.IsSingleIP() {
				return &v.links[i], other
			}
		}
	}
	return nil, netip.Prefix{}
}
