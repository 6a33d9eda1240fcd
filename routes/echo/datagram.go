package echo

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"nmgre/routes/kernel"
)

// udpHeader is the length of a UDP header in bytes.
const udpHeader = 8

// datagrams are UDP datagrams to a port at which nobody listens. The host that gets one answers
// with an ICMP error, "port unreachable" or, behind a firewall, another one (RFC 1122, 3.2.2.1).
type datagrams struct {
	probe        kernel.Probe
	whole, small *socket // small follows whole, if that has a size; else it is nil
	payload      []byte
	answers      echoes // notes the errors of others
}

// runDatagrams carries out a probe by UDP.
func runDatagrams(ctx context.Context, p kernel.Probe, link kernel.Link) (kernel.ProbeResult, error) {
	d := datagrams{probe: p, answers: echoes{to: p.To}}
	var err error
	if d.whole, err = openSocket(p, link); err != nil {
		return kernel.ProbeResult{}, err
	}
	defer d.whole.close()
	defer context.AfterFunc(ctx, d.whole.wake)()
	if p.Size > 0 {
		d.payload = make([]byte, p.Size-headers(p.To))
		p.Size = 0
		if d.small, err = openSocket(p, link); err != nil {
			return kernel.ProbeResult{}, err
		}
		defer d.small.close()
	}
	err = d.run(ctx)
	return d.answers.result, err
}

// headers is the length of the headers of a datagram in bytes.
func headers(to netip.Addr) int {
	if to.Is6() {
		return ipHeader6 + udpHeader
	}
	return ipHeader4 + udpHeader
}

// run sends the datagrams an interval apart, until one is answered, or refused by somebody else.
func (d *datagrams) run(ctx context.Context) error {
	r := &d.answers.result
	for r.Sent < d.probe.Count && r.Received == 0 && len(r.Refusals) == 0 {
		until := time.Now().Add(d.probe.Interval)
		if err := d.send(); err != nil {
			return err
		}
		if err := d.await(ctx, until); err != nil {
			return err
		}
		if d.small != nil && d.small.refusedBy(d.probe.To) {
			r.Small++
		}
	}
	return nil
}

// send sends one, and a small one at once behind it: not before, since that might take the last
// answer that the host gives for a while.
func (d *datagrams) send() error {
	err := d.whole.sendAgain(d.payload)
	if errors.Is(err, unix.EMSGSIZE) {
		d.answers.refuse(localWords(unix.EMSGSIZE), netip.Addr{})
		return nil
	}
	if err != nil {
		return sendError(err)
	}
	d.answers.result.Sent++
	if d.small != nil {
		_ = d.small.sendAgain(nil) // without it less is known
	}
	return nil
}

// await waits for an answer to the last one, until that time.
func (d *datagrams) await(ctx context.Context, until time.Time) error {
	r := &d.answers.result
	if err := d.whole.until(until); err != nil {
		return err
	}
	for len(r.Refusals) == 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		answered, err := d.awaitError()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return ctx.Err()
		}
		if err != nil {
			return err
		}
		if answered {
			r.Received++
			r.RTT = append(r.RTT, d.probe.Interval-time.Until(until))
			return nil
		}
	}
	return nil
}

// sendAgain sends a packet. The kernel may report an error about an earlier one in its place.
func (s *socket) sendAgain(packet []byte) (err error) {
	for range sendTries {
		if err = s.send(packet); err == nil || errors.Is(err, unix.EMSGSIZE) {
			return err
		}
	}
	return err
}

// awaitError waits for an ICMP error, or for the deadline. It reports whether it is the word of the
// host that was asked, or a datagram of a program there. Errors of others are noted.
func (d *datagrams) awaitError() (answered bool, err error) {
	err = d.whole.conn.Read(func(fd uintptr) bool {
		list := d.whole.queued(int(fd))
		for _, q := range list {
			if arrived(q, d.probe.To) {
				answered = true
			} else {
				d.answers.note(q)
			}
		}
		if len(list) > 0 {
			return true
		}
		_, from, err := unix.Recvfrom(int(fd), d.whole.packet, 0)
		answered = err == nil && addrOf(from) == d.probe.To.WithZone("")
		return !errors.Is(err, unix.EAGAIN)
	})
	return answered, err
}

// refusedBy reports whether the host has answered already.
func (s *socket) refusedBy(of netip.Addr) (answered bool) {
	_ = s.conn.Control(func(fd uintptr) {
		answered = slices.ContainsFunc(s.queued(int(fd)), func(q QueuedError) bool { return arrived(q, of) })
	})
	return answered
}

// arrived reports whether an error says that a datagram got to its destination.
func arrived(q QueuedError, to netip.Addr) bool {
	e := kernel.ICMPError{By: q.By, Type: q.Type, Code: q.Code}
	return !q.Local && q.By == to.WithZone("") && slices.Contains([]kernel.Meaning{kernel.NoPort, kernel.Prohibited, kernel.NoProtocol, kernel.NoWay}, e.Meaning())
}
