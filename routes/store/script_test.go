package store

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// shells are those that are /bin/sh on some distribution, under the name by which the kernel starts
// them.
var shells = []string{"dash", "bash"}

// stage is a host whose nmgre notes its arguments, and where every program that should not run
// leaves a note if it does.
type stage struct {
	hookHost
	shell string // its path
	calls string // the file in which the arguments are noted, each with a zero byte behind it
	alarm string // the file that is there if anything else ran
	bin   string // a folder of traps, for PATH
}

func newStage(t testing.TB, shell string) stage {
	t.Helper()
	path, err := exec.LookPath(shell)
	if err != nil {
		t.Fatal(err)
	}
	h := newHookHost(t)
	s := stage{h, path, h.path("calls"), h.path("alarm"), h.path("traps")}
	write(t, h.exe, "#!/bin/sh\nfor word; do printf '%s\\0' \"$word\"; done >>"+s.calls+"\necho \"$PATH ${DBUS_SYSTEM_BUS_ADDRESS-none}\" >"+s.calls+".env\n", 0o755)
	for _, name := range []string{"nmgre", "[", "test", "exec", "case", "unset", "export", "hook", "env", "sh"} {
		write(t, filepath.Join(s.bin, name), "#!/bin/sh\necho ran >"+s.alarm+"\n", 0o755)
	}
	h.install()
	return s
}

// run runs the script as the dispatcher does, but with the given environment. It returns the
// arguments with which nmgre was called; nil if it was not called.
func (s stage) run(env []string, args ...string) []string {
	s.t.Helper()
	_ = os.Remove(s.calls)
	cmd := exec.Command(s.shell)
	cmd.Args = append([]string{"sh", s.path(dispatcherDir, hookName)}, args...)
	cmd.Env, cmd.Dir = env, s.root
	out, err := cmd.CombinedOutput()
	// It warns about a preloaded library that is missing.
	if err != nil || len(out) > 0 && !bytes.Contains(out, []byte("ld.so")) {
		s.t.Errorf("%s %q %.200q: %v: %s", s.shell, args, env, err, out)
	}
	if text, err := os.ReadFile(s.alarm); err == nil {
		s.t.Fatalf("%s %q %.200q ran something else: %s", s.shell, args, env, text)
	}
	text, err := os.ReadFile(s.calls)
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00")
}

// eachShell runs a test with each shell.
func eachShell(t *testing.T, test func(t *testing.T, s stage)) {
	for _, shell := range shells {
		t.Run(shell, func(t *testing.T) { test(t, newStage(t, shell)) })
	}
}

// The script calls nmgre for these events of a connection that has a file, and of every connection
// if others matter too.
func TestScript(t *testing.T) {
	eachShell(t, func(t *testing.T, s stage) {
		ctx := context.Background()
		ours, others := []string{"PATH=/usr/bin:/bin", "CONNECTION_UUID=" + uuidA}, []string{"PATH=/usr/bin:/bin", "CONNECTION_UUID=" + uuidB}
		s.put(t, kept(uuidA, 1))
		for action, calls := range map[string]bool{"pre-up": true, "up": true, "down": true, "reapply": true, "dhcp4-change": true,
			"dhcp6-change": true, "vpn-up": true, "vpn-down": true, "pre-down": false, "vpn-pre-up": false, "hostname": false,
			"connectivity-change": false, "dns-change": false, "device-add": false, "": false, "upp": false, "up ": false, "up\n": false, "UP": false, "*": false, "?p": false} {
			var want []string
			if calls {
				want = []string{"hook", "--", "gre1", action}
			}
			if got := s.run(ours, "gre1", action); !slices.Equal(got, want) {
				t.Errorf("%q: called %q, want %q", action, got, want)
			}
			if got := s.run(others, "eth0", action); got != nil {
				t.Errorf("%q of another connection: called %q", action, got)
			}
		}
		if err := s.HookOthers(ctx, true); err != nil {
			t.Fatal(err)
		}
		// of a device without a connection, too
		for _, env := range [][]string{others, {"CONNECTION_UUID="}, {}} {
			if got := s.run(env, "eth0", "down"); fmt.Sprintf("%q", got) != `["hook" "--" "eth0" "down"]` {
				t.Errorf("%q: called %q", env, got)
			}
			if got := s.run(env, "eth0", "connectivity-change"); got != nil {
				t.Errorf("%q: called %q", env, got)
			}
		}
		if err := s.HookOthers(ctx, false); err != nil {
			t.Fatal(err)
		}
		// An nmgre that was removed is not called.
		if err := os.Rename(s.exe, s.exe+".gone"); err != nil {
			t.Fatal(err)
		}
		if got := s.run(ours, "gre1", "up"); got != nil {
			t.Errorf("called %q", got)
		}
	})
}

// hostile are words that a shell could misread.
func hostile(alarm string) []string {
	touch := "echo ran >" + alarm
	return []string{
		"$(" + touch + ")", "`" + touch + "`", "; " + touch, "\n" + touch + "\n", "' ; " + touch + " ; '", "\" ; " + touch + " ; \"", "& " + touch, "| " + touch,
		"a b", "a\tb", "*", "?", "[", "]", "-e", "-h", "--help", "!", "(", ")", "-a", "-o", "=", "~", "~root", "$HOME", "${IFS}", "\\", "'", "\"", "\x01\xff\x1b[31m",
		"ÄÖÜ", "%s%n", "../../../../etc/passwd", "/etc/passwd", "..", ".", "/", strings.Repeat("a", 100_000), "x -o -e /etc/passwd", "",
	}
}

