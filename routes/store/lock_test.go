package store

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nmgre/routes/fault"
)

// TestLock lets many ask for the lock at once, each with a store of its own, as processes have.
// Only one holds it at a time.
func TestLock(t *testing.T) {
	s, ctx := newStore(t), context.Background()
	var inside, turns atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		mine := New(s.root, os.Geteuid())
		all.Go(func() {
			for range 50 {
				unlock, err := mine.Lock(ctx)
				if err != nil {
					t.Error(err)
					return
				}
				if inside.Add(1) != 1 {
					t.Error("two have the lock")
				}
				turns.Add(1)
				inside.Add(-1)
				unlock()
			}
		})
	}
	all.Wait()
	if turns.Load() != 400 {
		t.Errorf("%d turns", turns.Load())
	}
	if got := tree(t, s.root); got != "drwxr-xr-x run\n" {
		t.Errorf("left behind:\n%s", got)
	}
}

// Notes keep the folder; the lock's own file is removed.
func TestLockLeavesNotes(t *testing.T) {
	s, ctx := newStore(t), context.Background()
	unlock, err := s.Lock(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if got := tree(t, s.root); got != "drwxr-xr-x run\ndrwxr-xr-x run/nmgre\n-rw------- run/nmgre/lock 0 bytes \"\"\n" {
		t.Errorf("with the lock:\n%s", got)
	}
	if err := s.Remember(ctx, map[string]bool{"gre1": true}); err != nil {
		t.Fatal(err)
	}
	unlock()
	if got := tree(t, s.root); !strings.HasSuffix(got, "drwxr-xr-x run/nmgre\n-rw-r--r-- run/nmgre/forwarding 7 bytes \"gre1 1\\n\"\n") {
		t.Errorf("without it:\n%s", got)
	}
}

func TestLockGivesUp(t *testing.T) {
	s := newStore(t)
	unlock, err := s.Lock(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	s.timeout = 50 * time.Millisecond
	if _, err := s.Lock(context.Background()); !errors.Is(err, fault.ErrTimeout) || !strings.Contains(err.Error(), "another nmgre is at work") || len(fault.Hints(err)) != 1 {
		t.Error(err)
	}
	s.timeout = time.Minute
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(30*time.Millisecond, cancel)
	began := time.Now()
	if _, err := s.Lock(ctx); !errors.Is(err, context.Canceled) || time.Since(began) > 10*time.Second {
		t.Error(err, time.Since(began))
	}
	unlock()
	if _, err := s.Lock(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
}

// The lock of a process that is killed is free, and the next one sees that it was killed.
func TestLockKilled(t *testing.T) {
	s := newStore(t)
	cmd := exec.Command(os.Args[0], "-test.run", "^TestLockKilledHelper$")
	cmd.Env = append(os.Environ(), "NMGRE_STORE_ROOT="+s.root)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err == nil {
		_, err = out.Read(make([]byte, 1))
	}
	if err != nil {
		t.Fatal(err)
	}
	s.timeout = 50 * time.Millisecond
	if _, err := s.Lock(context.Background()); !errors.Is(err, fault.ErrTimeout) {
		t.Error(err)
	}
	if s.Interrupted(context.Background()) {
		t.Error("a process that lives counts as killed")
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if !s.Interrupted(context.Background()) {
		t.Error("nobody sees that it was killed")
	}
	unlock, err := s.Lock(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if s.Interrupted(context.Background()) {
		t.Error("the next one counts as killed")
	}
	unlock()
	if s.Interrupted(context.Background()) {
		t.Error("without a lock somebody counts as killed")
	}
	if got := tree(t, s.root); got != "drwxr-xr-x run\n" {
		t.Errorf("left behind:\n%s", got)
	}
}

// TestLockKilledHelper is the process that is killed. It prints a line when it has the lock.
func TestLockKilledHelper(t *testing.T) {
	root := os.Getenv("NMGRE_STORE_ROOT")
	if root == "" {
		return // it is not a test of its own
	}
	if _, err := New(root, os.Geteuid()).Lock(context.Background()); err != nil {
		t.Fatal(err)
	}
	_, _ = os.Stdout.WriteString("!")
	time.Sleep(time.Minute)
}

// A link in the place of the lock, or of its folder, is not followed.
func TestLockUntrusted(t *testing.T) {
	s := newStore(t)
	write(t, s.path("precious"), "precious", 0o644)
	link(t, s.path("precious"), s.path(runDir, lockFile))
	if _, err := s.Lock(context.Background()); err == nil {
		t.Error("the link was followed")
	}
	if err := os.Remove(s.path(runDir, lockFile)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(s.path(runDir)); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(s.path("elsewhere"), 0o755); err != nil {
		t.Fatal(err)
	}
	link(t, s.path("elsewhere"), s.path(runDir))
	if _, err := s.Lock(context.Background()); err == nil || !strings.Contains(err.Error(), "/run/nmgre is not a folder") {
		t.Error(err)
	}
	if text, err := os.ReadFile(s.path("precious")); err != nil || string(text) != "precious" {
		t.Errorf("%q, %v", text, err)
	}
}
