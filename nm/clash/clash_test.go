package clash_test

import (
	"errors"
	"strings"
	"testing"

	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
	"nmgre/testdata/fake"
	"nmgre/testdata/want"
)

// A fallback device is not a duplicate of any tunnel.
func TestBesideFallbackDevices(t *testing.T) {
	w := fake.NewWorld()
	for _, l := range []struct {
		name string
		mode gre.Mode
	}{{"gre0", gre.ModeGRE}, {"gretap0", gre.ModeGRETAP}, {"ip6gre0", gre.ModeIP6GRE}} {
		w.AddLink(kernel.Link{Name: l.name, Kind: l.mode.String(), MTU: 1476, GRE: &kernel.GRELink{Mode: l.mode, Local: l.mode.AnyAddr(), Remote: l.mode.AnyAddr()}})
	}
	want := fake.Simple(t)
	want.Name = ""
	planned, err := w.Start().Host().Plan(t.Context(), want)
	if err != nil || planned.Tunnel.Name != "gre1" {
		t.Errorf("%v, name %q", err, planned.Tunnel.Name)
	}
}

// The kernel cannot tell two tunnels apart that have the same mode, device, local address, remote
// address and input key. Key 0 is a key, and the output key does not count. The plan compares the
// new tunnel with the links and with the profiles that are down.
func TestDuplicate(t *testing.T) {
	type change func(*nm.Tunnel)
	for _, test := range []struct {
		name      string
		old       change // of the existing tunnel
		new       change // of the new tunnel
		duplicate bool
	}{
		{"the same", nil, nil, true},
		{"the same key", func(t *nm.Tunnel) { t.InputKey = want.Ptr(gre.Key(7)) }, func(t *nm.Tunnel) { t.InputKey = want.Ptr(gre.Key(7)) }, true},
		{"the same input key, another output key", func(t *nm.Tunnel) { t.InputKey, t.OutputKey = want.Ptr(gre.Key(7)), want.Ptr(gre.Key(7)) }, func(t *nm.Tunnel) { t.InputKey, t.OutputKey = want.Ptr(gre.Key(7)), want.Ptr(gre.Key(8)) }, true},
		{"only an output key", nil, func(t *nm.Tunnel) { t.OutputKey = want.Ptr(gre.Key(9)) }, true},
		{"key 0 and no key", func(t *nm.Tunnel) { t.InputKey = want.Ptr(gre.Key(0)) }, nil, false},
		{"no key and key 0", nil, func(t *nm.Tunnel) { t.InputKey = want.Ptr(gre.Key(0)) }, false},
		{"another key", func(t *nm.Tunnel) { t.InputKey = want.Ptr(gre.Key(7)) }, func(t *nm.Tunnel) { t.InputKey = want.Ptr(gre.Key(8)) }, false},
		{"another mode", nil, func(t *nm.Tunnel) { t.Mode = gre.ModeGRETAP }, false},
		{"another far end", nil, func(t *nm.Tunnel) { t.Remote = want.Addr("100.0.3.100") }, false},
		{"any local address at both", func(t *nm.Tunnel) { t.Local = want.Addr("0.0.0.0") }, func(t *nm.Tunnel) { t.Local = want.Addr("0.0.0.0") }, true},
		{"the same device", func(t *nm.Tunnel) { t.Parent = "eth0" }, func(t *nm.Tunnel) { t.Parent = "eth0" }, true},
	} {
		for _, active := range []bool{true, false} {
			t.Run(test.name+map[bool]string{true: ", active", false: ", inactive"}[active], func(t *testing.T) {
				w := fake.NewWorld()
				there, tunnel := fake.Simple(t), fake.Simple(t)
				there.Name, there.Local, there.Addresses, there.Routes, there.MTU = "tun7", want.Addr("100.0.1.100"), want.CIDRs("172.17.0.1/30"), nil, 1400
				if test.old != nil {
					test.old(&there)
				}
				if test.new != nil {
					test.new(&tunnel)
				}
				p := w.AddProfile(nm.Profile{UUID: nm.NewUUID(), ID: "seven", State: nm.StateInactive, Tunnel: there})
				if active {
					if err := w.BringUp(p); err != nil {
						t.Fatal(err)
					}
				}
				before := w.String()
				_, err := w.Start().Host().Plan(t.Context(), tunnel)
				want.Same(t, "the host", w.String(), before)
				switch {
				case !test.duplicate && err != nil:
					t.Errorf("%v", err)
				case test.duplicate:
					who := map[bool]string{true: "the device tun7", false: "the profile seven"}[active]
					if !errors.Is(err, fault.ErrInvalid) || strings.Join(want.Fields(err), " ") != "peer" || !strings.Contains(err.Error(), who) || !strings.Contains(fault.Hints(err)[0], "--key") {
						t.Errorf("%v, hints %q", err, fault.Hints(err))
					}
				}
			})
		}
	}
}

// The kernel prefers one tunnel to another. A new tunnel must not take the packets that a tunnel
// that is up has got so far; one that will get nothing is made, with a note.
func TestSiblings(t *testing.T) {
	anyLocal := func(t *nm.Tunnel) { t.Local = want.Addr("0.0.0.0") }
	bound := func(t *nm.Tunnel) { t.Parent = "eth0" }
	for _, test := range []struct {
		name     string
		old, new func(*nm.Tunnel)
		takes    bool
		note     string
	}{
		{"the new one has a local address", anyLocal, nil, true, ""},
		{"the new one is bound to the way out", nil, bound, true, ""},
		{"the old one has a local address", nil, anyLocal, false, "the tunnel will receive nothing"},
		{"the old one is bound to the way out", bound, nil, false, "the tunnel will receive nothing"},
		{"two far ends", nil, func(t *nm.Tunnel) { t.Remote = want.Addr("100.0.3.100") }, false, ""},
		{"two keys", func(t *nm.Tunnel) { t.InputKey = want.Ptr(gre.Key(7)) }, bound, false, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := fake.NewWorld()
			there, tunnel := fake.Simple(t), fake.Simple(t)
			there.Name, there.Local, there.Addresses, there.Routes, there.MTU = "tun7", want.Addr("100.0.1.100"), want.CIDRs("172.17.0.1/30"), nil, 1400
			for change, t := range map[*func(*nm.Tunnel)]*nm.Tunnel{&test.old: &there, &test.new: &tunnel} {
				if *change != nil {
					(*change)(t)
				}
			}
			p := w.AddProfile(nm.Profile{UUID: nm.NewUUID(), ID: "seven", State: nm.StateInactive, Tunnel: there})
			if _, err := w.Start().Host().Plan(t.Context(), tunnel); err != nil {
				t.Errorf("while the other one is down: %v", err)
			}
			if err := w.BringUp(p); err != nil {
				t.Fatal(err)
			}
			planned, err := w.Start().Host().Plan(t.Context(), tunnel)
			if test.takes != (err != nil && strings.Contains(err.Error(), "it would take the packets of the tunnel tun7") && strings.Contains(fault.Hints(err)[0], "--key")) {
				t.Errorf("%v", err)
			}
			if err == nil && (test.note == "" && strings.Contains(strings.Join(planned.Notes, "\n"), "receive nothing") || !strings.Contains(strings.Join(planned.Notes, "\n"), test.note)) {
				t.Errorf("notes %q", planned.Notes)
			}
		})
	}
}
