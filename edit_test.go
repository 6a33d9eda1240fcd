package nmgre_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nmgre"
	"nmgre/nm"
	"nmgre/nm/plan"
	"nmgre/nm/verify"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
	"nmgre/routes/list"
	"nmgre/testdata/fake"
	"nmgre/testdata/want"
)

// edited is an edit of a tunnel.
type edited struct {
	name   string
	setup  func(t *testing.T, w *fake.World) // after the tunnel was made; may be nil
	change func(t *testing.T, tunnel *nm.Tunnel)
}

// edits are the edits of the simple tunnel, which has a route of each owner.
var edits = []edited{
	{"mtu", nil, func(_ *testing.T, tunnel *nm.Tunnel) { tunnel.MTU = 1400 }},
	{"address", nil, func(_ *testing.T, tunnel *nm.Tunnel) { tunnel.Addresses = want.CIDRs("172.16.9.1/30") }},
	{"address-lan", nil, func(_ *testing.T, tunnel *nm.Tunnel) {
		tunnel.Addresses, tunnel.PeerAddress = want.CIDRs("172.16.9.1/24"), want.Addr("172.16.9.7")
		tunnel.Routes = tunnel.Routes[:1]
	}},
	{"routes", nil, func(t *testing.T, tunnel *nm.Tunnel) {
		tunnel.Routes = []routes.Route{routes.MustParse("10.10.3.0/24"), routes.MustParse("10.10.2.0/24 metric 7")}
	}},
	{"default-route", nil, func(t *testing.T, tunnel *nm.Tunnel) {
		tunnel.Routes = append(tunnel.Routes, routes.MustParse("0.0.0.0/1"))
	}},
	{"snat", nil, func(_ *testing.T, tunnel *nm.Tunnel) {
		tunnel.SNAT, tunnel.Forward, tunnel.ClampMSS = []keep.SNAT{{Dst: want.CIDR("10.10.1.0/24"), Source: want.Addr("10.10.1.1")}}, true, true
	}},
	{"autoconnect", nil, func(_ *testing.T, tunnel *nm.Tunnel) { tunnel.Autoconnect = false }},
	{"key", nil, func(_ *testing.T, tunnel *nm.Tunnel) { k := gre.Key(42); tunnel.InputKey, tunnel.OutputKey = &k, &k }},
	{"key-own-mtu", func(t *testing.T, w *fake.World) {
		w.Named("gre1").Tunnel.MTU = 1300
		if err := w.Apply(w.Named("gre1")); err != nil {
			t.Fatal(err)
		}
	},
		func(_ *testing.T, tunnel *nm.Tunnel) { k := gre.Key(42); tunnel.InputKey = &k }},
	{"peer", nil, func(_ *testing.T, tunnel *nm.Tunnel) { tunnel.Remote = want.Addr("100.0.3.100") }},
	{"name", nil, func(_ *testing.T, tunnel *nm.Tunnel) { tunnel.Name = "office" }},
	{"name-of-its-own", func(_ *testing.T, w *fake.World) { w.Named("gre1").ID = "the office" }, func(_ *testing.T, tunnel *nm.Tunnel) { tunnel.Name = "gre7" }},
	{"name-in-routes", func(t *testing.T, w *fake.World) {
		if _, err := w.Start().Host().ChangeRoutes(t.Context(), "gre1", plan.RouteChange{Op: plan.RouteAdd, Routes: []routes.Route{routes.MustParse("10.70.0.0/16 nexthop dev gre1 nexthop via 100.0.1.1 dev eth0")}}); err != nil {
			t.Fatal(err)
		}
	}, func(_ *testing.T, tunnel *nm.Tunnel) { tunnel.Name = "office" }},
	{"ttl-tos", nil, func(_ *testing.T, tunnel *nm.Tunnel) { tunnel.TTL, tunnel.TOS = 0, 1 }},
	{"everything", nil, func(t *testing.T, tunnel *nm.Tunnel) {
		k := gre.Key(7)
		tunnel.Name, tunnel.Remote, tunnel.InputKey, tunnel.OutputKey, tunnel.MTU = "gre8", want.Addr("100.0.3.100"), &k, &k, 1300
		tunnel.Addresses, tunnel.Routes, tunnel.Autoconnect = want.CIDRs("172.20.0.1/30"), []routes.Route{routes.MustParse("10.50.0.0/16 nexthop nexthop via 100.0.1.1 dev eth0")}, false
	}},
	{"down", func(_ *testing.T, w *fake.World) { w.BringDown(w.Named("gre1")); w.Settle() }, func(_ *testing.T, tunnel *nm.Tunnel) { tunnel.TTL = 9 }},
	{"in-memory", func(_ *testing.T, w *fake.World) { w.Named("gre1").Unsaved = true }, func(_ *testing.T, tunnel *nm.Tunnel) { tunnel.MTU = 1400 }},
	{"nothing-kept", func(_ *testing.T, w *fake.World) {
		clear(w.Files)
		w.Table = slices.DeleteFunc(w.Table, func(r fake.Route) bool { return r.Protocol == kernel.RouteProtocol })
	},
		func(_ *testing.T, tunnel *nm.Tunnel) { tunnel.Remote = want.Addr("100.0.3.100") }},
	{"nothing", nil, func(*testing.T, *nm.Tunnel) {}},
}

