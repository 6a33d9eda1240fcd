package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"nmgre/nm"
	"nmgre/nm/ends"
	"nmgre/nm/resolve"
	"nmgre/nm/verify/cause"
	"nmgre/nm/verify/place"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// nameID is the check of the name that the far end was found by.
const nameID = "name"

// checkName checks that the far end's name still leads to its address. The name of a tunnel that is
// being made was looked up a moment ago.
func (v *verifier) checkName(ctx context.Context) error {
	t := v.tunnel
	if t.PeerName == "" || v.opts.BeforeSave || v.sys.Resolver == nil {
		return nil
	}
	answers, err := resolve.Lookup(ctx, v.sys.Resolver, resolve.Asked{Name: t.PeerName, V6: t.Mode.IPv6Outer()})
	if ctx.Err() != nil {
		return err
	}
	name, follow := fault.Printable(t.PeerName), "nmgre edit "+fault.Operand(v.name)+" --peer auto"
	c := Check{ID: nameID, Status: Pass, Certainty: Proved, Summary: fmt.Sprintf("%s still leads to %s", name, t.Remote), Facts: Facts{"name": t.PeerName, "remote": t.Remote.String()}}
	switch {
	case err != nil:
		c.Status, c.Summary, c.Evidence, c.Hint = Warn, "not known whether the far end's name still leads to "+t.Remote.String(), err.Error(), "check the name servers of this host: getent ahosts "+fault.ShellWord(t.PeerName)
	case !slices.Contains(answers, t.Remote):
		c.Status, c.Place, c.Summary = Warn, place.FarEnd, fmt.Sprintf("%s leads to %s now, and the tunnel to %s", name, nm.AddrTexts(answers[:min(len(answers), maxAnswers)]), t.Remote)
		c.Evidence, c.Hint, c.Advice = "NetworkManager holds the address only", "follow the name: "+follow, follow
		c.Facts["answers"] = joinText(answers)
	}
	v.report.add(c)
	return nil
}

// maxAnswers is how many addresses of a name are shown.
const maxAnswers = 8

// zoneID is the check of the tunnel's own zone.
const zoneID = "zone"

// checkZone compares the profile's zone with the one in which firewalld has the device.
func (v *verifier) checkZone(ctx context.Context) error {
	want := v.tunnel.Zone
	if want == "" || v.link == nil || v.sys.Zones == nil || v.opts.BeforeSave {
		return nil
	}
	zone, err := v.sys.Zones.ZoneOf(ctx, v.link.Name)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	c := Check{ID: zoneID, Status: Pass, Certainty: Proved, Summary: "firewalld has the tunnel in its zone " + fault.Printable(want), Facts: Facts{"zone": want}}
	switch {
	case err != nil || zone.Name == "":
		c = skip(zoneID, "not checked: firewalld does not run, or does not answer")
	case zone.Name != want:
		c.Status, c.Place = Warn, place.OwnFirewall
		c.Summary, c.Hint = ends.Zoned(ctx, v.sys.Zones, v.name, v.link.Name, want, zone)
	}
	v.report.add(c)
	return nil
}

// ownZone returns the zone in which the tunnel is: firewalld's word, or else the profile's. It asks
// once, and only where the far end answers and a network behind it does not.
func (v *verifier) ownZone(ctx context.Context) string {
	if v.asked || v.link == nil {
		return v.inZone
	}
	v.asked, v.inZone = true, v.tunnel.Zone
	if v.sys.Zones == nil {
		return v.inZone
	}
	if zone, err := v.sys.Zones.ZoneOf(ctx, v.link.Name); err == nil && zone.Name != "" {
		v.inZone = zone.Name
	}
	return v.inZone
}

