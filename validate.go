package nmgre

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Problems returns everything that is wrong with the tunnel by itself, whatever host it is made on: each an [ErrInvalid] with the
// flag's name as its field. Name and Local may be undecided. A tunnel without problems is one that NetworkManager and the kernel
// can hold; whether this host can have it is [Host.Plan]'s business.
func (t Tunnel) Problems() []*Error {
	var problems []*Error
	for _, check := range []func(Tunnel) []*Error{
		checkMode, checkOuter, checkParent, checkHeader, checkMTU, checkAddresses, checkPeerAddress, checkInnerAgainstOuter, checkRoutes, checkForwarding,
	} {
		problems = append(problems, check(t)...)
	}
	if t.Name != "" {
		problems = appendProblem(problems, checkName(t.Name))
	}
	return problems
}

// Validate returns the [Tunnel.Problems] joined into one error, nil if there are none.
func (t Tunnel) Validate() error {
	var errs []error
	for _, problem := range t.Problems() {
		errs = append(errs, problem)
	}
	return errors.Join(errs...)
}

// appendProblem keeps a nil *Error out of the list.
func appendProblem(problems []*Error, problem *Error) []*Error {
	if problem == nil {
		return problems
	}
	return append(problems, problem)
}

func checkMode(t Tunnel) []*Error {
	if _, known := modeNames[t.Mode]; known {
		return nil
	}
	return []*Error{invalid("mode", "use gre, gretap, ip6gre or ip6gretap", "no mode is given")}
}

// checkOuter looks at the addresses that carry the tunnel.
func checkOuter(t Tunnel) []*Error {
	if !t.Remote.IsValid() {
		return []*Error{invalid("peer", "give the far end's outer address, such as --peer 203.0.113.2", "the far end's address is missing")}
	}
	problems := appendProblem(nil, checkOuterAddr(t, "peer", t.Remote))
	if t.Remote.IsUnspecified() {
		problems = append(problems, invalid("peer", "NetworkManager needs the far end's address; tunnels of many ends (mGRE) are not possible",
			"%s is no host", t.Remote))
	}
	if t.Local.IsValid() && t.Local.IsUnspecified() && t.Mode.IPv6Outer() { // nm-linux-platform.c looks at local where it should look at remote
		return append(problems, invalid("local", "give one of this host's addresses, or leave --local out to have it found",
			"NetworkManager forgets the far end of a tunnel by IPv6 that has no local address"))
	}
	if !t.Local.IsValid() || t.Local.IsUnspecified() && t.Local.Is6() == t.Mode.IPv6Outer() {
		return problems
	}
	problems = appendProblem(problems, checkOuterAddr(t, "local", t.Local))
	if t.Local == t.Remote {
		problems = append(problems, invalid("peer", "local is this end's outer address, peer the far end's", "the far end's address %s is equal to the local one", t.Remote))
	}
	return problems
}

func checkOuterAddr(t Tunnel, field string, a netip.Addr) *Error {
	switch {
	case a.Is4In6():
		return invalid(field, "write it as "+a.Unmap().String(), "%s is an IPv4 address in IPv6's clothes", Printable(a.String()))
	case !t.Mode.fits(a):
		return familyProblem(t.Mode, field, a)
	case a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return invalid(field, "a tunnel has two ends: give the address of one host", "%s is no address of a host", Printable(a.String()))
	case a.IsLoopback():
		return invalid(field, "give the address that the other end sends to", "%s never leaves this host", Printable(a.String()))
	case a.Zone() != "":
		return invalid(field, "give the address without it, and the device as --parent "+Printable(a.Zone()), "%s has a zone", Printable(a.String()))
	case a.Is6() && a.IsLinkLocalUnicast() && t.Parent == "":
		return invalid("parent", "name the device with --parent", "%s is a link-local address, which says nothing without a device", a)
	}
	return nil
}

// familyProblem proposes the mode that fits the address. Where there is no mode, that is what is wrong, and [checkMode] says it.
func familyProblem(m Mode, field string, a netip.Addr) *Error {
	if modeNames[m] == "" {
		return nil
	}
	proposed := map[Mode]Mode{ModeGRE: ModeIP6GRE, ModeIP6GRE: ModeGRE, ModeGRETAP: ModeIP6GRETAP, ModeIP6GRETAP: ModeGRETAP}[m]
	carrier, family := "IPv4", "IPv6"
	if m.IPv6Outer() {
		carrier, family = family, carrier
	}
	return invalid(field, fmt.Sprintf("use --mode %s, or an address of the other family", proposed),
		"%s is an %s address, and mode %s is carried by %s", Printable(a.String()), family, m, carrier)
}

func checkParent(t Tunnel) []*Error {
	switch {
	case t.Parent == "":
		return nil
	case t.Parent == t.Name:
		return []*Error{invalid("parent", "name the device that carries the tunnel, such as eth0, or leave --parent out", "the tunnel cannot be its own parent")}
	case !IsUUID(t.Parent) && (len(t.Parent) > maxName || Printable(t.Parent) != t.Parent):
		return []*Error{invalid("parent", "give an interface's name or the UUID of its profile", "\"%.80s\" is neither an interface's name nor a UUID", Printable(t.Parent))}
	}
	return nil
}

// checkHeader looks at what goes into the outer headers.
func checkHeader(t Tunnel) []*Error {
	var problems []*Error
	if t.TTL != 0 && t.NoPMTUD {
		problems = append(problems, invalid("ttl", "use --ttl inherit with --no-pmtud, or leave --no-pmtud out",
			"a fixed TTL (%d) is possible only with path MTU discovery", t.TTL))
	}
	if t.Flags != 0 { // libnm's verify of the ip-tunnel setting
		problems = append(problems, invalid("flags", "leave it out: NetworkManager has flags for its modes ipip6 and ip6ip6 only",
			"NetworkManager refuses %#x for mode %s", uint32(t.Flags), t.Mode))
	}
	if t.Mode.IPv6Outer() {
		if t.FlowLabel > 0xfffff {
			problems = append(problems, invalid("flow-label", "a flow label has 20 bits: 0 to 1048575", "%d is too large", t.FlowLabel))
		}
		return problems
	}
	for field, set := range map[string]bool{"encap-limit": t.EncapLimit != 0, "flow-label": t.FlowLabel != 0} {
		if set {
			problems = append(problems, invalid(field, "leave it out, or use --mode ip6gre or ip6gretap", "only tunnels carried by IPv6 have it, and mode %s is not", t.Mode))
		}
	}
	slices.SortFunc(problems, func(a, b *Error) int { return strings.Compare(a.Field, b.Field) })
	return problems
}

// The smallest packets that every link must carry: RFC 791 and RFC 8200.
const (
	minMTU4 = 68
	minMTU6 = 1280
)

func checkMTU(t Tunnel) []*Error {
	if t.MTU == 0 {
		return nil
	}
	most := uint32(t.Encapsulation().MTU(0xffff)) //nolint:gosec // 65535 less a few headers
	if t.MTU < minMTU4 || t.MTU > most {
		return []*Error{invalid("mtu", fmt.Sprintf("use %d to %d bytes, or leave --mtu out to have it computed", minMTU4, most), "%d is not possible", t.MTU)}
	}
	for _, p := range t.Addresses {
		if p.Addr().Is6() && t.MTU < minMTU6 {
			return []*Error{invalid("mtu", "IPv6 needs 1280 bytes at least (RFC 8200)", "%d is too little for the inner address %s", t.MTU, p)}
		}
	}
	return nil
}

// IsUUID says whether s is a UUID in the form that NetworkManager uses.
func IsUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F'):
			return false
		}
	}
	return true
}
