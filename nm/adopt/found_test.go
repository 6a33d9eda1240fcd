package adopt_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"nmgre/nm"
	"nmgre/nm/adopt"
	"nmgre/nm/plan"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
	"nmgre/routes/rule"
	"nmgre/testdata/fake"
	"nmgre/testdata/want"
)

// hand returns a tunnel that was made by hand, as the kernel has it.
func hand() kernel.ByHand {
	g := &kernel.GRELink{Mode: gre.ModeGRE, Local: want.Addr("100.0.1.100"), Remote: want.Addr("100.0.2.100"), TTL: 64, PMTUD: true}
	return kernel.ByHand{Link: kernel.Link{Index: 9, Name: "tun0", Kind: "gre", Up: true, MTU: 1400, GRE: g},
		Addresses: []kernel.HandAddress{{Prefix: want.CIDR("172.16.0.1/30")}}, Tables: map[uint32][]string{}}
}

func route(spec string, protocol int) kernel.HandRoute {
	r, err := routes.Parse(spec)
	if err != nil {
		panic(err)
	}
	return kernel.HandRoute{HeldRoute: kernel.HeldRoute{Route: r, Protocol: protocol}}
}

func held(spec string, protocol int) kernel.HeldRule {
	return kernel.HeldRule{Rule: rule.MustParse(spec), Protocol: protocol}
}

