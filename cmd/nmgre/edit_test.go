package main

import (
	"encoding/json"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"nmgre/nm/dbus/dbustest"
	"nmgre/nm/dbus/wire"
)

// A person sees these texts of an edit, word for word.
func TestEditOutputs(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
	}{
		{"edit-dry-run", []string{"edit", "gre1", "--mtu", "1400", "--route", "10.10.3.0/24", "--dry-run"}},
		{"edit-dry-run-json", []string{"edit", "gre1", "--key", "none", "--dry-run", "--json"}},
		{"edit", []string{"edit", "gre1", "--mtu", "1400"}},
		{"edit-flaps", []string{"edit", "gre1", "--key", "7", "--name", "office", "--verbose"}},
		{"edit-json", []string{"edit", "gre1", "--address", "172.16.9.1/30", "--route", "none", "--json"}},
		{"edit-nothing", []string{"edit", "gre1", "--mtu", "1472"}},
		{"edit-nothing-dry-run", []string{"edit", "gre1", "--mtu", "auto", "--dry-run"}},
		{"help-edit", []string{"edit", "--help"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.must(createArgs...)
			o := w.must(c.args...)
			golden(t, c.name+".out", o.stdout+"---- stderr\n"+o.stderr)
			if strings.Contains(c.name, "json") && !json.Valid([]byte(o.stdout)) {
				t.Error("it is no JSON")
			}
		})
	}
}

// tunnelNow returns the only profile as a command that creates it, and whether it is on disk.
func (w *world) tunnelNow() (text string, onDisk bool) {
	w.t.Helper()
	all := w.bus.Profiles()
	if len(all) != 1 {
		w.t.Fatalf("%d profiles", len(all))
	}
	t, err := wire.Decode(all[0].Settings)
	if err != nil {
		w.t.Fatal(err)
	}
	return t.CreateCommand(), all[0].OnDisk
}

// An edit changes the given flags only, and none removes a value.
func TestEditFlags(t *testing.T) {
	const base = "nmgre create --name gre1 --peer 100.0.2.100 --local 100.0.1.100 --address 172.16.0.1/30 --key 42 --mtu 1472 --route 10.10.2.0/24"
	for _, c := range []struct{ args, old, new string }{
		{"--mtu 1400", "--mtu 1472", "--mtu 1400"},
		{"--key none", "--key 42 --mtu 1472", "--mtu 1476"},
		{"--key 0x2b", "--key 42", "--key 43"},
		{"--input-key 7", "--key 42", "--input-key 7 --output-key 42"},
		{"--output-key none", "--key 42 --mtu 1472", "--input-key 42 --mtu 1476"},
		{"--ttl inherit --tos inherit", "--key 42", "--key 42 --ttl inherit --tos 1"},
		{"--autoconnect=false", "--route 10.10.2.0/24", "--route 10.10.2.0/24 --autoconnect=false"},
		{"--route none", " --route 10.10.2.0/24", ""},
		{"--route 10.10.3.0/24", "--route 10.10.2.0/24", "--route 10.10.3.0/24"},
		{"--peer 100.0.3.100", "100.0.2.100", "100.0.3.100"},
		{"--local any", "--local 100.0.1.100", "--local any"},
		{"--name office", "--name gre1", "--name office"},
		{"--clamp-mss", "", ""},
	} {
		w := newWorld(t)
		w.must(createArgs...)
		w.must(append([]string{"edit", "gre1"}, strings.Fields(c.args)...)...)
		want := base
		if c.old != "" {
			want = strings.Replace(base, c.old, c.new, 1)
		}
		if got, onDisk := w.tunnelNow(); got != want || !onDisk {
			t.Errorf("%s: on disk %v\ngot  %s\nwant %s", c.args, onDisk, got, want)
		}
	}
}

