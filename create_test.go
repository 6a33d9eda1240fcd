package nmgre_test

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

	"nmgre"
	"nmgre/nm"
	"nmgre/nm/plan"
	"nmgre/nm/undo"
	"nmgre/nm/verify"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
	"nmgre/testdata/fake"
	"nmgre/testdata/want"
)

// wanted reads the requests of testdata/plan, by the names of the files.
func wanted(t *testing.T) (names []string, tunnels map[string]nm.Tunnel, inputs map[string]string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "plan", "*.txt"))
	if err != nil || len(files) < 9 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	tunnels, inputs = make(map[string]nm.Tunnel), make(map[string]string)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		input, _, _ := strings.Cut(string(text), want.Rule+"\n")
		if tunnels[name], err = fake.ReadTunnel(input); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		names, inputs[name] = append(names, name), input
	}
	return names, tunnels, inputs
}

// The plan of each request, and the host after it was carried out.
func TestPlanAndCreate(t *testing.T) {
	names, tunnels, inputs := wanted(t)
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			w := fake.NewWorld()
			p := w.Start()
			before := w.String()
			planned, err := p.Host().Plan(t.Context(), tunnels[name])
			if err != nil {
				t.Fatal(err)
			}
			want.Same(t, "the host after planning", w.String(), before)
			created, err := p.Host().Create(t.Context(), planned, nmgre.CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			verdict := verify.Pass
			// without a peer address nothing can be proved of the far end, and an inherited TTL is
			// worth a warning
			if !planned.Tunnel.PeerAddress.IsValid() || planned.Tunnel.TTL == 0 {
				verdict = verify.Warn
			}
			if created.Report.Verdict != verdict || created.Status.State != nm.StateActive || created.Status.Link == nil || created.Status.Trial {
				t.Errorf("the verdict is %s, the status %+v\n%s", created.Report.Verdict, created.Status, fake.ReportText(created.Report))
			}
			want.Golden(t, "plan/"+name+".txt", inputs[name]+want.Rule+"\n"+planText(planned)+"\n"+added(before, w.String()))
		})
	}
}

func planText(p plan.Plan) string {
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

// added returns the lines that only the text after has.
func added(before, after string) string {
	old := strings.Split(before, "\n")
	lines := slices.DeleteFunc(strings.Split(after, "\n"), func(line string) bool { return slices.Contains(old, line) })
	return strings.Join(lines, "\n") + "\n"
}

// Each tunnel is made, taken down, brought up and deleted. After that the host is the same as
// before, byte for byte.
func TestLifecycle(t *testing.T) {
	names, tunnels, _ := wanted(t)
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, w := t.Context(), fake.NewWorld()
				h := w.Start().Host()
				initial := w.String()
				tunnel := fake.MustCreate(t, w, tunnels[name]).Status.Tunnel
				made := w.String()
				if _, err := h.Up(ctx, tunnel.Name); err != nil {
					t.Fatal(err)
				}
				want.Same(t, "the host after bringing up what is up", w.String(), made)
				if _, err := h.Down(ctx, tunnel.Name); err != nil {
					t.Fatal(err)
				}
				if w.Link(tunnel.Name) != nil || len(worldRoutesOf(w, tunnel.Name)) > 0 || w.Named(tunnel.Name).State != nm.StateInactive {
					t.Errorf("after down:\n%s", w)
				}
				down := w.String()
				if _, err := h.Down(ctx, tunnel.Name); err != nil {
					t.Fatal(err)
				}
				want.Same(t, "the host after taking down what is down", w.String(), down)
				if _, err := h.Up(ctx, tunnel.Name); err != nil {
					t.Fatal(err)
				}
				want.Same(t, "the host after down and up", w.String(), made)
				if _, err := h.Delete(ctx, tunnel.Name); err != nil {
					t.Fatal(err)
				}
				want.Same(t, "the host after all", w.String(), initial)
			})
		})
	}
}

func worldRoutesOf(w *fake.World, dev string) (list []fake.Route) {
	for _, r := range w.Table {
		if r.Dev == dev {
			list = append(list, r)
		}
	}
	return list
}

