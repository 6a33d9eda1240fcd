// Package snat proves that nmgre's SNAT rules take the packets that they are for: it sends one for
// each rule, and looks at the rule's counter. It is pure. Begin at [Try].
package snat

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// Found tells where the packets went that a rule is for.
type Found struct {
	keep.Passing // the packet that was sent, or the one that would be forwarded
	Sent         bool
	Grew         uint64 // the rule's counter meanwhile
	// Wanted are the sources that the rule may give.
	Wanted []netip.Addr
	// Own are the translations of a packet of this host itself, and Forwarded those of one that
	// comes out of the tunnel, by the NAT rules.
	Own, Forwarded keep.Translations
}

// Right reports whether packets like the one that was sent have got a source that the rule may
// give, whichever rule it was.
func (f *Found) Right() bool {
	return slices.ContainsFunc(f.Own.Sources, func(a netip.Addr) bool { return slices.Contains(f.Wanted, a) })
}

const (
	// maxTries is how many rules are tried. A tunnel has a few.
	maxTries = 16
	// wait is how long an answer is waited for, which nobody needs.
	wait = 10 * time.Millisecond
	// maxCandidates is how many addresses of a destination are tried.
	maxCandidates = 4
)

// Doors are the doors to the host that a trial needs.
type Doors struct {
	Kernel  kernel.Kernel
	Gateway keep.Gateway
	Links   []kernel.Link
	// Send says that packets may be sent. A packet goes no further than the next hop: its TTL is 1.
	Send bool
}

// Try tries SNAT rules, which nmgre's tables have, and returns the result for each, in their order.
// Of very many rules it tries the first. It fails with ErrNotPermitted without root.
func Try(ctx context.Context, d Doors, rules []keep.Rule) ([]Found, error) {
	rules = rules[:min(len(rules), maxTries)]
	list := make([]Found, len(rules))
	before, err := d.Gateway.RuleCounters(ctx, rules)
	if err != nil {
		return nil, err
	}
	for i, r := range rules {
		if list[i], err = d.send(ctx, r); err != nil {
			return nil, err
		}
	}
	after, err := d.Gateway.RuleCounters(ctx, rules)
	if err != nil {
		return nil, err
	}
	for i := range list {
		list[i].Grew = max(after[i], before[i]) - before[i]
		if err := d.follow(ctx, &list[i]); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// send sends a packet that the rule is for, if there is one that this host can send.
func (d Doors) send(ctx context.Context, r keep.Rule) (Found, error) {
	f := Found{Passing: keep.Passing{Rule: r, Echo: true}}
	own := d.addressIn(r)
	f.From = own
	if !own.IsValid() { // the packets of others are known by their networks alone
		f.From = routes.SampleAddr(r.Inner, netip.Addr{})
	}
	if err := d.aim(ctx, &f, own); err != nil || !f.To.IsValid() {
		return f, err
	}
	if !own.IsValid() || !d.Send {
		return f, nil
	}
	result, err := d.Kernel.Probe(ctx, kernel.Probe{Dev: f.Out, From: own, To: f.To, Count: 1, Enough: 1, Interval: wait, Hops: 1})
	if ctx.Err() != nil {
		return f, ctx.Err()
	}
	f.Sent = err == nil && result.Sent > 0
	return f, nil
}

// addressIn returns an address of the tunnel's device among the sources that the rule is for; the
// zero Addr if it has none.
func (d Doors) addressIn(r keep.Rule) netip.Addr {
	link := kernel.Named(d.Links, r.Dev)
	if link == nil {
		return netip.Addr{}
	}
	for _, p := range link.Addresses {
		if r.Inner.Contains(p.Addr()) {
			return p.Addr()
		}
	}
	return netip.Addr{}
}

// aim finds an address in the rule's destination to which packets leave this host, by another
// device than the tunnel's: a gateway, or one of the first addresses.
func (d Doors) aim(ctx context.Context, f *Found, own netip.Addr) error {
	dst := f.Rule.SNAT.Dst
	to := routes.SampleAddr(dst, netip.Addr{})
	for i := 0; i < maxCandidates && dst.Contains(to); i++ {
		hop, err := d.Kernel.Lookup(ctx, kernel.Query{To: to, From: own})
		if err != nil && !errors.Is(err, fault.ErrUnreachable) && !errors.Is(err, fault.ErrInvalid) {
			return err
		}
		if err == nil && hop.Dev != f.Rule.Dev && hop.Dev != "lo" {
			if hop.Via.IsValid() && dst.Contains(hop.Via) {
				to = hop.Via
			}
			f.To, f.Out, f.Wanted = to, hop.Dev, d.wanted(f.Rule, hop.Dev)
			return nil
		}
		to = to.Next()
	}
	return nil
}

// wanted returns the sources that the rule may give: the addresses of the device, for masquerade.
func (d Doors) wanted(r keep.Rule, dev string) (list []netip.Addr) {
	if r.SNAT.Source.IsValid() {
		return []netip.Addr{r.SNAT.Source}
	}
	if link := kernel.Named(d.Links, dev); link != nil {
		for _, p := range link.Addresses {
			list = append(list, p.Addr())
		}
	}
	return list
}

// follow reads which rules take the packets, as far as that matters.
func (d Doors) follow(ctx context.Context, f *Found) (err error) {
	if !f.To.IsValid() {
		return nil
	}
	if f.Sent && f.Grew == 0 {
		if f.Own, err = d.Gateway.Translations(ctx, f.Passing); err != nil {
			return err
		}
	}
	forwarded := f.Passing
	forwarded.In, forwarded.Echo = f.Rule.Dev, false
	f.Forwarded, err = d.Gateway.Translations(ctx, forwarded)
	return err
}
