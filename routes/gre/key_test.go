package gre

import (
	"errors"
	"strings"
	"testing"

	"nmgre/routes/fault"
	"nmgre/testdata/want"
)

// Every form that iproute2's tnl_parse_key reads, and those that it refuses.
func TestParseKey(t *testing.T) {
	for _, test := range []struct {
		text                 string
		want                 Key
		decimal, dotted, hex string
	}{
		{"42", 42, "42", "0.0.0.42", "0x2a"},
		{"0", 0, "0", "0.0.0.0", "0x0"},
		{"00", 0, "0", "0.0.0.0", "0x0"},
		{"10.0.0.1", 0x0a000001, "167772161", "10.0.0.1", "0xa000001"},
		{"0.0.0.0", 0, "0", "0.0.0.0", "0x0"},
		{"0x2a", 42, "42", "0.0.0.42", "0x2a"},
		{"0X2A", 42, "42", "0.0.0.42", "0x2a"},
		{"0x0b", 11, "11", "0.0.0.11", "0xb"}, // no binary number: 0x goes before
		// octal, as iproute2 has it; NetworkManager would take it for 10
		{"010", 8, "8", "0.0.0.8", "0x8"},
		{"4294967295", 4294967295, "4294967295", "255.255.255.255", "0xffffffff"},
		{"0xffffffff", 4294967295, "4294967295", "255.255.255.255", "0xffffffff"},
		{"255.255.255.255", 4294967295, "4294967295", "255.255.255.255", "0xffffffff"},
		{"037777777777", 4294967295, "4294967295", "255.255.255.255", "0xffffffff"},
	} {
		k, err := ParseKey(test.text)
		if err != nil || k != test.want {
			t.Errorf("ParseKey(%q) = %d, %v; want %d", test.text, k, err, test.want)
		}
		if k.String() != test.decimal || k.Dotted() != test.dotted || k.Hex() != test.hex {
			t.Errorf("key %q prints as %s, %s, %s; want %s, %s, %s", test.text, k, k.Dotted(), k.Hex(), test.decimal, test.dotted, test.hex)
		}
	}
}

func TestParseKeyRefuses(t *testing.T) {
	for _, text := range []string{
		"4294967296", "-1", "abc", "1.2.3", "", " ", " 42", "42 ", "+42", "desistdaydream",
		"0x", "0x1_0", "1_0", "08", "0b1", "0o17", "0x100000000", "040000000000", "1.2", ".", "1.2.3.4.5", "1.2.3.256", "01.2.3.4",
		"::1", "::ffff:1.2.3.4", "1e3", "42.0", "\x1b[31m", strings.Repeat("9", 10000), strings.Repeat("\x12", 10000) + ".",
	} {
		k, err := ParseKey(text)
		var e *fault.Error
		if !errors.As(err, &e) || !errors.Is(err, fault.ErrInvalid) || e.Field != "key" || k != 0 {
			t.Errorf("ParseKey(%q) = %d, %v; want an ErrInvalid about the key", text, k, err)
			continue
		}
		if len(e.Error()) > 500 {
			t.Errorf("ParseKey(%.20q...): the error has %d bytes", text, len(e.Error()))
		}
		if e.Hint != keyHint {
			t.Errorf("ParseKey(%q): the hint is %q", text, e.Hint)
		}
		if p := fault.Printable(e.Error()); p != e.Error() {
			t.Errorf("ParseKey(%q): its text is not printable: %q", text, e.Error())
		}
	}
}

// KEY=desistdaydream stands in the ifcfg example of many web pages.
func TestParseKeyWord(t *testing.T) {
	_, err := ParseKey("desistdaydream")
	want.Same(t, "the error", want.Problems(err), `key: "desistdaydream" is not a number of 32 bits
  hint: a GRE key is a number of 32 bits, equal at both ends: 0 to 4294967295 in decimal, 0x hexadecimal, leading-zero octal, or as a dotted quad
`)
	for _, word := range []string{"32 bits", "both ends"} {
		if !strings.Contains(fault.Hints(err)[0], word) {
			t.Errorf("the hint does not say %q", word)
		}
	}
}

func TestSameKey(t *testing.T) {
	for _, test := range []struct {
		a, b *Key
		want bool
	}{
		{nil, nil, true}, {want.Ptr(Key(0)), nil, false}, {nil, want.Ptr(Key(0)), false},
		{want.Ptr(Key(0)), want.Ptr(Key(0)), true}, {want.Ptr(Key(1)), want.Ptr(Key(2)), false},
	} {
		if got := SameKey(test.a, test.b); got != test.want {
			t.Errorf("the same key of %v and %v: %v", test.a, test.b, got)
		}
	}
}

func FuzzParseKey(f *testing.F) {
	for _, seed := range []string{"42", "0", "10.0.0.1", "0x2a", "010", "4294967295", "4294967296", "-1", "abc", "1.2.3", "", "desistdaydream", "0b1", "1_0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		k, err := ParseKey(text)
		if err != nil {
			if !errors.Is(err, fault.ErrInvalid) || k != 0 || fault.Printable(err.Error()) != err.Error() {
				t.Fatalf("ParseKey(%q) = %d, %q", text, k, err)
			}
			return
		}
		for _, form := range []string{k.String(), k.Dotted(), k.Hex()} {
			if again, err := ParseKey(form); again != k || err != nil {
				t.Fatalf("ParseKey(%q) = %d prints as %q, which is %d, %v", text, k, form, again, err)
			}
		}
	})
}
