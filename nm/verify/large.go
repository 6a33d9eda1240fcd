package verify

import (
	"context"
	"fmt"

	"nmgre/nm/verify/pathmtu"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// probeTunnel sends small packets through the tunnel, and beside them, for measuring's time, its
// whole MTU. While a tunnel is made, nobody waits for that.
func (v *verifier) probeTunnel(ctx, measuring context.Context, small kernel.Probe) (result kernel.ProbeResult, err error) {
	if v.opts.BeforeSave || v.wrongWay {
		return v.sys.Kernel.Probe(ctx, small)
	}
	s := pathmtu.Search{Probe: v.now.Probe, Whole: v.link.MTU, Told: v.toldFits}
	result, v.facts.large, err = s.Beside(ctx, measuring, small)
	return result, err
}

// toldFits asks the kernel again for the way to the far end: an ICMP error about a large packet has
// changed the path MTU that it has cached. It returns how many bytes fit, and 0 if that is not
// known.
func (v *verifier) toldFits(ctx context.Context) int {
	u := &v.facts.under
	hop, err := v.now.Lookup(ctx, kernel.Query{To: v.tunnel.Remote, From: u.hop.Src, Dev: v.parentDevice()})
	if err != nil {
		return 0
	}
	if hop.Dev == u.hop.Dev {
		u.hop.MTU = min(u.hop.MTU, hop.MTU)
	}
	return v.facts.fits()
}

// mtuCauses are the reasons why large packets do not get through a tunnel through which small ones
// do.
var mtuCauses = []row{
	{
		Cause: Cause{"mtu-too-large", Proved, "the tunnel's MTU is larger than what fits into a packet of the device by which it leaves: large packets are cut into fragments, or get lost",
			"ip link show dev NAME (mtu); ip route get REMOTE (its device)"},
		status: Warn, anyway: true,
		when: func(f facts) bool { return f.link != nil && f.link.MTU > f.tunnel.Encapsulation().MTU(f.deviceMTU()) },
		tell: func(f facts) said { return f.toldSaid() },
	},
	{
		Cause: Cause{"path-mtu", Proved, "the way to the far end carries smaller packets than the tunnel's MTU allows, and somebody has said so: an ICMP error, or the route to the far end. Transfers go on with smaller packets, after a loss at each begin, and stall where such errors are filtered",
			"ip route get REMOTE (mtu); ping -M do -s SIZE PEER (Frag needed); tracepath REMOTE"},
		status: Warn, anyway: true,
		when: func(f facts) bool { return f.link != nil && f.link.MTU > f.fits() && !f.large.Through() },
		tell: func(f facts) said { return f.toldSaid() },
	},
	{
		Cause: Cause{"path-mtu-black-hole", Proved, "packets above some size get lost on the way, and nobody says so: pings work, and large transfers stall",
			"ping -M do -s SIZE PEER (28 bytes less than the MTU: it is not answered); tracepath REMOTE"},
		status: Fail, anyway: true,
		when: func(f facts) bool { return f.large.BlackHole() },
		tell: func(f facts) said {
			return f.lostSaid(fmt.Sprintf("packets of more than %d bytes get lost, and nobody says so: large transfers stall", f.large.Fits))
		},
	},
	{ // the far end may filter large echoes, and those alone
		Cause:  Cause{"path-mtu-black-hole", Likely, "", ""},
		status: Warn, anyway: true,
		when: func(f facts) bool { return f.large.Missing() },
		tell: func(f facts) said {
			s := f.lostSaid(fmt.Sprintf("packets of %d bytes, the tunnel's MTU, are not answered, while small ones are", f.large.Whole))
			s.advice = "if large transfers stall, give both ends a smaller MTU, and let ICMP errors through the firewalls on the way"
			return s
		},
	},
}

// toldSaid tells of an MTU that is too large for what this host knows of the way.
func (f facts) toldSaid() said {
	path, told := f.pathMTU()
	fits := f.fits()
	if f.large.BlackHole() {
		fits = min(fits, f.large.Fits)
	}
	s := said{summary: fmt.Sprintf("the tunnel's MTU %d is too large: %d bytes fit", f.link.MTU, fits), evidence: f.tunnel.Encapsulation().Arithmetic(path) + ", " + told,
		advice: "large transfers would stall while pings work: give both ends that MTU", here: f.edit(fmt.Sprintf("--mtu %d", fits)), facts: Facts{"mtu": f.link.MTU, "fits": fits, "path_mtu": path}}
	if f.large.Missing() {
		s.evidence, s.facts = joined(s.evidence, f.sizesText()), s.facts.with(f.sizes())
	}
	return s
}

// lostSaid tells of packets that are lost for their size.
func (f facts) lostSaid(summary string) said {
	path, _ := f.pathMTU()
	nobody := "no ICMP error about it came"
	if !f.hears(kernel.HearsErrors) {
		nobody = "the kernel has been told of no smaller path MTU"
	}
	s := said{summary: summary, evidence: f.sizesText() + "; " + nobody, facts: Facts{"mtu": f.link.MTU, "fits": f.large.Fits, "path_mtu": path}.with(f.sizes()),
		advice: "give both ends that MTU, and let ICMP errors through the firewalls on the way"}
	if f.large.Fits >= pathmtu.Modest {
		s.here = f.edit(fmt.Sprintf("--mtu %d", f.large.Fits))
	}
	return s
}

// sizes are the sizes of the packets that mark the limit.
func (f facts) sizes() Facts { return Facts{"answered": f.large.Fits, "lost": f.large.Fails} }

// sizesText says which sizes got through.
func (f facts) sizesText() string {
	if f.large.Fits == 0 {
		return fmt.Sprintf("none of %d bytes or more was answered", f.large.Fails)
	}
	return fmt.Sprintf("%d bytes were answered, %d were not", f.large.Fits, f.large.Fails)
}

// deviceMTU is the MTU of the device by which packets to the far end leave, in bytes.
func (f facts) deviceMTU() int {
	if l := kernel.Named(f.links, f.under.hop.Dev); l != nil {
		return l.MTU
	}
	return f.under.hop.MTU
}

// pathMTU returns the MTU of the way to the far end, in bytes, and who says so.
func (f facts) pathMTU() (path int, told string) {
	path, told = f.under.hop.MTU, "as the route says, the way out by "+fault.Printable(f.under.hop.Dev)
	cached := path < f.deviceMTU()
	if cached {
		told = "as this host's kernel says, by the route or a path MTU that it was told"
	}
	for _, e := range f.errors(kernel.TooBig) {
		least := 68
		if f.tunnel.Mode.IPv6Outer() {
			least = 1280
		}
		if e.MTU >= least && (e.MTU < path || e.MTU == path && cached) {
			path, told = e.MTU, "as "+icmpText(e)+" says"
		}
	}
	return path, told
}

// fits is how many bytes fit into a packet of the tunnel, as far as this host knows.
func (f facts) fits() int {
	path, _ := f.pathMTU()
	return f.tunnel.Encapsulation().MTU(path)
}
