package nmgre

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// Each reason why a host cannot have a tunnel is an error of its own: of a kind, about a field, with what to do; and nothing changes.
func TestPreflight(t *testing.T) {
	refuse := func(kind error) func(w *world, _ *Tunnel) {
		return func(w *world, _ *Tunnel) {
			w.managerErr = &Error{Kind: kind, What: "it is not there", Hint: "start it"}
		}
	}
	for _, test := range []struct {
		name  string
		set   func(w *world, want *Tunnel)
		kinds string // none means that the tunnel is possible
		field string
		text  string
		hint  string
	}{
		{"possible", func(*world, *Tunnel) {}, "", "", "", ""},
		{"NetworkManager is absent", refuse(ErrNoNetworkManager), "ErrNoNetworkManager", "", "it is not there", "start it"},
		{"a person has to be asked for a password", func(w *world, _ *Tunnel) { w.manager.Modify, w.manager.Control = PermissionAuth, PermissionAuth }, "", "", "", ""},
		{"profiles may not be changed", func(w *world, _ *Tunnel) { w.manager.Modify = PermissionNo }, "ErrNotPermitted", "", "NetworkManager does not let you make connections", "sudo"},
		{"the network may not be controlled", func(w *world, _ *Tunnel) { w.manager.Control = PermissionNo }, "ErrNotPermitted", "", "NetworkManager does not let you make connections", "sudo"},
		{"the kernel has no such mode", func(w *world, _ *Tunnel) { w.missing = map[Mode]bool{ModeGRE: true} }, "ErrUnsupported", "", "this kernel has no gre", ""},
		{"the kernel lacks another mode", func(w *world, _ *Tunnel) { w.missing = map[Mode]bool{ModeIP6GRE: true} }, "", "", "", ""},
		{"a kernel route without root", func(w *world, _ *Tunnel) { w.noRoot = true }, "ErrNotPermitted", "", "NetworkManager cannot hold 1 route, and the rest needs root", "sudo"},
		{"no root is needed for the profile's routes", func(w *world, want *Tunnel) { w.noRoot, want.Routes = true, want.Routes[:1] }, "", "", "", ""},

		{"the name is too long", func(_ *world, want *Tunnel) { want.Name = "abcdefghijklmnop" }, "ErrInvalid", "name", "16 bytes long", "1 to 15"},
		{"the name of a device", func(w *world, _ *Tunnel) { w.addLink(Link{Name: "gre1", Kind: "dummy"}) }, "ErrInvalid", "name", "there is a device gre1 already", "--name"},
		{"the interface of a GRE profile", func(w *world, _ *Tunnel) {
			w.addProfile(Profile{UUID: "u1", ID: "to Berlin", State: StateInactive, Tunnel: Tunnel{Name: "gre1", Mode: ModeGRE}})
		}, "ErrInvalid", "name", "the profile to Berlin (u1) has the name gre1 already", "--name"},
		{"the name of a GRE profile", func(w *world, _ *Tunnel) {
			w.addProfile(Profile{UUID: "u1", ID: "gre1", State: StateInactive, Tunnel: Tunnel{Name: "tun9", Mode: ModeGRE}})
		}, "ErrInvalid", "name", "the profile gre1 (u1) has the name gre1 already", "--name"},
		{"the name of another profile", func(w *world, _ *Tunnel) {
			w.addProfile(Profile{UUID: "u1", ID: "gre1", State: StateInactive, Tunnel: Tunnel{Name: "eth7"}})
		}, "ErrInvalid", "name", "the profile gre1 (u1) has the name gre1 already", "--name"},
		{"the interface of another profile", func(w *world, _ *Tunnel) {
			w.addProfile(Profile{UUID: "u1", ID: "a bridge\x1b", State: StateInactive, Tunnel: Tunnel{Name: "gre1"}})
		}, "ErrInvalid", "name", `the profile a bridge\x1b (u1) has the name gre1 already`, "--name"},
		{"the name of a tunnel in the making", func(w *world, _ *Tunnel) {
			w.addProfile(Profile{UUID: "u1", ID: "gre1", State: StateInactive, Trial: true, Tunnel: Tunnel{Name: "gre1", Mode: ModeGRE}})
		}, "ErrInvalid", "name", "another nmgre is making gre1 at this moment", "--name"},
		{"the name of a link made by hand, with its mirror", func(w *world, _ *Tunnel) {
			w.addLink(Link{Name: "gre1", Kind: "gre"})
			w.addProfile(Profile{UUID: "u1", ID: "gre1", State: StateExternal, Tunnel: Tunnel{Name: "gre1", Mode: ModeGRE}})
		}, "ErrInvalid", "name", "there is a device gre1 already", "--name"},

		{"the parent is missing", func(_ *world, want *Tunnel) { want.Parent = "eth7" }, "ErrInvalid", "parent", "there is no device eth7", "--parent"},
		{"a parent by its UUID", func(_ *world, want *Tunnel) { want.Parent = newUUID() }, "", "", "", ""},
		{"the local address is not on this host", func(_ *world, want *Tunnel) { want.Local = addr("100.0.1.101") }, "ErrInvalid", "local", "100.0.1.101 is not an address of this host", "--local"},
		{"any local address", func(_ *world, want *Tunnel) { want.Local = addr("0.0.0.0") }, "", "", "", ""},
		{"no route to the far end", func(w *world, _ *Tunnel) { w.routes = nil }, "ErrInvalid ErrUnreachable", "peer", "this host has no route to the far end 100.0.2.100", "ip route get 100.0.2.100"},
		{"the parent does not lead to the far end", func(_ *world, want *Tunnel) { want.Parent = "eth1" }, "ErrInvalid ErrUnreachable", "peer", "this host has no route to the far end 100.0.2.100", "ip route get"},
		{"the far end is this host", func(_ *world, want *Tunnel) { want.Remote = addr("100.0.1.100") }, "ErrInvalid", "peer", "100.0.1.100 is this host's own address, on eth0", "the other host's address"},
		{"the far end is another address of this host", func(_ *world, want *Tunnel) { want.Remote, want.Local = addr("10.10.1.1"), addr("100.0.1.100") }, "ErrInvalid", "peer", "10.10.1.1 is this host's own address, on eth1", "the other host's address"},

		{"the inner network is another device's", func(_ *world, want *Tunnel) { want.Addresses, want.Routes = cidrs("10.10.1.9/24"), nil }, "ErrInvalid", "address", "the inner network 10.10.1.0/24 overlaps 10.10.1.0/24, which is on eth1", "172.16.0.0/30"},
		{"the inner network contains another device's", func(_ *world, want *Tunnel) { want.Addresses, want.Routes = cidrs("10.8.0.1/13"), nil }, "ErrInvalid", "address", "the inner network 10.8.0.0/13 overlaps 10.10.1.0/24, which is on eth1", "172.16.0.0/30"},
		{"the inner network is in another device's", func(_ *world, want *Tunnel) { want.Addresses, want.Routes = cidrs("10.10.1.9/30"), nil }, "ErrInvalid", "address", "the inner network 10.10.1.8/30 overlaps 10.10.1.0/24, which is on eth1", "172.16.0.0/30"},
		{"link-local inner addresses are everywhere", func(_ *world, want *Tunnel) { want.Addresses = append(want.Addresses, cidr("fe80::9/64")) }, "", "", "", ""},
		{"the inner network swallows another tunnel's far end", func(w *world, want *Tunnel) {
			addTunnel(w, GRELink{Mode: ModeGRE, Local: addr("100.0.1.100"), Remote: addr("100.0.3.100")})
			want.Addresses, want.Routes = cidrs("100.0.3.1/24"), nil
		}, "ErrInvalid", "address", "100.0.3.0/24 covers the far end's outer address 100.0.3.100", "ip route add 100.0.3.100 via 100.0.1.1 dev eth0"},

		{"a route to the host's own network", func(_ *world, want *Tunnel) { want.Routes = []Route{{Dst: cidr("10.10.1.0/24")}} }, "ErrInvalid", "route", "10.10.1.0/24 is this host's own network, on eth1", "behind the far end"},
		{"in a table of its own", func(_ *world, want *Tunnel) { want.Routes = []Route{{Dst: cidr("10.10.1.0/24"), Table: 100}} }, "", "", "", ""},
		{"a route to a part of the host's own network", func(_ *world, want *Tunnel) { want.Routes = []Route{{Dst: cidr("10.10.1.128/25")}} }, "", "", "", ""},
		{"a route that swallows the far end", func(_ *world, want *Tunnel) { want.Routes = []Route{{Dst: cidr("100.0.0.0/8")}} }, "", "", "", ""},
		{"a default route that swallows the far end", func(_ *world, want *Tunnel) {
			want.Routes = []Route{{Dst: cidr("0.0.0.0/0"), Metric: ptr(uint32(1000))}}
		}, "", "", "", ""},
		{"a default route, and nothing but a tunnel leads to the far end", func(w *world, want *Tunnel) {
			w.addLink(Link{Name: "gre7", Up: true, GRE: &GRELink{Mode: ModeGRE, Remote: addr("192.0.2.1")}, Addresses: cidrs("192.168.9.1/30")})
			w.routes = slices.DeleteFunc(w.routes, func(r fakeRoute) bool { return r.Dst == cidr("0.0.0.0/0") })
			w.addRoute("gre7", "100.0.0.0/8", 4)
			want.Routes = []Route{{Dst: cidr("100.0.0.0/8"), Metric: ptr(uint32(1000))}}
		}, "ErrInvalid", "route", "100.0.0.0/8 covers the far end's outer address 100.0.2.100", "give the far end a route of its own first"},
		{"a route to just the far end", func(_ *world, want *Tunnel) { want.Routes = []Route{{Dst: cidr("100.0.2.100/32")}} }, "ErrInvalid", "route", "100.0.2.100/32 covers the far end's outer address", "a route of its own"},
		{"swallowed, but the present route is more specific", func(w *world, want *Tunnel) {
			w.addRoute("eth0", "100.0.2.100 via 100.0.1.1", 3)
			want.Routes = []Route{{Dst: cidr("0.0.0.0/0")}, {Dst: cidr("100.0.0.0/8")}}
		}, "", "", "", ""},
		{"swallowed, and the present route is as specific", func(w *world, want *Tunnel) {
			w.addRoute("eth0", "100.0.2.0/24 via 100.0.1.1", 3)
			want.Routes = []Route{{Dst: cidr("100.0.2.0/24")}}
		}, "", "", "", ""},
		{"swallowed in a table of its own", func(_ *world, want *Tunnel) { want.Routes = []Route{{Dst: cidr("0.0.0.0/0"), Table: 100}} }, "", "", "", ""},
		{"a route that swallows another tunnel's far end", func(w *world, want *Tunnel) {
			addTunnel(w, GRELink{Mode: ModeGRE, Local: addr("100.0.1.100"), Remote: addr("100.0.3.100")})
			want.Routes = []Route{{Dst: cidr("100.0.3.0/24")}}
		}, "ErrInvalid", "route", "100.0.3.0/24 covers the far end's outer address 100.0.3.100", "ip route add 100.0.3.100 via 100.0.1.1 dev eth0"},
		{"a route that swallows another tunnel's far end, which is on the link", func(w *world, want *Tunnel) {
			addTunnel(w, GRELink{Mode: ModeGRE, Local: addr("100.0.1.100"), Remote: addr("100.0.1.200")})
			want.Routes = []Route{{Dst: cidr("100.0.1.192/26")}}
		}, "ErrInvalid", "route", "100.0.1.192/26 covers the far end's outer address 100.0.1.200", "give the far end a route of its own first"},
		{"a tunnel without a far end cannot be swallowed", func(w *world, want *Tunnel) {
			addTunnel(w, GRELink{Mode: ModeGRE, Local: addr("100.0.1.100"), Remote: addr("0.0.0.0")})
			want.Routes = []Route{{Dst: cidr("0.0.0.0/1")}}
			w.addRoute("eth0", "100.0.2.0/24 via 100.0.1.1", 3)
		}, "", "", "", ""},
		{"the other family cannot be swallowed", func(_ *world, want *Tunnel) {
			want.Addresses, want.Routes = cidrs("172.16.0.1/30", "2001:db8:9::1/64"), []Route{{Dst: cidr("::/0")}}
		}, "", "", "", ""},
		{"an underlay too narrow for IPv6 inside", func(w *world, want *Tunnel) {
			w.link("eth0").MTU = 1280
			want.Addresses, want.Routes = cidrs("172.16.0.1/30", "2001:db8:9::1/64"), nil
		}, "ErrInvalid", "mtu", "1256 is too little for the inner address 2001:db8:9::1/64", "1280"},
		{"an underlay of the largest packets", func(w *world, _ *Tunnel) { w.link("eth0").MTU = 65536 }, "", "", "", ""},
		{"an underlay of the smallest packets", func(w *world, want *Tunnel) { w.link("eth0").MTU, want.Routes = 68, nil }, "", "", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			w, want := newWorld(), simple(t)
			test.set(w, &want)
			before := w.String()
			p := w.start()
			_, err := p.host().Plan(t.Context(), want)
			same(t, "the host", w.String(), before)
			if got := kindsOf(err); got != test.kinds || (err == nil) != (test.kinds == "") {
				t.Fatalf("%v is %q, want %q", err, got, test.kinds)
			}
			if err == nil {
				return
			}
			if got := strings.Join(fieldsOf(err), " "); got != test.field {
				t.Errorf("%v is about %q, want %q", err, got, test.field)
			}
			if !strings.Contains(err.Error(), test.text) || !strings.Contains(strings.Join(Hints(err), " "), test.hint) {
				t.Errorf("%v, hints %q; want %q, %q", err, Hints(err), test.text, test.hint)
			}
			if len(flatten(err)) != 1 {
				t.Errorf("it is said more than once: %v", err)
			}
			if Printable(strings.ReplaceAll(err.Error(), "\n", " ")) != strings.ReplaceAll(err.Error(), "\n", " ") {
				t.Errorf("%q would act on a terminal", err)
			}
		})
	}
}

