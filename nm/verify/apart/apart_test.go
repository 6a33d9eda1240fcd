package apart_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"nmgre/nm"
	"nmgre/nm/verify/apart"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/testdata/want"
)

// host has obstacles, and devices that forward.
type host struct {
	keep.Gateway
	on   map[string]bool
	list []keep.Obstacle
	err  error
	devs []string // those that were asked about
}

func (h *host) Forwarding(_ context.Context, dev string) (bool, error) { return h.on[dev], nil }

func (h *host) Obstacles(_ context.Context, devs []string) ([]keep.Obstacle, error) {
	h.devs = devs
	return append([]keep.Obstacle(nil), h.list...), h.err
}

// Devices with which nmgre keeps forwarding are looked at as they are. Otherwise the LANs count
// between which and the tunnel the host forwards, and only rules that surely keep them apart.
func TestLook(t *testing.T) {
	perhaps, surely := keep.Obstacle{What: "perhaps"}, keep.Obstacle{What: "surely", Apart: true}
	lans := []nm.LAN{{Address: want.CIDR("10.10.1.1/24"), Dev: "eth1"}, {Address: want.CIDR("10.11.1.1/24"), Dev: "eth1"}, {Address: want.CIDR("fd00::1/64"), Dev: "eth2"}, {Address: want.CIDR("10.12.1.1/24"), Dev: "eth3"}}
	all := map[string]bool{"gre1": true, "eth1": true, "eth2": true}
	for name, c := range map[string]struct {
		between apart.Between
		on      map[string]bool
		err     error
		want    string
	}{
		"kept":             {apart.Between{Link: "gre1", Kept: []string{"gre1", "eth9"}}, nil, nil, "[gre1 eth9] [perhaps surely] <nil>"},
		"kept, no root":    {apart.Between{Link: "gre1", Kept: []string{"gre1", "eth9"}}, nil, fault.ErrNotPermitted, "[gre1 eth9] [] <nil>"},
		"kept, broken":     {apart.Between{Link: "gre1", Kept: []string{"gre1", "eth9"}}, nil, errors.New("no nft"), "[gre1 eth9] [perhaps surely] no nft"},
		"the host's own":   {apart.Between{Link: "gre1", LANs: lans, Routed: true}, all, nil, "[gre1 eth1] [surely] <nil>"},
		"broken":           {apart.Between{Link: "gre1", LANs: lans, Routed: true}, all, errors.New("no nft"), "[gre1 eth1] [] <nil>"},
		"no route":         {apart.Between{Link: "gre1", LANs: lans}, all, nil, "[] [] <nil>"},
		"no forwarding":    {apart.Between{Link: "gre1", LANs: lans, Routed: true}, map[string]bool{"eth1": true}, nil, "[] [] <nil>"},
		"no LAN's forward": {apart.Between{Link: "gre1", LANs: lans, Routed: true}, map[string]bool{"gre1": true}, nil, "[] [] <nil>"},
	} {
		h := &host{on: c.on, list: []keep.Obstacle{perhaps, surely}, err: c.err}
		list, err := apart.Look(t.Context(), h, c.between)
		var told []string
		for _, o := range list {
			told = append(told, o.What)
		}
		if got := fmt.Sprintf("%v %v %v", h.devs, told, err); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}
