package netlink

import (
	"runtime"

	"golang.org/x/sys/unix"
)

const (
	// aheadNice is the nice value of a thread that sends many changes.
	aheadNice = -10
	// aheadFrom is from how many changes on a thread goes ahead of others.
	aheadFrom = 64
)

// Ahead does work that sends many changes, or that reads them back, ahead of other processes.
// Whoever listens to the kernel, as NetworkManager does, wakes up for each of them. Where there is
// one processor, a thread of the usual priority then waits half of the time, and packets go wrong
// as long as routes are set and their rules are not. Who runs nmgre with a lower priority than
// usual gets that. Without the right to a higher one the work is done all the same.
func Ahead(changes int, work func() error) error {
	if changes < aheadFrom {
		return work()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	thread := unix.Gettid()
	// The system call returns 20 less the nice value, so that none is an error.
	before, err := unix.Getpriority(unix.PRIO_PROCESS, thread)
	if before = 20 - before; err != nil || before > 0 || before <= aheadNice || unix.Setpriority(unix.PRIO_PROCESS, thread, aheadNice) != nil {
		return work()
	}
	defer func() { _ = unix.Setpriority(unix.PRIO_PROCESS, thread, before) }() // a lower one is always allowed
	return work()
}