// Each error has its exit code and its words, and the tunnel stays as it was.
func TestEditExitCodes(t *testing.T) {
	t.Setenv("SSH_CLIENT", "")
	t.Setenv("SSH_CONNECTION", "")
	for _, c := range []struct {
		name  string
		setup func(*world)
		args  string
		code  int
		want  []string
	}{
		{"nothing given", nil, "gre1", exitInvalid, []string{"there is nothing to change"}},
		{"nothing about the tunnel given", nil, "gre1 --json --wait 5s", exitInvalid, []string{"there is nothing to change"}},
		{"no name", nil, "--mtu 1400", exitInvalid, []string{"the tunnel's name is missing"}},
		{"no such tunnel", nil, "gre9 --mtu 1400", exitInvalid, []string{`no tunnel has the name "gre9"`}},
		{"two things wrong", nil, "gre1 --mtu 12 --peer 100.0.2.300", exitInvalid, []string{`mtu: "12" is not possible`, "hint: use 68 to 65535, or auto", `peer: "100.0.2.300" is not an IP address`}},
		{"no time to confirm", nil, "gre1 --mtu 1400 --confirm 0s", exitInvalid, []string{"confirm: 0s is not possible"}},
		{"too much time to confirm", nil, "gre1 --mtu 1400 --confirm 2h", exitInvalid, []string{"confirm: 2h0m0s is not possible"}},
		{"the input for two things", nil, "gre1 --routes-from - --confirm 60s", exitInvalid, []string{"standard input cannot both"}},
		{"a taken name", nil, "gre1 --name eth1", exitInvalid, []string{"name: the device eth1 exists already"}},
		{"NetworkManager absent", func(w *world) { w.bus.Vanish() }, "gre1 --mtu 1400", exitNoNetworkManager, []string{"NetworkManager"}},
		{"not permitted", func(w *world) { w.bus.SetPermission("settings.modify.system", "no") }, "gre1 --mtu 1400", exitNotPermitted, []string{"sudo"}},
		{"root's part without root", func(w *world) { w.kernel.root = false }, "gre1 --clamp-mss", exitNotPermitted, []string{"needs root"}},
		{"refused", func(w *world) {
			w.bus.Break("Update2", dbustest.Fault{Error: "org.freedesktop.NetworkManager.Settings.Connection.InvalidProperty", Text: "ip-tunnel.ttl: no\x1b[31m"})
		}, "gre1 --mtu 1400", exitFailed, []string{`no\x1b[31m`}},
		{"not applied", func(w *world) {
			w.bus.Break("Reapply", dbustest.Fault{Error: "org.freedesktop.NetworkManager.Device.IncompatibleConnection", Text: "Can't reapply"})
		}, "gre1 --mtu 1400", exitFailed, []string{"Can't reapply"}},
		{"does not come up", func(w *world) { w.bus.SetActivation(dbustest.Activation{ActiveReason: 13}) }, "gre1 --key 7", exitFailed, []string{"could not bring gre1 up"}},
		{"the session is cut off", func(w *world) { w.t.Setenv("SSH_CONNECTION", "10.10.2.9 50000 172.16.0.1 22") }, "gre1 --key 7", exitInvalid,
			[]string{"confirm: the route to your ssh client 10.10.2.9 leads through what is changed", "hint: add --confirm 60s"}},
		{"nobody confirms", nil, "gre1 --key 7 --confirm 5s", exitFailed, []string{"press Enter within 5s to keep it", "undid everything", "not confirmed: the input has ended"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.must(createArgs...)
			before, _ := w.tunnelNow()
			if c.setup != nil {
				c.setup(w)
			}
			if c.name == "does not come up" { // nor does the old one then
				c.want = append(c.want, "could not undo everything")
			}
			o := w.run(append([]string{"edit"}, strings.Fields(c.args)...)...)
			if o.code != c.code || o.stdout != "" {
				t.Errorf("exit %d, want %d\n%s%s", o.code, c.code, o.stdout, o.stderr)
			}
			for _, want := range append(c.want, "nmgre: ") {
				if !strings.Contains(o.stderr, want) {
					t.Errorf("standard error lacks %q:\n%s", want, o.stderr)
				}
			}
			if after, onDisk := w.tunnelNow(); c.name != "refused" && (after != before || !onDisk) {
				t.Errorf("on disk %v: %s, was %s", onDisk, after, before)
			}
		})
	}
}

// The typed answer decides whether the change stays.
func TestEditConfirm(t *testing.T) {
	for input, kept := range map[string]bool{"\n": true, "yes\n": true, "Y\n": true, "no\n": false, "\x1b[2J\n": false, "": false, strings.Repeat("y", 2*maxAnswer): false} {
		t.Setenv("SSH_CONNECTION", "")
		w := newWorld(t)
		w.must(createArgs...)
		before, _ := w.tunnelNow()
		w.stdin = strings.NewReader(input)
		// with --confirm it is only a warning
		t.Setenv("SSH_CONNECTION", "10.10.2.9 50000 172.16.0.1 22")
		o := w.run("edit", "gre1", "--ttl", "9", "--confirm", "30s")
		after, onDisk := w.tunnelNow()
		if (o.code == exitDone) != kept || (after != before) != kept || !onDisk || strings.Contains(o.stderr, "\x1b") || !strings.Contains(o.stderr, "warning: the route to your ssh client") {
			t.Errorf("%.10q: exit %d, on disk %v, %s\n%s", input, o.code, onDisk, after, o.stderr)
		}
	}
}

// Nobody types anything: the change is undone when the time is over.
func TestEditConfirmTimesOut(t *testing.T) {
	w := newWorld(t)
	w.must(createArgs...)
	before, _ := w.tunnelNow()
	silent, _ := io.Pipe()
	w.stdin = silent
	o := w.run("edit", "gre1", "--mtu", "1400", "--confirm", "300ms")
	if after, onDisk := w.tunnelNow(); o.code != exitFailed || after != before || !onDisk || !strings.Contains(o.stderr, "nobody pressed Enter within 300ms") {
		t.Errorf("exit %d, on disk %v: %s\n%s", o.code, onDisk, after, o.stderr)
	}
}

// hangup is an input that is always empty. Reading it ends the session with more than one signal,
// as real sessions end.
type hangup struct{ t *testing.T }

func (h hangup) Read([]byte) (int, error) {
	for range 3 {
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			h.t.Error(err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	select {}
}

// The session dies while the change waits to be confirmed: the change is undone, although more
// signals come.
func TestEditConfirmHangup(t *testing.T) {
	w := newWorld(t)
	w.must(createArgs...)
	before, _ := w.tunnelNow()
	// The last signals come when the command has ended. By default they would end the process.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	defer signal.Stop(signals)
	w.bus.Break("GetPermissions", dbustest.Fault{Delay: 50 * time.Millisecond})
	w.stdin = hangup{t}
	o := w.run("edit", "gre1", "--mtu", "1400", "--confirm", "30s")
	if after, onDisk := w.tunnelNow(); o.code != exitFailed || after != before || !onDisk || !strings.Contains(o.stderr, "interrupted") {
		t.Errorf("exit %d, on disk %v: %s\n%s", o.code, onDisk, after, o.stderr)
	}
	time.Sleep(400 * time.Millisecond) // the last of the signals
}
