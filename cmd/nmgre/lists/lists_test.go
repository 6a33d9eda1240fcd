package lists_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"

	"nmgre/cmd/nmgre/lists"
	"nmgre/routes/fault"
)

// reader returns a reader whose host has a name for table 100, and the warnings that it gives.
func reader(t *testing.T, stdin string) (*lists.Reader, *[]string) {
	t.Helper()
	t.Setenv("GOGC", "100") // the cost of garbage is not this test's business
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "etc/iproute2"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "etc/iproute2/rt_tables"), []byte("100 vpn\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	var warnings []string
	return &lists.Reader{Root: root, Stdin: strings.NewReader(stdin), Warn: func(what string) { warnings = append(warnings, what) }}, &warnings
}

// Files are read with the names of the host, which are read once.
func TestReader(t *testing.T) {
	r, warnings := reader(t, "from 10.0.0.2 table vpn\n")
	rules, err := r.Rules("-")
	if err != nil || len(rules) != 1 || rules[0].Table != 100 {
		t.Errorf("%v, %v", rules, err)
	}
	if err := os.RemoveAll(filepath.Join(r.Root, "etc")); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "routes")
	if err := os.WriteFile(file, []byte("# a remark\n10.0.0.0/8 table vpn\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if all, err := r.Routes(file); err != nil || len(all.Routes) != 1 || all.Routes[0].Table != 100 {
		t.Errorf("%v, %v", all.Routes, err)
	}
	if len(*warnings) > 0 {
		t.Errorf("it warns: %q", *warnings)
	}
}

// A list that cannot be read is an error for the flag that named it.
func TestReaderRefuses(t *testing.T) {
	for name, c := range map[string]struct{ stdin, file, want string }{
		"no file":  {"", "/nowhere", "rules-from: open /nowhere: no such file or directory"},
		"no rules": {"# nothing\n", "-", "rules-from: - has no rules"},
		"no rule":  {"from\n", "-", "rule: line 1: a network after from is missing"},
	} {
		r, _ := reader(t, c.stdin)
		if _, err := r.Rules(c.file); !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	r, _ := reader(t, "")
	if _, err := r.Routes("-"); err == nil || !strings.Contains(err.Error(), "routes-from: - has no routes") {
		t.Error(err)
	}
}

// A process that expects lists collects garbage late once, and then as usual.
func TestExpect(t *testing.T) {
	t.Setenv("GOGC", "")
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	lists.Expect()
	if now := debug.SetGCPercent(400); now != 400 {
		t.Errorf("it is %d percent", now)
	}
	for range 100 {
		runtime.GC()
		if now := debug.SetGCPercent(400); now == 100 {
			return // and not again: this test has set it anew
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("garbage is collected late for ever")
}

// The memory of few routes is not rounded up to huge pages.
func TestExpectKeptTurnsHugePagesOff(t *testing.T) {
	t.Setenv("GOGC", "100") // the cost of garbage is not this test's business
	const set, get = 41, 42
	defer func() { _, _, _ = syscall.RawSyscall6(syscall.SYS_PRCTL, set, 0, 0, 0, 0, 0) }()
	lists.ExpectKept()
	if off, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, get, 0, 0, 0, 0, 0); errno != 0 || off != 1 {
		t.Errorf("PR_GET_THP_DISABLE returns %d, %v", off, errno)
	}
}