// pendingEdits are edits of a tunnel whose profile somebody has changed meanwhile. The pending
// settings are applied, even by the undo.
var pendingEdits = []edited{
	{"pending-link", func(_ *testing.T, w *fake.World) { w.Named("gre1").Tunnel.TTL = 9 }, func(_ *testing.T, tunnel *nm.Tunnel) { tunnel.MTU = 1400 }},
	{"pending-address", func(_ *testing.T, w *fake.World) { w.Named("gre1").Tunnel.Addresses = want.CIDRs("172.16.0.1/29") },
		func(_ *testing.T, tunnel *nm.Tunnel) { tunnel.MTU = 1400 }},
}

// tunnelToEdit returns a host with the simple tunnel, and with everything else that the edit needs.
func tunnelToEdit(t *testing.T, e edited) *fake.World {
	t.Helper()
	w := fake.NewWorld()
	fake.MustCreate(t, w, fake.Simple(t))
	if e.setup != nil {
		e.setup(t, w)
	}
	return w
}

func planEdit(t *testing.T, h *nmgre.Host, e edited) (plan.EditPlan, error) {
	t.Helper()
	return h.PlanEdit(t.Context(), "gre1", func(tunnel *nm.Tunnel) error { e.change(t, tunnel); return nil })
}

var uuidPattern = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

func editText(p plan.EditPlan) string {
	var b strings.Builder
	for _, line := range p.Diff() {
		fmt.Fprintln(&b, line)
	}
	fmt.Fprintf(&b, "flaps: %v: %s\n", p.Flaps, p.Why)
	for _, note := range p.Notes {
		fmt.Fprintf(&b, "note: %s\n", note)
	}
	for i, step := range p.Steps {
		fmt.Fprintf(&b, "%d %s: %s\n  (%s)\n", i+1, step.ID, step.What, step.Why)
		for _, command := range step.Commands {
			fmt.Fprintf(&b, "  $ %s\n", command)
		}
	}
	return uuidPattern.ReplaceAllString(b.String(), "UUID")
}

// The plan of each edit, and the difference that it made on the host. A tunnel that stays up keeps
// its link.
func TestEdit(t *testing.T) {
	for _, e := range slices.Concat(edits, pendingEdits) {
		t.Run(e.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := tunnelToEdit(t, e)
				before, link := w.String(), w.Link("gre1")
				h := w.Start().Host()
				planned, err := planEdit(t, h, e)
				if err != nil {
					t.Fatal(err)
				}
				want.Same(t, "the host after planning", w.String(), before)
				done, err := h.Edit(t.Context(), planned, nmgre.EditOptions{})
				if err != nil {
					t.Fatal(err)
				}
				after := w.String()
				if !planned.Flaps && w.Link("gre1") != link || planned.Flaps && w.Link(planned.After.Name) == link {
					t.Errorf("flaps: %v, but the link is %p, then %p", planned.Flaps, link, w.Link(planned.After.Name))
				}
				verdict := verify.Pass
				if planned.After.TTL == 0 { // an inherited TTL is worth a warning
					verdict = verify.Warn
				}
				if planned.Up() && len(planned.Changes) > 0 && done.Report.Verdict != verdict && planned.After.PeerAddress.IsValid() {
					t.Errorf("the verdict is %s\n%s", done.Report.Verdict, fake.ReportText(done.Report))
				}
				if got := done.Status.Tunnel; !got.SameInProfile(planned.ProfileAfter()) || done.Status.Unsaved != planned.Profile.Unsaved {
					t.Errorf("the status is %+v", done.Status)
				}
				want.Golden(t, "edit/"+e.name+".txt", editText(planned)+"\n"+changedLines(before, after))
				again, err := planEdit(t, h, e)
				if err == nil && !strings.HasPrefix(e.name, "name") && e.name != "everything" && e.name != "default-route" && len(again.Changes) > 0 {
					t.Errorf("the same edit once more changes %v", again.Diff())
				}
			})
		})
	}
}

