package sets

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"nmgre/routes/gateway/registers"
	"nmgre/routes/netlink/wire"
)

// A verdict is read from attributes that may be cut off anywhere.
func TestVerdictOf(t *testing.T) {
	jump := wire.AppendAttribute(nil, unix.NFTA_VERDICT_CODE, binary.BigEndian.AppendUint32(nil, 1<<32-3))
	jump = wire.Native.AppendUint16(wire.Native.AppendUint16(jump, 7), unix.NFTA_VERDICT_CHAIN)
	jump = append(jump, 'a', 'b', 0) // without padding
	if v := VerdictOf(jump); v == nil || v.Kind != expr.VerdictJump || v.Chain != "ab" {
		t.Errorf("read as %+v", v)
	}
	for _, size := range []uint16{0, 3, 8} {
		wire.Native.PutUint16(jump[8:], size)
		if v := VerdictOf(jump); v != nil {
			t.Errorf("with a chain of %d bytes: %+v", size, v)
		}
	}
}

func FuzzVerdict(f *testing.F) {
	f.Add(wire.AppendAttribute(wire.AppendAttribute(nil, unix.NFTA_VERDICT_CODE, []byte{255, 255, 255, 253}), unix.NFTA_VERDICT_CHAIN, []byte("other\x00")))
	f.Fuzz(func(t *testing.T, value []byte) {
		if v := VerdictOf(value); v != nil && len(v.Chain) > len(value) {
			t.Errorf("read as %+v", v)
		}
	})
}

// FuzzSet looks for keys in sets, of intervals and others.
func FuzzSet(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 1, 192, 0, 2, 0, 0, 192, 0, 2, 8, 1}, []byte{192, 0, 2, 2})
	f.Add([]byte{10, 0, 0, 0, 0, 10, 0, 0, 1, 1, 10, 0, 0, 1, 0}, []byte{10, 0, 0, 1, 9})
	f.Fuzz(func(t *testing.T, in, key []byte) {
		var list []nftables.SetElement
		for ; len(in) >= 5; in = in[5:] {
			list = append(list, nftables.SetElement{Key: in[:4-in[4]>>6], IntervalEnd: in[4]&1 != 0})
		}
		_, got := Of(list).Find(key)
		exact := slices.ContainsFunc(list, func(e nftables.SetElement) bool { return len(e.Key) == 4 && !e.IntervalEnd && bytes.Equal(e.Key, key) })
		if exact && got == registers.No {
			t.Errorf("%v in %+v: %v", key, list, got)
		}
	})
}