// Every pair of tunnels: both are made, the first one is deleted, then the second one. No step
// changes the other tunnel.
func TestTransitions(t *testing.T) {
	names, tunnels, _ := wanted(t)
	synctest.Test(t, func(t *testing.T) {
		for _, a := range names {
			alone := fake.NewWorld()
			nameA := fake.MustCreate(t, alone, tunnels[a]).Status.Tunnel.Name
			for _, b := range names {
				w := fake.NewWorld()
				h := w.Start().Host()
				initial := w.String()
				if got := fake.MustCreate(t, w, tunnels[a]).Status.Tunnel.Name; got != nameA {
					t.Fatalf("%s is %s, then %s", a, nameA, got)
				}
				withA := w.String()
				second, err := fake.Create(t.Context(), h, tunnels[b])
				if err != nil {
					if !errors.Is(err, fault.ErrInvalid) {
						t.Errorf("%s beside %s: %v", b, a, err)
					}
					want.Same(t, b+" refused beside "+a, w.String(), withA)
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
				want.Same(t, "the host after "+a+" and "+b, w.String(), initial)
			}
		}
	})
}

// createCalls returns the calls of a create without a fault, on a machine that is not slow: there a
// silent moment makes for a second probe.
func createCalls(t *testing.T) (calls []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { calls = callsOfCreate(t) })
	return calls
}

// callsOfCreate is createCalls within synctest.
func callsOfCreate(t *testing.T) []string {
	t.Helper()
	p := fake.NewWorld().Start()
	plan, err := p.Host().Plan(t.Context(), fake.Simple(t))
	if err != nil {
		t.Fatal(err)
	}
	p.Calls = nil
	if _, err := p.Host().Create(t.Context(), plan, nmgre.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	return p.Calls
}

func TestCreateCalls(t *testing.T) {
	got := strings.Join(slices.Compact(createCalls(t)), " ")
	if want := "Add Serials Activate Lock Write Links All List HookOthers Remembered SetRules SyncRoutes SyncRules Links HookMissing SyncRoutes Rules Lookup Forwarding Probe Link Save HookMissing"; got != want {
		t.Errorf("create calls %s, want %s", got, want)
	}
}

// faultyCreate makes the simple tunnel on a new host, with a fault in one of the calls. It returns
// the calls, and the states of the host before and after.
func faultyCreate(t *testing.T, inject func(p *fake.Process, cancel func())) (p *fake.Process, before string, created nmgre.Created, events []nmgre.Event, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	w := fake.NewWorld()
	p = w.Start()
	plan, err := p.Host().Plan(ctx, fake.Simple(t))
	if err != nil {
		t.Fatal(err)
	}
	before, p.Calls = w.String(), nil
	inject(p, cancel)
	h := p.Host()
	h.Progress = func(e nmgre.Event) { events = append(events, e) }
	created, err = h.Create(ctx, plan, nmgre.CreateOptions{})
	p.Fault = nil
	return p, before, created, events, err
}

// Each call fails in turn, in each way. After that the host is the same as before, and the error is
// the call's. Once the profile is saved, the tunnel stays.
func TestCreateFaults(t *testing.T) {
	calls := createCalls(t)
	saved := slices.Index(calls, "Save")
	complete := fake.NewWorld()
	fake.MustCreate(t, complete, fake.Simple(t))
	for _, test := range []struct {
		name  string
		fault func(cancel func()) fake.Fault
		times int // how often it happens in a row
		want  error
	}{
		{"NetworkManager away", func(func()) fake.Fault {
			return fake.Fault{Err: &fault.Error{Kind: fault.ErrNoNetworkManager, What: "the bus is gone"}}
		}, 1, fault.ErrNoNetworkManager},
		{"NetworkManager away for a while", func(func()) fake.Fault {
			return fake.Fault{Err: &fault.Error{Kind: fault.ErrNoNetworkManager, What: "the bus is gone"}}
		}, 12, fault.ErrNoNetworkManager},
		{"refused", func(func()) fake.Fault { return fake.Fault{Err: &fault.Error{Kind: fault.ErrInvalid, What: "no"}} }, 1, fault.ErrInvalid},
		{"timed out", func(func()) fake.Fault {
			return fake.Fault{Err: &fault.Error{Kind: fault.ErrTimeout, What: "too slow"}}
		}, 1, fault.ErrTimeout},
		{"plain", func(func()) fake.Fault { return fake.Fault{Err: fake.ErrBroken} }, 1, fake.ErrBroken},
		{"interrupted", func(cancel func()) fake.Fault { return fake.Fault{Cancel: cancel} }, 1, context.Canceled},
		{"hanging", func(func()) fake.Fault { return fake.Fault{Hang: true} }, 1, fault.ErrTimeout},
		{"answer lost", func(func()) fake.Fault {
			return fake.Fault{After: true, Err: &fault.Error{Kind: fault.ErrNoNetworkManager, What: "the bus is gone"}}
		}, 1, fault.ErrNoNetworkManager},
		{"answer lost, and away for a while", func(func()) fake.Fault {
			return fake.Fault{After: true, Err: &fault.Error{Kind: fault.ErrNoNetworkManager, What: "the bus is gone"}}
		}, 5, fault.ErrNoNetworkManager},
		{"answer late", func(func()) fake.Fault { return fake.Fault{After: true, Hang: true} }, 1, fault.ErrTimeout},
		{"interrupted when it was done", func(cancel func()) fake.Fault { return fake.Fault{After: true, Cancel: cancel} }, 1, context.Canceled},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for n := range calls {
					at := fmt.Sprintf("call %d, %s", n, calls[n])
					p, before, created, events, err := faultyCreate(t, func(p *fake.Process, cancel func()) {
						p.Fault = func(i int, _ string) fake.Fault {
							if i < n || i >= n+test.times {
								return fake.Fault{}
							}
							return test.fault(cancel)
						}
					})
					if n > saved {
						want.Same(t, at+": the host", p.String(), complete.String())
						if err != nil || created.Status.Tunnel.Name != "gre1" || created.Status.State != nm.StateActive || created.Status.Trial {
							t.Errorf("%s: the tunnel is there, but: %v, %+v", at, err, created.Status)
						}
						continue
					}
					if calls[n] == "Probe" && test.fault(func() {}).Hang {
						// the far end's outer address answers meanwhile, which ends the wait
						want.Same(t, at+": the host", p.String(), complete.String())
						if err != nil {
							t.Errorf("%s: %v", at, err)
						}
						continue
					}
					last := n
					if f := test.fault(func() {}); f.Err != nil && tolerated(calls[n], f.Err) {
						if test.times == 1 {
							want.Same(t, at+": the host", p.String(), complete.String())
							if err != nil || calls[n] != "List" && created.Report.Verdict != verify.Warn {
								t.Errorf("%s: %v, the verdict is %s", at, err, created.Report.Verdict)
							}
							continue
						}
						last = saved // the next call fails
					}
					want.Same(t, at+": the host", p.String(), before)
					if !errors.Is(err, test.want) {
						t.Errorf("%s: %v, want %v", at, err, test.want)
					}
					for i, call := range p.Calls[last+1:] {
						// while a probe waits, another one goes to the far end's outer address
						if !slices.Contains(append([]string{"Delete", "Links"}, keepCalls...), call) && (calls[n] != "Probe" || call != "Probe") {
							t.Errorf("%s: %s was called after it (%d)", at, call, last+1+i)
						}
					}
					checkEvents(t, at, events)
				}
			})
		})
	}
}

