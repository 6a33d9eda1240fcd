package nm_test

import (
	"math/rand/v2"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"nmgre/nm"
	"nmgre/nm/nmcli"
	"nmgre/routes"
	"nmgre/routes/gre"
	"nmgre/testdata/want"
)

func TestDerivePeer(t *testing.T) {
	for _, test := range []struct{ own, want string }{
		{"172.16.0.1/30", "172.16.0.2"}, {"172.16.0.2/30", "172.16.0.1"}, {"172.16.0.0/30", ""}, {"172.16.0.3/30", ""}, {"172.16.0.9/30", "172.16.0.10"},
		{"172.16.0.0/31", "172.16.0.1"}, {"172.16.0.1/31", "172.16.0.0"}, {"255.255.255.255/31", "255.255.255.254"},
		{"172.16.0.1/32", ""}, {"172.16.0.1/29", ""}, {"172.16.0.1/24", ""},
		{"2001:db8::1/126", "2001:db8::2"}, {"2001:db8::2/126", "2001:db8::1"}, {"2001:db8::/126", ""}, {"2001:db8::3/126", ""},
		{"2001:db8::/127", "2001:db8::1"}, {"2001:db8::1/127", "2001:db8::"}, {"2001:db8::1/128", ""}, {"2001:db8::1/64", ""},
		// these prefix lengths leave no choice in IPv4 only
		{"2001:db8::1/30", ""}, {"2001:db8::1/31", ""},
	} {
		var expected netip.Addr
		if test.want != "" {
			expected = want.Addr(test.want)
		}
		if got := nm.DerivePeer(want.CIDRs(test.own)); got != expected {
			t.Errorf("DerivePeer(%s) = %v, want %v", test.own, got, expected)
		}
	}
	if got := nm.DerivePeer(nil); got.IsValid() {
		t.Errorf("DerivePeer(nil) = %s", got)
	}
	if got := nm.DerivePeer([]netip.Prefix{{}, want.CIDR("10.0.0.1/24"), want.CIDR("2001:db8::1/127"), want.CIDR("172.16.0.1/30")}); got != want.Addr("2001:db8::") {
		t.Errorf("the first network of two hosts counts; got %s", got)
	}
}

func TestFarEnd(t *testing.T) {
	near := nm.Tunnel{
		Name: "gre1", Mode: gre.ModeIP6GRE, Local: want.Addr("2001:db8:1::100"), Remote: want.Addr("2001:db8:2::100"), Parent: "eth0",
		InputKey: want.Ptr(gre.Key(1)), OutputKey: want.Ptr(gre.Key(2)), TOS: 16, NoPMTUD: true, EncapLimit: 6, FlowLabel: 7, Flags: gre.FlagUseOrigTClass, MTU: 1400,
		Addresses: want.CIDRs("2001:db8:9::1/64", "172.16.0.1/30"), PeerAddress: want.Addr("172.16.0.2"),
		Routes: []routes.Route{routes.MustParse("10.10.2.0/24")},
	}
	expected := nm.Tunnel{
		Mode: gre.ModeIP6GRE, Local: want.Addr("2001:db8:2::100"), Remote: want.Addr("2001:db8:1::100"), InputKey: want.Ptr(gre.Key(2)), OutputKey: want.Ptr(gre.Key(1)),
		TOS: 16, NoPMTUD: true, EncapLimit: 6, FlowLabel: 7, Flags: gre.FlagUseOrigTClass, MTU: 1400,
		Addresses: want.CIDRs("2001:db8:9::2/64", "172.16.0.2/30"), PeerAddress: want.Addr("172.16.0.1"), Routes: []routes.Route{routes.MustParse("10.10.1.0/24")}, Autoconnect: true,
	}
	far := near.FarEnd(want.CIDRs("10.10.1.1/24"))
	if !reflect.DeepEqual(far.Tunnel, expected) {
		t.Errorf("the far end is %+v, want %+v", far, expected)
	}
	*far.InputKey = 9
	if *near.OutputKey != 2 {
		t.Error("the far end's key is this end's")
	}
}

