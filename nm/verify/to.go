package verify

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"nmgre/nm"
	"nmgre/nm/verify/behind"
	"nmgre/nm/verify/cause"
	"nmgre/nm/verify/place"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// MaxTo is how many addresses behind the far end one verification asks.
const MaxTo = 32

// maxLANs is how many of this end's own networks an address behind the far end is asked from.
const maxLANs = 4

// Check returns the problem of o.To, for the tunnel t.
func (o Options) Check(t nm.Tunnel) error {
	if err := o.CheckTo(); err != nil {
		return err
	}
	for _, to := range o.To {
		if err := nm.CheckBehind(t, "to", to); err != nil {
			return err
		}
	}
	return nil
}

// CheckTo returns the problem of o.To, whichever tunnel leads there.
func (o Options) CheckTo() error {
	if len(o.To) > 0 && o.NoProbe {
		return fault.Invalid("to", "leave out one of the two", "an address behind the far end cannot be reached without probes")
	}
	if len(o.To) > MaxTo {
		return fault.Invalid("to", "give fewer of them", "%d addresses are more than %d", len(o.To), MaxTo)
	}
	for i, to := range o.To {
		if slices.Contains(o.To[:i], to) {
			return fault.Invalid("to", "leave it out once", "%s is given twice", to)
		}
	}
	return nil
}

// lookBehind asks the kernel for the way to each address behind the far end, from each of this
// end's addresses.
func (v *verifier) lookBehind(ctx context.Context) error {
	switch {
	case v.link == nil:
		return nil
	case len(v.opts.To) > 0:
		return v.lookTo(ctx)
	case v.opts.Networks:
		return v.lookNetworks(ctx)
	}
	return nil
}

// lookTo looks up the ways to the addresses that were given.
func (v *verifier) lookTo(ctx context.Context) error {
	lans, err := v.lanSources(ctx)
	if err != nil {
		return err
	}
	for _, to := range v.opts.To {
		found, err := v.waysTo(ctx, to, lans)
		if err != nil {
			return err
		}
		v.behind = append(v.behind, found)
		v.ev.LANs = append(v.ev.LANs, routes.HostPrefix(to))
	}
	return nil
}

// maxNetworks is for how many networks the far end is asked. Linux sends six errors at once, and
// then one a second.
const maxNetworks = 4

// lookNetworks chooses an address in each of the first networks of the tunnel's routes to which
// packets go into the tunnel.
func (v *verifier) lookNetworks(ctx context.Context) error {
	looked := 0
	var err error
	v.anyRoute(func(r *routes.Route) bool {
		known := func(f behind.Found) bool { return f.Network == r.Dst }
		if r.Type != routes.TypeUnicast || r.Dst.Bits() == 0 || r.TableOrMain() != routes.MainTable || slices.ContainsFunc(v.behind, known) {
			return false
		}
		looked++
		var found behind.Found
		if found, err = v.waysTo(ctx, routes.MiddleAddr(r.Dst), nil); err == nil && len(found.Asked) > 0 {
			found.Network = r.Dst
			v.behind = append(v.behind, found)
		}
		return err != nil || len(v.behind) == maxNetworks || looked == 2*maxNetworks
	})
	return err
}

// anyRoute reports whether so is true of one of the tunnel's routes. There may be very many.
func (v *verifier) anyRoute(so func(r *routes.Route) bool) bool {
	for _, list := range [][]routes.Route{v.tunnel.Routes, v.kept.Routes} {
		for i := range list {
			if so(&list[i]) {
				return true
			}
		}
	}
	return false
}

// lanSources are this end's addresses in its own networks, of the families of the addresses that
// were given.
func (v *verifier) lanSources(ctx context.Context) (list []behind.Source, err error) {
	for _, lan := range v.lans() {
		if !slices.ContainsFunc(v.opts.To, func(to netip.Addr) bool { return to.Is4() == lan.Address.Addr().Is4() }) {
			continue
		}
		source := behind.Source{Address: lan.Address, Dev: lan.Dev, Forwards: slices.Contains(v.kept.Forward, lan.Dev)}
		if lan.Address.Addr().Is4() && !source.Forwards {
			source.Forwards, err = v.sys.Gateway.Forwarding(ctx, lan.Dev)
			if err != nil && !errors.Is(err, fault.ErrNotFound) {
				return nil, err
			}
		}
		list = append(list, source)
	}
	// those for which this host forwards come first
	slices.SortStableFunc(list, func(a, b behind.Source) int { return precedence(a) - precedence(b) })
	return list, nil
}

