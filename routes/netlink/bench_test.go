package netlink

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nmgre/routes"
	"nmgre/routes/kernel"
	"nmgre/routes/netlink/wire"
	"nmgre/testdata/want"
)

// BenchmarkKernel measures a host with 100 devices, 100 routes of ours, and a number of routes of
// others in the same table.
func BenchmarkKernel(b *testing.B) {
	for _, others := range []int{0, 10_000, 100_000} {
		ns, ctx := newNamespace(b), context.Background()
		ns.manyDevices(100)
		ns.manyRoutes(100, others)
		for name, f := range map[string]func() error{
			"Links":     func() error { _, err := ns.kernel.Links(ctx); return err },
			"Lookup":    func() error { _, err := ns.kernel.Lookup(ctx, kernel.Query{To: want.Addr("11.0.0.7")}); return err },
			"OwnRoutes": func() error { _, err := ns.kernel.OwnRoutes(ctx); return err },
			"Routes":    func() error { _, err := ns.kernel.Routes(ctx, "v0", nil); return err },
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

// many is how many routes the benchmarks set.
const many = 100_000

// benchSync is a namespace with a device for many routes: in the lab a GRE tunnel, elsewhere a
// veth.
type benchSync struct {
	*namespace
	device int
	want   []kernel.OwnRoute
	file   string // the same for `ip -batch`
}

func newBenchSync(b *testing.B) *benchSync {
	ns := newNamespace(b)
	lines := []string{"link add v0 type veth peer name v1", "link set dev v0 up", "link set dev v1 up", "addr add 10.9.0.1/24 dev v0"}
	if os.Getenv("NMGRE_LAB") == "1" {
		lines = append(lines, "link add g0 type gre local 10.9.0.1 remote 10.9.0.2 ttl 64", "link set dev g0 up")
	} else {
		lines = append(lines, "link add g0 type veth peer name g1", "link set dev g0 up", "link set dev g1 up")
	}
	ns.IP(lines...)
	s := &benchSync{namespace: ns, device: ns.deviceIndex("g0"), file: filepath.Join(b.TempDir(), "batch")}
	all := make([]routes.Route, many)
	text := make([]byte, 0, many*64)
	for i := range all {
		all[i].Dst = benchRoute(i)
		s.want = append(s.want, kernel.OwnRoute{Dev: "g0", Route: &all[i]})
		text = fmt.Appendf(text, "route add %s dev g0 proto 213\n", all[i].Dst)
	}
	if err := os.WriteFile(s.file, text, 0o600); err != nil {
		b.Fatal(err)
	}
	return s
}

// sync sets the routes. The count that says takes from the result must be that of all routes.
func (s *benchSync) sync(b *testing.B, want []kernel.OwnRoute, says func(kernel.SyncResult) int) {
	r, err := s.kernel.SyncRoutes(b.Context(), want, kernel.SyncOptions{})
	if n := says(r); err != nil || n != many || len(r.Refused) > 0 {
		b.Fatalf("%d routes, %d refused, %v", n, len(r.Refused), err)
	}
}

func added(r kernel.SyncResult) int { return len(r.Added) }

func unchanged(r kernel.SyncResult) int { return r.Unchanged }

func removed(r kernel.SyncResult) int { return r.Removed }

// BenchmarkSync100k sets 100,000 routes where there are none.
func BenchmarkSync100k(b *testing.B) {
	s := newBenchSync(b)
	b.ReportAllocs()
	for b.Loop() {
		s.sync(b, s.want, added)
		b.StopTimer()
		s.sync(b, nil, removed)
		b.StartTimer()
	}
}

// BenchmarkSyncAgain100k compares 100,000 routes that are all set already.
func BenchmarkSyncAgain100k(b *testing.B) {
	s := newBenchSync(b)
	s.sync(b, s.want, added)
	b.ReportAllocs()
	for b.Loop() {
		s.sync(b, s.want, unchanged)
	}
}

// BenchmarkRawLoop100k is the kernel's own time for 100,000 routes.
func BenchmarkRawLoop100k(b *testing.B) {
	s := newBenchSync(b)
	batches := rawRoutes(0, many, s.device, kernel.RouteProtocol)
	for b.Loop() {
		s.sendRaw(batches)
		b.StopTimer()
		s.sync(b, nil, removed)
		b.StartTimer()
	}
}

// BenchmarkSyncRatios sets 100,000 routes by the smallest loop, by SyncRoutes, by SyncRoutes again,
// and by `ip -batch`, in turn. It reports the ratios between the medians of all rounds. The ratios
// of processor time, the kernel's and the process's, are also reliable on a busy host.
func BenchmarkSyncRatios(b *testing.B) {
	s := newBenchSync(b)
	batches := rawRoutes(0, many, s.device, kernel.RouteProtocol)
	var raw, first, again, byIP times
	for b.Loop() {
		raw.measure(b, func() { s.sendRaw(batches) })
		s.sync(b, nil, removed)
		first.measure(b, func() { s.sync(b, s.want, added) })
		again.measure(b, func() { s.sync(b, s.want, unchanged) })
		s.sync(b, nil, removed)
		byIP.measure(b, func() {
			if out, err := s.RunFor(10*time.Minute, "ip", "-batch", s.file); err != nil {
				b.Fatalf("%v: %s", err, out)
			}
		})
		s.sync(b, nil, removed)
	}
	for name, ratio := range map[string][2]times{"raw": {first, raw}, "ip-batch": {first, byIP}, "first": {again, first}} {
		b.ReportMetric(median(ratio[0].wall)/median(ratio[1].wall), "x-"+name)
		b.ReportMetric(median(ratio[0].processor)/median(ratio[1].processor), "cpu-x-"+name)
	}
	b.ReportMetric(median(first.wall), "s/first")
}

// times are the durations of one side, in several rounds.
type times struct{ wall, processor []time.Duration }

func (m *times) measure(b *testing.B, f func()) {
	began, used := time.Now(), processorTime(b)
	f()
	m.wall, m.processor = append(m.wall, time.Since(began)), append(m.processor, processorTime(b)-used)
}

// processorTime is the processor time of this process and of the programs that it has run.
func processorTime(b *testing.B) (sum time.Duration) {
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var used unix.Rusage
		if err := unix.Getrusage(who, &used); err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(used.Utime.Nano() + used.Stime.Nano())
	}
	return sum
}

func median(times []time.Duration) float64 {
	slices.Sort(times)
	return times[len(times)/2].Seconds()
}

// BenchmarkSyncMemory reports the peak memory of the process after 100,000 routes were set,
// compared, changed and removed. The routes themselves are a part of it. Run it alone.
func BenchmarkSyncMemory(b *testing.B) {
	s := newBenchSync(b)
	for b.Loop() {
		s.sync(b, s.want, added)
		s.sync(b, s.want, unchanged)
		for _, o := range s.want {
			o.Route.MTU = 1400 - o.Route.MTU
		}
		s.sync(b, s.want, func(r kernel.SyncResult) int { return len(r.Replaced) })
		s.sync(b, nil, removed)
	}
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(used.Maxrss)/1024, "MB")
}

// manyDevices makes devices, v0 among them, each with an address.
func (ns *namespace) manyDevices(n int) {
	lines := []string{"link add v0 type veth peer name v1", "link set dev v0 up", "link set dev v1 up", "addr add 10.9.0.1/24 dev v0"}
	for i := range n - 2 {
		lines = append(lines, fmt.Sprintf("link add br%d type bridge", i), fmt.Sprintf("addr add 10.8.%d.1/24 dev br%d", i, i))
	}
	ns.IP(lines...)
}

// manyRoutes adds routes of ours and of others into v0.
func (ns *namespace) manyRoutes(ours, others int) {
	device := ns.deviceIndex("v0")
	ns.sendRaw(rawRoutes(0, ours, device, kernel.RouteProtocol))
	ns.sendRaw(rawRoutes(ours, others, device, unix.RTPROT_STATIC))
}

func (ns *namespace) deviceIndex(name string) int {
	link, err := ns.kernel.linkByName(context.Background(), name)
	if err != nil {
		ns.T.Fatal(err)
	}
	return link.Index
}

// benchRoute is one of many routes.
func benchRoute(i int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)}), 32)
}