// tolerated says whether create goes on when a call fails. A far end that cannot be probed and a
// missing hook are warnings only, and a tunnel that is up is known without NetworkManager.
func tolerated(call string, err error) bool {
	return call == "Probe" || call == "HookMissing" || call == "List" && errors.Is(err, fault.ErrNoNetworkManager)
}

// keepCalls are the calls that undo kept routes and rules.
var keepCalls = []string{"Lock", "Read", "Write", "Erase", "All", "List", "Get", "HookOthers", "Remembered", "Remember", "Forwarding", "SetForwarding", "SetRules", "SyncRoutes", "SyncRules"}

// checkEvents checks the events: a name for every step, an error for the failed one, and the undo
// at the end.
func checkEvents(t *testing.T, at string, events []nmgre.Event) {
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

// If the kernel does not permit a probe, create succeeds, but the report is a warning.
func TestCreateProbeNotPermitted(t *testing.T) {
	_, _, created, _, err := faultyCreate(t, func(p *fake.Process, _ func()) {
		p.Fault = func(_ int, method string) fake.Fault {
			if method == "Probe" {
				return fake.Fault{Err: &fault.Error{Kind: fault.ErrNotPermitted, What: "ping"}}
			}
			return fake.Fault{}
		}
	})
	if err != nil || created.Report.Verdict != verify.Warn {
		t.Errorf("%v, %+v", err, created.Report)
	}
}

// A far end that does not exist yet is a warning: the first end of every tunnel is made before the
// second.
func TestCreateSilentFarEnd(t *testing.T) {
	p, before, created, _, err := faultyCreate(t, func(p *fake.Process, _ func()) {
		p.Answer = func(kernel.Probe) (kernel.ProbeResult, kernel.Counters, error) {
			return kernel.ProbeResult{Sent: 4}, kernel.Counters{TxPackets: 4}, nil
		}
	})
	if err != nil || created.Report.Verdict != verify.Warn || p.String() == before {
		t.Errorf("%v, verdict %s", err, created.Report.Verdict)
	}
}

// A tunnel that comes up wrong is undone, and the error has the reason.
func TestCreateComesUpWrong(t *testing.T) {
	for _, test := range []struct {
		name  string
		wrong func(w *fake.World)
		want  string
	}{
		{"link", func(w *fake.World) { w.Link("gre1").GRE.TTL = 0 }, "the tunnel came up wrong: the kernel's link differs from the profile (ttl: profile 64, kernel inherit)"},
		{"address", func(w *fake.World) { w.Link("gre1").Addresses = nil }, "the tunnel came up wrong: the device does not have 172.16.0.1/30"},
		{"route", func(w *fake.World) {
			w.Table = slices.DeleteFunc(w.Table, func(r fake.Route) bool { return r.Dst == want.CIDR("10.10.2.0/24") })
		},
			"the tunnel came up wrong: packets to 10.10.2.1 do not go into the tunnel (10.10.2.1 via 100.0.1.1 dev eth0 src 100.0.1.100)"},
		{"counters", func(w *fake.World) {
			w.Answer = func(kernel.Probe) (kernel.ProbeResult, kernel.Counters, error) {
				return kernel.ProbeResult{Sent: 4}, kernel.Counters{TxErrors: 4, Collisions: 4}, nil
			}
		}, "the tunnel came up wrong: the way to the far end leads back into the tunnel itself (4 sent, 0 answered; the kernel counted 4 packets"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, before, _, _, err := faultyCreate(t, func(p *fake.Process, _ func()) {
					p.Turn = func(n int, _ string) {
						if n > 0 && slices.Contains(p.Calls[:n], "SyncRoutes") && p.Link("gre1") != nil {
							test.wrong(p.World)
						}
					}
				})
				if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "()") {
					t.Errorf("%v, want %s", err, test.want)
				}
				if len(fault.Hints(err)) == 0 {
					t.Errorf("%v: without a hint", err)
				}
				want.Same(t, "the host", p.String(), before)
			})
		})
	}
}

