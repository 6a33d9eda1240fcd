package netlink

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"nmgre/routes/fault"
	"nmgre/routes/kernel"
	"nmgre/testdata/want"
)

const interval = 300 * time.Millisecond

// probe probes on the namespace's thread, because a probe opens its socket in the thread's
// namespace.
func (ns *namespace) probe(ctx context.Context, p kernel.Probe) (result kernel.ProbeResult, err error) {
	_ = ns.Do(func() error {
		result, err = ns.kernel.Probe(ctx, p)
		return nil
	})
	return result, err
}

// privileges run a test with a raw socket and with a ping socket.
var privileges = map[string]func(ns *namespace){
	"raw socket": func(*namespace) {},
	"ping socket": func(ns *namespace) {
		ns.Sysctl("net/ipv4/ping_group_range", "0 2147483647")
		ns.DropCapabilities()
	},
}

// router makes two namespaces, the second of which forwards, and refuses some destinations.
func router(t *testing.T) (near *namespace) {
	near, far := newNamespace(t), newNamespace(t)
	cable(near, "v0", far, "v1", 0)
	far.Sysctl("net/ipv4/ip_forward", "1")
	far.Sysctl("net/ipv6/conf/all/forwarding", "1")
	// Send errors without a limit. A ratelimit of 0 would not do: it empties the account from which
	// the kernel pays for unreachable routes.
	far.Sysctl("net/ipv4/icmp_ratemask", "0")
	far.IP("route add unreachable 10.61.0.0/16", "route add prohibit 10.62.0.0/16", "route add blackhole 10.63.0.0/16",
		"route add unreachable fd61::/16", "route add prohibit fd62::/16", "route add blackhole fd63::/16",
		"route add 10.60.0.0/16 via 10.9.0.1", "route add fd60::/16 via fd00::1")
	near.IP("route add 10.60.0.0/14 via 10.9.0.2", "route add fd60::/12 via fd00::2", "link add br0 type bridge")
	for _, to := range []string{"10.9.0.2", "fd00:0::2"} {
		near.answers(t, kernel.Probe{Dev: "v0", To: want.Addr(to)})
	}
	return near
}

// answers waits for one answer. A kernel whose addresses are new may miss the first question for
// its neighbour's, and asks again after a second.
func (ns *namespace) answers(t *testing.T, p kernel.Probe) {
	t.Helper()
	p.Count, p.Interval, p.Enough = 10, 500*time.Millisecond, 1
	if got, err := ns.probe(context.Background(), p); err != nil || got.Received != 1 {
		t.Fatalf("got %+v, %v", got, err)
	}
}

func TestProbe(t *testing.T) {
	for privilege, prepare := range privileges {
		t.Run(privilege, func(t *testing.T) {
			t.Parallel()
			ns := router(t)
			prepare(ns)
			for name, c := range map[string]struct {
				from, to string
				received bool
				refusals string
			}{
				"answer":             {"10.9.0.1", "10.9.0.2", true, ""},
				"answer, any source": {"", "10.9.0.2", true, ""},
				"silence":            {"10.9.0.1", "10.63.0.1", false, ""},
				"unreachable":        {"10.9.0.1", "10.61.0.1", false, "host unreachable, from 10.9.0.2"},
				"prohibited":         {"10.9.0.1", "10.62.0.1", false, "administratively prohibited, from 10.9.0.2"},
				"IPv6":               {"fd00:0::1", "fd00:0::2", true, ""},
				"IPv6, any source":   {"", "fd00:0::2", true, ""},
				"IPv6, silence":      {"fd00:0::1", "fd63::1", false, ""},
				"IPv6, unreachable":  {"fd00:0::1", "fd61::1", false, "no route, from fd00::2"},
				"IPv6, prohibited":   {"fd00:0::1", "fd62::1", false, "administratively prohibited, from fd00::2"},
			} {
				t.Run(name, func(t *testing.T) {
					p := kernel.Probe{Dev: "v0", To: want.Addr(c.to), Count: 2, Interval: interval}
					if c.from != "" {
						p.From = want.Addr(c.from)
					}
					got, err := ns.probe(context.Background(), p)
					if err != nil || got.Sent != 2 || got.Received != len(got.RTT) || strings.Join(got.Refusals, "; ") != c.refusals {
						t.Fatalf("got %+v, %v", got, err)
					}
					if expected := map[bool]int{true: 2}[c.received]; got.Received != expected {
						t.Errorf("got %+v", got)
					}
					for _, rtt := range got.RTT {
						if rtt <= 0 || rtt > interval {
							t.Errorf("a round trip of %s", rtt)
						}
					}
				})
			}
		})
	}
}

