package plan_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
	"nmgre/testdata/fake"
	"nmgre/testdata/want"
)

// A plan fails with an error of its own for each reason why a host cannot have a tunnel: of a kind,
// about a field, with a hint. Nothing changes on the host.
func TestPreflight(t *testing.T) {
	refuse := func(kind error) func(w *fake.World, _ *nm.Tunnel) {
		return func(w *fake.World, _ *nm.Tunnel) {
			w.NMErr = &fault.Error{Kind: kind, What: "it is not there", Hint: "start it"}
		}
	}
	for _, test := range []struct {
		name  string
		set   func(w *fake.World, tunnel *nm.Tunnel)
		kinds string // none means that the tunnel is possible
		field string
		text  string
		hint  string
	}{
		{"possible", func(*fake.World, *nm.Tunnel) {}, "", "", "", ""},
		{"NetworkManager is absent", refuse(fault.ErrNoNetworkManager), "ErrNoNetworkManager", "", "it is not there", "start it"},
		{"a person has to be asked for a password", func(w *fake.World, _ *nm.Tunnel) { w.NM.Modify, w.NM.Control = nm.PermissionAuth, nm.PermissionAuth }, "", "", "", ""},
		{"profiles may not be changed", func(w *fake.World, _ *nm.Tunnel) { w.NM.Modify = nm.PermissionNo }, "ErrNotPermitted", "", "NetworkManager does not let you make connections", "sudo"},
		{"the network may not be controlled", func(w *fake.World, _ *nm.Tunnel) { w.NM.Control = nm.PermissionNo }, "ErrNotPermitted", "", "NetworkManager does not let you make connections", "sudo"},
		{"the kernel has no such mode", func(w *fake.World, _ *nm.Tunnel) { w.Unsupported = map[gre.Mode]bool{gre.ModeGRE: true} }, "ErrUnsupported", "", "this kernel has no gre", ""},
		{"the kernel lacks another mode", func(w *fake.World, _ *nm.Tunnel) { w.Unsupported = map[gre.Mode]bool{gre.ModeIP6GRE: true} }, "", "", "", ""},
		{"a kernel route without root", func(w *fake.World, _ *nm.Tunnel) { w.NoRoot = true }, "ErrNotPermitted", "", "NetworkManager cannot hold 1 route, and nmgre needs root for that", "sudo"},
		{"no root is needed for the profile's routes", func(w *fake.World, tunnel *nm.Tunnel) { w.NoRoot, tunnel.Routes = true, tunnel.Routes[:1] }, "", "", "", ""},

		{"the name is too long", func(_ *fake.World, tunnel *nm.Tunnel) { tunnel.Name = "abcdefghijklmnop" }, "ErrInvalid", "name", "16 bytes long", "1 to 15"},
		{"the name of a device", func(w *fake.World, _ *nm.Tunnel) { w.AddLink(kernel.Link{Name: "gre1", Kind: "dummy"}) }, "ErrInvalid", "name", "the device gre1 exists already", "--name"},
		{"the interface of a GRE profile", func(w *fake.World, _ *nm.Tunnel) {
			w.AddProfile(nm.Profile{UUID: "u1", ID: "to Berlin", State: nm.StateInactive, Tunnel: nm.Tunnel{Name: "gre1", Mode: gre.ModeGRE}})
		}, "ErrInvalid", "name", "the profile to Berlin has the name gre1 already", "--name"},
		{"the name of a GRE profile", func(w *fake.World, _ *nm.Tunnel) {
			w.AddProfile(nm.Profile{UUID: "u1", ID: "gre1", State: nm.StateInactive, Tunnel: nm.Tunnel{Name: "tun9", Mode: gre.ModeGRE}})
		}, "ErrInvalid", "name", "the profile gre1 has the name gre1 already", "--name"},
		{"the name of another profile", func(w *fake.World, _ *nm.Tunnel) {
			w.AddProfile(nm.Profile{UUID: "u1", ID: "gre1", State: nm.StateInactive, Tunnel: nm.Tunnel{Name: "eth7"}})
		}, "ErrInvalid", "name", "the profile gre1 has the name gre1 already", "--name"},
		{"the interface of another profile", func(w *fake.World, _ *nm.Tunnel) {
			w.AddProfile(nm.Profile{UUID: "u1", ID: "a bridge\x1b", State: nm.StateInactive, Tunnel: nm.Tunnel{Name: "gre1"}})
		}, "ErrInvalid", "name", `the profile a bridge\x1b has the name gre1 already`, "--name"},
		{"the name of a tunnel in the making", func(w *fake.World, _ *nm.Tunnel) {
			w.AddProfile(nm.Profile{UUID: "u1", ID: "gre1", State: nm.StateInactive, Trial: true, Tunnel: nm.Tunnel{Name: "gre1", Mode: gre.ModeGRE}})
		}, "ErrInvalid", "name", "another nmgre is making gre1 right now", "--name"},
		{"the name of a link made by hand, with its mirror", func(w *fake.World, _ *nm.Tunnel) {
			w.AddLink(kernel.Link{Name: "gre1", Kind: "gre"})
			w.AddProfile(nm.Profile{UUID: "u1", ID: "gre1", State: nm.StateExternal, Tunnel: nm.Tunnel{Name: "gre1", Mode: gre.ModeGRE}})
		}, "ErrInvalid", "name", "the device gre1 exists already", "--name"},

		{"the parent is missing", func(_ *fake.World, tunnel *nm.Tunnel) { tunnel.Parent = "eth7" }, "ErrInvalid", "parent", "there is no device eth7", "--parent"},
		{"a parent by its UUID", func(_ *fake.World, tunnel *nm.Tunnel) { tunnel.Parent = nm.NewUUID() }, "", "", "", ""},
		{"the local address is not on this host", func(_ *fake.World, tunnel *nm.Tunnel) { tunnel.Local = want.Addr("100.0.1.101") }, "ErrInvalid", "local", "100.0.1.101 is not an address of this host", "--local"},
		{"any local address", func(_ *fake.World, tunnel *nm.Tunnel) { tunnel.Local = want.Addr("0.0.0.0") }, "", "", "", ""},
		{"no route to the far end", func(w *fake.World, _ *nm.Tunnel) { w.Table = nil }, "ErrInvalid ErrUnreachable", "peer", "this host has no route to the far end 100.0.2.100", "ip route get 100.0.2.100"},
		{"the parent does not lead to the far end", func(_ *fake.World, tunnel *nm.Tunnel) { tunnel.Parent = "eth1" }, "ErrInvalid ErrUnreachable", "peer", "this host has no route to the far end 100.0.2.100", "ip route get"},
		{"the far end's own line", func(_ *fake.World, tunnel *nm.Tunnel) {
			tunnel.Remote, tunnel.Local = want.Addr("100.0.1.100"), want.Addr("100.0.2.100")
		}, "ErrInvalid", "peer", "100.0.1.100 is this host's own address, on eth0", "the line for the far end, 100.0.2.100: type it there"},
		{"the far end is this host", func(_ *fake.World, tunnel *nm.Tunnel) { tunnel.Remote = want.Addr("100.0.1.100") }, "ErrInvalid", "peer", "100.0.1.100 is this host's own address, on eth0", "the other host's address"},
		{"the far end is another address of this host", func(_ *fake.World, tunnel *nm.Tunnel) {
			tunnel.Remote, tunnel.Local = want.Addr("10.10.1.1"), want.Addr("100.0.1.100")
		}, "ErrInvalid", "peer", "10.10.1.1 is this host's own address, on eth1", "the other host's address"},

		{"the inner network is another device's", func(_ *fake.World, tunnel *nm.Tunnel) {
			tunnel.Addresses, tunnel.Routes = want.CIDRs("10.10.1.9/24"), nil
		}, "ErrInvalid", "address", "the inner network 10.10.1.0/24 overlaps 10.10.1.0/24, which is on eth1", "nothing else uses"},
		{"the inner network contains another device's", func(_ *fake.World, tunnel *nm.Tunnel) {
			tunnel.Addresses, tunnel.Routes = want.CIDRs("10.8.0.1/13"), nil
		}, "ErrInvalid", "address", "the inner network 10.8.0.0/13 overlaps 10.10.1.0/24, which is on eth1", "nothing else uses"},
		{"the inner network is in another device's", func(_ *fake.World, tunnel *nm.Tunnel) {
			tunnel.Addresses, tunnel.Routes = want.CIDRs("10.10.1.9/30"), nil
		}, "ErrInvalid", "address", "the inner network 10.10.1.8/30 overlaps 10.10.1.0/24, which is on eth1", "nothing else uses"},
		{"link-local inner addresses are everywhere", func(_ *fake.World, tunnel *nm.Tunnel) {
			tunnel.Addresses = append(tunnel.Addresses, want.CIDR("fe80::9/64"))
		}, "", "", "", ""},
		{"the inner network swallows another tunnel's far end", func(w *fake.World, tunnel *nm.Tunnel) {
			addTunnel(w, kernel.GRELink{Mode: gre.ModeGRE, Local: want.Addr("100.0.1.100"), Remote: want.Addr("100.0.3.100")})
			tunnel.Addresses, tunnel.Routes = want.CIDRs("100.0.3.1/24"), nil
		}, "ErrInvalid", "address", "100.0.3.0/24 covers the far end's outer address 100.0.3.100", "ip route add 100.0.3.100 via 100.0.1.1 dev eth0"},

		{"a route to the host's own network", func(_ *fake.World, tunnel *nm.Tunnel) {
			tunnel.Routes = []routes.Route{{Dst: want.CIDR("10.10.1.0/24")}}
		}, "ErrInvalid", "route", "10.10.1.0/24 is this host's own network, on eth1", "behind the far end"},
		{"in a table of its own", func(_ *fake.World, tunnel *nm.Tunnel) {
			tunnel.Routes = []routes.Route{{Dst: want.CIDR("10.10.1.0/24"), Table: 100}}
		}, "", "", "", ""},
		{"a route to a part of the host's own network", func(_ *fake.World, tunnel *nm.Tunnel) {
			tunnel.Routes = []routes.Route{{Dst: want.CIDR("10.10.1.128/25")}}
		}, "ErrInvalid", "route", "10.10.1.128/25 is a part of this host's own network 10.10.1.0/24, on eth1", "a table of its own"},
		{"a route to one host of the host's own network", func(_ *fake.World, tunnel *nm.Tunnel) {
			tunnel.Routes = []routes.Route{{Dst: want.CIDR("10.10.1.100/32")}}
		}, "ErrInvalid", "route", "10.10.1.100/32 is a part of this host's own network", "the networks behind the far end"},
		{"a part of the host's own network in a table of its own", func(_ *fake.World, tunnel *nm.Tunnel) {
			tunnel.Routes = []routes.Route{{Dst: want.CIDR("10.10.1.128/25"), Table: 100}}
		}, "", "", "", ""},
		{"a part of another tunnel's network", func(w *fake.World, tunnel *nm.Tunnel) {
			w.AddLink(kernel.Link{Name: "gre7", Up: true, GRE: &kernel.GRELink{Mode: gre.ModeGRE, Remote: want.Addr("192.0.2.1")}, Addresses: want.CIDRs("10.77.0.1/16")})
			tunnel.Routes = []routes.Route{{Dst: want.CIDR("10.77.9.0/24")}}
		}, "", "", "", ""},
		{"a network around the host's own", func(_ *fake.World, tunnel *nm.Tunnel) {
			tunnel.Routes = []routes.Route{{Dst: want.CIDR("10.0.0.0/8")}}
		}, "", "", "", ""},
		{"a route that swallows the far end", func(_ *fake.World, tunnel *nm.Tunnel) {
			tunnel.Routes = []routes.Route{{Dst: want.CIDR("100.0.0.0/8")}}
		}, "", "", "", ""},
		{"a default route that swallows the far end", func(_ *fake.World, tunnel *nm.Tunnel) {
			tunnel.Routes = []routes.Route{{Dst: want.CIDR("0.0.0.0/0"), Metric: want.Ptr(uint32(1000))}}
		}, "", "", "", ""},
		{"a default route, and nothing but a tunnel leads to the far end", func(w *fake.World, tunnel *nm.Tunnel) {
			w.AddLink(kernel.Link{Name: "gre7", Up: true, GRE: &kernel.GRELink{Mode: gre.ModeGRE, Remote: want.Addr("192.0.2.1")}, Addresses: want.CIDRs("192.168.9.1/30")})
			w.Table = slices.DeleteFunc(w.Table, func(r fake.Route) bool { return r.Dst == want.CIDR("0.0.0.0/0") })
			w.AddRoute("gre7", "100.0.0.0/8", 4)
			tunnel.Routes = []routes.Route{{Dst: want.CIDR("100.0.0.0/8"), Metric: want.Ptr(uint32(1000))}}
		}, "ErrInvalid", "route", "100.0.0.0/8 covers the far end's outer address 100.0.2.100", "give the far end a route of its own first"},
		{"a route to just the far end", func(_ *fake.World, tunnel *nm.Tunnel) {
			tunnel.Routes = []routes.Route{{Dst: want.CIDR("100.0.2.100/32")}}
		}, "ErrInvalid", "route", "100.0.2.100/32 covers the far end's outer address", "a route of its own"},
		{"swallowed, but the present route is more specific", func(w *fake.World, tunnel *nm.Tunnel) {
			w.AddRoute("eth0", "100.0.2.100 via 100.0.1.1", 3)
			tunnel.Routes = []routes.Route{{Dst: want.CIDR("0.0.0.0/0")}, {Dst: want.CIDR("100.0.0.0/8")}}
		}, "", "", "", ""},
		{"swallowed, and the present route is as specific", func(w *fake.World, tunnel *nm.Tunnel) {
			w.AddRoute("eth0", "100.0.2.0/24 via 100.0.1.1", 3)
			tunnel.Routes = []routes.Route{{Dst: want.CIDR("100.0.2.0/24")}}
		}, "", "", "", ""},
		{"swallowed in a table of its own", func(_ *fake.World, tunnel *nm.Tunnel) {
			tunnel.Routes = []routes.Route{{Dst: want.CIDR("0.0.0.0/0"), Table: 100}}
		}, "", "", "", ""},
		{"a route that swallows another tunnel's far end", func(w *fake.World, tunnel *nm.Tunnel) {
			addTunnel(w, kernel.GRELink{Mode: gre.ModeGRE, Local: want.Addr("100.0.1.100"), Remote: want.Addr("100.0.3.100")})
			tunnel.Routes = []routes.Route{{Dst: want.CIDR("100.0.3.0/24")}}
		}, "ErrInvalid", "route", "100.0.3.0/24 covers the far end's outer address 100.0.3.100", "ip route add 100.0.3.100 via 100.0.1.1 dev eth0"},
		{"a route that swallows another tunnel's far end, which is on the link", func(w *fake.World, tunnel *nm.Tunnel) {
			addTunnel(w, kernel.GRELink{Mode: gre.ModeGRE, Local: want.Addr("100.0.1.100"), Remote: want.Addr("100.0.1.200")})
			tunnel.Routes = []routes.Route{{Dst: want.CIDR("100.0.1.192/26")}}
		}, "ErrInvalid", "route", "100.0.1.192/26 is a part of this host's own network 100.0.1.0/24, on eth0", "the networks behind the far end"},
		{"a tunnel without a far end cannot be swallowed", func(w *fake.World, tunnel *nm.Tunnel) {
			addTunnel(w, kernel.GRELink{Mode: gre.ModeGRE, Local: want.Addr("100.0.1.100"), Remote: want.Addr("0.0.0.0")})
			tunnel.Routes = []routes.Route{{Dst: want.CIDR("0.0.0.0/1")}}
			w.AddRoute("eth0", "100.0.2.0/24 via 100.0.1.1", 3)
		}, "", "", "", ""},
		{"the other family cannot be swallowed", func(_ *fake.World, tunnel *nm.Tunnel) {
			tunnel.Addresses, tunnel.Routes = want.CIDRs("172.16.0.1/30", "2001:db8:9::1/64"), []routes.Route{{Dst: want.CIDR("::/0")}}
		}, "", "", "", ""},
		{"an underlay too narrow for IPv6 inside", func(w *fake.World, tunnel *nm.Tunnel) {
			w.Link("eth0").MTU = 1280
			tunnel.Addresses, tunnel.Routes = want.CIDRs("172.16.0.1/30", "2001:db8:9::1/64"), nil
		}, "ErrInvalid", "mtu", "1256 is too small for the inner address 2001:db8:9::1/64", "1280"},
		{"an underlay of the largest packets", func(w *fake.World, _ *nm.Tunnel) { w.Link("eth0").MTU = 65536 }, "", "", "", ""},
		{"an underlay of the smallest packets", func(w *fake.World, tunnel *nm.Tunnel) { w.Link("eth0").MTU, tunnel.Routes = 68, nil }, "", "", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			w, tunnel := fake.NewWorld(), fake.Simple(t)
			test.set(w, &tunnel)
			before := w.String()
			p := w.Start()
			_, err := p.Host().Plan(t.Context(), tunnel)
			want.Same(t, "the host", w.String(), before)
			if got := want.Kinds(err); got != test.kinds || (err == nil) != (test.kinds == "") {
				t.Fatalf("%v is %q, want %q", err, got, test.kinds)
			}
			if err == nil {
				return
			}
			if got := strings.Join(want.Fields(err), " "); got != test.field {
				t.Errorf("%v is about %q, want %q", err, got, test.field)
			}
			if !strings.Contains(err.Error(), test.text) || !strings.Contains(strings.Join(fault.Hints(err), " "), test.hint) {
				t.Errorf("%v, hints %q; want %q, %q", err, fault.Hints(err), test.text, test.hint)
			}
			if len(want.Flatten(err)) != 1 {
				t.Errorf("it is said more than once: %v", err)
			}
			if fault.Printable(strings.ReplaceAll(err.Error(), "\n", " ")) != strings.ReplaceAll(err.Error(), "\n", " ") {
				t.Errorf("%q would act on a terminal", err)
			}
		})
	}
}

