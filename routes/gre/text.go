package gre

import (
	"fmt"
	"net/netip"
	"strconv"
)

// The texts of a tunnel's header fields, as people and `ip link` write them. Each field has one
// text, wherever it is shown.

// KeyText returns the key in decimal, or "" for no key. "0" is a key.
func KeyText(k *Key) string {
	if k == nil {
		return ""
	}
	return k.String()
}

// TTLText returns the TTL as `ip link` takes it: "inherit" for 0, else the number.
func TTLText(ttl uint8) string {
	if ttl == 0 {
		return inherit
	}
	return strconv.Itoa(int(ttl))
}

// TOSText returns the TOS as `ip link` takes it: "inherit" for 1, else hexadecimal such as "0x10".
// No TOS is "0".
func TOSText(tos uint8) string {
	switch tos {
	case 0:
		return "0"
	case 1: // the kernel and NetworkManager reserve this number for it
		return inherit
	}
	return fmt.Sprintf("%#x", tos)
}

// inherit is iproute2's word for a field that is copied from the inner packet.
const inherit = "inherit"

// OuterText returns an outer address, or "any" where none is set or it is the unspecified one.
func OuterText(a netip.Addr) string {
	if !a.IsValid() || a.IsUnspecified() {
		return "any"
	}
	return a.String()
}

// NoFarEnd reports whether the kernel makes no link of the mode because its remote is no host: an
// Ethernet tunnel has one far end.
func NoFarEnd(m Mode, remote netip.Addr) bool {
	return m.Ethernet() && (!remote.IsValid() || remote.IsUnspecified())
}

// RemoteText returns the far end's outer address, or explains a tunnel of the mode without one.
func RemoteText(m Mode, a netip.Addr) string {
	if NoFarEnd(m, a) {
		return "any: the kernel makes no " + m.String() + " link without a far end"
	}
	if !a.IsValid() || a.IsUnspecified() {
		return "any: packets of every host come in, and none go out but to neighbours that somebody adds (ip neigh)"
	}
	return a.String()
}
