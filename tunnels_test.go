package nmgre_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nmgre"
	"nmgre/nm"
	"nmgre/nm/find"
	"nmgre/nm/plan"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
	"nmgre/testdata/fake"
	"nmgre/testdata/want"
)

// several returns a host with tunnels in all states, and with names that can be confused.
func several(t *testing.T) *fake.World {
	t.Helper()
	w := fake.NewWorld()
	for _, p := range []struct {
		uuid, id, name string
		mode           gre.Mode
		state          nm.State
	}{
		{"00000000-0000-4000-8000-0000000000a1", "to Berlin", "gre10", gre.ModeGRE, nm.StateInactive},
		{"00000000-0000-4000-8000-0000000000a2", "gre3", "gre2", gre.ModeGRE, nm.StateInactive},
		{"00000000-0000-4000-8000-0000000000a3", "other", "gre3", gre.ModeGRE, nm.StateInactive},
		{"00000000-0000-4000-8000-0000000000a4", "hand", "hand0", gre.ModeGRE, nm.StateExternal},
		{"00000000-0000-4000-8000-0000000000a5", "twin one", "twin", gre.ModeGRE, nm.StateInactive},
		{"00000000-0000-4000-8000-0000000000a6", "twin two", "twin", gre.ModeGRE, nm.StateInactive},
		{"00000000-0000-4000-8000-0000000000a7", "br0", "br0", 0, nm.StateInactive},
	} {
		w.AddProfile(nm.Profile{UUID: p.uuid, ID: p.id, State: p.state, Tunnel: nm.Tunnel{Name: p.name, Mode: p.mode, Remote: want.Addr("100.0.9.1"), Local: want.Addr("100.0.1.100")}})
	}
	return w
}

func TestList(t *testing.T) {
	w := several(t)
	fake.MustCreate(t, w, fake.Simple(t))
	list, err := w.Start().Host().List(t.Context())
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
	h := w.Start().Host()
	for name, expected := range map[string]string{
		"00000000-0000-4000-8000-0000000000a5": "twin one",
		"gre10":                                "to Berlin",
		"to Berlin":                            "to Berlin",
		"gre3":                                 "other", // the interface goes before the name
		"gre2":                                 "gre3",
		"hand":                                 "hand",
	} {
		if p, err := h.Find(t.Context(), name); err != nil || p.ID != expected {
			t.Errorf("Find(%q) = %q, %v; want %q", name, p.ID, err, expected)
		}
	}
	for _, test := range []struct{ name, kinds, text, hint string }{
		{"gre9", "ErrInvalid ErrNotFound", `no tunnel has the name "gre9"`, "there are: gre2, gre3, gre10, hand0, twin, twin"},
		{"br0", "ErrInvalid ErrNotFound", "br0 is a connection, but not a GRE tunnel", "nmgre list"},
		{"twin", "ErrInvalid", "2 tunnels have the name twin", "twin one 00000000-0000-4000-8000-0000000000a5, inactive; twin two 00000000-0000-4000-8000-0000000000a6, inactive"},
		{"\x1b[31m", "ErrInvalid ErrNotFound", `x1b[31m`, "there are"},
		{"", "ErrInvalid ErrNotFound", "no tunnel has the name", "there are"},
	} {
		_, err := h.Find(t.Context(), test.name)
		if want.Kinds(err) != test.kinds || !strings.Contains(err.Error(), test.text) || !strings.Contains(strings.Join(fault.Hints(err), " "), test.hint) || fault.Printable(err.Error()) != err.Error() {
			t.Errorf("Find(%q): %v, hints %q", test.name, err, fault.Hints(err))
		}
	}
	w.Named("twin two").State = nm.StateActive
	if p, err := h.Find(t.Context(), "twin"); err != nil || p.ID != "twin two" {
		t.Errorf("the active one of two: %q, %v", p.ID, err)
	}
	_, err := fake.NewWorld().Start().Host().Find(t.Context(), "gre1")
	if !errors.Is(err, fault.ErrNotFound) || !strings.Contains(fault.Hints(err)[0], "there are no tunnels yet") {
		t.Errorf("without tunnels: %v, %q", err, fault.Hints(err))
	}
}

