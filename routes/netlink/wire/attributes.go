package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
)

// invalid makes the error for a request that no message can express.
func invalid(format string, args ...any) error {
	return &fault.Error{Kind: fault.ErrInvalid, What: fmt.Sprintf(format, args...)}
}

// ErrMalformed is the error for a message whose layout is not that of the kernel's headers.
var ErrMalformed = errors.New("malformed netlink message")

// Native is the byte order of this machine. Netlink uses it for all numbers but those that stand so
// in packets, such as a GRE key.
var Native = binary.NativeEndian

// attributeKind masks the flags NLA_F_NESTED and NLA_F_NET_BYTEORDER out of an attribute's type
// (NLA_TYPE_MASK).
const attributeKind = 0x3fff

// attributes walks through a sequence of attributes (struct rtattr). The library's ParseRouteAttr
// is not used: it reads past the end when the last attribute is not padded, and it allocates a
// list.
type attributes struct {
	rest  []byte
	kind  uint16
	value []byte // of the attribute that next went to; a part of rest's memory
	err   error
}

// next goes to the next attribute. It returns false at the end, and when the rest is no attribute:
// then err says why.
func (a *attributes) next() bool {
	if len(a.rest) < unix.SizeofRtAttr || a.err != nil {
		return false
	}
	size := int(Native.Uint16(a.rest))
	if size < unix.SizeofRtAttr || size > len(a.rest) {
		a.err = fmt.Errorf("%w: an attribute of %d bytes where %d are left", ErrMalformed, size, len(a.rest))
		return false
	}
	a.kind, a.value = Native.Uint16(a.rest[2:])&attributeKind, a.rest[unix.SizeofRtAttr:size]
	a.rest = a.rest[min(Align(size), len(a.rest)):]
	return true
}

// EachAttribute calls take with the type, without its flags, and the value of each attribute in b,
// in their order. It ends with the first error of take, or with an [ErrMalformed]. The value is a
// part of b, so take must not keep it.
func EachAttribute(b []byte, take func(kind uint16, value []byte) error) error {
	a := attributes{rest: b}
	for a.next() {
		if err := take(a.kind, a.value); err != nil {
			return err
		}
	}
	return a.err
}

// Align rounds a length in bytes up to a multiple of four, to which netlink aligns messages and
// attributes (NLMSG_ALIGN, RTA_ALIGN).
func Align(n int) int { return (n + 3) &^ 3 }

// AppendAttribute appends an attribute and its padding to b. The value has at most 65,531 bytes.
func AppendAttribute(b []byte, kind uint16, value []byte) []byte {
	b = Native.AppendUint16(b, uint16(unix.SizeofRtAttr+len(value)))
	b = Native.AppendUint16(b, kind)
	b = append(b, value...)
	return pad(b, len(value))
}

// pad appends the zeros that align n bytes.
func pad(b []byte, n int) []byte {
	for ; n%4 != 0; n++ {
		b = append(b, 0)
	}
	return b
}

// openAttribute begins an attribute whose value is appended next. closeAttribute, given the same
// start, ends it.
func openAttribute(b []byte, kind uint16) (with []byte, start int) {
	start = len(b)
	return Native.AppendUint16(append(b, 0, 0), kind), start
}

func closeAttribute(b []byte, start int) []byte {
	size := len(b) - start
	Native.PutUint16(b[start:], uint16(size)) //nolint:gosec // checkSize has seen to it
	return pad(b, size)
}

func appendUint8(b []byte, kind uint16, value uint8) []byte {
	return AppendAttribute(b, kind, []byte{value})
}

func appendUint16(b []byte, kind, value uint16) []byte {
	return AppendAttribute(b, kind, Native.AppendUint16(make([]byte, 0, 2), value))
}

// AppendUint32 appends an attribute whose value is a 32-bit number in [Native] order.
func AppendUint32(b []byte, kind uint16, value uint32) []byte {
	return AppendAttribute(b, kind, Native.AppendUint32(make([]byte, 0, 4), value))
}

func appendAddr(b []byte, kind uint16, a netip.Addr) []byte {
	if a.Is4() {
		bytes := a.As4()
		return AppendAttribute(b, kind, bytes[:])
	}
	bytes := a.As16()
	return AppendAttribute(b, kind, bytes[:])
}

// Reader reads the values of attributes. A value that is too short reads as zero; Err is the error
// of the first such value, an [ErrMalformed]. So a parser checks once, at its end. A value that is
// too long is accepted, because newer kernels append to structures.
type Reader struct{ Err error }

// Bytes returns the first n bytes of v; n zeros if v is shorter.
func (r *Reader) Bytes(v []byte, n int) []byte {
	if len(v) >= n {
		return v[:n]
	}
	r.fail("a value of %d bytes instead of %d", len(v), n)
	return make([]byte, n)
}

// fail sets Err, unless it is set already.
func (r *Reader) fail(format string, args ...any) {
	if r.Err == nil {
		r.Err = fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
	}
}

func (r *Reader) uint8(v []byte) uint8 { return r.Bytes(v, 1)[0] }

func (r *Reader) uint16(v []byte) uint16 { return Native.Uint16(r.Bytes(v, 2)) }

// Uint32 reads a 32-bit number in [Native] order.
func (r *Reader) Uint32(v []byte) uint32 { return Native.Uint32(r.Bytes(v, 4)) }

func (r *Reader) be16(v []byte) uint16 { return binary.BigEndian.Uint16(r.Bytes(v, 2)) }

func (r *Reader) be32(v []byte) uint32 { return binary.BigEndian.Uint32(r.Bytes(v, 4)) }

func (r *Reader) be64(v []byte) uint64 { return binary.BigEndian.Uint64(r.Bytes(v, 8)) }

// Int reads a signed 32-bit number in [Native] order, such as the index of a device.
func (r *Reader) Int(v []byte) int { return int(int32(r.Uint32(v))) }

// Addr reads an address of the family AF_INET or AF_INET6, in the bytes' order of a packet. Another
// family is an error.
func (r *Reader) Addr(family uint8, v []byte) netip.Addr {
	switch family {
	case unix.AF_INET:
		return netip.AddrFrom4([4]byte(r.Bytes(v, 4)))
	case unix.AF_INET6:
		return netip.AddrFrom16([16]byte(r.Bytes(v, 16)))
	}
	r.fail("an address of family %d", family)
	return netip.Addr{}
}

// FamilyOf returns AF_INET for an IPv4 address, and AF_INET6 for every other.
func FamilyOf(a netip.Addr) uint8 {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}
