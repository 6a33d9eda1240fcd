// Package events listens to the kernel's notifications of changed links, addresses and routes, and
// makes few events of many. A flood of notifications costs little, and a loss is told.
package events

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"nmgre/routes/kernel"
	"nmgre/routes/netlink/wire"
)

// Limits on reading the kernel's notifications.
const (
	// eventBuffer is how many bytes the kernel may hold for us. It drops messages that do not fit,
	// and reports that it has.
	eventBuffer = 4 << 20
	// flood is how many messages in a row are read one by one. With more of them everything may
	// have changed, and reading on would only cost time.
	flood = 1000
	// floodPause is how long the listener then stops listening.
	floodPause = 500 * time.Millisecond
	// deafPause is the longest time between two tries to listen again. Each pause is twice the one
	// before; the first is floodPause.
	deafPause = 10 * time.Second
	// eventGather is the least time between two reads, so that many changes cause one event.
	eventGather = 50 * time.Millisecond
)

// eventGroups are the kernel's multicast groups for links, addresses and routes.
var eventGroups = [...]int{
	unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR, unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE,
}

// everything is the event after a loss of notifications.
var everything = kernel.Event{Links: true, Routes: true}

// Watch sends an event when devices, addresses or routes may have changed, as the kernel notifies
// it. It listens in the network namespace of the thread that calls it, on a socket of its own, and
// needs no privilege. After very many changes at once, or lost notifications, the event says that
// everything may have changed; so a flood costs little. When the kernel's notifications do not
// arrive any more, the event has Deaf, and Hears when they do again. The channel is closed after
// the end of ctx.
func Watch(ctx context.Context) (<-chan kernel.Event, error) {
	l, err := listen()
	if err != nil {
		return nil, fmt.Errorf("listen to the kernel's notifications: %w", err)
	}
	stop := context.AfterFunc(ctx, l.wake)
	go func() {
		defer close(l.events)
		defer func() { _ = l.file.Close() }() // nothing was written
		defer stop()
		l.run(ctx)
	}()
	return l.events, nil
}

// listener reads the kernel's notifications.
type listener struct {
	file   *os.File
	raw    syscall.RawConn
	events chan kernel.Event
	buffer []byte
	// members joins or leaves all groups: [membership].
	members func(fd, option int) error
	wait    time.Duration // the pause before the next try to listen again
}

// listen opens the socket and joins the groups.
func listen() (*listener, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	l := &listener{file: os.NewFile(uintptr(fd), "netlink"), events: make(chan kernel.Event, 1), buffer: make([]byte, 64<<10), members: membership, wait: floodPause}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, eventBuffer) != nil {
		// Without root the host's limit applies.
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, eventBuffer)
	}
	err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	if err == nil {
		err = l.members(fd, unix.NETLINK_ADD_MEMBERSHIP)
	}
	if err == nil {
		l.raw, err = l.file.SyscallConn()
	}
	if err != nil {
		_ = l.file.Close()
		return nil, err
	}
	return l, nil
}

// membership joins or leaves all groups.
func membership(fd, option int) error {
	var errs []error
	for _, group := range eventGroups {
		errs = append(errs, unix.SetsockoptInt(fd, unix.SOL_NETLINK, option, group))
	}
	return errors.Join(errs...)
}

// wake ends a wait for notifications.
func (l *listener) wake() { _ = l.file.SetReadDeadline(time.Unix(1, 0)) }