// lans are this end's own networks.
func (v *verifier) lans() []nm.LAN {
	near := v.tunnel
	if v.ev.Under.From.IsValid() {
		near.Local = v.ev.Under.From
	}
	return nm.LANs(v.links, v.ev.Under.Hop, near)
}

func precedence(s behind.Source) int {
	if s.Forwards {
		return 0
	}
	return 1
}

// waysTo looks up the ways to one address. The sources whose packets go into the tunnel are those
// to ask from.
func (v *verifier) waysTo(ctx context.Context, to netip.Addr, lans []behind.Source) (behind.Found, error) {
	f := behind.Found{To: to}
	hop, err := v.sys.Kernel.Lookup(ctx, kernel.Query{To: to})
	switch {
	case errors.Is(err, fault.ErrUnreachable):
		f.NoRoute = err.Error()
	case err != nil:
		return f, err
	default:
		f.Hop = hop
		if own, ok := v.innerTowards(to); ok && v.leadsIn(hop) {
			f.Asked = append(f.Asked, behind.Asked{Source: behind.Source{Address: own, Dev: v.link.Name, Inner: true}})
		}
	}
	asked := 0
	for _, lan := range lans {
		if asked == maxLANs || lan.Address.Addr().Is4() != to.Is4() {
			continue
		}
		hop, err := v.sys.Kernel.Lookup(ctx, kernel.Query{To: to, From: lan.Address.Addr()})
		if err != nil && !errors.Is(err, fault.ErrUnreachable) {
			return f, err
		}
		if err == nil && v.leadsIn(hop) {
			f.Asked, asked = append(f.Asked, behind.Asked{Source: lan}), asked+1
		}
	}
	return f, nil
}

// innerTowards returns the inner address that an address behind the far end is asked from.
func (v *verifier) innerTowards(to netip.Addr) (own netip.Prefix, ok bool) {
	if own, ok = v.tunnel.AddressTowardsPeer(); ok && own.Addr().Is4() == to.Is4() {
		return own, true
	}
	t := v.tunnel
	t.SetPeers([]netip.Addr{to})
	return t.AddressTowardsPeer()
}

// leadsIn reports whether packets go into the tunnel, or into another device of a route that has
// several.
func (v *verifier) leadsIn(hop kernel.Hop) bool {
	return hop.Dev == v.link.Name || v.anyRoute(func(r *routes.Route) bool { return hop.Match == r.Dst && v.leadsTo(*r, hop) })
}

// askBehind begins to ask the addresses behind the far end.
func (v *verifier) askBehind(ctx context.Context) *behind.Asking {
	if v.wrongWay {
		return behind.Question{}.Begin(ctx, nil)
	}
	copies := v.link.GRE != nil && v.link.GRE.TTL == 0
	return behind.Question{Probe: v.now.Probe, Dev: v.link.Name, Peer: v.tunnel.PeerAddress, CopiesTTL: copies}.Begin(ctx, v.behind)
}

// graceInCrowd is the least where other tunnels ask at the same time: a host that is asked by many
// says something to the next request, if not to the first (icmp_msgs_per_sec).
const graceInCrowd = 380 * time.Millisecond

// leastGrace is for an answer that came in together with the far end's own, and is read after it.
const leastGrace = 10 * time.Millisecond

// graceForNetworks is how long to wait for the far end's word about networks, which it was asked
// for together with its own answer: it is not worth a second round trip.
func (v *verifier) graceForNetworks() time.Duration {
	if v.opts.InCrowd {
		return graceInCrowd
	}
	if rtt := v.ev.Probe.RTT; len(rtt) > 0 {
		return max(leastGrace, slices.Min(rtt)/8)
	}
	return leastGrace
}