// While NetworkManager is away, the undo waits for it, and says so. After two minutes it gives up,
// and a hint tells of the remains.
func TestUndoGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		p, before, _, events, err := faultyCreate(t, func(p *fake.Process, _ func()) {
			p.Fault = func(i int, _ string) fake.Fault {
				if i < 2 {
					return fake.Fault{}
				}
				return fake.Fault{Err: &fault.Error{Kind: fault.ErrNoNetworkManager, What: "the bus is gone"}}
			}
		})
		if took := time.Since(begin) - undo.MostAway; took < keep.UndoTimeout || took > keep.UndoTimeout+time.Second {
			t.Errorf("it took %s longer than NetworkManager may be away", took)
		}
		if !slices.ContainsFunc(events, func(e nmgre.Event) bool { return strings.Contains(e.What, "NetworkManager is away") }) {
			t.Errorf("it does not tell that it waits: %+v", events)
		}
		if !errors.Is(err, fault.ErrNoNetworkManager) || !strings.Contains(strings.Join(fault.Hints(err), " "), "the next nmgre command or a reboot removes it") {
			t.Errorf("%v, hints %q", err, fault.Hints(err))
		}
		if last := events[len(events)-1]; !last.Undo || last.Err == nil {
			t.Errorf("the last event is %+v", last)
		}
		// The hint is right: when the process has ended, the next command removes the remains.
		p.Dead = true
		if list, err := p.World.Start().Host().List(t.Context()); err != nil || len(list) != 0 {
			t.Errorf("%v, %v", list, err)
		}
		want.Same(t, "the host", p.String(), before)
	})
}

// The time in which NetworkManager is away does not count: however late it comes back, within the
// bound for that, the undo has time enough.
func TestUndoWaitsForNetworkManager(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var back time.Time
		p, before, _, events, err := faultyCreate(t, func(p *fake.Process, _ func()) {
			p.Fault = func(i int, _ string) fake.Fault {
				if i < 2 {
					return fake.Fault{}
				}
				if i == 2 {
					back = time.Now().Add(undo.MostAway - time.Second)
				}
				if time.Now().Before(back) {
					return fake.Fault{Err: &fault.Error{Kind: fault.ErrNoNetworkManager, What: "the bus is gone"}}
				}
				return fake.Fault{}
			}
		})
		if !errors.Is(err, fault.ErrNoNetworkManager) {
			t.Errorf("%v", err)
		}
		if last := events[len(events)-1]; !last.Undo || last.Err != nil || last.What != "undid everything" {
			t.Errorf("the last event is %+v", last)
		}
		want.Same(t, "the host", p.String(), before)
	})
}

