package store

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
)

func TestPutGet(t *testing.T) {
	withUmask(t, 0o077) // as sudo may have it; all users read the files nevertheless
	s, ctx := newStore(t), context.Background()
	if uuids, err := s.UUIDs(ctx); err != nil || len(uuids) > 0 {
		t.Errorf("before anything: %v, %v", uuids, err)
	}
	if list, err := s.All(ctx); err != nil || len(list) > 0 {
		t.Errorf("before anything: %v, %v", list, err)
	}
	for _, uuid := range []string{uuidB, uuidA} {
		s.put(t, kept(uuid, 3))
	}
	s.put(t, kept(uuidB, 2))
	if got, err := s.Get(ctx, uuidB); err != nil || !reflect.DeepEqual(unstamped(got), []keep.Kept{kept(uuidB, 2)}) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := s.All(ctx); err != nil || !reflect.DeepEqual(unstamped(got...), []keep.Kept{kept(uuidA, 3), kept(uuidB, 2)}) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := s.UUIDs(ctx); err != nil || !reflect.DeepEqual(got, []string{uuidA, uuidB}) {
		t.Errorf("%v, %v", got, err)
	}
	const want = `drwxr-xr-x etc
drwxr-xr-x etc/nmgre
drwxr-xr-x etc/nmgre/tunnels
-rw-r--r-- etc/nmgre/tunnels/00000000-0000-4000-8000-00000000000a 262 bytes "# nmgre keeps this for the tunnel gre1, because NetworkManag"
-rw-r--r-- etc/nmgre/tunnels/00000000-0000-4000-8000-00000000000b 247 bytes "# nmgre keeps this for the tunnel gre1, because NetworkManag"
`
	if got := tree(t, s.root); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// Known returns the kept part that Get returns, without the routes, and marks those that a list
// has.
func TestKnown(t *testing.T) {
	s, ctx := newStore(t), context.Background()
	all := kept(uuidA, 3)
	s.put(t, all)
	of := slices.Concat(all.Routes[2:], []routes.Route{routes.MustParse("10.99.0.0/16")}, all.Routes[:1])
	k, has, err := s.Known(ctx, uuidA, of)
	if err != nil || !slices.Equal(has, []bool{true, false, true}) || len(k.Routes) > 0 || k.Empty() {
		t.Errorf("%+v, %v, %v", k, has, err)
	}
	got, err := s.Get(ctx, uuidA)
	if k.Routes = got.Routes; err != nil || !keep.Same(k, got) || k.Stamp != got.Stamp {
		t.Errorf("%+v, %v", got, err)
	}
	if _, _, err := s.Known(ctx, uuidB, of); !errors.Is(err, fault.ErrNotFound) {
		t.Error(err)
	}
	// the trial counts, and may keep nothing
	undo, err := s.Try(ctx, kept(uuidA, 1), false)
	if _, has, knownErr := s.Known(ctx, uuidA, of); err != nil || knownErr != nil || !slices.Equal(has, []bool{false, false, true}) {
		t.Errorf("%v, %v, %v", has, knownErr, err)
	}
	if err := undo(ctx); err != nil {
		t.Fatal(err)
	}
	none := keep.Kept{UUID: uuidA, Name: all.Name}
	if _, err := s.Try(ctx, none, false); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Known(ctx, uuidA, of); !errors.Is(err, fault.ErrNotFound) {
		t.Errorf("nothing is tried, and it says %v", err)
	}
}

func TestNotFound(t *testing.T) {
	s, ctx := newStore(t), context.Background()
	for range 2 { // without the folder, and with it
		for _, uuid := range []string{uuidB, "", "../" + uuidA, "../../../etc/passwd", strings.Repeat("a", 100_000), "watch"} {
			if k, err := s.Get(ctx, uuid); !errors.Is(err, fault.ErrNotFound) || !reflect.DeepEqual(k, keep.Kept{}) || len(err.Error()) > 200 {
				t.Errorf("%.80q: %+v, %v", uuid, k, err)
			}
			if err := s.Delete(ctx, uuid); err != nil {
				t.Errorf("%.80q: %v", uuid, err)
			}
		}
		s.put(t, kept(uuidA, 0))
	}
	if err := putOnly(ctx, s, kept("../../../etc/passwd", 0)); !errors.Is(err, fault.ErrInvalid) {
		t.Error(err)
	}
	if _, err := s.Get(ctx, uuidA); err != nil {
		t.Error(err)
	}
}

func TestDelete(t *testing.T) {
	s, ctx := newStore(t), context.Background()
	if err := os.Mkdir(s.path("etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	before := tree(t, s.root)
	s.put(t, kept(uuidA, 1))
	one := tree(t, s.root)
	s.put(t, kept(uuidB, 1))
	if err := s.Delete(ctx, uuidB); err != nil {
		t.Error(err)
	}
	if got := tree(t, s.root); got != one {
		t.Errorf("got\n%swant\n%s", got, one)
	}
	if err := s.Delete(ctx, uuidA); err != nil {
		t.Error(err)
	}
	if got := tree(t, s.root); got != before {
		t.Errorf("got\n%swant\n%s", got, before)
	}
	// A file of somebody else's stays, with the folders that it is in.
	s.put(t, kept(uuidA, 1))
	write(t, s.path(keptDir, "README"), "mine", 0o644)
	if err := s.Delete(ctx, uuidA); err != nil {
		t.Error(err)
	}
	if got, want := tree(t, s.root), "drwxr-xr-x etc\ndrwxr-xr-x etc/nmgre\n-rw-r--r-- etc/nmgre/README 4 bytes \"mine\"\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// A file that others than root may have written is ignored, with an error. The other files count.
func TestUntrusted(t *testing.T) {
	needRoot(t)
	ctx := context.Background()
	path := func(s *Store) string { return s.path(tunnelsDir, uuidA) }
	chmod := func(mode os.FileMode, parts ...string) func(*Store) error {
		return func(s *Store) error { return os.Chmod(s.path(parts...), mode) }
	}
	elsewhere := func(parts ...string) func(*Store) error {
		return func(s *Store) error {
			moved := filepath.Join(s.root, "moved")
			return errors.Join(os.Rename(s.path(parts...), moved), os.Symlink(moved, s.path(parts...)))
		}
	}
	for name, test := range map[string]struct {
		spoil func(*Store) error
		want  string
		one   bool // only that file is in doubt, not the others
	}{
		"a symbolic link":           {elsewhere(tunnelsDir, uuidA), "is a symbolic link, so nmgre ignores it", true},
		"writable by the group":     {chmod(0o664, tunnelsDir, uuidA), "is writable by others than root, so nmgre ignores it", true},
		"writable by all":           {chmod(0o646, tunnelsDir, uuidA), "is writable by others than root", true},
		"another's":                 {func(s *Store) error { return os.Chown(path(s), 1, 0) }, "is not owned by root, so nmgre ignores it", true},
		"a folder":                  {func(s *Store) error { return errors.Join(os.Remove(path(s)), os.Mkdir(path(s), 0o755)) }, "is not a regular file", true},
		"a pipe":                    {func(s *Store) error { return errors.Join(os.Remove(path(s)), unix.Mkfifo(path(s), 0o644)) }, "is not a regular file", true},
		"too large":                 {func(s *Store) error { return os.Truncate(path(s), maxFile+1) }, "is larger than 64 MB", true},
		"the folder writable":       {chmod(0o775, tunnelsDir), "/etc/nmgre/tunnels is writable by others", false},
		"the folder above":          {chmod(0o757, keptDir), "/etc/nmgre is writable by others", false},
		"the folder another's":      {func(s *Store) error { return os.Chown(s.path(keptDir), 1, 0) }, "/etc/nmgre is not owned by root", false},
		"the folder a link":         {elsewhere(tunnelsDir), "/etc/nmgre/tunnels is not a folder", false},
		"the folder above a link":   {elsewhere(keptDir), "/etc/nmgre is not a folder", false},
		"writable by a second user": {giveToOther, "is writable by others than root", true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			s.put(t, kept(uuidA, 1))
			s.put(t, kept(uuidB, 1))
			if err := test.spoil(s); err != nil {
				t.Fatal(err)
			}
			k, err := s.Get(ctx, uuidA)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), s.root) || len(fault.Hints(err)) != 1 || !reflect.DeepEqual(k, keep.Kept{}) {
				t.Errorf("%+v, %v, %q; want %s", k, err, fault.Hints(err), test.want)
			}
			if errors.Is(err, fault.ErrInvalid) || errors.Is(err, fault.ErrNotFound) {
				t.Errorf("%v is of another kind", err)
			}
			list, err := s.All(ctx)
			if err == nil || !strings.Contains(err.Error(), test.want) || (len(list) == 1 && list[0].UUID == uuidB) != test.one {
				t.Errorf("%+v, %v", list, err)
			}
			if !test.one { // nor is anything written there
				if err := putOnly(ctx, s, kept(uuidC, 0)); err == nil || !strings.Contains(err.Error(), test.want) {
					t.Error(err)
				}
				return
			}
			// A new file replaces it, unless it is a folder.
			err = putOnly(ctx, s, kept(uuidA, 2))
			if name == "a folder" {
				if err == nil {
					t.Error("a file in the place of a folder")
				}
				err = errors.Join(s.Delete(ctx, uuidA), putOnly(ctx, s, kept(uuidA, 2)))
			}
			if k, getErr := s.Get(ctx, uuidA); err != nil || getErr != nil || len(k.Routes) != 2 {
				t.Errorf("%v, %+v, %v", err, k, getErr)
			}
		})
	}
}

// giveToOther lets the user with the number 1 write a file, by an access control list in the
// kernel's own form: version 2, then tag, permissions and user of each entry.
func giveToOther(s *Store) error {
	acl := []byte{2, 0, 0, 0,
		1, 0, 6, 0, 0xff, 0xff, 0xff, 0xff, // the owner
		2, 0, 6, 0, 1, 0, 0, 0, // the user 1
		4, 0, 4, 0, 0xff, 0xff, 0xff, 0xff, // the group
		0x10, 0, 6, 0, 0xff, 0xff, 0xff, 0xff, // the mask
		0x20, 0, 4, 0, 0xff, 0xff, 0xff, 0xff} // all others
	return unix.Setxattr(s.path(tunnelsDir, uuidA), "system.posix_acl_access", acl, 0)
}

// The error names a file, or a line, that cannot be read. The other lines count.
func TestBroken(t *testing.T) {
	const head = "version 1\nuuid " + uuidA + "\ninterface gre1\n"
	s, ctx := newStore(t), context.Background()
	for text, want := range map[string]string{
		"":                                     `no line "version 1"`,
		"version 2\n":                          `version "2" is another nmgre's`,
		"version 1\ninterface gre1\n":          "it is for the profile \"\"",
		strings.ReplaceAll(head, "a\n", "b\n"): "it is for the profile \"" + uuidB + `"`,
		"version 1\nuuid " + uuidA + "\n":      "it names no interface",
		"\x7fELF\x00\x00":                      "line 1: it does not begin with",
	} {
		write(t, s.path(tunnelsDir, uuidA), text, 0o644)
		k, err := s.Get(ctx, uuidA)
		if err == nil || !strings.Contains(err.Error(), s.path(tunnelsDir, uuidA)+": ") || !strings.Contains(err.Error(), want) || len(fault.Hints(err)) != 1 || !reflect.DeepEqual(k, keep.Kept{}) {
			t.Errorf("%q: %+v, %v, %q", text, k, err, fault.Hints(err))
		}
		if errors.Is(err, fault.ErrInvalid) {
			t.Errorf("%v: nobody has asked for that", err)
		}
	}
	write(t, s.path(tunnelsDir, uuidA), head+"route 10.0.0.0/8\nrote 10.1.0.0/16\nroute 10.2.0.0/16\n", 0o644)
	if k, err := s.Get(ctx, uuidA); err != nil || len(k.Routes) != 2 || len(k.Bad) != 1 || k.Bad[0].Line != 5 {
		t.Errorf("%+v, %v", k, err)
	}
}

// TestDiskFull writes to a disk that has room for the old file only.
func TestDiskFull(t *testing.T) {
	needRoot(t)
	ctx := context.Background()
	onThread(func() {
		s := newStore(t)
		if err := mountDisk(s.root, "size=64k,mode=755"); err != nil {
			t.Error(err)
			return
		}
		full := func(err error) bool {
			return errors.Is(err, unix.ENOSPC) && len(fault.Hints(err)) == 1 && strings.Contains(fault.Hints(err)[0], "make room on the disk")
		}
		// There was no file before, and there is none now.
		if err := putOnly(ctx, s, kept(uuidA, 10_000)); !full(err) {
			t.Error(err)
		}
		if got := tree(t, s.root); got != "" {
			t.Errorf("left behind:\n%s", got)
		}
		// The old file is still there, and is the only one.
		s.put(t, kept(uuidA, 10))
		before := tree(t, s.root)
		for _, uuid := range []string{uuidA, uuidB} {
			if err := putOnly(ctx, s, kept(uuid, 10_000)); !full(err) {
				t.Error(err)
			}
		}
		if got := tree(t, s.root); got != before {
			t.Errorf("got\n%swant\n%s", got, before)
		}
		if k, err := s.Get(ctx, uuidA); err != nil || len(k.Routes) != 10 {
			t.Errorf("%d routes, %v", len(k.Routes), err)
		}
		// There is no room for another folder, or a name. Nothing is left half made.
		_ = s.Delete(ctx, uuidA)
		if err := mountDisk(s.root, "nr_inodes=3,mode=755"); err != nil {
			t.Error(err)
			return
		}
		if err := putOnly(ctx, s, kept(uuidA, 1)); !full(err) {
			t.Error(err)
		}
		if _, err := s.Lock(ctx); !full(err) {
			t.Error(err)
		}
		if got := tree(t, s.root); got != "" {
			t.Errorf("left behind:\n%s", got)
		}
	})
}

// TestPutKilled kills a process that writes one file over and over: by turns at any moment, and
// when a half-written file is there. At any moment the file is whole. The next write removes the
// half-written file that the process may leave.
func TestPutKilled(t *testing.T) {
	s, ctx := newStore(t), context.Background()
	begin := time.Now()
	s.put(t, kept(uuidB, 20_000))
	once := time.Since(begin) // how long a write takes on this machine
	if err := s.Delete(ctx, uuidB); err != nil {
		t.Fatal(err)
	}
	s.put(t, kept(uuidA, 1))
	left := 0
	for i := 0; i < 20 || left == 0; i++ {
		if i == 200 {
			t.Fatal("no process was killed while it wrote")
		}
		cmd := exec.Command(os.Args[0], "-test.run", "^TestPutKilledHelper$")
		cmd.Env = append(os.Environ(), "NMGRE_STORE_ROOT="+s.root)
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err == nil {
			_, err = out.Read(make([]byte, 1)) // it has begun
		}
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(once * time.Duration(i*379%1000) / 1000)
		for begin := time.Now(); i%2 == 1 && time.Since(begin) < 10*time.Second && !s.halfWritten(); {
			runtime.Gosched()
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		k, err := s.Get(ctx, uuidA)
		if n := len(k.Routes); err != nil || len(k.Bad) > 0 || n != 1 && n != 20_000 && n != 20_001 {
			t.Fatalf("%d routes, %d bad lines, %v", n, len(k.Bad), err)
		}
		if list, err := s.All(ctx); err != nil || len(list) != 1 {
			t.Fatalf("%d files, %v", len(list), err)
		}
		if strings.Contains(tree(t, s.root), tempMark) {
			left++
		}
	}
	write(t, s.path(tunnelsDir, tempMark+"1"), "half", 0o600)
	s.put(t, kept(uuidA, 2))
	if got := tree(t, s.root); strings.Contains(got, tempMark) {
		t.Errorf("left behind:\n%s", got)
	}
	// Nor does it keep the folder when the last file goes.
	write(t, s.path(tunnelsDir, tempMark+"1"), "half", 0o600)
	if err := s.Delete(ctx, uuidA); err != nil {
		t.Error(err)
	}
	if got := tree(t, s.root); got != "drwxr-xr-x etc\n" {
		t.Errorf("left behind:\n%s", got)
	}
}

// halfWritten reports whether a file is being written.
func (s *Store) halfWritten() bool {
	names, _ := filepath.Glob(s.path(tunnelsDir, tempMark+"*"))
	return len(names) > 0
}

// TestPutKilledHelper is the process that is killed.
func TestPutKilledHelper(t *testing.T) {
	root := os.Getenv("NMGRE_STORE_ROOT")
	if root == "" {
		return // it is not a test of its own
	}
	s, versions := New(root, os.Geteuid()), []keep.Kept{kept(uuidA, 20_000), kept(uuidA, 20_001)}
	_, _ = os.Stdout.WriteString("!")
	for i := 0; ; i++ {
		s.put(t, versions[i%2])
	}
}

// TestConcurrent has several write a file while others read it. Every reader sees the whole file of
// one writer.
func TestConcurrent(t *testing.T) {
	s, ctx := newStore(t), context.Background()
	s.put(t, kept(uuidA, 100))
	s.put(t, kept(uuidB, 0)) // the folder stays
	var writers, readers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := range 40 {
				unlock, err := s.Lock(ctx)
				if err != nil {
					t.Error(err)
					return
				}
				if i%5 == 4 {
					err = s.Delete(ctx, uuidA)
				} else {
					err = putOnly(ctx, s, kept(uuidA, 100*(w+1)))
				}
				if err != nil {
					t.Error(err)
				}
				unlock()
			}
		})
	}
	stop := make(chan struct{})
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				list, err := s.All(ctx)
				if err != nil {
					t.Error(err)
					return
				}
				for _, k := range list {
					if len(k.Routes)%100 != 0 || len(k.Bad) > 0 {
						t.Errorf("%d routes, %d bad lines", len(k.Routes), len(k.Bad))
					}
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
}