// changedLines returns the removed lines and the added ones.
func changedLines(before, after string) string {
	var lines []string
	for _, line := range strings.Split(want.Diff(before, after), "\n") {
		if !strings.HasPrefix(line, "  ") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

// A default route that only follows the peer's address gets no metric by which it would win.
func TestEditMovesADefaultAsItIs(t *testing.T) {
	w := fake.NewWorld()
	fake.MustCreate(t, w, fake.Simple(t))
	held := &w.Named("gre1").Tunnel
	held.Routes = append(held.Routes, routes.MustParse("default via 172.16.0.2")) // as ipv4.gateway is
	planned, err := w.Start().Host().PlanEdit(t.Context(), "gre1", func(tunnel *nm.Tunnel) error {
		tunnel.Addresses = want.CIDRs("172.16.9.1/30")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if moved := "default via 172.16.9.2"; !slices.ContainsFunc(planned.After.Routes, func(r routes.Route) bool { return r.String() == moved }) {
		t.Errorf("%s is not among %v", moved, planned.After.Routes)
	}
}

// An edit and its reverse leave the host unchanged.
func TestEditBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, e := range edits {
			w := tunnelToEdit(t, e)
			before := w.String()
			h := w.Start().Host()
			planned, err := planEdit(t, h, e)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := h.Edit(t.Context(), planned, nmgre.EditOptions{}); err != nil {
				t.Fatalf("%s: %v", e.name, err)
			}
			back, err := h.PlanEdit(t.Context(), planned.After.Name, func(tunnel *nm.Tunnel) error { *tunnel = planned.Before.Clone(); return nil })
			if err != nil {
				t.Fatalf("%s and back: %v", e.name, err)
			}
			if _, err := h.Edit(t.Context(), back, nmgre.EditOptions{}); err != nil {
				t.Fatalf("%s and back: %v", e.name, err)
			}
			want.Same(t, e.name+" and back", sortedLinks(w.String()), sortedLinks(before))
		}
	})
}

// sortedLinks prints a host with its links sorted: a new link is listed last.
func sortedLinks(state string) string {
	lines := strings.Split(state, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// An edit that is not possible is refused, and changes nothing.
func TestEditRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		setup  func(t *testing.T, w *fake.World)
		change func(tunnel *nm.Tunnel)
		kind   error
		want   string
	}{
		{"a value out of range", nil, func(tunnel *nm.Tunnel) { tunnel.MTU = 60 }, fault.ErrInvalid, "mtu: "},
		{"a name that is taken by a device", nil, func(tunnel *nm.Tunnel) { tunnel.Name = "eth1" }, fault.ErrInvalid, "name: the device eth1 exists already"},
		{"a name that is taken by a profile", nil, func(tunnel *nm.Tunnel) { tunnel.Name = "wan" }, fault.ErrInvalid, "has the name wan already"},
		{"the ends of another tunnel", func(t *testing.T, w *fake.World) {
			two := fake.Simple(t)
			two.Name, two.Remote, two.Addresses, two.Routes = "gre2", want.Addr("100.0.3.100"), want.CIDRs("172.17.0.1/30"), nil
			fake.MustCreate(t, w, two)
		}, func(tunnel *nm.Tunnel) { tunnel.Remote = want.Addr("100.0.3.100") }, fault.ErrInvalid, "joined already by the device gre2, and neither has a key"},
		{"the LAN's network as its own", nil, func(tunnel *nm.Tunnel) {
			tunnel.Addresses, tunnel.Routes = want.CIDRs("10.10.1.9/24"), nil
		}, fault.ErrInvalid, "address: the inner network 10.10.1.0/24 overlaps"},
		{"the LAN as a route", nil, func(tunnel *nm.Tunnel) {
			tunnel.Routes = append(tunnel.Routes, routes.Route{Dst: want.CIDR("10.10.1.0/24")})
		}, fault.ErrInvalid, "is this host's own network"},
		{"a far end that is here", nil, func(tunnel *nm.Tunnel) { tunnel.Remote = want.Addr("10.10.1.1") }, fault.ErrInvalid, "peer: 10.10.1.1 is this host's own address"},
		{"a local address that is not", nil, func(tunnel *nm.Tunnel) { tunnel.Local = want.Addr("100.0.1.7") }, fault.ErrInvalid, "local: 100.0.1.7 is not an address of this host"},
		{"a parent that is not there", nil, func(tunnel *nm.Tunnel) { tunnel.Parent = "eth9" }, fault.ErrInvalid, "parent: there is no device eth9"},
		{"an SNAT source that is not here", nil, func(tunnel *nm.Tunnel) {
			tunnel.SNAT = []keep.SNAT{{Dst: want.CIDR("10.10.1.0/24"), Source: want.Addr("10.10.1.7")}}
		}, fault.ErrInvalid, "snat: 10.10.1.7 is not"},
		{"without root, what root keeps", func(_ *testing.T, w *fake.World) { w.NoRoot = true },
			func(tunnel *nm.Tunnel) { tunnel.Routes = tunnel.Routes[:1] }, fault.ErrNotPermitted, "needs root"},
		{"a kernel without the mode", func(_ *testing.T, w *fake.World) { w.Unsupported = map[gre.Mode]bool{gre.ModeGRETAP: true} },
			func(tunnel *nm.Tunnel) { tunnel.Mode = gre.ModeGRETAP }, fault.ErrUnsupported, "gretap"},
		{"what root keeps cannot be read", func(_ *testing.T, w *fake.World) {
			for uuid, k := range w.Files {
				k.Bad = []list.BadLine{{Line: 7, Err: fake.ErrBroken}}
				w.Files[uuid] = k
			}
		}, func(tunnel *nm.Tunnel) { tunnel.MTU = 1400 }, fault.ErrInvalid, "line 7 of the file that root keeps for gre1 cannot be read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := fake.NewWorld()
			fake.MustCreate(t, w, fake.Simple(t))
			if c.setup != nil {
				c.setup(t, w)
			}
			before := w.String()
			_, err := w.Start().Host().PlanEdit(t.Context(), "gre1", func(tunnel *nm.Tunnel) error { c.change(tunnel); return nil })
			if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %v with %q", err, c.kind, c.want)
			}
			if hints := strings.Join(fault.Hints(err), "; "); strings.Contains(hints, "first free") || strings.Contains(c.want, "name") && !strings.Contains(hints, "to keep gre1") {
				t.Errorf("the hints are %q", hints)
			}
			want.Same(t, "the host", w.String(), before)
		})
	}
}

