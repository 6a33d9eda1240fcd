package nm

import (
	"fmt"
	"testing"

	"nmgre/routes"
	"nmgre/routes/gre"
	"nmgre/testdata/want"
)

// Only the headers of packets that go out count: an input key costs nothing.
func TestTunnelEncapsulation(t *testing.T) {
	tunnel := NewTunnel()
	tunnel.InputKey = want.Ptr(gre.Key(1))
	if got := tunnel.Encapsulation().MTU(1500); got != 1476 {
		t.Errorf("with an input key alone the MTU is %d", got)
	}
	tunnel.OutputKey = want.Ptr(gre.Key(0))
	if got := tunnel.Encapsulation().MTU(1500); got != 1472 {
		t.Errorf("with the output key 0 the MTU is %d", got)
	}
	tunnel.Mode, tunnel.Flags = gre.ModeIP6GRE, gre.FlagIgnEncapLimit
	if got := tunnel.Encapsulation().MTU(1500); got != 1452 {
		t.Errorf("without an encapsulation limit the MTU is %d", got)
	}
}

// A clone shares nothing with the original.
func TestClone(t *testing.T) {
	original := NewTunnel()
	original.InputKey, original.OutputKey = want.Ptr(gre.Key(1)), want.Ptr(gre.Key(2))
	original.Addresses = want.CIDRs("172.16.0.1/30")
	original.Routes = []routes.Route{routes.MustParse("10.0.0.0/8 metric 5 nexthop weight 1 nexthop dev gre2")}
	before := fmt.Sprint(original.CreateCommand(), original.Routes)
	c := original.Clone()
	*c.InputKey, *c.OutputKey, c.Addresses[0], *c.Routes[0].Metric, c.Routes[0].Nexthops[0].Weight = 7, 7, want.CIDR("1.1.1.1/8"), 7, 7
	if after := fmt.Sprint(original.CreateCommand(), original.Routes); after != before {
		t.Errorf("the original changed from\n%s\nto\n%s", before, after)
	}
	if empty := (Tunnel{}).Clone(); empty.InputKey != nil || empty.Routes != nil || empty.Addresses != nil {
		t.Errorf("the clone of nothing is %+v", empty)
	}
}
