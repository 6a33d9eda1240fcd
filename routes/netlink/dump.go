package netlink

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"nmgre/routes/netlink/wire"
)

// table sends a request for a whole table, and calls take with the body of each message of the
// answer that has the type reply, until take returns false. It works as ExecuteIter of the library,
// with one buffer: the library makes lists of all messages, and a table may be very long.
func (k *Kernel) table(req *nl.NetlinkRequest, reply uint16, take func(body []byte) bool) error {
	handle := k.sockets[unix.NETLINK_ROUTE]
	handle.Socket.Lock()
	defer handle.Socket.Unlock()
	req.Seq = atomic.AddUint32(&handle.Seq, 1)
	if err := handle.Socket.Send(req); err != nil {
		return err
	}
	port, err := handle.Socket.GetPid()
	if err != nil {
		return err
	}
	if k.answers == nil {
		k.answers = make([]byte, maxAnswer)
	}
	a := tableAnswer{seq: req.Seq, port: port, reply: reply, take: take}
	for !a.ended {
		datagram, err := receive(handle.Socket.GetFd(), k.answers)
		if err != nil {
			return err
		}
		if err := a.read(datagram); err != nil {
			return err
		}
	}
	if a.interrupted {
		return nl.ErrDumpInterrupted
	}
	return nil
}

// receive returns the next datagram that the kernel itself has sent. It fails with EAGAIN if none
// comes in time.
func receive(fd int, buffer []byte) ([]byte, error) {
	for {
		n, from, err := unix.Recvfrom(fd, buffer, 0)
		switch sender, ok := from.(*unix.SockaddrNetlink); {
		case errors.Is(err, unix.EAGAIN):
			ready, pollErr := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, answerSeconds*1000) //nolint:gosec // a file's number is small
			if ready == 0 && pollErr == nil {
				return nil, err
			}
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return nil, err
		case ok && sender.Pid == nl.PidKernel:
			return buffer[:n], nil
		}
	}
}

// tableAnswer is the answer to one request while it is read.
type tableAnswer struct {
	seq, port uint32 // of the request and of the socket that has sent it
	reply     uint16
	take      func(body []byte) bool // nil when it wants no more

	interrupted bool // the table changed meanwhile
	ended       bool
}

// read reads the messages of a datagram. Those that answer another request do not count.
func (a *tableAnswer) read(rest []byte) error {
	for len(rest) >= unix.SizeofNlMsghdr && !a.ended {
		size := int(wire.Native.Uint32(rest))
		if size < unix.SizeofNlMsghdr || size > len(rest) {
			return fmt.Errorf("%w: a message of %d bytes where %d are left", wire.ErrMalformed, size, len(rest))
		}
		if wire.Native.Uint32(rest[8:]) == a.seq && wire.Native.Uint32(rest[12:]) == a.port {
			if err := a.message(wire.Native.Uint16(rest[4:]), wire.Native.Uint16(rest[6:]), rest[unix.SizeofNlMsghdr:size]); err != nil {
				return err
			}
		}
		rest = rest[min(wire.Align(size), len(rest)):]
	}
	return nil
}

// message takes one message of the answer.
func (a *tableAnswer) message(kind, flags uint16, body []byte) error {
	a.interrupted = a.interrupted || flags&unix.NLM_F_DUMP_INTR != 0
	switch {
	case kind == unix.NLMSG_DONE || kind == unix.NLMSG_ERROR:
		a.ended = true
		return endOf(kind, flags, body)
	case a.reply != 0 && kind != a.reply:
		return nil
	case a.take != nil && !a.take(body):
		a.take = nil // the rest is read, and not taken
	}
	a.ended = flags&unix.NLM_F_MULTI == 0
	return nil
}

// endOf returns the error in the last message of an answer, with the kernel's words if it has any.
func endOf(kind, flags uint16, body []byte) error {
	if kind == unix.NLMSG_DONE && len(body) == 0 {
		return nil
	}
	if len(body) < 4 {
		return fmt.Errorf("%w: an end of %d bytes", wire.ErrMalformed, len(body))
	}
	errno := unix.Errno(-int32(wire.Native.Uint32(body))) //nolint:gosec // the kernel's negative errno
	if errno == 0 {
		return nil
	}
	if kind == unix.NLMSG_ERROR && len(body) >= 4+unix.SizeofNlMsghdr {
		if words := answerWords(flags, body, errno); words != errno.Error() {
			return fmt.Errorf("%w: %s", errno, words)
		}
	}
	return errno
}
