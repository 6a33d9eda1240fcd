package kernel_test

import (
	"net/netip"
	"testing"

	"nmgre/routes/gre"
	"nmgre/routes/kernel"
)

// Packets of protocols to neighbours go out with a TTL of 1, which a tunnel may inherit. That it
// runs out on the way says nothing of the packets that are meant for the far end.
func TestMeaningOfAnInheritedTTL(t *testing.T) {
	for _, c := range []struct {
		by      string
		kind    uint8
		carry   string
		meaning kernel.Meaning
	}{
		{"100.0.1.1", kernel.ICMPTimeExceeded, "172.16.0.2", kernel.TooFar},
		{"100.0.1.1", kernel.ICMPTimeExceeded, "", kernel.TooFar}, // not quoted so far
		{"100.0.1.1", kernel.ICMPTimeExceeded, "224.0.0.5", 0},
		{"100.0.1.1", kernel.ICMPTimeExceeded, "ff02::16", 0},
		{"2001:db8:1::1", kernel.ICMP6TimeExceeded, "ff02::16", 0},
		{"2001:db8:1::1", kernel.ICMP6TimeExceeded, "fd00::2", kernel.TooFar},
		{"100.0.1.1", kernel.ICMPUnreachable, "224.0.0.5", kernel.NoWay},
	} {
		e := kernel.ICMPError{By: netip.MustParseAddr(c.by), Type: c.kind}
		if c.carry != "" {
			e.Quoted.Header = gre.Header{InnerTo: netip.MustParseAddr(c.carry)}
		}
		if got := e.Meaning(); got != c.meaning {
			t.Errorf("%d by %s about a packet to %q: %d, not %d", c.kind, c.by, c.carry, got, c.meaning)
		}
	}
}
