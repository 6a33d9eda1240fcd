package nmgre

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
)

// edited is a change of a tunnel that there is.
type edited struct {
	name   string
	setup  func(t *testing.T, w *world) // after the tunnel was made; may be nil
	change func(t *testing.T, tunnel *Tunnel)
}

// edits are made of the simple tunnel, which has a route of each owner.
var edits = []edited{
	{"mtu", nil, func(_ *testing.T, tunnel *Tunnel) { tunnel.MTU = 1400 }},
	{"address", nil, func(_ *testing.T, tunnel *Tunnel) { tunnel.Addresses = cidrs("172.16.9.1/30") }},
	{"address-lan", nil, func(_ *testing.T, tunnel *Tunnel) {
		tunnel.Addresses, tunnel.PeerAddress = cidrs("172.16.9.1/24"), addr("172.16.9.7")
		tunnel.Routes = tunnel.Routes[:1]
	}},
	{"routes", nil, func(t *testing.T, tunnel *Tunnel) {
		tunnel.Routes = []Route{route(t, "10.10.3.0/24"), route(t, "10.10.2.0/24 metric 7")}
	}},
	{"default-route", nil, func(t *testing.T, tunnel *Tunnel) { tunnel.Routes = append(tunnel.Routes, route(t, "0.0.0.0/1")) }},
	{"snat", nil, func(_ *testing.T, tunnel *Tunnel) {
		tunnel.SNAT, tunnel.Forward, tunnel.ClampMSS = []SNAT{{Dst: cidr("10.10.1.0/24"), Source: addr("10.10.1.1")}}, true, true
	}},
	{"autoconnect", nil, func(_ *testing.T, tunnel *Tunnel) { tunnel.Autoconnect = false }},
	{"key", nil, func(_ *testing.T, tunnel *Tunnel) { k := Key(42); tunnel.InputKey, tunnel.OutputKey = &k, &k }},
	{"key-own-mtu", func(_ *testing.T, w *world) { w.named("gre1").Tunnel.MTU, w.link("gre1").MTU = 1300, 1300 },
		func(_ *testing.T, tunnel *Tunnel) { k := Key(42); tunnel.InputKey = &k }},
	{"peer", nil, func(_ *testing.T, tunnel *Tunnel) { tunnel.Remote = addr("100.0.3.100") }},
	{"name", nil, func(_ *testing.T, tunnel *Tunnel) { tunnel.Name = "office" }},
	{"name-of-its-own", func(_ *testing.T, w *world) { w.named("gre1").ID = "the office" }, func(_ *testing.T, tunnel *Tunnel) { tunnel.Name = "gre7" }},
	{"name-in-routes", func(t *testing.T, w *world) {
		if _, err := w.start().host().ChangeRoutes(t.Context(), "gre1", RouteChange{Op: RouteAdd, Routes: []Route{route(t, "10.70.0.0/16 nexthop dev gre1 nexthop via 100.0.1.1 dev eth0")}}); err != nil {
			t.Fatal(err)
		}
	}, func(_ *testing.T, tunnel *Tunnel) { tunnel.Name = "office" }},
	{"ttl-tos", nil, func(_ *testing.T, tunnel *Tunnel) { tunnel.TTL, tunnel.TOS = 0, 1 }},
	{"everything", nil, func(t *testing.T, tunnel *Tunnel) {
		k := Key(7)
		tunnel.Name, tunnel.Remote, tunnel.InputKey, tunnel.OutputKey, tunnel.MTU = "gre8", addr("100.0.3.100"), &k, &k, 1300
		tunnel.Addresses, tunnel.Routes, tunnel.Autoconnect = cidrs("172.20.0.1/30"), []Route{route(t, "10.50.0.0/16 nexthop nexthop via 100.0.1.1 dev eth0")}, false
	}},
	{"down", func(_ *testing.T, w *world) { w.deactivate(w.named("gre1")); w.settle() }, func(_ *testing.T, tunnel *Tunnel) { tunnel.TTL = 9 }},
	{"in-memory", func(_ *testing.T, w *world) { w.named("gre1").Unsaved = true }, func(_ *testing.T, tunnel *Tunnel) { tunnel.MTU = 1400 }},
	{"nothing-kept", func(_ *testing.T, w *world) {
		clear(w.files)
		w.routes = slices.DeleteFunc(w.routes, func(r fakeRoute) bool { return r.Protocol == RouteProtocol })
	},
		func(_ *testing.T, tunnel *Tunnel) { tunnel.Remote = addr("100.0.3.100") }},
	{"nothing", nil, func(*testing.T, *Tunnel) {}},
}

