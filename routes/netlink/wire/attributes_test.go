package wire

import (
	"errors"
	"testing"
)

// raw is the head of an attribute with any length, in the machine's order of bytes, and its value.
func raw(size, kind uint16, value ...byte) []byte {
	return append(Native.AppendUint16(Native.AppendUint16(nil, size), kind), value...)
}

func TestEachAttribute(t *testing.T) {
	two := AppendAttribute(AppendAttribute(nil, 1, []byte("a")), 2, []byte("four"))
	for name, c := range map[string]struct {
		in        []byte
		want      string
		malformed bool
	}{
		"none":                    {nil, "", false},
		"two, the first padded":   {two, "1=a 2=four ", false},
		"flags are no part of it": {AppendAttribute(nil, 1|0x8000|0x4000, []byte("a")), "1=a ", false},
		"cut":                     {two[:4], "", true},
		"last without padding":    {raw(5, 1, 'a'), "1=a ", false},
		"shorter than its header": {raw(3, 1), "", true},
		"of no length":            {raw(0, 1), "", true},
		"longer than the message": {raw(9, 1, 0, 0, 0, 0), "", true},
		"rest is no attribute":    {append(two[:len(two):len(two)], 9, 9, 9), "1=a 2=four ", false},
	} {
		t.Run(name, func(t *testing.T) {
			var got string
			err := EachAttribute(c.in, func(kind uint16, v []byte) error {
				got += string(rune('0'+kind)) + "=" + string(v) + " "
				return nil
			})
			if errors.Is(err, ErrMalformed) != c.malformed || got != c.want {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

func TestReaderShort(t *testing.T) {
	var r Reader
	if r.Uint32([]byte{1, 2}) != 0 || r.Err == nil {
		t.Error("a short value was taken")
	}
	r = Reader{}
	if r.Addr(3, make([]byte, 16)); r.Err == nil {
		t.Error("an address of family 3 was taken")
	}
	r = Reader{}
	if r.be16([]byte{1, 2, 3, 4}) != 0x102 || r.Err != nil {
		t.Error("a value that is longer than known was not taken")
	}
}
