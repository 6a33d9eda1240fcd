package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/testdata/lab"
)

// taskVariable makes this program carry out a task on a host of the lab, with root's own files
// there.
const taskVariable = "NMGRE_STORE_TASK"

func TestMain(m *testing.M) {
	if task := os.Getenv(taskVariable); task != "" {
		if err := doTask(strings.Fields(task)); err != nil {
			fmt.Println(err)
			fmt.Println(strings.Join(fault.Hints(err), "; "))
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func doTask(words []string) error {
	s, ctx := New("/", 0), context.Background()
	switch words[0] {
	case "install":
		return s.InstallHook(words[1])
	case "remove":
		return s.RemoveHook()
	case "missing":
		return s.HookMissing(ctx)
	case "put":
		return putOnly(ctx, s, keep.Kept{UUID: words[1], Name: "gre1", Pin: true})
	case "delete":
		return s.Delete(ctx, words[1])
	case "watch":
		return s.HookOthers(ctx, words[1] == "on")
	}
	return errors.New("no such task")
}

// hookLab is a host of the lab whose NetworkManager calls a stand-in for nmgre.
type hookLab struct {
	t    *testing.T
	host lab.Host
	self string // this program, where it starts quickly
}

func newHookLab(t *testing.T) hookLab {
	t.Helper()
	lab.Need(t)
	h := hookLab{t, lab.Linux1, filepath.Join(t.TempDir(), "helper")}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	write(t, h.self, string(program), 0o755) // the hosts share /tmp
	// which a reset leaves alone
	forget := func() { _ = os.Remove(filepath.Join(h.host.Root(), calls)) }
	forget()
	t.Cleanup(forget)
	return h
}

// standIn is where the stand-in is on the host, and calls where it notes them.
const (
	standIn = "/usr/local/sbin/nmgre"
	calls   = "/run/calls"
)

// task carries out a task on the host, and returns its error messages.
func (h hookLab) task(format string, args ...any) string {
	h.t.Helper()
	cmd := h.host.Command(h.self)
	cmd.Env = append(os.Environ(), taskVariable+"="+fmt.Sprintf(format, args...))
	out, err := cmd.CombinedOutput()
	if err != nil {
		h.t.Fatalf("%s: %v: %s", cmd.Env[len(cmd.Env)-1], err, out)
	}
	return string(out)
}

// done carries out a task that must succeed.
func (h hookLab) done(format string, args ...any) {
	h.t.Helper()
	if said := h.task(format, args...); said != "" {
		h.t.Fatalf("%s: %s", fmt.Sprintf(format, args...), said)
	}
}

// called waits for the calls since it was last asked. They must be the wanted ones, in their order,
// and no others.
func (h hookLab) called(when string, want ...string) {
	h.t.Helper()
	file := filepath.Join(h.host.Root(), calls)
	var got []string
	quiet := 0
	for range 200 {
		text, _ := os.ReadFile(file) // there is none before the first call
		now := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
		if len(text) == 0 {
			now = nil
		}
		if quiet++; len(now) != len(got) {
			quiet = 0
		}
		if got = now; quiet >= 15 && len(got) >= len(want) { // a second and a half without another
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if !slices.Equal(got, want) {
		h.t.Errorf("%s: called\n%q\nwant\n%q", when, got, want)
	}
	if err := os.Remove(file); err != nil && len(got) > 0 {
		h.t.Fatal(err)
	}
}

// TestLabHook uses nmcli to have NetworkManager's real dispatcher call the hook.
//
//lab:every
func TestLabHook(t *testing.T) {
	h := newHookLab(t)
	before := h.host.Snapshot(t)
	write(t, filepath.Join(h.host.Root(), standIn), "#!/bin/sh\necho \"$# $1 $2 $3 $4 for $CONNECTION_UUID\" >>"+calls+"\n", 0o755)
	nmcli := func(words string) string { return h.host.Run(t, "nmcli", strings.Fields(words)...) }
	add := func() {
		nmcli("connection add type ip-tunnel mode gre ifname gre1 con-name gre1 local 100.0.1.100 remote 100.0.2.100 ipv4.method manual ipv4.addresses 172.16.0.1/30 ipv6.method disabled autoconnect no")
	}
	add()
	gre1 := func() string { return strings.TrimSpace(nmcli("-g connection.uuid connection show gre1")) }
	uuid := gre1()
	lan := strings.TrimSpace(nmcli("-g connection.uuid connection show lan"))
	call := func(dev, action, id string) string { return fmt.Sprintf("4 hook -- %s %s for %s", dev, action, id) }

	if said := h.task("missing"); !strings.Contains(said, "the dispatcher's hook is not installed") {
		t.Errorf("before: %s", said)
	}
	h.done("install %s", standIn)
	h.done("missing")

	// A profile that is not ours.
	nmcli("connection up gre1")
	nmcli("connection down gre1")
	h.called("without a file")

	// One that is.
	h.done("put %s", uuid)
	nmcli("connection up gre1")
	h.called("up", call("gre1", "pre-up", uuid), call("gre1", "up", uuid))
	nmcli("device reapply gre1")
	h.called("reapply", call("gre1", "reapply", uuid))
	nmcli("connection up lan")
	h.called("another connection")
	nmcli("connection down gre1")
	h.called("down", call("gre1", "down", uuid))

	// Others, when they matter.
	h.done("watch on")
	nmcli("connection up lan")
	h.called("another connection that matters", call("eth1", "down", lan), call("eth1", "pre-up", lan), call("eth1", "up", lan))
	h.done("watch off")

	// A hook that the dispatcher refuses to run is reported, and repaired.
	for _, spoil := range []string{"chmod 0775", "chown 1"} {
		h.host.Run(t, "sh", "-c", spoil+" /etc/NetworkManager/dispatcher.d/50-nmgre")
		nmcli("connection up gre1")
		nmcli("connection down gre1")
		h.called(spoil)
		if said := h.task("missing"); !strings.Contains(said, "the dispatcher does not run") || !strings.Contains(said, "sudo nmgre install-hook") {
			t.Errorf("%s: %s", spoil, said)
		}
		h.done("install %s", standIn)
	}
	h.done("install %s", standIn)
	h.host.Run(t, "rm", "/etc/NetworkManager/dispatcher.d/pre-up.d/50-nmgre")
	if said := h.task("missing"); !strings.Contains(said, "pre-up.d/50-nmgre is not a link to the hook") {
		t.Errorf("without the link: %s", said)
	}
	h.done("install %s", standIn)
	h.done("missing")
	nmcli("connection up gre1")
	h.called("mended", call("gre1", "pre-up", uuid), call("gre1", "up", uuid))

	// A profile that is deleted while it is up: the event says whose it was.
	nmcli("connection delete gre1")
	h.called("deleted", call("gre1", "down", uuid))

	// Deleting a profile that is down causes no event.
	add()
	h.done("put %s", gre1())
	nmcli("connection delete gre1")
	h.called("deleted while it was down")

	for _, file := range strings.Fields(h.host.Run(t, "ls", "/etc/nmgre/tunnels")) {
		h.done("delete %s", file)
	}
	h.done("remove")
	h.host.Run(t, "rm", standIn)
	if after := h.host.Snapshot(t); after != before {
		t.Errorf("the host is not as it was:\n%s\nit was:\n%s", after, before)
	}
}

// TestLabHookDHCP checks that the hook is called for the lease of another connection that matters.
// NetworkManager 1.42 sends an event for the first lease of a connection, but none for its
// renewals.
//
//lab:every
func TestLabHookDHCP(t *testing.T) {
	h := newHookLab(t)
	write(t, filepath.Join(h.host.Root(), standIn), "#!/bin/sh\necho \"$# $1 $2 $3 $4\" >>"+calls+"\n", 0o755)
	write(t, filepath.Join(lab.LAN1.Root(), "run/udhcpd.conf"), "start 10.10.1.200\nend 10.10.1.200\ninterface eth0\nlease_file /run/udhcpd.leases\npidfile /run/udhcpd.pid\nopt subnet 255.255.255.0\nopt router 10.10.1.100\n", 0o644)
	lab.LAN1.Start(t, "busybox", "udhcpd", "-f", "/run/udhcpd.conf")
	h.done("install %s", standIn)
	h.done("watch on")
	h.host.Run(t, "nmcli", "connection", "modify", "lan", "ipv4.method", "auto", "ipv4.addresses", "")
	h.host.Run(t, "nmcli", "connection", "up", "lan")
	h.called("up with a lease", "4 hook -- eth1 down", "4 hook -- eth1 dhcp4-change", "4 hook -- eth1 pre-up", "4 hook -- eth1 up")
	h.done("remove")
}
