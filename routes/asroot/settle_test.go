package asroot

import (
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// lowered are the limits that a hostile caller sets before it asks: each would end the helper, or
// fail its work.
var lowered = map[int]uint64{unix.RLIMIT_CPU: 30, unix.RLIMIT_FSIZE: 1, unix.RLIMIT_NOFILE: 16, unix.RLIMIT_RTTIME: 1000}

// ofACaller gives this process the limits, alarm, priority, folder and closed files of a hostile
// caller, and turns it into settled.
func ofACaller(hard bool) {
	runtime.LockOSThread()
	for resource, limit := range lowered {
		var now syscall.Rlimit
		_ = syscall.Getrlimit(resource, &now)
		now.Cur = limit
		if hard {
			now.Max = limit
		}
		if err := syscall.Setrlimit(resource, &now); err != nil {
			fmt.Println(err)
		}
	}
	unix.Umask(0o777)
	_ = unix.Chdir("/tmp")
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, 10)
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0)
	self, _ := os.Executable()
	_, _ = unix.Setitimer(unix.ITIMER_REAL, unix.Itimerval{Value: unix.Timeval{Usec: 400_000}})
	for fd := range 3 {
		if fd != 1 {
			_ = unix.Close(fd)
		}
	}
	_ = syscall.Exec(self, []string{self, "settled"}, os.Environ())
}

// settled is a helper that has settled. It prints its limits, and takes the steps that a caller
// wants to keep it from.
func settled() {
	Settle()
	var problems []error
	for resource, limit := range lowered {
		var now unix.Rlimit
		_ = unix.Getrlimit(resource, &now)
		fmt.Printf("%d: %d of %d, was %d\n", resource, now.Cur, now.Max, limit)
	}
	file, err := os.CreateTemp("", "settled")
	if err != nil {
		problems = append(problems, err)
	} else {
		_, err = file.Write(make([]byte, 1<<16))
		problems = append(problems, err, file.Close(), os.Remove(file.Name()))
	}
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU, syscall.SIGPIPE,
		syscall.SIGXCPU, syscall.SIGXFSZ, syscall.SIGALRM, syscall.SIGVTALRM} {
		problems = append(problems, syscall.Kill(os.Getpid(), sig))
	}
	time.Sleep(600 * time.Millisecond) // past the alarm
	wd, err := os.Getwd()
	nice, _ := unix.Getpriority(unix.PRIO_PROCESS, 0)
	oom, _ := os.ReadFile("/proc/self/oom_score_adj")
	alarm, _ := unix.Getitimer(unix.ITIMER_REAL)
	fmt.Printf("umask %#o, in %s, nice %d, oom %s, alarm %v\n", unix.Umask(0), wd, 20-nice, strings.TrimSpace(string(oom)), alarm.Value)
	for fd := range 3 {
		_, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		problems = append(problems, err)
	}
	fmt.Println(errors.Join(append(problems, err)...))
	os.Exit(0)
}

// The limits and the alarm of a caller do not end the helper in the middle.
func TestSettle(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	privileged := mayRaise()
	cmd := exec.Command(self, "of-a-caller", strconv.FormatBool(privileged))
	cmd.Dir = t.TempDir()
	out, err := cmd.Output()
	text := string(out)
	if err != nil || !strings.HasSuffix(text, "\n<nil>\n") {
		t.Fatalf("%v\n%s", err, text)
	}
	for resource, limit := range lowered {
		var cur, top, was uint64
		if _, line, found := strings.Cut(text, fmt.Sprintf("%d: ", resource)); !found {
			t.Errorf("nothing about %d:\n%s", resource, text)
		} else if _, err := fmt.Sscanf(line, "%d of %d, was %d", &cur, &top, &was); err != nil || cur <= limit || privileged && resource != unix.RLIMIT_NOFILE && cur != math.MaxUint64 {
			t.Errorf("limit %d: %v\n%s", resource, err, text)
		}
	}
	want := "umask 022, in /, "
	if privileged {
		want += "nice 0, oom 0, alarm {0 0}\n"
	}
	if !strings.Contains(text, want) {
		t.Errorf("it lacks %q:\n%s", want, text)
	}
}

// mayRaise reports whether this process may raise limits and priorities, as root may.
func mayRaise() bool {
	runtime.LockOSThread() // it is not unlocked: the thread ends with its priority
	before, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil || unix.Setpriority(unix.PRIO_PROCESS, 0, 20-before+1) != nil {
		return false
	}
	if unix.Setpriority(unix.PRIO_PROCESS, 0, 20-before) != nil {
		return false
	}
	var now unix.Rlimit
	_ = unix.Getrlimit(unix.RLIMIT_RTTIME, &now)
	raised := unix.Rlimit{Cur: now.Cur, Max: now.Max}
	raised.Max--
	return unix.Setrlimit(unix.RLIMIT_RTTIME, &raised) == nil && unix.Setrlimit(unix.RLIMIT_RTTIME, &now) == nil
}
