package wire

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"nmgre/routes"
	"nmgre/routes/fault"
)

// Attributes of the lightweight tunnels "ip" and "ip6" (linux/lwtunnel.h), which package unix
// lacks. Both tunnels use the same numbers; "ip6" calls TTL and TOS hop limit and traffic class.
const (
	lwtID    = 1
	lwtDst   = 2
	lwtSrc   = 3
	lwtTTL   = 4
	lwtTOS   = 5
	lwtFlags = 6
	lwtOpts  = 8
)

// Flags of those tunnels (linux/if_tunnel.h), in network byte order.
const (
	lwtCsum = 0x0001
	lwtKey  = 0x0004
	lwtSeq  = 0x0008
)

// An entry of an MPLS label stack (RFC 3032): 20 bits of label, 3 of traffic class, 1 that marks
// the bottom of the stack, 8 of TTL.
const (
	labelShift  = 12
	labelBottom = 1 << 8
	maxLabel    = 1<<20 - 1
	maxLabels   = 30 // MAX_NEW_LABELS
)

// appendEncap appends RTA_ENCAP and RTA_ENCAP_TYPE; nothing for nil.
func appendEncap(b []byte, e *routes.Encap) []byte {
	if e == nil {
		return b
	}
	b, start := openAttribute(b, unix.RTA_ENCAP|unix.NLA_F_NESTED)
	switch e.Type {
	case routes.EncapMPLS:
		b = appendMPLS(b, e)
	case routes.EncapIP, routes.EncapIP6:
		b = appendIPTunnel(b, e)
	case routes.EncapSEG6:
		b = appendSEG6(b, e)
	}
	b = closeAttribute(b, start)
	return appendUint16(b, unix.RTA_ENCAP_TYPE, uint16(e.Type))
}

func appendIPTunnel(b []byte, e *routes.Encap) []byte {
	if e.ID != nil {
		b = AppendAttribute(b, lwtID, binary.BigEndian.AppendUint64(nil, *e.ID))
	}
	if e.Dst.IsValid() {
		b = appendAddr(b, lwtDst, e.Dst)
	}
	if e.Src.IsValid() {
		b = appendAddr(b, lwtSrc, e.Src)
	}
	if e.TOS != nil {
		b = appendUint8(b, lwtTOS, *e.TOS)
	}
	if e.TTL != nil {
		b = appendUint8(b, lwtTTL, *e.TTL)
	}
	if flags := tunnelFlags(e); flags != 0 {
		b = AppendAttribute(b, lwtFlags, binary.BigEndian.AppendUint16(nil, flags))
	}
	return b
}

func tunnelFlags(e *routes.Encap) (flags uint16) {
	if e.Csum {
		flags |= lwtCsum
	}
	if e.Key {
		flags |= lwtKey
	}
	if e.Seq {
		flags |= lwtSeq
	}
	return flags
}

func appendMPLS(b []byte, e *routes.Encap) []byte {
	b, start := openAttribute(b, unix.MPLS_IPTUNNEL_DST)
	for i, label := range e.Labels {
		entry := label << labelShift
		if i == len(e.Labels)-1 {
			entry |= labelBottom
		}
		b = binary.BigEndian.AppendUint32(b, entry)
	}
	b = closeAttribute(b, start)
	if e.TTL != nil {
		b = appendUint8(b, unix.MPLS_IPTUNNEL_TTL, *e.TTL)
	}
	return b
}

// parseEncap reads RTA_ENCAP. It sets foreign when the encap has an attribute or a value that
// [routes.Encap] cannot hold.
func (r *Reader) parseEncap(kind uint16, v []byte, foreign *bool) *routes.Encap {
	e := &routes.Encap{Type: routes.EncapType(min(kind, 0xff))}
	var take func(e *routes.Encap, kind uint16, v []byte) (known bool)
	switch e.Type {
	case routes.EncapIP, routes.EncapIP6:
		take = r.takeIPTunnel
	case routes.EncapMPLS:
		take = r.takeMPLS
	case routes.EncapSEG6:
		take = r.takeSEG6
	default:
		*foreign = true
		return e
	}
	a := attributes{rest: v}
	for a.next() && r.Err == nil {
		if !take(e, a.kind, a.value) {
			*foreign = true
		}
	}
	if r.Err == nil {
		r.Err = a.err
	}
	return e
}

