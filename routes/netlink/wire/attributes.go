package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
)

// Invalid is the error for a request that cannot be put to the kernel at all.
func Invalid(format string, args ...any) error {
	return &fault.Error{Kind: fault.ErrInvalid, What: fmt.Sprintf(format, args...)}
}

// ErrMalformed says that a message is not what the kernel's headers say it is.
var ErrMalformed = errors.New("malformed netlink message")

// Native is the byte order of this machine, which netlink uses for everything that is not a
// packet's own.
var Native = binary.NativeEndian

// attributeKind is the part of an attribute's type that is not flags (NLA_F_NESTED,
// NLA_F_NET_BYTEORDER).
const attributeKind = 0x3fff

// attributes walks through attributes that stand one behind the other. The library's ParseRouteAttr
// is not used: it reads past the end when the last attribute is not padded, and makes a list of
// what is looked at once.
type attributes struct {
	rest  []byte
	kind  uint16
	value []byte // of the attribute that next went to; part of what is walked through
	err   error
}

// next goes to the next attribute. It is false at the end, and when what is left is no attribute:
// err then says why.
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
	a.rest = a.rest[min(Aligned(size), len(a.rest)):]
	return true
}

// EachAttribute gives each attribute in b to take, which must not keep the value.
func EachAttribute(b []byte, take func(kind uint16, value []byte) error) error {
	a := attributes{rest: b}
	for a.next() {
		if err := take(a.kind, a.value); err != nil {
			return err
		}
	}
	return a.err
}

// Aligned rounds a length up to the four bytes that netlink aligns everything to.
func Aligned(n int) int { return (n + 3) &^ 3 }

// AppendAttribute appends an attribute with its padding.
func AppendAttribute(b []byte, kind uint16, value []byte) []byte {
	b = Native.AppendUint16(b, uint16(unix.SizeofRtAttr+len(value)))
	b = Native.AppendUint16(b, kind)
	b = append(b, value...)
	return pad(b, len(value))
}

// pad appends the padding behind n bytes.
func pad(b []byte, n int) []byte {
	for ; n%4 != 0; n++ {
		b = append(b, 0)
	}
	return b
}

// openAttribute begins an attribute whose value is appended next; closeAttribute, given the same
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

// Values reads the values of attributes and remembers the first that was too short, so that a
// parser checks once, at its end. A value that is longer than expected is taken: newer kernels
// append to structures.
type Values struct{ Err error }

// Need returns the first n bytes of v, or zeros.
func (r *Values) Need(v []byte, n int) []byte {
	if len(v) >= n {
		return v[:n]
	}
	r.fail("a value of %d bytes instead of %d", len(v), n)
	return make([]byte, n)
}

// fail remembers what is wrong, if nothing was before.
func (r *Values) fail(format string, args ...any) {
	if r.Err == nil {
		r.Err = fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
	}
}

func (r *Values) uint8(v []byte) uint8 { return r.Need(v, 1)[0] }

func (r *Values) uint16(v []byte) uint16 { return Native.Uint16(r.Need(v, 2)) }

func (r *Values) Uint32(v []byte) uint32 { return Native.Uint32(r.Need(v, 4)) }

func (r *Values) be16(v []byte) uint16 { return binary.BigEndian.Uint16(r.Need(v, 2)) }

func (r *Values) be32(v []byte) uint32 { return binary.BigEndian.Uint32(r.Need(v, 4)) }

func (r *Values) be64(v []byte) uint64 { return binary.BigEndian.Uint64(r.Need(v, 8)) }

func (r *Values) Index(v []byte) int { return int(int32(r.Uint32(v))) }

// Addr reads an address of a family, AF_INET or AF_INET6.
func (r *Values) Addr(family uint8, v []byte) netip.Addr {
	switch family {
	case unix.AF_INET:
		return netip.AddrFrom4([4]byte(r.Need(v, 4)))
	case unix.AF_INET6:
		return netip.AddrFrom16([16]byte(r.Need(v, 16)))
	}
	r.fail("an address of family %d", family)
	return netip.Addr{}
}

// FamilyOf returns the address family of a.
func FamilyOf(a netip.Addr) uint8 {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}