func TestRemember(t *testing.T) {
	s, ctx := newStore(t), context.Background()
	if got, err := s.Remembered(ctx); err != nil || len(got) > 0 {
		t.Errorf("%v, %v", got, err)
	}
	if err := s.Remember(ctx, nil); err != nil {
		t.Error(err)
	}
	want := map[string]bool{"gre1": false, "eth0.100": true, "ÄÖ!\"$": false}
	for range 2 {
		if err := s.Remember(ctx, want); err != nil {
			t.Error(err)
		}
	}
	if got, err := s.Remembered(ctx); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	const files = "drwxr-xr-x run\ndrwxr-xr-x run/nmgre\n-rw-r--r-- run/nmgre/forwarding 28 bytes \"eth0.100 1\\ngre1 0\\nÄÖ!\\\"$ 0\\n\"\n"
	if got := tree(t, s.root); got != files {
		t.Errorf("got\n%swant\n%s", got, files)
	}
	for _, line := range []string{"eth0", "eth0 2", "eth0 on", "eth0 1 1", "eth0 1x", "abcdefghijklmnop 1", "\x1b[31m 1 1", "", strings.Repeat("a", 70_000)} {
		write(t, s.path(runDir, beforeFile), "gre1 0\n"+line+"\n", 0o644)
		if got, err := s.Remembered(ctx); err == nil || len(err.Error()) > 300 || fault.Printable(err.Error()) != err.Error() {
			t.Errorf("%.40q: %v, %v", line, got, err)
		}
	}
	write(t, s.path(runDir, beforeFile), "gre1 0\n", 0o666)
	if got, err := s.Remembered(ctx); err == nil || got != nil {
		t.Errorf("writable by all: %v, %v", got, err)
	}
	if err := s.Remember(ctx, map[string]bool{}); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(s.path(runDir, beforeFile)); err == nil {
		t.Error("the note is there still")
	}
}