// tunnelToEdit is a host with the simple tunnel, and what else the edit needs.
func tunnelToEdit(t *testing.T, e edited) *world {
	t.Helper()
	w := newWorld()
	mustCreate(t, w, simple(t))
	if e.setup != nil {
		e.setup(t, w)
	}
	return w
}

func planEdit(t *testing.T, h *Host, e edited) (EditPlan, error) {
	t.Helper()
	return h.PlanEdit(t.Context(), "gre1", func(tunnel *Tunnel) error { e.change(t, tunnel); return nil })
}

var uuidPattern = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

func editText(p EditPlan) string {
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

// What is planned for each edit, and what differs on the host when it was done. A tunnel that stays up keeps its link.
func TestEdit(t *testing.T) {
	for _, e := range edits {
		t.Run(e.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := tunnelToEdit(t, e)
				before, link := w.String(), w.link("gre1")
				h := w.start().host()
				plan, err := planEdit(t, h, e)
				if err != nil {
					t.Fatal(err)
				}
				same(t, "the host after planning", w.String(), before)
				done, err := h.Edit(t.Context(), plan, EditOptions{})
				if err != nil {
					t.Fatal(err)
				}
				after := w.String()
				if !plan.Flaps && w.link("gre1") != link || plan.Flaps && w.link(plan.After.Name) == link {
					t.Errorf("flaps: %v, but the link is %p, then %p", plan.Flaps, link, w.link(plan.After.Name))
				}
				if plan.up() && len(plan.Changes) > 0 && done.Report.Verdict != Pass && plan.After.PeerAddress.IsValid() {
					t.Errorf("the verdict is %s\n%s", done.Report.Verdict, reportText(done.Report))
				}
				if got := done.Status.Tunnel; !sameTunnel(got, plan.profileAfter()) || done.Status.Unsaved != plan.Profile.Unsaved {
					t.Errorf("the status is %+v", done.Status)
				}
				golden(t, "edit/"+e.name+".txt", editText(plan)+"\n"+changedLines(before, after))
				again, err := planEdit(t, h, e)
				if err == nil && !strings.HasPrefix(e.name, "name") && e.name != "everything" && e.name != "default-route" && len(again.Changes) > 0 {
					t.Errorf("the same edit once more changes %v", again.Diff())
				}
			})
		})
	}
}

// changedLines returns the lines that went and those that came.
func changedLines(before, after string) string {
	var lines []string
	for _, line := range strings.Split(diff(before, after), "\n") {
		if !strings.HasPrefix(line, "  ") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

// An edit and its reverse leave the host as it was.
func TestEditBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, e := range edits {
			w := tunnelToEdit(t, e)
			before := w.String()
			h := w.start().host()
			plan, err := planEdit(t, h, e)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := h.Edit(t.Context(), plan, EditOptions{}); err != nil {
				t.Fatalf("%s: %v", e.name, err)
			}
			back, err := h.PlanEdit(t.Context(), plan.After.Name, func(tunnel *Tunnel) error { *tunnel = plan.Before.Clone(); return nil })
			if err != nil {
				t.Fatalf("%s and back: %v", e.name, err)
			}
			if _, err := h.Edit(t.Context(), back, EditOptions{}); err != nil {
				t.Fatalf("%s and back: %v", e.name, err)
			}
			same(t, e.name+" and back", sortedLinks(w.String()), sortedLinks(before))
		}
	})
}

