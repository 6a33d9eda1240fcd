package kernel

import (
	"net/netip"
	"slices"
	"testing"
)

// Only link-local addresses of IPv6 that nobody chose are the link's own.
func TestGiven(t *testing.T) {
	four, chosen, own := netip.MustParsePrefix("169.254.6.1/30"), netip.MustParsePrefix("fe80::1/64"), netip.MustParsePrefix("fe80::739f:2e52:6be9:488d/64")
	l := Link{Addresses: []netip.Prefix{four, chosen, own}}
	if got := l.Given([]netip.Prefix{four, chosen}); !slices.Equal(got, []netip.Prefix{four, chosen}) || len(l.Addresses) != 3 || l.Addresses[2] != own {
		t.Errorf("%v of %v", got, l.Addresses)
	}
	if got := l.Given(nil); !slices.Equal(got, []netip.Prefix{four}) {
		t.Errorf("%v", got)
	}
}
