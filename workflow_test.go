package nmgre

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// wanted reads the tunnels of testdata/domain/plan: what somebody asks for, by the names of the files.
func wanted(t *testing.T) (names []string, tunnels map[string]Tunnel, inputs map[string]string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "domain", "plan", "*.txt"))
	if err != nil || len(files) < 9 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	tunnels, inputs = make(map[string]Tunnel), make(map[string]string)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		input, _, _ := strings.Cut(string(text), rule+"\n")
		if tunnels[name], err = readTunnel(input); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		names, inputs[name] = append(names, name), input
	}
	return names, tunnels, inputs
}

// simple is a tunnel with a route of each owner.
func simple(t testing.TB) Tunnel {
	t.Helper()
	tunnel := NewTunnel()
	tunnel.Name, tunnel.Remote, tunnel.Addresses = "gre1", addr("100.0.2.100"), cidrs("172.16.0.1/30")
	tunnel.Routes = []Route{route(t, "10.10.2.0/24"), route(t, "10.20.0.0/16 nexthop via 172.16.0.2 nexthop via 100.0.1.1 dev eth0")}
	return tunnel
}

// create plans and makes a tunnel.
func create(ctx context.Context, h *Host, want Tunnel) (Created, error) {
	plan, err := h.Plan(ctx, want)
	if err != nil {
		return Created{}, err
	}
	return h.Create(ctx, plan, CreateOptions{})
}

// mustCreate makes a tunnel where nothing stands in its way.
func mustCreate(t testing.TB, w *world, want Tunnel) Created {
	t.Helper()
	created, err := create(t.Context(), w.start().host(), want)
	if err != nil {
		t.Fatalf("create %s: %v", want.Name, err)
	}
	return created
}

// What is planned for each tunnel, and what is on the host when it was done.
func TestPlanAndCreate(t *testing.T) {
	names, tunnels, inputs := wanted(t)
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			p := w.start()
			before := w.String()
			plan, err := p.host().Plan(t.Context(), tunnels[name])
			if err != nil {
				t.Fatal(err)
			}
			same(t, "the host after planning", w.String(), before)
			created, err := p.host().Create(t.Context(), plan, CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			verdict := Pass
			if !plan.Tunnel.PeerAddress.IsValid() { // nothing can be proved of a far end without a known address
				verdict = Warn
			}
			if created.Report.Verdict != verdict || created.Status.State != StateActive || created.Status.Link == nil || created.Status.Trial {
				t.Errorf("the verdict is %s, the status %+v\n%s", created.Report.Verdict, created.Status, reportText(created.Report))
			}
			golden(t, "plan/"+name+".txt", inputs[name]+rule+"\n"+planText(plan)+"\n"+added(before, w.String()))
		})
	}
}

func planText(p Plan) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", p.Tunnel.CreateCommand())
	for _, note := range p.Notes {
		fmt.Fprintf(&b, "note: %s\n", note)
	}
	for i, step := range p.Steps {
		fmt.Fprintf(&b, "%d %s: %s\n  (%s)\n", i+1, step.ID, step.What, step.Why)
		for _, command := range step.Commands {
			fmt.Fprintf(&b, "  $ %s\n", command)
		}
	}
	return b.String()
}

// added returns the lines that are in after only.
func added(before, after string) string {
	old := strings.Split(before, "\n")
	lines := slices.DeleteFunc(strings.Split(after, "\n"), func(line string) bool { return slices.Contains(old, line) })
	return strings.Join(lines, "\n") + "\n"
}

