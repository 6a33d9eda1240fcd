package nmgre_test

import (
	"net/netip"
	"strings"
	"testing"

	"nmgre/nm"
	"nmgre/nm/nmcli"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
	"nmgre/testdata/fake"
	"nmgre/testdata/want"
)

// The far end's command is right, or it is not there and the reason is.
func TestFarEndsCommand(t *testing.T) {
	handMade := func(change func(*kernel.GRELink)) func(*fake.World, *nm.Tunnel) {
		return func(w *fake.World, _ *nm.Tunnel) {
			g := &kernel.GRELink{Mode: gre.ModeGRE, Local: want.Addr("100.0.1.100"), Remote: want.Addr("100.0.2.100")}
			change(g)
			w.AddLink(kernel.Link{Name: "gre7", Up: true, GRE: g})
		}
	}
	const plain = "nmgre create --peer 100.0.1.100 --local 100.0.2.100 --address 172.16.0.2/30 --route 10.10.1.0/24"
	withOption := func(name string) string { return strings.Replace(plain, " --route", " --"+name+" --route", 1) }
	for _, test := range []struct {
		name   string
		change func(w *fake.World, near *nm.Tunnel)
		want   string
		told   string // one of the notes
	}{
		{"as it is", func(*fake.World, *nm.Tunnel) {}, plain, ""},
		{"the local address of a rule", func(_ *fake.World, near *nm.Tunnel) { near.Local = want.Addr("0.0.0.0") }, plain, "this end has no address of its own (--local any): the far end's line names the present one, 100.0.1.100;"},
		{"two networks of the underlay", func(w *fake.World, near *nm.Tunnel) {
			w.AddLink(kernel.Link{Name: "eth7", Up: true, Addresses: want.CIDRs("192.0.2.7/24", "198.51.100.7/24")})
			near.Local = want.Addr("192.0.2.7")
		}, "nmgre create --peer 192.0.2.7 --local 100.0.2.100 --address 172.16.0.2/30 --route 10.10.1.0/24 --route 198.51.100.0/24", ""},
		{"an uplink from which another tunnel leaves", func(w *fake.World, _ *nm.Tunnel) {
			w.AddLink(kernel.Link{Name: "eth7", Up: true, Addresses: want.CIDRs("192.0.2.7/24", "198.51.100.7/24")})
			w.AddLink(kernel.Link{Name: "gre8", Up: true, GRE: &kernel.GRELink{Mode: gre.ModeGRE, Local: want.Addr("192.0.2.7"), Remote: want.Addr("100.0.2.101")}})
		}, plain + " --route 198.51.100.0/24", ""},
		{"an uplink by which packets to the far end leave at a higher metric", func(w *fake.World, _ *nm.Tunnel) {
			w.AddLink(kernel.Link{Name: "eth7", Up: true, Addresses: want.CIDRs("192.0.2.7/24", "198.51.100.7/24")})
			w.AddRoute("eth7", "default via 192.0.2.1 metric 900", 4)
		}, plain + " --route 198.51.100.0/24", "no route leads back to 192.0.2.0/24 on eth7, an uplink by the gateway 192.0.2.1; where it is a LAN of yours, add --route 192.0.2.0/24"},
		{"nothing but the tunnel leads there", func(w *fake.World, near *nm.Tunnel) {
			w.RemoveRoutes("0.0.0.0/0")
			w.AddLink(kernel.Link{Name: "gre7", Up: true, Addresses: near.Addresses, GRE: &kernel.GRELink{Mode: gre.ModeGRE, Remote: near.Remote}})
			w.AddRoute("gre7", "default", 4)
			near.Local = want.Addr("0.0.0.0")
		}, "", "there is no command for the far end: this end's outer address is not known"},
		{"the far end in an own network", func(w *fake.World, _ *nm.Tunnel) {
			w.AddLink(kernel.Link{Name: "eth7", Up: true, Addresses: want.CIDRs("100.0.2.7/24")})
		}, plain, ""},
		{"private", func(w *fake.World, near *nm.Tunnel) {
			w.AddLink(kernel.Link{Name: "eth7", Up: true, Addresses: want.CIDRs("192.168.7.7/24")})
			near.Local = want.Addr("192.168.7.7")
		}, "nmgre create --peer 192.168.7.7 --local 100.0.2.100 --address 172.16.0.2/30 --route 10.10.1.0/24", "192.168.7.7 is a private address: behind NAT the far end uses the public one"},
		{"bound to a device", func(_ *fake.World, near *nm.Tunnel) { near.Parent = "eth0" }, plain, "this end is bound to eth0; whether the far end is bound"},
		{"to any far end", func(_ *fake.World, near *nm.Tunnel) { near.Remote = want.Addr("0.0.0.0") },
			"nmgre create --peer 100.0.1.100 --address 172.16.0.2/30 --route 10.10.1.0/24", ""},
		{"from any to any", func(_ *fake.World, near *nm.Tunnel) {
			near.Local, near.Remote = want.Addr("0.0.0.0"), want.Addr("0.0.0.0")
		}, "", "there is no command for the far end: this end's outer address is not known"},
		{"checksums", handMade(func(g *kernel.GRELink) { g.Checksum = true }), withOption("checksum"), ""},
		{"sequence numbers", handMade(func(g *kernel.GRELink) { g.Sequence = true }), withOption("sequence"), ""},
		{"both", handMade(func(g *kernel.GRELink) { g.Checksum, g.Sequence = true, true }), withOption("checksum --sequence"), ""},
		{"one direction", handMade(func(g *kernel.GRELink) { g.Checksum, g.OneWay = true, true }), "", "in one direction only, which nmgre cannot make"},
		{"ignore-df", handMade(func(g *kernel.GRELink) { g.IgnoreDF = true }), plain, "ignore-df"},
		{"external", handMade(func(g *kernel.GRELink) { g.External = true }), "", "from routes or a bridge"},
		{"several inner addresses", func(_ *fake.World, near *nm.Tunnel) {
			near.Addresses = want.CIDRs("169.254.10.1/29")
			near.SetPeers([]netip.Addr{want.Addr("169.254.10.2"), want.Addr("169.254.10.3")})
		}, "nmgre create --peer 100.0.1.100 --local 100.0.2.100 --address 169.254.10.2/29 --address 169.254.10.3/29 --peer-address 169.254.10.1 --route 10.10.1.0/24", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := fake.NewWorld()
			near := nm.NewTunnel()
			near.Name, near.Local, near.Remote, near.Addresses = "gre7", want.Addr("100.0.1.100"), want.Addr("100.0.2.100"), want.CIDRs("172.16.0.1/30")
			near.PeerAddress = want.Addr("172.16.0.2")
			test.change(w, &near)
			far, err := w.Start().Host().FarEnd(t.Context(), near)
			if err != nil {
				t.Fatal(err)
			}
			want.Same(t, "the far end", far.CreateCommand(), test.want)
			if told := strings.Join(far.Told(), "\n"); !strings.Contains(told, test.told) || test.told == "" && told != "" {
				t.Errorf("told %q, want %q", told, test.told)
			}
		})
	}
}