// The fate of each part, and the tunnel.
func TestRead(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*kernel.ByHand)
		parts  []string // of the fates that it has besides those of hand
		create []string // parts of the command that makes such a tunnel
	}{
		"as it is": {func(*kernel.ByHand) {}, nil, []string{"--address 172.16.0.1/30", "--mtu 1400"}},
		"keys, and ttl inherit without path MTU discovery": {func(b *kernel.ByHand) {
			b.Link.GRE.InputKey, b.Link.GRE.OutputKey = want.Ptr(gre.Key(1)), want.Ptr(gre.Key(2))
			b.Link.GRE.TTL, b.Link.GRE.PMTUD, b.Link.GRE.IgnoreDF, b.Link.GRE.TOS = 0, false, true, 1
			b.Link.Multicast, b.Link.GRE.Checksum = true, true
		}, []string{"multicast: taken", "ignore-df: taken", "checksum: taken"}, []string{"--input-key 1 --output-key 2", "--ttl inherit", "--no-pmtud", "--tos 1", "--ignore-df", "--checksum", "--multicast"}},
		"a parent": {func(b *kernel.ByHand) { b.Parent, b.Link.GRE.Parent = "eth0", 2 }, nil, []string{"--parent eth0"}},
		"a port of a bridge": {func(b *kernel.ByHand) {
			b.Link.GRE.Mode, b.Link.Kind, b.Controller, b.ControllerKind, b.MAC = gre.ModeGRETAP, "gretap", "br0", "bridge", "02:00:5e:10:00:01"
			b.Addresses = nil
		}, []string{"port of the bridge br0: taken"}, []string{"--controller br0", "--mac 02:00:5e:10:00:01"}},
		"several addresses, whose order the routes remember": {func(b *kernel.ByHand) {
			b.Addresses = append(b.Addresses, kernel.HandAddress{Prefix: want.CIDR("172.16.5.1/24"), Label: "tun0:5"}, kernel.HandAddress{Prefix: want.CIDR("fd00:16::1/64")},
				kernel.HandAddress{Prefix: want.CIDR("fe80::200:5efe:6400:164/64"), Automatic: true})
			b.Routes = []kernel.HandRoute{route("10.10.2.0/24", 3), route("10.11.0.0/16 via 172.16.5.9 metric 7", 3), route("fd00:77::/64 via fd00:16::2", 4), route("172.16.0.0/30", 2)}
		}, []string{"label tun0:5 of 172.16.5.1: lost", "address fe80::200:5efe:6400:164/64: taken", "route 10.10.2.0/24: taken", "route fd00:77::/64"},
			[]string{"--route '10.10.2.0/24 src 172.16.0.1 metric 0'", "--route '10.11.0.0/16 via 172.16.5.9 src 172.16.5.1 metric 7'", "--route 'fd00:77::/64 via fd00:16::2 metric 1024'"}},
		"a peer in the network": {func(b *kernel.ByHand) {
			b.Addresses = []kernel.HandAddress{{Prefix: want.CIDR("172.16.0.1/30"), Peer: want.CIDR("172.16.0.2/30")}}
		}, []string{"address 172.16.0.1 peer 172.16.0.2/30: taken"}, []string{"--address 172.16.0.1/30"}},
		"a peer elsewhere": {func(b *kernel.ByHand) {
			b.Addresses = []kernel.HandAddress{{Prefix: want.CIDR("10.1.1.1/24"), Peer: want.CIDR("10.2.2.2/24")}}
		}, []string{"address 10.1.1.1 peer 10.2.2.2/24: taken"}, []string{"--address 10.1.1.1/32", "--peer-address 10.2.2.2", "--route 10.2.2.0/24"}},
		"without a route to its network": {func(b *kernel.ByHand) { b.Addresses[0].Odd = "noprefixroute" }, []string{"noprefixroute: taken"}, []string{"--address 172.16.0.1/32"}},
		"the kernel's own IPv6 address alone": {func(b *kernel.ByHand) {
			b.Addresses = append(b.Addresses, kernel.HandAddress{Prefix: want.CIDR("fe80::1/64"), Automatic: true})
		}, []string{"address fe80::1/64: not needed"}, nil},
		"routes of others": {func(b *kernel.ByHand) {
			b.Routes = []kernel.HandRoute{route("10.1.0.0/16", 186), route("10.2.0.0/16", kernel.RouteProtocol), route("fd00::/64", 9)}
		}, []string{"route 10.1.0.0/16: stays", "route 10.2.0.0/16: not needed", "route fd00::/64: stays"}, nil},
		"rules": {func(b *kernel.ByHand) {
			b.Tables = map[uint32][]string{100: {"tun0"}, 101: {"tun0", "eth1"}, routes.MainTable: {"tun0", "eth0"}}
			b.Rules = []kernel.HeldRule{held("from 10.0.0.1 table 100 priority 5", 3), held("from 10.0.0.2 table 101 priority 6", 3), held("iif tun0 table 9 priority 7", 3), held("from all table main priority 32766", 2),
				held("from 10.0.0.3 table 100 priority 8", 4), held("from 10.0.0.4 table 300 priority 9", 3), held("from 10.0.0.5 table 100 priority 10", 186)}
		}, []string{"rule from 10.0.0.1 table 100 priority 5: taken", "rule from 10.0.0.2 table 101 priority 6: stays", "rule iif tun0 table 9 priority 7: taken", "rule from 10.0.0.5 table 100 priority 10: stays"},
			[]string{"--rule 'from 10.0.0.1 table 100 priority 5'", "--rule 'iif tun0 table 9 priority 7'"}},
		"SNAT": {func(b *kernel.ByHand) {
			b.NAT = []kernel.NATRule{
				{Where: "ip nat POSTROUTING", Text: "a", From: want.CIDR("172.16.0.0/30"), To: want.CIDR("10.10.1.0/24"), Source: want.Addr("10.10.1.1")},
				{Where: "ip nat POSTROUTING", Text: "b", From: want.CIDR("172.16.0.2/32"), Masquerade: true},
				{Where: "ip nat POSTROUTING", Text: "c", Out: "tun0", Masquerade: true},
				{Where: "ip nat POSTROUTING", Text: "d", From: want.CIDR("172.16.0.0/30"), To: want.CIDR("10.9.0.0/16"), Masquerade: true, Odd: "ports, or an order of them"},
				{Where: "ip nat POSTROUTING", Text: "e", From: want.CIDR("192.0.2.0/24"), Masquerade: true},
				{Where: "ip nat POSTROUTING", Text: "f", From: want.CIDR("172.16.0.0/12"), To: want.CIDR("10.8.0.0/16"), Masquerade: true},
			}
		}, []string{"POSTROUTING: a: taken", "POSTROUTING: b: taken", "POSTROUTING: c: stays", "POSTROUTING: d: stays", "POSTROUTING: f: stays"}, []string{"--snat 10.10.1.0/24=10.10.1.1", "--snat 0.0.0.0/0=masquerade"}},
		"SNAT for some networks of the tunnel, or after others": {func(b *kernel.ByHand) {
			b.Addresses = append(b.Addresses, kernel.HandAddress{Prefix: want.CIDR("172.16.5.1/24")})
			nat := func(text, from, to, odd string) kernel.NATRule {
				return kernel.NATRule{Where: "nat", Text: text, From: want.CIDR(from), To: want.CIDR(to), Masquerade: true, Odd: odd}
			}
			b.NAT = []kernel.NATRule{
				nat("a", "172.16.0.0/30", "10.1.0.0/16", ""), nat("b", "172.16.5.0/24", "10.1.0.0/16", ""), // both networks
				nat("c", "172.16.5.0/24", "10.2.0.0/16", ""),                                               // one of them
				nat("d", "172.16.0.2/32", "10.3.0.0/16", ""), nat("e", "172.16.5.7/32", "10.3.0.0/16", ""), // one host of 254
				nat("f", "172.16.5.0/24", "10.4.4.0/24", "a protocol"), nat("g", "172.16.0.0/30", "10.4.0.0/16", ""), nat("h", "172.16.5.0/24", "10.4.0.0/16", ""), // after one that stays
			}
		}, []string{"nat: a: taken", "nat: b: taken", "nat: c: stays", "nat: d: stays", "nat: e: stays", "nat: f: stays", "nat: g: stays", "nat: h: stays"}, []string{"--snat 10.1.0.0/16=masquerade"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := hand()
			c.change(&b)
			f, err := adopt.Read(b)
			if err == nil {
				err = f.Tunnel.Validate()
			}
			if err != nil {
				t.Fatal(err)
			}
			var lines []string
			for _, p := range f.Parts {
				lines = append(lines, fmt.Sprintf("%s: %s", p.What, p.Fate))
				if p.Why == "" && p.Fate != adopt.Taken {
					t.Errorf("%s: nobody says why", p.What)
				}
			}
			text := strings.Join(lines, "\n")
			for _, part := range c.parts {
				if !strings.Contains(text, part) {
					t.Errorf("no %q in:\n%s", part, text)
				}
			}
			command := f.Tunnel.CreateCommand()
			for _, part := range c.create {
				if !strings.Contains(command, part) {
					t.Errorf("no %q in: %s", part, command)
				}
			}
		})
	}
}