// Each tunnel is made, taken down, brought up and removed: the host is then what it was, byte for byte.
func TestLifecycle(t *testing.T) {
	names, tunnels, _ := wanted(t)
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, w := t.Context(), newWorld()
				h := w.start().host()
				initial := w.String()
				tunnel := mustCreate(t, w, tunnels[name]).Status.Tunnel
				made := w.String()
				if _, err := h.Up(ctx, tunnel.Name); err != nil {
					t.Fatal(err)
				}
				same(t, "the host after bringing up what is up", w.String(), made)
				if _, err := h.Down(ctx, tunnel.Name); err != nil {
					t.Fatal(err)
				}
				if w.link(tunnel.Name) != nil || len(w.routesOf(tunnel.Name)) > 0 || w.named(tunnel.Name).State != StateInactive {
					t.Errorf("after down:\n%s", w)
				}
				down := w.String()
				if _, err := h.Down(ctx, tunnel.Name); err != nil {
					t.Fatal(err)
				}
				same(t, "the host after taking down what is down", w.String(), down)
				if _, err := h.Up(ctx, tunnel.Name); err != nil {
					t.Fatal(err)
				}
				same(t, "the host after down and up", w.String(), made)
				if _, err := h.Delete(ctx, tunnel.Name); err != nil {
					t.Fatal(err)
				}
				same(t, "the host after all", w.String(), initial)
			})
		})
	}
}

func (w *world) routesOf(dev string) (list []fakeRoute) {
	for _, r := range w.routes {
		if r.dev == dev {
			list = append(list, r)
		}
	}
	return list
}

// From every tunnel to every other: both are made, the first is removed, then the second; each step leaves the other one alone.
func TestTransitions(t *testing.T) {
	names, tunnels, _ := wanted(t)
	synctest.Test(t, func(t *testing.T) {
		for _, a := range names {
			alone := newWorld()
			nameA := mustCreate(t, alone, tunnels[a]).Status.Tunnel.Name
			for _, b := range names {
				w := newWorld()
				h := w.start().host()
				initial := w.String()
				if got := mustCreate(t, w, tunnels[a]).Status.Tunnel.Name; got != nameA {
					t.Fatalf("%s is %s, then %s", a, nameA, got)
				}
				withA := w.String()
				second, err := create(t.Context(), h, tunnels[b])
				if err != nil {
					if !errors.Is(err, ErrInvalid) {
						t.Errorf("%s beside %s: %v", b, a, err)
					}
					same(t, b+" refused beside "+a, w.String(), withA)
					continue
				}
				if _, err := h.Delete(t.Context(), nameA); err != nil {
					t.Fatal(err)
				}
				if gone := w.String(); strings.Contains(gone, "link "+nameA+" ") || !strings.Contains(gone, "link "+second.Status.Tunnel.Name+" ") {
					t.Errorf("%s made after %s, which was removed then:\n%s", b, a, gone)
				}
				if _, err := h.Delete(t.Context(), second.Status.Tunnel.Name); err != nil {
					t.Fatal(err)
				}
				same(t, "the host after "+a+" and "+b, w.String(), initial)
			}
		}
	})
}

