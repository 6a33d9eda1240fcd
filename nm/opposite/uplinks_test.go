package opposite_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"

	"nmgre/nm/opposite"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
	"nmgre/testdata/want"
)

// ways is a kernel that knows the gateway of each device; of others there is no way.
type ways struct {
	kernel.Kernel
	via   map[string]string // "" for hosts of the network itself
	err   error
	asked int
}

func (w *ways) Lookup(_ context.Context, q kernel.Query) (kernel.Hop, error) {
	w.asked++
	via, ok := w.via[q.Dev]
	switch {
	case w.err != nil:
		return kernel.Hop{}, w.err
	case !ok:
		return kernel.Hop{}, fault.ErrUnreachable
	case via == "":
		return kernel.Hop{Dev: q.Dev, Src: q.From}, nil
	}
	return kernel.Hop{Dev: q.Dev, Src: q.From, Via: want.Addr(via)}, nil
}

// Networks with a gateway to the host are uplinks: not LANs, tunnels, networks that are down or of
// the other family, nor one whose gateway is elsewhere.
func TestUplinks(t *testing.T) {
	links := []kernel.Link{
		{Name: "eth0", Up: true, Addresses: want.CIDRs("100.0.1.100/24", "100.0.1.101/24", "2001:db8::2/64")},
		{Name: "eth1", Up: true, Addresses: want.CIDRs("10.10.1.1/24")},
		{Name: "eth2", Up: true, Addresses: want.CIDRs("10.10.2.1/24")},
		{Name: "eth3", Addresses: want.CIDRs("100.0.3.100/24")},
		{Name: "eth4", Up: true, Addresses: want.CIDRs("100.0.4.100/24")},
		{Name: "gre1", Up: true, GRE: &kernel.GRELink{}, Addresses: want.CIDRs("172.16.0.1/30")},
		{Name: "eth9", Up: true, Addresses: want.CIDRs("100.0.9.100/24", "100.0.8.100/32")},
	}
	k := &ways{via: map[string]string{"eth0": "100.0.1.1", "eth2": "", "eth3": "100.0.3.1", "eth4": "100.0.5.1", "gre1": "172.16.0.2", "eth9": "100.0.9.1"}}
	got, err := opposite.Uplinks(t.Context(), k, links, want.Addr("100.0.2.100"))
	if err != nil || !slices.Equal(got, want.CIDRs("100.0.1.0/24", "100.0.9.0/24")) {
		t.Errorf("%v, %v", got, err)
	}
	got, err = opposite.Uplinks(t.Context(), k, links, netip.Addr{})
	if len(got) != 0 || err != nil {
		t.Errorf("to nobody: %v, %v", got, err)
	}
	k.err = errors.New("the kernel fails")
	if _, err := opposite.Uplinks(t.Context(), k, links, want.Addr("100.0.2.100")); !errors.Is(err, k.err) {
		t.Errorf("of a kernel that fails: %v", err)
	}
}

// A host with very many addresses asks for a bounded number of them.
func TestUplinksAreBounded(t *testing.T) {
	l := kernel.Link{Name: "eth1", Up: true}
	for i := range 1000 {
		l.Addresses = append(l.Addresses, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1}), 24))
	}
	k := &ways{}
	if got, err := opposite.Uplinks(t.Context(), k, []kernel.Link{l}, want.Addr("100.0.2.100")); len(got) != 0 || err != nil || k.asked != 64 {
		t.Errorf("%v, %v, %d were asked for", got, err, k.asked)
	}
}