// The far end has an inner address in each network that it shares with this end, and routes to the
// addresses that this end alone has.
func TestFarEndAddresses(t *testing.T) {
	for _, test := range []struct{ own, peer, far string }{
		{"172.16.0.1/30", "172.16.0.2", "172.16.0.2/30 towards 172.16.0.1"},
		{"172.16.0.0/31", "172.16.0.1", "172.16.0.1/31 towards 172.16.0.0"},
		{"172.16.0.1/32", "172.16.0.2", "172.16.0.2/32 towards 172.16.0.1"},
		{"172.16.0.1/24", "172.16.0.77", "172.16.0.77/24 towards 172.16.0.1"},
		{"2001:db8::1/126", "2001:db8::2", "2001:db8::2/126 towards 2001:db8::1"},
		{"2001:db8::/127", "2001:db8::1", "2001:db8::1/127 towards 2001:db8::"},
		{"2001:db8::1/128", "2001:db8::2", "2001:db8::2/128 towards 2001:db8::1"},
		{"172.16.0.1/30", "", "172.16.0.2/30 towards 172.16.0.1"},
		// both families, and more than one network
		{"172.16.0.1/30 fd00::1/126", "172.16.0.2", "172.16.0.2/30 fd00::2/126 towards 172.16.0.1"},
		{"172.16.0.1/30 fd00::1/126", "fd00::2", "172.16.0.2/30 fd00::2/126 towards fd00::1"},
		{"172.16.0.1/30 172.17.0.1/30", "172.17.0.2", "172.16.0.2/30 172.17.0.2/30 towards 172.17.0.1"},
		{"172.16.0.1/24 172.16.0.9/24", "172.16.0.2", "172.16.0.2/24 towards 172.16.0.1"},
		{"172.16.0.1/30 fd00::1/64", "172.16.0.2", "172.16.0.2/30 fd00::2/64 towards 172.16.0.1; the far end may have any other address of fd00::/64: its line proposes fd00::2"},
		// several speakers behind one address
		{"169.254.10.1/29", "169.254.10.2 169.254.10.3", "169.254.10.2/29 169.254.10.3/29 towards 169.254.10.1"},
		{"172.16.0.1/32", "172.16.0.2 172.16.0.3", "172.16.0.2/32 172.16.0.3/32 towards 172.16.0.1"},
		// an address that nobody knows is proposed, and said
		{"172.16.4.1/24", "", "172.16.4.2/24 towards 172.16.4.1; the far end may have any other address of 172.16.4.0/24: its line proposes 172.16.4.2. Nothing is probed until this end knows the address: nmgre edit gre1 --peer-address 172.16.4.2"},
		{"172.16.4.254/24", "", "172.16.4.253/24 towards 172.16.4.254; the far end may have any other address of 172.16.4.0/24: its line proposes 172.16.4.253. Nothing is probed until this end knows the address: nmgre edit gre1 --peer-address 172.16.4.253"},
		{"172.16.0.1/32", "", "missing: the far end's inner address is not known; the far end's inner address beside 172.16.0.1/32 is not known: give it with --peer-address"},
		// addresses and networks that this end alone has
		{"172.16.0.1/30 10.9.9.1/32", "172.16.0.2", "172.16.0.2/30 towards 172.16.0.1, to 10.9.9.1"},
		{"203.0.113.1/30 172.16.0.1/30", "172.16.0.2", "172.16.0.2/30 towards 172.16.0.1, to 203.0.113.0/30"},
	} {
		near := nm.NewTunnel()
		near.Name, near.Local, near.Addresses = "gre1", want.Addr("100.0.1.100"), want.CIDRs(strings.Fields(test.own)...)
		var peers []netip.Addr
		for _, peer := range strings.Fields(test.peer) {
			peers = append(peers, want.Addr(peer))
		}
		near.SetPeers(peers)
		if got := farText(near.FarEnd(nil)); got != test.far {
			t.Errorf("%s towards %s: the far end has\n%s, want\n%s", test.own, test.peer, got, test.far)
		}
	}
}

