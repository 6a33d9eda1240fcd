package echo

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// QueuedError is an error from the error queue of a socket (IP_RECVERR in ip(7)).
type QueuedError struct {
	// Local says that this host's kernel refused the packet. Then there is only Errno.
	Local      bool
	Errno      unix.Errno
	V6         bool // an ICMPv6 error, or else an ICMP error
	Type, Code uint8
	Info       uint32     // the MTU in bytes, when a packet was too big
	By         netip.Addr // who sent the error; the zero Addr if the kernel does not say
}

// Offsets and size of struct sock_extended_err (linux/errqueue.h), in bytes. The address of the
// error's sender follows it.
const (
	extendedErrno  = 0
	extendedOrigin = 4
	extendedType   = 5
	extendedCode   = 6
	extendedInfo   = 8
	extendedSize   = 16
)

// QueuedErrors returns the errors in the ancillary data of a message from an error queue. Errors of
// other origins, and those that are cut off, are left out.
func QueuedErrors(ancillary []byte) []QueuedError {
	messages, err := unix.ParseSocketControlMessage(ancillary)
	if err != nil {
		return nil
	}
	var list []QueuedError
	for _, m := range messages {
		ip4 := m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_RECVERR
		ip6 := m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_RECVERR
		if (ip4 || ip6) && len(m.Data) >= extendedSize {
			if q, known := queuedError(m.Data); known {
				list = append(list, q)
			}
		}
	}
	return list
}

// queuedError reads a struct sock_extended_err with the address that follows it.
func queuedError(b []byte) (q QueuedError, known bool) {
	q = QueuedError{Errno: unix.Errno(binary.NativeEndian.Uint32(b[extendedErrno:]))}
	switch b[extendedOrigin] {
	case unix.SO_EE_ORIGIN_LOCAL:
		q.Local = true
		return q, true
	case unix.SO_EE_ORIGIN_ICMP:
	case unix.SO_EE_ORIGIN_ICMP6:
		q.V6 = true
	default:
		return q, false
	}
	q.Type, q.Code, q.Info = b[extendedType], b[extendedCode], binary.NativeEndian.Uint32(b[extendedInfo:])
	q.By = offender(b[extendedSize:])
	return q, true
}

// offender reads the address of an error's sender, a struct sockaddr.
func offender(b []byte) netip.Addr {
	if len(b) >= 8 && binary.NativeEndian.Uint16(b) == unix.AF_INET {
		return netip.AddrFrom4([4]byte(b[4:8]))
	}
	if len(b) >= 24 && binary.NativeEndian.Uint16(b) == unix.AF_INET6 {
		return netip.AddrFrom16([16]byte(b[8:24]))
	}
	return netip.Addr{}
}