// A hint stays short on hosts with many tunnels.
func TestFindAmongMany(t *testing.T) {
	w := fake.NewWorld()
	for i := range 300 {
		w.AddProfile(nm.Profile{UUID: nm.NewUUID(), ID: "x", Tunnel: nm.Tunnel{Name: nm.FreeName(map[string]bool{}) + strings.Repeat("0", i%9), Mode: gre.ModeGRE}})
	}
	_, err := w.Start().Host().Find(t.Context(), "nobody")
	if hint := fault.Hints(err)[0]; !strings.HasSuffix(hint, "and 290 more") || len(hint) > 200 {
		t.Errorf("%q", hint)
	}
}

// For a caller that has listed the tunnels, one tunnel is looked up alone, not in a list of all.
func TestFindWhatIsListed(t *testing.T) {
	w := several(t)
	p := w.Start()
	h := p.Host()
	h.Listed = true
	const uuid = "00000000-0000-4000-8000-0000000000a5"
	if found, err := h.Find(t.Context(), uuid); err != nil || found.ID != "twin one" || slices.Contains(p.Calls, "List") {
		t.Errorf("%q, %v; calls: %v", found.ID, err, p.Calls)
	}
	if found, err := h.Find(t.Context(), "gre10"); err != nil || found.ID != "to Berlin" {
		t.Errorf("by name: %q, %v", found.ID, err)
	}
	if _, err := h.Find(t.Context(), "00000000-0000-4000-8000-0000000000ff"); !errors.Is(err, fault.ErrNotFound) || !strings.Contains(fault.Hints(err)[0], "there are: gre2") {
		t.Errorf("gone: %v, hints %q", err, fault.Hints(err))
	}
}

func TestShow(t *testing.T) {
	w := fake.NewWorld()
	fake.MustCreate(t, w, fake.Simple(t))
	h := w.Start().Host()
	s, err := h.Show(t.Context(), "gre1")
	if err != nil || s.Link == nil || s.Link.GRE.Remote != want.Addr("100.0.2.100") || len(s.Kept.Routes) != 1 || s.KeptErr != nil {
		t.Errorf("%+v, %v", s, err)
	}
	synctest.Test(t, func(t *testing.T) {
		if _, err := h.Down(t.Context(), "gre1"); err != nil {
			t.Fatal(err)
		}
	})
	if s, err = h.Show(t.Context(), "gre1"); err != nil || s.Link != nil || len(s.Kept.Routes) != 1 || s.State != nm.StateInactive {
		t.Errorf("down: %+v, %v", s, err)
	}
}

// nmgre does not change a tunnel that was made by hand.
func TestExternalIsLeftAlone(t *testing.T) {
	w := several(t)
	before := w.String()
	h := w.Start().Host()
	for name, f := range map[string]func(context.Context, string) (nm.Profile, error){"up": h.Up, "down": h.Down, "delete": h.Delete} {
		_, err := f(t.Context(), "hand")
		if want.Kinds(err) != "ErrInvalid" || !strings.Contains(err.Error(), "made by hand") || !strings.Contains(fault.Hints(err)[0], "ip link delete dev hand0") {
			t.Errorf("%s: %v, hints %q", name, err, fault.Hints(err))
		}
		if _, err := f(t.Context(), "nobody"); !errors.Is(err, fault.ErrNotFound) {
			t.Errorf("%s of nobody: %v", name, err)
		}
	}
	want.Same(t, "the host", w.String(), before)
}

