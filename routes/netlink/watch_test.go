package netlink

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"nmgre/routes"
	"nmgre/routes/kernel"
	"nmgre/testdata/want"
)

// TestWatchBurst sets 100,000 routes. They cause few events, and a later change still causes one.
func TestWatchBurst(t *testing.T) {
	const floodPause = 500 * time.Millisecond // for which the listener sits a flood out
	ns := newNamespace(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var events <-chan kernel.Event
	if err := ns.Do(func() (err error) { events, err = ns.kernel.Watch(ctx); return err }); err != nil {
		t.Fatal(err)
	}
	const count = 100_000
	list := make([]kernel.OwnRoute, count)
	for i := range list {
		a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		list[i] = kernel.OwnRoute{Dev: "lo", Route: &routes.Route{Dst: netip.PrefixFrom(a, 32)}}
	}
	begin := time.Now()
	err := ns.Do(func() error {
		_, err := ns.kernel.SyncRoutes(context.Background(), list, kernel.SyncOptions{})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	all, n := want.Joined(events, 2*floodPause)
	if took := time.Since(begin); !all.Routes || n < 1 || n > int(took/floodPause)*2+3 {
		t.Errorf("%d events in %s: %+v", n, took, all)
	}
	ns.IP("link set dev lo mtu 9000")
	if after, _ := want.Joined(events, 300*time.Millisecond); after != (kernel.Event{Links: true}) {
		t.Errorf("after the burst: %+v", after)
	}
}
