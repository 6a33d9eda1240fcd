package find_test

import (
	"net/netip"
	"testing"

	"nmgre/nm"
	"nmgre/nm/find"
	"nmgre/routes/gre"
	"nmgre/testdata/want"
)

// The hint for a tunnel that is down is the command that helps, which is up for most.
func TestUpHint(t *testing.T) {
	for _, test := range []struct {
		name   string
		mode   gre.Mode
		remote netip.Addr
		hint   string
	}{
		{"t1", gre.ModeGRETAP, want.Addr("100.0.2.100"), "bring it up: nmgre up NAME"},
		{"t1", gre.ModeGRE, netip.IPv4Unspecified(), "bring it up: nmgre up NAME"},
		{"t1", gre.ModeGRETAP, netip.IPv4Unspecified(), "the kernel makes no gretap link without a far end; give it one: nmgre edit NAME --peer ADDR"},
		{"t1", gre.ModeIP6GRETAP, netip.IPv6Unspecified(), "the kernel makes no ip6gretap link without a far end; give it one: nmgre edit NAME --peer ADDR"},
		{"gre0", gre.ModeGRE, want.Addr("100.0.2.100"), "gre0 is a device of the kernel's own, which nobody can make or delete; give the tunnel another name: nmgre edit NAME --name gre1"},
	} {
		want.Same(t, test.name+" "+test.mode.String(), find.UpHint(nm.Tunnel{Name: test.name, Mode: test.mode, Remote: test.remote}, "NAME"), test.hint)
	}
}
