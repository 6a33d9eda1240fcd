package wire

import (
	"encoding/binary"
	"fmt"

	"nmgre/routes/gre"
)

// ChangeGRE returns the attributes (IFLA_INFO_DATA) of a GRE device with options switched on and
// off. data has those that the kernel reports: all of them are sent back, since the kernel sets an
// attribute that is missing to its default. Checksums and sequence numbers are those of both
// directions. It fails with [ErrMalformed].
func ChangeGRE(data []byte, on, off gre.LinkOptions) ([]byte, error) {
	var changed []byte
	err := EachAttribute(data, func(kind uint16, v []byte) error {
		switch kind {
		case greInFlags, greOutFlags:
			if len(v) != 2 {
				return fmt.Errorf("%w: GRE flags of %d bytes", ErrMalformed, len(v))
			}
			bits := binary.BigEndian.Uint16(v)&^headerBits(off) | headerBits(on)
			v = binary.BigEndian.AppendUint16(nil, bits)
		case greIgnoreDF:
			if on.IgnoreDF || off.IgnoreDF {
				return nil // it is written below
			}
		}
		changed = AppendAttribute(changed, kind, v)
		return nil
	})
	if err == nil && (on.IgnoreDF || off.IgnoreDF) {
		changed = AppendAttribute(changed, greIgnoreDF, []byte{map[bool]byte{true: 1}[on.IgnoreDF]})
	}
	return changed, err
}

// headerBits returns the bits of the GRE header that the options stand for.
func headerBits(o gre.LinkOptions) uint16 {
	var bits uint16
	if o.Checksum {
		bits |= bitChecksum
	}
	if o.Sequence {
		bits |= bitSequence
	}
	return bits
}