// rawRoutes returns the messages that add n device routes, in batches ready to be sent. Only the
// last message of a batch is acknowledged.
func rawRoutes(from, n, device int, protocol uint8) [][]byte {
	var batches [][]byte
	for i := from; i < from+n; i += batchSize {
		var b []byte
		last := 0
		for j := i; j < min(i+batchSize, from+n); j++ {
			w := wire.Route{
				Family: unix.AF_INET, Dst: benchRoute(j), Table: routes.MainTable, Protocol: protocol, Type: unix.RTN_UNICAST,
				Scope: unix.RT_SCOPE_LINK, Device: device,
			}
			last = len(b)
			body := w.Encode()
			b = wire.Native.AppendUint32(b, uint32(unix.SizeofNlMsghdr+len(body)))
			b = wire.Native.AppendUint16(b, unix.RTM_NEWROUTE)
			b = wire.Native.AppendUint16(b, unix.NLM_F_REQUEST|unix.NLM_F_CREATE|unix.NLM_F_EXCL)
			b = append(b, make([]byte, 8)...)
			b = append(b, body...)
		}
		wire.Native.PutUint16(b[last+6:], unix.NLM_F_REQUEST|unix.NLM_F_CREATE|unix.NLM_F_EXCL|unix.NLM_F_ACK)
		batches = append(batches, b)
	}
	return batches
}

// sendRaw is the smallest possible loop: a send and a receive for each batch.
func (ns *namespace) sendRaw(batches [][]byte) {
	var fd int
	err := ns.Do(func() (err error) {
		fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
		return err
	})
	if err != nil {
		ns.T.Fatal(err)
	}
	defer unix.Close(fd)
	to, answer := &unix.SockaddrNetlink{Family: unix.AF_NETLINK}, make([]byte, 64<<10)
	for _, b := range batches {
		if err := unix.Sendto(fd, b, 0, to); err != nil {
			ns.T.Fatal(err)
		}
		n, _, err := unix.Recvfrom(fd, answer, 0)
		if err != nil || n < 20 || wire.Native.Uint32(answer[16:]) != 0 {
			ns.T.Fatalf("%x, %v", answer[:n], err)
		}
	}
}