// Problems that the tunnel had before do not prevent an edit.
func TestEditOfWhatIsWrong(t *testing.T) {
	w := fake.NewWorld()
	fake.MustCreate(t, w, fake.Simple(t))
	// its networks overlap the inner network, and equal a route's destination
	w.AddLink(kernel.Link{Name: "br0", Up: true, MTU: 1500, Addresses: want.CIDRs("172.16.0.9/24", "10.10.2.1/24")})
	w.AddProfile(nm.Profile{UUID: nm.NewUUID(), ID: "other", State: nm.StateInactive, Tunnel: nm.Tunnel{Name: "gre1"}})
	w.Link("eth0").Addresses = nil // the way to the far end is gone
	h := w.Start().Host()
	plan, err := planEdit(t, h, edits[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Edit(t.Context(), plan, nmgre.EditOptions{}); err != nil || w.Link("gre1").MTU != 1400 {
		t.Errorf("%v\n%s", err, w)
	}
}

// PlanEdit returns the error of the caller's change.
func TestPlanEditOwnError(t *testing.T) {
	w := fake.NewWorld()
	fake.MustCreate(t, w, fake.Simple(t))
	if _, err := w.Start().Host().PlanEdit(t.Context(), "gre1", func(*nm.Tunnel) error { return fake.ErrBroken }); !errors.Is(err, fake.ErrBroken) {
		t.Error(err)
	}
}

// A default route into the tunnel does not lead the packets for a new far end into it: the new far
// end gets a pin.
func TestEditPeerUnderDefaultRoute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := fake.NewWorld()
		expected := fake.Simple(t)
		expected.Routes = []routes.Route{routes.MustParse("default metric 50"), routes.MustParse("0.0.0.0/1"), routes.MustParse("128.0.0.0/1")}
		fake.MustCreate(t, w, expected)
		h := w.Start().Host()
		planned, err := h.PlanEdit(t.Context(), "gre1", func(tunnel *nm.Tunnel) error { tunnel.Remote = want.Addr("100.0.3.100"); return nil })
		if err != nil {
			t.Fatal(err)
		}
		if planned.After.MTU != 1476 || !planned.Kept.Pin {
			t.Errorf("MTU %d, pin %v", planned.After.MTU, planned.Kept.Pin)
		}
		if _, err := h.Edit(t.Context(), planned, nmgre.EditOptions{}); err != nil {
			t.Fatal(err)
		}
		if state := w.String(); !strings.Contains(state, "route 100.0.3.100 via 100.0.1.1 dev eth0 proto 213") || strings.Contains(state, "route 100.0.2.100 ") {
			t.Errorf("the host:\n%s", state)
		}
	})
}

