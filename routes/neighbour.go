package routes

import "net/netip"

// Neighbour returns an address beside own that another host of its network can have. It returns the
// zero Addr if there is none.
func Neighbour(own netip.Prefix) netip.Addr {
	if !own.IsValid() || own.IsSingleIP() {
		return netip.Addr{}
	}
	first, last := own.Masked().Addr(), LastAddr(own)
	for _, a := range []netip.Addr{own.Addr().Next(), own.Addr().Prev()} {
		if a.IsValid() && own.Contains(a) && a != first && a != last {
			return a
		}
	}
	return netip.Addr{}
}
