package gre

import (
	"strconv"
	"strings"

	"nmgre/routes/fault"
)

// Flags are NetworkManager's ip-tunnel.flags (NMIPTunnelFlags). Only the IPv6 modes have them.
type Flags uint32

// The flags, with NetworkManager's names and numbers.
const (
	// send no encapsulation limit option, which takes 8 bytes
	FlagIgnEncapLimit    Flags = 1 << iota
	FlagUseOrigTClass          // copy the traffic class from the inner packet
	FlagUseOrigFlowLabel       // copy the flow label from the inner packet
	FlagMIP6Dev                // the device is for Mobile IPv6
	FlagRcvDSCPCopy            // copy the DSCP to the inner packet on receipt
	FlagUseOrigFwmark          // copy the fwmark from the inner packet
)

// AllFlags are all flags that NetworkManager knows.
const AllFlags = FlagUseOrigFwmark<<1 - 1

// flagNames are NetworkManager's words for the flags, as nmcli takes them, in the order of their
// bits.
var flagNames = [...]string{"ip6-ign-encap-limit", "ip6-use-orig-tclass", "ip6-use-orig-flowlabel", "ip6-mip6-dev", "ip6-rcv-dscp-copy", "ip6-use-orig-fwmark"}

// FlagNames returns NetworkManager's words for the flags.
func FlagNames() []string { return flagNames[:] }

// String returns the flags in NetworkManager's words, with commas between them, and bits without a
// word as a hexadecimal number. It is empty for no flags.
func (f Flags) String() string {
	var words []string
	for i, name := range flagNames {
		if f&(1<<i) != 0 {
			words = append(words, name)
		}
	}
	if rest := f &^ AllFlags; rest != 0 {
		words = append(words, "0x"+strconv.FormatUint(uint64(rest), 16))
	}
	return strings.Join(words, ",")
}

// ParseFlags reads the texts of [Flags.String], a number as nmcli takes it, or none. Words of a
// list may have spaces around them. It fails with [fault.ErrInvalid].
func ParseFlags(text string) (Flags, error) {
	var all Flags
	if text == "none" {
		return 0, nil
	}
	for _, word := range strings.Split(text, ",") {
		f, ok := parseFlag(strings.TrimSpace(word))
		if !ok {
			return 0, fault.Invalid("flags", fault.Choice(word, "flags", flagNames[:], nil)+"; put commas between them, or say none", "\"%.80s\" is no flag", fault.Printable(word))
		}
		all |= f
	}
	return all, nil
}

func parseFlag(word string) (Flags, bool) {
	for i, name := range flagNames {
		if word == name {
			return 1 << i, true
		}
	}
	n, err := strconv.ParseUint(word, 0, 32)
	return Flags(n), err == nil
}

// DefaultTTL is the TTL of the outer packets of a new tunnel. With the inner packet's TTL, routing
// protocols' hellos (TTL 1) and traceroute's packets would die on the way.
const DefaultTTL = 64

// DefaultEncapLimit is the tunnel encapsulation limit (RFC 2473) of a new tunnel by IPv6, as it is
// iproute2's. NetworkManager's default is 0, which keeps the packets out of any further tunnel on
// their way.
const DefaultEncapLimit = 4
