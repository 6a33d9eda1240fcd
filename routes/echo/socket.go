package echo

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
	"nmgre/routes/kernel"
	"nmgre/routes/netlink/wire"
)

// echoSocket sends echo requests out of one device and gets what comes back by it.
//
// ICMP errors come by the socket's error queue (IP_RECVERR). On raw sockets they come as packets
// too, and some only so: those that this host sends to itself arrive by the loopback device, and
// the queue of a socket that is bound to another stays empty.
type echoSocket struct {
	file *os.File
	conn syscall.RawConn
	raw  bool // else a ping socket
	v6   bool
	Id   uint16
	to   unix.Sockaddr

	packet, ancillary []byte
}

// OpenEcho opens the socket, bound to the device and to the source address.
func OpenEcho(p kernel.Probe, link kernel.Link) (*echoSocket, error) {
	s := &echoSocket{
		v6: p.To.Is6(), to: sockaddr(p.To, link.Index), packet: make([]byte, packetSize), ancillary: make([]byte, ancillarySize),
	}
	fd, err := s.socket()
	if err != nil {
		return nil, err
	}
	if err := s.bind(fd, p, link); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	s.file = os.NewFile(uintptr(fd), "icmp")
	if s.conn, err = s.file.SyscallConn(); err != nil {
		s.Close()
		return nil, fmt.Errorf("open an ICMP socket: %w", err)
	}
	return s, nil
}

// socket opens a raw socket, or else a ping socket.
func (s *echoSocket) socket() (fd int, err error) {
	domain, protocol := unix.AF_INET, unix.IPPROTO_ICMP
	if s.v6 {
		domain, protocol = unix.AF_INET6, unix.IPPROTO_ICMPV6
	}
	for _, kind := range []int{unix.SOCK_RAW, unix.SOCK_DGRAM} {
		s.raw = kind == unix.SOCK_RAW
		fd, err = unix.Socket(domain, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, protocol)
		if err == nil {
			return fd, nil
		}
		if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES) {
			return -1, fmt.Errorf("open an ICMP socket: %w", err)
		}
	}
	return -1, &fault.Error{Kind: fault.ErrNotPermitted, What: "open an ICMP socket", Err: err,
		Hint: "run as root, or let every group send pings: sysctl net.ipv4.ping_group_range='0 2147483647'"}
}

func (s *echoSocket) bind(fd int, p kernel.Probe, link kernel.Link) error {
	if err := unix.BindToDevice(fd, link.Name); err != nil {
		e := &fault.Error{What: fmt.Sprintf("bind to device %s", fault.Printable(link.Name)), Err: err}
		if errors.Is(err, unix.EPERM) { // kernels before 5.7
			e.Kind, e.Hint = fault.ErrNotPermitted, "this kernel lets only root send from a device of choice; run as root"
		}
		return e
	}
	level, option := unix.IPPROTO_IP, unix.IP_RECVERR
	if s.v6 {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_RECVERR
	}
	if err := unix.SetsockoptInt(fd, level, option, 1); err != nil {
		return fmt.Errorf("ask for ICMP errors: %w", err)
	}
	return s.bindAddress(fd, p.From, link)
}

// bindAddress binds to the source address, or to none. A ping socket gets its identifier with it.
func (s *echoSocket) bindAddress(fd int, from netip.Addr, link kernel.Link) error {
	switch {
	case from.IsValid():
	case s.v6:
		from = netip.IPv6Unspecified()
	default:
		from = netip.IPv4Unspecified()
	}
	if err := unix.Bind(fd, sockaddr(from, link.Index)); err != nil {
		e := &fault.Error{What: "send from " + fault.Printable(from.String()), Err: err}
		if errors.Is(err, unix.EADDRNOTAVAIL) {
			e.Kind, e.Hint = fault.ErrInvalid, "`ip address` lists the addresses of this host"
		}
		return e
	}
	s.Id = randomID()
	if s.raw {
		return nil
	}
	bound, err := unix.Getsockname(fd)
	switch bound := bound.(type) {
	case *unix.SockaddrInet4:
		s.Id = uint16(bound.Port)
	case *unix.SockaddrInet6:
		s.Id = uint16(bound.Port)
	}
	return wire.Wrap("ask for the identifier of a ping socket", err)
}

