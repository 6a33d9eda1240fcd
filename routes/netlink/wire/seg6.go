package wire

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"nmgre/routes"
	"nmgre/routes/fault"
)

// seg6SRH is the attribute of the lightweight tunnel "seg6" (SEG6_IPTUNNEL_SRH of
// linux/seg6_iptunnel.h), which package unix lacks.
const seg6SRH = 1

// The segment routing header (RFC 8754), which follows the mode in struct seg6_iptunnel_encap.
// Sizes are in bytes.
const (
	srhMode     = 4 // the mode
	srhFixed    = 8 // the part before the segments
	srhType     = 4 // routing type
	srhFlagHMAC = 1 << 3
	tlvHMAC     = 5
	tlvHMACSize = 40

	// maxSegments keeps the header's length, in units of 8 bytes, within its byte.
	maxSegments = 120
)

// appendSEG6 appends the header. Its segments stand in reverse, the last one of the way first. The
// inline mode adds a place for the packet's own destination.
func appendSEG6(b []byte, e *routes.Encap) []byte {
	b, start := openAttribute(b, seg6SRH)
	b = Native.AppendUint32(b, uint32(e.Mode))
	count, size, flags := len(e.Segments), srhFixed, byte(0)
	if e.Mode == routes.SEG6Inline {
		count++
	}
	size += 16 * count
	if e.HMAC != 0 {
		size, flags = size+tlvHMACSize, srhFlagHMAC
	}
	last := byte(count - 1) //nolint:gosec // at most maxSegments, as checkSegments has seen
	b = append(b, 0, byte(size/8-1), srhType, last, last, flags, 0, 0)
	if e.Mode == routes.SEG6Inline {
		b = append(b, make([]byte, 16)...)
	}
	for _, segment := range slices.Backward(e.Segments) {
		bytes := segment.As16()
		b = append(b, bytes[:]...)
	}
	if e.HMAC != 0 {
		b = append(b, tlvHMAC, tlvHMACSize-2, 0, 0)
		b = binary.BigEndian.AppendUint32(b, e.HMAC)
		b = append(b, make([]byte, 32)...) // the HMAC itself, which the kernel computes
	}
	return closeAttribute(b, start)
}

// takeSEG6 reads an attribute of seg6, and reports whether [routes.Encap] can hold it.
func (r *Reader) takeSEG6(e *routes.Encap, kind uint16, v []byte) bool {
	if kind != seg6SRH {
		return false
	}
	mode := r.Uint32(v)
	if len(v) < srhMode+srhFixed || mode > 0xff {
		r.fail("a segment routing header of %d bytes, mode %d", len(v), mode)
		return true
	}
	e.Mode = routes.SEG6Mode(mode)
	v = v[srhMode:]
	size, count, flags := 8*(int(v[1])+1), int(v[4])+1, v[5]
	if size > len(v) || srhFixed+16*count > size {
		r.fail("a segment routing header of %d bytes with %d segments", size, count)
		return true
	}
	known := flags&^srhFlagHMAC == 0 && v[6] == 0 && v[7] == 0
	segments, rest := v[srhFixed:srhFixed+16*count], v[srhFixed+16*count:size]
	if e.Mode == routes.SEG6Inline {
		segments = segments[16:]
	}
	e.Segments = nil
	for ; len(segments) > 0; segments = segments[:len(segments)-16] {
		e.Segments = append(e.Segments, netip.AddrFrom16([16]byte(segments[len(segments)-16:])))
	}
	if flags&srhFlagHMAC != 0 && len(rest) == tlvHMACSize && rest[0] == tlvHMAC {
		e.HMAC = r.be32(rest[4:])
		return known
	}
	return known && len(rest) == 0
}

func checkSegments(e *routes.Encap) error {
	if len(e.Segments) == 0 || len(e.Segments) > maxSegments {
		return invalid("an encap seg6 has %d segments, instead of 1 to %d", len(e.Segments), maxSegments)
	}
	for _, segment := range e.Segments {
		if !segment.Is6() || segment.Is4In6() {
			return invalid("the segment %s is not an IPv6 address", fault.Printable(segment.String()))
		}
	}
	return nil
}