// addTunnel adds a link that is a tunnel of somebody's.
func addTunnel(w *world, g GRELink) {
	w.addLink(Link{Name: "other", Kind: g.Mode.String(), Up: true, MTU: 1476, GRE: &g})
}

// The fallback devices belong to the kernel, whether they are there already or not.
func TestPreflightFallbackDevices(t *testing.T) {
	for _, name := range fallbackDevices {
		w, want := newWorld(), simple(t)
		want.Name = name
		_, err := w.start().host().Plan(t.Context(), want)
		if !errors.Is(err, ErrInvalid) || strings.Join(fieldsOf(err), " ") != "name" || !strings.Contains(err.Error(), "fallback device") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The fallback devices themselves are no tunnels of anyone: they hinder nobody.
func TestPreflightBesideFallbackDevices(t *testing.T) {
	w := newWorld()
	for _, l := range []struct {
		name string
		mode Mode
	}{{"gre0", ModeGRE}, {"gretap0", ModeGRETAP}, {"ip6gre0", ModeIP6GRE}} {
		w.addLink(Link{Name: l.name, Kind: l.mode.String(), MTU: 1476, GRE: &GRELink{Mode: l.mode, Local: l.mode.anyAddr(), Remote: l.mode.anyAddr()}})
	}
	want := simple(t)
	want.Name = ""
	plan, err := w.start().host().Plan(t.Context(), want)
	if err != nil || plan.Tunnel.Name != "gre1" {
		t.Errorf("%v, name %q", err, plan.Tunnel.Name)
	}
}

// Two tunnels are one to the kernel when mode, device, local and remote address and input key are the same; key 0 is a key, and the output
// key does not count. It is looked for among the kernel's links and among the profiles that are down.
func TestPreflightDuplicate(t *testing.T) {
	type change func(*Tunnel)
	for _, test := range []struct {
		name      string
		set       change // what the tunnel that is there has
		want      change // what the new one has
		duplicate bool
	}{
		{"the same", nil, nil, true},
		{"the same key", func(t *Tunnel) { t.InputKey = ptr(Key(7)) }, func(t *Tunnel) { t.InputKey = ptr(Key(7)) }, true},
		{"the same input key, another output key", func(t *Tunnel) { t.InputKey, t.OutputKey = ptr(Key(7)), ptr(Key(7)) }, func(t *Tunnel) { t.InputKey, t.OutputKey = ptr(Key(7)), ptr(Key(8)) }, true},
		{"only an output key", nil, func(t *Tunnel) { t.OutputKey = ptr(Key(9)) }, true},
		{"key 0 and no key", func(t *Tunnel) { t.InputKey = ptr(Key(0)) }, nil, false},
		{"no key and key 0", nil, func(t *Tunnel) { t.InputKey = ptr(Key(0)) }, false},
		{"another key", func(t *Tunnel) { t.InputKey = ptr(Key(7)) }, func(t *Tunnel) { t.InputKey = ptr(Key(8)) }, false},
		{"another mode", nil, func(t *Tunnel) { t.Mode = ModeGRETAP }, false},
		{"another far end", nil, func(t *Tunnel) { t.Remote = addr("100.0.3.100") }, false},
		{"any local address", func(t *Tunnel) { t.Local = addr("0.0.0.0") }, nil, false},
		{"any local address at both", func(t *Tunnel) { t.Local = addr("0.0.0.0") }, func(t *Tunnel) { t.Local = addr("0.0.0.0") }, true},
		{"a device", nil, func(t *Tunnel) { t.Parent = "eth0" }, false},
		{"the same device", func(t *Tunnel) { t.Parent = "eth0" }, func(t *Tunnel) { t.Parent = "eth0" }, true},
	} {
		for _, active := range []bool{true, false} {
			t.Run(test.name+map[bool]string{true: ", active", false: ", inactive"}[active], func(t *testing.T) {
				w := newWorld()
				there, want := simple(t), simple(t)
				there.Name, there.Local, there.Addresses, there.Routes, there.MTU = "tun7", addr("100.0.1.100"), cidrs("172.17.0.1/30"), nil, 1400
				if test.set != nil {
					test.set(&there)
				}
				if test.want != nil {
					test.want(&want)
				}
				p := w.addProfile(Profile{UUID: newUUID(), ID: "seven", State: StateInactive, Tunnel: there})
				if active {
					if err := w.activate(p); err != nil {
						t.Fatal(err)
					}
				}
				before := w.String()
				_, err := w.start().host().Plan(t.Context(), want)
				same(t, "the host", w.String(), before)
				switch {
				case !test.duplicate && err != nil:
					t.Errorf("%v", err)
				case test.duplicate:
					who := map[bool]string{true: "the device tun7", false: "the profile seven"}[active]
					if !errors.Is(err, ErrInvalid) || strings.Join(fieldsOf(err), " ") != "peer" || !strings.Contains(err.Error(), who) || !strings.Contains(Hints(err)[0], "--key") {
						t.Errorf("%v, hints %q", err, Hints(err))
					}
				}
			})
		}
	}
}

// An external (metadata) link has no ends: it is nobody's duplicate.
func TestPreflightExternalLink(t *testing.T) {
	w := newWorld()
	addTunnel(w, GRELink{Mode: ModeGRE, Local: addr("100.0.1.100"), Remote: addr("100.0.2.100"), External: true})
	want := simple(t)
	want.Routes = nil
	if _, err := w.start().host().Plan(t.Context(), want); err != nil {
		t.Error(err)
	}
}

// Everything that is wrong is said at once.
func TestPreflightManyProblems(t *testing.T) {
	w, want := newWorld(), simple(t)
	w.addLink(Link{Name: "gre1"})
	want.Addresses, want.Routes = cidrs("10.10.1.9/24"), []Route{{Dst: cidr("100.0.2.100/32")}, {Dst: cidr("10.10.1.0/24")}}
	_, err := w.start().host().Plan(t.Context(), want)
	same(t, "the problems", problemText(err), `name: there is a device gre1 already
  hint: choose another with --name, or leave it out to get the first free one of gre1, gre2, ...
address: the inner network 10.10.1.0/24 overlaps 10.10.1.0/24, which is on eth1
  hint: choose a network that is used nowhere else, such as 172.16.0.0/30
route: 10.10.1.0/24 is this host's own network, on eth1
  hint: routes lead to the networks behind the far end
route: 100.0.2.100/32 covers the far end's outer address 100.0.2.100: the tunnel's own packets would go into the tunnel
  hint: give the far end a route of its own first: ip route add 100.0.2.100 via 100.0.1.1 dev eth0
`)
}

// A kernel that does not say which route decided leaves no proof that the way to the far end stays as it is.
func TestSwallowWithoutMatch(t *testing.T) {
	w, want := newWorld(), simple(t)
	w.addRoute("eth0", "100.0.2.100 via 100.0.1.1", 3)
	want.Routes = []Route{{Dst: cidr("100.0.0.0/8")}}
	p := w.start()
	h := p.host()
	h.Kernel = withoutMatch{fakeKernel{p}}
	if plan, err := h.Plan(t.Context(), want); err != nil || !plan.Kept.Pin {
		t.Errorf("%v, %+v", err, plan.Kept)
	}
}

type withoutMatch struct{ Kernel }

func (k withoutMatch) Lookup(ctx context.Context, q Query) (Hop, error) {
	hop, err := k.Kernel.Lookup(ctx, q)
	hop.Match = netip.Prefix{}
	return hop, err
}

// Whatever fails while a plan is made is what the plan fails with; nothing was changed.
func TestPlanFaults(t *testing.T) {
	want := simple(t)
	want.Routes = append(want.Routes, Route{Dst: cidr("100.0.0.0/8")})
	w := newWorld()
	w.addRoute("eth0", "100.0.2.100 via 100.0.1.1", 3)
	before := w.String()
	for n := 0; ; n++ {
		p := w.start()
		p.fault = func(i int, _ string) fault {
			if i == n {
				return fault{err: errBroken}
			}
			return fault{}
		}
		_, err := p.host().Plan(t.Context(), want)
		same(t, "the host", w.String(), before)
		if len(p.calls) <= n {
			if n < 6 || err != nil {
				t.Errorf("%d calls, %v", n, err)
			}
			return
		}
		if slices.Contains([]string{"UUIDs", "HookMissing"}, p.calls[n]) { // what they are asked for is no part of what is planned
			if err != nil {
				t.Errorf("call %d, %s: %v", n, p.calls[n], err)
			}
			continue
		}
		if !errors.Is(err, errBroken) || errors.Is(err, ErrInvalid) {
			t.Errorf("call %d, %s: %v", n, p.calls[n], err)
		}
	}
}
