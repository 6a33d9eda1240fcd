package keep

import (
	"net/netip"
	"strings"

	"nmgre/routes"
	"nmgre/routes/fault"
)

// SNAT gives packets from the tunnel's inner networks another source address when they are
// forwarded to a destination.
type SNAT struct {
	Dst netip.Prefix // masked
	// of Dst's family; zero for masquerade, which is the address of the device that the packet
	// leaves by
	Source netip.Addr
}

// ParseSNAT reads DEST=SOURCE, as in "10.10.2.0/24=10.10.2.1" or "10.10.2.0/24=masquerade". Errors
// are [fault.ErrInvalid] for the field "snat".
func ParseSNAT(text string) (SNAT, error) {
	dst, source, found := strings.Cut(text, "=")
	if !found {
		return SNAT{}, fault.Invalid("snat", snatHint, "\"%.80s\" has no =", fault.Printable(text))
	}
	return ReadSNAT(dst, source)
}

const snatHint = "write it as 10.10.2.0/24=10.10.2.1 or 10.10.2.0/24=masquerade"

// masquerade is the word for the address of the device that a packet leaves by.
const masquerade = "masquerade"

// ReadSNAT reads the two parts of what [ParseSNAT] reads.
func ReadSNAT(dst, source string) (s SNAT, err error) {
	if s.Dst, err = netip.ParsePrefix(dst); err != nil {
		a, addrErr := netip.ParseAddr(dst)
		if addrErr != nil || a.Zone() != "" {
			return SNAT{}, fault.Invalid("snat", snatHint, "\"%.80s\" is no destination", fault.Printable(dst))
		}
		s.Dst = routes.HostPrefix(a)
	}
	if masked := s.Dst.Masked(); masked != s.Dst {
		return SNAT{}, fault.Invalid("snat", "the network is "+masked.String(), "%s has host bits set", s.Dst)
	}
	if s.Dst.Addr().Is4In6() {
		return SNAT{}, fault.Invalid("snat", snatHint, "%s is an IPv4 network written as an IPv6 one", s.Dst)
	}
	if source == masquerade {
		return s, nil
	}
	if s.Source, err = netip.ParseAddr(source); err != nil || !isSource(s.Source) {
		return SNAT{}, fault.Invalid("snat", snatHint, "\"%.80s\" is no source address", fault.Printable(source))
	}
	if s.Source.Is4() != s.Dst.Addr().Is4() {
		return SNAT{}, fault.Invalid("snat", "the destination and the source are of one family", "%s and %s are of different families", s.Dst, s.Source)
	}
	return s, nil
}

// isSource reports whether packets to other hosts may have a as their source.
func isSource(a netip.Addr) bool {
	return a.Zone() == "" && !a.Is4In6() && !a.IsUnspecified() && !a.IsMulticast() && !a.IsLoopback() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// String returns the form that [ParseSNAT] reads.
func (s SNAT) String() string { return s.Dst.String() + "=" + s.SourceText() }

// SourceText returns the word for the source: its address, or masquerade.
func (s SNAT) SourceText() string {
	if s.Source.IsValid() {
		return s.Source.String()
	}
	return masquerade
}