// A tunnel that does not come up is taken down again.
func TestUpFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, test := range []struct {
			name  string
			fault func(cancel func()) fake.Fault
			want  error
		}{
			{"refused", func(func()) fake.Fault { return fake.Fault{Err: fake.ErrBroken} }, fake.ErrBroken},
			{"half up", func(func()) fake.Fault { return fake.Fault{After: true, Err: fake.ErrBroken} }, fake.ErrBroken},
			{"hanging", func(func()) fake.Fault { return fake.Fault{Hang: true} }, fault.ErrTimeout},
			{"interrupted", func(cancel func()) fake.Fault { return fake.Fault{After: true, Cancel: cancel} }, context.Canceled},
		} {
			w := fake.NewWorld()
			fake.MustCreate(t, w, fake.Simple(t))
			if _, err := w.Start().Host().Down(t.Context(), "gre1"); err != nil {
				t.Fatal(err)
			}
			before := w.String()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			p := w.Start()
			p.Fault = func(_ int, method string) fake.Fault {
				if method == "Activate" {
					return test.fault(cancel)
				}
				return fake.Fault{}
			}
			_, err := p.Host().Up(ctx, "gre1")
			w.Settle()
			if !errors.Is(err, test.want) || p.Calls[len(p.Calls)-1] != "Deactivate" {
				t.Errorf("%s: %v, calls %q", test.name, err, p.Calls)
			}
			want.Same(t, test.name+": the host", w.String(), before)
			cancel()
		}
	})
}

// An event says if the tunnel cannot be taken down again.
func TestUpFailsAndStays(t *testing.T) {
	w := several(t)
	p := w.Start()
	p.Fault = func(_ int, method string) fake.Fault {
		if method == "Activate" || method == "Deactivate" {
			return fake.Fault{Err: fake.ErrBroken}
		}
		return fake.Fault{}
	}
	h := p.Host()
	var events []nmgre.Event
	h.Progress = func(e nmgre.Event) {
		if !e.Detail {
			events = append(events, e)
		}
	}
	_, err := h.Up(t.Context(), "gre10")
	if !errors.Is(err, fake.ErrBroken) || len(events) != 1 || !events[0].Undo || !errors.Is(events[0].Err, fake.ErrBroken) {
		t.Errorf("%v, %+v", err, events)
	}
}

// Down and delete return the error of any call that fails.
func TestDownAndDeleteFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, f := range map[string]func(*nmgre.Host) error{
			"down":   func(h *nmgre.Host) error { _, err := h.Down(t.Context(), "gre1"); return err },
			"delete": func(h *nmgre.Host) error { _, err := h.Delete(t.Context(), "gre1"); return err },
			"list":   func(h *nmgre.Host) error { _, err := h.List(t.Context()); return err },
			"show":   func(h *nmgre.Host) error { _, err := h.Show(t.Context(), "gre1"); return err },
			"far end": func(h *nmgre.Host) error {
				_, err := h.FarEnd(t.Context(), fake.Simple(t))
				return err
			},
		} {
			for n := 0; ; n++ {
				w := fake.NewWorld()
				fake.MustCreate(t, w, fake.Simple(t))
				p := w.Start()
				p.Fault = func(i int, _ string) fake.Fault {
					if i == n {
						return fake.Fault{Err: fake.ErrBroken}
					}
					return fake.Fault{}
				}
				err := f(p.Host())
				if len(p.Calls) <= n {
					if n < 2 || err != nil {
						t.Errorf("%s: %d calls, %v", name, n, err)
					}
					break
				}
				if tolerated := map[string][]string{
					"down": {"UUIDs"}, "delete": {"UUIDs", "Read"}, "list": {"UUIDs", "All", "HookMissing"}, "show": {"UUIDs", "Read", "HookMissing"},
				}[name]; slices.Contains(tolerated, p.Calls[n]) && err == nil {
					continue // an event has told of it, or the result does not depend on it
				}
				if !errors.Is(err, fake.ErrBroken) {
					t.Errorf("%s: call %d, %s: %v", name, n, p.Calls[n], err)
				}
			}
		}
	})
}