// TestScriptHostile runs the script with hostile arguments and a hostile environment. The script
// may run only nmgre hook, with two arguments, and only if there is a file for the UUID.
func TestScriptHostile(t *testing.T) {
	eachShell(t, func(t *testing.T, s stage) {
		s.put(t, kept(uuidA, 1))
		write(t, s.path("etc/passwd"), "", 0o644)
		write(t, s.path("startup"), "echo ran >"+s.alarm+"\n", 0o755)
		environment := []string{"PATH=" + s.bin, "ENV=" + s.path("startup"), "BASH_ENV=" + s.path("startup"), "IFS=/e1-", "SHELLOPTS=xtrace:noglob:errexit",
			"BASHOPTS=extglob:nocasematch", "PS4=$(echo ran >" + s.alarm + ")", "CDPATH=/", "GLOBIGNORE=*", "POSIXLY_CORRECT=1", "LD_PRELOAD=" + s.path("none.so"),
			"DBUS_SYSTEM_BUS_ADDRESS=unix:path=" + s.path("bus"), "kept=" + s.path("etc/passwd"), "LC_ALL=C.UTF-8", "HOME=" + s.root, "OPTIND=7",
			"CONNECTION_ID=$(echo ran >" + s.alarm + ")", "PS1=$(echo ran >" + s.alarm + ")", "PROMPT_COMMAND=echo ran >" + s.alarm}
		for _, word := range hostile(s.alarm) {
			ours := append(slices.Clone(environment), "CONNECTION_UUID="+uuidA)
			if got := s.run(ours, word, "up"); !slices.Equal(got, []string{"hook", "--", word, "up"}) {
				t.Errorf("interface %.80q: called %.200q", word, got)
			}
			if got := s.run(ours, "gre1", word); got != nil {
				t.Errorf("action %.80q: called %.200q", word, got)
			}
			for _, uuid := range []string{word, uuidA + word, word + uuidA, "../tunnels/" + uuidA, uuidA + "/../" + uuidA} {
				if uuid == uuidA {
					continue // with the empty word
				}
				if got := s.run(append(slices.Clone(environment), "CONNECTION_UUID="+uuid), "gre1", "up"); got != nil {
					t.Errorf("UUID %.80q: called %.200q", uuid, got)
				}
			}
		}
		ours := append(slices.Clone(environment), "CONNECTION_UUID="+uuidA)
		if got := s.run(ours, "gre1", "up", "more", "$(echo ran >"+s.alarm+")"); fmt.Sprintf("%q", got) != `["hook" "--" "gre1" "up"]` {
			t.Errorf("with more arguments: called %q", got)
		}
		for _, args := range [][]string{nil, {"gre1"}} {
			if got := s.run(ours, args...); got != nil {
				t.Errorf("%q: called %q", args, got)
			}
		}
		// nmgre itself gets a path of root's own, and the host's own bus.
		if env, err := os.ReadFile(s.calls + ".env"); err != nil || string(env) != "/usr/sbin:/usr/bin:/sbin:/bin none\n" {
			t.Errorf("%q, %v", env, err)
		}
	})
}

// TestScriptQuick compares the quickest of some runs for a connection that is not ours with the
// start of the same shell alone, in turn.
func TestScriptQuick(t *testing.T) {
	const most = 2 // about 1.1 as measured with dash and bash
	eachShell(t, func(t *testing.T, s stage) {
		s.put(t, kept(uuidA, 1))
		alone := s.path("alone")
		write(t, alone, ":\n", 0o644)
		script, shell := time.Hour, time.Hour
		for range 40 {
			script = min(script, s.others(s.path(dispatcherDir, hookName)))
			shell = min(shell, s.others(alone))
		}
		t.Logf("the hook for a profile that is not ours: %v, the shell alone: %v", script, shell)
		if ratio := float64(script) / float64(shell); ratio > most {
			t.Errorf("it takes %.2f of the shell alone, and may take %v", ratio, most)
		}
	})
}

// others runs a script for a connection that is not ours, as the dispatcher does, and returns how
// long that took.
func (s stage) others(script string) time.Duration {
	cmd := exec.Command(s.shell)
	cmd.Args = []string{"sh", script, "eth0", "up"}
	cmd.Env = []string{"PATH=/usr/bin:/bin", "CONNECTION_UUID=" + uuidB}
	began := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		s.t.Errorf("%v: %s", err, out)
	}
	return time.Since(began)
}

// BenchmarkHookOfOthers is the hook for a profile that is not ours.
func BenchmarkHookOfOthers(b *testing.B) {
	for _, shell := range shells {
		b.Run(shell, func(b *testing.B) {
			s := newStage(b, shell)
			s.put(b, kept(uuidA, 1))
			for b.Loop() {
				s.others(s.path(dispatcherDir, hookName))
			}
		})
	}
}
