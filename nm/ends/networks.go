package ends

import "net/netip"

// IsAutomatic says whether other is the whole of IPv4's link-local network (RFC 3927), as hosts
// without DHCP have it, and own a part of it.
func IsAutomatic(own, other netip.Prefix) bool {
	const bits = 16 // of 169.254.0.0/16
	return other.Addr().Is4() && other.Addr().IsLinkLocalUnicast() && other.Bits() == bits && own.Bits() > bits
}

// LeadsToItself says whether all addresses of dst are loopback addresses (RFC 1122, RFC 4291).
func LeadsToItself(dst netip.Prefix) bool {
	const loopback = 8 // bits of 127.0.0.0/8
	return dst.Addr().IsLoopback() && dst.Bits() >= loopback
}
