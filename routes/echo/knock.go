package echo

import "golang.org/x/sys/unix"

// knockPort is traceroute's first port. Hardly any host has a service there.
const knockPort = 33434

// knock sends a UDP datagram to a port at which nobody listens. A host that filters echo requests
// may still answer that the port is unreachable (RFC 1122, 3.2.2.1): see heed. A datagram that
// cannot be sent is one try less, and no failure.
func (r *prober) knock() {
	p := r.probe
	p.UDP, p.Size = true, 0
	s, err := openSocket(p, r.link)
	if err != nil {
		return
	}
	r.knocked = s
	_ = s.send(nil)
}

// heed notes who has refused the datagram by now, and closes its socket.
func (r *prober) heed() {
	if r.knocked == nil {
		return
	}
	_ = r.knocked.conn.Control(func(fd uintptr) {
		for _, q := range r.knocked.queued(int(fd)) {
			r.echoes.note(q)
		}
	})
	r.knocked.close()
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
