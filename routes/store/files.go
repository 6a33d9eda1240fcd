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
	tempMark = ".nmgre-new-" // prefix of the names of files that are being written
	maxFile  = 64 << 20      // bytes
)

// open opens a file that can be trusted, and fails for others.
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
		err = notRegular(path, "is not a regular file")
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

// trustDirs checks the folders on the way from the root to dir. It leaves out the first, which is
// the system's own.
func (s *Store) trustDirs(dir string) error {
	parts := strings.Split(dir, "/")
	for n := 2; n <= len(parts); n++ {
		path := s.path(parts[:n]...)
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		if !info.IsDir() {
			return notRegular(path, "is not a folder")
		}
		if err := s.trust(path, info); err != nil {
			return err
		}
	}
	return nil
}

// trust returns nil if only root can have written the file that info describes. For a symbolic link
// that proves nothing.
func (s *Store) trust(path string, info fs.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok || stat.Uid != s.owner:
		return untrusted(path, "is not owned by root")
	// These bits are also the most that an access control list can allow.
	case info.Mode().Perm()&0o022 != 0:
		return untrusted(path, "is writable by others than root")
	}
	return nil
}

func untrusted(path, why string) error {
	shown := fault.Printable(path)
	return &fault.Error{What: fmt.Sprintf("%s %s, so nmgre ignores it", shown, why),
		Hint: fmt.Sprintf("look at it; if its content is right: sudo chown root:root %[1]s; sudo chmod go-w %[1]s", fault.ShellWord(path))}
}

func notRegular(path, why string) error {
	shown := fault.Printable(path)
	return &fault.Error{What: fmt.Sprintf("%s %s, so nmgre ignores it", shown, why), Hint: "look at it; if nobody needs it, remove it: sudo rm -r " + fault.ShellWord(path)}
}

// write replaces a file by a new one. If anything fails, the old file stays, and no other is left.
func (s *Store) write(dir, name string, fill func(*os.File) error) error {
	s.Unsettle()
	made, err := s.makeDir(dir)
	if err == nil {
		s.sweep(dir)
		err = s.replace(dir, name, 0o644, fill)
	}
	if err != nil {
		undoDirs(made)
		return err
	}
	return s.syncDir(dir)
}

// replace writes a new file, and gives it its name when all of it is on the disk.
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

// remove removes a file, and then nmgre's own folders if they are empty. It is no error when the
// file is already gone.
func (s *Store) remove(dir, name string) error {
	s.Unsettle()
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

// sweep removes the half-written files of a killed nmgre. It ignores errors: they only mean that
// there is no folder, or no permission.
func (s *Store) sweep(dir string) {
	entries, _ := os.ReadDir(s.path(dir))
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), tempMark) {
			_ = os.Remove(s.path(dir, entry.Name()))
		}
	}
}

// syncDir writes the folder itself to the disk, so that a change in it outlasts a power cut.
func (s *Store) syncDir(dir string) error {
	folder, err := os.Open(s.path(dir))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// makeDir makes a folder and those above it, with the same mode under every umask, and checks that
// they can be trusted. It returns the folders that it made, also when it fails.
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

// undoDirs removes folders that makeDir made.
func undoDirs(made []string) {
	for _, path := range slices.Backward(made) {
		_ = os.Remove(path) // fails if somebody else uses it by now
	}
}

// Writable returns nil where root's files can be written and removed, as far as their disk is
// concerned. Otherwise its error says why not.
func (s *Store) Writable() error {
	path := s.path(tunnelsDir)
	if err := unix.Access(path, unix.W_OK); errors.Is(err, unix.EROFS) {
		return denied("change what nmgre keeps", &fs.PathError{Op: "write", Path: path, Err: err})
	}
	return nil
}

// denied puts the name of the attempt before an error, with a hint when it needs root, room on
// the disk, or a disk that can be written. It returns nil for nil.
func denied(attempt string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrPermission):
		return &fault.Error{Kind: fault.ErrNotPermitted, What: attempt, Hint: "run it with sudo", Err: err}
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return &fault.Error{What: attempt, Hint: "make room on the disk", Err: err}
	case errors.Is(err, unix.EROFS):
		return &fault.Error{What: attempt, Hint: "the disk is mounted read-only; to write on it again: mount -o remount,rw, with its folder (findmnt -T /etc/nmgre)", Err: err}
	}
	return &fault.Error{What: attempt, Err: err}
}
