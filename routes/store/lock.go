package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
	"nmgre/routes/keep"
)

// lockPoll is the time between two tries to take the lock. The kernel's own wait would not end with
// a context.
const lockPoll = 20 * time.Millisecond

// errBusy is the error when another process has the lock, or has just given it back.
var errBusy = errors.New("another nmgre is at work")

// Lock takes the lock, and waits until other nmgre processes give it back, at most a minute: then
// it fails with ErrTimeout. The lock ends with the process that holds it.
func (s *Store) Lock(ctx context.Context) (func(), error) {
	const attempt = "lock out other nmgre processes"
	for end := time.Now().Add(s.timeout); ; {
		if err := ctx.Err(); err != nil {
			return nil, &fault.Error{What: attempt, Err: err}
		}
		file, err := s.tryLock()
		switch {
		case err == nil:
			return func() { s.unlock(file) }, nil
		case !errors.Is(err, errBusy):
			return nil, denied(attempt, err)
		case time.Now().After(end):
			return nil, &fault.Error{Kind: fault.ErrTimeout, What: attempt, Hint: "try again when it is done", Err: err}
		}
		select {
		case <-ctx.Done():
		case <-time.After(lockPoll):
		}
	}
}

// tryLock takes the lock if it is free. The lock's file exists only while somebody holds it.
func (s *Store) tryLock() (*os.File, error) {
	made, err := s.makeDir(runDir)
	var file *os.File
	if err == nil {
		file, err = os.OpenFile(s.path(runDir, lockFile), os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	}
	if errors.Is(err, fs.ErrNotExist) { // another process has just removed the folder
		return nil, errBusy
	}
	if err != nil {
		undoDirs(made)
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

// Interrupted reports whether a process was killed while it had a trial, or the lock: the lock's
// file is there, and nobody has locked it.
func (s *Store) Interrupted(ctx context.Context) bool {
	tried, _ := s.Tried(ctx) // those that can be read
	if slices.ContainsFunc(tried, func(t keep.Tried) bool { return t.Dead }) {
		return true
	}
	file, err := os.OpenFile(s.path(runDir, lockFile), os.O_RDWR|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer func() { _ = file.Close() }() // which gives the lock back
	return unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil && s.isLockFile(file)
}

// isLockFile reports whether file is the one that others will try to lock. It is not if the last
// holder has removed it since.
func (s *Store) isLockFile(file *os.File) bool {
	mine, err := file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(s.path(runDir, lockFile))
	return err == nil && os.SameFile(mine, there)
}

// unlock gives the lock back, and removes the file and folder that were made for it.
func (s *Store) unlock(file *os.File) {
	_ = os.Remove(s.path(runDir, lockFile))
	_ = os.Remove(s.path(runDir)) // fails while there are notes in it
	_ = file.Close()
}

// SetWaiting notes that a process could not wait for the lock, or removes the note. Others may hold
// the lock meanwhile, so it makes a file of its own and touches no other.
func (s *Store) SetWaiting(_ context.Context, on bool) error {
	path := s.path(runDir, waitingFile)
	if !on {
		err := os.Remove(path)
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return denied("remove the note that another nmgre waits", err)
	}
	_, err := s.makeDir(runDir)
	var file *os.File
	if err == nil {
		file, err = os.OpenFile(path, os.O_CREATE|os.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the lock has just been given back, and the folder with it
	}
	if err != nil {
		return denied("note that this nmgre waits", err)
	}
	return file.Close()
}

// Waiting reports whether there is a note of [Store.SetWaiting].
func (s *Store) Waiting(context.Context) bool {
	_, err := os.Lstat(s.path(runDir, waitingFile))
	return err == nil
}
