package gre

import (
	"net/netip"

	"nmgre/routes/fault"
)

// Mode is the kind of GRE tunnel, as `ip link add ... type` names it.
type Mode uint8

// The modes that NetworkManager's ip-tunnel setting and the kernel share.
const (
	ModeGRE       Mode = iota + 1 // IP over GRE over IPv4 (RFC 2784)
	ModeGRETAP                    // Ethernet over GRE over IPv4
	ModeIP6GRE                    // IP over GRE over IPv6 (RFC 7676)
	ModeIP6GRETAP                 // Ethernet over GRE over IPv6
)

// Modes lists every mode, in the order in which they are offered.
var Modes = [...]Mode{ModeGRE, ModeGRETAP, ModeIP6GRE, ModeIP6GRETAP}

var modeNames = [...]string{ModeGRE: "gre", ModeGRETAP: "gretap", ModeIP6GRE: "ip6gre", ModeIP6GRETAP: "ip6gretap"}

// Known reports whether m is one of the modes above. The zero Mode is none.
func (m Mode) Known() bool { return m != 0 && int(m) < len(modeNames) }

// ParseMode reads a mode's name. Its errors are [ErrInvalid] for the field "mode".
func ParseMode(s string) (Mode, error) {
	for _, m := range Modes {
		if m.String() == s {
			return m, nil
		}
	}
	return 0, fault.Invalid("mode", "use gre, gretap, ip6gre or ip6gretap", "%.80q is no GRE mode", s)
}

// String returns the mode's name, "unknown" for a number that is no mode.
func (m Mode) String() string {
	if m.Known() {
		return modeNames[m]
	}
	return "unknown"
}

// MarshalText and UnmarshalText let a mode stand as its name in JSON.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (m *Mode) UnmarshalText(text []byte) (err error) {
	*m, err = ParseMode(string(text))
	return err
}

// IPv6Outer says whether the tunnel is carried by IPv6.
func (m Mode) IPv6Outer() bool { return m == ModeIP6GRE || m == ModeIP6GRETAP }

// Ethernet says whether the tunnel carries Ethernet frames, so that it can be a bridge's port,
// instead of IP packets.
func (m Mode) Ethernet() bool { return m == ModeGRETAP || m == ModeIP6GRETAP }

// Fits says whether a can be an outer address of this mode.
func (m Mode) Fits(a netip.Addr) bool { return a.Is6() == m.IPv6Outer() }

// AnyAddr is the outer address that stands for "any".
func (m Mode) AnyAddr() netip.Addr {
	if m.IPv6Outer() {
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}
