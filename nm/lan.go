package nm

import (
	"net/netip"
	"slices"

	"nmgre/routes/kernel"
)

// LAN is one of this host's own networks.
type LAN struct {
	Address netip.Prefix // this host's, with the length of the network
	Dev     string       // the device that has it
}

// LANs returns the networks behind this end of t, each once: of links that are up, in t's VRF or in
// none as t is, and neither tunnels nor on the way to a far end. Packets to t's go by hop.
func LANs(links []kernel.Link, hop kernel.Hop, t Tunnel) []LAN {
	outer := func(n netip.Prefix) bool {
		return kernel.Carries(links, n) || t.Local.IsValid() && n.Contains(t.Local) || t.Remote.IsValid() && n.Contains(t.Remote) || hop.Via.IsValid() && n.Contains(hop.Via)
	}
	var lans []LAN
	for _, link := range links {
		if link.GRE != nil || link.Name == hop.Dev || link.Name == t.Parent || !link.Up || kernel.VRF(links, &link) != kernel.VRF(links, kernel.Named(links, t.Name)) {
			continue
		}
		for _, own := range link.Addresses {
			known := func(lan LAN) bool { return lan.Address.Masked() == own.Masked() }
			if isLAN(own) && !outer(own.Masked()) && !slices.ContainsFunc(lans, known) {
				lans = append(lans, LAN{own, link.Name})
			}
		}
	}
	return lans
}

// isLAN says whether own is an address in a network with other hosts.
func isLAN(own netip.Prefix) bool {
	a := own.Addr()
	return !a.IsLoopback() && !a.IsLinkLocalUnicast() && !own.IsSingleIP()
}