// The gateway of this end's routes is the far end's address, in a network that has more than two
// hosts, too, and though another network names an inner address to probe.
func TestFarEndHasTheGateway(t *testing.T) {
	near := nm.NewTunnel()
	near.Name, near.Local, near.Addresses = "gre1", want.Addr("100.0.1.100"), want.CIDRs("172.16.3.1/29", "172.16.33.1/30")
	near.PeerAddress = want.Addr("172.16.33.2")
	near.Routes = []routes.Route{routes.MustParse("10.10.2.0/24 via 172.16.3.5")}
	want.Same(t, "the far end", farText(near.FarEnd(nil)), "172.16.3.5/29 172.16.33.2/30 towards 172.16.33.1")
	near.Routes = []routes.Route{routes.MustParse("10.10.2.0/24 via 172.16.3.1")} // as nmcli takes it
	want.Same(t, "with a gateway of its own", farText(near.FarEnd(nil)), "172.16.3.2/29 172.16.33.2/30 towards 172.16.33.1; the far end may have any other address of 172.16.3.0/29: its line proposes 172.16.3.2")
	near.Routes = []routes.Route{routes.MustParse("10.10.2.0/24 via 172.16.3.5")}
	near.Addresses, near.PeerAddress = near.Addresses[:1], netip.Addr{}
	want.Same(t, "alone", farText(near.FarEnd(nil)), "172.16.3.5/29 towards 172.16.3.1; the far end may have any other address of 172.16.3.0/29: its line proposes 172.16.3.5. Nothing is probed until this end knows the address: nmgre edit gre1 --peer-address 172.16.3.5")
}

// farText writes the far end's addresses, inner networks and notes, or why it is missing.
func farText(far nm.FarEnd) string {
	text := "missing: " + far.Missing
	if far.Missing == "" {
		texts := make([]string, len(far.Addresses))
		for i, p := range far.Addresses {
			texts[i] = p.String()
		}
		text = strings.Join(texts, " ") + " towards " + far.PeerAddress.String()
	}
	for _, r := range far.Routes {
		text += ", to " + r.String()
	}
	return strings.Join(append([]string{text}, far.Notes...), "; ")
}

// An Ethernet network may have other hosts, whose addresses nobody must take.
func TestFarEndOnEthernet(t *testing.T) {
	near := nm.NewTunnel()
	near.Mode, near.Local, near.Addresses = gre.ModeGRETAP, want.Addr("100.0.1.100"), want.CIDRs("172.16.4.1/24")
	far := near.FarEnd(nil)
	if len(far.Addresses) != 0 || len(far.Notes) != 1 || strings.Contains(far.CreateCommand(), "--address") {
		t.Errorf("the far end is %s, with the notes %q", far.CreateCommand(), far.Notes)
	}
	near.Addresses = want.CIDRs("172.16.4.1/30")
	want.Same(t, "the far end", near.FarEnd(nil).CreateCommand(), "nmgre create --mode gretap --peer 100.0.1.100 --address 172.16.4.2/30")
}

// The line is right or not there.
func TestFarEndWithoutACommand(t *testing.T) {
	near := nm.NewTunnel()
	near.Remote, near.Addresses = want.Addr("100.0.2.100"), want.CIDRs("172.16.0.1/30")
	for _, local := range []netip.Addr{{}, want.Addr("0.0.0.0")} {
		near.Local = local
		far := near.FarEnd(nil)
		if far.CreateCommand() != "" || nmcli.AddFar(far) != "" || len(far.IPCommands()) != 0 || len(far.Told()) != 1 {
			t.Errorf("from %s: %q, told %q", local, far.CreateCommand(), far.Told())
		}
	}
	// a tunnel to any far end has one that is its own choice
	near.Local, near.Remote = want.Addr("100.0.1.100"), want.Addr("0.0.0.0")
	want.Same(t, "the far end", near.FarEnd(nil).CreateCommand(), "nmgre create --peer 100.0.1.100 --address 172.16.0.2/30")
}