// faultyEdit makes an edit on a new host, with a fault in one of the calls.
func faultyEdit(t *testing.T, e edited, inject func(p *fake.Process, cancel func())) (p *fake.Process, before string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	w := tunnelToEdit(t, e)
	p = w.Start()
	plan, err := planEdit(t, p.Host(), e)
	if err != nil {
		t.Fatal(err)
	}
	before, p.Calls = w.String(), nil
	inject(p, cancel)
	_, err = p.Host().Edit(ctx, plan, nmgre.EditOptions{})
	p.Fault = nil
	w.Settle()
	return p, before, err
}

// Each call fails in turn, in each way. After that the host is the same as before, and the tunnel
// is up if it was, or the whole edit is done without an error.
func TestEditFaults(t *testing.T) {
	away := &fault.Error{Kind: fault.ErrNoNetworkManager, What: "the bus is gone"}
	for _, test := range []struct {
		name  string
		fault func(cancel func()) fake.Fault
		times int
		want  error
	}{
		{"NetworkManager away", func(func()) fake.Fault { return fake.Fault{Err: away} }, 1, fault.ErrNoNetworkManager},
		{"NetworkManager away for a while", func(func()) fake.Fault { return fake.Fault{Err: away} }, 12, fault.ErrNoNetworkManager},
		{"refused", func(func()) fake.Fault { return fake.Fault{Err: &fault.Error{Kind: fault.ErrInvalid, What: "no"}} }, 1, fault.ErrInvalid},
		{"timed out", func(func()) fake.Fault {
			return fake.Fault{Err: &fault.Error{Kind: fault.ErrTimeout, What: "too slow"}}
		}, 1, fault.ErrTimeout},
		{"plain", func(func()) fake.Fault { return fake.Fault{Err: fake.ErrBroken} }, 1, fake.ErrBroken},
		{"interrupted", func(cancel func()) fake.Fault { return fake.Fault{Cancel: cancel} }, 1, context.Canceled},
		{"hanging", func(func()) fake.Fault { return fake.Fault{Hang: true} }, 1, fault.ErrTimeout},
		{"answer lost", func(func()) fake.Fault { return fake.Fault{After: true, Err: away} }, 1, fault.ErrNoNetworkManager},
		{"answer late", func(func()) fake.Fault { return fake.Fault{After: true, Hang: true} }, 1, fault.ErrTimeout},
		{"interrupted when it was done", func(cancel func()) fake.Fault { return fake.Fault{After: true, Cancel: cancel} }, 1, context.Canceled},
		{"interrupted between two calls", func(cancel func()) fake.Fault { return fake.Fault{After: true, Quiet: true, Cancel: cancel} }, 1, context.Canceled},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for _, e := range edits {
					p, _, err := faultyEdit(t, e, func(*fake.Process, func()) {})
					if err != nil {
						t.Fatal(err)
					}
					calls, complete := slices.Clone(p.Calls), p.String()
					undone := 0
					for n := range calls {
						at := fmt.Sprintf("%s, call %d, %s", e.name, n, calls[n])
						p, before, err := faultyEdit(t, e, func(p *fake.Process, cancel func()) {
							p.Fault = func(i int, _ string) fake.Fault {
								if i < n || i >= n+test.times {
									return fake.Fault{}
								}
								return test.fault(cancel)
							}
						})
						if err == nil {
							want.Same(t, at+": the host", sortedLinks(p.String()), sortedLinks(complete))
							continue
						}
						undone++
						want.Same(t, at+": the host", sortedLinks(p.String()), sortedLinks(before))
						if !errors.Is(err, test.want) {
							t.Errorf("%s: %v, want %v", at, err, test.want)
						}
					}
					if undone < len(calls)/3 && e.name != "nothing" {
						t.Errorf("%s: only %d of %d faults were told", e.name, undone, len(calls))
					}
				}
			})
		})
	}
}

