package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
	"nmgre/routes/keep"
)

// /etc is read only: nothing can be changed, each error says why, and everything can be read.
func TestReadOnly(t *testing.T) {
	needRoot(t)
	ctx := context.Background()
	onThread(func() {
		s := newStore(t)
		if err := mountDisk(s.root, "mode=755"); err != nil {
			t.Error(err)
			return
		}
		s.put(t, kept(uuidA, 10))
		write(t, s.path("usr/sbin/nmgre"), "#!/bin/sh\n", 0o755)
		before := tree(t, s.root)
		if err := s.Writable(); err != nil {
			t.Errorf("before: %v", err)
		}
		if err := unix.Mount("", s.root, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
			t.Error(err)
			return
		}
		for name, change := range map[string]func() error{
			"a new file":   func() error { return putOnly(ctx, s, kept(uuidB, 1)) },
			"another text": func() error { return putOnly(ctx, s, kept(uuidA, 11)) },
			"forgotten":    func() error { return putOnly(ctx, s, keep.Kept{UUID: uuidA}) },
			"asked before": s.Writable,
			"deleted":      func() error { return s.Delete(ctx, uuidA) },
			"others":       func() error { return s.HookOthers(ctx, true) },
			"remembered":   func() error { return s.Remember(ctx, map[string]bool{"eth1": false}) },
			"locked":       func() error { _, err := s.Lock(ctx); return err },
			"the hook":     func() error { return s.InstallHook(s.path("usr/sbin/nmgre")) },
		} {
			err := change()
			if strings.Contains(fmt.Sprint(err), "keeps for :") {
				t.Errorf("%s: nobody knows what for: %v", name, err)
			}
			if !errors.Is(err, unix.EROFS) || !strings.Contains(strings.Join(fault.Hints(err), " "), "read-only") {
				t.Errorf("%s: %v, hints %q", name, err, fault.Hints(err))
			}
		}
		if k, err := s.Get(ctx, uuidA); err != nil || len(k.Routes) != 10 {
			t.Errorf("%d routes, %v", len(k.Routes), err)
		}
		if got := tree(t, s.root); got != before {
			t.Errorf("got\n%swant\n%s", got, before)
		}
	})
}

// The clock is set back, and a file is edited in place, with the same size and the old file's time.
// It still counts as another version: a change that was made for the old one is refused.
func TestClockSetBack(t *testing.T) {
	s, ctx := newStore(t), context.Background()
	s.put(t, kept(uuidA, 3))
	remembering := s.Remembering()
	old, err := remembering.Get(ctx, uuidA)
	if err != nil {
		t.Fatal(err)
	}
	path := s.path(tunnelsDir, uuidA)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	edited := strings.Replace(string(text), old.Routes[0].String(), strings.Replace(old.Routes[0].String(), "10.", "11.", 1), 1)
	if edited == string(text) {
		t.Fatalf("the first route is not in\n%s", text)
	}
	for _, clock := range []time.Time{info.ModTime(), info.ModTime().AddDate(-30, 0, 0), time.Unix(0, 0), info.ModTime().AddDate(30, 0, 0)} {
		write(t, path, edited, 0o644)
		if err := os.Chtimes(path, clock, clock); err != nil {
			t.Fatal(err)
		}
		k, err := remembering.Get(ctx, uuidA)
		if err != nil || k.Stamp == old.Stamp || k.Routes[0].String() == old.Routes[0].String() {
			t.Errorf("%s: the old version is read again: %v, %v", clock, k.Routes[0], err)
		}
		change := old
		change.Pin = true
		if err := putOnly(ctx, s, change); !errors.Is(err, fault.ErrChanged) {
			t.Errorf("%s: %v", clock, err)
		}
	}
}