// nameOwnZone adds the zone of the tunnel to a check of a host behind the far end, if it fails
// although the far end itself answers: firewalld forwards between zones only by its policies. An
// ICMP error from behind the tunnel proves that this end has let the packets out.
func (v *verifier) nameOwnZone(ctx context.Context, c *Check) {
	if c.Status != Fail && c.Status != Warn || c.Certainty == Proved || v.ev.Probe.Received == 0 {
		return
	}
	zone := v.ownZone(ctx)
	if zone == "" {
		return
	}
	text := fmt.Sprintf("%s is in firewalld's zone %s", fault.Printable(v.link.Name), fault.Printable(zone))
	advice := fmt.Sprintf("firewalld forwards between its zones only what a policy lets through; if the zone %s is the wrong one: nmgre edit %s --zone ZONE", fault.Printable(zone), fault.Operand(v.name))
	c.Evidence, c.Hint, c.Advice = fault.Joined(c.Evidence, text), fault.Joined(c.Hint, advice), fault.Joined(c.Advice, advice)
	c.Facts = c.Facts.With(Facts{"zone": zone})
}

// countWait is how long the counters of a tunnel are watched that is never probed.
const countWait = time.Second

// isOneWay says whether the counters alone tell about the tunnel: its far end is never probed.
func (v *verifier) isOneWay() bool { return v.tunnel.NoProbe && v.opts.Probe }

// watchCounters looks at the counters of a tunnel that is never probed, now and a moment later.
func (v *verifier) watchCounters(ctx context.Context) error {
	if !v.isOneWay() || v.link == nil || !v.link.Up || v.opts.BeforeSave {
		return nil
	}
	fault.Pause(ctx, countWait)
	if err := ctx.Err(); err != nil {
		return err
	}
	v.report.Link = nil
	link, err := v.now.Link(ctx, v.link.Name)
	if errors.Is(err, fault.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if link.Index == v.link.Index {
		v.ev.Grew, v.watched = link.Counters.Since(v.link.Counters), &link.Counters
	}
	link.Addresses = v.link.Addresses
	v.report.Link = &link
	return nil
}

// judgeOneWay draws the conclusion from the counters of a tunnel that is never probed.
func (v *verifier) judgeOneWay() Check {
	const id = "counters"
	if v.watched == nil {
		return skip(id, "not checked: the link's counters were not watched")
	}
	now, d := *v.watched, v.ev.Grew
	c := Check{ID: id, Status: Pass, Certainty: Proved, Evidence: oneWayText(d, now),
		Facts: Facts{"rx_packets": now.RxPackets, "tx_packets": now.TxPackets, "rx_grew": d.RxPackets, "tx_grew": d.TxPackets, "tx_errors": now.TxErrors, "rx_errors": now.RxErrors}}
	switch {
	case d.TxErrors+d.TxCarrierErrors+d.Collisions > 0:
		c.Status, c.Summary, c.Hint = Fail, "packets into the tunnel fail now", "look for the reason: ip -s -s link show dev "+fault.ShellWord(v.link.Name)
		if found := cause.OfCounters(v.ev); found != nil {
			c.Cause, c.Place, c.Summary, c.Hint = found.ID, found.At, "packets into the tunnel fail now: "+found.Summary, found.Hint
		}
	case d.RxPackets > 0:
		c.Summary = "packets come in through the tunnel now"
	case now.RxPackets > 0:
		c.Certainty, c.Summary = Likely, fmt.Sprintf("packets have come in through the tunnel, though none within %s", countWait)
	case now.TxPackets > now.TxErrors:
		c.Certainty, c.Summary = Likely, "packets go out without errors, and none has ever come in, as in a tunnel that only sends"
	default:
		c.Status, c.Summary, c.Hint = Warn, "not proved: nothing has come in through the tunnel since it came up", "send something to it from the far end, and verify again; or let it be probed: nmgre edit "+fault.Operand(v.name)+" --no-probe="+nm.Never
	}
	if c.Status == Pass && now.TxErrors > 0 {
		c.Status, c.Summary = Warn, c.Summary+"; "+fault.Count(now.TxErrors, "packet")+" into it failed before"
		c.Hint = "look for the reason: ip -s -s link show dev " + fault.ShellWord(v.link.Name)
	}
	return c
}

// oneWayText describes the growth of the counters, and their totals.
func oneWayText(d, now kernel.Counters) string {
	return fmt.Sprintf("within %s %d received, %d sent, %s; since it came up %d received, %d sent, %s", countWait,
		d.RxPackets, d.TxPackets, fault.Count(d.RxErrors+d.TxErrors, "error"), now.RxPackets, now.TxPackets, fault.Count(now.RxErrors+now.TxErrors, "error"))
}
