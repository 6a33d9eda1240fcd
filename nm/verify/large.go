package verify

import (
	"context"

	"nmgre/nm/verify/pathmtu"
	"nmgre/routes/kernel"
)

// probeTunnel sends small packets through the tunnel, and at the same time its whole MTU, for
// measuring's time. While a tunnel is made, nobody waits for that.
func (v *verifier) probeTunnel(ctx, measuring context.Context, small kernel.Probe) (result kernel.ProbeResult, err error) {
	if v.opts.BeforeSave || v.wrongWay {
		return v.sys.Kernel.Probe(ctx, small)
	}
	s := pathmtu.Search{Probe: v.now.Probe, Whole: v.link.MTU, Told: v.toldFits}
	result, v.ev.Large, err = s.Beside(ctx, measuring, small)
	return result, err
}

// toldFits asks the kernel again for the way to the far end: an ICMP error about a large packet has
// changed the path MTU that it has cached. It returns how many bytes fit, and 0 if that is not
// known.
func (v *verifier) toldFits(ctx context.Context) int {
	u := &v.ev.Under
	hop, err := v.now.Lookup(ctx, kernel.Query{To: v.tunnel.Remote, From: u.Hop.Src, Dev: v.tunnel.ParentDevice()})
	if err != nil {
		return 0
	}
	if hop.Dev == u.Hop.Dev {
		u.Hop.MTU = min(u.Hop.MTU, hop.MTU)
	}
	return v.ev.Fits()
}
