package nm_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/gre"
	"nmgre/testdata/want"
)

func TestDerivePeer(t *testing.T) {
	for _, test := range []struct{ own, want string }{
		{"172.16.0.1/30", "172.16.0.2"}, {"172.16.0.2/30", "172.16.0.1"}, {"172.16.0.0/30", ""}, {"172.16.0.3/30", ""}, {"172.16.0.9/30", "172.16.0.10"},
		{"172.16.0.0/31", "172.16.0.1"}, {"172.16.0.1/31", "172.16.0.0"}, {"255.255.255.255/31", "255.255.255.254"},
		{"172.16.0.1/32", ""}, {"172.16.0.1/29", ""}, {"172.16.0.1/24", ""},
		{"2001:db8::1/126", "2001:db8::2"}, {"2001:db8::2/126", "2001:db8::1"}, {"2001:db8::/126", ""}, {"2001:db8::3/126", ""},
		{"2001:db8::/127", "2001:db8::1"}, {"2001:db8::1/127", "2001:db8::"}, {"2001:db8::1/128", ""}, {"2001:db8::1/64", ""},
		// these prefix lengths leave no choice in IPv4 only
		{"2001:db8::1/30", ""}, {"2001:db8::1/31", ""},
	} {
		var expected netip.Addr
		if test.want != "" {
			expected = want.Addr(test.want)
		}
		if got := nm.DerivePeer(want.CIDRs(test.own)); got != expected {
			t.Errorf("DerivePeer(%s) = %v, want %v", test.own, got, expected)
		}
	}
	if got := nm.DerivePeer(nil); got.IsValid() {
		t.Errorf("DerivePeer(nil) = %s", got)
	}
	if got := nm.DerivePeer([]netip.Prefix{{}, want.CIDR("10.0.0.1/24"), want.CIDR("2001:db8::1/127"), want.CIDR("172.16.0.1/30")}); got != want.Addr("2001:db8::") {
		t.Errorf("the first network of two hosts counts; got %s", got)
	}
}

func TestFarEnd(t *testing.T) {
	near := nm.Tunnel{
		Name: "gre1", Mode: gre.ModeIP6GRE, Local: want.Addr("2001:db8:1::100"), Remote: want.Addr("2001:db8:2::100"), Parent: "eth0",
		InputKey: want.Ptr(gre.Key(1)), OutputKey: want.Ptr(gre.Key(2)), TOS: 16, NoPMTUD: true, EncapLimit: 6, FlowLabel: 7, Flags: gre.FlagUseOrigTClass, MTU: 1400,
		Addresses: want.CIDRs("2001:db8:9::1/64", "172.16.0.1/30"), PeerAddress: want.Addr("172.16.0.2"),
		Routes: []routes.Route{routes.MustParse("10.10.2.0/24")},
	}
	expected := nm.Tunnel{
		Mode: gre.ModeIP6GRE, Local: want.Addr("2001:db8:2::100"), Remote: want.Addr("2001:db8:1::100"), InputKey: want.Ptr(gre.Key(2)), OutputKey: want.Ptr(gre.Key(1)),
		TOS: 16, NoPMTUD: true, EncapLimit: 6, FlowLabel: 7, Flags: gre.FlagUseOrigTClass, MTU: 1400,
		Addresses: want.CIDRs("172.16.0.2/30"), PeerAddress: want.Addr("172.16.0.1"), Routes: []routes.Route{routes.MustParse("10.10.1.0/24")}, Autoconnect: true,
	}
	far := near.FarEnd(want.CIDRs("10.10.1.1/24"))
	if !reflect.DeepEqual(far, expected) {
		t.Errorf("the far end is %+v, want %+v", far, expected)
	}
	*far.InputKey = 9
	if *near.OutputKey != 2 {
		t.Error("the far end's key is this end's")
	}
}

