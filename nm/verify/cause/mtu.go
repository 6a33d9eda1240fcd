package cause

import (
	"fmt"

	"nmgre/nm/verify/pathmtu"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// mtuCauses are the reasons why large packets do not get through a tunnel through which small ones
// do.
var mtuCauses = []row{
	{
		Cause: Cause{"mtu-too-large", Proved, "the tunnel's MTU is larger than what fits out of its device: large packets are cut into fragments, or get lost",
			"ip link show dev NAME (mtu); ip route get REMOTE (its device)"},
		warns: true, anyway: true,
		when: func(ev Evidence) bool {
			return ev.Link != nil && ev.Link.MTU > ev.Encapsulation(ev.deviceMTU()).MTU(ev.deviceMTU())
		},
		tell: func(ev Evidence) said { return ev.toldSaid() },
	},
	{
		Cause: Cause{"path-mtu", Proved, "the way carries smaller packets than the MTU allows, an ICMP error or the route says: without such errors transfers stall",
			"ip route get REMOTE (mtu); tracepath REMOTE"},
		warns: true, anyway: true,
		when: func(ev Evidence) bool { return ev.Link != nil && ev.Link.MTU > ev.Fits() && !ev.Large.Through() },
		tell: func(ev Evidence) said { return ev.toldSaid() },
	},
	{
		Cause: Cause{"path-mtu-black-hole", Proved, "packets above some size get lost, and nobody says so: pings work, large transfers stall. It is proved if UDP gets lost, too",
			"ping -M do -s SIZE PEER (28 bytes less than the MTU)"},
		fails: true, anyway: true,
		when: func(ev Evidence) bool { return ev.Large.BlackHole() },
		tell: func(ev Evidence) said {
			return ev.lostSaid(fmt.Sprintf("packets of more than %d bytes get lost, and nobody says so: large transfers stall", ev.Large.Fits))
		},
	},
	{ // the far end may filter long echoes, and answer no datagrams
		Cause: Cause{"path-mtu-black-hole", Likely, "", ""},
		warns: true, anyway: true,
		when: func(ev Evidence) bool { return ev.Large.Missing() },
		tell: func(ev Evidence) said {
			s := ev.lostSaid(fmt.Sprintf("packets of %d bytes, the tunnel's MTU, are not answered, while small ones are", ev.Large.Whole))
			s.advice = "if large transfers stall, give both ends a smaller MTU, and let ICMP errors through the firewalls on the way"
			return s
		},
	},
}

// toldSaid tells of an MTU that is too large for the path MTU that this host knows of.
func (ev Evidence) toldSaid() said {
	path, told := ev.PathMTU()
	fits := ev.Fits()
	if ev.Large.Limited() {
		fits = min(fits, ev.Large.Fits)
	}
	s := said{summary: fmt.Sprintf("the tunnel's MTU %d is too large: %d bytes fit", ev.Link.MTU, fits), evidence: ev.Encapsulation(path).Arithmetic(path) + ", " + told,
		advice: "large transfers would stall while pings work: give both ends that MTU", here: ev.edit(fmt.Sprintf("--mtu %d", fits)), facts: Facts{"mtu": ev.Link.MTU, "fits": fits, "path_mtu": path}}
	if ev.Large.Missing() {
		s.evidence, s.facts = fault.Joined(s.evidence, ev.Large.Text()), s.facts.With(ev.sizes())
	}
	return s
}

// lostSaid tells of packets that are lost for their size.
func (ev Evidence) lostSaid(summary string) said {
	path, _ := ev.PathMTU()
	nobody := "no ICMP error about it came"
	if !ev.hears(kernel.HearsErrors) {
		nobody = "the kernel has been told of no smaller path MTU"
	}
	s := said{summary: summary, evidence: ev.Large.Text() + "; " + nobody, facts: Facts{"mtu": ev.Link.MTU, "fits": ev.Large.Fits, "path_mtu": path}.With(ev.sizes()),
		advice: "give both ends that MTU, and let ICMP errors through the firewalls on the way"}
	if ev.Large.Datagrams == pathmtu.Lost {
		s.evidence += fmt.Sprintf("; UDP datagrams of %d bytes got lost as well, and small ones were answered", ev.Large.Whole)
	}
	if ev.Large.Fits >= pathmtu.Modest {
		s.here = ev.edit(fmt.Sprintf("--mtu %d", ev.Large.Fits))
	}
	return s
}

// sizes are the sizes of the packets that mark the limit.
func (ev Evidence) sizes() Facts { return Facts{"answered": ev.Large.Fits, "lost": ev.Large.Fails} }

// deviceMTU is the MTU of the device by which packets to the far end leave, in bytes.
func (ev Evidence) deviceMTU() int {
	if l := kernel.Named(ev.Links, ev.Under.Hop.Dev); l != nil {
		return l.MTU
	}
	return ev.Under.Hop.MTU
}

// PathMTU returns the MTU of the way to the far end, in bytes, and who says so.
func (ev Evidence) PathMTU() (path int, told string) {
	path, told = ev.Under.Hop.MTU, "as the route says, the way out by "+fault.Printable(ev.Under.Hop.Dev)
	cached := path < ev.deviceMTU()
	if cached {
		told = "as this host's kernel says, by the route or a path MTU that it was told"
	}
	for _, e := range ev.errors(kernel.TooBig) {
		least := 68
		if ev.Tunnel.Mode.IPv6Outer() {
			least = 1280
		}
		if e.MTU >= least && (e.MTU < path || e.MTU == path && cached) {
			path, told = e.MTU, "as "+icmpText(e)+" says"
		}
	}
	return path, told
}

// Fits is how many bytes fit into a packet of the tunnel, as far as this host knows.
func (ev Evidence) Fits() int {
	path, _ := ev.PathMTU()
	return ev.Encapsulation(path).MTU(path)
}
