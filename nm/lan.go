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

// LANs returns the networks of links that are up, and are neither tunnels nor the underlay, each
// once. Only the address families of inner count.
func LANs(links []kernel.Link, underlay string, inner []netip.Prefix) []LAN {
	var lans []LAN
	for _, link := range links {
		if link.GRE != nil || link.Name == underlay || !link.Up {
			continue
		}
		for _, own := range link.Addresses {
			known := func(lan LAN) bool { return lan.Address.Masked() == own.Masked() }
			if isLAN(own, inner) && !slices.ContainsFunc(lans, known) {
				lans = append(lans, LAN{own, link.Name})
			}
		}
	}
	return lans
}

// isLAN says whether own is an address in a network with other hosts, of the family of one of the
// inner addresses.
func isLAN(own netip.Prefix, inner []netip.Prefix) bool {
	a := own.Addr()
	sameFamily := func(p netip.Prefix) bool { return p.Addr().Is4() == a.Is4() }
	return !a.IsLoopback() && !a.IsLinkLocalUnicast() && !own.IsSingleIP() && slices.ContainsFunc(inner, sameFamily)
}