// addTunnel adds a link that is a tunnel.
func addTunnel(w *fake.World, g kernel.GRELink) {
	w.AddLink(kernel.Link{Name: "other", Kind: g.Mode.String(), Up: true, MTU: 1476, GRE: &g})
}

// No tunnel can have the name of a fallback device, whether the kernel has made the device or not.
func TestPreflightFallbackDevices(t *testing.T) {
	for _, name := range []string{"gre0", "gretap0", "erspan0", "ip6gre0", "ip6tnl0", "tunl0", "sit0", "ip_vti0", "ip6_vti0"} {
		w, expected := fake.NewWorld(), fake.Simple(t)
		expected.Name = name
		_, err := w.Start().Host().Plan(t.Context(), expected)
		if !errors.Is(err, fault.ErrInvalid) || strings.Join(want.Fields(err), " ") != "name" || !strings.Contains(err.Error(), "fallback device") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An external (metadata) link has no ends, so it is not a duplicate of any tunnel.
func TestPreflightExternalLink(t *testing.T) {
	w := fake.NewWorld()
	addTunnel(w, kernel.GRELink{Mode: gre.ModeGRE, Local: want.Addr("100.0.1.100"), Remote: want.Addr("100.0.2.100"), External: true})
	tunnel := fake.Simple(t)
	tunnel.Routes = nil
	if _, err := w.Start().Host().Plan(t.Context(), tunnel); err != nil {
		t.Error(err)
	}
}

// One error has all problems.
func TestPreflightManyProblems(t *testing.T) {
	w, tunnel := fake.NewWorld(), fake.Simple(t)
	w.AddLink(kernel.Link{Name: "gre1"})
	tunnel.Addresses, tunnel.Routes = want.CIDRs("10.10.1.9/24"), []routes.Route{{Dst: want.CIDR("100.0.2.100/32")}, {Dst: want.CIDR("10.10.1.0/24")}}
	_, err := w.Start().Host().Plan(t.Context(), tunnel)
	want.Same(t, "the problems", want.Problems(err), `name: the device gre1 exists already
  hint: choose another name, or leave --name out to get the first free one of gre1, gre2, ...
address: the inner network 10.10.1.0/24 overlaps 10.10.1.0/24, which is on eth1
  hint: choose a network that nothing else uses
route: 10.10.1.0/24 is this host's own network, on eth1
  hint: give the networks behind the far end
route: 100.0.2.100/32 covers the far end's outer address 100.0.2.100: the packets that carry the tunnel would go into it
  hint: give the far end a route of its own first: ip route add 100.0.2.100 via 100.0.1.1 dev eth0
`)
}

// If the kernel does not say which route it has used, nothing proves that the way to the far end
// stays the same.
func TestSwallowWithoutMatch(t *testing.T) {
	w, tunnel := fake.NewWorld(), fake.Simple(t)
	w.AddRoute("eth0", "100.0.2.100 via 100.0.1.1", 3)
	tunnel.Routes = []routes.Route{{Dst: want.CIDR("100.0.0.0/8")}}
	p := w.Start()
	h := p.Host()
	h.Kernel = withoutMatch{fake.Kernel{Process: p}}
	if planned, err := h.Plan(t.Context(), tunnel); err != nil || !planned.Kept.Pin {
		t.Errorf("%v, %+v", err, planned.Kept)
	}
}

type withoutMatch struct{ kernel.Kernel }

func (k withoutMatch) Lookup(ctx context.Context, q kernel.Query) (kernel.Hop, error) {
	hop, err := k.Kernel.Lookup(ctx, q)
	hop.Match = netip.Prefix{}
	return hop, err
}

// A path MTU that the kernel has cached expires, so a note has it, and the tunnel has not.
func TestCachedPathMTU(t *testing.T) {
	w, tunnel := fake.NewWorld(), fake.Simple(t)
	p := w.Start()
	h := p.Host()
	h.Kernel = withCachedMTU{fake.Kernel{Process: p}}
	planned, err := h.Plan(t.Context(), tunnel)
	if notes := strings.Join(planned.Notes, "\n"); err != nil || planned.Tunnel.MTU != 1476 || !strings.Contains(notes, "the way carries 1400 bytes at most; that expires") || !strings.Contains(notes, "--mtu 1376") {
		t.Errorf("%v, MTU %d, notes %q", err, planned.Tunnel.MTU, planned.Notes)
	}
}

type withCachedMTU struct{ kernel.Kernel }

func (k withCachedMTU) Lookup(ctx context.Context, q kernel.Query) (kernel.Hop, error) {
	hop, err := k.Kernel.Lookup(ctx, q)
	hop.MTU, hop.RouteMTU = 1400, hop.MTU
	return hop, err
}

// A plan returns the error of any call that fails, and changes nothing on the host.
func TestPlanFaults(t *testing.T) {
	tunnel := fake.Simple(t)
	tunnel.Routes = append(tunnel.Routes, routes.Route{Dst: want.CIDR("100.0.0.0/8")})
	w := fake.NewWorld()
	w.AddRoute("eth0", "100.0.2.100 via 100.0.1.1", 3)
	before := w.String()
	for n := 0; ; n++ {
		p := w.Start()
		p.Fault = func(i int, _ string) fake.Fault {
			if i == n {
				return fake.Fault{Err: fake.ErrBroken}
			}
			return fake.Fault{}
		}
		_, err := p.Host().Plan(t.Context(), tunnel)
		want.Same(t, "the host", w.String(), before)
		if len(p.Calls) <= n {
			if n < 6 || err != nil {
				t.Errorf("%d calls, %v", n, err)
			}
			return
		}
		// the plan does not depend on the answers of these calls
		if slices.Contains([]string{"UUIDs", "HookMissing", "IPsec"}, p.Calls[n]) {
			if err != nil {
				t.Errorf("call %d, %s: %v", n, p.Calls[n], err)
			}
			continue
		}
		if !errors.Is(err, fake.ErrBroken) || errors.Is(err, fault.ErrInvalid) {
			t.Errorf("call %d, %s: %v", n, p.Calls[n], err)
		}
	}
}