// Close closes the socket.
func (s *echoSocket) Close() { _ = s.file.Close() }

// until sets the time at which receive gives up.
func (s *echoSocket) until(t time.Time) error { return s.file.SetReadDeadline(t) }

// wake lets receive give up at once.
func (s *echoSocket) wake() { _ = s.file.SetReadDeadline(time.Unix(1, 0)) }

func (s *echoSocket) send(packet []byte) (err error) {
	control := s.conn.Control(func(fd uintptr) { err = unix.Sendto(int(fd), packet, 0, s.to) })
	return errors.Join(control, err)
}

// receive waits for one packet or one error and gives it to e. It fails with os.ErrDeadlineExceeded
// when the time has come.
func (s *echoSocket) receive(e *Echoes) error {
	return s.conn.Read(func(fd uintptr) bool {
		if n, oobn, _, _, err := unix.Recvmsg(int(fd), s.packet, s.ancillary, unix.MSG_ERRQUEUE); err == nil {
			e.receiveError(s.packet[:n], s.ancillary[:oobn])
			return true
		}
		n, from, err := unix.Recvfrom(int(fd), s.packet, 0)
		if err != nil {
			// Any other error is one that an earlier packet has caused, and that the queue has with
			// its particulars.
			return !errors.Is(err, unix.EAGAIN)
		}
		e.receive(s.message(s.packet[:n]), addrOf(from), time.Now())
		return true
	})
}

// message returns the ICMP message in a packet: only raw IPv4 sockets give the IP header too.
func (s *echoSocket) message(packet []byte) []byte {
	if !s.raw || s.v6 {
		return packet
	}
	header, ok := ip4Length(packet)
	if !ok {
		return nil
	}
	return packet[header:]
}

// Fields of struct sock_extended_err (linux/errqueue.h), which the address of the error's sender
// follows.
const (
	extendedErrno  = 0
	extendedOrigin = 4
	extendedType   = 5
	extendedCode   = 6
	extendedInfo   = 8
	extendedSize   = 16
)

// receiveError takes a message from a socket's error queue: the request that it is about, without
// its IP header, and the error among the ancillary data.
func (e *Echoes) receiveError(request, ancillary []byte) {
	messages, err := unix.ParseSocketControlMessage(ancillary)
	if err != nil || !e.isRequest(request) {
		return
	}
	for _, m := range messages {
		ip4 := m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_RECVERR
		ip6 := m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_RECVERR
		if (ip4 || ip6) && len(m.Data) >= extendedSize {
			e.takeExtended(m.Data)
		}
	}
}

func (e *Echoes) takeExtended(b []byte) {
	info := wire.Native.Uint32(b[extendedInfo:])
	switch b[extendedOrigin] {
	case unix.SO_EE_ORIGIN_ICMP:
		e.refuse(icmpWords(false, b[extendedType], b[extendedCode], info), offender(b[extendedSize:]))
	case unix.SO_EE_ORIGIN_ICMP6:
		e.refuse(icmpWords(true, b[extendedType], b[extendedCode], info), offender(b[extendedSize:]))
	case unix.SO_EE_ORIGIN_LOCAL:
		e.refuse("this host: "+unix.Errno(wire.Native.Uint32(b[extendedErrno:])).Error(), netip.Addr{})
	}
}

// offender reads the address of an error's sender, a struct sockaddr.
func offender(b []byte) netip.Addr {
	if len(b) >= 8 && wire.Native.Uint16(b) == unix.AF_INET {
		return netip.AddrFrom4([4]byte(b[4:8]))
	}
	if len(b) >= 24 && wire.Native.Uint16(b) == unix.AF_INET6 {
		return netip.AddrFrom16([16]byte(b[8:24]))
	}
	return netip.Addr{}
}
