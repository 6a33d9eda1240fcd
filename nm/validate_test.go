package nm_test

import (
	"net/netip"
	"strings"
	"testing"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/gre"
	"nmgre/testdata/fake"
	"nmgre/testdata/want"
)

func TestProblems(t *testing.T) {
	want.Cases(t, "validate", 50, func(t *testing.T, input string) string {
		tunnel, err := fake.ReadTunnel(input)
		if err == nil {
			err = tunnel.Validate()
		}
		want.CheckProblems(t, err)
		if err == nil {
			return "valid\n"
		}
		return want.Problems(err)
	})
}

// Problems of tunnels that no text can express, but a program can.
func TestProblemsOfPrograms(t *testing.T) {
	base := func() nm.Tunnel {
		t := nm.NewTunnel()
		t.Remote, t.Addresses = want.Addr("100.0.2.100"), want.CIDRs("172.16.0.1/30")
		return t
	}
	if err := base().Validate(); err != nil {
		t.Fatalf("the base is not valid: %v", err)
	}
	for _, test := range []struct {
		name   string
		change func(*nm.Tunnel)
		want   string
	}{
		{"invalid prefix", func(t *nm.Tunnel) { t.Addresses = append(t.Addresses, netip.Prefix{}) }, "address: an address is missing"},
		{"route without a destination", func(t *nm.Tunnel) { t.Routes = []routes.Route{{}} }, "route: the destination is missing"},
		{"route with host bits", func(t *nm.Tunnel) { t.Routes = []routes.Route{{Dst: want.CIDR("10.10.2.1/24")}} }, "route: the destination is missing, or has host bits"},
		{"locked mtu without one", func(t *nm.Tunnel) { t.Routes = []routes.Route{{Dst: want.CIDR("10.10.2.0/24"), MTULock: true}} }, "route: 10.10.2.0/24: an mtu is locked but not given"},
		{"weight above 256", func(t *nm.Tunnel) {
			t.Routes = []routes.Route{{Dst: want.CIDR("10.10.2.0/24"), Nexthops: []routes.Nexthop{{Weight: 257}, {Dev: "gre2"}}}}
		}, "route: 10.10.2.0/24: nexthop 1: the weight 257 is not possible"},
		{"IPv4 in IPv6 as inner address", func(t *nm.Tunnel) {
			t.Addresses = []netip.Prefix{netip.PrefixFrom(want.Addr("::ffff:172.16.0.1"), 120)}
		}, "address: ::ffff:172.16.0.1/120 is not an address"},
		{"control characters in a zone", func(t *nm.Tunnel) {
			t.Mode, t.Remote = gre.ModeIP6GRE, want.Addr("2001:db8::1").WithZone("\x1b[31m")
		}, `peer: 2001:db8::1%\x1b[31m has a zone`},
		{"control characters in a zone, wrong family", func(t *nm.Tunnel) { t.Remote = want.Addr("2001:db8::1").WithZone("\x1b[31m") }, `peer: 2001:db8::1%\x1b[31m is an IPv6 address`},
		{"control characters in a zone, loopback", func(t *nm.Tunnel) { t.Mode, t.Remote = gre.ModeIP6GRE, want.Addr("::1").WithZone("\x1b[31m") }, `peer: packets to ::1%\x1b[31m never leave`},
		{"control characters in a zone, multicast", func(t *nm.Tunnel) { t.Mode, t.Remote = gre.ModeIP6GRE, want.Addr("ff02::1").WithZone("\x1b[31m") }, `peer: ff02::1%\x1b[31m is not the address`},
		{"control characters in a zone of the peer address", func(t *nm.Tunnel) { t.PeerAddress = want.Addr("fe80::1").WithZone("\x1b[31m") }, `peer-address: fe80::1%\x1b[31m is not an address`},
		{"control characters in a parent", func(t *nm.Tunnel) { t.Parent = "\x1b[31m" }, `parent: `},
	} {
		tunnel := base()
		test.change(&tunnel)
		err := tunnel.Validate()
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %s", test.name, err, test.want)
		}
		want.CheckProblems(t, err)
	}
}
