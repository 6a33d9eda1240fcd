package facts_test

import (
	"strings"
	"testing"

	"nmgre"
	"nmgre/nm"
	"nmgre/routes/kernel"
	"nmgre/testdata/want"
	"nmgre/tui/facts"
)

// Link-local addresses that the profile has count as all others; those that the kernel makes differ
// from nothing.
func TestInner(t *testing.T) {
	for link, differs := range map[string]bool{"169.254.6.1/30 fe80::1/64 fe80::739f:2e52:6be9:488d/64": false, "169.254.6.1/30 fe80::739f:2e52:6be9:488d/64": true,
		"169.254.6.1/30 fe80::1/64 169.254.7.1/30": true} {
		s := &nmgre.Status{Profile: nm.Profile{Tunnel: nm.Tunnel{Addresses: want.CIDRs("169.254.6.1/30", "fe80::1/64")}}, Link: &kernel.Link{Addresses: want.CIDRs(strings.Fields(link)...)}}
		for _, f := range facts.Of(s) {
			if f.Name == "inner" && f.Differs != differs {
				t.Errorf("%s: %+v", link, f)
			}
		}
	}
}
