package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// newSettled returns a store with a tunnel and the files of a NetworkManager, and its note.
func newSettled(t *testing.T) (*Store, Settled) {
	t.Helper()
	s := newStore(t)
	s.put(t, kept(uuidA, 3))
	for _, name := range []string{"etc/NetworkManager/system-connections/gre1.nmconnection", "run/NetworkManager/system-connections/lo.nmconnection", devicesDir + "/9"} {
		if err := os.MkdirAll(filepath.Dir(s.path(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(s.path(name), []byte("managed=true\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return s, s.settleNow(t)
}

// settleNow notes the files as they are.
func (s *Store) settleNow(t *testing.T) Settled {
	t.Helper()
	stamps, err := s.Stamps()
	if err != nil {
		t.Fatal(err)
	}
	n := Settled{Devices: []string{"gre1", "ÄÖ!\"$"}, Files: stamps, Kernel: []byte("\x00a\n\nb\n")}
	if err := s.Settle(n); err != nil {
		t.Fatal(err)
	}
	return n
}

// The note is void as soon as one of the files is another one, and does not come back by itself.
func TestSettled(t *testing.T) {
	write := func(name string) func(s *Store) error {
		return func(s *Store) error {
			if err := os.MkdirAll(filepath.Dir(s.path(name)), 0o755); err != nil {
				return err
			}
			return os.WriteFile(s.path(name), []byte("another length\n"), 0o600)
		}
	}
	for what, change := range map[string]func(s *Store) error{
		"a line was edited":          write(tunnelsDir + "/" + uuidA),
		"another tunnel's file":      write(tunnelsDir + "/" + uuidB),
		"the file is gone":           func(s *Store) error { return os.Remove(s.path(tunnelsDir, uuidA)) },
		"others may write it":        func(s *Store) error { return os.Chmod(s.path(tunnelsDir, uuidA), 0o666) },
		"the hook is for all":        write(keptDir + "/" + othersFile),
		"a profile was added":        write("etc/NetworkManager/system-connections/new.nmconnection"),
		"a profile in memory":        write("run/NetworkManager/system-connections/new.nmconnection"),
		"a device changed its state": write(devicesDir + "/9"),
		"a device came":              write(devicesDir + "/10"),
		"something is tried":         write(trialDir + "/x"),
		"somebody waits":             func(s *Store) error { return s.SetWaiting(context.Background(), true) },
		"forwarding was switched":    write(runDir + "/" + beforeFile),
		"a link has options":         write(runDir + "/" + linksFile),
		"the note is anybody's":      func(s *Store) error { return os.Chmod(s.path(runDir, settledFile), 0o666) },
		"the note is cut":            func(s *Store) error { return os.Truncate(s.path(runDir, settledFile), 40) },
		"the note is empty":          func(s *Store) error { return os.Truncate(s.path(runDir, settledFile), 0) },
		"the note is huge":           func(s *Store) error { return os.Truncate(s.path(runDir, settledFile), maxSettled+1) },
		"it was forgotten":           func(s *Store) error { s.Unsettle(); return nil },
	} {
		s, noted := newSettled(t)
		if got, ok := s.Settled(); !ok || !reflect.DeepEqual(got, noted) {
			t.Errorf("before: %+v, %v", got, ok)
		}
		if err := change(s); err != nil {
			t.Fatal(err)
		}
		if _, ok := s.Settled(); ok {
			t.Errorf("%s: it counts as settled", what)
		}
	}
}

// Nmgre's own changes of files remove the note, so nothing stays when the last tunnel is deleted.
func TestSettledIsRemoved(t *testing.T) {
	ctx := context.Background()
	for what, change := range map[string]func(s *Store) error{
		"a file is written": func(s *Store) error { _, err := s.Put(ctx, kept(uuidA, 4)); return err },
		"a file is removed": func(s *Store) error { return s.Delete(ctx, uuidA) },
		"a trial begins":    func(s *Store) error { _, err := s.Try(ctx, kept(uuidA, 5), false); return err },
	} {
		s, _ := newSettled(t)
		half := s.path(runDir, tempMark+"1") // of a hook that was killed
		if err := os.WriteFile(half, []byte(settledMark), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := change(s); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Lstat(half); what == "a file is removed" && !os.IsNotExist(err) {
			t.Errorf("half a note is there: %v", err)
		}
		if _, err := os.Lstat(s.path(runDir, settledFile)); !os.IsNotExist(err) {
			t.Errorf("%s: the note is there: %v", what, err)
		}
	}
}

// As long as a trial goes on, nothing can be noted.
func TestSettledNotWhileTried(t *testing.T) {
	s, _ := newSettled(t)
	if _, err := s.Try(context.Background(), kept(uuidA, 5), false); err != nil {
		t.Fatal(err)
	}
	if stamps, err := s.Stamps(); err == nil {
		t.Errorf("there are stamps:\n%s", stamps)
	}
}

// Hosts with very many devices, and kernels with very much, are not noted.
func TestSettledBounds(t *testing.T) {
	s, noted := newSettled(t)
	noted.Kernel = make([]byte, maxSettled)
	if err := s.Settle(noted); err == nil {
		t.Error("a note without bounds")
	}
	for i := range maxStamps {
		if err := os.WriteFile(s.path(devicesDir, fmt.Sprint(100+i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Stamps(); err == nil {
		t.Error("stamps without bounds")
	}
}

// FuzzSettled reads any note. A note that can be read has a device, and its parts are within its
// bounds.
func FuzzSettled(f *testing.F) {
	f.Add([]byte("settled 1 gre1\n\"etc/nmgre\" 1 2\n\n\x00\x01"))
	f.Add([]byte("settled 1\n\n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		n, ok := parseSettled(text)
		if ok && (len(n.Devices) == 0 || !strings.HasSuffix(n.Files, "\n") || len(n.Kernel) > len(text)) {
			t.Errorf("%+v", n)
		}
	})
}
