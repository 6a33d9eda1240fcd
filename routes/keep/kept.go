package keep

import (
	"net/netip"
	"slices"
	"strings"

	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/list"
)

// Kept is what nmgre keeps for one tunnel because NetworkManager cannot hold it. It lives in a file
// of root's own, named by the UUID of the profile, and root acts by it alone: a profile may be any
// local user's.
type Kept struct {
	UUID   string         // of the profile
	Name   string         // the tunnel's interface
	Remote netip.Addr     // the far end's outer address
	Inner  []netip.Prefix // the tunnel's inner networks, masked: whose packets SNAT is for
	Routes []routes.Route // those that the kernel half owns
	SNAT   []SNAT
	// devices between which packets are forwarded, the tunnel's among them; empty for none
	Forward  []string
	ClampMSS bool // the MSS of TCP connections through the tunnel is lowered to what fits
	// a route covers Remote: a host route by the present gateway keeps it reachable
	Pin bool

	// Stamp tells whether the file is still the one that this was read from; [StampNone] that there
	// was none. With an empty one it does not matter.
	Stamp string

	// Bad are the lines of the file that could not be read; the others count all the same.
	Bad []list.BadLine
}

// StampNone is the stamp of a file that is not there.
const StampNone = "none"

// SNAT says which source address packets from the tunnel's inner network get when they are
// forwarded to a destination.
type SNAT struct {
	Dst netip.Prefix // masked
	// of Dst's family; zero for masquerade: the address of the device that the packet leaves by
	Source netip.Addr
}

// Empty says whether there is nothing to keep.
func (k Kept) Empty() bool {
	return len(k.Routes) == 0 && len(k.SNAT) == 0 && len(k.Forward) == 0 && !k.ClampMSS && !k.Pin
}

// Clone returns a copy whose lists can be changed.
func (k Kept) Clone() Kept {
	k.Inner, k.Routes, k.SNAT = slices.Clone(k.Inner), slices.Clone(k.Routes), slices.Clone(k.SNAT)
	k.Forward, k.Bad = slices.Clone(k.Forward), slices.Clone(k.Bad)
	return k
}

// ParseSNAT reads DEST=SOURCE, as in "10.10.2.0/24=10.10.2.1" or "10.10.2.0/24=masquerade". Errors
// are [ErrInvalid] for the field "snat".
func ParseSNAT(text string) (SNAT, error) {
	dst, source, found := strings.Cut(text, "=")
	if !found {
		return SNAT{}, fault.Invalid("snat", snatHint, "\"%.80s\" has no =", fault.Printable(text))
	}
	return parseSNAT(dst, source)
}

const snatHint = "write it as 10.10.2.0/24=10.10.2.1 or 10.10.2.0/24=masquerade"

// masquerade is the word for the address of the device that a packet leaves by.
const masquerade = "masquerade"

func parseSNAT(dst, source string) (s SNAT, err error) {
	if s.Dst, err = netip.ParsePrefix(dst); err != nil {
		a, addrErr := netip.ParseAddr(dst)
		if addrErr != nil || a.Zone() != "" {
			return SNAT{}, fault.Invalid("snat", snatHint, "\"%.80s\" is no destination", fault.Printable(dst))
		}
		s.Dst = routes.HostPrefix(a)
	}
	if masked := s.Dst.Masked(); masked != s.Dst {
		return SNAT{}, fault.Invalid("snat", "the network is "+masked.String(), "%s has bits behind its length", s.Dst)
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

// isSource says whether packets to other hosts may have a as their source.
func isSource(a netip.Addr) bool {
	return a.Zone() == "" && !a.Is4In6() && !a.IsUnspecified() && !a.IsMulticast() && !a.IsLoopback() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// String returns what [ParseSNAT] reads.
func (s SNAT) String() string { return s.Dst.String() + "=" + s.sourceText() }

func (s SNAT) sourceText() string {
	if s.Source.IsValid() {
		return s.Source.String()
	}
	return masquerade
}
