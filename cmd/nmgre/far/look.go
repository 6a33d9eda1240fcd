package far

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"time"

	"nmgre"
	"nmgre/nm"
	"nmgre/nm/pair"
	"nmgre/nm/verify"
	"nmgre/nm/verify/place"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
)

// looking is one end of a tunnel while both are looked at.
type looking struct {
	host   *nmgre.Host
	link   *kernel.Link
	view   pair.View
	ears   kernel.Listening // nil where nothing can be listened to
	report *verify.Report   // of this end alone, without a probe
}

// look begins to look at this host's tunnel p, whose Mode is 0 where there is none. ends are its
// outer addresses.
func look(ctx context.Context, host *nmgre.Host, p nm.Profile, ends pair.Ends) (*looking, error) {
	l := &looking{host: host}
	links, err := host.Kernel.Links(ctx)
	if err != nil {
		return nil, err
	}
	if p.Tunnel.Mode != 0 {
		l.link = kernel.Named(links, p.Device)
		l.view = pair.ViewOf(p, l.link)
		report, err := host.Verify(ctx, cmp.Or(p.UUID, p.Tunnel.Name), verify.Options{NoProbe: true})
		if err != nil {
			return nil, err
		}
		l.report = &report
	}
	if host.Listener == nil {
		l.view.Deaf = true
		return l, nil
	}
	to := kernel.Ends{Mode: p.Tunnel.Mode, Local: ends.Local, Remote: ends.Remote}
	if to.Mode == 0 {
		to.Mode = nm.NewTunnel().Mode
		if ends.Remote.Is6() {
			to.Mode = gre.ModeIP6GRE
		}
	}
	if l.ears, err = host.Listener.Listen(ctx, to); err != nil {
		l.view.Deaf = true
	}
	return l, nil
}

// The echo requests of each end. Their answers are waited for a little longer than those of verify:
// both ends have just been woken up.
const (
	shots    = 3
	interval = 400 * time.Millisecond
)

// shoot sends echo requests into the tunnel.
func (l *looking) shoot(ctx context.Context) error {
	own, ok := towards(l.view.Inner, l.view.Peer)
	if !l.view.Up || l.link == nil || !ok {
		return nil
	}
	l.view.Probed = shots
	result, err := l.host.Kernel.Probe(ctx, kernel.Probe{Dev: l.link.Name, From: own, To: l.view.Peer, Count: shots, Enough: 1, Interval: interval})
	if err != nil {
		l.view.Probed = 0
		return ctx.Err() // the view shows probes that cannot be sent
	}
	l.view.Probed, l.view.Answered = max(result.Sent, 1), min(result.Received, max(result.Sent, 1))
	return nil
}

// towards is the inner address from which the peer is asked.
func towards(inner []netip.Prefix, peer netip.Addr) (netip.Addr, bool) {
	if !peer.IsValid() || len(inner) == 0 {
		return netip.Addr{}, false
	}
	for _, fits := range []func(netip.Prefix) bool{
		func(p netip.Prefix) bool { return p.Contains(peer) },
		func(p netip.Prefix) bool { return p.Addr().Is4() == peer.Is4() },
	} {
		if at := slices.IndexFunc(inner, fits); at >= 0 {
			return inner[at].Addr(), true
		}
	}
	return netip.Addr{}, false
}

// stop ends the listening.
func (l *looking) stop() {
	if l.ears != nil {
		l.view.Hear(l.ears.Stop().Clean())
		l.ears = nil
	}
}

// watch is the far end's part: it looks, shoots and tells.
func (v *serving) watch(ctx context.Context, m pair.Message) error {
	switch {
	case m.Type == pair.Look && m.Ends != nil:
		return v.beginLook(ctx, *m.Ends)
	case v.look == nil:
		return &fault.Error{Kind: fault.ErrInvalid, What: "the other end has not said which tunnel is looked at"}
	case m.Type == pair.Shoot:
		if err := v.look.shoot(ctx); err != nil {
			return err
		}
		return v.say(pair.Message{Type: pair.Shot, Count: v.look.view.Answered})
	}
	v.look.stop()
	view := v.look.view
	v.look = nil
	return v.say(pair.Message{Type: pair.Seen, View: &view})
}

// beginLook finds the tunnel and listens.
func (v *serving) beginLook(ctx context.Context, ends pair.Ends) error {
	p, err := v.lookFor(ctx, ends)
	if err != nil {
		return err
	}
	if v.look, err = look(ctx, v.host, p, ends); err != nil {
		return err
	}
	view := v.look.view
	answer := pair.Message{Type: pair.Looked, View: &view}
	if v.look.report != nil {
		answer.Report = reportOf(*v.look.report)
	}
	return v.say(answer)
}

// lookFor returns the tunnel that fits best: by outer addresses and keys, by the outer addresses,
// by one of them.
func (v *serving) lookFor(ctx context.Context, ends pair.Ends) (nm.Profile, error) {
	all, err := v.host.List(ctx)
	if err != nil {
		return nm.Profile{}, err
	}
	same := func(a, b netip.Addr) bool { return a == b || !a.IsValid() || a.IsUnspecified() }
	outer := func(p nm.Profile) bool {
		return same(p.Tunnel.Local, ends.Local) && p.Tunnel.Remote == ends.Remote
	}
	for _, fits := range []func(nm.Profile) bool{
		func(p nm.Profile) bool {
			e := pair.EndsOf(p)
			return outer(p) && e.Input == ends.Input && e.Output == ends.Output
		},
		func(p nm.Profile) bool { return outer(p) && slices.Equal(pair.InnerPeers(p.Tunnel), ends.Inner) },
		outer,
		func(p nm.Profile) bool {
			return p.Tunnel.Remote == ends.Remote || p.Tunnel.Local.IsValid() && p.Tunnel.Local == ends.Local && slices.Equal(pair.InnerPeers(p.Tunnel), ends.Inner)
		},
	} {
		if at := slices.IndexFunc(all, func(s nmgre.Status) bool { return fits(s.Profile) }); at >= 0 {
			return all[at].Profile, nil
		}
	}
	return nm.Profile{}, nil
}

