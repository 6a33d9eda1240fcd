package netlink

import (
	"errors"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// Many changes are made with a higher priority where that is allowed, and few with the usual one.
// Afterwards the thread has its old priority.
func TestAhead(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	nice := func() int {
		t.Helper()
		p, err := unix.Getpriority(unix.PRIO_PROCESS, unix.Gettid())
		if err != nil {
			t.Fatal(err)
		}
		return 20 - p
	}
	usual := nice()
	may := unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), aheadNice) == nil
	if err := unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), usual); err != nil {
		t.Fatal(err)
	}
	failed := errors.New("failed")
	for changes, want := range map[int]int{1: usual, aheadFrom - 1: usual, aheadFrom: aheadNice, batchSize: aheadNice} {
		if !may {
			want = usual
		}
		during := usual + 1
		if err := ahead(changes, func() error { during = nice(); return failed }); !errors.Is(err, failed) || during != want || nice() != usual {
			t.Errorf("%d changes: nice %d, want %d, and %d afterwards; %v", changes, during, want, nice(), err)
		}
	}
}
