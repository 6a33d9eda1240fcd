package netlink

import (
	"errors"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// Many changes are made with a higher priority where that is allowed and nobody wanted a lower one,
// and few with the usual one. Afterwards the thread has its old priority.
func TestAhead(t *testing.T) {
	runtime.LockOSThread() // and never unlocked: the thread ends with the test
	nice := func() int {
		t.Helper()
		p, err := unix.Getpriority(unix.PRIO_PROCESS, unix.Gettid())
		if err != nil {
			t.Fatal(err)
		}
		return 20 - p
	}
	may := unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), aheadNice) == nil
	failed := errors.New("failed")
	for _, usual := range []int{0, 5} {
		if err := unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), usual); err != nil {
			usual = nice() // the test itself has a lower one
		}
		for changes, want := range map[int]int{1: usual, aheadFrom - 1: usual, aheadFrom: aheadNice, batchSize: aheadNice} {
			if !may || usual > 0 {
				want = usual
			}
			during := usual + 1
			if err := Ahead(changes, func() error { during = nice(); return failed }); !errors.Is(err, failed) || during != want || nice() != usual {
				t.Errorf("%d changes at nice %d: %d, want %d, and %d afterwards; %v", changes, usual, during, want, nice(), err)
			}
		}
	}
}
