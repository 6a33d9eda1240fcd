package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"nmgre/nm"
	"nmgre/nm/verify"
	"nmgre/nm/verify/fleet"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
	"nmgre/testdata/fake"
	"nmgre/testdata/want"
)

// hub returns a host with n tunnels that are up, gre1 and so on, each with a key and a route.
func hub(t testing.TB, n int) *fake.World {
	t.Helper()
	w := fake.NewWorld()
	w.Hears = func(kernel.Ends) kernel.Heard { return kernel.Heard{} }
	for i := range n {
		add(t, w, i+1)
	}
	return w
}

// add adds the tunnel gre<i>, and brings it up.
func add(t testing.TB, w *fake.World, i int) *fake.Profile {
	t.Helper()
	tunnel := nm.NewTunnel()
	tunnel.Name, tunnel.Local, tunnel.Remote, tunnel.MTU = fmt.Sprintf("gre%d", i), want.Addr("100.0.1.100"), want.Addr("100.0.2.100"), 1472
	tunnel.InputKey, tunnel.OutputKey = want.Ptr(gre.Key(i)), want.Ptr(gre.Key(i))
	inner := netip.AddrFrom4([4]byte{172, 16, byte(i >> 6), byte(i<<2 + 1)})
	tunnel.Addresses = []netip.Prefix{netip.PrefixFrom(inner, 30)}
	tunnel.PeerAddress = inner.Next()
	tunnel.Routes = []routes.Route{routes.MustParse(fmt.Sprintf("10.%d.%d.0/24", 100+i>>8, i&255))}
	p := w.AddProfile(nm.Profile{UUID: fmt.Sprintf("00000000-0000-4000-9000-%012d", i), ID: tunnel.Name, Tunnel: tunnel})
	if err := w.BringUp(p); err != nil {
		t.Fatal(err)
	}
	return p
}

// counts counts the calls of a process.
func counts(p *fake.Process) map[string]int {
	n := make(map[string]int)
	for _, call := range p.Calls {
		n[call]++
	}
	return n
}