// run sends events until ctx ends.
func (l *listener) run(ctx context.Context) {
	for ctx.Err() == nil {
		event, many, err := l.read()
		if ctx.Err() != nil {
			return
		}
		if err == nil && many {
			err = l.sitOut(ctx)
			event = everything
		}
		// The socket cannot be read, or is in no group any more.
		if err != nil {
			l.listenAgain(ctx)
			continue
		}
		l.wait = floodPause
		if event != (kernel.Event{}) {
			l.tell(event)
		}
		pause(ctx, eventGather)
	}
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// sitOut leaves the groups during a flood: notifications to which nobody listens cost the kernel
// nothing either. The caller then sends the event for all that happened meanwhile. It fails if the
// groups cannot be joined again.
func (l *listener) sitOut(ctx context.Context) error {
	_ = l.setMembers(unix.NETLINK_DROP_MEMBERSHIP) // otherwise it goes on hearing them
	l.discard()
	pause(ctx, floodPause)
	return l.setMembers(unix.NETLINK_ADD_MEMBERSHIP)
}

// setMembers joins or leaves the groups.
func (l *listener) setMembers(option int) error {
	var err error
	return errors.Join(l.raw.Control(func(fd uintptr) { err = l.members(int(fd), option) }), err)
}

// listenAgain tells that changes go unseen, and tries to join the groups until it succeeds or ctx
// ends. At each try everything may have changed. So whoever follows the host sees it late, but sees
// it.
func (l *listener) listenAgain(ctx context.Context) {
	deaf, hears := everything, everything
	deaf.Deaf, hears.Hears = true, true
	for ctx.Err() == nil {
		l.tell(deaf)
		pause(ctx, l.wait)
		l.wait = min(2*l.wait, deafPause)
		if l.setMembers(unix.NETLINK_ADD_MEMBERSHIP) == nil {
			l.tell(hears)
			return
		}
	}
}

// read waits for notifications and reads all that have come. It returns many when there were too
// many of them, or when some were lost.
func (l *listener) read() (event kernel.Event, many bool, err error) {
	read := 0
	waitErr := l.raw.Read(func(fd uintptr) bool {
		for ; read < flood; read++ {
			n, from, failed := unix.Recvfrom(int(fd), l.buffer, 0)
			switch {
			case errors.Is(failed, unix.EAGAIN):
				return read > 0
			case errors.Is(failed, unix.EINTR):
				continue
			case errors.Is(failed, unix.ENOBUFS):
				many = true
				return true
			case failed != nil:
				err = failed
				return true
			}
			// Only the kernel itself counts.
			if sender, ok := from.(*unix.SockaddrNetlink); ok && sender.Pid == 0 {
				event = event.And(eventsIn(l.buffer[:n]))
			}
		}
		many = true
		return true
	})
	if err == nil {
		err = waitErr
	}
	return event, many, err
}

// discard empties the socket.
func (l *listener) discard() {
	_ = l.raw.Control(func(fd uintptr) {
		for range eventBuffer { // more than the messages that fit
			_, _, err := unix.Recvfrom(int(fd), l.buffer[:1], unix.MSG_TRUNC)
			if err != nil && !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.ENOBUFS) {
				return
			}
		}
	})
}

// eventsIn returns the event for the messages of a datagram. After a message that is cut off,
// everything may have changed.
func eventsIn(datagram []byte) (event kernel.Event) {
	for len(datagram) > 0 {
		if len(datagram) < unix.NLMSG_HDRLEN {
			return everything
		}
		length := int(wire.Native.Uint32(datagram))
		if length < unix.NLMSG_HDRLEN || length > len(datagram) {
			return everything
		}
		switch wire.Native.Uint16(datagram[4:]) {
		case unix.RTM_NEWLINK, unix.RTM_DELLINK, unix.RTM_NEWADDR, unix.RTM_DELADDR:
			event.Links = true
		case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
			event.Routes = true
		case unix.NLMSG_ERROR, unix.NLMSG_OVERRUN:
			return everything
		}
		datagram = datagram[min(len(datagram), (length+unix.NLMSG_ALIGNTO-1)&^(unix.NLMSG_ALIGNTO-1)):]
	}
	return event
}

// tell leaves an event for the receiver, joined with an earlier one that was not received yet. Only
// one goroutine calls it.
func (l *listener) tell(e kernel.Event) {
	select {
	case earlier := <-l.events:
		e = earlier.And(e)
	default:
	}
	l.events <- e
}
