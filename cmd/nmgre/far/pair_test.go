package far

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"nmgre"
	"nmgre/nm"
	"nmgre/nm/pair"
	"nmgre/nm/plan"
	"nmgre/nm/verify"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
	"nmgre/testdata/fake"
	"nmgre/testdata/want"
)

// wired is two hosts in memory with a wire between them: linux1 is the one of the fake, linux2 its
// mirror. A probe is answered when the other host has a link that mirrors the prober's.
type wired struct {
	near, far *fake.World
	// links are the tunnels of both hosts as the other one's packets find them: each process shows
	// its host's before each call and message, so that no host reads the other one's state itself.
	links   [2]atomic.Pointer[kernel.GRELink]
	served  []*fake.Process // by which the far end was served
	serving sync.WaitGroup
}

// linux2 is the other host.
func linux2() *fake.World {
	w := fake.NewWorld()
	w.RemoveLink("eth0")
	w.RemoveLink("eth1")
	w.Table = nil
	w.AddLink(kernel.Link{Name: "eth0", Kind: "veth", Up: true, MTU: 1500, Addresses: want.CIDRs("100.0.2.100/24", "2001:db8:2::100/64")})
	w.AddLink(kernel.Link{Name: "eth1", Kind: "veth", Up: true, MTU: 1500, Addresses: want.CIDRs("10.10.2.1/24")})
	w.AddRoute("eth0", "default via 100.0.2.1", 3)
	w.AddRoute("eth0", "default via 2001:db8:2::1", 3)
	return w
}

func newWired() *wired {
	n := &wired{near: fake.NewWorld(), far: linux2()}
	n.near.Answer, n.far.Answer = answersOf(n.near, &n.links[1]), answersOf(n.far, &n.links[0])
	n.near.Hears, n.far.Hears = refusalsOf(&n.links[1]), refusalsOf(&n.links[0])
	return n
}

// show shows the tunnel of a host. A process of that host calls it; another one may be at work.
func (n *wired) show(w *fake.World) {
	shown := &n.links[0]
	if w == n.far {
		shown = &n.links[1]
	}
	w.Look(func() {
		if l := greLink(w); l != nil {
			g := *l.GRE
			shown.Store(&g)
			return
		}
		shown.Store(nil)
	})
}

// start starts a process on one of the hosts.
func (n *wired) start(w *fake.World) *fake.Process {
	p := w.Start()
	p.Turn = func(int, string) { n.show(w) }
	return p
}

// refusalsOf are the ICMP errors of the other host's kernel about packets that no tunnel takes.
func refusalsOf(other *atomic.Pointer[kernel.GRELink]) func(kernel.Ends) kernel.Heard {
	return func(to kernel.Ends) kernel.Heard {
		if other.Load() != nil {
			return kernel.Heard{}
		}
		sent := kernel.Packet{From: to.Local, To: to.Remote, Header: gre.Header{Protocol: 0x0800, Key: to.Key}}
		return kernel.Heard{Sent: []kernel.Packet{sent}, Errors: []kernel.ICMPError{{By: to.Remote, Type: 3, Code: 3, Quoted: sent}}}
	}
}

// answersOf answers the probes of a host as the other one would.
func answersOf(w *fake.World, other *atomic.Pointer[kernel.GRELink]) func(kernel.Probe) (kernel.ProbeResult, kernel.Counters, error) {
	return func(p kernel.Probe) (kernel.ProbeResult, kernel.Counters, error) {
		own, there := w.Link(p.Dev), other.Load()
		sent := kernel.Counters{TxPackets: uint64(max(p.Enough, 1))}
		if own != nil && own.GRE == nil { // the outer address
			return kernel.ProbeResult{Sent: 1, Received: 1, RTT: []time.Duration{time.Millisecond}}, kernel.Counters{}, nil
		}
		if own == nil || own.GRE == nil || there == nil || there.Local != own.GRE.Remote || fmt.Sprint(there.InputKey) != fmt.Sprint(own.GRE.OutputKey) && there.InputKey != nil {
			return kernel.ProbeResult{Sent: max(p.Enough, 1), Refusals: []string{"port unreachable, from " + own.GRE.Remote.String()},
				Errors: []kernel.ICMPError{{By: own.GRE.Remote, Type: 3, Code: 3}}}, sent, nil
		}
		sent.RxPackets = sent.TxPackets
		return kernel.ProbeResult{Sent: max(p.Enough, 1), Received: max(p.Enough, 1), RTT: []time.Duration{time.Millisecond}}, sent, nil
	}
}

func greLink(w *fake.World) *fake.Link {
	for i := range 9 {
		if l := w.Link(fmt.Sprintf("gre%d", i+1)); l != nil && l.GRE != nil && l.Dying == 0 {
			return l
		}
	}
	return nil
}

