package evidence

import (
	"context"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// longest is after how long a listening ends by itself.
const longest = time.Minute

// Listener implements [kernel.Listener] for the network namespace of the calling thread.
type Listener struct {
	longest time.Duration
}

// New returns a listener.
func New() *Listener { return &Listener{longest: longest} }

// Listen begins to listen; it hears everything that comes after its return. It fails with
// [fault.ErrInvalid] when an address is missing or of the wrong family, or the device is not there.
// The kinds of packets that it cannot hear, for want of privileges or because the kernel has no
// such sockets, are in the result's Deaf.
func (l *Listener) Listen(ctx context.Context, to kernel.Ends) (kernel.Listening, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	e, err := newEnds(to)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithTimeout(ctx, l.longest)
	listening := &listening{stop: stop, done: make(chan struct{}), heard: newHeard(e)}
	listening.open(e)
	go listening.run(ctx)
	return listening, nil
}

// ends are [kernel.Ends] that were checked, as the sockets need them.
type ends struct {
	kernel.Ends              // without zones; Local is zero for any address of this host
	index       int          // of Dev; 0 for every device
	own         []netip.Addr // the addresses of this host, if Local is any of them
}

func newEnds(to kernel.Ends) (ends, error) {
	e, err := checkEnds(to, ownAddresses)
	if err != nil || to.Dev == "" {
		return e, err
	}
	e.index, err = indexOf(to.Dev)
	return e, err
}

// checkEnds returns the ends if they are valid, without the number of their device.
func checkEnds(to kernel.Ends, ownAddresses func() []netip.Addr) (ends, error) {
	to.Local, to.Remote = to.Local.WithZone(""), to.Remote.WithZone("")
	if to.Local.IsUnspecified() {
		to.Local = netip.Addr{}
	}
	e := ends{Ends: to}
	switch {
	case !to.Mode.Known():
		return e, fault.Invalid("", "", "listen to a tunnel of no known mode")
	case !to.Remote.IsValid() || to.Remote.IsUnspecified() || !to.Mode.Fits(to.Remote):
		return e, fault.Invalid("", "", "listen to a tunnel of mode %s to %s", to.Mode, to.Remote)
	case to.Local.IsValid() && !to.Mode.Fits(to.Local):
		return e, fault.Invalid("", "", "listen to a tunnel of mode %s from %s", to.Mode, to.Local)
	}
	if !to.Local.IsValid() {
		e.own = ownAddresses()
	}
	return e, nil
}

// ownAddresses returns the addresses of this host, none if the kernel does not tell.
func ownAddresses() (list []netip.Addr) {
	nets, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, n := range nets {
		if n, ok := n.(*net.IPNet); ok {
			if a, ok := netip.AddrFromSlice(n.IP); ok {
				list = append(list, a.Unmap())
			}
		}
	}
	return list
}

// indexOf returns the number of a network device.
func indexOf(device string) (int, error) {
	missing := func(err error) error {
		e := fault.Invalid("", "", "there is no network device %s", fault.Printable(device))
		e.Err = err
		return e
	}
	request, err := unix.NewIfreq(device)
	if err != nil {
		return 0, missing(err)
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, request); err != nil {
		return 0, missing(err)
	}
	return int(request.Uint32()), nil
}
