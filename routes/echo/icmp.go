package echo

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"nmgre/routes/kernel"
	"nmgre/routes/packet"
)

// Message types of echoes: ICMP (RFC 792) and ICMPv6 (RFC 4443).
const (
	echoReply4, echoRequest4 = 0, 8
	echoRequest6, echoReply6 = 128, 129
)

// Lengths in bytes, and IP protocol numbers.
const (
	ipHeader4, ipHeader6 = 20, 40
	icmpHeader           = 8
	nonceSize            = 16
	maxSize              = 65535

	protocolICMP   = 1
	protocolICMPv6 = 58
)

// maxRefusals bounds how many different ICMP errors are remembered.
const maxRefusals = 16

// echoes is a series of echo requests with the answers to them. It knows packets but no socket.
type echoes struct {
	to netip.Addr
	id uint16 // the identifier of all requests; the kernel chooses a ping socket's
	// The payload of each request. Nobody else knows it, so an answer with it answers us.
	nonce [nonceSize]byte
	// padding is how many bytes of zero follow the nonce.
	padding int

	sentAt   []time.Time // by sequence number less one
	answered []bool
	result   kernel.ProbeResult
}

func (e *echoes) v6() bool { return e.to.Is6() }

// smallest is the size of an IP packet with a request without padding, in bytes.
func smallest(to netip.Addr) int {
	if to.Is6() {
		return ipHeader6 + icmpHeader + nonceSize
	}
	return ipHeader4 + icmpHeader + nonceSize
}

// next returns the next echo request and counts it as sent at the time now.
func (e *echoes) next(now time.Time) []byte {
	e.sentAt, e.answered = append(e.sentAt, now), append(e.answered, false)
	e.result.Sent++
	kind := byte(echoRequest4)
	if e.v6() {
		kind = echoRequest6
	}
	b := []byte{kind, 0, 0, 0}
	b = binary.BigEndian.AppendUint16(b, e.id)
	b = binary.BigEndian.AppendUint16(b, uint16(len(e.sentAt)))
	b = append(b, e.nonce[:]...)
	b = append(b, make([]byte, e.padding)...)
	if !e.v6() { // ICMPv6 has the addresses in its checksum: the kernel computes it
		binary.BigEndian.PutUint16(b[2:], checksum(b))
	}
	return b
}

// unsent forgets the last request, which did not leave.
func (e *echoes) unsent() {
	e.sentAt, e.answered = e.sentAt[:len(e.sentAt)-1], e.answered[:len(e.answered)-1]
	e.result.Sent--
}

// checksum is the Internet checksum (RFC 1071) of b. An odd byte at its end counts as if a zero
// followed it.
func checksum(b []byte) uint16 {
	var sum uint32
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

// receive takes an ICMP message that came from an address. It ignores messages that are not about
// this series: a raw socket gets a copy of all the host's ICMP traffic.
func (e *echoes) receive(message []byte, from netip.Addr, now time.Time) {
	if len(message) < icmpHeader {
		return
	}
	kind, code := message[0], message[1]
	reply := byte(echoReply4)
	if e.v6() {
		reply = echoReply6
	}
	switch {
	case kind == reply:
		e.answer(message, from, now)
	case e.isError(kind) && e.quotes(message[icmpHeader:]):
		e.refused(e.v6(), kind, code, errorInfo(e.v6(), message), from)
	}
}

// answer takes an echo reply. It counts if it came from the address that was asked, has our
// payload, and answers a request that has no answer yet.
func (e *echoes) answer(message []byte, from netip.Addr, now time.Time) {
	seq, ours := e.sequence(message)
	whole := len(message) == icmpHeader+nonceSize+e.padding
	if !ours || !whole || from.WithZone("") != e.to.WithZone("") || e.answered[seq-1] {
		return
	}
	e.answered[seq-1] = true
	e.result.Received++
	e.result.RTT = append(e.result.RTT, now.Sub(e.sentAt[seq-1]))
}

// sequence returns the sequence number of an echo message, and whether the message is one of ours.
// A quoted message may be cut: then as much of the payload as is left has to match.
func (e *echoes) sequence(message []byte) (seq int, ours bool) {
	if len(message) < icmpHeader || binary.BigEndian.Uint16(message[4:]) != e.id {
		return 0, false
	}
	seq = int(binary.BigEndian.Uint16(message[6:]))
	payload := message[icmpHeader:]
	size := min(len(payload), nonceSize)
	return seq, seq >= 1 && seq <= len(e.sentAt) && bytes.Equal(payload[:size], e.nonce[:size])
}

// isError reports whether messages of this type quote the packet that caused them.
func (e *echoes) isError(kind byte) bool {
	if e.v6() {
		return kind >= kernel.ICMP6Unreachable && kind <= kernel.ICMP6ParameterProblem
	}
	return kind == kernel.ICMPUnreachable || kind == kernel.ICMPTimeExceeded || kind == kernel.ICMPParameterProblem
}

// quotes reports whether an IP packet, which may be cut, is one of our requests.
func (e *echoes) quotes(b []byte) bool {
	protocol := uint8(protocolICMP)
	if e.v6() {
		protocol = protocolICMPv6
	}
	ip, err := packet.ParseIP(b)
	return err == nil && ip.Protocol == protocol && ip.To == e.to.WithZone("") && e.isRequest(ip.Payload)
}

// isRequest reports whether an ICMP message, which may be cut, is one of our requests.
func (e *echoes) isRequest(message []byte) bool {
	request := byte(echoRequest4)
	if e.v6() {
		request = echoRequest6
	}
	_, ours := e.sequence(message)
	return ours && message[0] == request
}

// note notes an error from a socket's queue.
func (e *echoes) note(q QueuedError) {
	if q.Local {
		e.refuse(localWords(q.Errno), netip.Addr{})
		return
	}
	e.refused(q.V6, q.Type, q.Code, q.Info, q.By)
}

// refused notes an ICMP error. Its sender may be unknown.
func (e *echoes) refused(v6 bool, kind, code uint8, info uint32, from netip.Addr) {
	from = from.WithZone("")
	e.refuse(kernel.ICMPWords(v6, kind, code, info), from)
	told := kernel.ICMPError{By: from, Type: kind, Code: code}
	if told.Meaning() == kernel.TooBig {
		told.MTU = int(info)
	}
	if from.IsValid() && len(e.result.Errors) < maxRefusals && !slices.ContainsFunc(e.result.Errors, told.Like) {
		e.result.Errors = append(e.result.Errors, told)
	}
}

// refuse notes an ICMP error, and the same words only once.
func (e *echoes) refuse(words string, from netip.Addr) {
	if from.IsValid() {
		words += ", from " + from.WithZone("").String()
	}
	if len(e.result.Refusals) < maxRefusals && !slices.Contains(e.result.Refusals, words) {
		e.result.Refusals = append(e.result.Refusals, words)
	}
}

// errorInfo returns the number in an ICMP error's header. When a packet was too big, it is the MTU
// in bytes.
func errorInfo(v6 bool, message []byte) uint32 {
	if v6 {
		return binary.BigEndian.Uint32(message[4:])
	}
	return uint32(binary.BigEndian.Uint16(message[6:]))
}
