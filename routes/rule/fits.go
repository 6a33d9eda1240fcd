package rule

import "net/netip"

// Packet is a packet as the rules see it.
type Packet struct {
	From, To netip.Addr // the zero Addr for one that is not known: it is in no network
	IIF      string     // the device that it comes in by; lo for this host's own packets
	OIF      string     // the device that its socket is bound to; empty for none
	Mark     uint32
	UID      uint32
	IPProto  uint8
	TOS      uint8
	SPort    uint16
	DPort    uint16
}

// Fits reports whether the rule is for a packet.
func (r Rule) Fits(p Packet) bool {
	if p.To.IsValid() && p.To.Is4() == r.IPv6 {
		return false
	}
	in := func(n netip.Prefix, a netip.Addr) bool { return !n.IsValid() || a.IsValid() && n.Contains(a) }
	is := func(condition, value string) bool { return condition == "" || condition == value }
	fits := in(r.From, p.From) && in(r.To, p.To) && is(r.IIF, p.IIF) && is(r.OIF, p.OIF) && (p.Mark^r.Mark)&r.Mask == 0 &&
		(!r.UIDs.Set || p.IIF == "lo" && p.UID >= r.UIDs.First && p.UID <= r.UIDs.Last) && (r.IPProto == 0 || r.IPProto == p.IPProto) &&
		(r.TOS == 0 || r.TOS == p.TOS) && r.SPort.has(p.SPort) && r.DPort.has(p.DPort)
	return fits != r.Not
}

func (p Ports) has(port uint16) bool { return p.First == 0 || port >= p.First && port <= p.Last }

// Sample returns a packet that the rule is for, if it is not for all others but some.
func (r Rule) Sample() Packet {
	return Packet{From: r.From.Addr(), To: r.To.Addr(), IIF: r.IIF, OIF: r.OIF, Mark: r.Mark, UID: r.UIDs.First, IPProto: r.IPProto, TOS: r.TOS,
		SPort: r.SPort.First, DPort: r.DPort.First}
}