// If the answer to the last step is lost and NetworkManager stays away, nmgre cannot know whether
// the tunnel is on disk. A hint says so.
func TestUndoGivesUpAfterSave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, _, _, err := faultyCreate(t, func(p *fake.Process, _ func()) {
			saved := false
			p.Fault = func(_ int, method string) fake.Fault {
				after := method == "Save"
				if saved = saved || after; !saved {
					return fake.Fault{}
				}
				return fake.Fault{After: after, Err: &fault.Error{Kind: fault.ErrNoNetworkManager, What: "the bus is gone"}}
			}
		})
		hints := strings.Join(fault.Hints(err), " ")
		if !errors.Is(err, fault.ErrNoNetworkManager) || strings.Contains(hints, "in memory only") || !strings.Contains(hints, "nmgre delete gre1") {
			t.Errorf("%v, hints %q", err, hints)
		}
	})
}

// kill -9 before and after each call. After any next command, the host has the whole tunnel or
// nothing of it.
func TestCreateKilled(t *testing.T) {
	calls := createCalls(t)
	empty, complete := fake.NewWorld(), fake.NewWorld()
	fake.MustCreate(t, complete, fake.Simple(t))
	saved := slices.Index(calls, "Save")
	for _, next := range []struct {
		name string
		run  func(ctx context.Context, h *nmgre.Host) error
		none error // of the command if there is no tunnel
		all  error // of the command if there is the whole tunnel
	}{
		{"list", func(ctx context.Context, h *nmgre.Host) error { _, err := h.List(ctx); return err }, nil, nil},
		{"show", func(ctx context.Context, h *nmgre.Host) error { _, err := h.Show(ctx, "gre1"); return err }, fault.ErrNotFound, nil},
		{"verify", func(ctx context.Context, h *nmgre.Host) error {
			_, err := h.Verify(ctx, "gre1", verify.Options{})
			return err
		}, fault.ErrNotFound, nil},
		{"create", func(ctx context.Context, h *nmgre.Host) error {
			_, err := fake.Create(ctx, h, fake.Simple(t))
			return err
		}, nil, fault.ErrInvalid},
		{"up", func(ctx context.Context, h *nmgre.Host) error { _, err := h.Up(ctx, "gre1"); return err }, fault.ErrNotFound, nil},
	} {
		t.Run(next.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for n := range calls {
					for _, after := range []bool{false, true} {
						at := fmt.Sprintf("killed at call %d, %s, done %v", n, calls[n], after)
						w := fake.NewWorld()
						p := w.Start()
						plan, err := p.Host().Plan(t.Context(), fake.Simple(t))
						if err != nil {
							t.Fatal(err)
						}
						p.Calls = nil
						p.Fault = func(i int, _ string) fake.Fault { return fake.Fault{Kill: i == n, After: after && i == n} }
						if fake.Survives(func() { _, _ = p.Host().Create(t.Context(), plan, nmgre.CreateOptions{}) }) {
							t.Fatalf("%s: it lives", at)
						}
						expected, wantErr := empty, next.none
						if n > saved || n == saved && after {
							expected, wantErr = complete, next.all
						}
						if err := next.run(t.Context(), w.Start().Host()); !errors.Is(err, wantErr) {
							t.Errorf("%s: then %s: %v, want %v", at, next.name, err, wantErr)
						}
						if next.name == "create" {
							expected = complete
						}
						want.Same(t, at+", then "+next.name+": the host", w.String(), expected.String())
					}
				}
			})
		})
	}
}

// The remains of a killed process hinder nobody, not even a process that has planned a tunnel of
// the same name before.
func TestCreateAfterKilled(t *testing.T) {
	calls := createCalls(t)
	complete := fake.NewWorld()
	fake.MustCreate(t, complete, fake.Simple(t))
	synctest.Test(t, func(t *testing.T) {
		for n := range slices.Index(calls, "Save") {
			w := fake.NewWorld()
			p, next := w.Start(), w.Start()
			plan, err := p.Host().Plan(t.Context(), fake.Simple(t))
			if err != nil {
				t.Fatal(err)
			}
			p.Calls = nil
			p.Fault = func(i int, _ string) fake.Fault { return fake.Fault{Kill: i == n, After: i == n} }
			if fake.Survives(func() { _, _ = p.Host().Create(t.Context(), plan, nmgre.CreateOptions{}) }) {
				t.Fatalf("killed at call %d, %s: it lives", n, calls[n])
			}
			if _, err := next.Host().Create(t.Context(), plan, nmgre.CreateOptions{}); err != nil {
				t.Errorf("killed at call %d, %s: the next one: %v", n, calls[n], err)
			}
			want.Same(t, fmt.Sprintf("killed at call %d, %s: the host", n, calls[n]), w.String(), complete.String())
		}
	})
}

