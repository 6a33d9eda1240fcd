package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
)

// lockPoll is how long a process that waits for the lock sleeps: the kernel's own waiting heeds no
// context.
const lockPoll = 20 * time.Millisecond

// errBusy says that another process has the lock, or has just given it back.
var errBusy = errors.New("another nmgre is at work")

// Lock waits until no other nmgre has the lock, a minute at most, and takes it. It is gone with the
// process that has it.
func (s *Store) Lock(ctx context.Context) (func(), error) {
	const what = "lock out other nmgre processes"
	for end := time.Now().Add(s.timeout); ; {
		if err := ctx.Err(); err != nil {
			return nil, &fault.Error{What: what, Err: err}
		}
		file, err := s.tryLock()
		switch {
		case err == nil:
			return func() { s.unlock(file) }, nil
		case !errors.Is(err, errBusy):
			return nil, denied(what, err)
		case time.Now().After(end):
			return nil, &fault.Error{Kind: fault.ErrTimeout, What: what, Hint: "try again when it is done", Err: err}
		}
		select {
		case <-ctx.Done():
		case <-time.After(lockPoll):
		}
	}
}

// tryLock takes the lock if it is free. The file is made for it, and goes with it.
func (s *Store) tryLock() (*os.File, error) {
	made, err := s.makeDir(runDir)
	var file *os.File
	if err == nil {
		file, err = os.OpenFile(s.path(runDir, lockFile), os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	}
	if errors.Is(err, fs.ErrNotExist) { // another took the folder along
		return nil, errBusy
	}
	if err != nil {
		unmake(made)
		return nil, err
	}
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, unix.EINTR) || err == nil && !s.isLockFile(file) {
		err = errBusy
	}
	if err != nil {
		_ = file.Close() // it holds nothing
		return nil, err
	}
	return file, nil
}

// isLockFile says whether file is the one that others will try to lock: whoever had the lock before
// removed it.
func (s *Store) isLockFile(file *os.File) bool {
	mine, err := file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(s.path(runDir, lockFile))
	return err == nil && os.SameFile(mine, there)
}

// unlock gives the lock back, and leaves nothing behind that was not there before.
func (s *Store) unlock(file *os.File) {
	_ = os.Remove(s.path(runDir, lockFile))
	_ = os.Remove(s.path(runDir)) // fails while there are notes in it
	_ = file.Close()
}