// createCalls returns what a create without a fault calls.
func createCalls(t *testing.T) []string {
	t.Helper()
	p := newWorld().start()
	plan, err := p.host().Plan(t.Context(), simple(t))
	if err != nil {
		t.Fatal(err)
	}
	p.calls = nil
	if _, err := p.host().Create(t.Context(), plan, CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	return p.calls
}

func TestCreateCalls(t *testing.T) {
	got := strings.Join(slices.Compact(createCalls(t)), " ")
	if want := "Add Serials Activate Lock Write All Links List Watch Remembered SetRules SyncRoutes Links HookMissing Links SyncRoutes Lookup Probe Links Save Get Read HookMissing Links"; got != want {
		t.Errorf("create calls %s, want %s", got, want)
	}
}

// faultyCreate makes the simple tunnel on a fresh host, with a fault in it. It returns the calls, and the states before and after.
func faultyCreate(t *testing.T, inject func(p *process, cancel func())) (p *process, before string, created Created, events []Event, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	w := newWorld()
	p = w.start()
	plan, err := p.host().Plan(ctx, simple(t))
	if err != nil {
		t.Fatal(err)
	}
	before, p.calls = w.String(), nil
	inject(p, cancel)
	h := p.host()
	h.Progress = func(e Event) { events = append(events, e) }
	created, err = h.Create(ctx, plan, CreateOptions{})
	p.fault = nil
	return p, before, created, events, err
}

// Whatever fails at whichever call, the host is afterwards what it was, and the error says what it was. From the moment when the
// profile is saved the tunnel is there, whatever fails.
func TestCreateFaults(t *testing.T) {
	calls := createCalls(t)
	saved := slices.Index(calls, "Save")
	complete := newWorld()
	mustCreate(t, complete, simple(t))
	for _, test := range []struct {
		name  string
		fault func(cancel func()) fault
		times int // how often it happens in a row
		want  error
	}{
		{"NetworkManager away", func(func()) fault { return fault{err: &Error{Kind: ErrNoNetworkManager, What: "the bus is gone"}} }, 1, ErrNoNetworkManager},
		{"NetworkManager away for a while", func(func()) fault { return fault{err: &Error{Kind: ErrNoNetworkManager, What: "the bus is gone"}} }, 12, ErrNoNetworkManager},
		{"refused", func(func()) fault { return fault{err: &Error{Kind: ErrInvalid, What: "no"}} }, 1, ErrInvalid},
		{"timed out", func(func()) fault { return fault{err: &Error{Kind: ErrTimeout, What: "too slow"}} }, 1, ErrTimeout},
		{"plain", func(func()) fault { return fault{err: errBroken} }, 1, errBroken},
		{"interrupted", func(cancel func()) fault { return fault{cancel: cancel} }, 1, context.Canceled},
		{"hanging", func(func()) fault { return fault{hang: true} }, 1, ErrTimeout},
		{"answer lost", func(func()) fault {
			return fault{after: true, err: &Error{Kind: ErrNoNetworkManager, What: "the bus is gone"}}
		}, 1, ErrNoNetworkManager},
		{"answer lost, and away for a while", func(func()) fault {
			return fault{after: true, err: &Error{Kind: ErrNoNetworkManager, What: "the bus is gone"}}
		}, 5, ErrNoNetworkManager},
		{"answer late", func(func()) fault { return fault{after: true, hang: true} }, 1, ErrTimeout},
		{"interrupted when it was done", func(cancel func()) fault { return fault{after: true, cancel: cancel} }, 1, context.Canceled},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for n := range calls {
					at := fmt.Sprintf("call %d, %s", n, calls[n])
					p, before, created, events, err := faultyCreate(t, func(p *process, cancel func()) {
						p.fault = func(i int, _ string) fault {
							if i < n || i >= n+test.times {
								return fault{}
							}
							return test.fault(cancel)
						}
					})
					if n > saved {
						same(t, at+": the host", p.String(), complete.String())
						if err != nil || created.Status.Tunnel.Name != "gre1" || created.Status.State != StateActive || created.Status.Trial {
							t.Errorf("%s: the tunnel is there, but: %v, %+v", at, err, created.Status)
						}
						continue
					}
					last := n
					if f := test.fault(func() {}); f.err != nil && tolerated(calls[n], f.err) {
						if test.times == 1 {
							same(t, at+": the host", p.String(), complete.String())
							if err != nil || calls[n] != "List" && created.Report.Verdict != Warn {
								t.Errorf("%s: %v, the verdict is %s", at, err, created.Report.Verdict)
							}
							continue
						}
						last = saved // the next call is what fails
					}
					same(t, at+": the host", p.String(), before)
					if !errors.Is(err, test.want) {
						t.Errorf("%s: %v, want %v", at, err, test.want)
					}
					for i, call := range p.calls[last+1:] {
						if !slices.Contains(append([]string{"Delete", "Links"}, keepCalls...), call) {
							t.Errorf("%s: %s was called after it (%d)", at, call, last+1+i)
						}
					}
					checkEvents(t, at, events)
				}
			})
		})
	}
}

// tolerated says whether create goes on when a call fails: a far end that could not be probed is a warning, so is a hook that is
// missing, and what is up is known without NetworkManager.
func tolerated(call string, err error) bool {
	return call == "Probe" || call == "HookMissing" || call == "List" && errors.Is(err, ErrNoNetworkManager)
}