// If the remains of an interrupted nmgre cannot be removed, an event says so, and the command goes
// on.
func TestAbandonedCannotBeRemoved(t *testing.T) {
	w := fake.NewWorld()
	w.AddProfile(nm.Profile{UUID: nm.NewUUID(), ID: "gre1", Tunnel: fake.Simple(t), State: nm.StateInactive, Trial: true, Abandoned: true, Unsaved: true})
	p := w.Start()
	p.Fault = func(_ int, method string) fake.Fault {
		if method == "Delete" {
			return fake.Fault{Err: &fault.Error{Kind: fault.ErrNotPermitted, What: "no"}}
		}
		return fake.Fault{}
	}
	h := p.Host()
	var events []nmgre.Event
	h.Progress = func(e nmgre.Event) { events = append(events, e) }
	list, err := h.List(t.Context())
	if err != nil || len(list) != 1 || len(events) != 1 || !errors.Is(events[0].Err, fault.ErrNotPermitted) || !events[0].Undo {
		t.Errorf("%v, %v, %+v", list, err, events)
	}
}

// The trial profile of a process that still runs stays.
func TestTrialOfTheLivingIsLeftAlone(t *testing.T) {
	w := fake.NewWorld()
	other := w.Start()
	if err := other.Add(t.Context(), nm.NewUUID(), fake.Simple(t)); err != nil {
		t.Fatal(err)
	}
	before := w.String()
	if _, err := w.Start().Host().List(t.Context()); err != nil {
		t.Fatal(err)
	}
	want.Same(t, "the host", w.String(), before)
}

// Remains that cannot be removed do not stop a create, as long as they have nothing but the name in
// common with it.
func TestClaimBesideAbandoned(t *testing.T) {
	p := fake.NewWorld().Start()
	plan, err := p.Host().Plan(t.Context(), fake.Simple(t))
	if err != nil {
		t.Fatal(err)
	}
	p.AddProfile(nm.Profile{UUID: nm.NewUUID(), ID: "gre1", Tunnel: fake.Simple(t), State: nm.StateInactive, Trial: true, Abandoned: true, Unsaved: true})
	p.Fault = func(_ int, method string) fake.Fault {
		if method == "Delete" {
			return fake.Fault{Err: &fault.Error{Kind: fault.ErrNotPermitted, What: "no"}}
		}
		return fake.Fault{}
	}
	if _, err := p.Host().Create(t.Context(), plan, nmgre.CreateOptions{}); err != nil {
		t.Error(err)
	}
}

// Two processes make tunnels of the same name at the same moment, in every order of their calls.
// Exactly one wins, the other one gets the reason, and one whole tunnel is left.
func TestTwoCreateTheSameName(t *testing.T) {
	one, two := fake.Simple(t), fake.Simple(t)
	two.Remote, two.Addresses, two.Routes = want.Addr("100.0.3.100"), want.CIDRs("172.17.0.1/30"), []routes.Route{routes.MustParse("10.10.3.0/24")}
	synctest.Test(t, func(t *testing.T) {
		var alone [2]string
		for i, expected := range []nm.Tunnel{one, two} {
			w := fake.NewWorld()
			fake.MustCreate(t, w, expected)
			alone[i] = w.String()
		}
		calls := len(callsOfCreate(t))
		var won [2]int
		for i := range calls + 1 {
			for j := range calls + 1 {
				w := fake.NewWorld()
				a, b := w.Start(), w.Start()
				planA, errA := a.Host().Plan(t.Context(), one)
				planB, errB := b.Host().Plan(t.Context(), two)
				if errA != nil || errB != nil {
					t.Fatal(errA, errB)
				}
				begin := time.Now()
				fake.Schedule(a, b, i, j,
					func() { _, errA = a.Host().Create(t.Context(), planA, nmgre.CreateOptions{}) },
					func() { _, errB = b.Host().Create(t.Context(), planB, nmgre.CreateOptions{}) })
				at := fmt.Sprintf("%d calls of the first, %d of the second, the rest", i, j)
				winner, lost := 0, errB
				if errA != nil {
					winner, lost = 1, errA
				}
				won[winner]++
				if errA != nil && errB != nil || !errors.Is(lost, fault.ErrNameLost) || !errors.Is(lost, fault.ErrExists) || !slices.Equal(want.Fields(lost), []string{"name"}) || len(fault.Hints(lost)) != 1 {
					t.Errorf("%s: %v, %v", at, errA, errB)
				}
				if took := time.Since(begin); took > time.Second {
					t.Errorf("%s: it took %s", at, took)
				}
				want.Same(t, at+": the host", w.String(), alone[winner])
			}
		}
		if won[0] == 0 || won[1] == 0 {
			t.Errorf("the first won %d times, the second %d times", won[0], won[1])
		}
	})
}

