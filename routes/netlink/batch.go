package netlink

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"nmgre/routes/netlink/wire"
)

// Limits of one send. The kernel acknowledges the last message, and reports each one that failed.
const (
	batchSize  = 256       // messages
	batchBytes = 128 << 10 // a socket takes 208 KiB, and one message has up to 60,000 bytes
)

// removal is the index of a message that removes a route. It is no error when the route is already
// gone.
const removal = -1

// batch collects messages for the next send while the kernel carries out the one before.
type batch struct {
	kernel *Kernel
	// refuse is called for each message that failed, except removals, with the message's flags.
	// Another goroutine calls it, until flush has returned.
	refuse func(index int, flags uint16, err error)

	load
	spare   load       // the memory for the next load
	sending chan error // gets the result of the send that is under way; nil when none is
	answers []byte
}

// load is the content of one send.
type load struct {
	buf     []byte
	indexes []int // of the messages in buf
}

// add appends a message about a route, and sends when the load is full.
func (b *batch) add(ctx context.Context, kind, flags, index int, w *wire.Route) error {
	start := b.begin(kind, flags)
	b.buf = w.Append(b.buf)
	return b.end(ctx, start, index)
}

// addBody appends a removal whose body is already encoded.
func (b *batch) addBody(ctx context.Context, kind int, body []byte) error {
	start := b.begin(kind, 0)
	b.buf = append(b.buf, body...)
	return b.end(ctx, start, removal)
}

// begin appends the header of a message.
func (b *batch) begin(kind, flags int) (start int) {
	start = len(b.buf)
	b.buf = append(b.buf, make([]byte, unix.SizeofNlMsghdr)...)
	wire.Native.PutUint16(b.buf[start+4:], uint16(kind))
	wire.Native.PutUint16(b.buf[start+6:], uint16(flags)|unix.NLM_F_REQUEST)
	return start
}

// end completes the message that begins at start, and sends when the load is full.
func (b *batch) end(ctx context.Context, start, index int) error {
	wire.Native.PutUint32(b.buf[start:], uint32(len(b.buf)-start))
	for len(b.buf)%4 != 0 {
		b.buf = append(b.buf, 0)
	}
	b.indexes = append(b.indexes, index)
	if len(b.indexes) < batchSize && len(b.buf) < batchBytes {
		return nil
	}
	return b.ship(ctx)
}

// flush sends the rest, and returns when the kernel has carried out everything.
func (b *batch) flush(ctx context.Context) error {
	full, err := b.take(ctx)
	if err != nil || len(full.indexes) == 0 {
		return err
	}
	return b.send(full)
}

// ship begins to send the load.
func (b *batch) ship(ctx context.Context) error {
	full, err := b.take(ctx)
	if err != nil {
		return err
	}
	sending := make(chan error, 1)
	b.sending = sending
	go func() { sending <- b.send(full) }()
	return nil
}

// take waits for the send before, then returns the load and begins an empty one.
func (b *batch) take(ctx context.Context) (load, error) {
	err := b.wait()
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return load{}, err
	}
	full := b.load
	b.load, b.spare = load{b.spare.buf[:0], b.spare.indexes[:0]}, full
	return full, nil
}

// wait waits for the send that is under way, and returns its error.
func (b *batch) wait() error {
	if b.sending == nil {
		return nil
	}
	err := <-b.sending
	b.sending = nil
	return err
}

// send sends a load, and reads the kernel's answers.
func (b *batch) send(l load) error {
	socket := b.kernel.sockets[unix.NETLINK_ROUTE].Socket
	socket.Lock()
	defer socket.Unlock()
	first := l.number(b.kernel)
	return Ahead(len(l.indexes), func() error {
		if err := unix.Sendto(socket.GetFd(), l.buf, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
			return timedOut(fmt.Errorf("send %d changes of routes: %w", len(l.indexes), err))
		}
		return b.read(socket.GetFd(), l.indexes, first)
	})
}

