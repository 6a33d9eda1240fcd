package routes

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

	"nmgre"
)

// Limits on a probe.
const (
	maxProbes     = 10
	minInterval   = 10 * time.Millisecond
	maxReads      = 100_000 // packets read in one probe: a raw socket sees all of the host's ICMP traffic
	sendTries     = 3
	packetSize    = 2048
	ancillarySize = 512
)

// Probe sends ICMP or ICMPv6 echo requests out of p.Dev and says what came back. Answers count that come in by that device, from p.To,
// with this probe's own payload, each once.
//
// It uses a raw socket, or else the kernel's ping socket (see ping_group_range in icmp(7)); without either it fails with
// ErrNotPermitted. It fails with ErrInvalid if the count is not 1 to 10, the interval is below 10 ms, or the device or p.From is
// not there, and with ErrUnreachable if this host has nowhere to send to. A failure after the first request comes with what was
// found by then, so does the end of ctx, which ends the probe at once. A far end that is silent or refuses is no error.
//
// Refusals name their sender, which may be this host: its kernel answers so for a tunnel whose packets came back.
func (k *Kernel) Probe(ctx context.Context, p nmgre.Probe) (nmgre.ProbeResult, error) {
	what := fmt.Sprintf("probe %s by %s", nmgre.Printable(p.To.String()), nmgre.Printable(p.Dev))
	if err := checkProbe(p); err != nil {
		return nmgre.ProbeResult{}, wrap(what, err)
	}
	link, err := k.linkByName(ctx, p.Dev)
	if err != nil {
		return nmgre.ProbeResult{}, wrap(what, err)
	}
	socket, err := openEcho(p, link)
	if err != nil {
		return nmgre.ProbeResult{}, wrap(what, err)
	}
	defer socket.Close()
	run := echoRun{socket: socket, probe: p, echoes: echoes{to: p.To, id: socket.id}}
	_, _ = rand.Read(run.echoes.nonce[:]) // never fails
	err = run.do(ctx)
	return run.echoes.result, wrap(what, err)
}

func checkProbe(p nmgre.Probe) error {
	switch {
	case !p.To.IsValid() || p.To.Is4In6() || p.To.IsMulticast() || p.To.IsUnspecified():
		return invalid("a probe needs a unicast destination")
	case p.From.IsValid() && p.From.Is4() != p.To.Is4():
		return invalid("the source address %s is of another family", p.From)
	case p.Count < 1 || p.Count > maxProbes:
		return invalid("a probe has 1 to %d requests, not %d", maxProbes, p.Count)
	case p.Interval < minInterval:
		return invalid("%s is too short an interval; the shortest is %s", p.Interval, minInterval)
	}
	return nil
}

// echoRun is a probe on its way.
type echoRun struct {
	socket *echoSocket
	probe  nmgre.Probe
	echoes echoes
	reads  int
}

// do sends the requests, an interval apart, and reads what comes until enough has, or an interval after the last.
func (r *echoRun) do(ctx context.Context) error {
	defer context.AfterFunc(ctx, r.socket.wake)()
	var next time.Time // when the next request is due, or the wait is over
	for !r.done() {
		if now := time.Now(); !now.Before(next) {
			if r.echoes.result.Sent == r.probe.Count {
				return nil
			}
			if err := r.send(ctx, now); err != nil {
				return err
			}
			next = now.Add(r.probe.Interval)
		}
		if err := r.read(ctx, next); err != nil {
			return err
		}
	}
	return nil
}

// done says whether all that was wanted has come back.
func (r *echoRun) done() bool {
	enough := r.probe.Count
	if r.probe.Enough > 0 {
		enough = min(enough, r.probe.Enough)
	}
	return r.echoes.result.Received >= enough
}

// send sends one request. An error that an earlier packet has caused is reported by the next call on the socket, whatever that
// is, and only once: so a send that fails is tried again.
func (r *echoRun) send(ctx context.Context, now time.Time) error {
	packet := r.echoes.next(now)
	var err error
	for range sendTries {
		if err = ctx.Err(); err == nil {
			err = r.socket.send(packet)
		}
		if err == nil || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		r.echoes.unsent()
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
	e := &nmgre.Error{What: "this host does not send it", Err: errno}
	switch errno {
	case unix.ENETUNREACH, unix.EHOSTUNREACH, unix.ENETDOWN, unix.EACCES, unix.EINVAL:
		e.Kind, e.Hint = nmgre.ErrUnreachable, "is the device up, and does a route of type prohibit or blackhole cover the address?"
	case unix.EPERM:
		e.Hint = "a firewall rule of this host drops it on its way out: look for drops of ICMP in `nft list ruleset`"
	}
	return e
}

// read takes packets in until the time comes.
func (r *echoRun) read(ctx context.Context, until time.Time) error {
	if err := r.socket.until(until); err != nil {
		return err
	}
	for !r.done() {
		if err := ctx.Err(); err != nil { // looked at after the deadline was set, which wake would have set before
			return err
		}
		if r.reads++; r.reads > maxReads {
			return fmt.Errorf("more than %d packets came in", maxReads)
		}
		err := r.socket.receive(&r.echoes)
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

// sockaddr returns a as the kernel wants it; the scope is for IPv6 link-local addresses, which mean nothing without a device.
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