// keepCalls are those by which what was kept is taken back.
var keepCalls = []string{"Lock", "Read", "Write", "Erase", "All", "List", "Get", "Watch", "Remembered", "Remember", "Forwarding", "SetForwarding", "SetRules", "SyncRoutes"}

var errBroken = errors.New("broken")

// checkEvents looks at what was told: every step by its name, the failed one with its error, the undo last.
func checkEvents(t *testing.T, at string, events []Event) {
	t.Helper()
	for i, e := range events {
		if e.What == "" || e.Undo != (i == len(events)-1) || e.Undo && e.Err != nil {
			t.Errorf("%s: event %d of %d is %+v", at, i, len(events), e)
		}
		if e.Err != nil && i != len(events)-2 {
			t.Errorf("%s: there are steps after the failed one: %+v", at, events)
		}
	}
}

// A probe that the kernel does not permit is no failure, but it proves nothing either.
func TestCreateProbeNotPermitted(t *testing.T) {
	_, _, created, _, err := faultyCreate(t, func(p *process, _ func()) {
		p.fault = func(_ int, method string) fault {
			if method == "Probe" {
				return fault{err: &Error{Kind: ErrNotPermitted, What: "ping"}}
			}
			return fault{}
		}
	})
	if err != nil || created.Report.Verdict != Warn {
		t.Errorf("%v, %+v", err, created.Report)
	}
}

// A far end that is not there yet is a warning; so says the first end of every tunnel.
func TestCreateSilentFarEnd(t *testing.T) {
	p, before, created, _, err := faultyCreate(t, func(p *process, _ func()) {
		p.answer = func(Probe) (ProbeResult, Counters, error) { return ProbeResult{Sent: 4}, Counters{TxPackets: 4}, nil }
	})
	if err != nil || created.Report.Verdict != Warn || p.String() == before {
		t.Errorf("%v, verdict %s", err, created.Report.Verdict)
	}
}

// A tunnel that comes up wrong is taken back, with the reason.
func TestCreateComesUpWrong(t *testing.T) {
	for _, test := range []struct {
		name  string
		wrong func(w *world)
		want  string
	}{
		{"link", func(w *world) { w.link("gre1").GRE.TTL = 0 }, "the tunnel came up wrong: the kernel's link differs from the profile (ttl: profile 64, kernel inherit)"},
		{"address", func(w *world) { w.link("gre1").Addresses = nil }, "the tunnel came up wrong: 172.16.0.1/30 is not on the device"},
		{"route", func(w *world) {
			w.routes = slices.DeleteFunc(w.routes, func(r fakeRoute) bool { return r.Dst == cidr("10.10.2.0/24") })
		},
			"the tunnel came up wrong: packets to 10.10.2.1 do not go into the tunnel (10.10.2.1 via 100.0.1.1 dev eth0 src 100.0.1.100)"},
		{"counters", func(w *world) {
			w.answer = func(Probe) (ProbeResult, Counters, error) {
				return ProbeResult{Sent: 4}, Counters{TxErrors: 4, Collisions: 4}, nil
			}
		}, "the tunnel came up wrong: packets do not leave this host"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, before, _, _, err := faultyCreate(t, func(p *process, _ func()) {
					p.turn = func(n int, _ string) {
						if n > 0 && slices.Contains(p.calls[:n], "SyncRoutes") && p.link("gre1") != nil {
							test.wrong(p.world)
						}
					}
				})
				if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "()") {
					t.Errorf("%v, want %s", err, test.want)
				}
				if len(Hints(err)) == 0 {
					t.Errorf("%v: without a hint", err)
				}
				same(t, "the host", p.String(), before)
			})
		})
	}
}

