package gre

import (
	"errors"
	"strings"
	"testing"

	"nmgre/routes/fault"
)

// Every set of flags has a text, and the text gives the same flags again.
func TestFlagsText(t *testing.T) {
	for f := Flags(1); f <= AllFlags; f++ {
		if got, err := ParseFlags(f.String()); err != nil || got != f {
			t.Errorf("%#x is %q, and that is %#x, %v", uint32(f), f, uint32(got), err)
		}
	}
	for text, want := range map[string]Flags{"none": 0, "0x3": 3, "32": FlagUseOrigFwmark, "ip6-mip6-dev, ip6-rcv-dscp-copy": 0x18, "0x40,ip6-ign-encap-limit": 0x41} {
		if got, err := ParseFlags(text); err != nil || got != want {
			t.Errorf("%q is %#x, %v", text, uint32(got), err)
		}
	}
	if text := Flags(0x41).String(); text != "ip6-ign-encap-limit,0x40" || Flags(0).String() != "" {
		t.Errorf("%q", text)
	}
	for _, bad := range []string{"", "ip6", "ip6-ign-encap-limit,", "-1", "0x100000000", "\x1b[2J"} {
		_, err := ParseFlags(bad)
		if !errors.Is(err, fault.ErrInvalid) || strings.ContainsRune(err.Error(), 0x1b) || len(fault.Hints(err)) != 1 {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
