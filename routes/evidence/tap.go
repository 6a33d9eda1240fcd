package evidence

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// A flood is sampled: after a burst of packets the reader pauses, and the kernel drops the packets
// that the socket's buffer cannot hold.
const (
	maxBurst = 64
	pause    = 5 * time.Millisecond
	// lastBursts is how often a burst is read at the end, when nothing is waited for any more.
	lastBursts = 8
)

// crowdBuffer is the size of a socket's buffer for many tunnels, in bytes: their answers come at
// the same time.
const crowdBuffer = 4 << 20

// ancillarySize is the size of the buffer for ancillary data, in bytes: an error with its sender,
// or the destination address, the hop limit and the extension headers.
const ancillarySize = 512

// source describes a socket.
type source struct {
	hears []string // the kinds of packets that nobody hears without it
	ends  ends
	// packet is a packet socket, which hears packets as they pass a device: before the firewall as
	// they come in, behind it as they leave. The others are raw sockets of protocol 47, which get a
	// copy of each packet that has come through the firewall, whether a tunnel takes it or not.
	packet bool
	// others are packets from others than the far end. They have sockets of their own, so that the
	// packets of a busy hub do not push out those of this tunnel.
	others bool
	crowd  *family // the ends of many tunnels, which then count instead of ends; nil for one tunnel
}

// sources returns the sockets that hear everything about a tunnel.
//
// A raw socket counts as somebody who understands the protocol: on a host without GRE the kernel
// does not answer with "protocol unreachable" while one is open.
func sources(e ends) []source {
	return []source{
		{hears: []string{kernel.HearsSent, kernel.HearsArrived}, ends: e, packet: true},
		{hears: []string{kernel.HearsArrived}, ends: e, packet: true, others: true},
		{hears: []string{kernel.HearsAccepted, kernel.HearsErrors}, ends: e},
		{hears: []string{kernel.HearsAccepted}, ends: e, others: true},
	}
}

// etherType returns the protocol of the outer packets, for a packet socket.
func (s source) etherType() uint16 {
	if s.ends.Mode.IPv6Outer() {
		return unix.ETH_P_IPV6
	}
	return unix.ETH_P_IP
}

// ear takes the packets and errors that sockets hear: [heard] for one tunnel, [crowd] for many.
type ear interface {
	leaves(kernel.Packet)
	arrives(kernel.Packet)
	accepted(kernel.Packet)
	error(kernel.ICMPError)
	missing() // the kernel has dropped packets
}

// tap is a socket that hears packets.
type tap struct {
	source
	ear               ear
	mu                sync.Mutex // is held while the buffers are in use
	file              *os.File
	conn              syscall.RawConn
	buffer, ancillary []byte
}

// openTap opens a socket in the network namespace of the calling thread.
func openTap(s source, e ear) (*tap, error) {
	open := s.openRaw
	if s.packet {
		open = s.openPacket
	}
	fd, err := open()
	if err != nil {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
		return nil, openError(err)
	}
	t := &tap{source: s, ear: e, file: os.NewFile(uintptr(fd), "gre"), buffer: make([]byte, snapLength), ancillary: make([]byte, ancillarySize)}
	if t.conn, err = t.file.SyscallConn(); err != nil {
		_ = t.file.Close()
		return nil, err
	}
	return t, nil
}

// openError explains why there is no socket.
func openError(err error) error {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return &fault.Error{Kind: fault.ErrNotPermitted, What: "open a socket that hears packets", Err: err, Hint: permitHint(os.Geteuid())}
	}
	return &fault.Error{What: "open a socket that hears packets", Err: err}
}

// permitHint says how a user may open such sockets. In a container root may lack the capability.
func permitHint(user int) string {
	if user == 0 {
		return "give this container or service the capability CAP_NET_RAW"
	}
	return "run it with sudo"
}