// While NetworkManager is away the undo waits for it; after half a minute it gives up and says what that means.
func TestUndoGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		p, before, _, events, err := faultyCreate(t, func(p *process, _ func()) {
			p.fault = func(i int, _ string) fault {
				if i < 2 {
					return fault{}
				}
				return fault{err: &Error{Kind: ErrNoNetworkManager, What: "the bus is gone"}}
			}
		})
		if took := time.Since(begin); took < undoTimeout || took > undoTimeout+time.Second {
			t.Errorf("it took %s", took)
		}
		if !errors.Is(err, ErrNoNetworkManager) || !strings.Contains(strings.Join(Hints(err), " "), "the next nmgre command removes it") {
			t.Errorf("%v, hints %q", err, Hints(err))
		}
		if last := events[len(events)-1]; !last.Undo || last.Err == nil {
			t.Errorf("the last event is %+v", last)
		}
		// And so it is: the process ends, and the next command removes what it left.
		p.dead = true
		if list, err := p.world.start().host().List(t.Context()); err != nil || len(list) != 0 {
			t.Errorf("%v, %v", list, err)
		}
		same(t, "the host", p.String(), before)
	})
}

// If the answer to the last step is lost and NetworkManager stays away, nobody knows whether the tunnel is kept: the hint says so.
func TestUndoGivesUpAfterSave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, _, _, err := faultyCreate(t, func(p *process, _ func()) {
			saved := false
			p.fault = func(_ int, method string) fault {
				after := method == "Save"
				if saved = saved || after; !saved {
					return fault{}
				}
				return fault{after: after, err: &Error{Kind: ErrNoNetworkManager, What: "the bus is gone"}}
			}
		})
		hints := strings.Join(Hints(err), " ")
		if !errors.Is(err, ErrNoNetworkManager) || strings.Contains(hints, "in memory only") || !strings.Contains(hints, "nmgre delete gre1") {
			t.Errorf("%v, hints %q", err, hints)
		}
	})
}

// kill -9 at every call, before it and after it: whatever the next command is, the host then has all of the tunnel or nothing.
func TestCreateKilled(t *testing.T) {
	calls := createCalls(t)
	empty, complete := newWorld(), newWorld()
	mustCreate(t, complete, simple(t))
	saved := slices.Index(calls, "Save")
	for _, next := range []struct {
		name string
		run  func(ctx context.Context, h *Host) error
		none error // what it says when there is nothing
		all  error // and when there is all
	}{
		{"list", func(ctx context.Context, h *Host) error { _, err := h.List(ctx); return err }, nil, nil},
		{"show", func(ctx context.Context, h *Host) error { _, err := h.Show(ctx, "gre1"); return err }, ErrNotFound, nil},
		{"verify", func(ctx context.Context, h *Host) error { _, err := h.Verify(ctx, "gre1", VerifyOptions{}); return err }, ErrNotFound, nil},
		{"create", func(ctx context.Context, h *Host) error { _, err := create(ctx, h, simple(t)); return err }, nil, ErrInvalid},
		{"up", func(ctx context.Context, h *Host) error { _, err := h.Up(ctx, "gre1"); return err }, ErrNotFound, nil},
	} {
		t.Run(next.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for n := range calls {
					for _, after := range []bool{false, true} {
						at := fmt.Sprintf("killed at call %d, %s, done %v", n, calls[n], after)
						w := newWorld()
						p := w.start()
						plan, err := p.host().Plan(t.Context(), simple(t))
						if err != nil {
							t.Fatal(err)
						}
						p.calls = nil
						p.fault = func(i int, _ string) fault { return fault{kill: i == n, after: after && i == n} }
						if survives(func() { _, _ = p.host().Create(t.Context(), plan, CreateOptions{}) }) {
							t.Fatalf("%s: it lives", at)
						}
						want, wantErr := empty, next.none
						if n > saved || n == saved && after {
							want, wantErr = complete, next.all
						}
						if err := next.run(t.Context(), w.start().host()); !errors.Is(err, wantErr) {
							t.Errorf("%s: then %s: %v, want %v", at, next.name, err, wantErr)
						}
						if next.name == "create" {
							want = complete
						}
						same(t, at+", then "+next.name+": the host", w.String(), want.String())
					}
				}
			})
		})
	}
}