// cut is the fault of a message: the connection is cut before it is delivered, or the process that
// sent it is killed.
type cut struct {
	at      int  // the number of the message, counted from 0 in both directions; -1 for none
	fromFar bool // of those of the far end
	kill    bool // the sender of the message dies
	deaf    bool // the cut is not noticed: nothing arrives any more, and no end of the input
}

// pipeEnd is one end of the connection.
type pipeEnd struct {
	io.Reader
	io.Writer
	close func()
}

func (p pipeEnd) Close() error { p.close(); return nil }

// dial returns a connection to a new far end, with a fault.
func (n *wired) dial(t *testing.T, c cut, killNear, killFar func()) func(context.Context) (Line, error) {
	calls := 0
	return func(context.Context) (Line, error) {
		calls++
		if calls > 1 {
			c = cut{at: -1} // the network is there again
		}
		toFarR, toFarW := io.Pipe()
		toNearR, toNearW := io.Pipe()
		broken := make(chan struct{})
		var once sync.Once
		sever := func() {
			once.Do(func() {
				close(broken)
				if !c.deaf {
					_ = toFarW.CloseWithError(io.EOF)
					_ = toNearW.CloseWithError(io.EOF)
				}
			})
		}
		p := n.start(n.far)
		n.served = append(n.served, p)
		die := func() {
			if c.fromFar {
				killFar()
				p.Dead = true
			} else {
				killNear()
			}
		}
		faulty := func(w io.Writer, mine, byFar bool) io.Writer {
			host := n.near
			if byFar {
				host = n.far
			}
			return &faultyWriter{show: func() { n.show(host) }, w: w, broken: broken, sever: sever, die: die, c: c, mine: mine}
		}
		n.serving.Go(func() {
			s := Server{In: toFarR, Out: faulty(toNearW, c.fromFar, true), Version: "test", Watch: func() func() { return func() {} },
				Session: nmgre.Session{Server: netip.MustParseAddr("100.0.2.100"), Client: netip.MustParseAddr("100.0.1.100")},
				Open:    func(context.Context) (*nmgre.Host, func(), error) { return p.Host(), func() {}, nil }}
			_ = s.Serve(t.Context())
			_ = toNearW.CloseWithError(io.EOF)
			_ = toFarR.CloseWithError(io.ErrClosedPipe)
		})
		return pipeEnd{toNearR, faulty(toFarW, !c.fromFar, false), func() {
			_ = toFarW.CloseWithError(io.EOF)
			_ = toNearR.CloseWithError(io.ErrClosedPipe)
		}}, nil
	}
}

// faultyWriter lets a fault happen at a message.
type faultyWriter struct {
	show   func()
	w      io.Writer
	broken chan struct{}
	sever  func()
	die    func()
	c      cut
	mine   bool // the fault is at a message of this direction
	n      int
}

func (f *faultyWriter) Write(b []byte) (int, error) {
	select {
	case <-f.broken:
		if f.c.deaf {
			return len(b), nil
		}
		return 0, io.ErrClosedPipe
	default:
	}
	alive := strings.Contains(string(b), `"alive"`)
	if !alive {
		f.show()
	}
	if f.mine && !alive {
		if f.n == f.c.at {
			if f.c.kill {
				f.die()
			}
			f.sever()
			return len(b), nil
		}
		f.n++
	}
	return f.w.Write(b)
}

// nearOf returns the near end.
func (n *wired) nearOf(t *testing.T, h *nmgre.Host, dial func(context.Context) (Line, error), told *[]string) *Near {
	return &Near{Name: "linux2", Host: h, Dial: dial, Doubt: Doubts(t.TempDir()), Watch: func() func() { return func() {} },
		Careful: func(context.Context, plan.Effect) error { return nil },
		Tell:    func(line string) { *told = append(*told, line) }}
}