// The far end's inner addresses, where this end's inner networks contain them or not, and where no
// peer address is known.
func TestFarEndAddresses(t *testing.T) {
	for _, test := range []struct{ own, peer, wantOwn, wantPeer string }{
		{"172.16.0.1/30", "172.16.0.2", "172.16.0.2/30", "172.16.0.1"},
		{"172.16.0.0/31", "172.16.0.1", "172.16.0.1/31", "172.16.0.0"},
		{"172.16.0.1/32", "172.16.0.2", "172.16.0.2/32", "172.16.0.1"},
		{"172.16.0.1/24", "172.16.0.77", "172.16.0.77/24", "172.16.0.1"},
		{"2001:db8::1/126", "2001:db8::2", "2001:db8::2/126", "2001:db8::1"},
		{"2001:db8::/127", "2001:db8::1", "2001:db8::1/127", "2001:db8::"},
		{"2001:db8::1/128", "2001:db8::2", "2001:db8::2/128", "2001:db8::1"},
		{"172.16.0.1/30", "", "", ""},
		{"172.16.0.1/30", "2001:db8::2", "", ""},
	} {
		near := nm.NewTunnel()
		near.Addresses = want.CIDRs(test.own)
		if test.peer != "" {
			near.PeerAddress = want.Addr(test.peer)
		}
		far := near.FarEnd(nil)
		got := fmt.Sprint(far.Addresses, far.PeerAddress)
		expected := fmt.Sprint([]netip.Prefix(nil), netip.Addr{})
		if test.wantOwn != "" {
			expected = fmt.Sprint(want.CIDRs(test.wantOwn), want.Addr(test.wantPeer))
		}
		if got != expected {
			t.Errorf("%s towards %s: the far end has %s, want %s", test.own, test.peer, got, expected)
		}
	}
}

// The far end's far end is this end again, in all settings on which both must agree.
func TestFarEndOfFarEnd(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		near := randomTunnel(random)
		again := near.FarEnd(want.CIDRs("10.10.1.0/24")).FarEnd(nil)
		expected := near.Clone()
		expected.Name, expected.Parent, expected.Routes, expected.Autoconnect = "", "", nil, true
		if !reflect.DeepEqual(again, expected) {
			t.Fatalf("of\n%+v\nthe far end's far end is\n%+v", expected, again)
		}
		if err := near.Validate(); err != nil {
			t.Fatalf("%+v: %v", near, err)
		}
		if err := near.FarEnd(nil).Validate(); err != nil {
			t.Fatalf("the far end of a possible tunnel is not possible: %v\n%+v", err, near)
		}
	}
}

// randomTunnel returns a tunnel without problems, with one inner address.
func randomTunnel(r *rand.Rand) nm.Tunnel {
	t := nm.NewTunnel()
	t.Name, t.Mode, t.TTL, t.TOS = "gre1", gre.Modes[r.IntN(len(gre.Modes))], uint8(r.IntN(256)), uint8(r.IntN(256))
	t.NoPMTUD = t.TTL == 0 && r.IntN(2) == 0
	t.Local, t.Remote = want.Addr("100.0.1.100"), want.Addr("100.0.2.100")
	if t.Mode.IPv6Outer() {
		t.Local, t.Remote, t.EncapLimit, t.FlowLabel = want.Addr("2001:db8:1::100"), want.Addr("2001:db8:2::100"), uint8(r.IntN(256)), uint32(r.IntN(1<<20))
	}
	if r.IntN(2) == 0 {
		t.InputKey = want.Ptr(gre.Key(r.Uint32()))
	}
	if r.IntN(2) == 0 {
		t.OutputKey = want.Ptr(gre.Key(r.Uint32()))
	}
	if r.IntN(2) == 0 {
		t.MTU = 1280 + uint32(r.IntN(8000))
	}
	networks := []struct{ own, peer string }{
		{"172.16.0.1/30", "172.16.0.2"}, {"172.16.0.2/30", "172.16.0.1"}, {"172.16.0.0/31", "172.16.0.1"}, {"172.16.0.1/31", "172.16.0.0"},
		{"172.16.0.1/32", "172.16.0.2"}, {"172.16.0.1/24", "172.16.0.9"}, {"2001:db8:9::1/126", "2001:db8:9::2"}, {"2001:db8:9::/127", "2001:db8:9::1"},
		{"2001:db8:9::1/128", "2001:db8:9::2"}, {"2001:db8:9::1/64", "2001:db8:9::ff"},
	}
	n := networks[r.IntN(len(networks))]
	t.Addresses, t.PeerAddress = want.CIDRs(n.own), want.Addr(n.peer)
	t.Routes = []routes.Route{{Dst: want.CIDR("10.10.2.0/24")}}
	if t.PeerAddress.Is6() {
		t.Routes = []routes.Route{{Dst: want.CIDR("2001:db8:10::/48")}}
	}
	return t
}