// TestProbeNeighbour probes an address that nobody has. This host's kernel finds that out and
// reports it.
func TestProbeNeighbour(t *testing.T) {
	for privilege, prepare := range privileges {
		t.Run(privilege, func(t *testing.T) {
			t.Parallel()
			ns := router(t)
			ns.Sysctl("net/ipv4/neigh/v0/retrans_time_ms", "50")
			ns.Sysctl("net/ipv6/neigh/v0/retrans_time_ms", "50")
			prepare(ns)
			for from, c := range map[string]struct{ to, words string }{
				"10.9.0.1":  {"10.9.0.77", "host unreachable, from 10.9.0.1"},
				"fd00:0::1": {"fd00:0::77", "address unreachable, from fd00::1"},
			} {
				got, err := ns.probe(context.Background(), kernel.Probe{Dev: "v0", From: want.Addr(from), To: want.Addr(c.to), Count: 3, Interval: interval})
				if err != nil || got.Received != 0 || len(got.Refusals) != 1 || got.Refusals[0] != c.words {
					t.Errorf("%s: got %+v, %v", c.to, got, err)
				}
			}
		})
	}
}

// A packet of TTL 1 gets to the router, and no further: it says so, whoever the packet is for. The
// first refusal ends such a probe.
func TestProbeHops(t *testing.T) {
	for privilege, prepare := range privileges {
		t.Run(privilege, func(t *testing.T) {
			t.Parallel()
			ns := router(t)
			prepare(ns)
			for to, by := range map[string]string{"10.60.0.1": "10.9.0.2", "fd60::1": "fd00::2"} {
				p := kernel.Probe{Dev: "v0", To: want.Addr(to), Count: 5, Interval: interval, Hops: 1, UntilRefused: true}
				got, err := ns.probe(context.Background(), p)
				if err != nil || got.Sent != 1 || len(got.Errors) != 1 || got.Errors[0].By != want.Addr(by) || got.Errors[0].Meaning() != kernel.TooFar {
					t.Errorf("%s: got %+v, %v", to, got, err)
				}
				p.To = want.Addr(by)
				if got, err = ns.probe(context.Background(), p); err != nil || got.Received == 0 {
					t.Errorf("%s, the router itself: got %+v, %v", by, got, err)
				}
			}
		})
	}
}

// A packet of the device's whole MTU goes out unfragmented, although the route, like a path MTU
// that the kernel has cached, says less. A larger one is refused by this host, and that is an
// answer.
func TestProbeSize(t *testing.T) {
	for privilege, prepare := range privileges {
		t.Run(privilege, func(t *testing.T) {
			t.Parallel()
			ns := router(t)
			ns.IP("link set v0 mtu 1400", "route replace 10.9.0.2 dev v0 mtu 1300", "route replace fd00::2 dev v0 mtu 1300")
			prepare(ns)
			for _, to := range []string{"10.9.0.2", "fd00::2"} {
				p := kernel.Probe{Dev: "v0", To: want.Addr(to), Count: 2, Enough: 1, Interval: interval, Size: 1400}
				if got, err := ns.probe(context.Background(), p); err != nil || got.Received != 1 || len(got.Refusals) > 0 {
					t.Errorf("%s, %d bytes: %+v, %v", to, p.Size, got, err)
				}
				p.Size = 1401
				if got, err := ns.probe(context.Background(), p); err != nil || got.Received != 0 || strings.Join(got.Refusals, "; ") != "this host: message too long" {
					t.Errorf("%s, %d bytes: %+v, %v", to, p.Size, got, err)
				}
			}
		})
	}
}