// If somebody else changes the tunnel after the plan, the edit changes nothing.
func TestEditChangedMeanwhile(t *testing.T) {
	for name, meanwhile := range map[string]func(w *fake.World){
		"profile": func(w *fake.World) { w.Named("gre1").Tunnel.TTL = 7 },
		"name":    func(w *fake.World) { w.Named("gre1").ID = "x" },
		"down":    func(w *fake.World) { w.BringDown(w.Named("gre1")) },
		"files":   func(w *fake.World) { clear(w.Files) },
	} {
		w := tunnelToEdit(t, edits[0])
		h := w.Start().Host()
		plan, err := planEdit(t, h, edits[0])
		if err != nil {
			t.Fatal(err)
		}
		meanwhile(w)
		before := w.String()
		if _, err := h.Edit(t.Context(), plan, nmgre.EditOptions{}); !errors.Is(err, fault.ErrChanged) || !errors.Is(err, fault.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
		want.Same(t, name, w.String(), before)
	}
}

// Somebody else takes the new name after the plan.
func TestEditNameTakenMeanwhile(t *testing.T) {
	e := edited{change: func(_ *testing.T, tunnel *nm.Tunnel) { tunnel.Name = "gre5" }}
	w := tunnelToEdit(t, e)
	h := w.Start().Host()
	plan, err := planEdit(t, h, e)
	if err != nil {
		t.Fatal(err)
	}
	w.AddLink(kernel.Link{Name: "gre5", Up: true, MTU: 1400})
	before := w.String()
	if _, err := h.Edit(t.Context(), plan, nmgre.EditOptions{}); !errors.Is(err, fault.ErrChanged) {
		t.Error(err)
	}
	want.Same(t, "the host", w.String(), before)
}

func countOf(calls []string, method string) (n int) {
	for _, call := range calls {
		if call == method {
			n++
		}
	}
	return n
}

// An edit is undone if the tunnel comes up wrong.
func TestEditComesUpWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, e := range []edited{edits[0], edits[7]} {
			p, before, err := faultyEdit(t, e, func(p *fake.Process, _ func()) {
				p.Turn = func(_ int, method string) {
					if countOf(p.Calls, "Update") == 1 && method == "Links" && p.Link("gre1") != nil && p.Link("gre1").Dying == 0 {
						p.Link("gre1").MTU = 1111
					}
				}
			})
			if err == nil || !strings.Contains(err.Error(), "came up wrong") {
				t.Errorf("%s: %v", e.name, err)
			}
			want.Same(t, e.name, sortedLinks(p.String()), sortedLinks(before))
		}
	})
}

// The edit waits for addresses and routes that NetworkManager sets a moment after it has applied
// the profile.
func TestEditWaitsForTheDevice(t *testing.T) {
	for _, c := range []struct {
		name   string
		inner  []netip.Prefix // more inner addresses
		change func(*nm.Tunnel)
		take   func(w *fake.World) (putBack func()) // removes the part that comes late
	}{
		{"an IPv6 route", want.CIDRs("fd00::1/64"), func(t *nm.Tunnel) { t.Routes = append(t.Routes, routes.MustParse("fd20::/32 via fd00::2")) },
			func(w *fake.World) func() {
				late := w.RemoveRoutes("fd20::/32")
				return func() { w.Table = append(w.Table, late...) }
			}},
		{"an IPv4 address", nil, func(t *nm.Tunnel) { t.Addresses = append(t.Addresses, want.CIDR("172.17.0.1/24")) },
			func(w *fake.World) func() {
				link := w.Link("gre1")
				all := link.Addresses
				link.Addresses = slices.DeleteFunc(slices.Clone(all), func(p netip.Prefix) bool { return p == want.CIDR("172.17.0.1/24") })
				return func() { link.Addresses = all }
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { editWaits(t, c.inner, c.change, c.take) })
		})
	}
}

// editWaits has something come a second late, and expects the edit to wait for it.
func editWaits(t *testing.T, inner []netip.Prefix, change func(*nm.Tunnel), take func(w *fake.World) (putBack func())) {
	t.Helper()
	w := fake.NewWorld()
	tunnel := fake.Simple(t)
	tunnel.Addresses = append(tunnel.Addresses, inner...)
	fake.MustCreate(t, w, tunnel)
	p := w.Start()
	var putBack func()
	var due time.Time // when it comes; zero before it is taken away, and after
	p.Turn = func(_ int, method string) {
		switch {
		case method == "Links" && putBack == nil && slices.Contains(p.Calls, "Reapply"):
			putBack, due = take(w), time.Now().Add(time.Second)
		case !due.IsZero() && !time.Now().Before(due):
			putBack()
			due = time.Time{}
		}
	}
	h := p.Host()
	planned, err := h.PlanEdit(t.Context(), "gre1", func(t *nm.Tunnel) error { change(t); return nil })
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if _, err := h.Edit(t.Context(), planned, nmgre.EditOptions{}); err != nil || putBack == nil || time.Since(begin) < time.Second {
		t.Errorf("%v after %s", err, time.Since(begin))
	}
}