// The inner address to probe follows from the routes' gateway, then from the networks.
func TestChoosePeer(t *testing.T) {
	for _, test := range []struct{ own, route, peer, choices string }{
		{"172.16.0.1/30", "", "172.16.0.2", ""},
		{"172.16.0.1/30 172.17.0.1/30", "", "172.16.0.2", "172.16.0.2, 172.17.0.2"},
		{"172.16.0.1/30 172.17.0.1/30", "10.10.2.0/24 via 172.17.0.2", "172.17.0.2", ""},
		{"172.16.0.1/30 172.17.0.1/24", "10.10.2.0/24 via 172.17.0.77", "172.17.0.77", ""},
		{"172.16.0.1/30 172.17.0.1/24", "10.10.2.0/24 nexthop via 172.17.0.77 nexthop via 100.0.1.1 dev eth0", "172.17.0.77", ""},
		{"172.16.0.1/30", "10.10.2.0/24 via 192.0.2.1 onlink", "172.16.0.2", ""},
		{"172.16.0.1/30 fd00::1/126", "", "172.16.0.2", ""},
		{"203.0.113.1/30 172.16.0.1/30", "", "172.16.0.2", ""},
		{"203.0.113.1/30", "", "203.0.113.2", ""},
		{"172.16.0.1/24", "", "invalid IP", ""},
	} {
		tunnel := nm.NewTunnel()
		tunnel.Name, tunnel.Addresses = "gre1", want.CIDRs(strings.Fields(test.own)...)
		if test.route != "" {
			tunnel.Routes = []routes.Route{routes.MustParse(test.route)}
		}
		if peer, choices := tunnel.ChoosePeer().String(), nm.AddrTexts(tunnel.PeerChoices()); peer != test.peer || choices != test.choices {
			t.Errorf("%s, %s: %s of %q, want %s of %q", test.own, test.route, peer, choices, test.peer, test.choices)
		}
	}
}

// The far end's far end is this end again, in all settings on which both must agree.
func TestFarEndOfFarEnd(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		near := randomTunnel(random)
		again := near.FarEnd(want.CIDRs("10.10.1.0/24")).FarEnd(nil).Tunnel
		expected := near.Clone()
		expected.Name, expected.Parent, expected.Routes, expected.Autoconnect = "", "", nil, true
		if !reflect.DeepEqual(again, expected) {
			t.Fatalf("of\n%+v\nthe far end's far end is\n%+v", expected, again)
		}
		if err := near.Validate(); err != nil {
			t.Fatalf("%+v: %v", near, err)
		}
		if err := near.FarEnd(nil).Validate(); err != nil {
			t.Fatalf("the far end of a possible tunnel is not possible: %v\n%+v", err, near)
		}
	}
}

// randomTunnel returns a tunnel without problems, with one inner address.
func randomTunnel(r *rand.Rand) nm.Tunnel {
	t := nm.NewTunnel()
	t.Name, t.Mode, t.TTL, t.TOS = "gre1", gre.Modes[r.IntN(len(gre.Modes))], uint8(r.IntN(256)), uint8(r.IntN(256))
	t.NoPMTUD = t.TTL == 0 && r.IntN(2) == 0
	t.Local, t.Remote = want.Addr("100.0.1.100"), want.Addr("100.0.2.100")
	if t.Mode.IPv6Outer() {
		t.Local, t.Remote, t.EncapLimit, t.FlowLabel = want.Addr("2001:db8:1::100"), want.Addr("2001:db8:2::100"), uint8(r.IntN(256)), uint32(r.IntN(1<<20))
	}
	if r.IntN(2) == 0 {
		t.InputKey = want.Ptr(gre.Key(r.Uint32()))
	}
	if r.IntN(2) == 0 {
		t.OutputKey = want.Ptr(gre.Key(r.Uint32()))
	}
	if r.IntN(2) == 0 {
		t.MTU = 1280 + uint32(r.IntN(8000))
	}
	networks := []struct{ own, peer string }{
		{"172.16.0.1/30", "172.16.0.2"}, {"172.16.0.2/30", "172.16.0.1"}, {"172.16.0.0/31", "172.16.0.1"}, {"172.16.0.1/31", "172.16.0.0"},
		{"172.16.0.1/32", "172.16.0.2"}, {"172.16.0.1/24", "172.16.0.9"}, {"2001:db8:9::1/126", "2001:db8:9::2"}, {"2001:db8:9::/127", "2001:db8:9::1"},
		{"2001:db8:9::1/128", "2001:db8:9::2"}, {"2001:db8:9::1/64", "2001:db8:9::ff"},
	}
	n := networks[r.IntN(len(networks))]
	t.Addresses, t.PeerAddress = want.CIDRs(n.own), want.Addr(n.peer)
	t.Routes = []routes.Route{{Dst: want.CIDR("10.10.2.0/24")}}
	if t.PeerAddress.Is6() {
		t.Routes = []routes.Route{{Dst: want.CIDR("2001:db8:10::/48")}}
	}
	return t
}