// openPacket opens a packet socket (packet(7)). It gets no packet before its filter is there: only
// Bind gives it a protocol.
//
// The socket for both ends takes every protocol, since only such sockets hear outgoing packets, and
// those hear incoming ones even if a rule of the netdev family drops them. The socket for others
// hears a packet once, at the device that the host takes it from, and not at the ports of a bridge
// or bond below as well.
func (s source) openPacket() (fd int, err error) {
	fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if err := s.attach(fd); err != nil {
		return fd, err
	}
	to := unix.SockaddrLinklayer{Protocol: bigEndian(unix.ETH_P_ALL), Ifindex: s.ends.index}
	if s.others {
		to = unix.SockaddrLinklayer{Protocol: bigEndian(s.etherType())}
	}
	return fd, unix.Bind(fd, &to)
}

// openRaw opens a raw socket. Its error queue has the ICMP errors about all of this host's GRE
// packets, those of the kernel's tunnels too. With a header "included" the queue has the quoted IP
// header as well; that the socket would have to send one does not matter.
func (s source) openRaw() (fd int, err error) {
	domain, options := unix.AF_INET, [][2]int{{unix.IPPROTO_IP, unix.IP_HDRINCL}, {unix.IPPROTO_IP, unix.IP_RECVERR}}
	if s.ends.Mode.IPv6Outer() {
		domain, options = unix.AF_INET6, [][2]int{
			{unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO}, {unix.IPPROTO_IPV6, unix.IPV6_RECVHOPLIMIT}, {unix.IPPROTO_IPV6, unix.IPV6_RECVDSTOPTS},
			{unix.IPPROTO_IPV6, unix.IPV6_HDRINCL}, {unix.IPPROTO_IPV6, unix.IPV6_RECVERR},
		}
	}
	if s.others { // the errors are the other socket's
		options = options[:len(options)-1]
	}
	fd, err = unix.Socket(domain, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_GRE)
	if err != nil {
		return -1, err
	}
	for _, o := range options {
		if err := unix.SetsockoptInt(fd, o[0], o[1], 1); err != nil {
			return fd, err
		}
	}
	return fd, s.attach(fd)
}

// attach gives the socket its filter, and lets it tell of packets that its buffer could not hold.
func (s source) attach(fd int) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1); err != nil {
		return err
	}
	program := sourceFilter(s)
	if s.crowd != nil {
		program = s.crowd.filter(s)
		// only root may exceed the usual size
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, crowdBuffer)
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
}

// bigEndian returns n in the order of bytes of the network.
func bigEndian(n uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, n))
}

// listen reads until ctx ends and wake is called.
func (t *tap) listen(ctx context.Context) {
	for ctx.Err() == nil {
		n := 0
		// It fails only when wake was called, and then ctx has ended.
		_ = t.conn.Read(func(fd uintptr) bool {
			n = t.burst(int(fd))
			return n > 0
		})
		if n == maxBurst {
			rest(ctx)
		}
	}
	t.drain()
}

// drain reads the packets that have come in until now, if they are not too many.
func (t *tap) drain() {
	_ = t.conn.Control(func(fd uintptr) {
		for range lastBursts {
			if t.burst(int(fd)) < maxBurst {
				return
			}
		}
		t.ear.missing()
	})
}

// rest waits for a moment.
func rest(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(pause):
	}
}

func (t *tap) close() { _ = t.file.Close() }

// wake lets listen look at its context.
func (t *tap) wake() { _ = t.file.SetReadDeadline(time.Unix(1, 0)) }

// burst reads the waiting packets and errors, and returns how many they were; at most maxBurst.
func (t *tap) burst(fd int) (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for n < maxBurst && t.read(fd) {
		n++
	}
	return n
}

// read reads one packet or one error, and reports whether there was one.
func (t *tap) read(fd int) bool {
	if !t.source.packet && !t.others {
		if n, oobn, _, _, err := unix.Recvmsg(fd, t.buffer, t.ancillary, unix.MSG_ERRQUEUE); err == nil {
			t.takeError(t.buffer[:n], t.ancillary[:oobn])
			return true
		}
	}
	// With MSG_TRUNC, n is the length of the packet even if it is cut.
	n, oobn, _, from, err := unix.Recvmsg(fd, t.buffer, t.ancillary, unix.MSG_TRUNC)
	if err != nil {
		// Any other error was caused by an earlier packet. The queue holds its details.
		return !errors.Is(err, unix.EAGAIN)
	}
	t.take(t.buffer[:min(n, len(t.buffer))], n, t.ancillary[:oobn], from)
	return true
}
