package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
)

const (
	tempMark = ".nmgre-new-" // begins the name of a file that is being written
	maxFile  = 64 << 20      // bytes
)

// open opens a file that can be trusted.
func (s *Store) open(dir, name string) (*os.File, error) {
	if err := s.trustDirs(dir); err != nil {
		return nil, err
	}
	path := s.path(dir, name)
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ELOOP) {
		return nil, notRegular(path, "is a symbolic link")
	}
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil {
		err = s.trust(path, info)
	}
	if err == nil && !info.Mode().IsRegular() {
		err = notRegular(path, "is no regular file")
	}
	if err == nil && info.Size() > maxFile {
		err = notRegular(path, fmt.Sprintf("is larger than %d MB", maxFile>>20))
	}
	if err != nil {
		_ = file.Close() // it was not even read
		return nil, err
	}
	return file, nil
}

// trustDirs looks at the folders below the root that lead to dir, but for the system's own first
// one.
func (s *Store) trustDirs(dir string) error {
	parts := strings.Split(dir, "/")
	for n := 2; n <= len(parts); n++ {
		path := s.path(parts[:n]...)
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		if !info.IsDir() {
			return notRegular(path, "is no folder")
		}
		if err := s.trust(path, info); err != nil {
			return err
		}
	}
	return nil
}

// trust returns nil if only root can have written what info is about; of a symbolic link that says
// nothing.
func (s *Store) trust(path string, info fs.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok || stat.Uid != s.owner:
		return untrusted(path, "is not root's")
	// with an access control list, these bits are what it allows at most
	case info.Mode().Perm()&0o022 != 0:
		return untrusted(path, "can be written by others than root")
	}
	return nil
}

func untrusted(path, why string) error {
	shown := fault.Printable(path)
	return &fault.Error{What: fmt.Sprintf("%s %s: it does not count", shown, why),
		Hint: fmt.Sprintf("look at it, and if it is as it should be: sudo chown root:root %[1]s; sudo chmod go-w %[1]s", quote(shown))}
}

func notRegular(path, why string) error {
	shown := fault.Printable(path)
	return &fault.Error{What: fmt.Sprintf("%s %s: it does not count", shown, why), Hint: "look at it, and if nobody needs it, remove it: sudo rm -r " + quote(shown)}
}

// write puts a new file in the place of the old one. If anything fails the old one stays, and
// nothing else.
func (s *Store) write(dir, name string, fill func(*os.File) error) error {
	made, err := s.makeDir(dir)
	if err == nil {
		s.sweep(dir)
		err = s.replace(dir, name, 0o644, fill)
	}
	if err != nil {
		unmake(made)
		return err
	}
	return s.syncDir(dir)
}

// replace gives a new file its name when it is on the disk, whole.
func (s *Store) replace(dir, name string, mode fs.FileMode, fill func(*os.File) error) error {
	file, err := os.CreateTemp(s.path(dir), tempMark+"*")
	if err != nil {
		return err
	}
	err = fill(file)
	for _, finish := range []func() error{func() error { return file.Chmod(mode) }, file.Sync} {
		if err == nil {
			err = finish()
		}
	}
	err = errors.Join(err, file.Close())
	if err == nil {
		err = os.Rename(file.Name(), s.path(dir, name))
	}
	if err != nil {
		_ = os.Remove(file.Name()) // the first error is the one that counts
	}
	return err
}

// remove removes a file, and the folders of nmgre's own that are empty then. One that is gone
// already is no error.
func (s *Store) remove(dir, name string) error {
	err := os.Remove(s.path(dir, name))
	if err == nil {
		err = s.syncDir(dir)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s.sweep(dir)
	for ; dir != runDir && dir != "etc"; dir = filepath.Dir(dir) {
		_ = os.Remove(s.path(dir)) // fails while there are other files
	}
	return nil
}

// sweep removes what a killed nmgre left half written. It fails where there is nothing to sweep, or
// nobody may.
func (s *Store) sweep(dir string) {
	entries, _ := os.ReadDir(s.path(dir))
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), tempMark) {
			_ = os.Remove(s.path(dir, entry.Name()))
		}
	}
}

// syncDir has the folder itself written, so that what has changed in it lasts after a power cut.
func (s *Store) syncDir(dir string) error {
	folder, err := os.Open(s.path(dir))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// makeDir makes a folder and those above it, whatever the caller's umask, and sees that they can be
// trusted. It returns those that it made, even when it fails.
func (s *Store) makeDir(dir string) (made []string, err error) {
	parts := strings.Split(dir, "/")
	for n := range parts {
		path := s.path(parts[:n+1]...)
		err := os.Mkdir(path, 0o755)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return made, err
		}
		made = append(made, path)
		if err := os.Chmod(path, 0o755); err != nil { //nolint:gosec // everybody may read
			return made, err
		}
	}
	return made, s.trustDirs(dir)
}

// unmake removes folders that were made for nothing.
func unmake(made []string) {
	for _, path := range slices.Backward(made) {
		_ = os.Remove(path) // fails if somebody uses it already
	}
}

// denied puts what was tried before an error, and says when it needs root or room.
func denied(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrPermission):
		return &fault.Error{Kind: fault.ErrNotPermitted, What: what, Hint: "run it with sudo", Err: err}
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return &fault.Error{What: what, Hint: "make room on the disk; what was there before is there still", Err: err}
	}
	return &fault.Error{What: what, Err: err}
}