// sortedLinks leaves out in which order links were made.
func sortedLinks(state string) string {
	lines := strings.Split(state, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// What cannot be is refused, and nothing is changed. What was wrong before is no reason.
func TestEditRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		setup  func(t *testing.T, w *world)
		change func(tunnel *Tunnel)
		kind   error
		want   string
	}{
		{"a value out of range", nil, func(tunnel *Tunnel) { tunnel.MTU = 60 }, ErrInvalid, "mtu: "},
		{"a name that is taken by a device", nil, func(tunnel *Tunnel) { tunnel.Name = "eth1" }, ErrInvalid, "name: there is a device eth1 already"},
		{"a name that is taken by a profile", nil, func(tunnel *Tunnel) { tunnel.Name = "wan" }, ErrInvalid, "has the name wan already"},
		{"the ends of another tunnel", func(t *testing.T, w *world) {
			two := simple(t)
			two.Name, two.Remote, two.Addresses, two.Routes = "gre2", addr("100.0.3.100"), cidrs("172.17.0.1/30"), nil
			mustCreate(t, w, two)
		}, func(tunnel *Tunnel) { tunnel.Remote = addr("100.0.3.100") }, ErrInvalid, "peer: the device gre2 is a tunnel between"},
		{"the LAN's network as its own", nil, func(tunnel *Tunnel) {
			tunnel.Addresses, tunnel.Routes = cidrs("10.10.1.9/24"), nil
		}, ErrInvalid, "address: the inner network 10.10.1.0/24 overlaps"},
		{"the LAN as a route", nil, func(tunnel *Tunnel) { tunnel.Routes = append(tunnel.Routes, Route{Dst: cidr("10.10.1.0/24")}) }, ErrInvalid, "is this host's own network"},
		{"a far end that is here", nil, func(tunnel *Tunnel) { tunnel.Remote = addr("10.10.1.1") }, ErrInvalid, "peer: 10.10.1.1 is this host's own address"},
		{"a local address that is not", nil, func(tunnel *Tunnel) { tunnel.Local = addr("100.0.1.7") }, ErrInvalid, "local: 100.0.1.7 is not an address of this host"},
		{"a parent that is not there", nil, func(tunnel *Tunnel) { tunnel.Parent = "eth9" }, ErrInvalid, "parent: there is no device eth9"},
		{"an SNAT source that is not here", nil, func(tunnel *Tunnel) { tunnel.SNAT = []SNAT{{cidr("10.10.1.0/24"), addr("10.10.1.7")}} }, ErrInvalid, "snat: 10.10.1.7 is not"},
		{"without root, what root keeps", func(_ *testing.T, w *world) { w.noRoot = true },
			func(tunnel *Tunnel) { tunnel.Routes = tunnel.Routes[:1] }, ErrNotPermitted, "needs root"},
		{"a kernel without the mode", func(_ *testing.T, w *world) { w.missing = map[Mode]bool{ModeGRETAP: true} },
			func(tunnel *Tunnel) { tunnel.Mode = ModeGRETAP }, ErrUnsupported, "gretap"},
		{"what root keeps cannot be read", func(_ *testing.T, w *world) {
			for uuid, k := range w.files {
				k.Bad = []BadLine{{Line: 7, Err: errBroken}}
				w.files[uuid] = k
			}
		}, func(tunnel *Tunnel) { tunnel.MTU = 1400 }, ErrInvalid, "line 7 of what is kept for gre1 cannot be read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld()
			mustCreate(t, w, simple(t))
			if c.setup != nil {
				c.setup(t, w)
			}
			before := w.String()
			_, err := w.start().host().PlanEdit(t.Context(), "gre1", func(tunnel *Tunnel) error { c.change(tunnel); return nil })
			if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %v with %q", err, c.kind, c.want)
			}
			same(t, "the host", w.String(), before)
		})
	}
}

