package echo

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
	"nmgre/routes/kernel"
	"nmgre/routes/packet"
)

// Sizes of the buffers for one message, in bytes.
const (
	packetSize    = 2048
	ancillarySize = 512
)

// socket sends echo requests out of one device, and receives the packets that come in by it.
//
// The socket's error queue (IP_RECVERR) holds the ICMP errors. A raw socket also gets them as
// packets, and some come only as packets: this host's errors to itself arrive by the loopback
// device, and the queue of a socket that is bound to another device stays empty.
type socket struct {
	file *os.File
	conn syscall.RawConn
	raw  bool // or else a ping socket
	v6   bool
	udp  bool   // it sends datagrams, and no echo requests
	id   uint16 // the identifier of its echo messages
	to   unix.Sockaddr

	packet, ancillary []byte
}

// openSocket opens a socket that is bound to the device and to the source address.
func openSocket(p kernel.Probe, link kernel.Link) (*socket, error) {
	s := &socket{
		v6: p.To.Is6(), udp: p.UDP, to: sockaddr(p.To, link.Index), packet: make([]byte, packetSize+p.Size), ancillary: make([]byte, ancillarySize),
	}
	if s.udp {
		s.to = withPort(s.to, knockPort)
	}
	fd, err := s.open()
	if err != nil {
		return nil, err
	}
	if err := s.bind(fd, p, link); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	s.file = os.NewFile(uintptr(fd), "icmp")
	if s.conn, err = s.file.SyscallConn(); err != nil {
		s.close()
		return nil, fmt.Errorf("open an ICMP socket: %w", err)
	}
	return s, nil
}

// open opens a raw socket, or a ping socket where a raw one is not permitted; or a UDP socket.
func (s *socket) open() (fd int, err error) {
	domain, protocol := unix.AF_INET, unix.IPPROTO_ICMP
	if s.v6 {
		domain, protocol = unix.AF_INET6, unix.IPPROTO_ICMPV6
	}
	if s.udp {
		if fd, err = unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
			return -1, fmt.Errorf("open a UDP socket: %w", err)
		}
		return fd, nil
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

func (s *socket) bind(fd int, p kernel.Probe, link kernel.Link) error {
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
	if p.Size > 0 {
		if err := s.keepWhole(fd); err != nil {
			return err
		}
	}
	if p.Hops > 0 {
		if err := s.limitHops(fd, p.Hops); err != nil {
			return err
		}
	}
	return s.bindAddress(fd, p.From, link)
}

// keepWhole has the kernel send packets unfragmented, whatever path MTU it has cached: such a probe
// is to find out (ip(7), ipv6(7), RFC 4821).
func (s *socket) keepWhole(fd int) error {
	var err error
	if s.v6 {
		err = errors.Join(unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE),
			unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_DONTFRAG, 1))
	} else {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE)
	}
	if err != nil {
		return fmt.Errorf("ask for packets without fragments: %w", err)
	}
	return nil
}

// limitHops sets how far the requests go.
func (s *socket) limitHops(fd int, hops uint8) error {
	level, option := unix.IPPROTO_IP, unix.IP_TTL
	if s.v6 {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS
	}
	if err := unix.SetsockoptInt(fd, level, option, int(hops)); err != nil {
		return fmt.Errorf("limit the hops: %w", err)
	}
	return nil
}

// bindAddress binds to the source address; without one, to the unspecified address. Binding gives a
// ping socket its identifier.
func (s *socket) bindAddress(fd int, from netip.Addr, link kernel.Link) error {
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
	s.id = randomID()
	if s.raw {
		return nil
	}
	bound, err := unix.Getsockname(fd)
	switch bound := bound.(type) {
	case *unix.SockaddrInet4:
		s.id = uint16(bound.Port)
	case *unix.SockaddrInet6:
		s.id = uint16(bound.Port)
	}
	if err != nil {
		return fmt.Errorf("ask for the identifier of a ping socket: %w", err)
	}
	return nil
}

func (s *socket) close() { _ = s.file.Close() }

// until sets the time at which receive gives up.
func (s *socket) until(t time.Time) error { return s.file.SetReadDeadline(t) }

// wake lets receive give up at once.
func (s *socket) wake() { _ = s.file.SetReadDeadline(time.Unix(1, 0)) }

func (s *socket) send(packet []byte) (err error) {
	control := s.conn.Control(func(fd uintptr) { err = unix.Sendto(int(fd), packet, 0, s.to) })
	return errors.Join(control, err)
}

// receive waits for one packet or one error and gives it to e. At the time that until has set it
// fails with os.ErrDeadlineExceeded.
func (s *socket) receive(e *echoes) error {
	return s.conn.Read(func(fd uintptr) bool {
		if n, oobn, _, _, err := unix.Recvmsg(int(fd), s.packet, s.ancillary, unix.MSG_ERRQUEUE); err == nil {
			e.receiveError(s.packet[:n], s.ancillary[:oobn])
			return true
		}
		n, from, err := unix.Recvfrom(int(fd), s.packet, 0)
		if err != nil {
			// Any other error was caused by an earlier packet. The queue holds its details.
			return !errors.Is(err, unix.EAGAIN)
		}
		e.receive(s.message(s.packet[:n]), addrOf(from), time.Now())
		return true
	})
}

// message returns the ICMP message in a packet. Only raw IPv4 sockets give the IP header with it.
func (s *socket) message(b []byte) []byte {
	if !s.raw || s.v6 {
		return b
	}
	ip, err := packet.ParseIP(b)
	if err != nil || !ip.To.Is4() {
		return nil
	}
	return ip.Payload
}

// receiveError takes a message from a socket's error queue. It consists of the request that failed,
// without its IP header, and of ancillary data with the error.
func (e *echoes) receiveError(request, ancillary []byte) {
	if !e.isRequest(request) {
		return
	}
	for _, q := range QueuedErrors(ancillary) {
		e.note(q)
	}
}

// queued takes the errors from the error queue of a socket, up to a bound. The kernel gives a
// socket the errors about its own packets alone; it tells of those about UDP datagrams nowhere
// else.
func (s *socket) queued(fd int) (list []QueuedError) {
	for range maxRefusals {
		_, n, _, _, err := unix.Recvmsg(fd, s.packet, s.ancillary, unix.MSG_ERRQUEUE)
		if err != nil {
			break
		}
		list = append(list, QueuedErrors(s.ancillary[:n])...)
	}
	return list
}

// localWords are the words for a refusal by this host's own kernel.
func localWords(errno unix.Errno) string { return "this host: " + errno.Error() }

// randomID returns an identifier for a series of echo requests.
func randomID() uint16 {
	var b [2]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.BigEndian.Uint16(b[:])
}

// sockaddr returns the kernel's form of a. The scope, a device's index, is for IPv6 link-local
// addresses, which mean nothing without a device.
func sockaddr(a netip.Addr, scope int) unix.Sockaddr {
	if a.Is4() {
		return &unix.SockaddrInet4{Addr: a.As4()}
	}
	s := &unix.SockaddrInet6{Addr: a.As16()}
	if a.IsLinkLocalUnicast() {
		s.ZoneId = uint32(scope)
	}
	return s
}

// addrOf returns the address in s, without a zone.
func addrOf(s unix.Sockaddr) netip.Addr {
	switch s := s.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrFrom4(s.Addr)
	case *unix.SockaddrInet6:
		return netip.AddrFrom16(s.Addr)
	}
	return netip.Addr{}
}