// verified verifies all tunnels, which must not fail.
func verified(t *testing.T, p *fake.Process, opts fleet.Options) []fleet.Result {
	t.Helper()
	results, err := p.Host().VerifyAll(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

// verdicts prints the results, a line each, with the first check that is as bad.
func verdicts(results []fleet.Result) (text string) {
	for _, r := range results {
		text += fmt.Sprintf("%s %s", r.Tunnel, r.Verdict)
		for _, c := range r.Checks {
			if c.Status == r.Verdict && c.Status != verify.Pass || r.Verdict == fleet.Down {
				text += fmt.Sprintf(": %s %s: %s", c.ID, c.Cause, c.Summary)
				break
			}
		}
		text += "\n"
	}
	return text
}

// The host is asked once for all tunnels, and each tunnel sends its own packets: three to the far
// end, and one for each network of its routes. The speed of many tunnels rests on this.
func TestAsksOnce(t *testing.T) {
	const n = 200
	p := hub(t, n).Start()
	var results []fleet.Result
	synctest.Test(t, func(t *testing.T) { // a busy machine is no slow far end
		results = verified(t, p, fleet.Options{})
	})
	if len(results) != n || fleet.Worst(results) != verify.Pass {
		t.Fatalf("%d results:\n%s", len(results), verdicts(results))
	}
	got := counts(p)
	for call, most := range map[string]int{
		"List": 1, "Links": 1, "Rules": 1, "UUIDs": 2, "ListenTogether": 1, "OuterRules": 1, // for all
		"Get": 0, "Read": 0, "All": 0, "HookMissing": 0, "Routes": 0, "SyncRoutes": 0,
		"Listen": n, "Link": n, "Probe": 4 * n, "Forwarding": n, // for each
		"Lookup": 2*n + 1, // the way to each route and into its network, and the one to the far end
	} {
		if got[call] > most {
			t.Errorf("%s is called %d times, more than %d", call, got[call], most)
		}
		delete(got, call)
	}
	if len(got) > 0 {
		t.Errorf("more calls: %v", got)
	}
}

// The results are sorted by name, and are those of each tunnel alone.
func TestLikeAlone(t *testing.T) {
	w := hub(t, 12)
	w.Named("gre2").Tunnel.TTL = 0
	w.Link("gre2").GRE.TTL = 0
	w.Link("gre3").GRE.InputKey = want.Ptr(gre.Key(77))
	w.Link("gre10").Up = false
	answer := w.Answer
	w.Answer = func(p kernel.Probe) (kernel.ProbeResult, kernel.Counters, error) {
		if p.Dev == "gre4" || p.Dev == "gre5" {
			return kernel.ProbeResult{Sent: p.Count}, kernel.Counters{TxPackets: uint64(p.Count)}, nil
		}
		return answer(p)
	}
	w.Hears = func(to kernel.Ends) kernel.Heard {
		if *to.Key == 5 {
			return kernel.Heard{Errors: []kernel.ICMPError{{By: to.Remote, Type: 3, Code: 2, Quoted: kernel.Packet{From: to.Local, To: to.Remote, Header: gre.Header{Key: to.Key}}}}}
		}
		return kernel.Heard{}
	}
	results := verified(t, w.Start(), fleet.Options{})
	for i, r := range results {
		if want := fmt.Sprintf("gre%d", i+1); r.Tunnel != want {
			t.Errorf("%s is at the place of %s", r.Tunnel, want)
		}
		alone, err := w.Start().Host().Verify(t.Context(), r.Tunnel, verify.Options{Networks: true})
		if err != nil {
			t.Fatal(err)
		}
		// the list of very many tunnels does not tell the profile's file
		r.Checks[0], alone.Checks[0] = verify.Check{}, verify.Check{}
		want.Same(t, r.Tunnel, fake.ReportText(r.Report), fake.ReportText(alone))
	}
	if fleet.Worst(results) != verify.Fail || results[1].Verdict != verify.Warn || results[3].Verdict != verify.Fail || results[4].Verdict != verify.Fail || results[9].Verdict != verify.Fail {
		t.Error(verdicts(results))
	}
}

// A tunnel that is down on purpose is no fault. One that should be up is one.
func TestDown(t *testing.T) {
	w := hub(t, 4)
	for name, autoconnect := range map[string]bool{"gre2": false, "gre3": true} {
		p := w.Named(name)
		p.Tunnel.Autoconnect = autoconnect
		w.BringDown(p)
	}
	w.Settle()
	twin := w.Named("gre4").Profile
	twin.UUID, twin.ID, twin.State, twin.Device = "ffffffff-0000-4000-9000-000000000000", "the old one", nm.StateInactive, ""
	w.AddProfile(twin)
	w.AddProfile(nm.Profile{UUID: "ffffffff-0000-4000-9000-000000000001", ID: "ethernet", Tunnel: nm.Tunnel{Name: "eth7"}})
	for _, c := range []struct {
		opts fleet.Options
		want string
	}{
		{fleet.Options{}, "gre1 pass\ngre2 down: device : the tunnel is down, and is not to come up by itself\n" +
			"gre3 fail: device not-up: the tunnel is not up\ngre4 pass\ngre4 down: device : the tunnel is down: another one has its device\n"},
		{fleet.Options{Active: true}, "gre1 pass\ngre4 pass\n"},
	} {
		results := verified(t, w.Start(), c.opts)
		want.Same(t, "the verdicts", verdicts(results), c.want)
	}
}

// Whether a profile is on disk is not claimed where nobody has asked.
func TestNotAskedForTheFile(t *testing.T) {
	w := hub(t, 2)
	w.Named("gre2").Unsaved = true
	results := verified(t, w.Start(), fleet.Options{})
	if c := results[0].Checks[0]; c.ID != "profile" || c.Certainty != verify.Likely || c.Status != verify.Pass {
		t.Error(fake.CheckText(c))
	}
	if c := results[1].Checks[0]; c.Certainty != verify.Proved || c.Status != verify.Warn {
		t.Error(fake.CheckText(c))
	}
}

// The probes are in flight together, and not more of them than there may be.
func TestInFlightTogether(t *testing.T) {
	w := hub(t, 200)
	synctest.Test(t, func(t *testing.T) {
		p := w.Start()
		var flying, most atomic.Int32
		p.Turn = func(_ int, method string) {
			if method != "Probe" {
				return
			}
			most.Store(max(most.Load(), flying.Add(1)))
			time.Sleep(100 * time.Millisecond) // the round trip
			flying.Add(-1)
		}
		begin := time.Now()
		verified(t, p, fleet.Options{})
		// two round trips a tunnel, five times 48 tunnels
		if took := time.Since(begin); took > 1100*time.Millisecond || most.Load() > 3*48 {
			t.Errorf("it took %s, with %d probes in flight", took, most.Load())
		}
	})
}

// The end of the context ends it at once.
func TestInterrupted(t *testing.T) {
	w := hub(t, 100)
	synctest.Test(t, func(t *testing.T) {
		p := w.Start()
		p.Fault = func(_ int, method string) fake.Fault { return fake.Fault{Hang: method == "Probe"} }
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		begin := time.Now()
		results, err := p.Host().VerifyAll(ctx, fleet.Options{})
		if !errors.Is(err, fault.ErrTimeout) || results != nil || time.Since(begin) > 60*time.Millisecond {
			t.Errorf("after %s: %v, %d results", time.Since(begin), err, len(results))
		}
	})
}

// So does the end while a tunnel is verified once more, and no probe is blamed.
func TestInterruptedAlone(t *testing.T) {
	w := hub(t, 3)
	silent(w, "gre2")
	w.Hears = func(to kernel.Ends) kernel.Heard {
		return kernel.Heard{Sent: sent(to), Counters: kernel.HostCounters{ReversePathFilter: 3}}
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		p := w.Start()
		var listened atomic.Int32
		p.Turn = func(_ int, method string) {
			if method == "Probe" {
				time.Sleep(time.Millisecond)
			}
		}
		p.Fault = func(_ int, method string) (f fake.Fault) {
			if method != "Listen" {
				return f
			}
			if listened.Add(1) > 3 {
				f.Cancel, f.After, f.Quiet = cancel, true, true
			}
			return f
		}
		results, err := p.Host().VerifyAll(ctx, fleet.Options{})
		if listened.Load() != 4 || !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "probe") || results != nil {
			t.Errorf("after %d tunnels: %v, %d results", listened.Load(), err, len(results))
		}
	})
}

