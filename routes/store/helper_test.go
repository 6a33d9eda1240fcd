package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nmgre/routes"
	"nmgre/routes/keep"
)

const (
	uuidA = "00000000-0000-4000-8000-00000000000a"
	uuidB = "00000000-0000-4000-8000-00000000000b"
	uuidC = "00000000-0000-4000-8000-00000000000c"
)

// newStore returns a store in a folder of the test's own.
func newStore(t testing.TB) *Store {
	t.Helper()
	s := New(t.TempDir(), os.Geteuid())
	s.timeout = 10 * time.Second
	return s
}

// kept makes a Kept with a number of routes.
func kept(uuid string, set int) keep.Kept {
	k := keep.Kept{UUID: uuid, Name: "gre1", Remote: netip.MustParseAddr("100.0.2.100"), Pin: true}
	for i := range set {
		a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		k.Routes = append(k.Routes, routes.Route{Dst: netip.PrefixFrom(a, 32)})
	}
	return k
}

// put writes it, which must succeed.
func (s *Store) put(t testing.TB, k keep.Kept) {
	t.Helper()
	if err := putOnly(context.Background(), s, k); err != nil {
		t.Fatal(err)
	}
}

// tree lists everything below a folder: a line for each name with its mode and the beginning of its
// content.
func tree(t testing.TB, root string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		fmt.Fprintf(&b, "%s %s", info.Mode(), rel)
		switch {
		case info.Mode().IsRegular():
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, " %d bytes %.60q", len(text), text)
		case info.Mode()&fs.ModeSymlink != 0:
			target, _ := os.Readlink(path)
			fmt.Fprintf(&b, " -> %s", target)
		}
		b.WriteString("\n")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// write makes a file and the folders that it is in.
func write(t testing.TB, path, text string, mode fs.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func link(t testing.TB, target, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

// withUmask sets the process' mask for new files. Tests that call it do not run beside others.
func withUmask(t testing.TB, mask int) {
	old := unix.Umask(mask)
	t.Cleanup(func() { unix.Umask(old) })
}

// onThread runs f on a thread of its own, which ends with f. So f may change the thread's state.
func onThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		f()
	}()
	<-done
}

// asNobody runs f as a user who is not root. It skips the test if the process cannot change its
// user.
func asNobody(t testing.TB, f func()) {
	t.Helper()
	needRoot(t)
	onThread(func() {
		const nobody = 65534
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, nobody, nobody, nobody); errno != 0 {
			t.Error(errno)
			return
		}
		f()
	})
}

func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not root")
	}
}

// mountDisk mounts a small disk that only the calling thread sees.
func mountDisk(path, options string) error {
	return errors.Join(unix.Unshare(unix.CLONE_NEWNS), unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""), unix.Mount("disk", path, "tmpfs", 0, options))
}

// putOnly writes a file, without an undo.
func putOnly(ctx context.Context, s *Store, k keep.Kept) error {
	_, err := s.Put(ctx, k)
	return err
}

// unstamped returns the kept parts without the stamps of their files.
func unstamped(list ...keep.Kept) []keep.Kept {
	for i := range list {
		list[i].Stamp = ""
	}
	return list
}