// A part that nmgre cannot hold is refused by its name, with a hint.
func TestReadRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*kernel.ByHand)
		want   string
	}{
		"no tunnel":  {func(b *kernel.ByHand) { b.Link.GRE, b.Link.Kind = nil, "veth" }, "tun0 is no GRE tunnel: it is a link of the kind veth"},
		"hardware":   {func(b *kernel.ByHand) { b.Link.GRE, b.Link.Kind = nil, "" }, "tun0 is no GRE tunnel"},
		"fallback":   {func(b *kernel.ByHand) { b.Link.Name = "gre0" }, "gre0 is a fallback device"},
		"external":   {func(b *kernel.ByHand) { b.Link.GRE.External = true }, "external mode"},
		"no far end": {func(b *kernel.ByHand) { b.Link.GRE.Remote = netip.IPv4Unspecified() }, "peer: tun0 has no far end"},
		"multicast":  {func(b *kernel.ByHand) { b.Link.GRE.Remote = want.Addr("239.1.1.1") }, "peer: the far end of tun0 is the multicast group"},
		"fwmark": {func(b *kernel.ByHand) {
			b.Odd = []kernel.Setting{{Name: "fwmark 0x7", Field: "fwmark", Undo: "fwmark 0"}}
		}, "fwmark: the link has fwmark 0x7"},
		"a VRF":         {func(b *kernel.ByHand) { b.Controller, b.ControllerKind = "red", "vrf" }, "controller: the link belongs to red, a vrf"},
		"one direction": {func(b *kernel.ByHand) { b.Link.GRE.Checksum, b.Link.GRE.OneWay = true, true }, "checksum: "},
		"a leased one":  {func(b *kernel.ByHand) { b.Addresses[0].Leased = true }, "address: the life time"},
		"a scope":       {func(b *kernel.ByHand) { b.Addresses[0].Odd = "scope link" }, "address: the address 172.16.0.1/30 has scope link"},
		"an odd route": {func(b *kernel.ByHand) {
			r := route("10.1.0.0/16", 3)
			r.Odd = "type multicast"
			b.Routes = []kernel.HandRoute{r}
		}, "route: the route to 10.1.0.0/16 has type multicast"},
		"encap limit 0": {func(b *kernel.ByHand) {
			b.Link.GRE.Mode, b.Link.GRE.Local, b.Link.GRE.Remote = gre.ModeIP6GRE, want.Addr("2001:db8::1"), want.Addr("2001:db8::2")
		}, "encap-limit: "},
	} {
		t.Run(name, func(t *testing.T) {
			b := hand()
			c.change(&b)
			_, err := adopt.Read(b)
			if !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), c.want) || len(fault.Hints(err)) == 0 {
				t.Errorf("%v, hints %q; want %q", err, fault.Hints(err), c.want)
			}
		})
	}
}

