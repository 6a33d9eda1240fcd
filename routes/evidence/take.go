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
	extras := parseAncillary(ancillary)
	if extras.dropped {
		t.ear.missing()
	}
	switch from := from.(type) {
	case *unix.SockaddrLinklayer:
		if p, ok := outerPacket(b); ok && from.Pkttype == unix.PACKET_OUTGOING {
			t.ear.leaves(p)
		} else if ok {
			p.Index = from.Ifindex
			t.ear.arrives(p)
		}
	case *unix.SockaddrInet4:
		if p, ok := outerPacket(b); ok {
			t.ear.accepted(p)
		}
	case *unix.SockaddrInet6:
		p := grePacket(b)
		p.From, p.To, p.TTL, p.Bytes = netip.AddrFrom16(from.Addr), extras.to, extras.hopLimit, ip6Header+extras.options+length
		t.ear.accepted(p)
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

// grePacket reads a packet from its GRE header on. A header that is not valid is read up to its
// fault.
func grePacket(b []byte) kernel.Packet {
	h, err := gre.ParseHeader(b)
	return kernel.Packet{Header: h, Cut: errors.Is(err, gre.ErrCut)}
}

// ancillaryData is a socket's word about a packet besides its bytes. Only a raw socket of IPv6
// tells of the outer header.
type ancillaryData struct {
	dropped  bool // packets before this one were dropped, as the socket's buffer was full
	to       netip.Addr
	hopLimit uint8
	options  int // the length of the destination options, in bytes
}

func parseAncillary(b []byte) (a ancillaryData) {
	if len(b) == 0 {
		return a
	}
	messages, err := unix.ParseSocketControlMessage(b)
	if err != nil {
		return a
	}
	for _, m := range messages {
		of := func(level, kind int32, size int) bool {
			return m.Header.Level == level && m.Header.Type == kind && len(m.Data) >= size
		}
		switch {
		case of(unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 4):
			a.dropped = true
		case of(unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, 16):
			a.to = netip.AddrFrom16([16]byte(m.Data))
		case of(unix.IPPROTO_IPV6, unix.IPV6_HOPLIMIT, 4):
			a.hopLimit = uint8(binary.NativeEndian.Uint32(m.Data))
		case of(unix.IPPROTO_IPV6, unix.IPV6_DSTOPTS, 0):
			a.options += len(m.Data)
		}
	}
	return a
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
		t.ear.error(e)
	}
}
