package gre

import (
	"errors"
	"testing"

	"nmgre/routes/fault"
)

func TestMode(t *testing.T) {
	for _, m := range Modes {
		if again, err := ParseMode(m.String()); err != nil || again != m {
			t.Errorf("ParseMode(%q) = %v, %v", m, again, err)
		}
	}
	for _, text := range []string{"", "GRE", "ipip", "unknown", "gre ", "\x1b"} {
		m, err := ParseMode(text)
		if e := new(fault.Error); m != 0 || !errors.As(err, &e) || e.Field != "mode" || e.Hint == "" || !errors.Is(err, fault.ErrInvalid) {
			t.Errorf("ParseMode(%q) = %v, %v", text, m, err)
		}
	}
	for m := range Mode(8) {
		if known := m >= ModeGRE && m <= ModeIP6GRETAP; m.Known() != known {
			t.Errorf("mode %d: known is %v", m, !known)
		}
	}
	if got := Mode(0).String(); got != "unknown" {
		t.Errorf("Mode(0) is %q", got)
	}
	var m Mode
	if text, err := ModeIP6GRE.MarshalText(); err != nil || string(text) != "ip6gre" {
		t.Errorf("MarshalText: %q, %v", text, err)
	}
	if err := m.UnmarshalText([]byte("ip6gretap")); err != nil || m != ModeIP6GRETAP || !m.Ethernet() || !m.IPv6Outer() {
		t.Errorf("UnmarshalText: %v, %v", m, err)
	}
}