// Two processes leave the name to nmgre. The later one gets an error that says that it may try
// again, and then gets the next name.
func TestTwoCreateWithoutNames(t *testing.T) {
	one, two := fake.Simple(t), fake.Simple(t)
	one.Name, two.Name = "", ""
	two.Remote, two.Addresses, two.Routes = want.Addr("100.0.3.100"), want.CIDRs("172.17.0.1/30"), []routes.Route{routes.MustParse("10.10.3.0/24")}
	// repeat tries again, like the command.
	repeat := func(h *nmgre.Host, expected nm.Tunnel) (err error) {
		for range 3 {
			if _, err = fake.Create(context.Background(), h, expected); !errors.Is(err, fault.ErrNameLost) {
				return err
			}
		}
		return err
	}
	synctest.Test(t, func(t *testing.T) {
		calls := len(callsOfCreate(t)) + 10
		for i := range calls {
			for j := range calls {
				w := fake.NewWorld()
				a, b := w.Start(), w.Start()
				var errA, errB error
				fake.Schedule(a, b, i, j, func() { errA = repeat(a.Host(), one) }, func() { errB = repeat(b.Host(), two) })
				state := w.String()
				if errA != nil || errB != nil || !strings.Contains(state, "profile gre1 active: ") || !strings.Contains(state, "profile gre2 active: ") {
					t.Fatalf("%d calls of the first, %d of the second: %v, %v\n%s", i, j, errA, errB, state)
				}
			}
		}
	})
}

// An interruption that no call notices stops the work before the next step. After the last step it
// comes too late.
func TestCreateInterruptedBetweenSteps(t *testing.T) {
	calls := createCalls(t)
	complete := fake.NewWorld()
	fake.MustCreate(t, complete, fake.Simple(t))
	synctest.Test(t, func(t *testing.T) {
		for n, call := range calls {
			p, before, _, _, err := faultyCreate(t, func(p *fake.Process, cancel func()) {
				p.Fault = func(i int, _ string) fake.Fault {
					return fake.Fault{After: i == n, Quiet: i == n, Cancel: map[bool]func(){true: cancel}[i == n]}
				}
			})
			if n >= slices.Index(calls, "Save") {
				if err != nil {
					t.Errorf("after %s: %v", call, err)
				}
				want.Same(t, "after "+call+": the host", p.String(), complete.String())
				continue
			}
			if !errors.Is(err, context.Canceled) || !strings.HasPrefix(err.Error(), "interrupted") && !strings.HasPrefix(err.Error(), "route: ") {
				t.Errorf("after %s: %v", call, err)
			}
			want.Same(t, "after "+call+": the host", p.String(), before)
		}
	})
}

// With a context that has ended already, nothing changes.
func TestCreateAlreadyInterrupted(t *testing.T) {
	p := fake.NewWorld().Start()
	before := p.String()
	plan, err := p.Host().Plan(t.Context(), fake.Simple(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Host().Create(ctx, plan, nmgre.CreateOptions{}); !errors.Is(err, context.Canceled) || strings.Contains(strings.Join(p.Calls, " "), "Add") {
		t.Errorf("%v, calls %q", err, p.Calls)
	}
	want.Same(t, "the host", p.String(), before)
}

// Create fails if somebody deletes the profile meanwhile, and nothing is left.
func TestCreateProfileVanishes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, at := range []string{"Activate", "SyncRoutes", "Lookup", "Save"} {
			p, before, _, _, err := faultyCreate(t, func(p *fake.Process, _ func()) {
				p.Turn = func(_ int, method string) {
					if method != at || len(p.Profiles) < 2 {
						return
					}
					p.BringDown(p.Named("gre1"))
					p.Profiles = slices.DeleteFunc(p.Profiles, func(f *fake.Profile) bool { return f.ID == "gre1" })
				}
			})
			if err == nil || at != "SyncRoutes" && !errors.Is(err, fault.ErrNotFound) {
				t.Errorf("before %s: %v", at, err)
			}
			want.Same(t, "before "+at+": the host", p.String(), before)
		}
	})
}

