package gre

import (
	"net/netip"

	"nmgre/routes/fault"
)

// Mode is the kind of a GRE tunnel, by the name that `ip link add type` has for it.
type Mode uint8

// The modes that NetworkManager's ip-tunnel setting and the kernel share.
const (
	ModeGRE       Mode = iota + 1 // IP over GRE over IPv4 (RFC 2784)
	ModeGRETAP                    // Ethernet over GRE over IPv4
	ModeIP6GRE                    // IP over GRE over IPv6 (RFC 7676)
	ModeIP6GRETAP                 // Ethernet over GRE over IPv6
)

// Modes are all modes, in the order in which they are offered.
var Modes = [...]Mode{ModeGRE, ModeGRETAP, ModeIP6GRE, ModeIP6GRETAP}

var modeNames = [...]string{ModeGRE: "gre", ModeGRETAP: "gretap", ModeIP6GRE: "ip6gre", ModeIP6GRETAP: "ip6gretap"}

// Known reports whether m is one of the modes above. The zero Mode is none.
func (m Mode) Known() bool { return m != 0 && int(m) < len(modeNames) }

// ParseMode reads a mode's name. Its errors are [fault.ErrInvalid] for the field "mode".
func ParseMode(s string) (Mode, error) {
	for _, m := range Modes {
		if m.String() == s {
			return m, nil
		}
	}
	meant := map[string]string{"ipgre": "gre", "gre4": "gre", "greip": "gre", "gre6": "ip6gre", "gretap6": "ip6gretap", "tap": "gretap"}
	return 0, fault.Invalid("mode", fault.Choice(s, "modes", modeNames[1:], meant), "%.80q is no GRE mode", s)
}

// String returns the mode's name, or "unknown" for a number that is not a mode.
func (m Mode) String() string {
	if m.Known() {
		return modeNames[m]
	}
	return "unknown"
}

// MarshalText returns the mode's name, by which it stands in JSON.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads a mode's name.
func (m *Mode) UnmarshalText(text []byte) (err error) {
	*m, err = ParseMode(string(text))
	return err
}

// IPv6Outer reports whether IPv6 carries the tunnel.
func (m Mode) IPv6Outer() bool { return m == ModeIP6GRE || m == ModeIP6GRETAP }

// Ethernet reports whether the tunnel carries Ethernet frames, so that it can be the port of a
// bridge. The other modes carry IP packets.
func (m Mode) Ethernet() bool { return m == ModeGRETAP || m == ModeIP6GRETAP }

// Fits reports whether a is of the family of this mode's outer addresses.
func (m Mode) Fits(a netip.Addr) bool { return a.Is6() == m.IPv6Outer() }

// AnyAddr returns the outer address that means "any": the unspecified one of the mode's family.
func (m Mode) AnyAddr() netip.Addr {
	if m.IPv6Outer() {
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}
