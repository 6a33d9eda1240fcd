package vet_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"nmgre/nm"
	"nmgre/nm/vet"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
	"nmgre/routes/list"
	"nmgre/routes/rule"
	"nmgre/testdata/fake"
	"nmgre/testdata/want"
)

// vetted returns a host with two tunnels that are up, gre1 and gre2, and a request to keep routes
// and rules for gre1.
func vetted(t *testing.T) (*fake.World, keep.Kept) {
	t.Helper()
	w := fake.NewWorld()
	expected := fake.Simple(t)
	expected.Routes = nil
	created := fake.MustCreate(t, w, expected)
	w.AddProfile(nm.Profile{UUID: "00000000-0000-4000-8000-0000000000b2", ID: "gre2", State: nm.StateInactive, Tunnel: nm.Tunnel{Name: "gre2", Mode: gre.ModeGRE, Remote: want.Addr("100.0.3.100")}})
	w.AddLink(kernel.Link{Name: "gre2", Up: true, GRE: &kernel.GRELink{Mode: gre.ModeGRE, Remote: want.Addr("100.0.3.100")}})
	w.AddProfile(nm.Profile{UUID: "00000000-0000-4000-8000-0000000000b3", ID: "hand", State: nm.StateExternal, Tunnel: nm.Tunnel{Name: "hand", Mode: gre.ModeGRE, Remote: want.Addr("100.0.4.100")}})
	return w, keep.Kept{UUID: created.Status.UUID, Name: "gre1", Remote: want.Addr("100.0.2.100"), Inner: want.CIDRs("172.16.0.0/30"),
		Routes: []routes.Route{routes.MustParse("10.20.0.0/16 nexthop via 172.16.0.2 nexthop dev gre2 weight 2")},
		SNAT:   []keep.SNAT{{Dst: want.CIDR("10.10.1.0/24"), Source: want.Addr("10.10.1.1")}}, Forward: []string{"gre1", "eth1"}, ClampMSS: true}
}