// tunnels returns the lines of a host that are about tunnels.
func tunnels(w *fake.World) string {
	var b strings.Builder
	for line := range strings.Lines(w.String()) {
		if strings.Contains(line, "gre") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// From nothing, both ends are made, and each has a route to the other's LAN.
func TestPair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, told := newWired(), []string(nil)
		p := n.start(n.near)
		near := n.nearOf(t, p.Host(), n.dial(t, cut{at: -1}, nil, nil), &told)
		both, err := near.Plan(t.Context(), pair.Wish{Near: nm.NewTunnel()}, "")
		if err != nil {
			t.Fatal(err)
		}
		for name, calls := range map[string][]string{"this host": p.Calls, "the far one": n.served[0].Calls} {
			for _, method := range []string{"List", "Manager", "Links"} {
				if times := len(slices.DeleteFunc(slices.Clone(calls), func(call string) bool { return call != method })); times != 1 {
					t.Errorf("%s is asked %d times for %s: %q", name, times, method, calls)
				}
			}
		}
		done, err := near.Make(t.Context(), both)
		if err != nil {
			t.Fatal(err, told)
		}
		if done.FarName != "gre1" || !done.Far.Answered || done.Near.Report.Verdict != verify.Pass {
			t.Errorf("%+v", done)
		}
		n.serving.Wait()
		for w, parts := range map[*fake.World][]string{
			n.near: {"address 172.16.0.1/30", "route 10.10.2.0/24 metric 675 dev gre1", "profile gre1 active: "},
			n.far:  {"address 172.16.0.2/30", "route 10.10.1.0/24 metric 675 dev gre1", "profile gre1 active: "},
		} {
			for _, part := range parts {
				if !strings.Contains(w.String(), part) {
					t.Errorf("there is no %q:\n%s", part, w)
				}
			}
		}
		if left := near.Doubt.any(); len(left) != 0 {
			t.Errorf("notes are left: %q", left)
		}
	})
}

// A change of this host while a person answered ssh counts.
func TestPairLooksAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, told := newWired(), []string(nil)
		dial := n.dial(t, cut{at: -1}, nil, nil)
		near := n.nearOf(t, n.start(n.near).Host(), func(ctx context.Context) (Line, error) {
			time.Sleep(2 * fresh)
			n.near.Look(func() {
				n.near.AddLink(kernel.Link{Name: "eth2", Kind: "veth", Up: true, MTU: 1500, Addresses: want.CIDRs("172.16.0.1/30")})
			})
			return dial(ctx)
		}, &told)
		both, err := near.Plan(t.Context(), pair.Wish{Near: nm.NewTunnel()}, "")
		if err != nil {
			t.Fatal(err)
		}
		both.Leave()
		if got := both.Near.Tunnel.Addresses; len(got) != 1 || got[0] != want.CIDR("172.16.0.5/30") {
			t.Errorf("its inner address is %v", got)
		}
	})
}

var errKilled = errors.New("killed")

// At each message, in both directions, the connection is cut, goes dead without a word, or the
// sender is killed. Then both hosts have the tunnel, or none, after the next command on either.
func TestPairCutAtEachMessage(t *testing.T) {
	outcome := map[bool]int{}
	for _, fromFar := range []bool{false, true} {
		for _, way := range []string{"cut", "dead", "killed"} {
			for at := range 6 {
				name := fmt.Sprintf("%s at message %d, from the far end: %v", way, at, fromFar)
				t.Run(name, func(t *testing.T) {
					outcome[cutAt(t, cut{at: at, fromFar: fromFar, kill: way == "killed", deaf: way == "dead"})]++
				})
			}
		}
	}
	if outcome[true] < 3 || outcome[false] < 20 {
		t.Errorf("how often both ends are there, and none: %v", outcome)
	}
}

// cutAt lets the fault happen, and reports whether both ends are there afterwards.
func cutAt(t *testing.T, c cut) (both bool) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n, told := newWired(), []string(nil)
		before1, before2 := n.near.String(), n.far.String()
		p := n.start(n.near)
		near := n.nearOf(t, p.Host(), nil, &told)
		nearDead := false
		near.Dial = n.dial(t, c, func() { nearDead, p.Dead = true, true }, func() {})
		var made error
		fake.Survives(func() {
			both, err := near.Plan(t.Context(), pair.Wish{Near: nm.NewTunnel()}, "")
			if made = err; err == nil {
				_, made = near.Make(t.Context(), both)
			}
		})
		if nearDead {
			made = errKilled
		}
		time.Sleep(2 * time.Minute) // whatever waits has ended
		synctest.Wait()             // for the race detector: their writes are seen from now on
		for w, d := range map[*fake.World]Doubts{n.near: near.Doubt, n.far: Doubts(t.TempDir())} {
			h := n.start(w).Host()
			if _, err := h.List(t.Context()); err != nil {
				t.Fatal(err)
			}
			d.Settle(t.Context(), h, true, func(line string) { told = append(told, line) })
		}
		n.near.Settle()
		n.far.Settle()
		there1, there2 := strings.Contains(tunnels(n.near), "profile gre1"), strings.Contains(tunnels(n.far), "profile gre1")
		if there1 != there2 {
			t.Errorf("one end alone: here %v, there %v (%v)\n%s\nlinux1\n%slinux2\n%s", there1, there2, made, strings.Join(told, "\n"), n.near, n.far)
		}
		if made == nil != there1 && !errors.Is(made, errKilled) {
			t.Errorf("it says %v, and the tunnel is there: %v\n%s", made, there1, strings.Join(told, "\n"))
		}
		if !there1 {
			want.Same(t, "linux1", n.near.String(), before1)
			want.Same(t, "linux2", n.far.String(), before2)
		}
		both = there1 && there2
		if left := near.Doubt.any(); len(left) != 0 {
			t.Errorf("notes are left: %q", left)
		}
	})
	return both
}

