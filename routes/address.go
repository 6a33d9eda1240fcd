package routes

import (
	"net/netip"
	"strings"

	"nmgre/routes/fault"
)

// IsDevice reports whether the kernel could have a device of that name.
func IsDevice(name string) bool {
	return name != "" && len(name) <= MaxDeviceName && name != "." && name != ".." && !strings.ContainsAny(name, "/ :") && fault.Printable(name) == name &&
		name != "all" && name != "default"
}

// MaxDeviceName is the longest name of a device, in bytes: IFNAMSIZ without the closing zero.
const MaxDeviceName = 15

// LastAddr returns the last address of p's network.
func LastAddr(p netip.Prefix) netip.Addr {
	raw := p.Masked().Addr().AsSlice()
	for i := range raw {
		if hostBits := (i+1)*8 - p.Bits(); hostBits >= 8 {
			raw[i] = 0xff
		} else if hostBits > 0 {
			raw[i] |= 1<<hostBits - 1
		}
	}
	last, _ := netip.AddrFromSlice(raw)
	return last
}

// HostPrefix returns the destination of the one host a, or the zero Prefix for the zero Addr.
func HostPrefix(a netip.Addr) netip.Prefix {
	if !a.IsValid() {
		return netip.Prefix{}
	}
	return netip.PrefixFrom(a, a.BitLen())
}

// SampleAddr returns an address in dst to look up the way for, other than avoid where that is
// possible: a host route may lead to avoid.
func SampleAddr(dst netip.Prefix, avoid netip.Addr) netip.Addr {
	if dst.IsSingleIP() {
		return dst.Addr()
	}
	sample := dst.Addr().Next()
	// The first address of all means "this host": take one from the blocks for documentation (RFC
	// 5737, RFC 3849).
	if dst.Bits() == 0 {
		sample = netip.MustParseAddr("2001:db8::1")
		if dst.Addr().Is4() {
			sample = netip.AddrFrom4([4]byte{192, 0, 2, 1})
		}
	}
	if sample != avoid {
		return sample
	}
	if next := sample.Next(); dst.Contains(next) {
		return next
	}
	return dst.Addr()
}

// MiddleAddr returns an address in the middle of dst. Gateways and hosts seldom have it.
func MiddleAddr(dst netip.Prefix) netip.Addr {
	host := dst.Addr().BitLen() - dst.Bits()
	if host < 3 {
		return SampleAddr(dst, netip.Addr{})
	}
	raw := dst.Masked().Addr().AsSlice()
	raw[len(raw)-1-(host-1)/8] |= 1 << ((host - 1) % 8)
	middle, _ := netip.AddrFromSlice(raw)
	return middle
}

// AddrText returns the address, or "" for the zero [netip.Addr], which is not set.
func AddrText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