func TestProbeLinkLocal(t *testing.T) {
	near, far := newNamespace(t), newNamespace(t)
	cable(near, "v0", far, "v1", 0)
	near.IP("addr add fe80::a/64 dev v0 nodad")
	far.IP("addr add fe80::b/64 dev v1 nodad")
	near.answers(t, kernel.Probe{Dev: "v0", From: want.Addr("fe80::a"), To: want.Addr("fe80::b%v0")})
}

func TestProbeTime(t *testing.T) {
	ns := router(t)
	probe := kernel.Probe{Dev: "v0", From: want.Addr("10.9.0.1"), To: want.Addr("10.9.0.2"), Count: 10, Interval: time.Minute, Enough: 1}
	began := time.Now()
	got, err := ns.probe(context.Background(), probe)
	if took := time.Since(began); err != nil || got.Sent != 1 || got.Received != 1 || took > 10*time.Second {
		t.Errorf("one answer is enough: %+v, %v after %s", got, err, took)
	}

	probe.To, probe.Interval = want.Addr("10.63.0.1"), 10*time.Millisecond
	began = time.Now()
	got, err = ns.probe(context.Background(), probe)
	if took := time.Since(began); err != nil || got.Sent != 10 || got.Received != 0 || took < 100*time.Millisecond || took > 10*time.Second {
		t.Errorf("silence: %+v, %v after %s", got, err, took)
	}

	probe.Interval = time.Minute
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	began = time.Now()
	got, err = ns.probe(ctx, probe)
	if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || got.Sent > 1 || took > 10*time.Second {
		t.Errorf("context: %+v, %v after %s", got, err, took)
	}
}

func TestProbeRefused(t *testing.T) {
	ns := router(t)
	good := kernel.Probe{Dev: "v0", From: want.Addr("10.9.0.1"), To: want.Addr("10.9.0.2"), Count: 1, Interval: interval}
	for name, c := range map[string]struct {
		change func(p *kernel.Probe)
		kind   error
	}{
		"no device":      {func(p *kernel.Probe) { p.Dev = "none" }, fault.ErrInvalid},
		"foreign source": {func(p *kernel.Probe) { p.From = want.Addr("192.0.2.9") }, fault.ErrInvalid},
		"two families":   {func(p *kernel.Probe) { p.From = want.Addr("fd00::1") }, fault.ErrInvalid},
		"no destination": {func(p *kernel.Probe) { p.To = want.Addr("0.0.0.0") }, fault.ErrInvalid},
		"multicast":      {func(p *kernel.Probe) { p.To = want.Addr("224.0.0.1") }, fault.ErrInvalid},
		"no request":     {func(p *kernel.Probe) { p.Count = 0 }, fault.ErrInvalid},
		"too many":       {func(p *kernel.Probe) { p.Count = 11 }, fault.ErrInvalid},
		"too fast":       {func(p *kernel.Probe) { p.Interval = time.Millisecond }, fault.ErrInvalid},
		"device down":    {func(p *kernel.Probe) { p.Dev = "br0" }, fault.ErrUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			p := good
			c.change(&p)
			got, err := ns.probe(context.Background(), p)
			if !errors.Is(err, c.kind) || got.Sent != 0 {
				t.Errorf("got %+v, %v", got, err)
			}
			t.Log(err, fault.Hints(err))
		})
	}
}

func TestProbeNotPermitted(t *testing.T) {
	ns := newNamespace(t)
	ns.Sysctl("net/ipv4/ping_group_range", "1 0")
	ns.DropCapabilities()
	for _, to := range []string{"127.0.0.1", "::1"} {
		_, err := ns.probe(context.Background(), kernel.Probe{Dev: "lo", To: want.Addr(to), Count: 1, Interval: interval})
		if !errors.Is(err, fault.ErrNotPermitted) || len(fault.Hints(err)) == 0 {
			t.Errorf("%s: %v", to, err)
		}
	}
}