// One who was killed is in nobody's way, not even of one who has planned before and makes the same name now.
func TestCreateAfterKilled(t *testing.T) {
	calls := createCalls(t)
	complete := newWorld()
	mustCreate(t, complete, simple(t))
	synctest.Test(t, func(t *testing.T) {
		for n := range slices.Index(calls, "Save") {
			w := newWorld()
			p, next := w.start(), w.start()
			plan, err := p.host().Plan(t.Context(), simple(t))
			if err != nil {
				t.Fatal(err)
			}
			p.calls = nil
			p.fault = func(i int, _ string) fault { return fault{kill: i == n, after: i == n} }
			if survives(func() { _, _ = p.host().Create(t.Context(), plan, CreateOptions{}) }) {
				t.Fatalf("killed at call %d, %s: it lives", n, calls[n])
			}
			if _, err := next.host().Create(t.Context(), plan, CreateOptions{}); err != nil {
				t.Errorf("killed at call %d, %s: the next one: %v", n, calls[n], err)
			}
			same(t, fmt.Sprintf("killed at call %d, %s: the host", n, calls[n]), w.String(), complete.String())
		}
	})
}

// What an interrupted nmgre left behind and cannot be removed is told, and does not stop the command.
func TestAbandonedCannotBeRemoved(t *testing.T) {
	w := newWorld()
	w.addProfile(Profile{UUID: newUUID(), ID: "gre1", Tunnel: simple(t), State: StateInactive, Trial: true, Abandoned: true, Unsaved: true})
	p := w.start()
	p.fault = func(_ int, method string) fault {
		if method == "Delete" {
			return fault{err: &Error{Kind: ErrNotPermitted, What: "no"}}
		}
		return fault{}
	}
	h := p.host()
	var events []Event
	h.Progress = func(e Event) { events = append(events, e) }
	list, err := h.List(t.Context())
	if err != nil || len(list) != 1 || len(events) != 1 || !errors.Is(events[0].Err, ErrNotPermitted) || !events[0].Undo {
		t.Errorf("%v, %v, %+v", list, err, events)
	}
}

// A profile that a living nmgre is trying is left alone.
func TestTrialOfTheLivingIsLeftAlone(t *testing.T) {
	w := newWorld()
	other := w.start()
	if err := other.Add(t.Context(), newUUID(), simple(t)); err != nil {
		t.Fatal(err)
	}
	before := w.String()
	if _, err := w.start().host().List(t.Context()); err != nil {
		t.Fatal(err)
	}
	same(t, "the host", w.String(), before)
}

// Nor does one stop a create that may not be removed, as long as its name is the only thing that it has.
func TestClaimBesideAbandoned(t *testing.T) {
	p := newWorld().start()
	plan, err := p.host().Plan(t.Context(), simple(t))
	if err != nil {
		t.Fatal(err)
	}
	p.addProfile(Profile{UUID: newUUID(), ID: "gre1", Tunnel: simple(t), State: StateInactive, Trial: true, Abandoned: true, Unsaved: true})
	p.fault = func(_ int, method string) fault {
		if method == "Delete" {
			return fault{err: &Error{Kind: ErrNotPermitted, What: "no"}}
		}
		return fault{}
	}
	if _, err := p.host().Create(t.Context(), plan, CreateOptions{}); err != nil {
		t.Error(err)
	}
}

