package gateway

import (
	"context"
	"reflect"
	"slices"
	"testing"

	"github.com/google/nftables"

	"nmgre/routes/keep"
)

// A view answers as the gateway does, for each of several tunnels, and does not read the rules
// again: it does not see that they go.
func TestTogether(t *testing.T) {
	t.Parallel()
	s, c := newRoutedSite(t), newCrossing(t)
	s.gw.load("nftables-two")
	c.gw.load("../outer/firewalld-public")
	c.gw.load("../outer/in-state")
	forwarding, closeForwarding := s.g.Together()
	outer, closeOuter := c.g.Together()
	defer closeOuter()
	obstacles := func(g keep.Gateway, devs ...string) (list []keep.Obstacle) {
		if err := s.gw.Do(func() (err error) { list, err = g.Obstacles(context.Background(), devs); return err }); err != nil {
			t.Error(err)
		}
		return list
	}
	rules := func(g keep.Gateway, p keep.OuterPackets) (r keep.OuterRules) {
		if err := c.gw.Do(func() (err error) { r, err = g.OuterRules(context.Background(), p); return err }); err != nil {
			t.Error(err)
		}
		return r
	}
	missing := func(g keep.Gateway, want []keep.Rule) (list []int) {
		if err := s.gw.Do(func() (err error) { list, err = g.Missing(context.Background(), want); return err }); err != nil {
			t.Error(err)
		}
		return list
	}
	devs := [][]string{{"gre1", "eth1", "eth2"}, {"gre1", "eth2"}, {"eth1", "gre1"}}
	tunnels := []keep.OuterPackets{outerOf("192.0.2.1"), outerOf("192.0.2.7"), outerOf("2001:db8::1")}
	want := []keep.Rule{snatRule(t, "172.16.0.0/30", "10.10.2.0/24=10.10.2.1"), {UUID: uuid, Dev: "gre1", ClampMSS: true}}
	s.setRules(true, want[0])
	var alone, together []any
	for i := range devs {
		alone = append(alone, obstacles(s.g, devs[i]...), rules(c.g, tunnels[i]))
		together = append(together, obstacles(forwarding, devs[i]...), rules(outer, tunnels[i]))
	}
	if !reflect.DeepEqual(alone, together) || len(obstacles(s.g, devs[0]...)) == 0 || len(rules(c.g, tunnels[0]).Obstacles) == 0 {
		t.Errorf("alone    %+v\ntogether %+v", alone, together)
	}
	if a, b := missing(s.g, want), missing(forwarding, want); !slices.Equal(a, b) || !slices.Equal(a, []int{1}) {
		t.Errorf("missing alone %v, together %v", a, b)
	}
	flush := func(c *nftables.Conn) { c.FlushRuleset() }
	s.gw.nft(flush)
	c.gw.nft(flush)
	for i := range devs {
		again := []any{obstacles(forwarding, devs[i]...), rules(outer, tunnels[i])}
		if !reflect.DeepEqual(again, together[2*i:2*i+2]) {
			t.Errorf("it has read the rules again: %+v", again)
		}
	}
	if list := missing(forwarding, want); !slices.Equal(list, []int{1}) {
		t.Errorf("it has read nmgre's rules again: %v", list)
	}
	closeForwarding()
	closeForwarding()
	if err := c.gw.Do(func() error { _, err := outer.OuterRules(context.Background(), keep.OuterPackets{}); return err }); err == nil {
		t.Error("packets without addresses have rules")
	}
}
