package echo

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
	"nmgre/routes/kernel"
	"nmgre/routes/netlink/wire"
)

// Limits on a probe.
const (
	maxProbes   = 10
	minInterval = 10 * time.Millisecond
	// packets read in one probe: a raw socket sees all of the host's ICMP traffic
	maxReads      = 100_000
	sendTries     = 3
	packetSize    = 2048
	ancillarySize = 512
)

func CheckProbe(p kernel.Probe) error {
	switch {
	case !p.To.IsValid() || p.To.Is4In6() || p.To.IsMulticast() || p.To.IsUnspecified():
		return wire.Invalid("a probe needs a unicast destination")
	case p.From.IsValid() && p.From.Is4() != p.To.Is4():
		return wire.Invalid("the source address %s is of another family", p.From)
	case p.Count < 1 || p.Count > maxProbes:
		return wire.Invalid("a probe has 1 to %d requests, not %d", maxProbes, p.Count)
	case p.Interval < minInterval:
		return wire.Invalid("%s is too short an interval; the shortest is %s", p.Interval, minInterval)
	}
	return nil
}

// EchoRun is a probe on its way.
type EchoRun struct {
	Socket *echoSocket
	Probe  kernel.Probe
	Echoes Echoes
	reads  int
}

// Do sends the requests, an interval apart, and reads what comes until enough has, or an interval
// after the last.
func (r *EchoRun) Do(ctx context.Context) error {
	defer context.AfterFunc(ctx, r.Socket.wake)()
	var next time.Time // when the next request is due, or the wait is over
	for !r.done() {
		if now := time.Now(); !now.Before(next) {
			if r.Echoes.Result.Sent == r.Probe.Count {
				return nil
			}
			if err := r.send(ctx, now); err != nil {
				return err
			}
			next = now.Add(r.Probe.Interval)
		}
		if err := r.read(ctx, next); err != nil {
			return err
		}
	}
	return nil
}

// done says whether all that was wanted has come back.
func (r *EchoRun) done() bool {
	enough := r.Probe.Count
	if r.Probe.Enough > 0 {
		enough = min(enough, r.Probe.Enough)
	}
	return r.Echoes.Result.Received >= enough
}

// send sends one request. An error that an earlier packet has caused is reported by the next call
// on the socket, whatever that is, and only once: so a send that fails is tried again.
func (r *EchoRun) send(ctx context.Context, now time.Time) error {
	packet := r.Echoes.next(now)
	var err error
	for range sendTries {
		if err = ctx.Err(); err == nil {
			err = r.Socket.send(packet)
		}
		if err == nil || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		r.Echoes.unsent()
		return sendError(err)
	}
	return nil
}

// sendError says what it means that this host did not send a packet.
func sendError(err error) error {
	var errno unix.Errno
	if !errors.As(err, &errno) {
		return err
	}
	e := &fault.Error{What: "this host does not send it", Err: errno}
	switch errno {
	case unix.ENETUNREACH, unix.EHOSTUNREACH, unix.ENETDOWN, unix.EACCES, unix.EINVAL:
		e.Kind, e.Hint = fault.ErrUnreachable, "is the device up, and does a route of type prohibit or blackhole cover the address?"
	case unix.EPERM:
		e.Hint = "a firewall rule of this host drops it on its way out: look for drops of ICMP in `nft list ruleset`"
	}
	return e
}

// read takes packets in until the time comes.
func (r *EchoRun) read(ctx context.Context, until time.Time) error {
	if err := r.Socket.until(until); err != nil {
		return err
	}
	for !r.done() {
		// looked at after the deadline was set, which wake would have set before
		if err := ctx.Err(); err != nil {
			return err
		}
		if r.reads++; r.reads > maxReads {
			return fmt.Errorf("more than %d packets came in", maxReads)
		}
		err := r.Socket.receive(&r.Echoes)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return ctx.Err()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// randomID returns the identifier of a series of echo requests.
func randomID() uint16 {
	var b [2]byte
	_, _ = rand.Read(b[:])
	return binary.BigEndian.Uint16(b[:])
}

// sockaddr returns a as the kernel wants it; the scope is for IPv6 link-local addresses, which mean
// nothing without a device.
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

// addrOf is the opposite of sockaddr.
func addrOf(s unix.Sockaddr) netip.Addr {
	switch s := s.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrFrom4(s.Addr)
	case *unix.SockaddrInet6:
		return netip.AddrFrom16(s.Addr)
	}
	return netip.Addr{}
}
