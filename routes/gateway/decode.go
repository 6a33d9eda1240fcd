package gateway

import (
	"encoding/binary"
	"math/bits"
	"net/netip"

	"github.com/google/nftables/expr"
)

// snat is an SNAT rule, as decode reads it back.
type snat struct {
	inner, dst netip.Prefix
	dev        string     // packets that leave by it are exempt
	source     netip.Addr // zero for masquerade
}

// snatOf returns the SNAT rules of nmgre's tables. It leaves out rules that nmgre would not have
// written.
func snatOf(have map[chain]state) map[chain][]snat {
	rules := make(map[chain][]snat)
	for _, c := range []chain{snat4, snat6} {
		for _, t := range have[c].rules {
			if r, ok := t.decode(); ok {
				rules[c] = append(rules[c], r)
			}
		}
	}
	return rules
}

// decode is the reverse of snatExprs.
func (t text) decode() (r snat, ok bool) {
	h := headerOf(t.chain)
	everything := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	if t.chain == snat6 {
		everything = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	r.inner, r.dst = everything, everything
	// The offset of the last value that was loaded from the packet; 0 after a load from elsewhere.
	var offset uint32
	var mask []byte
	for _, e := range t.exprs {
		switch e := e.(type) {
		case *expr.Payload:
			offset, mask = e.Offset, nil
		case *expr.Bitwise:
			mask = e.Mask
		case *expr.Meta:
			offset = 0
		case *expr.Cmp:
			switch {
			case offset == h.source:
				r.inner = prefixOf(everything, e.Data, mask)
			case offset == h.destination:
				r.dst = prefixOf(everything, e.Data, mask)
			case r.dev == "":
				r.dev = nameOf(e.Data)
			}
		case *expr.Immediate:
			r.source, _ = netip.AddrFromSlice(e.Data)
		case *expr.NAT:
			return r, r.valid() && r.source.IsValid() && r.source.Is4() == everything.Addr().Is4()
		case *expr.Masq:
			return r, r.valid()
		}
	}
	return r, false
}

func (r snat) valid() bool { return r.inner.IsValid() && r.dst.IsValid() }

// prefixOf returns the prefix with the given first bytes. Its length is that of the mask, or of the
// bytes if mask is nil.
func prefixOf(everything netip.Prefix, first, mask []byte) netip.Prefix {
	address := make([]byte, everything.Addr().BitLen()/8)
	if len(first) > len(address) {
		return netip.Prefix{}
	}
	copy(address, first)
	length := 8 * len(first)
	if mask != nil {
		length = 0
		for _, b := range mask {
			length += bits.OnesCount8(b)
		}
	}
	a, _ := netip.AddrFromSlice(address)
	return netip.PrefixFrom(a, length)
}

// nameOf is the reverse of deviceName.
func nameOf(data []byte) string {
	for i, b := range data {
		if b == 0 {
			return string(data[:i])
		}
	}
	return string(data)
}

// nativeUint32 returns the bytes of a number in this machine's order, as in a register.
func nativeUint32(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }
