package nmgre

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// several is a host with tunnels of all states, and with names that are easily taken for one another.
func several(t *testing.T) *world {
	t.Helper()
	w := newWorld()
	for _, p := range []struct {
		uuid, id, name string
		mode           Mode
		state          State
	}{
		{"00000000-0000-4000-8000-0000000000a1", "to Berlin", "gre10", ModeGRE, StateInactive},
		{"00000000-0000-4000-8000-0000000000a2", "gre3", "gre2", ModeGRE, StateInactive},
		{"00000000-0000-4000-8000-0000000000a3", "other", "gre3", ModeGRE, StateInactive},
		{"00000000-0000-4000-8000-0000000000a4", "hand", "hand0", ModeGRE, StateExternal},
		{"00000000-0000-4000-8000-0000000000a5", "twin one", "twin", ModeGRE, StateInactive},
		{"00000000-0000-4000-8000-0000000000a6", "twin two", "twin", ModeGRE, StateInactive},
		{"00000000-0000-4000-8000-0000000000a7", "br0", "br0", 0, StateInactive},
	} {
		w.addProfile(Profile{UUID: p.uuid, ID: p.id, State: p.state, Tunnel: Tunnel{Name: p.name, Mode: p.mode, Remote: addr("100.0.9.1"), Local: addr("100.0.1.100")}})
	}
	return w
}

func TestList(t *testing.T) {
	w := several(t)
	mustCreate(t, w, simple(t))
	list, err := w.start().host().List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range list {
		names = append(names, s.Tunnel.Name+" "+string(s.State))
		if got := len(s.Kept.Routes); got != map[bool]int{true: 1}[s.Tunnel.Name == "gre1"] {
			t.Errorf("%s has %d routes of its own", s.Tunnel.Name, got)
		}
	}
	if got, want := strings.Join(names, ", "), "gre1 active, gre2 inactive, gre3 inactive, gre10 inactive, hand0 external, twin inactive, twin inactive"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if list[5].UUID > list[6].UUID {
		t.Error("tunnels of one name are not in the order of their UUIDs")
	}
}

func TestFind(t *testing.T) {
	w := several(t)
	h := w.start().host()
	for name, want := range map[string]string{
		"00000000-0000-4000-8000-0000000000a5": "twin one",
		"gre10":                                "to Berlin",
		"to Berlin":                            "to Berlin",
		"gre3":                                 "other", // the interface goes before the name
		"gre2":                                 "gre3",
		"hand":                                 "hand",
	} {
		if p, err := h.Find(t.Context(), name); err != nil || p.ID != want {
			t.Errorf("Find(%q) = %q, %v; want %q", name, p.ID, err, want)
		}
	}
	for _, test := range []struct{ name, kinds, text, hint string }{
		{"gre9", "ErrInvalid ErrNotFound", `no tunnel has the name "gre9"`, "there are: gre2, gre3, gre10, hand0, twin, twin"},
		{"br0", "ErrInvalid ErrNotFound", "br0 is a connection, but no GRE tunnel", "nmgre list"},
		{"twin", "ErrInvalid", "2 tunnels have the name twin", "00000000-0000-4000-8000-0000000000a5, 00000000-0000-4000-8000-0000000000a6"},
		{"\x1b[31m", "ErrInvalid ErrNotFound", `x1b[31m`, "there are"},
		{"", "ErrInvalid ErrNotFound", "no tunnel has the name", "there are"},
	} {
		_, err := h.Find(t.Context(), test.name)
		if kindsOf(err) != test.kinds || !strings.Contains(err.Error(), test.text) || !strings.Contains(strings.Join(Hints(err), " "), test.hint) || Printable(err.Error()) != err.Error() {
			t.Errorf("Find(%q): %v, hints %q", test.name, err, Hints(err))
		}
	}
	w.named("twin two").State = StateActive
	if p, err := h.Find(t.Context(), "twin"); err != nil || p.ID != "twin two" {
		t.Errorf("the active one of two: %q, %v", p.ID, err)
	}
	_, err := newWorld().start().host().Find(t.Context(), "gre1")
	if !errors.Is(err, ErrNotFound) || !strings.Contains(Hints(err)[0], "there are no tunnels yet") {
		t.Errorf("without tunnels: %v, %q", err, Hints(err))
	}
}

// A hint stays short on hosts with many tunnels.
func TestFindAmongMany(t *testing.T) {
	w := newWorld()
	for i := range 300 {
		w.addProfile(Profile{UUID: newUUID(), ID: "x", Tunnel: Tunnel{Name: FreeName(map[string]bool{}) + strings.Repeat("0", i%9), Mode: ModeGRE}})
	}
	_, err := w.start().host().Find(t.Context(), "nobody")
	if hint := Hints(err)[0]; !strings.HasSuffix(hint, "and 290 more") || len(hint) > 200 {
		t.Errorf("%q", hint)
	}
}

// A screen that has listed the tunnels asks for the one that is looked at, not for all of them each time.
func TestFindWhatIsListed(t *testing.T) {
	w := several(t)
	p := w.start()
	h := p.host()
	h.Listed = true
	const uuid = "00000000-0000-4000-8000-0000000000a5"
	if found, err := h.Find(t.Context(), uuid); err != nil || found.ID != "twin one" || slices.Contains(p.calls, "List") {
		t.Errorf("%q, %v; calls: %v", found.ID, err, p.calls)
	}
	if found, err := h.Find(t.Context(), "gre10"); err != nil || found.ID != "to Berlin" {
		t.Errorf("by name: %q, %v", found.ID, err)
	}
	if _, err := h.Find(t.Context(), "00000000-0000-4000-8000-0000000000ff"); !errors.Is(err, ErrNotFound) || !strings.Contains(Hints(err)[0], "there are: gre2") {
		t.Errorf("gone: %v, hints %q", err, Hints(err))
	}
}

func TestShow(t *testing.T) {
	w := newWorld()
	mustCreate(t, w, simple(t))
	h := w.start().host()
	s, err := h.Show(t.Context(), "gre1")
	if err != nil || s.Link == nil || s.Link.GRE.Remote != addr("100.0.2.100") || len(s.Kept.Routes) != 1 || s.KeptErr != nil {
		t.Errorf("%+v, %v", s, err)
	}
	synctest.Test(t, func(t *testing.T) {
		if _, err := h.Down(t.Context(), "gre1"); err != nil {
			t.Fatal(err)
		}
	})
	if s, err = h.Show(t.Context(), "gre1"); err != nil || s.Link != nil || len(s.Kept.Routes) != 1 || s.State != StateInactive {
		t.Errorf("down: %+v, %v", s, err)
	}
}

// What was made by hand is not nmgre's to change.
func TestExternalIsLeftAlone(t *testing.T) {
	w := several(t)
	before := w.String()
	h := w.start().host()
	for name, f := range map[string]func(context.Context, string) (Profile, error){"up": h.Up, "down": h.Down, "delete": h.Delete} {
		_, err := f(t.Context(), "hand")
		if kindsOf(err) != "ErrInvalid" || !strings.Contains(err.Error(), "made by hand") || !strings.Contains(Hints(err)[0], "ip link delete dev hand0") {
			t.Errorf("%s: %v, hints %q", name, err, Hints(err))
		}
		if _, err := f(t.Context(), "nobody"); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s of nobody: %v", name, err)
		}
	}
	same(t, "the host", w.String(), before)
}

// A tunnel that does not come up is taken down again.
func TestUpFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, test := range []struct {
			name  string
			fault func(cancel func()) fault
			want  error
		}{
			{"refused", func(func()) fault { return fault{err: errBroken} }, errBroken},
			{"half up", func(func()) fault { return fault{after: true, err: errBroken} }, errBroken},
			{"hanging", func(func()) fault { return fault{hang: true} }, ErrTimeout},
			{"interrupted", func(cancel func()) fault { return fault{after: true, cancel: cancel} }, context.Canceled},
		} {
			w := newWorld()
			mustCreate(t, w, simple(t))
			if _, err := w.start().host().Down(t.Context(), "gre1"); err != nil {
				t.Fatal(err)
			}
			before := w.String()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			p := w.start()
			p.fault = func(_ int, method string) fault {
				if method == "Activate" {
					return test.fault(cancel)
				}
				return fault{}
			}
			_, err := p.host().Up(ctx, "gre1")
			w.settle()
			if !errors.Is(err, test.want) || p.calls[len(p.calls)-1] != "Deactivate" {
				t.Errorf("%s: %v, calls %q", test.name, err, p.calls)
			}
			same(t, test.name+": the host", w.String(), before)
			cancel()
		}
	})
}

// If it cannot be taken down again either, that is told.
func TestUpFailsAndStays(t *testing.T) {
	w := several(t)
	p := w.start()
	p.fault = func(_ int, method string) fault {
		if method == "Activate" || method == "Deactivate" {
			return fault{err: errBroken}
		}
		return fault{}
	}
	h := p.host()
	var events []Event
	h.Progress = func(e Event) {
		if !e.Detail {
			events = append(events, e)
		}
	}
	_, err := h.Up(t.Context(), "gre10")
	if !errors.Is(err, errBroken) || len(events) != 1 || !events[0].Undo || !errors.Is(events[0].Err, errBroken) {
		t.Errorf("%v, %+v", err, events)
	}
}

// What fails while a tunnel is taken down or removed is said.
func TestDownAndDeleteFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, f := range map[string]func(*Host) error{
			"down":   func(h *Host) error { _, err := h.Down(t.Context(), "gre1"); return err },
			"delete": func(h *Host) error { _, err := h.Delete(t.Context(), "gre1"); return err },
			"list":   func(h *Host) error { _, err := h.List(t.Context()); return err },
			"show":   func(h *Host) error { _, err := h.Show(t.Context(), "gre1"); return err },
			"far end": func(h *Host) error {
				_, err := h.FarEnd(t.Context(), simple(t))
				return err
			},
		} {
			for n := 0; ; n++ {
				w := newWorld()
				mustCreate(t, w, simple(t))
				p := w.start()
				p.fault = func(i int, _ string) fault {
					if i == n {
						return fault{err: errBroken}
					}
					return fault{}
				}
				err := f(p.host())
				if len(p.calls) <= n {
					if n < 2 || err != nil {
						t.Errorf("%s: %d calls, %v", name, n, err)
					}
					break
				}
				if tolerated := map[string][]string{
					"down": {"UUIDs"}, "delete": {"UUIDs", "Read"}, "list": {"UUIDs", "All", "HookMissing"}, "show": {"UUIDs", "Read", "HookMissing"},
				}[name]; slices.Contains(tolerated, p.calls[n]) && err == nil {
					continue // it was told, or is no part of what was asked for
				}
				if !errors.Is(err, errBroken) {
					t.Errorf("%s: call %d, %s: %v", name, n, p.calls[n], err)
				}
			}
		}
	})
}

// A link that does not go away is said, with what to do; the wait has an end.
func TestLinkThatStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		mustCreate(t, w, simple(t))
		p := w.start()
		p.turn = func(int, string) {
			if l := w.link("gre1"); l.dying > 0 {
				l.dying = 2
			}
		}
		begin := time.Now()
		_, err := p.host().Delete(t.Context(), "gre1")
		if kindsOf(err) != "ErrTimeout" || !strings.Contains(strings.Join(Hints(err), " "), "ip link delete dev gre1") {
			t.Errorf("%v, hints %q", err, Hints(err))
		}
		if took := time.Since(begin); took < goneTimeout || took > goneTimeout+time.Second {
			t.Errorf("it took %s", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.host().waitGone(ctx, "gre1"); !errors.Is(err, ErrTimeout) || !strings.Contains(err.Error(), "it took too long") {
			t.Errorf("%v", err)
		}
	})
}

// The far end's routes lead to this host's own networks, not to the underlay's and not into tunnels.
func TestHostFarEnd(t *testing.T) {
	w := newWorld()
	w.addLink(Link{Name: "eth2", Up: false, Addresses: cidrs("10.11.0.1/24")})
	w.addLink(Link{Name: "eth3", Up: true, Addresses: cidrs("10.12.0.1/24", "10.12.0.2/24", "10.13.0.1/32", "2001:db8:77::1/64")})
	want := simple(t)
	want.Local, want.PeerAddress = addr("0.0.0.0"), addr("172.16.0.2")
	mustCreate(t, w, want)
	far, err := w.start().host().FarEnd(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "the far end", far.CreateCommand(), "nmgre create --peer 100.0.1.100 --local 100.0.2.100 --address 172.16.0.2/30 --route 10.10.1.0/24 --route 10.12.0.0/24")
	w.routes = nil
	if far, err = w.start().host().FarEnd(t.Context(), want); err != nil || far.Remote != addr("0.0.0.0") {
		t.Errorf("without a way to the far end: %v, %v", far.Remote, err)
	}
	want.Addresses = slices.Concat(want.Addresses, cidrs("2001:db8:9::1/64"))
	if far, _ = w.start().host().FarEnd(t.Context(), want); !strings.Contains(far.CreateCommand(), "--route 2001:db8:77::/64") {
		t.Errorf("with inner addresses of both families: %s", far.CreateCommand())
	}
}

// Who wants to see everything is told each step, with the commands that do the same.
func TestDetails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		mustCreate(t, w, simple(t))
		h := w.start().host()
		var told []string
		h.Progress = func(e Event) {
			if !e.Detail || e.Err != nil {
				t.Errorf("%+v", e)
			}
			told = append(told, e.What+": "+strings.Join(e.Commands, "; "))
		}
		ctx := t.Context()
		do := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		_, err := h.Down(ctx, "gre1")
		do(err)
		_, err = h.Up(ctx, "gre1")
		do(err)
		for _, change := range []RouteChange{
			{Op: RouteAdd, Routes: []Route{route(t, "10.10.3.0/24"), route(t, "10.30.0.0/16 nexthop nexthop via 100.0.1.1 dev eth0")}},
			{Op: RouteReplace, Routes: []Route{route(t, "10.30.0.0/16 nexthop weight 2 nexthop via 100.0.1.1 dev eth0")}},
			{Op: RouteDelete, Routes: []Route{route(t, "10.30.0.0/16"), route(t, "10.10.3.0/24")}},
		} {
			_, err = h.ChangeRoutes(ctx, "gre1", change)
			do(err)
		}
		_, err = h.Delete(ctx, "gre1")
		do(err)
		golden(t, "details.out", uuidPattern.ReplaceAllString(strings.Join(told, "\n"), "UUID")+"\n")
	})
}
