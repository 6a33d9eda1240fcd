package routes

import (
	"context"
	"fmt"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"nmgre"
)

// BenchmarkKernel measures on a host with 100 devices, 100 routes of ours and a number of routes of others in the same table.
func BenchmarkKernel(b *testing.B) {
	for _, others := range []int{0, 10_000, 100_000} {
		ns, ctx := newNamespace(b), context.Background()
		ns.manyDevices(100)
		ns.manyRoutes(100, others)
		for name, f := range map[string]func() error{
			"Links":                  func() error { _, err := ns.kernel.Links(ctx); return err },
			"Lookup":                 func() error { _, err := ns.kernel.Lookup(ctx, nmgre.Query{To: addr("11.0.0.7")}); return err },
			"OwnRoutes":              func() error { _, err := ns.kernel.OwnRoutes(ctx); return err },
			"Routes":                 func() error { _, err := ns.kernel.Routes(ctx, "v0"); return err },
			"AddDelete":              func() error { return ns.addDelete(ctx, nmgre.Route{Dst: prefix("12.0.0.0/8"), Metric: metric(5)}) },
			"AddDeleteWithoutMetric": func() error { return ns.addDelete(ctx, nmgre.Route{Dst: prefix("12.0.0.0/8")}) },
		} {
			b.Run(fmt.Sprintf("%s/others=%d", name, others), func(b *testing.B) {
				for b.Loop() {
					if err := f(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// manyDevices makes v0 and as many more devices as it takes, each with an address.
func (ns *namespace) manyDevices(n int) {
	lines := []string{"link add v0 type veth peer name v1", "link set dev v0 up", "link set dev v1 up", "addr add 10.9.0.1/24 dev v0"}
	for i := range n - 2 {
		lines = append(lines, fmt.Sprintf("link add br%d type bridge", i), fmt.Sprintf("addr add 10.8.%d.1/24 dev br%d", i, i))
	}
	ns.ip(lines...)
}

// manyRoutes adds routes of ours and of others into v0.
func (ns *namespace) manyRoutes(ours, others int) {
	link, err := ns.kernel.linkByName(context.Background(), "v0")
	if err != nil {
		ns.t.Fatal(err)
	}
	for i := range ours + others {
		w := wireRoute{
			family: unix.AF_INET, dst: netip.PrefixFrom(netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)}), 32),
			table: nmgre.MainTable, protocol: nmgre.RouteProtocol, kind: unix.RTN_UNICAST, scope: unix.RT_SCOPE_LINK, device: link.Index,
		}
		if i >= ours {
			w.protocol = unix.RTPROT_STATIC
		}
		r := request{kind: unix.RTM_NEWROUTE, flags: unix.NLM_F_CREATE | unix.NLM_F_EXCL | unix.NLM_F_ACK, body: w.encode()}
		if err := ns.kernel.exchange(context.Background(), r, nothing); err != nil {
			ns.t.Fatal(err)
		}
	}
}

func (ns *namespace) addDelete(ctx context.Context, r nmgre.Route) error {
	if err := ns.kernel.AddRoute(ctx, "v0", r); err != nil {
		return err
	}
	return ns.kernel.DeleteRoute(ctx, "v0", r)
}
