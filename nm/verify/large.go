package verify

import (
	"context"

	"nmgre/nm/verify/pathmtu"
	"nmgre/routes/kernel"
)

// probeTunnel sends small packets through the tunnel, and beside them, for measuring's time, its
// whole MTU. While a tunnel is made, nobody waits for that.
func (v *verifier) probeTunnel(ctx, measuring context.Context, small kernel.Probe) (result kernel.ProbeResult, err error) {
	if v.opts.BeforeSave || v.wrongWay {
		return v.sys.Kernel.Probe(ctx, small)
	}
	s := pathmtu.Search{Probe: v.probeAndTell, Whole: v.link.MTU, Told: v.toldFits}
	result, v.ev.Large, err = s.Beside(ctx, measuring, small)
	return result, err
}

// probeAndTell sends a probe. Once the far end has answered, it may be asked for networks.
func (v *verifier) probeAndTell(ctx context.Context, p kernel.Probe) (kernel.ProbeResult, error) {
	result, err := v.now.Probe(ctx, p)
	if result.Received > 0 {
		v.asking.Answered()
	}
	return result, err
}

// toldFits asks the kernel again for the way to the far end: an ICMP error about a large packet has
// changed the path MTU that it has cached. It returns how many bytes fit, and 0 if that is not
// known.
func (v *verifier) toldFits(ctx context.Context) int {
	u := &v.ev.Under
	hop, err := v.now.Lookup(ctx, kernel.Query{To: v.tunnel.Remote, From: u.Hop.Src, Dev: v.parentDevice()})
	if err != nil {
		return 0
	}
	if hop.Dev == u.Hop.Dev {
		u.Hop.MTU = min(u.Hop.MTU, hop.MTU)
	}
	return v.ev.Fits()
}