// The mark is as good as the files: it outlasts a reboot, and does not keep the folder when there
// is nothing else.
func TestHookOthers(t *testing.T) {
	s, ctx := newStore(t), context.Background()
	mark := func() bool {
		_, err := os.Lstat(s.path("etc/nmgre/watch"))
		return err == nil
	}
	for _, on := range []bool{false, true, true, false, false, true} {
		if err := s.HookOthers(ctx, on); err != nil || mark() != on {
			t.Errorf("%v: %v, %v", on, mark(), err)
		}
	}
	s.put(t, kept(uuidA, 1))
	if err := errors.Join(s.Delete(ctx, uuidA), s.HookOthers(ctx, false)); err != nil {
		t.Error(err)
	}
	if got := tree(t, s.root); got != "drwxr-xr-x etc\n" {
		t.Errorf("left behind:\n%s", got)
	}
}

// TestNotRoot reads and writes as somebody else.
func TestNotRoot(t *testing.T) {
	s, ctx := newStore(t), context.Background()
	// the test's folder may be closed to others
	for path := s.root; path != "/"; path = filepath.Dir(path) {
		if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o001 == 0 {
			if err := os.Chmod(path, info.Mode().Perm()|0o011); err != nil {
				t.Fatal(err)
			}
		}
	}
	refuses := func(when string) {
		asNobody(t, func() {
			for what, err := range map[string]error{
				"Put": putOnly(ctx, s, kept(uuidB, 1)), "HookOthers": s.HookOthers(ctx, true), "Remember": s.Remember(ctx, map[string]bool{"gre1": true}),
				"Lock": func() error { _, err := s.Lock(ctx); return err }(),
			} {
				if !errors.Is(err, fault.ErrNotPermitted) || len(fault.Hints(err)) == 0 {
					t.Errorf("%s: %s: %v", when, what, err)
				}
			}
			if err := s.Delete(ctx, uuidA); when != "at first" && !errors.Is(err, fault.ErrNotPermitted) {
				t.Errorf("%s: Delete: %v", when, err)
			}
		})
	}
	refuses("at first")
	s.put(t, kept(uuidA, 1))
	if err := s.Remember(ctx, map[string]bool{"gre1": true}); err != nil {
		t.Fatal(err)
	}
	before := tree(t, s.root)
	refuses("later")
	if unlock, err := s.Lock(ctx); err != nil {
		t.Error(err)
	} else {
		refuses("while root has the lock")
		unlock()
	}
	if got := tree(t, s.root); got != before {
		t.Errorf("got\n%swant\n%s", got, before)
	}
	asNobody(t, func() {
		list, err := s.All(ctx)
		if err != nil || len(list) != 1 {
			t.Errorf("%v, %v", list, err)
		}
		if remembered, err := s.Remembered(ctx); err != nil || !remembered["gre1"] {
			t.Errorf("%v, %v", remembered, err)
		}
	})
	// The error says when root has closed a folder.
	if err := os.Chmod(s.path(tunnelsDir), 0o700); err != nil {
		t.Fatal(err)
	}
	asNobody(t, func() {
		_, uuidsErr := s.UUIDs(ctx)
		_, allErr := s.All(ctx)
		_, getErr := s.Get(ctx, uuidA)
		for _, err := range []error{uuidsErr, allErr, getErr} {
			if !errors.Is(err, fault.ErrNotPermitted) {
				t.Error(err)
			}
		}
	})
}

// BenchmarkFile writes and reads the file of a very large tunnel.
func BenchmarkFile(b *testing.B) {
	s, ctx := newStore(b), context.Background()
	k := kept(uuidA, 100_000)
	b.Run("Put", func(b *testing.B) {
		for b.Loop() {
			s.put(b, k)
		}
	})
	b.Run("Get", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.Get(ctx, uuidA); err != nil {
				b.Fatal(err)
			}
		}
	})
}
