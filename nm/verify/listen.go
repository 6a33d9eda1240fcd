package verify

import (
	"context"
	"errors"
	"time"

	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// The probe of a verification sends at most probeCount echo requests, and stops after one answer.
const (
	probeCount    = 4
	probeEnough   = 1
	probeInterval = 300 * time.Millisecond
	// companionWait is how long a refused probe goes on: a packet that the far end sends by itself
	// may say more than its refusal. While a tunnel is made, a far end that is not there is no
	// surprise, and nobody waits.
	companionWait = 250 * time.Millisecond
)

// sendProbe sends echo requests through the tunnel, listens meanwhile, and takes the link's
// counters. A probe that a refusal has cut short, which turns out to be about other packets, is
// sent again. Addresses behind the far end are asked at the same time, and waited for if the far
// end answers.
func (v *verifier) sendProbe(ctx context.Context) error {
	if v.whyNoProbe().Summary != "" {
		return nil
	}
	v.anyRoute(func(r *routes.Route) bool {
		v.ev.LANs = append(v.ev.LANs, r.Dst)
		return false
	})
	cut, err := v.probeOnce(ctx, true)
	if err == nil && cut && v.ev.Probe.Received == 0 && !v.ev.Refused() {
		_, err = v.probeOnce(ctx, false)
	}
	v.asking.End(err == nil && v.ev.Probe.Received > 0, v.graceForNetworks())
	v.ev.Near = v.saidNear()
	if err != nil && ctx.Err() == nil {
		v.probeErr = err
		return nil
	}
	if err != nil {
		return err
	}
	for _, read := range []func(context.Context) error{v.takeCounters, v.readFilter, v.readIPsec, v.readRules} {
		if err := read(ctx); err != nil {
			return err
		}
	}
	return nil
}

// takeCounters reads the link's counters again. Those of a new link begin at 0.
func (v *verifier) takeCounters(ctx context.Context) error {
	v.report.Link = nil
	link, err := v.now.Link(ctx, v.link.Name)
	if errors.Is(err, fault.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if link.Index == v.link.Index {
		v.ev.Grew = link.Counters.Since(v.link.Counters)
	}
	link.Addresses = v.link.Addresses
	v.report.Link = &link
	return nil
}

// readIPsec reads the IPsec policies for the outer packets, after the probe: until then a policy
// without a state may only have been waiting for a packet. Where packets of the whole MTU get
// through, nobody needs them.
func (v *verifier) readIPsec(ctx context.Context) error {
	from := v.ev.Under.From
	if v.wrongWay || v.ev.Probe.Received > 0 && (v.opts.BeforeSave || v.ev.Large.Through()) || !from.IsValid() || v.opts.BeforeSave && v.ev.RefusedByFar() {
		return nil
	}
	ends := kernel.IPsecEnds{Local: from, Remote: v.tunnel.Remote, Protocol: protocolGRE}
	if out := kernel.Named(v.links, v.ev.Under.Hop.Dev); out != nil {
		ends.Index = out.Index
	}
	var err error
	v.ev.IPsec, err = v.sys.Kernel.IPsec(ctx, ends)
	v.ev.IPsecUnread = err != nil
	return ctx.Err()
}

// protocolGRE is the IP protocol number of GRE.
const protocolGRE = 47

// readFilter reads the settings of the reverse path filter if it has dropped something, or may drop
// keepalives. They are not known where the device is gone meanwhile.
func (v *verifier) readFilter(ctx context.Context) error {
	drops := v.ev.Heard.Counters.ReversePathFilter > 0 && v.ev.Probe.Received == 0
	if !drops && !v.ev.HearsKeepalive() {
		return nil
	}
	filter, err := v.sys.Gateway.ReversePathFilter(ctx, v.ev.FilterDevice())
	if err == nil {
		v.ev.Filter = &filter
	}
	return ctx.Err()
}

// readRules reads the rules of this host that concern the outer packets. If they cannot be read, a
// cause is named without its rule. While a tunnel is made whose far end answers, or refuses, nobody
// waits for them: packets get there.
func (v *verifier) readRules(ctx context.Context) error {
	u := v.ev.Under
	if v.wrongWay || v.opts.BeforeSave && (v.ev.Probe.Received > 0 || v.ev.RefusedByFar()) {
		return nil
	}
	rules, err := v.sys.Gateway.OuterRules(ctx, keep.OuterPackets{Local: u.From, Remote: v.tunnel.Remote, Dev: u.Hop.Dev, Tunnel: v.tunnel.Name})
	if err == nil {
		v.ev.Rules = rules
	}
	v.ev.Rules = mayDrop(v.ev.Rules, v.zone(ctx), u.Hop.Dev)
	return ctx.Err()
}

// probeOnce sends the probe and listens. If early is set, a refusal ends it before its time, and
// cut is true. Its error is that of the probe.
func (v *verifier) probeOnce(ctx context.Context, early bool) (cut bool, err error) {
	own, _ := v.tunnel.AddressTowardsPeer()
	probing, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	listening := v.listen(ctx)
	if v.asking == nil {
		v.asking = v.askBehind(ctx)
	}
	if early {
		wait := companionWait
		if v.opts.BeforeSave {
			wait = 0
		}
		go cancelSoon(probing, listening.Refused(), wait, cancel)
	}
	outer := v.startOuter(ctx)
	if v.opts.BeforeSave {
		go outer.endWait(probing, cancel)
	}
	p := kernel.Probe{Dev: v.link.Name, From: own.Addr(), To: v.tunnel.PeerAddress,
		Count: probeCount, Enough: probeEnough, Interval: probeInterval, Knock: !v.opts.BeforeSave}
	if v.wrongWay { // an answer would be a surprise
		p.Count = 1
	}
	result, err := v.probeTunnel(probing, ctx, p)
	cut = ctx.Err() == nil && errors.Is(err, context.Canceled)
	if cut {
		err = nil
	}
	if cut && errors.Is(context.Cause(probing), errOuterAnswered) {
		cut = false
		result, err = v.askAgain(ctx, p, outer, result)
	}
	v.ev.Probe = result
	v.ev.Outer = outer.end(err == nil && !cut && result.Received == 0 && ctx.Err() == nil)
	v.ev.Heard = listening.Stop().Clean()
	return cut, err
}

// cancelSoon calls cancel some time after the refusal, unless ctx ends before.
func cancelSoon(ctx context.Context, refused <-chan struct{}, wait time.Duration, cancel context.CancelCauseFunc) {
	select {
	case <-refused:
	case <-ctx.Done():
		return
	}
	select {
	case <-time.After(wait):
		cancel(nil)
	case <-ctx.Done():
	}
}

// listen begins to listen to the tunnel's packets on every device: they may come in by another one
// than they leave by. A failure of it stands among the things that were not heard.
func (v *verifier) listen(ctx context.Context) kernel.Listening {
	if v.sys.Listener == nil {
		return deafness{}
	}
	in, out := v.ev.Keys()
	listening, err := v.sys.Listener.Listen(ctx, kernel.Ends{Mode: v.tunnel.Mode, Local: v.ev.Under.From, Remote: v.tunnel.Remote, Key: out, InputKey: in})
	if err != nil {
		return deafness{kernel.Deaf{What: kernel.HearsAccepted, Err: err}}
	}
	v.ev.Listened = true
	return listening
}

// deafness is a [kernel.Listening] that hears nothing.
type deafness []kernel.Deaf

func (deafness) Refused() <-chan struct{} { return nil }

func (d deafness) Stop() kernel.Heard { return kernel.Heard{Deaf: d} }
