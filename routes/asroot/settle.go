package asroot

import (
	"math"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Settle frees the helper from its caller's limits of resources, alarms, low priority, folder and
// signals of a terminal, any of which could end or stop it in the middle. pkexec leaves all of
// these as they are. Settle does as much as this process may, and ignores errors.
func Settle() {
	liftLimits()
	stopAlarms()
	raisePriority()
	debug.SetMemoryLimit(maxHeap)
	unix.Umask(0o022)
	_ = unix.Chdir("/")
	// The helper stops when the caller closes its standard input. A key that is pressed twice, a
	// pipe that nobody reads, or a terminal that lets no output pass must not end or stop it in the
	// middle.
	signal.Ignore(os.Interrupt, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGPIPE, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU,
		syscall.SIGALRM, syscall.SIGVTALRM, syscall.SIGXCPU, syscall.SIGXFSZ)
}

// maxHeap is how much memory the helper takes, in bytes, before it rather takes time: it looks for
// unused memory more often. The largest request needs less.
const maxHeap = 6 * maxKept

// enoughFiles is how many descriptors the helper needs at most, by far.
const enoughFiles = 1024

// liftLimits lifts the limits that can end or fail a process (setrlimit(2)). Where it may not raise
// the hard limit, it uses all of it. The limit of a core file stays as it is.
func liftLimits() {
	for resource, least := range map[int]uint64{
		unix.RLIMIT_CPU: math.MaxUint64, unix.RLIMIT_FSIZE: math.MaxUint64, unix.RLIMIT_AS: math.MaxUint64, unix.RLIMIT_DATA: math.MaxUint64,
		unix.RLIMIT_RSS: math.MaxUint64, unix.RLIMIT_NPROC: math.MaxUint64, unix.RLIMIT_SIGPENDING: math.MaxUint64, unix.RLIMIT_RTTIME: math.MaxUint64,
		unix.RLIMIT_LOCKS: math.MaxUint64, unix.RLIMIT_NOFILE: enoughFiles, unix.RLIMIT_MEMLOCK: 8 << 20, unix.RLIMIT_STACK: 8 << 20,
	} {
		var now unix.Rlimit
		if unix.Getrlimit(resource, &now) != nil {
			continue
		}
		wanted := unix.Rlimit{Cur: max(now.Cur, least), Max: max(now.Max, least)}
		if unix.Setrlimit(resource, &wanted) != nil {
			wanted = unix.Rlimit{Cur: now.Max, Max: now.Max}
			_ = unix.Setrlimit(resource, &wanted)
		}
	}
}

// stopAlarms stops the timers that a process passes on to the program that it becomes
// (setitimer(2)).
func stopAlarms() {
	for _, timer := range []unix.ItimerWhich{unix.ITIMER_REAL, unix.ITIMER_VIRTUAL, unix.ITIMER_PROF} {
		_, _ = unix.Setitimer(timer, unix.Itimerval{})
	}
}

// raisePriority gives every thread the ordinary scheduling policy, and a nice value of 0 at most:
// others may wait for the lock that the process holds. It also makes the process no first choice of
// the kernel's when memory runs out. A thread that begins meanwhile has the values of another, so
// it looks twice.
func raisePriority() {
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("0"), 0)
	for range 2 {
		threads, _ := filepath.Glob("/proc/self/task/*")
		for _, thread := range threads {
			raiseThread(filepath.Base(thread))
		}
	}
}

func raiseThread(number string) {
	tid, err := strconv.Atoi(number)
	if err != nil {
		return
	}
	now, err := unix.SchedGetAttr(tid, 0)
	if err != nil || now.Policy == unix.SCHED_NORMAL && now.Nice <= 0 {
		return
	}
	_ = unix.SchedSetAttr(tid, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL}, 0)
}
