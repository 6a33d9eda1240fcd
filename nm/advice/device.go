package advice

import (
	"fmt"
	"net/netip"
	"slices"

	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
)

// Device returns the notes about the tunnel's device. before is the tunnel that is edited, of which
// nothing is said again; the zero Tunnel for a new one. path is how many bytes fit on the way to
// the far end, 0 where that is not known.
func Device(t, before nm.Tunnel, path int) []string {
	var notes []string
	if t.TTL == 0 && (before.TTL != 0 || before.Mode == 0) {
		notes = append(notes, ttlNote(t))
	}
	if t.Controller != "" && (t.Controller != before.Controller || t.MTU != before.MTU || t.Link.IgnoreDF != before.Link.IgnoreDF) {
		notes = append(notes, portNote(t, path)...)
	}
	if lacksLinkLocal(t) && !lacksLinkLocal(before) {
		notes = append(notes, "the tunnel has no IPv6 link-local address, which babeld, RIPng, OSPFv3 and PIM over IPv6 need to begin: they get one by --address fe80::1/64 here, and another one such as fe80::2/64 at the far end")
	}
	return notes
}

// lacksLinkLocal says whether a tunnel for routing protocols has no IPv6 at all: NetworkManager
// sets no link-local address then.
func lacksLinkLocal(t nm.Tunnel) bool {
	return t.Link.Multicast && t.Controller == "" && !slices.ContainsFunc(t.Addresses, func(a netip.Prefix) bool { return a.Addr().Is6() })
}

// ttlNote tells the price of a TTL that is copied from the inner packet.
func ttlNote(t nm.Tunnel) string {
	note := "the outer TTL is the inner packet's (ttl inherit): what protocols send with TTL 1, such as the hellos of OSPF and RIP, does not pass the first router on the way"
	if t.Link.IgnoreDF {
		note += "; --ignore-df needs it: NetworkManager has a fixed TTL only with path MTU discovery"
	}
	return note
}

// portNote says which frames the port of a bridge carries. A bridge drops frames that are larger
// than a port's MTU, and tells the sender nothing.
func portNote(t nm.Tunnel, path int) []string {
	bridge := fault.Printable(t.Controller)
	if path == 0 || int(t.MTU) >= path || t.MTU == 0 {
		return nil
	}
	note := fmt.Sprintf("the bridge %s gets the smallest MTU of its ports, %d: hosts of its network that send packets of %d bytes lose them. Give these hosts an MTU of %[2]d", bridge, t.MTU, path)
	if !t.Mode.IPv6Outer() { // over IPv6 the link has no such option
		note += ", or add --ignore-df, which NetworkManager cannot set and nmgre keeps: then larger frames go out in fragments"
	}
	return []string{note}
}

// MTU says how the MTU was computed. fits is the largest packet that goes out whole.
func MTU(t nm.Tunnel, e gre.Encapsulation, hop kernel.Hop) string {
	path := hop.LastingMTU()
	way := fmt.Sprintf("on the way to %s by %s", t.Remote, fault.Printable(hop.Dev))
	if fits := e.MTU(path); int(t.MTU) > fits {
		return fmt.Sprintf("MTU %d: as %s, since the DF bit is ignored (ignore-df); frames with packets above %s go out in fragments", t.MTU, way, e.Arithmetic(path))
	}
	return fmt.Sprintf("MTU %d: %s, %s", t.MTU, e.Arithmetic(path), way)
}