// ip can make a link with options that NetworkManager cannot hold: the far end's gets the same
// words.
func TestFarEndByIP(t *testing.T) {
	w := fake.NewWorld()
	g := &kernel.GRELink{Mode: gre.ModeGRE, Local: want.Addr("100.0.1.100"), Remote: want.Addr("100.0.2.100"), Checksum: true, Sequence: true}
	w.AddLink(kernel.Link{Name: "gre7", Up: true, GRE: g})
	near := nm.NewTunnel()
	near.Name, near.Local, near.Remote, near.Addresses = "gre7", g.Local, g.Remote, want.CIDRs("172.16.0.1/30")
	far, err := w.Start().Host().FarEnd(t.Context(), near)
	if err != nil {
		t.Fatal(err)
	}
	far.Name = "gre1"
	want.Same(t, "ip", far.IPCommands()[0], "ip link add name gre1 type gre remote 100.0.1.100 local 100.0.2.100 ttl 64 csum seq")
	want.Same(t, "nmcli", nmcli.AddFar(far), "")
}

// A link-local outer address has its device, so the far end's line needs none.
func TestLinkLocalOuterAddresses(t *testing.T) {
	w := fake.NewWorld()
	w.AddLink(kernel.Link{Name: "eth7", Up: true, Addresses: want.CIDRs("fe80::2/64")})
	near := nm.NewTunnel()
	near.Mode, near.Local, near.Remote, near.Addresses = gre.ModeIP6GRE, want.Addr("fe80::2"), want.Addr("fe80::b"), want.CIDRs("172.16.0.1/30")
	if err := near.Validate(); err != nil {
		t.Fatal(err)
	}
	planned, err := w.Start().Host().Plan(t.Context(), near)
	if err != nil {
		t.Fatal(err)
	}
	if planned.Tunnel.Parent != "eth7" || !strings.Contains(strings.Join(planned.Notes, "\n"), "the tunnel is bound to eth7, the device that has fe80::2") {
		t.Errorf("bound to %q: %q", planned.Tunnel.Parent, planned.Notes)
	}
	w.AddLink(kernel.Link{Name: "eth8", Up: true, Addresses: want.CIDRs("fe80::2/64")})
	if _, err = w.Start().Host().Plan(t.Context(), near); err == nil || !strings.Contains(err.Error(), "parent: several devices have the link-local address fe80::2: eth7, eth8") {
		t.Errorf("with two such devices: %v", err)
	}
	near.Local = want.Addr("2001:db8:1::100")
	if err := near.Validate(); err == nil || !strings.Contains(err.Error(), "ambiguous without a device") {
		t.Errorf("from a global address: %v", err)
	}
}
