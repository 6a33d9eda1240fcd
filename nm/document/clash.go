package document

import (
	"fmt"
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

// mostNotes is how many notes a document gets.
const mostNotes = 20

// Notes tells of networks that several hosts have: whoever reaches them all has a route to each,
// and the kernel takes the one that came first. It says nothing where a link has a metric, as
// somebody who means it has given one.
func (d *Document) Notes() []string {
	if slices.ContainsFunc(d.links, func(l link) bool { return l.metric != nil }) {
		return nil
	}
	behind := make(map[netip.Prefix][]string)
	var several []netip.Prefix
	for _, h := range d.hosts {
		for _, n := range h.networks {
			if behind[n] = append(behind[n], h.name); len(behind[n]) == 2 && len(several) < mostNotes {
				several = append(several, n)
			}
		}
	}
	notes := make([]string, len(several))
	for i, n := range several {
		hosts := behind[n]
		notes[i] = fmt.Sprintf("%s and %s have the network %s: who has a link to both takes either of them for it; a metric of a link chooses", hosts[0], hosts[1], n)
	}
	return notes
}
