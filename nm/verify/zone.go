package verify

import (
	"context"
	"fmt"
	"slices"

	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
)

// firewalld is the program's name in a [keep.Ruling].
const firewalld = "firewalld"

// zone asks firewalld for the zone of the way out, if nothing has come back. It is the zero Zone
// where nobody can be asked.
func (v *verifier) zone(ctx context.Context) nm.Zone {
	if v.sys.Zones == nil || v.ev.Probe.Received > 0 || v.opts.BeforeSave || v.ev.Under.Hop.Dev == "" {
		return nm.Zone{}
	}
	zone, _ := v.sys.Zones.ZoneOf(ctx, v.ev.Under.Hop.Dev) // none, if it fails
	return zone
}

// mayDrop adds a zone that lets no GRE in to the rules, unless a rule of firewalld's is known to
// drop the packets, which tells more. The zone's may be rules of iptables, which nmgre cannot read,
// and only root may read any.
func mayDrop(rules keep.OuterRules, zone nm.Zone, dev string) keep.OuterRules {
	known := func(o keep.OuterObstacle) bool { return !o.Out && o.Program == firewalld && o.Zone != "" }
	if zone.Name == "" || zone.LetsGRE || slices.ContainsFunc(rules.Obstacles, known) {
		return rules
	}
	name, dev := fault.Printable(zone.Name), fault.Printable(dev)
	rules.Obstacles = append(slices.Clone(rules.Obstacles), keep.OuterObstacle{Ruling: keep.Ruling{Program: firewalld, Hook: "input", Zone: name, Perhaps: true,
		What: fmt.Sprintf("firewalld has %s in its zone %s, which does not name GRE among what it lets in", dev, name),
		Hint: "sudo firewall-cmd --permanent --zone=" + fault.ShellWord(zone.Name) + " --add-protocol=gre; sudo firewall-cmd --reload"}})
	return rules
}

// nameZone adds the zone that may drop the packets to a check that cannot tell whether they came.
func (v *verifier) nameZone(c *Check) {
	for _, o := range v.ev.Rules.Obstacles {
		if o.Program == firewalld && o.Perhaps && o.Zone != "" && !o.Out {
			advice := fmt.Sprintf("if the zone %s is to let GRE in: %s", o.Zone, o.Hint)
			c.Evidence, c.Hint, c.Advice = fault.Joined(c.Evidence, o.What), fault.Joined(c.Hint, advice), fault.Joined(c.Advice, advice)
			c.Facts = c.Facts.With(Facts{"zone": o.Zone})
		}
	}
}