// What was wrong before, and is not touched, does not keep an edit from being made.
func TestEditOfWhatIsWrong(t *testing.T) {
	w := newWorld()
	mustCreate(t, w, simple(t))
	w.addLink(Link{Name: "br0", Up: true, MTU: 1500, Addresses: cidrs("172.16.0.9/24", "10.10.2.1/24")}) // overlaps, and is the route's network
	w.addProfile(Profile{UUID: newUUID(), ID: "other", State: StateInactive, Tunnel: Tunnel{Name: "gre1"}})
	w.link("eth0").Addresses = nil // the way to the far end is gone
	h := w.start().host()
	plan, err := planEdit(t, h, edits[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Edit(t.Context(), plan, EditOptions{}); err != nil || w.link("gre1").MTU != 1400 {
		t.Errorf("%v\n%s", err, w)
	}
}

// The error of who wants the change is the plan's.
func TestPlanEditOwnError(t *testing.T) {
	w := newWorld()
	mustCreate(t, w, simple(t))
	if _, err := w.start().host().PlanEdit(t.Context(), "gre1", func(*Tunnel) error { return errBroken }); !errors.Is(err, errBroken) {
		t.Error(err)
	}
}

// A default route that is in the tunnel does not lead the packets to a new far end astray: the new one is pinned instead.
func TestEditPeerUnderDefaultRoute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		want := simple(t)
		want.Routes = []Route{route(t, "default metric 50"), route(t, "0.0.0.0/1"), route(t, "128.0.0.0/1")}
		mustCreate(t, w, want)
		h := w.start().host()
		plan, err := h.PlanEdit(t.Context(), "gre1", func(tunnel *Tunnel) error { tunnel.Remote = addr("100.0.3.100"); return nil })
		if err != nil {
			t.Fatal(err)
		}
		if plan.After.MTU != 1476 || !plan.Kept.Pin {
			t.Errorf("MTU %d, pin %v", plan.After.MTU, plan.Kept.Pin)
		}
		if _, err := h.Edit(t.Context(), plan, EditOptions{}); err != nil {
			t.Fatal(err)
		}
		if state := w.String(); !strings.Contains(state, "route 100.0.3.100 via 100.0.1.1 dev eth0 proto 213") || strings.Contains(state, "route 100.0.2.100 ") {
			t.Errorf("the host:\n%s", state)
		}
	})
}

// faultyEdit makes an edit on a fresh host, with a fault in it.
func faultyEdit(t *testing.T, e edited, inject func(p *process, cancel func())) (p *process, before string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	w := tunnelToEdit(t, e)
	p = w.start()
	plan, err := planEdit(t, p.host(), e)
	if err != nil {
		t.Fatal(err)
	}
	before, p.calls = w.String(), nil
	inject(p, cancel)
	_, err = p.host().Edit(ctx, plan, EditOptions{})
	p.fault = nil
	w.settle()
	return p, before, err
}