// hands is a [kernel.Hands] that reads a tunnel made by hand.
type hands struct {
	kernel.Hands
	b kernel.ByHand
}

func (h hands) Read(context.Context, string) (kernel.ByHand, error) { return h.b, nil }

// The zone that names the link goes into the profile. The default one, which does not, stays out.
func TestPlanZone(t *testing.T) {
	for zone, wanted := range map[nm.Zone]string{{Name: "trusted"}: "trusted", {Name: "public", Default: true}: "", {}: ""} {
		w := fake.NewWorld()
		b := hand()
		w.AddLink(b.Link)
		w.Zone, w.Zones = zone, []string{"public", "trusted"}
		sys := w.Start().Host().System
		sys.Hands = hands{b: b}
		a, err := adopt.Plan(t.Context(), sys, sys.Profiles.List, "tun0", adopt.Options{})
		if err != nil {
			t.Fatal(err)
		}
		told := slices.Contains(a.Parts, adopt.Part{What: "firewalld's zone trusted", Fate: adopt.Taken})
		if a.Tunnel.Zone != wanted || told != (wanted != "") {
			t.Errorf("%+v: the zone %q, among the parts: %t", zone, a.Tunnel.Zone, told)
		}
	}
}

// A plan names the two candidates for a name, and plans as if the link were not there.
func TestPlan(t *testing.T) {
	for name, c := range map[string]struct {
		before func(*fake.World)
		opts   adopt.Options
		want   string // in the error; empty for none
	}{
		"alone": {func(*fake.World) {}, adopt.Options{}, ""},
		"mirrored by NetworkManager": {func(w *fake.World) {
			w.AddProfile(nm.Profile{UUID: "1", ID: "tun0", State: nm.StateExternal, Device: "tun0", Tunnel: nm.Tunnel{Name: "tun0", Mode: gre.ModeGRE}})
		}, adopt.Options{Profile: "office"}, ""},
		"managed": {func(w *fake.World) {
			w.AddProfile(nm.Profile{UUID: "1", ID: "mine", State: nm.StateActive, Device: "tun0", Tunnel: nm.Tunnel{Name: "tun0", Mode: gre.ModeGRE}})
		}, adopt.Options{}, "tun0 is managed by NetworkManager already"},
		"two candidates": {func(w *fake.World) {
			w.AddProfile(nm.Profile{UUID: "1", ID: "mine", State: nm.StateInactive, Tunnel: nm.Tunnel{Name: "tun0", Mode: gre.ModeGRE}})
		}, adopt.Options{}, "there are two candidates for tun0"},
		"a profile of that name": {func(*fake.World) {}, adopt.Options{Profile: "wan"}, "name: the profile wan"},
	} {
		t.Run(name, func(t *testing.T) {
			w := fake.NewWorld()
			b := hand()
			w.AddLink(b.Link)
			w.Link("tun0").Addresses = want.CIDRs("172.16.0.1/30")
			c.before(w)
			sys := w.Start().Host().System
			sys.Hands = hands{b: b}
			a, err := adopt.Plan(context.Background(), sys, sys.Profiles.List, "tun0", c.opts)
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) || len(fault.Hints(err)) == 0 {
					t.Errorf("%v, %q; want %q", err, fault.Hints(err), c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if a.Over == nil || a.Tunnel.Name != "tun0" || !slices.ContainsFunc(a.Steps, func(s plan.Step) bool { return strings.Contains(s.Why, "stands in") }) {
				t.Errorf("%+v", a)
			}
			if e := a.Effect(); e.Device != "tun0" || !e.Gone {
				t.Errorf("the effect is %+v: a session through the tunnel may be cut off", e)
			}
		})
	}
}