// Two who make the same name at the same moment, in every order of their calls: exactly one wins, the other one hears why, and
// what is left is one whole tunnel.
func TestTwoCreateTheSameName(t *testing.T) {
	one, two := simple(t), simple(t)
	two.Remote, two.Addresses, two.Routes = addr("100.0.3.100"), cidrs("172.17.0.1/30"), []Route{route(t, "10.10.3.0/24")}
	synctest.Test(t, func(t *testing.T) {
		var alone [2]string
		for i, want := range []Tunnel{one, two} {
			w := newWorld()
			mustCreate(t, w, want)
			alone[i] = w.String()
		}
		calls := len(createCalls(t))
		var won [2]int
		for i := range calls + 1 {
			for j := range calls + 1 {
				w := newWorld()
				a, b := w.start(), w.start()
				planA, errA := a.host().Plan(t.Context(), one)
				planB, errB := b.host().Plan(t.Context(), two)
				if errA != nil || errB != nil {
					t.Fatal(errA, errB)
				}
				begin := time.Now()
				schedule(a, b, i, j,
					func() { _, errA = a.host().Create(t.Context(), planA, CreateOptions{}) },
					func() { _, errB = b.host().Create(t.Context(), planB, CreateOptions{}) })
				at := fmt.Sprintf("%d calls of the first, %d of the second, the rest", i, j)
				winner, lost := 0, errB
				if errA != nil {
					winner, lost = 1, errA
				}
				won[winner]++
				if errA != nil && errB != nil || !errors.Is(lost, ErrNameLost) || !errors.Is(lost, ErrExists) || !slices.Equal(fieldsOf(lost), []string{"name"}) || len(Hints(lost)) != 1 {
					t.Errorf("%s: %v, %v", at, errA, errB)
				}
				if took := time.Since(begin); took > time.Second {
					t.Errorf("%s: it took %s", at, took)
				}
				same(t, at+": the host", w.String(), alone[winner])
			}
		}
		if won[0] == 0 || won[1] == 0 {
			t.Errorf("the first won %d times, the second %d times", won[0], won[1])
		}
	})
}

// Two who leave the name to nmgre: the one who comes too late hears that it may try again, and gets the next name then.
func TestTwoCreateWithoutNames(t *testing.T) {
	one, two := simple(t), simple(t)
	one.Name, two.Name = "", ""
	two.Remote, two.Addresses, two.Routes = addr("100.0.3.100"), cidrs("172.17.0.1/30"), []Route{route(t, "10.10.3.0/24")}
	// repeat does what the command does.
	repeat := func(h *Host, want Tunnel) (err error) {
		for range 3 {
			if _, err = create(context.Background(), h, want); !errors.Is(err, ErrNameLost) {
				return err
			}
		}
		return err
	}
	synctest.Test(t, func(t *testing.T) {
		calls := len(createCalls(t)) + 10
		for i := range calls {
			for j := range calls {
				w := newWorld()
				a, b := w.start(), w.start()
				var errA, errB error
				schedule(a, b, i, j, func() { errA = repeat(a.host(), one) }, func() { errB = repeat(b.host(), two) })
				state := w.String()
				if errA != nil || errB != nil || !strings.Contains(state, "profile gre1 active: ") || !strings.Contains(state, "profile gre2 active: ") {
					t.Fatalf("%d calls of the first, %d of the second: %v, %v\n%s", i, j, errA, errB, state)
				}
			}
		}
	})
}

// An interruption that no call notices stops the work before the next step; after the last one it comes too late.
func TestCreateInterruptedBetweenSteps(t *testing.T) {
	calls := createCalls(t)
	complete := newWorld()
	mustCreate(t, complete, simple(t))
	synctest.Test(t, func(t *testing.T) {
		for n, call := range calls {
			p, before, _, _, err := faultyCreate(t, func(p *process, cancel func()) {
				p.fault = func(i int, _ string) fault {
					return fault{after: i == n, quiet: i == n, cancel: map[bool]func(){true: cancel}[i == n]}
				}
			})
			if n >= slices.Index(calls, "Save") {
				if err != nil {
					t.Errorf("after %s: %v", call, err)
				}
				same(t, "after "+call+": the host", p.String(), complete.String())
				continue
			}
			if !errors.Is(err, context.Canceled) || !strings.HasPrefix(err.Error(), "interrupted") && !strings.HasPrefix(err.Error(), "route: ") {
				t.Errorf("after %s: %v", call, err)
			}
			same(t, "after "+call+": the host", p.String(), before)
		}
	})
}