// Whatever fails at whichever call, the host is afterwards what it was, and the tunnel is up if it was: or all is done, and no error is told.
func TestEditFaults(t *testing.T) {
	away := &Error{Kind: ErrNoNetworkManager, What: "the bus is gone"}
	for _, test := range []struct {
		name  string
		fault func(cancel func()) fault
		times int
		want  error
	}{
		{"NetworkManager away", func(func()) fault { return fault{err: away} }, 1, ErrNoNetworkManager},
		{"NetworkManager away for a while", func(func()) fault { return fault{err: away} }, 12, ErrNoNetworkManager},
		{"refused", func(func()) fault { return fault{err: &Error{Kind: ErrInvalid, What: "no"}} }, 1, ErrInvalid},
		{"timed out", func(func()) fault { return fault{err: &Error{Kind: ErrTimeout, What: "too slow"}} }, 1, ErrTimeout},
		{"plain", func(func()) fault { return fault{err: errBroken} }, 1, errBroken},
		{"interrupted", func(cancel func()) fault { return fault{cancel: cancel} }, 1, context.Canceled},
		{"hanging", func(func()) fault { return fault{hang: true} }, 1, ErrTimeout},
		{"answer lost", func(func()) fault { return fault{after: true, err: away} }, 1, ErrNoNetworkManager},
		{"answer late", func(func()) fault { return fault{after: true, hang: true} }, 1, ErrTimeout},
		{"interrupted when it was done", func(cancel func()) fault { return fault{after: true, cancel: cancel} }, 1, context.Canceled},
		{"interrupted between two calls", func(cancel func()) fault { return fault{after: true, quiet: true, cancel: cancel} }, 1, context.Canceled},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for _, e := range edits {
					p, _, err := faultyEdit(t, e, func(*process, func()) {})
					if err != nil {
						t.Fatal(err)
					}
					calls, complete := slices.Clone(p.calls), p.String()
					undone := 0
					for n := range calls {
						at := fmt.Sprintf("%s, call %d, %s", e.name, n, calls[n])
						p, before, err := faultyEdit(t, e, func(p *process, cancel func()) {
							p.fault = func(i int, _ string) fault {
								if i < n || i >= n+test.times {
									return fault{}
								}
								return test.fault(cancel)
							}
						})
						if err == nil {
							same(t, at+": the host", sortedLinks(p.String()), sortedLinks(complete))
							continue
						}
						undone++
						same(t, at+": the host", sortedLinks(p.String()), sortedLinks(before))
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

// Somebody else changes the tunnel between the plan and the edit: nothing is done.
func TestEditChangedMeanwhile(t *testing.T) {
	for name, meanwhile := range map[string]func(w *world){
		"profile": func(w *world) { w.named("gre1").Tunnel.TTL = 7 },
		"name":    func(w *world) { w.named("gre1").ID = "x" },
		"down":    func(w *world) { w.deactivate(w.named("gre1")) },
		"files":   func(w *world) { clear(w.files) },
	} {
		w := tunnelToEdit(t, edits[0])
		h := w.start().host()
		plan, err := planEdit(t, h, edits[0])
		if err != nil {
			t.Fatal(err)
		}
		meanwhile(w)
		before := w.String()
		if _, err := h.Edit(t.Context(), plan, EditOptions{}); !errors.Is(err, ErrChanged) || !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
		same(t, name, w.String(), before)
	}
}

// A new name that somebody takes after the plan.
func TestEditNameTakenMeanwhile(t *testing.T) {
	e := edited{change: func(_ *testing.T, tunnel *Tunnel) { tunnel.Name = "gre5" }}
	w := tunnelToEdit(t, e)
	h := w.start().host()
	plan, err := planEdit(t, h, e)
	if err != nil {
		t.Fatal(err)
	}
	w.addLink(Link{Name: "gre5", Up: true, MTU: 1400})
	before := w.String()
	if _, err := h.Edit(t.Context(), plan, EditOptions{}); !errors.Is(err, ErrChanged) {
		t.Error(err)
	}
	same(t, "the host", w.String(), before)
}

// The tunnel that comes up wrong is put back.
func TestEditComesUpWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, e := range []edited{edits[0], edits[7]} {
			p, before, err := faultyEdit(t, e, func(p *process, _ func()) {
				p.turn = func(_ int, method string) {
					if slices.Contains(p.calls, "Update") && method == "Links" && !slices.Contains(p.calls, "Back") && p.link("gre1") != nil && p.link("gre1").dying == 0 {
						p.link("gre1").MTU = 1111
					}
				}
			})
			if err == nil || !strings.Contains(err.Error(), "came up wrong") {
				t.Errorf("%s: %v", e.name, err)
			}
			same(t, e.name, sortedLinks(p.String()), sortedLinks(before))
		}
	})
}

// A silent far end is no failure; neither is what failed before.
func TestEditSilentFarEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := tunnelToEdit(t, edits[0])
		w.answer = func(p Probe) (ProbeResult, Counters, error) {
			return ProbeResult{Sent: p.Count}, Counters{TxPackets: uint64(p.Count)}, nil
		}
		w.link("gre1").GRE.TOS = 3 // somebody has changed the link by hand
		h := w.start().host()
		plan, err := planEdit(t, h, edits[0])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Edit(t.Context(), plan, EditOptions{}); err != nil || w.link("gre1").MTU != 1400 {
			t.Errorf("%v", err)
		}
	})
}

// Confirming is asked for when everything is applied, and nothing is on disk yet; without it everything is put back.
func TestEditConfirm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, e := range edits {
			for _, answer := range []error{nil, errBroken, context.Canceled} {
				w := tunnelToEdit(t, e)
				before := w.String()
				h := w.start().host()
				plan, err := planEdit(t, h, e)
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				asked := ""
				_, err = h.Edit(ctx, plan, EditOptions{Confirm: func(ctx context.Context, applied Report) error {
					asked = w.String()
					if plan.profileDiffers() && !w.profile(plan.Profile.UUID).Unsaved {
						t.Errorf("%s: it is on disk", e.name)
					}
					if plan.up() && len(applied.Checks) == 0 {
						t.Errorf("%s: nothing was verified", e.name)
					}
					if errors.Is(answer, context.Canceled) {
						cancel()
						return ctx.Err()
					}
					return answer
				}})
				cancel()
				w.settle()
				switch {
				case len(plan.Changes) == 0:
					if asked != "" || err != nil {
						t.Errorf("%s: nothing is changed, but it asked, %v", e.name, err)
					}
				case answer == nil && err == nil:
					same(t, e.name, strings.ReplaceAll(asked, " unsaved", ""), strings.ReplaceAll(w.String(), " unsaved", ""))
				case answer == nil || !errors.Is(err, answer):
					t.Errorf("%s: %v, want %v", e.name, err, answer)
				default:
					same(t, e.name, sortedLinks(w.String()), sortedLinks(before))
				}
			}
		}
	})
}