// The request of a user who is not root is compared with the host. Each lie is refused for its own
// reason, and nothing changes.
func TestVet(t *testing.T) {
	all := func(n int, format string) (set []routes.Route) {
		for i := range n {
			set = append(set, routes.MustParse(fmt.Sprintf(format, i>>8, i&255)))
		}
		return set
	}
	set := func(specs ...string) func(*fake.World, *keep.Kept) {
		return func(_ *fake.World, k *keep.Kept) {
			for _, spec := range specs {
				k.Routes = append(k.Routes, routes.MustParse(spec))
			}
		}
	}
	rulesOf := func(specs ...string) func(*fake.World, *keep.Kept) {
		return func(_ *fake.World, k *keep.Kept) {
			for _, spec := range specs {
				k.Policy = append(k.Policy, rule.MustParse(spec))
			}
		}
	}
	for _, test := range []struct {
		name string
		set  func(w *fake.World, k *keep.Kept)
		kind error // nil if it may be kept
		want string
	}{
		{"all true", func(*fake.World, *keep.Kept) {}, nil, ""},
		{"in another order", func(w *fake.World, k *keep.Kept) {
			w.Named("gre1").Tunnel.Addresses = want.CIDRs("172.16.0.1/30", "2001:db8:9::1/64")
			k.Inner = want.CIDRs("2001:db8:9::/64", "172.16.0.0/30")
		}, nil, ""},
		{"the tunnel is down", func(w *fake.World, _ *keep.Kept) { w.Start().BringDown(w.Named("gre1")) }, nil, ""},
		{"a long list", func(_ *fake.World, k *keep.Kept) { k.Routes = all(nm.MaxProfileRoutes+1, "10.30.%d.%d/32") }, nil, ""},
		{"a route that a profile could hold has been kept before", func(w *fake.World, k *keep.Kept) {
			k.Routes = append(k.Routes, routes.MustParse("10.31.0.0/16"))
			w.Files[k.UUID] = keep.Kept{UUID: k.UUID, Name: "gre1", Routes: all(nm.MaxProfileRoutes+1, "10.30.%d.%d/32")}
			k.Routes = w.Files[k.UUID].Routes[:2]
		}, nil, ""},
		{"options of the link", func(_ *fake.World, k *keep.Kept) {
			k.Link = gre.LinkOptions{Multicast: true, Checksum: true, Sequence: true}
		}, nil, ""},
		{"an option that the link cannot have", func(_ *fake.World, k *keep.Kept) { k.Link.IgnoreDF = true }, fault.ErrInvalid, "only without path MTU discovery"},
		{"labels of MPLS", set("10.31.0.0/16 encap mpls 100 via 172.16.0.2"), nil, ""},
		{"a default route, with its pin", func(w *fake.World, k *keep.Kept) {
			w.RemoveLink("gre2")
			k.Routes[0], k.Pin = routes.MustParse("default nexthop via 172.16.0.2 nexthop dev gre1"), true
		}, nil, ""},
		{"a pin before its route", func(_ *fake.World, k *keep.Kept) { k.Pin = true }, nil, ""},
		{"a black hole within its own route", func(_ *fake.World, k *keep.Kept) {
			k.Routes = append(all(nm.MaxProfileRoutes, "10.30.%d.%d/32"), routes.MustParse("10.20.0.0/16 encap mpls 100"), routes.MustParse("blackhole 10.20.7.0/24"))
		}, nil, ""},
		{"the file is still the same", func(w *fake.World, k *keep.Kept) {
			w.Files[k.UUID] = k.Clone()
			k.Stamp = stampOf(w, k.UUID)
		}, nil, ""},
		{"there is still no file", func(_ *fake.World, k *keep.Kept) { k.Stamp = keep.StampNone }, nil, ""},
		{"the networks of another have come since", func(w *fake.World, k *keep.Kept) {
			w.Files[k.UUID] = k.Clone()
			w.AddLink(kernel.Link{Name: "eth8", Up: true, Addresses: want.CIDRs("172.16.0.9/24", "10.20.0.1/16")})
		}, nil, ""},
		{"the LAN's device has gone since", func(w *fake.World, k *keep.Kept) { w.Files[k.UUID] = k.Clone(); w.RemoveLink("eth1") }, nil, ""},

		{"a rule for its own packets", rulesOf("from 172.16.0.1 table 100 suppress_ifgroup 3 priority 9", "iif gre1 prohibit priority 0", "oif gre1 table 100 priority 0"), nil, ""},
		{"a rule that root has kept before", func(w *fake.World, k *keep.Kept) {
			rulesOf("fwmark 1 table 100 suppress_ifgroup 3 priority 9")(w, k)
			w.Files[k.UUID] = k.Clone()
		}, nil, ""},
		{"a rule that a profile can hold", rulesOf("from 172.16.0.1 table 100 priority 9"), fault.ErrInvalid, "a NetworkManager profile can hold it"},
		{"a rule for everybody", rulesOf("from all table 100 priority 0"), fault.ErrNotPermitted, "it is for other packets than those of gre1"},
		{"a rule for others", rulesOf("from 172.16.0.0/16 table 100 priority 0"), fault.ErrNotPermitted, "it is for other packets than those of gre1"},
		{"a rule for all others", rulesOf("not from 172.16.0.1 table 100 priority 0"), fault.ErrNotPermitted, "it is for other packets than those of gre1"},
		{"a rule for what comes in elsewhere", rulesOf("iif eth1 blackhole priority 0"), fault.ErrNotPermitted, "it is for other packets than those of gre1"},
		{"a rule that leads to the table local", rulesOf("from 172.16.0.1 table local priority 0"), fault.ErrNotPermitted, "only root may lead packets to the table local"},
		{"a rule without a place", func(_ *fake.World, k *keep.Kept) {
			k.Policy = []rule.Rule{rule.MustParse("from 172.16.0.1 table 100 suppress_ifgroup 3")}
		}, fault.ErrInvalid, "has no priority"},

		{"a name to follow", func(_ *fake.World, k *keep.Kept) { k.PeerName = "gw.example.org" }, fault.ErrNotPermitted, "only root may have the far end followed by a name, gw.example.org"},
		{"a name to follow, which root has written", func(w *fake.World, k *keep.Kept) { k.PeerName = "gw.example.org"; w.Files[k.UUID] = k.Clone() }, nil, ""},
		{"another name than root's", func(w *fake.World, k *keep.Kept) {
			k.PeerName = "gw.example.org"
			w.Files[k.UUID] = k.Clone()
			k.PeerName = "evil.example.org"
		}, fault.ErrNotPermitted, "evil.example.org"},
		{"a profile for her and another", func(w *fake.World, _ *keep.Kept) { w.Named("gre1").Users = []string{"bob", "ann"} }, nil, ""},
		{"another user's profile", func(w *fake.World, _ *keep.Kept) { w.Named("gre1").Users = []string{"bob"} }, fault.ErrNotPermitted, "the tunnel gre1 is another user's"},
		{"nobody's profile", func(w *fake.World, _ *keep.Kept) { w.Named("gre1").Users = []string{""} }, fault.ErrNotPermitted, "the tunnel gre1 is another user's"},

		{"no UUID", func(_ *fake.World, k *keep.Kept) { k.UUID = "" }, fault.ErrInvalid, "is not a UUID"},
		{"a path as UUID", func(_ *fake.World, k *keep.Kept) { k.UUID = "../../../../../../etc/passwd\x00aaaaaaa" }, fault.ErrInvalid, "is not a UUID"},
		{"a UUID that is nobody's", func(_ *fake.World, k *keep.Kept) { k.UUID = nm.NewUUID() }, fault.ErrNotFound, ""},
		{"another tunnel's UUID", func(w *fake.World, k *keep.Kept) { k.UUID = w.Named("gre2").UUID }, fault.ErrInvalid, "the interface of the profile is gre2, not gre1"},
		{"a connection's that is no tunnel", func(w *fake.World, k *keep.Kept) { k.UUID = w.Named("wan").UUID }, fault.ErrInvalid, "is not a GRE tunnel"},
		{"one made by hand", func(w *fake.World, k *keep.Kept) { k.UUID = w.Named("hand").UUID }, fault.ErrInvalid, "is not a GRE tunnel"},
		{"another device", func(_ *fake.World, k *keep.Kept) { k.Name = "eth0" }, fault.ErrInvalid, "the interface of the profile is gre1, not eth0"},
		{"another far end", func(_ *fake.World, k *keep.Kept) { k.Remote = want.Addr("100.0.1.1") }, fault.ErrInvalid, "the far end of gre1 is 100.0.2.100, not 100.0.1.1"},
		{"another inner network", func(_ *fake.World, k *keep.Kept) { k.Inner = want.CIDRs("0.0.0.0/0") }, fault.ErrInvalid, "the inner networks of gre1 are [172.16.0.0/30], and the request has others"},
		{"one more inner network", func(_ *fake.World, k *keep.Kept) { k.Inner = append(k.Inner, want.CIDR("10.10.1.0/24")) }, fault.ErrInvalid, "the request has others"},
		{"no inner network", func(_ *fake.World, k *keep.Kept) { k.Inner = nil }, fault.ErrInvalid, "the request has others"},
		{"lines that cannot be read", func(_ *fake.World, k *keep.Kept) { k.Bad = []list.BadLine{{Line: 7, Err: fake.ErrBroken}} }, fault.ErrInvalid, "line 7 cannot be read"},
		{"nothing", func(_ *fake.World, k *keep.Kept) { *k = keep.Kept{UUID: k.UUID, Name: k.Name} }, fault.ErrInvalid, "nothing to keep"},
		{"very much SNAT", func(_ *fake.World, k *keep.Kept) { k.SNAT = slices.Repeat(k.SNAT, 1001) }, fault.ErrInvalid, "more than 1000"},

		{"a device that is not there", func(_ *fake.World, k *keep.Kept) { k.Forward = []string{"gre1", "eth7"} }, fault.ErrInvalid, "there is no device eth7"},
		{"devices without the tunnel's", func(_ *fake.World, k *keep.Kept) { k.Forward = []string{"eth0", "eth1"} }, fault.ErrInvalid, "gre1 is not among the devices"},
		{"a source that is not here", func(_ *fake.World, k *keep.Kept) { k.SNAT[0].Source = want.Addr("8.8.8.8") }, fault.ErrInvalid, "8.8.8.8 is not an address of this host"},
		{"SNAT of another family", func(_ *fake.World, k *keep.Kept) { k.SNAT[0] = keep.SNAT{Dst: want.CIDR("2001:db8::/32")} }, fault.ErrInvalid, "no inner address of the same family"},
		{"SNAT twice", func(_ *fake.World, k *keep.Kept) { k.SNAT = append(k.SNAT, k.SNAT[0]) }, fault.ErrInvalid, "is given twice"},

		{"a route that a profile can hold", func(_ *fake.World, k *keep.Kept) { k.Routes = append(k.Routes, routes.MustParse("10.31.0.0/16")) }, fault.ErrInvalid, "10.31.0.0/16: a NetworkManager profile can hold it"},
		{"a route twice", func(_ *fake.World, k *keep.Kept) { k.Routes = append(k.Routes, k.Routes[0]) }, fault.ErrInvalid, "is given twice"},
		{"a gateway elsewhere", func(_ *fake.World, k *keep.Kept) {
			k.Routes[0] = routes.MustParse("10.20.0.0/16 nexthop via 100.0.1.1 nexthop dev gre2")
		}, fault.ErrInvalid, "is in none of the tunnel's networks"},
		{"a route of another family", func(_ *fake.World, k *keep.Kept) {
			k.Routes[0] = routes.MustParse("2001:db8::/32 nexthop dev gre1 nexthop dev gre2")
		}, fault.ErrInvalid, "no inner address of the same family"},
		{"a route out of the host", func(_ *fake.World, k *keep.Kept) {
			k.Routes[0] = routes.MustParse("10.20.0.0/16 nexthop via 172.16.0.2 nexthop via 100.0.1.1 dev eth0")
		}, fault.ErrNotPermitted, "eth0 is not a tunnel that is up, and only root may lead packets elsewhere"},
		{"a route into a device that is not there", func(_ *fake.World, k *keep.Kept) {
			k.Routes[0] = routes.MustParse("10.20.0.0/16 nexthop via 172.16.0.2 nexthop dev nosuch")
		}, fault.ErrNotPermitted, "nosuch is not a tunnel that is up"},
		{"another tunnel's route", func(w *fake.World, k *keep.Kept) {
			w.AddLink(kernel.Link{Name: "gre3", GRE: &kernel.GRELink{Mode: gre.ModeGRE, Remote: want.Addr("100.0.5.100")}})
			k.Routes[0] = routes.MustParse("10.20.0.0/16 nexthop dev gre2 nexthop dev gre3")
		}, fault.ErrInvalid, "no nexthop leads into gre1"},
		{"very many lies", func(_ *fake.World, k *keep.Kept) { k.Routes = all(nm.MaxProfileRoutes, "10.30.%d.%d/32") }, fault.ErrInvalid, "a NetworkManager profile can hold it"},
		{"a tunnel that is down", func(w *fake.World, _ *keep.Kept) { w.RemoveLink("gre2") }, fault.ErrNotPermitted, "gre2 is not a tunnel that is up"},
		{"a profile named like a device", func(w *fake.World, k *keep.Kept) {
			w.AddProfile(nm.Profile{UUID: nm.NewUUID(), ID: "eth0", State: nm.StateInactive, Tunnel: nm.Tunnel{Name: "eth0", Mode: gre.ModeGRE}})
			k.Routes[0] = routes.MustParse("10.20.0.0/16 nexthop via 172.16.0.2 nexthop via 100.0.1.1 dev eth0")
		}, fault.ErrNotPermitted, "eth0 is not a tunnel that is up"},
		{"a nexthop object", set("10.31.0.0/16 nhid 7"), fault.ErrNotPermitted, "only root may use nexthop objects"},
		{"a local route", set("local 8.8.8.8"), fault.ErrNotPermitted, "only root may change the table local"},
		{"a local route elsewhere", set("local 8.8.8.8 table 100"), fault.ErrNotPermitted, "only root may set a route of the type local"},
		{"an anycast route", set("anycast 8.8.8.8 table 100"), fault.ErrNotPermitted, "only root may set a route of the type anycast"},
		{"a broadcast route", set("broadcast 10.31.0.255 table 100"), fault.ErrNotPermitted, "only root may set a route of the type broadcast"},
		{"a multicast route", set("multicast 239.1.0.0/16"), nil, ""},
		{"a multicast route for other networks", set("multicast 10.31.0.0/16"), fault.ErrNotPermitted, "only root may set a route of the type multicast"},
		{"an odd type", set("nat 10.31.0.0/16 table 100"), fault.ErrNotPermitted, "only root may set a route of the type nat"},
		{"a black hole for everything", set("blackhole default"), fault.ErrNotPermitted, "no route of gre1 leads there"},
		{"a black hole wider than its own route", set("unreachable 10.0.0.0/8"), fault.ErrNotPermitted, "no route of gre1 leads there"},
		{"a black hole in another table than its own route", set("prohibit 10.20.7.0/24 table 7"), fault.ErrNotPermitted, "no route of gre1 leads there"},
		{"a black hole inside a black hole", set("throw 10.33.0.0/16", "blackhole 10.33.1.0/24"), fault.ErrNotPermitted, "no route of gre1 leads there"},
		{"segment routing", func(w *fake.World, k *keep.Kept) {
			w.Named("gre1").Tunnel.Addresses = append(w.Named("gre1").Tunnel.Addresses, want.CIDR("2001:db8:9::1/64"))
			k.Inner = append(k.Inner, want.CIDR("2001:db8:9::/64"))
			k.Routes[0] = routes.MustParse("2001:db8:7::/48 encap seg6 mode encap segs 2001:db8:bad::1")
		}, fault.ErrNotPermitted, "encap seg6 gives packets an address of its own"},
		{"an encapsulation to elsewhere", set("10.31.0.0/16 encap ip id 7 dst 100.0.1.1"), fault.ErrNotPermitted, "encap ip gives packets an address of its own"},
		{"one in a nexthop", set("10.31.0.0/16 nexthop via 172.16.0.2 nexthop dev gre2 encap ip6 dst 2001:db8::1"), fault.ErrNotPermitted, "encap ip6 gives packets an address of its own"},

		{"this host's own network", set("10.10.1.0/24 encap mpls 100"), fault.ErrInvalid, "10.10.1.0/24 is this host's own network, on eth1"},
		{"a part of this host's own network", set("10.10.1.128/25 encap mpls 100"), fault.ErrNotPermitted, "only root may hide a part of the network on eth1"},
		{"the gateway of this host", set("100.0.1.1 encap mpls 100"), fault.ErrNotPermitted, "only root may hide a part of the network on eth0"},
		{"a part of its own network", set("172.16.0.2 encap mpls 100"), nil, ""},
		{"a black hole for a part of this host's own network", func(_ *fake.World, k *keep.Kept) {
			k.Routes = append(all(nm.MaxProfileRoutes, "10.30.%d.%d/32"), routes.MustParse("10.0.0.0/9 encap mpls 100"), routes.MustParse("blackhole 10.10.1.7"))
		}, fault.ErrNotPermitted, "only root may hide a part of the network on eth1"},
		{"a black hole for another tunnel's far end", func(w *fake.World, k *keep.Kept) {
			w.AddRoute("eth0", "100.0.3.0/24 via 100.0.1.1", 3)
			w.AddRoute("eth0", "100.0.2.0/24 via 100.0.1.1", 3)
			k.Routes = append(all(nm.MaxProfileRoutes, "10.30.%d.%d/32"), routes.MustParse("100.0.0.0/16 encap mpls 100"), routes.MustParse("unreachable 100.0.3.100"))
		}, fault.ErrNotPermitted, "only root may hide the far end of gre2"},
		{"a black hole for its own far end, while it is down", func(w *fake.World, k *keep.Kept) {
			w.AddRoute("eth0", "100.0.2.0/24 via 100.0.1.1", 3)
			w.RemoveLink("gre2")
			w.Start().BringDown(w.Named("gre1"))
			w.Settle()
			k.Routes = append(all(nm.MaxProfileRoutes, "10.30.%d.%d/32"), routes.MustParse("100.0.0.0/16 encap mpls 100"), routes.MustParse("prohibit 100.0.2.0/25"))
		}, fault.ErrNotPermitted, "only root may hide the far end of gre1"},
		{"the host itself", set("127.0.0.0/9 encap mpls 100"), fault.ErrInvalid, "packets to 127.0.0.0/9 never leave this host"},
		{"a default route without its pin", func(w *fake.World, k *keep.Kept) {
			w.RemoveLink("gre2")
			k.Routes[0] = routes.MustParse("default encap mpls 100")
		}, fault.ErrInvalid, "covers the far end's outer address 100.0.2.100"},
		{"the far end itself", set("100.0.2.100 encap mpls 100"), fault.ErrInvalid, "covers the far end's outer address 100.0.2.100"},
		{"another tunnel's far end", set("100.0.3.0/24 encap mpls 100"), fault.ErrInvalid, "covers the far end's outer address 100.0.3.100"},
		{"a pin that is taken away", func(w *fake.World, k *keep.Kept) {
			k.Routes[0], k.Pin = routes.MustParse("default nexthop via 172.16.0.2 nexthop dev gre1"), true
			w.Files[k.UUID] = k.Clone()
			k.Pin = false
		}, fault.ErrInvalid, "covers the far end's outer address 100.0.2.100"},
		{"routes that cover a new far end", func(w *fake.World, k *keep.Kept) {
			k.Routes[0] = routes.MustParse("100.0.8.0/24 nexthop via 172.16.0.2 nexthop dev gre2")
			w.Files[k.UUID] = k.Clone()
			k.Remote, w.Named("gre1").Tunnel.Remote = want.Addr("100.0.8.1"), want.Addr("100.0.8.1")
		}, fault.ErrInvalid, "covers the far end's outer address 100.0.8.1"},
		{"what root allowed for another far end", func(w *fake.World, k *keep.Kept) {
			k.Routes = append(k.Routes, routes.MustParse("10.31.0.0/16 nhid 7"))
			w.Files[k.UUID] = k.Clone()
			k.Remote, w.Named("gre1").Tunnel.Remote = want.Addr("100.0.8.1"), want.Addr("100.0.8.1")
		}, fault.ErrNotPermitted, "only root may use nexthop objects"},
		{"devices that root allowed for another far end", func(w *fake.World, k *keep.Kept) {
			k.Forward = append(k.Forward, "eth0")
			w.Files[k.UUID] = k.Clone()
			k.Remote, w.Named("gre1").Tunnel.Remote = want.Addr("100.0.8.1"), want.Addr("100.0.8.1")
		}, fault.ErrNotPermitted, "eth0 has nothing to do with the tunnel gre1"},
		{"what anybody may have for another far end", func(w *fake.World, k *keep.Kept) {
			w.Files[k.UUID] = k.Clone()
			k.Remote, w.Named("gre1").Tunnel.Remote = want.Addr("100.0.8.1"), want.Addr("100.0.8.1")
		}, nil, ""},
		{"what root allowed for this far end", func(w *fake.World, k *keep.Kept) {
			k.Routes, k.Forward = append(k.Routes, routes.MustParse("10.31.0.0/16 nhid 7")), append(k.Forward, "eth0")
			w.Files[k.UUID] = k.Clone()
		}, nil, ""},
		{"a very wide inner network", func(w *fake.World, k *keep.Kept) {
			w.Named("gre1").Tunnel.PeerAddress = netip.Addr{}
			w.Named("gre1").Tunnel.Addresses, k.Inner, k.Routes = want.CIDRs("22.0.0.1/7"), want.CIDRs("22.0.0.0/7"), nil
		}, fault.ErrNotPermitted, "the inner network 22.0.0.0/7 is wider than /8"},
		{"the LAN as inner network", func(w *fake.World, k *keep.Kept) {
			w.Named("gre1").Tunnel.PeerAddress = netip.Addr{}
			w.Named("gre1").Tunnel.Addresses, k.Inner, k.Routes = want.CIDRs("10.10.0.1/16"), want.CIDRs("10.10.0.0/16"), nil
		}, fault.ErrInvalid, "the inner network 10.10.0.0/16 overlaps 10.10.1.0/24, which is on eth1"},
		{"a host of the LAN as inner address", func(w *fake.World, k *keep.Kept) {
			w.Named("gre1").Tunnel.PeerAddress = netip.Addr{}
			w.Named("gre1").Tunnel.Addresses, k.Inner, k.Routes = want.CIDRs("10.10.1.7/32"), want.CIDRs("10.10.1.7/32"), nil
		}, fault.ErrNotPermitted, "10.10.1.7 is in the network 10.10.1.0/24 on eth1 as well"},
		{"a host of the LAN as the far end's inner address", func(w *fake.World, k *keep.Kept) {
			w.Named("gre1").Tunnel.PeerAddress = want.Addr("10.10.1.7")
			k.Inner = append(k.Inner, want.CIDR("10.10.1.7/32"))
		}, fault.ErrNotPermitted, "10.10.1.7 is in the network 10.10.1.0/24 on eth1 as well"},
		{"a host of the LAN, over IPv6", func(w *fake.World, k *keep.Kept) {
			w.Link("eth1").Addresses = append(w.Link("eth1").Addresses, want.CIDR("2001:db8:77::1/64"))
			w.Named("gre1").Tunnel.Addresses = append(w.Named("gre1").Tunnel.Addresses, want.CIDR("2001:db8:77::7/128"))
			k.Inner = append(k.Inner, want.CIDR("2001:db8:77::7/128"))
		}, fault.ErrNotPermitted, "2001:db8:77::7 is in the network 2001:db8:77::/64 on eth1 as well"},
		{"a rule for a host of the LAN", func(w *fake.World, k *keep.Kept) {
			w.Named("gre1").Tunnel.PeerAddress = netip.Addr{}
			w.Named("gre1").Tunnel.Addresses, k.Inner, k.Routes, k.SNAT = want.CIDRs("10.10.1.7/32"), want.CIDRs("10.10.1.7/32"), nil, nil
			rulesOf("from 10.10.1.7 table 100 suppress_ifgroup 3 priority 9")(w, k)
		}, fault.ErrNotPermitted, "10.10.1.7 is in the network 10.10.1.0/24 on eth1 as well"},
		{"SNAT for a host of the LAN, after its routes", func(w *fake.World, k *keep.Kept) {
			w.Named("gre1").Tunnel.PeerAddress = want.Addr("10.10.1.7")
			k.Inner = append(k.Inner, want.CIDR("10.10.1.7/32"))
			before := k.Clone()
			before.SNAT = nil
			w.Files[k.UUID] = before
		}, fault.ErrNotPermitted, "10.10.1.7 is in the network 10.10.1.0/24 on eth1 as well"},
		{"a host of the LAN that root has allowed", func(w *fake.World, k *keep.Kept) {
			w.Named("gre1").Tunnel.PeerAddress = want.Addr("10.10.1.7")
			k.Inner = append(k.Inner, want.CIDR("10.10.1.7/32"))
			w.Files[k.UUID] = k.Clone()
		}, nil, ""},
		{"an address that tunnels share", func(w *fake.World, k *keep.Kept) {
			w.Named("gre1").Tunnel.PeerAddress = netip.Addr{}
			w.Link("gre2").Addresses = want.CIDRs("10.0.0.1/32")
			w.Named("gre1").Tunnel.Addresses, k.Inner, k.Routes = want.CIDRs("10.0.0.1/32"), want.CIDRs("10.0.0.1/32"), nil
		}, nil, ""},
		{"forwarding of the way out", func(_ *fake.World, k *keep.Kept) { k.Forward = []string{"gre1", "eth1", "eth0"} }, fault.ErrNotPermitted, "eth0 has nothing to do with the tunnel gre1"},
		{"forwarding of the loopback", func(_ *fake.World, k *keep.Kept) { k.SNAT, k.Forward = nil, []string{"gre1", "lo"} }, fault.ErrNotPermitted, "lo has nothing to do with the tunnel gre1"},
		{"very many rules", func(w *fake.World, k *keep.Kept) {
			k.Inner, k.SNAT = nil, nil
			for i := range 101 {
				k.Inner = append(k.Inner, want.CIDR(fmt.Sprintf("172.20.%d.0/24", i)))
				k.SNAT = append(k.SNAT, keep.SNAT{Dst: want.CIDR(fmt.Sprintf("10.10.1.%d/32", i))})
			}
		}, fault.ErrNotPermitted, "more than 10000 rules"},
		{"very many routes", func(_ *fake.World, k *keep.Kept) { k.Routes = slices.Repeat(k.Routes, 200_001) }, fault.ErrNotPermitted, "more than 200000 routes"},
		{"the file has changed", func(w *fake.World, k *keep.Kept) {
			w.Files[k.UUID] = k.Clone()
			k.Stamp = "another"
		}, fault.ErrChanged, "somebody else has changed what root keeps for gre1"},
		{"a file has come", func(w *fake.World, k *keep.Kept) {
			w.Files[k.UUID] = k.Clone()
			k.Stamp = keep.StampNone
		}, fault.ErrChanged, "somebody else has changed"},
		{"the file has gone", func(_ *fake.World, k *keep.Kept) { k.Stamp = "old" }, fault.ErrChanged, "somebody else has changed"},
		{"files that cannot be trusted", func(w *fake.World, _ *keep.Kept) { w.FileErr = fake.ErrBroken }, fake.ErrBroken, ""},
		{"NetworkManager is away", func(w *fake.World, _ *keep.Kept) {
			w.NMErr = &fault.Error{Kind: fault.ErrNoNetworkManager, What: "it is away"}
		}, fault.ErrNoNetworkManager, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			w, k := vetted(t)
			test.set(w, &k)
			before := w.String()
			got, err := vet.Keep(t.Context(), w.Start().Host().System, "ann", k)
			want.Same(t, "the host", w.String(), before)
			if test.kind == nil {
				if err != nil || len(got.Routes) != len(k.Routes) || got.Name != "gre1" {
					t.Errorf("%+v, %v", got, err)
				}
				return
			}
			if !errors.Is(err, test.kind) || !strings.Contains(err.Error(), test.want) || !got.Empty() {
				t.Errorf("%v, want %q", err, test.want)
			}
			if len(want.Flatten(err)) > list.MaxToldErrors {
				t.Errorf("%d errors", len(want.Flatten(err)))
			}
		})
	}
}