// An edit succeeds with a silent far end, and with checks that failed before.
func TestEditSilentFarEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := tunnelToEdit(t, edits[0])
		w.Answer = func(p kernel.Probe) (kernel.ProbeResult, kernel.Counters, error) {
			return kernel.ProbeResult{Sent: p.Count}, kernel.Counters{TxPackets: uint64(p.Count)}, nil
		}
		w.Link("gre1").GRE.TOS = 3 // somebody has changed the link by hand
		h := w.Start().Host()
		plan, err := planEdit(t, h, edits[0])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Edit(t.Context(), plan, nmgre.EditOptions{}); err != nil || w.Link("gre1").MTU != 1400 {
			t.Errorf("%v", err)
		}
	})
}

// The confirmation is asked for when everything is applied, but not on disk yet. Without it
// everything is undone.
func TestEditConfirm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, e := range edits {
			for _, answer := range []error{nil, fake.ErrBroken, context.Canceled} {
				w := tunnelToEdit(t, e)
				before := w.String()
				h := w.Start().Host()
				planned, err := planEdit(t, h, e)
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				asked := ""
				_, err = h.Edit(ctx, planned, nmgre.EditOptions{Confirm: func(ctx context.Context, applied verify.Report) error {
					asked = w.String()
					if planned.ProfileDiffers() && !w.Profile(planned.Profile.UUID).Unsaved {
						t.Errorf("%s: it is on disk", e.name)
					}
					if planned.Up() && len(applied.Checks) == 0 {
						t.Errorf("%s: nothing was verified", e.name)
					}
					if errors.Is(answer, context.Canceled) {
						cancel()
						return ctx.Err()
					}
					return answer
				}})
				cancel()
				w.Settle()
				switch {
				case len(planned.Changes) == 0:
					if asked != "" || err != nil {
						t.Errorf("%s: nothing is changed, but it asked, %v", e.name, err)
					}
				case answer == nil && err == nil:
					want.Same(t, e.name, confirmed(asked), confirmed(w.String()))
					if file := fileLine(before); planned.KeptDiffers() && fileLine(asked) != file {
						t.Errorf("%s: root's file is changed before the confirmation:\n%s", e.name, asked)
					}
				case answer == nil || !errors.Is(err, answer):
					t.Errorf("%s: %v, want %v", e.name, err, answer)
				default:
					want.Same(t, e.name, sortedLinks(w.String()), sortedLinks(before))
				}
			}
		}
	})
}

// fileLine returns the line of root's file.
func fileLine(state string) string { return fileLines.FindString(state) }

var (
	fileLines  = regexp.MustCompile(`(?m)^file of .*\n`)
	triedEmpty = regexp.MustCompile(`(?m)^tried for .* routes \[\] snat \[\] forward \[\] clamp false pin false\n`)
)

// confirmed prints a host as it is when everything that is tried is saved.
func confirmed(state string) string {
	if strings.Contains(state, "tried for ") {
		state = triedEmpty.ReplaceAllString(fileLines.ReplaceAllString(state, ""), "")
		state = strings.ReplaceAll(state, "tried for ", "file of ")
	}
	state = strings.ReplaceAll(state, "the hook is called for other connections\n", "")
	return sortedLinks(strings.ReplaceAll(state, " unsaved", ""))
}