// Whether a session is cut off.
func TestCutsOff(t *testing.T) {
	const inner, behind, lan, elsewhere = "172.16.0.2", "10.10.2.9", "10.10.1.9", "198.51.100.7"
	for _, c := range []struct {
		name    string
		session string
		change  func(tunnel *Tunnel)
		want    bool
	}{
		{"through the tunnel, which flaps", behind, func(tunnel *Tunnel) { tunnel.TTL = 9 }, true},
		{"through the tunnel, which gets a route", behind, func(tunnel *Tunnel) { tunnel.Routes = append(tunnel.Routes, Route{Dst: cidr("10.99.0.0/16")}) }, false},
		{"through the tunnel, which does not connect by itself any more", behind, func(tunnel *Tunnel) { tunnel.Autoconnect = false }, false},
		{"through the tunnel, whose MTU changes", behind, func(tunnel *Tunnel) { tunnel.MTU = 1300 }, true},
		{"through the tunnel, whose addresses change", inner, func(tunnel *Tunnel) { tunnel.Addresses = cidrs("172.16.5.1/30") }, true},
		{"by a route that goes", behind, func(tunnel *Tunnel) { tunnel.Routes = tunnel.Routes[1:] }, true},
		{"elsewhere", elsewhere, func(tunnel *Tunnel) { tunnel.TTL = 9 }, false},
		{"elsewhere, which is led into the tunnel", elsewhere, func(tunnel *Tunnel) { tunnel.Routes = append(tunnel.Routes, Route{Dst: cidr("198.51.100.0/24")}) }, true},
		{"elsewhere, by a route that has the way already", lan, func(tunnel *Tunnel) { tunnel.Routes = append(tunnel.Routes, Route{Dst: cidr("10.0.0.0/8")}) }, false},
		{"by the default route, which gets into the tunnel", elsewhere, func(tunnel *Tunnel) { tunnel.Routes = append(tunnel.Routes, Route{Dst: cidr("0.0.0.0/0")}) }, true},
		{"an IPv4 session written as IPv6", "::ffff:" + behind, func(tunnel *Tunnel) { tunnel.TTL = 9 }, true},
		{"with a zone", "fe80::1%eth0", func(tunnel *Tunnel) { tunnel.TTL = 9 }, false},
		{"on this host", "127.0.0.1", func(tunnel *Tunnel) { tunnel.TTL = 9 }, false},
		{"no session", "", func(tunnel *Tunnel) { tunnel.TTL = 9 }, false},
		{"nothing is changed", behind, func(*Tunnel) {}, false},
	} {
		w := newWorld()
		mustCreate(t, w, simple(t))
		plan, err := w.start().host().PlanEdit(t.Context(), "gre1", func(tunnel *Tunnel) error { c.change(tunnel); return nil })
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		session, _ := netip.ParseAddr(c.session)
		if got, err := plan.CutsOff(t.Context(), session); got != c.want || err != nil {
			t.Errorf("%s: got %v, %v", c.name, got, err)
		}
	}
}

// Every step is told as it ends, with the commands that do the same.
func TestEditEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := tunnelToEdit(t, edits[7])
		h := w.start().host()
		plan, err := planEdit(t, h, edits[7])
		if err != nil {
			t.Fatal(err)
		}
		var told []string
		h.Progress = func(e Event) { told = append(told, e.What+": "+strings.Join(e.Commands, "; ")) }
		if _, err := h.Edit(t.Context(), plan, EditOptions{}); err != nil {
			t.Fatal(err)
		}
		golden(t, "edit/events.out", uuidPattern.ReplaceAllString(strings.Join(told, "\n"), "UUID")+"\n")
	})
}