// takeIPTunnel reads an attribute of ip or ip6, and reports whether [routes.Encap] can hold it. The
// kernel reports a value that nobody has given as zero; here it is absent.
func (r *Reader) takeIPTunnel(e *routes.Encap, kind uint16, v []byte) bool {
	family := uint8(unix.AF_INET)
	if e.Type == routes.EncapIP6 {
		family = unix.AF_INET6
	}
	switch kind {
	case lwtID:
		e.ID = nonZero(r.be64(v))
	case lwtDst:
		e.Dst = specified(r.Addr(family, v))
	case lwtSrc:
		e.Src = specified(r.Addr(family, v))
	case lwtTOS:
		e.TOS = nonZero(r.uint8(v))
	case lwtTTL:
		e.TTL = nonZero(r.uint8(v))
	case lwtFlags:
		flags := r.be16(v)
		e.Csum, e.Key, e.Seq = flags&lwtCsum != 0, flags&lwtKey != 0, flags&lwtSeq != 0
		return flags&^(lwtCsum|lwtKey|lwtSeq) == 0
	case lwtOpts:
		return len(v) == 0
	}
	return true
}

// takeMPLS reads an attribute of mpls, and reports whether [routes.Encap] can hold it.
func (r *Reader) takeMPLS(e *routes.Encap, kind uint16, v []byte) bool {
	known := true
	switch kind {
	case unix.MPLS_IPTUNNEL_DST:
		if len(v)%4 != 0 || len(v) > 4*maxLabels {
			r.fail("labels of %d bytes", len(v))
			return true
		}
		e.Labels = nil
		for ; len(v) > 0; v = v[4:] {
			entry := r.be32(v)
			e.Labels = append(e.Labels, entry>>labelShift)
			bottom := uint32(0)
			if len(v) == 4 {
				bottom = labelBottom
			}
			known = known && entry&(1<<labelShift-1) == bottom
		}
	case unix.MPLS_IPTUNNEL_TTL:
		ttl := r.uint8(v)
		e.TTL = &ttl
	}
	return known
}

func nonZero[T uint8 | uint64](v T) *T {
	if v == 0 {
		return nil
	}
	return &v
}

func specified(a netip.Addr) netip.Addr {
	if a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
}

// sameEncap reports whether the kernel would hold the same encap for both.
func sameEncap(a, b *routes.Encap) bool {
	if a == b || a == nil || b == nil {
		return a == b
	}
	if a.Type != b.Type {
		return false
	}
	switch a.Type {
	case routes.EncapMPLS: // a TTL of 0 differs from an absent one: it copies the packet's
		return slices.Equal(a.Labels, b.Labels) && (a.TTL == nil) == (b.TTL == nil) && orZero(a.TTL) == orZero(b.TTL)
	case routes.EncapSEG6:
		return a.Mode == b.Mode && a.HMAC == b.HMAC && slices.Equal(a.Segments, b.Segments)
	default:
		return orZero(a.ID) == orZero(b.ID) && orZero(a.TOS) == orZero(b.TOS) && orZero(a.TTL) == orZero(b.TTL) &&
			specified(a.Dst) == specified(b.Dst) && specified(a.Src) == specified(b.Src) && tunnelFlags(a) == tunnelFlags(b)
	}
}

func orZero[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// encapSize bounds the size of an encap in a message, in bytes.
func encapSize(e *routes.Encap) int {
	if e == nil {
		return 0
	}
	return 128 + 4*len(e.Labels) + 16*len(e.Segments)
}

// checkEncap refuses an encap that cannot be encoded; the kernel checks the rest.
func checkEncap(e *routes.Encap) error {
	if e == nil {
		return nil
	}
	switch e.Type {
	case routes.EncapMPLS:
		return checkLabels(e.Labels)
	case routes.EncapIP, routes.EncapIP6:
		for _, a := range []netip.Addr{e.Dst, e.Src} {
			if a.IsValid() && (a.Is4In6() || a.Is4() != (e.Type == routes.EncapIP)) {
				return invalid("%s is not of the encap's address family", fault.Printable(a.String()))
			}
		}
	case routes.EncapSEG6:
		return checkSegments(e)
	default:
		return invalid("an encap of type %d is not known", e.Type)
	}
	return nil
}

func checkLabels(labels []uint32) error {
	if len(labels) == 0 || len(labels) > maxLabels {
		return invalid("an encap mpls has %d labels, instead of 1 to %d", len(labels), maxLabels)
	}
	for _, label := range labels {
		if label > maxLabel {
			return invalid("an encap mpls has the label %d, more than %d", label, maxLabel)
		}
	}
	return nil
}