// stampOf returns the stamp of a tunnel's kept file.
func stampOf(w *fake.World, uuid string) string {
	k, _ := fake.Store{Process: w.Start()}.Get(context.Background(), uuid)
	return k.Stamp
}

// The keeper vets under its lock, before it writes: the requests of two callers cannot mix.
func TestVetUnderTheLock(t *testing.T) {
	w, k := vetted(t)
	p := w.Start()
	keeper, locked := p.Keeper(), false
	p.Fault = func(_ int, method string) fake.Fault {
		locked = locked || method == "Lock"
		return fake.Fault{}
	}
	keeper.Vet = func(ctx context.Context, k keep.Kept) (keep.Kept, error) {
		if !locked || len(w.Files) > 0 {
			t.Error("it vets without the lock, or too late")
		}
		return vet.Keep(ctx, p.Host().System, "ann", k)
	}
	k.Stamp = keep.StampNone
	if _, err := keeper.Keep(t.Context(), k, nil); err != nil || len(w.Files) != 1 {
		t.Fatal(err)
	}
	made := w.String()
	keeper.Vet = func(ctx context.Context, k keep.Kept) (keep.Kept, error) {
		return vet.Keep(ctx, p.Host().System, "ann", k)
	}
	if _, err := keeper.Keep(t.Context(), k, nil); !errors.Is(err, fault.ErrChanged) {
		t.Errorf("a stale request: %v", err)
	}
	want.Same(t, "the host", w.String(), made)
}

