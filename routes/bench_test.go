package routes

import (
	"context"
	"fmt"
	"net/netip"
	"testing"

	"nmgre"
)

// benchNamespace has 100 devices and n routes of others, and a hundred of ours.
func benchNamespace(b *testing.B, n int) *namespace {
	b.Helper()
	ns := newNamespace(b)
	ns.ip("link add v0 type veth peer name v1", "link set dev v0 up", "link set dev v1 up", "addr add 10.9.0.1/24 dev v0")
	for i := range 98 {
		ns.ip(fmt.Sprintf("link add br%d type bridge", i), fmt.Sprintf("addr add 10.8.%d.1/24 dev br%d", i, i))
	}
	ctx := context.Background()
	for i := range n + 100 {
		dst := netip.PrefixFrom(netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)}), 32)
		w, err := newWireRoute(nmgre.Route{Dst: dst})
		if err == nil {
			err = ns.kernel.resolve(ctx, &w, "v0", nmgre.Route{})
		}
		if i >= 100 {
			w.protocol = 4
		}
		if err == nil {
			err = ns.kernel.exchange(ctx, request{kind: 24, flags: 0x605, body: w.append(nil)}, nothing)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	return ns
}

func BenchmarkKernel(b *testing.B) {
	for _, n := range []int{0, 10000, 100000} {
		ns, ctx := benchNamespace(b, n), context.Background()
		run := func(name string, f func() error) {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				for b.Loop() {
					if err := f(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		run("Links", func() error { _, err := ns.kernel.Links(ctx); return err })
		run("Lookup", func() error { _, err := ns.kernel.Lookup(ctx, nmgre.Query{To: addr("11.0.0.7")}); return err })
		run("OwnRoutes", func() error { _, err := ns.kernel.OwnRoutes(ctx); return err })
		run("Routes", func() error { _, err := ns.kernel.Routes(ctx, "v0"); return err })
		run("AddDelete", func() error {
			r := nmgre.Route{Dst: prefix("12.0.0.0/8"), Metric: metric(5)}
			if err := ns.kernel.AddRoute(ctx, "v0", r); err != nil {
				return err
			}
			return ns.kernel.DeleteRoute(ctx, "v0", r)
		})
		run("AddDeleteNoMetric", func() error {
			r := nmgre.Route{Dst: prefix("12.0.0.0/8")}
			if err := ns.kernel.AddRoute(ctx, "v0", r); err != nil {
				return err
			}
			return ns.kernel.DeleteRoute(ctx, "v0", r)
		})
	}
}
