// Package registers has the registers of the kernel's nftables, as the expressions of a rule use
// them, and compares their values. Values that are not known stay unknown.
//
// Begin with [File].
package registers

import (
	"bytes"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Answer says whether a packet matches.
type Answer int

// The answers.
const (
	Yes Answer = iota
	No
	Unsure
)

// Not returns the answer to the opposite question.
func (a Answer) Not() Answer {
	switch a {
	case Yes:
		return No
	case No:
		return Yes
	default:
		return Unsure
	}
}

// YesIf returns the answer to a question that is known.
func YesIf(matches bool) Answer {
	if matches {
		return Yes
	}
	return No
}

// File is the 64 bytes of the kernel's registers. Each byte is known or not; those of the zero File
// are not.
type File struct {
	bytes [64]byte
	known [64]bool
	pair  uint32 // the register of which one end of a range was compared; 0 for none
}

// at returns the offset of a register in bytes; -1 for others. The bytes are 4 registers of 16
// bytes, numbered from 1, and also 16 registers of 4 bytes, numbered from 8.
func at(register uint32) int {
	switch {
	case register >= unix.NFT_REG_1 && register <= unix.NFT_REG_4:
		return int(register-unix.NFT_REG_1) * 16
	case register >= unix.NFT_REG32_00 && register <= unix.NFT_REG32_15:
		return int(register-unix.NFT_REG32_00) * 4
	}
	return -1
}

// Set loads a value into a register; nil is an unknown value. If the expression only reads the
// register, Set does nothing.
func (r *File) Set(register uint32, value []byte, reads bool) {
	begin := at(register)
	if begin < 0 || reads {
		return
	}
	r.pair = 0
	size := (len(value) + 3) &^ 3 // the rest of the last four bytes are zeros
	if value == nil {
		size = 16
	}
	for i := begin; i < min(begin+size, len(r.bytes)); i++ {
		r.bytes[i], r.known[i] = 0, value != nil
	}
	copy(r.bytes[begin:], value)
}

// From returns the known bytes from the beginning of a register on.
func (r *File) From(register uint32) ([]byte, bool) {
	begin := at(register)
	if begin < 0 || !r.known[begin] {
		return nil, false
	}
	end := begin
	for end < len(r.bytes) && r.known[end] {
		end++
	}
	return r.bytes[begin:end], true
}

// Bitwise masks a value, and flips bits of it.
func (r *File) Bitwise(e *expr.Bitwise) {
	value, known := r.From(e.SourceRegister)
	if !known || len(e.Mask) > len(value) || len(e.Xor) != len(e.Mask) || len(e.Mask) == 0 {
		r.Set(e.DestRegister, nil, false)
		return
	}
	result := make([]byte, len(e.Mask))
	for i := range result {
		result[i] = value[i]&e.Mask[i] ^ e.Xor[i]
	}
	r.Set(e.DestRegister, result, false)
}

// Compare evaluates a comparison of bytes, as the kernel's memcmp does. It then forgets the value:
// nft loads one anew for each comparison, but for the two of a range.
func (r *File) Compare(e *expr.Cmp) Answer {
	value, known := r.From(e.Register)
	if pair := r.pair; pair != 0 {
		// only the other end of a range is compared with the same value
		known = known && (pair != e.Register || e.Op == expr.CmpOpLte)
	}
	if !known || len(e.Data) > len(value) {
		return Unsure
	}
	order := bytes.Compare(value[:len(e.Data)], e.Data)
	if e.Op == expr.CmpOpGte { // nft writes a range as two comparisons
		r.pair = e.Register
		return YesIf(order >= 0)
	}
	r.forget(e.Register)
	switch e.Op {
	case expr.CmpOpEq:
		return YesIf(order == 0)
	case expr.CmpOpNeq:
		return YesIf(order != 0)
	case expr.CmpOpLt:
		return YesIf(order < 0)
	case expr.CmpOpLte:
		return YesIf(order <= 0)
	case expr.CmpOpGt:
		return YesIf(order > 0)
	default:
		return Unsure
	}
}

// Within evaluates whether a value is in a range.
func (r *File) Within(e *expr.Range) Answer {
	value, known := r.From(e.Register)
	if !known || len(e.FromData) != len(e.ToData) || len(e.FromData) == 0 || len(e.FromData) > len(value) {
		return Unsure
	}
	value = value[:len(e.FromData)]
	is := YesIf(bytes.Compare(e.FromData, value) <= 0 && bytes.Compare(value, e.ToData) <= 0)
	r.forget(e.Register)
	if e.Op == expr.CmpOpNeq {
		return is.Not()
	}
	return is
}

// forget makes the value of a register unknown.
func (r *File) forget(register uint32) {
	r.Set(register, nil, false)
	r.pair = 0
}
