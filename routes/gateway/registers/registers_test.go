package registers

import (
	"testing"

	"github.com/google/nftables/expr"
)

// Comparisons of the value 5 in a register.
func TestCompare(t *testing.T) {
	for op, want := range map[expr.CmpOp][3]Answer{ // with 4, 5 and 6
		expr.CmpOpEq: {No, Yes, No}, expr.CmpOpNeq: {Yes, No, Yes}, expr.CmpOpLt: {No, No, Yes},
		expr.CmpOpLte: {No, Yes, Yes}, expr.CmpOpGt: {Yes, No, No}, expr.CmpOpGte: {Yes, Yes, No}, 99: {Unsure, Unsure, Unsure},
	} {
		for i := range want {
			var r File
			r.Set(1, []byte{5}, false)
			if got := r.Compare(&expr.Cmp{Op: op, Register: 1, Data: []byte{byte(4 + i)}}); got != want[i] {
				t.Errorf("5 %v %d: %v", op, 4+i, got)
			}
		}
	}
}

// A range is two comparisons with one value. Anything else that follows the first may be about a
// value that the library cannot read.
func TestCompareRange(t *testing.T) {
	for value, want := range map[byte]Answer{2: No, 3: Yes, 5: Yes, 6: Yes, 7: No} {
		var r File
		r.Set(1, []byte{value}, false)
		got := r.Compare(&expr.Cmp{Op: expr.CmpOpGte, Register: 1, Data: []byte{3}})
		if second := r.Compare(&expr.Cmp{Op: expr.CmpOpLte, Register: 1, Data: []byte{6}}); got == Yes {
			got = second
		}
		if got != want {
			t.Errorf("%d: %v", value, got)
		}
		if again := r.Compare(&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{value}}); again != Unsure {
			t.Errorf("%d, after the range: %v", value, again)
		}
		r.Set(1, []byte{value}, false)
		within := r.Within(&expr.Range{Op: expr.CmpOpEq, Register: 1, FromData: []byte{3}, ToData: []byte{6}})
		r.Set(1, []byte{value}, false)
		without := r.Within(&expr.Range{Op: expr.CmpOpNeq, Register: 1, FromData: []byte{3}, ToData: []byte{6}})
		if within != want || without != want.Not() {
			t.Errorf("%d: within %v, without %v", value, within, without)
		}
	}
	var r File
	r.Set(1, []byte{5}, false)
	r.Compare(&expr.Cmp{Op: expr.CmpOpGte, Register: 1, Data: []byte{3}})
	if got := r.Compare(&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{5}}); got != Unsure {
		t.Errorf("a value that is perhaps another: %v", got)
	}
}

// A comparison that does not fit is unsure: longer data, an unknown value, and a register that
// there is not.
func TestUnknown(t *testing.T) {
	var r File
	for _, register := range []uint32{0, 1, 4, 5, 7, 8, 23, 24, 1 << 31} {
		if got := r.Compare(&expr.Cmp{Register: register, Data: []byte{0}}); got != Unsure {
			t.Errorf("register %d: %v", register, got)
		}
	}
	r.Set(4, []byte{1, 2, 3, 4}, false)
	if got := r.Compare(&expr.Cmp{Register: 4, Data: make([]byte, 20)}); got != Unsure {
		t.Errorf("longer data: %v", got)
	}
	for _, e := range []*expr.Range{{Register: 4}, {Register: 4, FromData: []byte{1}}, {Register: 4, FromData: make([]byte, 20), ToData: make([]byte, 20)}, {Register: 3, FromData: []byte{1}, ToData: []byte{1}}} {
		if got := r.Within(e); got != Unsure {
			t.Errorf("%+v: %v", e, got)
		}
	}
	r.Bitwise(&expr.Bitwise{SourceRegister: 4, DestRegister: 1, Mask: []byte{0xf, 0}, Xor: []byte{1, 1}})
	if value, known := r.From(1); !known || value[0] != 0 || value[1] != 1 {
		t.Errorf("%v, %v", value, known)
	}
	// a shift, which the library does not know
	r.Bitwise(&expr.Bitwise{SourceRegister: 4, DestRegister: 1})
	if _, known := r.From(1); known {
		t.Error("a shift is known")
	}
}