// Verify looks at a tunnel from both ends.
func (n *Near) Verify(ctx context.Context, name string) (verify.Report, error) {
	status, err := n.Host.Show(ctx, name)
	if err != nil {
		return verify.Report{}, err
	}
	p := status.Profile
	line, hello, err := n.dial(ctx)
	if err != nil {
		return verify.Report{}, err
	}
	defer func() { _ = line.close() }()
	ends := pair.EndsOf(p)
	same := func(e pair.Ends) bool {
		return e.Name == ends.Name && e.Local == ends.Local && e.Remote == ends.Remote && ends.Local.IsValid()
	}
	if slices.ContainsFunc(hello.Ends, same) {
		return verify.Report{}, n.itself()
	}
	if !p.Tunnel.Local.IsValid() || p.Tunnel.Local.IsUnspecified() {
		if hop, err := n.Host.Kernel.Lookup(ctx, kernel.Query{To: p.Tunnel.Remote}); err == nil {
			ends.Local = hop.Src
		}
	}
	here, err := look(ctx, n.Host, p, ends)
	if err != nil {
		return verify.Report{}, err
	}
	defer here.stop()
	if !here.view.Local.IsValid() || here.view.Local.IsUnspecified() {
		here.view.Local = ends.Local
	}
	there, alone, err := n.lookThere(ctx, line, here, ends, p.Tunnel)
	if err != nil {
		return verify.Report{}, err
	}
	return bothReport(*here.report, alone, pair.Judge(here.view, there, n.Name), n.Name), nil
}

// lookThere has the far end look, and both ends send.
func (n *Near) lookThere(ctx context.Context, l *line, here *looking, ends pair.Ends, t nm.Tunnel) (pair.View, *pair.Report, error) {
	mirror := pair.Ends{Name: ends.Name, Local: ends.Remote, Remote: ends.Local, Input: ends.Output, Output: ends.Input, Inner: pair.Inner(t)}
	if err := l.say(pair.Message{Type: pair.Look, Ends: &mirror}); err != nil {
		return pair.View{}, nil, err
	}
	looked, err := n.hear(ctx, l, pair.Looked)
	if err != nil {
		return pair.View{}, nil, err
	}
	if err := here.shoot(ctx); err != nil {
		return pair.View{}, nil, err
	}
	for _, turn := range []struct{ say, want pair.Type }{{pair.Shoot, pair.Shot}, {pair.Stop, pair.Seen}} {
		if err := l.say(pair.Message{Type: turn.say}); err != nil {
			return pair.View{}, nil, err
		}
		m, err := n.hear(ctx, l, turn.want)
		if err != nil {
			return pair.View{}, nil, err
		}
		if turn.want == pair.Seen && m.View != nil {
			here.stop()
			return *m.View, looked.Report, nil
		}
	}
	return pair.View{}, nil, &fault.Error{What: fault.Printable(n.Name) + " has not said what it has seen"}
}

// bothReport is one report from the evidence of both ends: this end's own checks, those of the far
// end that do not pass, and the findings from both together.
func bothReport(here verify.Report, there *pair.Report, found []pair.Finding, host string) verify.Report {
	r := here
	r.Checks = slices.DeleteFunc(slices.Clone(here.Checks), func(c verify.Check) bool {
		return c.ID == "probe" || c.ID == "counters" // both ends judge that
	})
	if there != nil {
		for _, c := range there.Checks {
			if c.ID == "probe" || c.ID == "counters" || c.Status == string(verify.Skip) {
				continue
			}
			r.Checks = append(r.Checks, verify.Check{ID: "at " + host + ": " + c.ID, Status: statusOf(c.Status), Certainty: verify.Certainty(c.Certainty), Summary: c.Summary, Evidence: c.Evidence, Hint: hintThere(fault.Printable(host), c.Hint),
				Cause: c.Cause, Place: "far-end"})
		}
	}
	for _, f := range found {
		r.Checks = append(r.Checks, checkOf(f))
	}
	r.Verdict = verify.Pass
	for _, c := range r.Checks {
		if c.Status == verify.Fail || c.Status == verify.Warn && r.Verdict == verify.Pass {
			r.Verdict = c.Status
		}
	}
	return r
}

// statusOf reads a status of the far end. A status that it does not know counts as a warning.
func statusOf(word string) verify.Verdict {
	if v := verify.Verdict(word); slices.Contains([]verify.Verdict{verify.Pass, verify.Warn, verify.Fail, verify.Skip}, v) {
		return v
	}
	return verify.Warn
}

// checkOf is a finding as a check.
func checkOf(f pair.Finding) verify.Check {
	c := verify.Check{ID: "both: " + f.ID, Status: verify.Fail, Certainty: verify.Likely, Summary: f.Summary, Evidence: f.Evidence, Hint: f.Hint}
	switch {
	case f.Skipped:
		c.Status = verify.Skip
	case f.OK:
		c.Status = verify.Pass
	}
	if f.Proved {
		c.Certainty = verify.Proved
	}
	if !f.OK && !f.Skipped {
		c.Place = place.Place(f.Place)
	}
	return c
}
