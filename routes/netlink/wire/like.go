package wire

import (
	"bytes"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Like recognises the messages about routes that differ from one route in the destination alone. A
// kernel tells very many routes so, and reading each of them as a whole takes most of the time. The
// zero Like recognises none.
type Like struct {
	body []byte // of the message about the one route
	at   int    // where the address of its destination is in body
	size int    // of that address, in bytes
}

// Set makes l recognise the messages like body, which [ParseRoute] has read. It recognises none
// where the destination is not told once. It keeps a copy of body.
func (l *Like) Set(body []byte) {
	l.size = 0
	a := attributes{rest: body[unix.SizeofRtMsg:]}
	for begin := unix.SizeofRtMsg; a.next(); begin = len(body) - len(a.rest) {
		if a.kind != unix.RTA_DST {
			continue
		}
		if l.size != 0 {
			l.size = 0
			return
		}
		l.at, l.size = begin+unix.SizeofRtAttr, len(a.value)
	}
	l.body = append(l.body[:0], body...)
}

// Dst returns the destination that a message tells, if the message is like l in everything else.
// The length of a destination is a part of it.
func (l *Like) Dst(body []byte) (dst netip.Prefix, ok bool) {
	if l.size == 0 || len(body) != len(l.body) || body[0] != l.body[0] {
		return dst, false
	}
	end := l.at + l.size
	if !bytes.Equal(body[2:l.at], l.body[2:l.at]) || !bytes.Equal(body[end:], l.body[end:]) {
		return dst, false
	}
	addr, _ := netip.AddrFromSlice(body[l.at:end])
	dst = netip.PrefixFrom(addr, int(body[1]))
	return dst, dst.IsValid() && dst == dst.Masked()
}
