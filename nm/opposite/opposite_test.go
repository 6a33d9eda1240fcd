package opposite_test

import (
	"net/netip"
	"testing"

	"nmgre/nm"
	"nmgre/nm/opposite"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
	"nmgre/testdata/want"
)

// The far end's line has this host's facts: the network behind this end, the options of the link
// that is there, and an MTU that fits. The network of the way to the far end is no part of it.
func TestEnd(t *testing.T) {
	near := nm.NewTunnel()
	near.Name, near.Remote, near.MTU, near.Addresses = "gre1", want.Addr("100.0.2.100"), 1476, want.CIDRs("172.16.0.1/30")
	links := []kernel.Link{
		{Index: 2, Name: "eth0", Up: true, Addresses: want.CIDRs("100.0.1.100/24")},
		{Index: 3, Name: "eth1", Up: true, Addresses: want.CIDRs("10.10.1.1/24")},
		{Index: 4, Name: "gre1", Up: true, GRE: &kernel.GRELink{Mode: gre.ModeGRE}, Addresses: want.CIDRs("172.16.0.1/30")},
	}
	hop := kernel.Hop{Dev: "eth0", Via: want.Addr("100.0.1.1"), Src: want.Addr("100.0.1.100"), MTU: 1500}
	const begin, end = "nmgre create --peer 100.0.1.100 --local 100.0.2.100 --address 172.16.0.2/30", " --route 10.10.1.0/24"
	want.Same(t, "the line", opposite.End(links, hop, near, 1476).CreateCommand(), begin+" --mtu 1476"+end)
	want.Same(t, "where the way is not known", opposite.End(links, hop, near, 0).CreateCommand(), begin+" --mtu 1476"+end)
	want.Same(t, "where less fits", opposite.End(links, hop, near, 1400).CreateCommand(), begin+end)
	links[2].GRE.Checksum = true
	want.Same(t, "with checksums", opposite.End(links, hop, near, 1400).CreateCommand(), begin+" --checksum"+end)
	vrf := append(links[:3:3], kernel.Link{Index: 5, Name: "red", Kind: "vrf", Up: true}, kernel.Link{Index: 6, Name: "eth6", Up: true, Controller: 5, Addresses: want.CIDRs("10.66.0.1/24")})
	want.Same(t, "beside a VRF", opposite.End(vrf, hop, near, 1400).CreateCommand(), begin+" --checksum"+end)
	vrf[2].Controller = 5
	want.Same(t, "in a VRF", opposite.End(vrf, hop, near, 1400).CreateCommand(), begin+" --checksum --route 10.66.0.0/24")
	open := near
	open.Remote, open.Local = netip.IPv4Unspecified(), want.Addr("100.0.1.100")
	links[0].Addresses = want.CIDRs("100.0.1.100/24", "100.0.7.1/24")
	want.Same(t, "without a far end", opposite.End(links, kernel.Hop{}, open, 0).CreateCommand(), "nmgre create --peer 100.0.1.100 --address 172.16.0.2/30 --mtu 1476 --checksum"+end)
	open.Mode = gre.ModeGRETAP
	want.Same(t, "without one, with Ethernet inside", opposite.End(links, kernel.Hop{}, open, 0).Missing, "the tunnel has none, and the kernel makes no gretap link without one")
	links[2].GRE.External = true
	want.Same(t, "of a link without a far end of its own", opposite.End(links, hop, near, 0).CreateCommand(), "")
}
