package echo

import (
	"fmt"

	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// knockPort is traceroute's first port. Hardly any host has a service there.
const knockPort = 33434

// knock sends a UDP datagram to a port at which nobody listens. A host that filters echo requests
// may still answer that the port is unreachable (RFC 1122, 3.2.2.1). The answer is not read:
// whoever listens to the tunnel's packets hears it.
func knock(p kernel.Probe, link kernel.Link) error {
	domain := unix.AF_INET
	if p.To.Is6() {
		domain = unix.AF_INET6
	}
	fd, err := unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open a UDP socket: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.BindToDevice(fd, link.Name); err != nil {
		return fmt.Errorf("bind to device %s: %w", fault.Printable(link.Name), err)
	}
	if p.From.IsValid() {
		if err := unix.Bind(fd, sockaddr(p.From, link.Index)); err != nil {
			return fmt.Errorf("bind to %s: %w", p.From, err)
		}
	}
	return unix.Sendto(fd, nil, 0, withPort(sockaddr(p.To, link.Index), knockPort))
}

// withPort returns the address with a port.
func withPort(s unix.Sockaddr, port int) unix.Sockaddr {
	switch s := s.(type) {
	case *unix.SockaddrInet4:
		s.Port = port
	case *unix.SockaddrInet6:
		s.Port = port
	}
	return s
}