// checkBehind judges the answers of the addresses behind the far end.
func (v *verifier) checkBehind(ctx context.Context) error {
	for i, to := range v.opts.To {
		if v.link == nil {
			v.report.add(skip(toID(to), noLink))
			continue
		}
		c := v.judgeBehind(v.behind[i])
		v.nameOwnZone(ctx, &c)
		v.report.add(c)
	}
	for _, f := range v.behind {
		if f.Network.IsValid() && v.ev.Probe.Received > 0 {
			c := v.judgeNetwork(f)
			v.nameOwnZone(ctx, &c)
			v.report.add(c)
		}
	}
	return nil
}

// judgeNetwork draws the conclusion about a network. That the far end says nothing is no fault: it
// may not want to.
func (v *verifier) judgeNetwork(f behind.Found) Check {
	ev, id := v.ev, "behind "+f.Network.String()
	ev.Behind = f
	if found := cause.OfNetwork(ev); found != nil {
		return checkOf(id, found)
	}
	e := f.NearRefusal(kernel.TooFar)
	if e == nil {
		return skip(id, "not known: the far end does not say whether it forwards there; ask a host there: --to ADDRESS")
	}
	return Check{ID: id, Status: Pass, Certainty: Proved, Summary: fmt.Sprintf("the far end forwards packets to %s; ask a host there with --to", f.Network),
		Evidence: fmt.Sprintf("%s said of a packet of TTL 1 to %s that its time is exceeded", e.By, f.To), Facts: Facts{"by": e.By.String(), "to": f.To.String()}}
}

// worksBehind is the place behind the far end if an address there is reached. The far end's own
// ones are not there.
func (v *verifier) worksBehind() []place.Place {
	there := func(f behind.Found) bool { return len(f.Reached()) > 0 && !f.Itself() }
	if slices.ContainsFunc(v.behind, there) {
		return []place.Place{place.Behind}
	}
	return nil
}

// saidNear returns the ICMP errors of the far end's inner address about packets of TTL 1.
func (v *verifier) saidNear() (list []kernel.ICMPError) {
	for _, f := range v.behind {
		for _, e := range f.Near.Errors {
			if e.By == v.tunnel.PeerAddress.WithZone("") {
				list = append(list, e)
			}
		}
	}
	return list
}

func toID(to netip.Addr) string { return "to " + to.String() }

// judgeBehind draws the conclusion about one address. Silence after a fault of the tunnel is no
// second finding.
func (v *verifier) judgeBehind(f behind.Found) Check {
	if why := v.whyNotBehind(f); why != "" {
		return skip(toID(f.To), why)
	}
	ev := v.ev
	ev.Behind = f
	if found := cause.OfBehind(ev); found != nil {
		c := checkOf(toID(f.To), found)
		c.Evidence = fault.Joined(c.Evidence, f.NotAsked())
		return c
	}
	c := Check{ID: toID(f.To), Status: Pass, Certainty: Proved, Summary: fmt.Sprintf("%s answers through the tunnel", f.To),
		Evidence: fault.Joined(f.ReachedText(), f.NotAsked()), Facts: Facts{"to": f.To.String()}}
	switch {
	case len(f.Reached()) == 0:
		c.Status, c.Summary = Warn, "not proved: the requests could not be sent"
	case f.Itself():
		c.Summary = fmt.Sprintf("%s, the far end itself, answers through the tunnel: nothing is known of the hosts behind it", f.To)
	}
	return c
}

// whyNotBehind says why nothing can be said about an address, and is empty if something can.
func (v *verifier) whyNotBehind(f behind.Found) string {
	astray, why := len(f.Asked) == 0, v.whyNoProbe().Summary
	switch {
	case astray && v.routeFails(f.To):
		return "not judged: the check of the route to it says why"
	case astray && v.link.Up:
		return ""
	case v.wrongWay:
		return "not judged: the check underlay says why nothing gets there"
	case why != "":
		return why
	case v.probeErr != nil:
		return "not judged: the probe could not be sent"
	case v.ev.Probe.Received == 0 && len(f.Reached()) == 0:
		return "not judged: the far end itself does not answer"
	}
	return ""
}

// routeFails reports whether the check of a route to the address has failed.
func (v *verifier) routeFails(to netip.Addr) bool {
	return slices.ContainsFunc(v.report.Failures(), func(c Check) bool {
		return c.ID == LongListID || c.ID == moreFaultyRoutesID || v.anyRoute(func(r *routes.Route) bool { return r.Dst.Contains(to) && c.ID == routeID(*r) })
	})
}