// A context that has ended before anything was done changes nothing.
func TestCreateAlreadyInterrupted(t *testing.T) {
	p := newWorld().start()
	before := p.String()
	plan, err := p.host().Plan(t.Context(), simple(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.host().Create(ctx, plan, CreateOptions{}); !errors.Is(err, context.Canceled) || strings.Contains(strings.Join(p.calls, " "), "Add") {
		t.Errorf("%v, calls %q", err, p.calls)
	}
	same(t, "the host", p.String(), before)
}

// A profile that somebody deletes while its tunnel is made is missed, and nothing of it stays.
func TestCreateProfileVanishes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, at := range []string{"Activate", "SyncRoutes", "Lookup", "Save"} {
			p, before, _, _, err := faultyCreate(t, func(p *process, _ func()) {
				p.turn = func(_ int, method string) {
					if method != at || len(p.profiles) < 2 {
						return
					}
					p.deactivate(p.named("gre1"))
					p.profiles = slices.DeleteFunc(p.profiles, func(f *fakeProfile) bool { return f.ID == "gre1" })
				}
			})
			if err == nil || at != "SyncRoutes" && !errors.Is(err, ErrNotFound) {
				t.Errorf("before %s: %v", at, err)
			}
			same(t, "before "+at+": the host", p.String(), before)
		}
	})
}

// Taking back can fail for good too: the error says both, and the next command clears up what is left.
func TestUndoFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, f := range []fault{{err: errBroken}, {kill: true}, {kill: true, after: true}} {
			w := newWorld()
			before := w.String()
			p := w.start()
			plan, err := p.host().Plan(t.Context(), simple(t))
			if err != nil {
				t.Fatal(err)
			}
			p.fault = func(_ int, method string) fault {
				switch method {
				case "Save":
					return fault{err: &Error{Kind: ErrInvalid, What: "no"}}
				case "Delete":
					return f
				}
				return fault{}
			}
			alive := survives(func() { _, err = p.host().Create(t.Context(), plan, CreateOptions{}) })
			if alive == f.kill || alive && (!errors.Is(err, ErrInvalid) || !errors.Is(err, errBroken)) {
				t.Errorf("%+v: %v", f, err)
			}
			p.dead = true
			if _, err := w.start().host().List(t.Context()); err != nil {
				t.Error(err)
			}
			w.settle()
			same(t, "the host", w.String(), before)
		}
	})
}

// Two who make different names between the same ends at the same moment: the kernel takes one of them, and the other leaves nothing behind.
func TestTwoCreateTheSameEnds(t *testing.T) {
	one, two := simple(t), simple(t)
	one.Routes, two.Routes = nil, nil
	two.Name, two.Addresses = "gre2", cidrs("172.17.0.1/30")
	synctest.Test(t, func(t *testing.T) {
		var alone [2]string
		for i, want := range []Tunnel{one, two} {
			w := newWorld()
			mustCreate(t, w, want)
			alone[i] = w.String()
		}
		calls := len(createCalls(t))
		for i := range calls {
			for j := range calls {
				w := newWorld()
				a, b := w.start(), w.start()
				planA, errA := a.host().Plan(t.Context(), one)
				planB, errB := b.host().Plan(t.Context(), two)
				if errA != nil || errB != nil {
					t.Fatal(errA, errB)
				}
				schedule(a, b, i, j,
					func() { _, errA = a.host().Create(t.Context(), planA, CreateOptions{}) },
					func() { _, errB = b.host().Create(t.Context(), planB, CreateOptions{}) })
				at := fmt.Sprintf("%d calls of the first, %d of the second, the rest", i, j)
				if (errA == nil) == (errB == nil) {
					t.Fatalf("%s: %v, %v", at, errA, errB)
				}
				same(t, at+": the host", w.String(), alone[map[bool]int{false: 0, true: 1}[errA != nil]])
			}
		}
	})
}