// The undo can fail, too. The error has both failures, and the next command removes the remains.
func TestUndoFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, f := range []fake.Fault{{Err: fake.ErrBroken}, {Kill: true}, {Kill: true, After: true}} {
			w := fake.NewWorld()
			before := w.String()
			p := w.Start()
			plan, err := p.Host().Plan(t.Context(), fake.Simple(t))
			if err != nil {
				t.Fatal(err)
			}
			p.Fault = func(_ int, method string) fake.Fault {
				switch method {
				case "Save":
					return fake.Fault{Err: &fault.Error{Kind: fault.ErrInvalid, What: "no"}}
				case "Delete":
					return f
				}
				return fake.Fault{}
			}
			alive := fake.Survives(func() { _, err = p.Host().Create(t.Context(), plan, nmgre.CreateOptions{}) })
			if alive == f.Kill || alive && (!errors.Is(err, fault.ErrInvalid) || !errors.Is(err, fake.ErrBroken)) {
				t.Errorf("%+v: %v", f, err)
			}
			p.Dead = true
			if _, err := w.Start().Host().List(t.Context()); err != nil {
				t.Error(err)
			}
			w.Settle()
			want.Same(t, "the host", w.String(), before)
		}
	})
}

// Two processes make tunnels of different names between the same ends at the same moment. The
// kernel accepts one of them, and the other one leaves nothing behind.
func TestTwoCreateTheSameEnds(t *testing.T) {
	one, two := fake.Simple(t), fake.Simple(t)
	one.Routes, two.Routes = nil, nil
	two.Name, two.Addresses = "gre2", want.CIDRs("172.17.0.1/30")
	synctest.Test(t, func(t *testing.T) {
		var alone [2]string
		for i, expected := range []nm.Tunnel{one, two} {
			w := fake.NewWorld()
			fake.MustCreate(t, w, expected)
			alone[i] = w.String()
		}
		calls := len(callsOfCreate(t))
		for i := range calls {
			for j := range calls {
				w := fake.NewWorld()
				a, b := w.Start(), w.Start()
				planA, errA := a.Host().Plan(t.Context(), one)
				planB, errB := b.Host().Plan(t.Context(), two)
				if errA != nil || errB != nil {
					t.Fatal(errA, errB)
				}
				fake.Schedule(a, b, i, j,
					func() { _, errA = a.Host().Create(t.Context(), planA, nmgre.CreateOptions{}) },
					func() { _, errB = b.Host().Create(t.Context(), planB, nmgre.CreateOptions{}) })
				at := fmt.Sprintf("%d calls of the first, %d of the second, the rest", i, j)
				if (errA == nil) == (errB == nil) {
					t.Fatalf("%s: %v, %v", at, errA, errB)
				}
				want.Same(t, at+": the host", w.String(), alone[map[bool]int{false: 0, true: 1}[errA != nil]])
			}
		}
	})
}

// Every step of a plan ends with an event that has its ID: screens tick the steps by it.
func TestEventsCarryTheSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := fake.NewWorld().Start()
		h := p.Host()
		var done []string
		h.Progress = func(e nmgre.Event) { done = append(done, e.Step) }
		planned, err := h.Plan(t.Context(), fake.Simple(t))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Create(t.Context(), planned, nmgre.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		for _, s := range planned.Steps {
			if !slices.ContainsFunc(done, func(id string) bool { return plan.Covers(id, s.ID) }) {
				t.Errorf("no event tells that the step %s has ended: %q", s.ID, done)
			}
		}
	})
}

// create has just seen its tunnel come up, so root's keeper needs no question to NetworkManager. A
// later change asks for that profile alone, on a host with very many of them. Where a route names
// other devices, it asks for all of them.
func TestKeepAsksForFewProfiles(t *testing.T) {
	for spec, all := range map[string]bool{
		"10.20.0.0/16 nexthop via 172.16.0.2 nexthop dev gre1":               false,
		"10.20.0.0/16 nexthop via 172.16.0.2 nexthop via 100.0.1.1 dev eth0": true,
	} {
		synctest.Test(t, func(t *testing.T) {
			w := fake.NewWorld()
			tunnel := fake.Simple(t)
			tunnel.Routes = []routes.Route{routes.MustParse(spec)}
			planned, err := w.Start().Host().Plan(t.Context(), tunnel)
			if err != nil {
				t.Fatal(err)
			}
			p := w.Start()
			if _, err := p.Host().Create(t.Context(), planned, nmgre.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
			if slices.Contains(p.Calls, "List") != all || slices.Contains(p.Calls, "Get") {
				t.Errorf("%s: %q", spec, p.Calls)
			}
			p = w.Start()
			if _, err := p.Keeper().Converge(t.Context(), ""); err != nil {
				t.Fatal(err)
			}
			if slices.Contains(p.Calls, "List") != all || slices.Contains(p.Calls, "Get") == all {
				t.Errorf("%s later: %q", spec, p.Calls)
			}
		})
	}
}
