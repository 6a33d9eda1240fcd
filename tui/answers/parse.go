package answers

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"nmgre"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// parseAddr reads an address; an empty text is the zero Addr.
func parseAddr(field, text, hint string) (netip.Addr, *fault.Error) {
	if text == "" {
		return netip.Addr{}, nil
	}
	a, err := netip.ParseAddr(text)
	if err == nil {
		return a, nil
	}
	if head, _, found := strings.Cut(text, "/"); found {
		hint = "leave out the prefix length: " + fault.Printable(head)
	}
	return a, fault.Invalid(field, hint, "\"%s\" is not an IP address", fault.Printable(text))
}

// parseInner reads an inner address with its prefix length.
func parseInner(text string) (netip.Prefix, *fault.Error) {
	p, err := netip.ParsePrefix(text)
	if err == nil {
		return p, nil
	}
	hint := "write it as 172.16.0.1/30"
	if a, err := netip.ParseAddr(text); err == nil {
		hint = fmt.Sprintf("add the prefix length: %s/30, or /%d for a single address", a, a.BitLen())
	}
	return p, fault.Invalid("address", hint, "\"%s\" is not an address with a prefix length", fault.Printable(text))
}

// parseNumber reads a number from low to high, decimal or 0x hexadecimal. The word inherit stands
// for the number of that name; it is not allowed if that is negative.
func parseNumber(field, text string, low, high uint32, inherit int) (uint32, *fault.Error) {
	if text == "inherit" && inherit >= 0 {
		return uint32(inherit), nil //nolint:gosec // 0 or 1
	}
	value, err := strconv.ParseUint(text, 10, 32)
	if hex, found := strings.CutPrefix(text, "0x"); found {
		value, err = strconv.ParseUint(hex, 16, 32)
	}
	if err == nil && value >= uint64(low) && value <= uint64(high) {
		return uint32(value), nil
	}
	hint := fmt.Sprintf("use %d to %d", low, high)
	if inherit >= 0 {
		hint += ", or inherit"
	}
	return 0, fault.Invalid(field, hint, "\"%s\" is not possible", fault.Printable(text))
}

// freeNetworks proposes networks of two hosts for the inner addresses, a /30 and a /31, that
// overlap with no network of this host.
func freeNetworks(taken []netip.Prefix) []netip.Prefix {
	var free []netip.Prefix
	for _, bits := range []int{30, 31} {
		if p, ok := freeNetwork(taken, bits); ok {
			free = append(free, p)
		}
	}
	return free
}

// freeNetwork looks in 172.16.0.0/16, where most examples have their tunnels.
func freeNetwork(taken []netip.Prefix, bits int) (netip.Prefix, bool) {
	step := uint32(1) << (32 - bits)
	base := uint32(172)<<24 | 16<<16
	for n := uint32(0); n < 1<<16; n += step {
		a := base + n
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(a >> 24), byte(a >> 16), byte(a >> 8), byte(a)}), bits)
		if !overlaps(taken, p) {
			return p, true
		}
	}
	return netip.Prefix{}, false
}

func overlaps(taken []netip.Prefix, p netip.Prefix) bool {
	for _, t := range taken {
		if t.IsValid() && t.Bits() > 0 && t.Overlaps(p) {
			return true
		}
	}
	return false
}

// takenNetworks are the networks that a new tunnel's must not overlap: those of the links, of the
// tunnels, and their routes.
func takenNetworks(links []kernel.Link, all []nmgre.Status) []netip.Prefix {
	var taken []netip.Prefix
	for _, l := range links {
		for _, p := range l.Addresses {
			taken = append(taken, p.Masked())
		}
	}
	for i := range all {
		for _, p := range all[i].Tunnel.Addresses {
			taken = append(taken, p.Masked())
		}
		for _, r := range all[i].Tunnel.Routes {
			taken = append(taken, r.Dst)
		}
	}
	return taken
}

// firstHost is this end's address in a network of two hosts.
func firstHost(p netip.Prefix) netip.Prefix {
	if p.Addr().BitLen()-p.Bits() == 1 {
		return p
	}
	return netip.PrefixFrom(p.Addr().Next(), p.Bits())
}