// If a link does not go, the wait ends, and the error has a hint.
func TestLinkThatStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := fake.NewWorld()
		fake.MustCreate(t, w, fake.Simple(t))
		p := w.Start()
		p.Turn = func(int, string) {
			if l := w.Link("gre1"); l.Dying > 0 {
				l.Dying = 2
			}
		}
		begin := time.Now()
		_, err := p.Host().Delete(t.Context(), "gre1")
		if want.Kinds(err) != "ErrTimeout" || !strings.Contains(strings.Join(fault.Hints(err), " "), "ip link delete dev gre1") {
			t.Errorf("%v, hints %q", err, fault.Hints(err))
		}
		if took := time.Since(begin); took < 5*time.Second || took > 6*time.Second {
			t.Errorf("it took %s", took)
		}
		w, p = fake.NewWorld(), nil
		fake.MustCreate(t, w, fake.Simple(t))
		p = w.Start()
		p.Turn = func(int, string) {
			if l := w.Link("gre1"); l.Dying > 0 {
				l.Dying = 2
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := p.Host().Delete(ctx, "gre1"); !errors.Is(err, fault.ErrTimeout) || !strings.Contains(err.Error(), "it took too long") {
			t.Errorf("%v", err)
		}
	})
}

// The far end's routes lead to this host's own networks, but neither to the underlay's network nor
// into tunnels.
func TestHostFarEnd(t *testing.T) {
	w := fake.NewWorld()
	w.AddLink(kernel.Link{Name: "eth2", Up: false, Addresses: want.CIDRs("10.11.0.1/24")})
	w.AddLink(kernel.Link{Name: "eth3", Up: true, Addresses: want.CIDRs("10.12.0.1/24", "10.12.0.2/24", "10.13.0.1/32", "2001:db8:77::1/64")})
	expected := fake.Simple(t)
	expected.Local, expected.PeerAddress = want.Addr("0.0.0.0"), want.Addr("172.16.0.2")
	fake.MustCreate(t, w, expected)
	far, err := w.Start().Host().FarEnd(t.Context(), expected)
	if err != nil {
		t.Fatal(err)
	}
	want.Same(t, "the far end", far.CreateCommand(), "nmgre create --peer 100.0.1.100 --local 100.0.2.100 --address 172.16.0.2/30 --route 10.10.1.0/24 --route 10.12.0.0/24")
	w.Table = nil
	if far, err = w.Start().Host().FarEnd(t.Context(), expected); err != nil || far.CreateCommand() != "" || far.Missing == "" {
		t.Errorf("without a way to the far end: %s, %v", far.CreateCommand(), err)
	}
	expected.Addresses = slices.Concat(expected.Addresses, want.CIDRs("2001:db8:9::1/64"))
	if far, _ = w.Start().Host().FarEnd(t.Context(), expected); !strings.Contains(far.Tunnel.CreateCommand(), "--route 2001:db8:77::/64") {
		t.Errorf("with inner addresses of both families: %s", far.CreateCommand())
	}
}

// Every step has an event with the commands that do the same.
func TestDetails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := fake.NewWorld()
		fake.MustCreate(t, w, fake.Simple(t))
		h := w.Start().Host()
		var told []string
		h.Progress = func(e nmgre.Event) {
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
		for _, change := range []plan.RouteChange{
			{Op: plan.RouteAdd, Routes: []routes.Route{routes.MustParse("10.10.3.0/24"), routes.MustParse("10.30.0.0/16 nexthop nexthop via 100.0.1.1 dev eth0")}},
			{Op: plan.RouteReplace, Routes: []routes.Route{routes.MustParse("10.30.0.0/16 nexthop weight 2 nexthop via 100.0.1.1 dev eth0")}},
			{Op: plan.RouteDelete, Routes: []routes.Route{routes.MustParse("10.30.0.0/16"), routes.MustParse("10.10.3.0/24")}},
		} {
			_, err = h.ChangeRoutes(ctx, "gre1", change)
			do(err)
		}
		_, err = h.Delete(ctx, "gre1")
		do(err)
		want.Golden(t, "details.out", uuidPattern.ReplaceAllString(strings.Join(told, "\n"), "UUID")+"\n")
	})
}

