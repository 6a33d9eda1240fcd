package echo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// Limits on a probe.
const (
	maxProbes   = 10
	minInterval = 10 * time.Millisecond
	// maxReads bounds the packets that are read: a raw socket sees all of the host's ICMP traffic.
	maxReads  = 100_000
	sendTries = 3
)

// Check returns nil if p can be sent: to a unicast address, from an address of the same family or
// from any, 1 to 10 requests, at least 10 ms apart, of a size that has room for the headers and 16
// bytes. Otherwise it returns an ErrInvalid. It does not look at p.Dev.
func Check(p kernel.Probe) error {
	switch {
	case !p.To.IsValid() || p.To.Is4In6() || p.To.IsMulticast() || p.To.IsUnspecified():
		return invalid("a probe needs a unicast destination")
	case p.From.IsValid() && p.From.Is4() != p.To.Is4():
		return invalid("the source address %s is of another family", p.From)
	case p.Count < 1 || p.Count > maxProbes:
		return invalid("a probe has 1 to %d requests, not %d", maxProbes, p.Count)
	case p.Interval < minInterval:
		return invalid("%s is too short an interval; the shortest is %s", p.Interval, minInterval)
	case p.Size != 0 && (p.Size < smallest(p.To) || p.Size > maxSize):
		return invalid("a packet of a probe has %d to %d bytes, not %d", smallest(p.To), maxSize, p.Size)
	}
	return nil
}

func invalid(format string, args ...any) error {
	return &fault.Error{Kind: fault.ErrInvalid, What: fmt.Sprintf(format, args...)}
}

// Run carries out a probe that [Check] has accepted, and returns the answers and the refusals. It
// sends out of link, whose name and index count; p.Dev does not. It opens a raw socket, or a ping
// socket (icmp(7)) where that is not permitted, in the network namespace of the calling thread.
//
// It fails with ErrNotPermitted when the host allows neither socket, with ErrInvalid when p.From is
// no address of this host, and with ErrUnreachable when the host has no way to send. After a
// failure, and after the end of ctx, the result holds the answers up to then.
func Run(ctx context.Context, p kernel.Probe, link kernel.Link) (kernel.ProbeResult, error) {
	if p.UDP {
		return runDatagrams(ctx, p, link)
	}
	s, err := openSocket(p, link)
	if err != nil {
		return kernel.ProbeResult{}, err
	}
	defer s.close()
	r := prober{socket: s, probe: p, link: link, echoes: echoes{to: p.To, id: s.id, padding: max(0, p.Size-smallest(p.To))}}
	_, _ = rand.Read(r.echoes.nonce[:]) // never fails
	err = r.run(ctx)
	r.heed()
	return r.echoes.result, err
}

// prober is a probe on its way.
type prober struct {
	socket  *socket
	knocked *socket // that of the UDP datagram; nil before it is sent
	probe   kernel.Probe
	link    kernel.Link
	echoes  echoes
	reads   int
}

// run sends the requests, an interval apart. It reads until enough answers have come, or until an
// interval after the last request.
func (r *prober) run(ctx context.Context) error {
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
			if r.probe.Knock && r.echoes.result.Sent == 2 {
				r.knock()
			}
			next = now.Add(r.probe.Interval)
		}
		if err := r.read(ctx, next); err != nil {
			return err
		}
	}
	return nil
}

// done reports whether enough answers have come, or a refusal that is the answer.
func (r *prober) done() bool {
	if (r.probe.Size > 0 || r.probe.UntilRefused) && len(r.echoes.result.Refusals) > 0 {
		return true
	}
	enough := r.probe.Count
	if r.probe.Enough > 0 {
		enough = min(enough, r.probe.Enough)
	}
	return r.echoes.result.Received >= enough
}

// send sends one request. The kernel reports an error that an earlier packet caused at the next
// call on the socket, whichever that is, and only once. So a send that fails is tried again.
func (r *prober) send(ctx context.Context, now time.Time) error {
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
	}
	if r.probe.Size > 0 && errors.Is(err, unix.EMSGSIZE) {
		r.echoes.refuse(localWords(unix.EMSGSIZE), netip.Addr{})
		return nil
	}
	if err != nil {
		return sendError(err)
	}
	return nil
}

// sendError explains why this host did not send a packet.
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

// read takes packets in until the time is over.
func (r *prober) read(ctx context.Context, until time.Time) error {
	if err := r.socket.until(until); err != nil {
		return err
	}
	for !r.done() {
		// The deadline is set already, so the end of ctx after this line wakes receive. An earlier
		// end, whose deadline was overwritten, is seen here.
		if err := ctx.Err(); err != nil {
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