// An answer that cannot be read ends it with that error.
func TestFails(t *testing.T) {
	for _, method := range []string{"List", "Links", "Link", "Lookup"} {
		p := hub(t, 20).Start()
		p.Fault = func(_ int, m string) (f fake.Fault) {
			if m == method {
				f.Err = fake.ErrBroken
			}
			return f
		}
		if _, err := p.Host().VerifyAll(t.Context(), fleet.Options{}); !errors.Is(err, fake.ErrBroken) {
			t.Errorf("%s: %v", method, err)
		}
	}
}

// Done gets the progress after each tunnel.
func TestProgress(t *testing.T) {
	var told []int
	verified(t, hub(t, 30).Start(), fleet.Options{Done: func(done, total int) {
		if total != 30 {
			t.Errorf("%d of %d", done, total)
		}
		told = append(told, done)
	}})
	if len(told) != 30 || !slices.IsSorted(told) || told[29] != 30 {
		t.Error(told)
	}
}

// No tunnel is no fault.
func TestNone(t *testing.T) {
	if results := verified(t, fake.NewWorld().Start(), fleet.Options{}); len(results) != 0 || fleet.Worst(results) != verify.Pass {
		t.Error(verdicts(results))
	}
}

// A counter that has grown while others were probed is nobody's. The tunnel is verified once more,
// alone, and then the counter is its own.
func TestCountersOfOthers(t *testing.T) {
	w := hub(t, 3)
	silent(w, "gre2")
	w.Filter.Own = 1
	var mu sync.Mutex
	listened := make(map[gre.Key]int)
	w.Hears = func(to kernel.Ends) kernel.Heard {
		mu.Lock()
		defer mu.Unlock()
		listened[*to.Key]++
		heard := kernel.Heard{Sent: sent(to), Counters: kernel.HostCounters{ReversePathFilter: 3}}
		if *to.Key == 2 {
			heard.Accepted = []kernel.Packet{{From: to.Remote, To: to.Local, Header: gre.Header{Key: to.Key, InnerFrom: want.Addr("172.16.0.10"), InnerTo: want.Addr("172.16.0.9")}}}
		}
		return heard
	}
	synctest.Test(t, func(t *testing.T) {
		p := w.Start()
		p.Turn = func(_ int, method string) {
			if method == "Probe" {
				time.Sleep(time.Millisecond)
			}
		}
		results := verified(t, p, fleet.Options{})
		want.Same(t, "the verdicts", verdicts(results), "gre1 pass\ngre2 fail: probe rp-filter: this host's reverse path filter is strict (1) on gre2, and drops what comes from the far end\ngre3 pass\n")
	})
	if listened[1] != 1 || listened[2] != 2 || listened[3] != 1 {
		t.Errorf("the tunnels were listened to %v times", listened)
	}
}