// A copy made with nmcli has the interface of its original. The list tells the two apart, a name
// means the one that is up or has the name itself, and nothing is deleted by a guess.
func TestClones(t *testing.T) {
	w := fake.NewWorld()
	fake.MustCreate(t, w, fake.Simple(t))
	original := w.Named("gre1")
	clone := original.Profile
	clone.UUID, clone.ID, clone.State, clone.Device = "00000000-0000-4000-8000-0000000000c1", "gre1-clone", nm.StateInactive, ""
	clone.Tunnel = clone.Tunnel.Clone()
	w.AddProfile(clone)
	h := w.Start().Host()
	labels := func() []string {
		t.Helper()
		list, err := h.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var profiles []nm.Profile
		for _, s := range list {
			profiles = append(profiles, s.Profile)
		}
		return find.Labels(profiles)
	}
	if got := labels(); !slices.Contains(got, "gre1 (gre1-clone)") || !slices.Contains(got, "gre1 (gre1)") {
		t.Errorf("%v", got)
	}
	for name, uuid := range map[string]string{"gre1": original.UUID, "gre1-clone": clone.UUID, clone.UUID: clone.UUID} {
		if p, err := h.Find(t.Context(), name); err != nil || p.UUID != uuid {
			t.Errorf("%s: %s, %v", name, p.UUID, err)
		}
	}
	w.BringDown(original)
	w.Settle()
	if p, err := h.Find(t.Context(), "gre1"); err != nil || p.UUID != original.UUID {
		t.Errorf("both down: %s, %v", p.UUID, err)
	}
	_, err := h.Delete(t.Context(), "gre1")
	if hints := strings.Join(fault.Hints(err), ""); !errors.Is(err, fault.ErrInvalid) || !strings.Contains(hints, "gre1 "+original.UUID+", inactive") || !strings.Contains(hints, "gre1-clone "+clone.UUID+", inactive") {
		t.Errorf("%v, %s", err, hints)
	}
	if _, err := h.Delete(t.Context(), "gre1-clone"); err != nil || w.Profile(clone.UUID) != nil || w.Profile(original.UUID) == nil {
		t.Errorf("by the profile's name: %v", err)
	}
	again := clone
	again.ID = "gre1"
	w.AddProfile(again)
	if got := labels(); !slices.Contains(got, "gre1 ("+clone.UUID+")") || !slices.Contains(got, "gre1 ("+original.UUID+")") {
		t.Errorf("%v", got)
	}
}

// readOnly is a store on a disk that is mounted read-only.
type readOnly struct{ keep.Store }

var errReadOnly = errors.New("read-only file system")

func (readOnly) Writable() error { return errReadOnly }

// delete changes nothing where root's file cannot be removed: the profile is not gone then.
func TestDeleteOnReadOnlyDisk(t *testing.T) {
	for kept, ways := range map[bool]string{true: "10.30.0.0/16 nexthop nexthop via 100.0.1.1 dev eth0", false: "10.30.0.0/16"} {
		synctest.Test(t, func(t *testing.T) {
			w, tunnel := fake.NewWorld(), fake.Simple(t)
			tunnel.Routes = []routes.Route{routes.MustParse(ways)}
			fake.MustCreate(t, w, tunnel)
			before, h := w.String(), w.Start().Host()
			h.Store = readOnly{h.Store}
			_, err := h.Delete(t.Context(), "gre1")
			if kept && (!errors.Is(err, errReadOnly) || w.String() != before) || !kept && err != nil {
				t.Errorf("something kept %t: %v\n%s", kept, err, w)
			}
		})
	}
}