// number gives the messages their sequence numbers, asks for an acknowledgement of the last, and
// returns the first number.
func (l load) number(k *Kernel) uint32 {
	first := k.batchSeq
	at, last := 0, 0
	for i := range l.indexes {
		wire.Native.PutUint32(l.buf[at+8:], first+uint32(i)) //nolint:gosec // at most batchSize
		last = at
		at += wire.Align(int(wire.Native.Uint32(l.buf[at:])))
	}
	flags := wire.Native.Uint16(l.buf[last+6:])
	wire.Native.PutUint16(l.buf[last+6:], flags|unix.NLM_F_ACK)
	k.batchSeq = first + uint32(len(l.indexes)) //nolint:gosec // it may wrap around
	return first
}

// maxAnswer is the size of one read, in bytes. An answer repeats the message that it is about.
const maxAnswer = 64 << 10

// read reads answers until the last message has its answer. Its indexes are those of the load, and
// first is the sequence number of the first message.
func (b *batch) read(fd int, indexes []int, first uint32) error {
	if b.answers == nil {
		b.answers = make([]byte, maxAnswer)
	}
	for range 2 * batchSize {
		n, from, err := unix.Recvfrom(fd, b.answers, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return timedOut(fmt.Errorf("read the kernel's answers to changes of routes: %w", err))
		}
		if sender, ok := from.(*unix.SockaddrNetlink); !ok || sender.Pid != 0 {
			continue // only the kernel counts
		}
		if done, err := b.takeAnswers(b.answers[:n], indexes, first); done || err != nil {
			return err
		}
	}
	return errors.New("the kernel did not acknowledge the changes of routes")
}

// takeAnswers takes the answers in one datagram, and reports whether the last message has its own.
func (b *batch) takeAnswers(rest []byte, indexes []int, first uint32) (done bool, err error) {
	lastIndex := uint32(len(indexes) - 1) //nolint:gosec // at least one, at most batchSize
	for len(rest) >= unix.SizeofNlMsghdr {
		size := int(wire.Native.Uint32(rest))
		if size < unix.SizeofNlMsghdr || size > len(rest) {
			return false, fmt.Errorf("%w: an answer of %d bytes where %d are left", wire.ErrMalformed, size, len(rest))
		}
		at := wire.Native.Uint32(rest[8:]) - first
		if wire.Native.Uint16(rest[4:]) == unix.NLMSG_ERROR && at <= lastIndex {
			err := b.answer(indexes[at], wire.Native.Uint16(rest[6:]), rest[unix.SizeofNlMsghdr:size])
			if err != nil || at == lastIndex {
				return true, err
			}
		}
		rest = rest[min(wire.Align(size), len(rest)):]
	}
	return false, nil
}

// answer takes the kernel's answer to one message: struct nlmsgerr (linux/netlink.h), which the
// kernel's words follow.
func (b *batch) answer(index int, flags uint16, body []byte) error {
	if len(body) < 4+unix.SizeofNlMsghdr {
		return fmt.Errorf("%w: an answer of %d bytes", wire.ErrMalformed, len(body))
	}
	errno := unix.Errno(-int32(wire.Native.Uint32(body))) //nolint:gosec // the kernel's negative errno
	if errno == 0 || index == removal && (errno == unix.ESRCH || errno == unix.ENODEV) {
		return nil
	}
	err := fmt.Errorf("%w: %s", errno, answerWords(flags, body, errno))
	if errno == unix.EPERM || index == removal {
		return refused("change routes", err)
	}
	b.refuse(index, wire.Native.Uint16(body[4+6:]), err)
	return nil
}

// answerWords returns the kernel's own words (NLMSGERR_ATTR_MSG), or those of the errno. They
// follow the message that the kernel repeats, of which it may repeat only the header
// (NLM_F_CAPPED).
func answerWords(flags uint16, body []byte, errno unix.Errno) string {
	const capped, extended, attrMessage = 0x100, 0x200, 1
	at := 4 + unix.SizeofNlMsghdr
	if flags&capped == 0 {
		at = 4 + wire.Align(int(wire.Native.Uint32(body[4:])))
	}
	words := errno.Error()
	if flags&extended == 0 || at < 0 || at > len(body) { // below 0 where an int has 32 bits
		return words
	}
	// without the words there is still the errno
	_ = wire.EachAttribute(body[at:], func(kind uint16, v []byte) error {
		if kind == attrMessage && len(v) > 1 {
			words = string(v[:len(v)-1])
		}
		return nil
	})
	return words
}
