package netlink

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
	"nmgre/routes/kernel"
	"nmgre/routes/modules"
)

// Limits on one exchange with the kernel.
const (
	// dumpTries is how often a dump is tried, if the tables change each time while it runs.
	dumpTries = 16
	// maxDump bounds the messages of one dump. No host has as many routes, and memory holds far
	// more.
	maxDump = 8 << 20
	// receiveBuffer holds the answers to a batch, in bytes.
	receiveBuffer = 1 << 20
	// answerSeconds is how long the kernel may take for one part of an answer. It answers at once
	// unless somebody holds the lock on its tables.
	answerSeconds = 15
)

// Kernel is the kernel of this host, in the network namespace of the thread that called [New]; it
// implements [kernel.Kernel].
//
// Several goroutines may use it at once: their requests take turns on one socket. [Kernel.Probe]
// and [Kernel.Watch] take no turn; each opens a socket of its own, in the namespace of the thread
// that calls it.
//
// A request that the kernel has begun cannot be cancelled. So contexts are checked before each
// request and between the parts of an answer. The kernel answers in microseconds, unless somebody
// holds the lock on its tables.
type Kernel struct {
	sockets map[int]*nl.SocketHandle
	files   modules.Files
	// batchSeq is the sequence number of the next batch's first message, under the socket's lock.
	// It begins far from the library's numbers.
	batchSeq uint32
	answers  []byte // of a whole table, under the socket's lock; nil before the first
	// turns takes the exchanges, which one goroutine makes: the library has a buffer of 64 KB on
	// the stack, which every goroutine that calls it would get for good.
	turns  chan func()
	closed chan struct{} // is closed by end
	end    func()
}

var _ kernel.Kernel = (*Kernel)(nil)

// New opens the socket to the kernel. It needs no privilege.
func New() (*Kernel, error) {
	socket, err := nl.GetNetlinkSocketAt(netns.None(), netns.None(), unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open a netlink socket: %w", err)
	}
	if err := prepare(socket); err != nil {
		socket.Close()
		return nil, fmt.Errorf("prepare a netlink socket: %w", err)
	}
	sockets := map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: {Socket: socket}}
	k := &Kernel{sockets: sockets, files: modules.Files{Root: "/"}, batchSeq: 1 << 31, turns: make(chan func()), closed: make(chan struct{})}
	k.end = sync.OnceFunc(func() { close(k.closed) })
	go k.takeTurns()
	return k, nil
}

// takeTurns makes the exchanges until the Kernel is closed.
func (k *Kernel) takeTurns() {
	for {
		select {
		case turn := <-k.turns:
			turn()
		case <-k.closed:
			return
		}
	}
}

func prepare(socket *nl.NetlinkSocket) error {
	timeout := unix.Timeval{Sec: answerSeconds}
	err := errors.Join(socket.SetSendTimeout(&timeout), socket.SetReceiveTimeout(&timeout), socket.SetExtAck(true))
	// With strict checking the kernel filters a dump of routes by device and protocol. Kernels
	// before 4.20 cannot, so everything is filtered here again.
	_ = unix.SetsockoptInt(socket.GetFd(), unix.SOL_NETLINK, unix.NETLINK_GET_STRICT_CHK, 1)
	// When the kernel refuses a whole batch, the answers to all its messages come at once. Only
	// root may exceed the usual limit.
	if unix.SetsockoptInt(socket.GetFd(), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
		_ = unix.SetsockoptInt(socket.GetFd(), unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer)
	}
	return err
}

// Close closes the socket. The Kernel must not be used afterwards. Close returns nil.
func (k *Kernel) Close() error {
	k.end()
	for _, s := range k.sockets {
		s.Close()
	}
	return nil
}

// CanChange reports whether this process may change routes: whether CAP_NET_ADMIN is in effect.
func (k *Kernel) CanChange() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData // version 3 fills two
	if unix.Capget(&header, &data[0]) != nil {
		return false
	}
	return data[unix.CAP_NET_ADMIN/32].Effective&(1<<(unix.CAP_NET_ADMIN%32)) != 0
}

// request is one message to the kernel.
type request struct {
	kind  int    // RTM_...
	flags int    // NLM_F_..., without NLM_F_REQUEST
	reply uint16 // the kind of the messages that answer it; 0 when only an acknowledgement does
	body  []byte // the header of the kind, such as struct rtmsg, and the attributes
}

// exchange sends r and calls take with each message of the answer, until take fails or ctx ends. An
// error of the kernel's is an errno, possibly with the kernel's words.
func (k *Kernel) exchange(ctx context.Context, r request, take func(body []byte) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	req := nl.NewNetlinkRequest(r.kind, r.flags)
	req.Sockets = k.sockets
	req.AddRawData(r.body)
	var stopped error
	count := 0
	done := make(chan error)
	turn := func() {
		each := func(body []byte) bool {
			if count++; count > maxDump {
				stopped = fmt.Errorf("the kernel's answer has more than %d parts", maxDump)
			} else if stopped = ctx.Err(); stopped == nil {
				stopped = take(body)
			}
			return stopped == nil
		}
		if r.flags&unix.NLM_F_DUMP == unix.NLM_F_DUMP {
			done <- k.table(req, r.reply, each)
		} else {
			done <- req.ExecuteIter(unix.NETLINK_ROUTE, r.reply, each)
		}
	}
	select {
	case k.turns <- turn:
	case <-k.closed:
		return os.ErrClosed
	}
	err := <-done
	if stopped != nil {
		return stopped
	}
	return timedOut(err)
}

// timedOut turns the library's error for a timeout into an ErrTimeout.
func timedOut(err error) error {
	if errors.Is(err, unix.EAGAIN) {
		return &fault.Error{Kind: fault.ErrTimeout, What: fmt.Sprintf("the kernel did not answer in %d seconds", answerSeconds)}
	}
	return err
}

// walk sends a request for a whole table and calls take with each message of the answer. When the
// table changes while the kernel walks it, walk begins again, at most dumpTries times in all. It
// calls begin before each try. It sleeps a little longer before each: where there is one processor,
// who has slept goes first, and reads the table before another process changes it once more.
func (k *Kernel) walk(ctx context.Context, r request, begin func(), take func(body []byte) error) error {
	r.flags |= unix.NLM_F_DUMP
	var err error
	for try := range dumpTries {
		time.Sleep(time.Duration(try) * time.Millisecond)
		begin()
		if err = k.exchange(ctx, r, take); !errors.Is(err, nl.ErrDumpInterrupted) {
			return err
		}
	}
	return &fault.Error{What: fmt.Sprintf("the kernel's table changed during each of %d readings", dumpTries), Hint: "try again", Err: err}
}

// dump sends a request for a whole table and returns the results of parse for its messages. Where
// parse returns false, the message is left out.
func dump[T any](ctx context.Context, k *Kernel, r request, parse func(body []byte) (T, bool, error)) ([]T, error) {
	var all []T
	err := k.walk(ctx, r, func() { all = nil }, func(body []byte) error {
		one, wanted, err := parse(body)
		if err == nil && wanted {
			all = append(all, one)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}
