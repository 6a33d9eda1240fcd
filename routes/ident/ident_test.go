package ident_test

import (
	"strings"
	"testing"

	"nmgre/routes/ident"
)

func TestIsHostName(t *testing.T) {
	long := strings.Repeat("a", 63)
	for text, want := range map[string]bool{
		"gw": true, "gw.example.org": true, "gw.example.org.": true, "xn--bcher-kva.example": true, "_srv.example": true, long + ".org": true,
		"": false, ".": false, "gw..org": false, "-gw.org": false, "gw-.org": false, "192.0.2.1": false, "gw.1": false, "g w": false, "gw\n": false,
		long + "a.org": false, strings.Repeat(long+".", 4) + "org": false, "gw/32": false, "b\u00fccher.example": false,
	} {
		if ident.IsHostName(text) != want {
			t.Errorf("%q: want %t", text, want)
		}
	}
}

func TestIsUUID(t *testing.T) {
	for text, want := range map[string]bool{
		"00000000-0000-4000-8000-00000000000a": true, "ABCDEF01-2345-6789-abcd-ef0123456789": true,
		"": false, "00000000-0000-4000-8000-00000000000": false, "00000000-0000-4000-8000-00000000000g": false,
		"00000000000004000-8000-00000000000a00": false, "../../../../../../../../../../etc/pass": false, "00000000_0000-4000-8000-00000000000a": false,
	} {
		if ident.IsUUID(text) != want {
			t.Errorf("%q: want %t", text, want)
		}
	}
}