// pairUp makes both ends.
func (n *wired) pairUp(t *testing.T) {
	t.Helper()
	var told []string
	near := n.nearOf(t, n.start(n.near).Host(), n.dial(t, cut{at: -1}, nil, nil), &told)
	both, err := near.Plan(t.Context(), pair.Wish{Near: nm.NewTunnel()}, "")
	if err == nil {
		_, err = near.Make(t.Context(), both)
	}
	if err != nil {
		t.Fatal(err, told)
	}
}

// failing returns the first check of both ends that fails.
func (n *wired) failing(t *testing.T) (id string, verdict verify.Verdict) {
	t.Helper()
	var told []string
	near := n.nearOf(t, n.start(n.near).Host(), n.dial(t, cut{at: -1}, nil, nil), &told)
	report, err := near.Verify(t.Context(), "gre1")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range report.Checks {
		if c.Status == verify.Fail {
			return c.ID, report.Verdict
		}
	}
	return "", report.Verdict
}

// A change of the far end is named, and mended by the next pair; so is a far end that is gone.
func TestVerifyAndMend(t *testing.T) {
	for name, c := range map[string]struct {
		break2 func(ctx context.Context, h *nmgre.Host) error
		id     string
		way    string // how it is mended
	}{
		"nothing": {func(context.Context, *nmgre.Host) error { return nil }, "", "matches"},
		"the key": {func(ctx context.Context, h *nmgre.Host) error {
			planned, err := h.PlanEdit(ctx, "gre1", func(t *nm.Tunnel) error {
				k := gre.Key(7)
				t.InputKey, t.OutputKey = &k, &k
				return nil
			})
			if err == nil {
				_, err = h.Edit(ctx, planned, nmgre.EditOptions{NoProbe: true})
			}
			return err
		}, "both: key", "key"},
		"it is gone": {func(ctx context.Context, h *nmgre.Host) error { _, err := h.Delete(ctx, "gre1"); return err }, "both: there", "made"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newWired()
				n.pairUp(t)
				n.serving.Wait()
				whole := n.far.String()
				if err := c.break2(t.Context(), n.start(n.far).Host()); err != nil {
					t.Fatal(err)
				}
				if id, verdict := n.failing(t); id != c.id || (verdict == verify.Pass) != (c.id == "") {
					t.Errorf("verify names %q, and says %s", id, verdict)
				}
				n.serving.Wait()
				var told []string
				near := n.nearOf(t, n.start(n.near).Host(), n.dial(t, cut{at: -1}, nil, nil), &told)
				both, err := near.Plan(t.Context(), pair.Wish{Near: nm.NewTunnel()}, "")
				if err != nil {
					t.Fatal(err)
				}
				if both.There == nil || both.Far.Mend == (c.way == "made") || (len(both.Far.Changes) == 0) != (c.way != "key") {
					t.Fatalf("the plan is %+v", both.Far)
				}
				if _, err := near.Mend(t.Context(), both, *both.There); err != nil {
					t.Fatal(err)
				}
				n.serving.Wait()
				n.far.Settle()
				want.Same(t, "the far end", n.far.String(), whole)
				if id, verdict := n.failing(t); id != "" || verdict != verify.Pass {
					t.Errorf("mended, verify names %q, and says %s", id, verdict)
				}
				n.serving.Wait()
			})
		})
	}
}

// Where a tunnel is given by its name, no flag may say something else about it, and none is
// ignored.
func TestAgreesWithWhatIsThere(t *testing.T) {
	there := nmgre.Status{Profile: nm.Profile{Tunnel: nm.Tunnel{Name: "gre1"}}}
	for _, flag := range []string{"key", "input-key", "output-key", "address", "peer-address", "peer", "name", "mtu"} {
		run := pairRun{host: "linux2", existing: "gre1", changed: func(name string) bool { return name == flag }}
		if err := run.agrees(there); !errors.Is(err, fault.ErrInvalid) {
			t.Errorf("--%s: %v", flag, err)
		}
	}
	run := pairRun{host: "linux2", changed: func(name string) bool { return name == "key" }}
	if err := run.agrees(there); err != nil { // the key has found the tunnel
		t.Errorf("a tunnel that was found by its key: %v", err)
	}
}
