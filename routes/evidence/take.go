package evidence

import (
	"encoding/binary"
	"errors"
	"math"
	"net/netip"

	"golang.org/x/sys/unix"

	"nmgre/routes/echo"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
	"nmgre/routes/packet"
)

// take notes a message that a socket has received, whose length may be more than its bytes.
func (t *tap) take(b []byte, length int, ancillary []byte, from unix.Sockaddr) {
	switch from := from.(type) {
	case *unix.SockaddrLinklayer:
		if p, ok := outerPacket(b); ok && from.Pkttype == unix.PACKET_OUTGOING {
			t.heard.leaves(p)
		} else if ok {
			t.heard.arrives(p)
		}
	case *unix.SockaddrInet4:
		if p, ok := outerPacket(b); ok {
			t.heard.accepted(p)
		}
	case *unix.SockaddrInet6:
		p := grePacket(b)
		p.From, p.Bytes = netip.AddrFrom16(from.Addr), ip6Header+length
		addAncillary(&p, ancillary)
		t.heard.accepted(p)
	}
}

// outerPacket reads a packet from its outer IP header on. It must be GRE.
func outerPacket(b []byte) (kernel.Packet, bool) {
	ip, err := packet.ParseIP(b)
	if err != nil || ip.Protocol != unix.IPPROTO_GRE {
		return kernel.Packet{}, false
	}
	p := grePacket(ip.Payload)
	p.From, p.To, p.TTL, p.Bytes = ip.From, ip.To, ip.TTL, ip.Bytes
	return p, true
}

// grePacket reads a packet from its GRE header on. Of a header that is not valid it has what comes
// before the fault.
func grePacket(b []byte) kernel.Packet {
	h, err := gre.ParseHeader(b)
	return kernel.Packet{Header: h, Cut: errors.Is(err, gre.ErrCut)}
}

// addAncillary adds what a raw socket of IPv6 says about a packet's outer header.
func addAncillary(p *kernel.Packet, ancillary []byte) {
	messages, err := unix.ParseSocketControlMessage(ancillary)
	if err != nil {
		return
	}
	for _, m := range messages {
		if m.Header.Level != unix.IPPROTO_IPV6 {
			continue
		}
		switch {
		case m.Header.Type == unix.IPV6_PKTINFO && len(m.Data) >= 16:
			p.To = netip.AddrFrom16([16]byte(m.Data))
		case m.Header.Type == unix.IPV6_HOPLIMIT && len(m.Data) >= 4:
			p.TTL = uint8(binary.NativeEndian.Uint32(m.Data))
		case m.Header.Type == unix.IPV6_DSTOPTS:
			p.Bytes += len(m.Data)
		}
	}
}

// takeError notes a message from the error queue: the quoted packet, and the error about it.
func (t *tap) takeError(quoted, ancillary []byte) {
	p, ok := outerPacket(quoted)
	if !ok {
		return
	}
	for _, q := range echo.QueuedErrors(ancillary) {
		if q.Local {
			continue
		}
		e := kernel.ICMPError{By: q.By, Type: q.Type, Code: q.Code, Quoted: p}
		if q.V6 && q.Type == kernel.ICMP6PacketTooBig || !q.V6 && q.Type == kernel.ICMPUnreachable && q.Code == kernel.ICMPFragmentationNeeded {
			e.MTU = int(min(q.Info, math.MaxInt32))
		}
		t.heard.error(e)
	}
}