// Which edits cut off which sessions.
func TestCutsOff(t *testing.T) {
	const inner, behind, lan, elsewhere = "172.16.0.2", "10.10.2.9", "10.10.1.9", "198.51.100.7"
	for _, c := range []struct {
		name    string
		session string
		change  func(tunnel *nm.Tunnel)
		want    bool
	}{
		{"through the tunnel, which flaps", behind, func(tunnel *nm.Tunnel) { tunnel.TTL = 9 }, true},
		{"through the tunnel, which gets a route", behind, func(tunnel *nm.Tunnel) {
			tunnel.Routes = append(tunnel.Routes, routes.Route{Dst: want.CIDR("10.99.0.0/16")})
		}, false},
		{"through the tunnel, which does not connect by itself any more", behind, func(tunnel *nm.Tunnel) { tunnel.Autoconnect = false }, false},
		{"through the tunnel, whose MTU changes", behind, func(tunnel *nm.Tunnel) { tunnel.MTU = 1300 }, true},
		{"through the tunnel, whose addresses change", inner, func(tunnel *nm.Tunnel) { tunnel.Addresses = want.CIDRs("172.16.5.1/30") }, true},
		{"by a route that goes", behind, func(tunnel *nm.Tunnel) { tunnel.Routes = tunnel.Routes[1:] }, true},
		{"elsewhere", elsewhere, func(tunnel *nm.Tunnel) { tunnel.TTL = 9 }, false},
		{"elsewhere, which is led into the tunnel", elsewhere, func(tunnel *nm.Tunnel) {
			tunnel.Routes = append(tunnel.Routes, routes.Route{Dst: want.CIDR("198.51.100.0/24")})
		}, true},
		{"elsewhere, by a route that has the way already", lan, func(tunnel *nm.Tunnel) {
			tunnel.Routes = append(tunnel.Routes, routes.Route{Dst: want.CIDR("10.0.0.0/8")})
		}, false},
		{"by the default route, which gets into the tunnel", elsewhere, func(tunnel *nm.Tunnel) {
			tunnel.Routes = append(tunnel.Routes, routes.Route{Dst: want.CIDR("0.0.0.0/0")})
		}, true},
		{"an IPv4 session written as IPv6", "::ffff:" + behind, func(tunnel *nm.Tunnel) { tunnel.TTL = 9 }, true},
		{"with a zone", "fe80::1%eth0", func(tunnel *nm.Tunnel) { tunnel.TTL = 9 }, false},
		{"on this host", "127.0.0.1", func(tunnel *nm.Tunnel) { tunnel.TTL = 9 }, false},
		{"no session", "", func(tunnel *nm.Tunnel) { tunnel.TTL = 9 }, false},
		{"nothing is changed", behind, func(*nm.Tunnel) {}, false},
	} {
		w := worldWith("default via 100.0.1.1 metric 100")
		fake.MustCreate(t, w, fake.Simple(t))
		h := w.Start().Host()
		planned, err := h.PlanEdit(t.Context(), "gre1", func(tunnel *nm.Tunnel) error { c.change(tunnel); return nil })
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		session, _ := netip.ParseAddr(c.session)
		if got, err := h.CutsOff(t.Context(), planned.Effect(), nmgre.Session{Client: session}); got != c.want || err != nil {
			t.Errorf("%s: got %v, %v", c.name, got, err)
		}
	}
}

// Every step ends with an event that has the commands which do the same.
func TestEditEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := tunnelToEdit(t, edits[7])
		h := w.Start().Host()
		plan, err := planEdit(t, h, edits[7])
		if err != nil {
			t.Fatal(err)
		}
		var told []string
		h.Progress = func(e nmgre.Event) { told = append(told, e.What+": "+strings.Join(e.Commands, "; ")) }
		if _, err := h.Edit(t.Context(), plan, nmgre.EditOptions{}); err != nil {
			t.Fatal(err)
		}
		want.Golden(t, "edit/events.out", uuidPattern.ReplaceAllString(strings.Join(told, "\n"), "UUID")+"\n")
	})
}

// An edit that the device does not see leaves the pending settings alone, and says so.
func TestEditLeavesPendingAlone(t *testing.T) {
	w := fake.NewWorld()
	fake.MustCreate(t, w, fake.Simple(t))
	w.Named("gre1").Tunnel.TTL = 9
	planned, err := w.Start().Host().PlanEdit(t.Context(), "gre1", func(tunnel *nm.Tunnel) error { tunnel.ClampMSS = true; return nil })
	if notes := strings.Join(planned.Notes, "\n"); err != nil || planned.Flaps || !strings.Contains(notes, "ttl; apply it with: nmgre up gre1") {
		t.Errorf("%v, flaps %v, notes %s", err, planned.Flaps, notes)
	}
}

// A change of the profile that waits counts among those that may cut the session off.
func TestEditGuardsWhatIsPending(t *testing.T) {
	w := fake.NewWorld()
	fake.MustCreate(t, w, fake.Simple(t))
	w.Named("gre1").Tunnel.Addresses = want.CIDRs("172.16.9.1/30")
	h := w.Start().Host()
	planned, err := h.PlanEdit(t.Context(), "gre1", func(tunnel *nm.Tunnel) error { tunnel.Autoconnect = false; return nil })
	if err != nil {
		t.Fatal(err)
	}
	if cuts, err := h.CutsOff(t.Context(), planned.Effect(), nmgre.Session{Client: want.Addr("10.10.2.9")}); err != nil || !cuts {
		t.Errorf("cuts off %v, %v", cuts, err)
	}
}