// The vetted request has the profile's values, not the caller's.
func TestVetTakesTheProfilesWord(t *testing.T) {
	w, k := vetted(t)
	w.Named("gre1").Tunnel.Addresses = want.CIDRs("172.16.0.1/30", "2001:db8:9::1/64")
	k.Inner = want.CIDRs("2001:db8:9::/64", "172.16.0.0/30", "2001:db8:9::/64")
	got, err := vet.Keep(t.Context(), w.Start().Host().System, "ann", k)
	if err != nil || !slices.Equal(got.Inner, want.CIDRs("172.16.0.0/30", "2001:db8:9::/64")) {
		t.Errorf("%v, %v", got.Inner, err)
	}
}

// Routes and rules that are kept for another user's tunnel cannot be forgotten either.
func TestVetForget(t *testing.T) {
	w, k := vetted(t)
	sys := w.Start().Host().System
	forget := func(user string) error { return vet.Forget(t.Context(), sys, user, k.UUID) }
	if err := forget("ann"); !errors.Is(err, fault.ErrNotFound) {
		t.Errorf("nothing is kept: %v", err)
	}
	w.Files[k.UUID] = k.Clone()
	w.Named("gre1").Users = []string{"bob"}
	if err := forget("ann"); !errors.Is(err, fault.ErrNotPermitted) {
		t.Errorf("bob's: %v", err)
	}
	for _, user := range []string{"", "bob"} {
		if err := forget(user); err != nil {
			t.Errorf("by %q: %v", user, err)
		}
	}
	w.Profiles = nil
	if err := forget("ann"); err != nil {
		t.Errorf("an orphan: %v", err)
	}
}
