package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nmgre/cmd/nmgre/adapters"
	"nmgre/nm/dbus"
	"nmgre/routes/fault"
)

// A bus that says nothing, and a lock that another process has, hold NetworkManager's pre-up for
// seconds.
func TestHookIsSoonDone(t *testing.T) {
	silent, err := net.Listen("unix", filepath.Join(t.TempDir(), "bus"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	w := newWorld(t)
	for name, c := range map[string]struct {
		prepare func(a *app)
		code    int
		want    string
	}{
		"the bus hangs": {func(a *app) {
			a.open = func(ctx context.Context) (adapters.Doors, func(), error) {
				_, err := dbus.Connect(ctx, dbus.Options{Address: "unix:path=" + silent.Addr().String()})
				return adapters.Doors{}, nil, err
			}
		}, exitFailed, "connect to the system bus"},
		"another nmgre is at work": {func(*app) {
			if err := os.MkdirAll(filepath.Join(w.root, "run/nmgre"), 0o755); err != nil {
				t.Fatal(err)
			}
			file, err := os.Create(filepath.Join(w.root, "run/nmgre/lock"))
			if err == nil {
				err = unix.Flock(int(file.Fd()), unix.LOCK_EX)
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = file.Close() })
		}, exitDone, "another nmgre is at work, and does this one's work"},
	} {
		var stderr strings.Builder
		a := &app{stdin: strings.NewReader(""), stdout: &strings.Builder{}, stderr: &stderr, root: w.root, owner: os.Getuid(), open: w.open}
		c.prepare(a)
		begin := time.Now()
		code := a.run([]string{"hook", "--", "gre1", "pre-up"})
		if took := time.Since(begin); code != c.code || took > 20*time.Second || !strings.Contains(stderr.String(), c.want) {
			t.Errorf("%s: exit %d after %v: %s", name, code, took, stderr.String())
		}
	}
}

// systemd is told of the unit. Where it does not listen, the command that tells it is shown, and
// nothing fails.
func TestSystemdIsTold(t *testing.T) {
	var stderr strings.Builder
	var told []string
	a := &app{stderr: &stderr, systemd: func(_ context.Context, bus, unit string) error {
		told = append(told, bus+unit)
		if len(told) > 1 {
			return &fault.Error{What: "there is no systemd"}
		}
		return nil
	}}
	for range 2 {
		a.tellSystemd(t.Context(), "x.service", " && more")
	}
	if want := "nmgre: warning: there is no systemd\nhint: type: sudo systemctl daemon-reload && more\n"; stderr.String() != want || !slices.Equal(told, []string{"x.service", "x.service"}) {
		t.Errorf("told %q\n%s", told, &stderr)
	}
}
