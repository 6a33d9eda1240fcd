// Package ends checks the ends of a tunnel against the host: the zone of its firewall, and an
// address that is leased. It changes nothing.
//
// Begin at [Check] and [Notes].
package ends

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// Check refuses a zone that firewalld does not have. It says nothing of the one that the tunnel had
// before, and nothing where firewalld does not answer: [nm.CheckZone] has looked at the name.
func Check(ctx context.Context, sys nm.System, before, after nm.Tunnel) error {
	if after.Zone == "" || after.Zone == before.Zone || sys.Zones == nil {
		return nil
	}
	names, err := sys.Zones.ZoneNames(ctx)
	if err != nil || len(names) == 0 || slices.Contains(names, after.Zone) {
		return ctx.Err()
	}
	hint := "the zones are " + strings.Join(names[:min(len(names), maxTold)], ", ")
	if near := fault.Nearest(after.Zone, names); near != "" {
		hint = "did you mean " + near + "; " + hint
	}
	return fault.Invalid("zone", hint, "firewalld has no zone %s", fault.Printable(after.Zone))
}

// maxTold is how many zones a hint lists.
const maxTold = 20

// Notes returns the notes about a leased local address, the firewall's zone, and a far end that is
// never probed. before is the tunnel before its edit, the zero Tunnel for a new one. Unless the
// kernel has chosen the local address, there is a note where its packets leave by another device.
func Notes(ctx context.Context, sys nm.System, before, after nm.Tunnel, chosen bool) ([]string, error) {
	var notes []string
	if after.Local != before.Local {
		links, err := kernel.Once(sys.Kernel).Links(ctx)
		if err != nil {
			return nil, err
		}
		if note := leased(links, after); note != "" {
			notes = append(notes, note)
		}
		if !chosen {
			note, err := astrayNote(ctx, sys.Kernel, links, after)
			if err != nil {
				return nil, err
			}
			if note != "" {
				notes = append(notes, note)
			}
		}
	}
	if after.Zone != before.Zone && after.Zone != "" && sys.Zones != nil {
		switch names, err := sys.Zones.ZoneNames(ctx); {
		case err != nil:
			notes = append(notes, fmt.Sprintf("firewalld does not answer: whether it has a zone %s is not known", after.Zone))
		case len(names) == 0:
			notes = append(notes, fmt.Sprintf("firewalld does not run: NetworkManager puts the tunnel into the zone %s once it does", after.Zone))
		}
	}
	if after.NoProbe && !before.NoProbe {
		notes = append(notes, "the far end is never probed: verify judges the tunnel by what its device counts, until --no-probe="+nm.Never)
	}
	return notes, nil
}

// leased says that the local address may change, and how the tunnel gets the new one. It is empty
// for one that stays.
func leased(links []kernel.Link, t nm.Tunnel) string {
	link := kernel.Holding(links, t.Local)
	if !t.Local.IsValid() || t.Local.IsUnspecified() || link == nil || !slices.Contains(link.Leased, t.Local) {
		return ""
	}
	text := fmt.Sprintf("warning: the local address %s is leased (%s): when it changes, the tunnel sends from an address that this host has no more; ", t.Local, leaseText(*link, t.Local))
	if t.Mode.IPv6Outer() { // NetworkManager loses the far end then
		return text + "then type: nmgre edit " + fault.Operand(t.Name) + " --local auto"
	}
	return text + "with --local any it follows the lease"
}

// leaseText says who has given the address to the host.
func leaseText(link kernel.Link, a netip.Addr) string {
	switch {
	case link.PointToPoint():
		return "PPP, on " + fault.Printable(link.Name)
	case a.Is6():
		return "DHCP or a router's prefix, on " + fault.Printable(link.Name)
	}
	return "DHCP, on " + fault.Printable(link.Name)
}

// FarEndNotes tell the person who makes the far end that this end's address may change, where the
// tunnel has any local address: far names the present one.
func FarEndNotes(near nm.Tunnel, far nm.FarEnd) []string {
	if !near.Local.IsValid() || !near.Local.IsUnspecified() || !far.Remote.IsValid() || far.Remote.IsUnspecified() {
		return nil
	}
	return []string{fmt.Sprintf("this end has no address of its own (--local any): the far end's line names the present one, %s; when that changes, the far end needs it, too: nmgre edit NAME --peer ADDRESS", far.Remote)}
}

// Way returns the question for the way of the packets that carry t: from its local address, by the
// device that it is bound to, as far as this host has them. A rule, or a VRF, may choose another
// table by them than the main one.
func Way(links []kernel.Link, t nm.Tunnel) kernel.Query {
	q := kernel.Query{To: t.Remote}
	if t.Local.IsValid() && !t.Local.IsUnspecified() && kernel.Holding(links, t.Local) != nil {
		q.From = t.Local
	}
	if kernel.Named(links, t.Parent) != nil {
		q.Dev = t.Parent
	}
	return q
}

// WayTo is [Way] for an end of t's, or for that of another tunnel among the links.
func WayTo(links []kernel.Link, t nm.Tunnel, end netip.Addr) kernel.Query {
	if end == t.Remote {
		return Way(links, t)
	}
	for _, l := range links {
		if q := kernel.UnderlayOf(links, l.Name); q.To == end {
			return q
		}
	}
	return kernel.Query{To: end}
}

// Apart says whether the packet that takes hop follows a table of its own, before the main one: a
// route of the main table does not change its way.
func Apart(hop kernel.Hop) bool {
	const byDefault = 253 // the table that comes after the main one
	return hop.Table != 0 && hop.Table != routes.MainTable && hop.Table != byDefault
}