// sent is a packet of a tunnel's that has left this host.
func sent(to kernel.Ends) []kernel.Packet {
	return []kernel.Packet{{From: to.Local, To: to.Remote, Header: gre.Header{Key: to.Key}}}
}

// silent makes the far ends of some tunnels answer nothing. Their packets come in nevertheless.
func silent(w *fake.World, names ...string) {
	answer := w.Answer
	w.Answer = func(p kernel.Probe) (kernel.ProbeResult, kernel.Counters, error) {
		if slices.Contains(names, p.Dev) {
			return kernel.ProbeResult{Sent: p.Count}, kernel.Counters{TxPackets: uint64(p.Count), RxPackets: uint64(p.Count)}, nil
		}
		return answer(p)
	}
}

// A far end that refuses several tunnels says so once a second. Whom it has not told is verified
// once more, alone, for a while.
func TestRefusalsAreFew(t *testing.T) {
	w := hub(t, 8)
	silent(w, "gre1", "gre2", "gre3", "gre4", "gre5", "gre6")
	var mu sync.Mutex
	asked := make(map[gre.Key]int)
	w.Hears = func(to kernel.Ends) (heard kernel.Heard) {
		mu.Lock()
		defer mu.Unlock()
		heard.Sent = sent(to)
		// among all others one, later each
		if asked[*to.Key]++; *to.Key == 1 || *to.Key <= 6 && asked[*to.Key] > 1 {
			heard.Errors = []kernel.ICMPError{{By: to.Remote, Type: 3, Code: 3, Quoted: kernel.Packet{From: to.Local, To: to.Remote, Header: gre.Header{Key: to.Key}}}}
		}
		return heard
	}
	synctest.Test(t, func(t *testing.T) {
		p := w.Start()
		p.Turn = func(_ int, method string) {
			if method == "Probe" {
				time.Sleep(time.Millisecond)
			}
		}
		for _, r := range verified(t, p, fleet.Options{})[:6] {
			if c := r.Checks[len(r.Checks)-2]; c.Cause != "far-no-tunnel" {
				t.Errorf("%s: %s", r.Tunnel, fake.CheckText(c))
			}
		}
	})
}

// BenchmarkTogether measures the verification of 200 tunnels without the waiting.
func BenchmarkTogether(b *testing.B) {
	w := hub(b, 200)
	for b.Loop() {
		if results, err := w.Start().Host().VerifyAll(b.Context(), fleet.Options{}); err != nil || len(results) != 200 {
			b.Fatal(err)
		}
	}
}
