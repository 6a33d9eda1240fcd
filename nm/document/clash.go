package document

import (
	"net/netip"
	"slices"

	"nmgre/routes/fault"
)

// clash refuses a pool that gives a link an address of a network that a host has behind it.
func (d *Document) clash(pool netip.Prefix) error {
	type behind struct {
		network netip.Prefix
		host    string
	}
	var near []behind
	for _, h := range d.hosts {
		for _, n := range h.networks {
			if n.Overlaps(pool) {
				near = append(near, behind{n, h.name})
			}
		}
	}
	if len(near) == 0 {
		return nil
	}
	for _, j := range d.joined {
		for _, family := range j.addresses {
			for _, b := range near {
				if family[0].IsValid() && family[0].Overlaps(b.network) {
					return fault.Invalid("pool", "give a network that no host has", "it has the addresses %s and %s for %s and %s, and they are in %s, a network of %s",
						family[0].Addr(), family[1].Addr(), d.hosts[j.A].name, d.hosts[j.B].name, b.network, b.host)
				}
			}
		}
	}
	return nil
}

// isOwn says whether the host has the network itself, or one around it. Then no tunnel leads there.
func (h *host) isOwn(n netip.Prefix) bool {
	return slices.ContainsFunc(h.networks, func(own netip.Prefix) bool { return own.Bits() <= n.Bits() && own.Contains(n.Addr()) })
}
