package routes

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// errMalformed says that a message is not what the kernel's headers say it is.
var errMalformed = errors.New("malformed netlink message")

// native is the byte order of this machine, which netlink uses for everything that is not a packet's own.
var native = binary.NativeEndian

// attributeKind is the part of an attribute's type that is not flags (NLA_F_NESTED, NLA_F_NET_BYTEORDER).
const attributeKind = 0x3fff

// eachAttribute gives each attribute in b to take, which must not keep the value. The library's ParseRouteAttr is not used: it
// reads past the end when the last attribute is not padded.
func eachAttribute(b []byte, take func(kind uint16, value []byte) error) error {
	for len(b) >= unix.SizeofRtAttr {
		size := int(native.Uint16(b))
		if size < unix.SizeofRtAttr || size > len(b) {
			return fmt.Errorf("%w: an attribute of %d bytes where %d are left", errMalformed, size, len(b))
		}
		kind := native.Uint16(b[2:]) & attributeKind
		if err := take(kind, b[unix.SizeofRtAttr:size]); err != nil {
			return err
		}
		b = b[min(aligned(size), len(b)):]
	}
	return nil
}

// aligned rounds a length up to the four bytes that netlink aligns everything to.
func aligned(n int) int { return (n + 3) &^ 3 }

// appendAttribute appends an attribute with its padding.
func appendAttribute(b []byte, kind uint16, value []byte) []byte {
	b = native.AppendUint16(b, uint16(unix.SizeofRtAttr+len(value)))
	b = native.AppendUint16(b, kind)
	b = append(b, value...)
	return append(b, make([]byte, aligned(len(value))-len(value))...)
}

func appendUint32(b []byte, kind uint16, value uint32) []byte {
	return appendAttribute(b, kind, native.AppendUint32(nil, value))
}

// values reads the values of attributes and remembers the first that was too short, so that a parser checks once, at its end.
// A value that is longer than expected is taken: newer kernels append to structures.
type values struct{ err error }

// need returns the first n bytes of v, or zeros.
func (r *values) need(v []byte, n int) []byte {
	if len(v) >= n {
		return v[:n]
	}
	if r.err == nil {
		r.err = fmt.Errorf("%w: a value of %d bytes instead of %d", errMalformed, len(v), n)
	}
	return make([]byte, n)
}

func (r *values) uint8(v []byte) uint8   { return r.need(v, 1)[0] }
func (r *values) uint32(v []byte) uint32 { return native.Uint32(r.need(v, 4)) }
func (r *values) be16(v []byte) uint16   { return binary.BigEndian.Uint16(r.need(v, 2)) }
func (r *values) be32(v []byte) uint32   { return binary.BigEndian.Uint32(r.need(v, 4)) }
func (r *values) index(v []byte) int     { return int(int32(r.uint32(v))) }

// addr reads an address of a family, AF_INET or AF_INET6.
func (r *values) addr(family uint8, v []byte) netip.Addr {
	switch family {
	case unix.AF_INET:
		return netip.AddrFrom4([4]byte(r.need(v, 4)))
	case unix.AF_INET6:
		return netip.AddrFrom16([16]byte(r.need(v, 16)))
	}
	if r.err == nil {
		r.err = fmt.Errorf("%w: an address of family %d", errMalformed, family)
	}
	return netip.Addr{}
}

// familyOf returns the address family of a.
func familyOf(a netip.Addr) uint8 {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}
