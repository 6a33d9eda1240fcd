package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"nmgre/testdata/lab"
)

// seat is a person at a host's terminal: tmux draws nmgre's output and types keys.
type seat struct {
	t       *testing.T
	host    lab.Host
	session string
}

// sit starts a command on a terminal of the given size.
func sit(t *testing.T, host lab.Host, width, height int, command string) *seat {
	t.Helper()
	s := &seat{t, host, fmt.Sprintf("nmgre-%s-%d", host, time.Now().UnixNano())}
	s.tmux("new-session", "-d", "-x", fmt.Sprint(width), "-y", fmt.Sprint(height), "-e", "LANG=C.UTF-8", command+"; echo ended $?; sleep 600")
	t.Cleanup(func() { host.Try("tmux", "-L", s.session, "kill-server") })
	return s
}

func (s *seat) tmux(args ...string) string {
	s.t.Helper()
	return s.host.Run(s.t, "tmux", append([]string{"-L", s.session, "-f", "/dev/null"}, args...)...)
}

// screen returns the text on the screen.
func (s *seat) screen() string { return s.tmux("capture-pane", "-p") }

// wait returns when the screen shows all of the texts.
func (s *seat) wait(texts ...string) string {
	s.t.Helper()
	const limit = 90 * time.Second // the lab's processor is emulated
	screen := ""
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		screen = s.screen()
		missing := false
		for _, text := range texts {
			missing = missing || !strings.Contains(screen, text)
		}
		if !missing {
			return screen
		}
	}
	s.t.Fatalf("%s: the screen has not got %q:\n%s", s.host, texts, screen)
	return ""
}

// press presses keys, which have tmux's names.
func (s *seat) press(keys ...string) {
	s.t.Helper()
	s.tmux(append([]string{"send-keys"}, keys...)...)
}

func (s *seat) write(text string) {
	s.t.Helper()
	s.tmux("send-keys", "-l", "--", text)
}

// picture saves the screen with its colours for make pictures.
func (s *seat) picture(name string) {
	const folder = "/out/pictures" // make pictures makes it
	if _, err := os.Stat(folder); err != nil || strings.HasPrefix(name, "-") {
		return
	}
	if err := os.WriteFile(filepath.Join(folder, name+".ansi"), []byte(s.tmux("capture-pane", "-p", "-e")), 0o644); err != nil {
		s.t.Error(err)
	}
}

// typeThrough makes a tunnel with the wizard, page by page, like a person who has read one page
// about GRE.
func typeThrough(s *seat, e end, name string) {
	t := s.t
	t.Helper()
	s.press("n")
	s.wait("Far end's address")
	s.press("Down") // past the question for the other end
	s.write(e.peer)
	s.wait("reached by eth0", "the kernel's choice: ") // asked for while it was typed
	s.picture(name + "-endpoints")
	s.press("C-n")
	s.wait("Inner network", "which is free here")
	s.press("Down", "C-e", "C-u") // this end's address, typed
	s.write(e.address)
	s.wait(e.farInner + ", the other host") // the far end's is derived
	s.picture(name + "-inner")
	s.press("C-n")
	s.wait("Path MTU discovery", "1500 - 20 (IPv4) - 4 (GRE) = 1476")
	s.picture(name + "-options")
	s.press("C-n")
	s.wait("a network behind the far end")
	s.write(e.farLAN)
	s.wait("held by NetworkManager, in the profile")
	s.picture(name + "-routes")
	s.press("C-n")
	s.wait("Forward packets")
	s.press("C-n")
	s.wait("behind the far end", "make it")
	s.picture(name + "-preview")
	s.press("Enter")
	s.wait("wrote the profile to disk", "gre1 is there")
	s.picture(name + "-applied")
	s.press("Enter")
	s.wait("On the far host", "nmgre create --peer")
	s.picture(name + "-far-end")
	s.press("y")
	s.wait("copied the far end's command")
	s.press("q")
	s.wait("Tunnels", "gre1", "active")
}

// The wizard on two empty hosts makes both ends of a tunnel, and the LANs behind them reach each
// other.
func TestLabWizardJoinsTheLANs(t *testing.T) {
	lab.Need(t)
	first := sit(t, left.host, 100, 30, "nmgre")
	first.wait("no tunnels yet", "n makes the first one")
	first.picture("1-empty")
	typeThrough(first, left, "2-wizard")
	second := sit(t, right.host, 80, 24, "nmgre")
	second.wait("no tunnels yet")
	typeThrough(second, right, "")
	mustPing(t, lab.LAN1, lab.LAN2Addr)
	mustPing(t, lab.LAN2, lab.LAN1Addr)

	first.press("v")
	first.wait("pass: the tunnel carries traffic")
	first.picture("4-checks")
	first.press("3")
	first.wait(left.farLAN, "profile gre1")
	first.picture("5-routes")
	first.press("2")
	first.wait("round trip", "ms")
	time.Sleep(5 * time.Second) // so that there is something to see
	first.picture("6-rates")
	first.press("6")
	first.wait("$ ip route get")
	first.picture("7-log")
	first.press("Enter")
	for range 8 { // it is below the steps of the verification
		if strings.Contains(first.screen(), "D-Bus: Settings.Connection.Update2") {
			break
		}
		first.press("NPage")
		time.Sleep(300 * time.Millisecond)
	}
	first.wait("D-Bus: Settings.Connection.Update2")
	first.press("Left")
	first.press("1")
	first.wait("profile", "link", "172.16.0.1/30")
	first.picture("8-overview")
	for _, s := range []*seat{first, second} {
		s.press("q")
		s.wait("ended 0")
	}
	if got := verdict(t, left.host, exitDone, "gre1"); got != "pass" {
		t.Errorf("verify says %s", got)
	}
}

// helpKeys are the keys of the main view's help, by tmux's names, each with a pattern of the screen
// after it.
var helpKeys = []struct {
	key  string
	want string // a pattern
	back []string
}{
	{"?", `Keys`, []string{"Escape"}},
	{"n", `New tunnel`, []string{"Escape"}},
	{"e", `Edit gre1`, []string{"Escape"}},
	{"u", `gre1 is up already`, nil},
	{"v", `Checks|verif`, nil},
	{"/", `enter keep it`, []string{"Escape"}},
	{"D", `New tunnel`, []string{"Escape"}},
	{"z", `changed nothing`, nil},
	{"y", `copied`, nil},
	{"Tab", `Far end`, nil},
	{"BTab", `Checks`, nil},
	{"]", `Far end`, nil},
	{"[", `Checks`, nil},
	{"2", `round trip|measuring`, nil},
	{"3", `held by`, nil},
	{"4", `v verifies|verifying`, nil},
	{"i", `seen: |there is no report yet`, nil},
	{"Y", `copied|no command`, nil},
	{"5", `On the far host`, nil},
	{"o", `The far end's notation`, nil},
	{"End", `▸openbsd`, nil},
	{"Enter", `The far end for OpenBSD`, nil},
	{"6", `D-Bus|done yet|netlink`, nil},
	{"1", `profile .*link`, nil},
	{"Down", `▸. gre2`, nil},
	{"Up", `▸. gre1`, nil},
	{"j", `▸. gre2`, nil},
	{"k", `▸. gre1`, nil},
	{"End", `▸. gre2`, nil},
	{"Home", `▸. gre1`, nil},
	{"G", `▸. gre2`, nil},
	{"g", `▸. gre1`, nil},
	{"NPage", `▸. gre2`, nil},
	{"PPage", `▸. gre1`, nil},
	{"C-d", `▸. gre2`, nil},
	{"C-u", `▸. gre1`, nil},
	{"C-f", `▸. gre2`, nil},
	{"C-b", `▸. gre1`, nil},
	{"Right", `esc back`, []string{"Escape"}},
	{"l", `esc back`, []string{"h"}},
	{"Enter", `esc back`, []string{"Left"}},
	{"m", `Tunnels`, []string{"m"}},
	{"C-r", `Tunnels`, nil},
	{"C-l", `Tunnels`, nil},
	{"d", `Take gre1 down\?`, []string{"n"}},
	{"x", `Delete gre1\?`, []string{"n"}},
	{"F1", `Keys`, []string{"Escape"}},
	{"DC", `Delete gre1\?`, []string{"y"}},
	{"z", `gre1 is deleted|Undo the last change`, []string{"n"}},
	{"C-c", `ended 0`, nil},
}

// Each key of the help, pressed once on a host with two tunnels, acts as the help says.
func TestLabEveryKey(t *testing.T) {
	lab.Need(t)
	nmgreOn(t, left.host, exitDone, left.create("--no-probe")...)
	nmgreOn(t, left.host, exitDone, "create", "--peer", "100.0.2.101", "--address", "172.16.9.1/30", "--no-probe")
	s := sit(t, left.host, 80, 24, "nmgre")
	s.wait("gre1", "gre2", "profile")
	for i, k := range helpKeys {
		if k.key == "z" && i > 10 {
			s.waitFor("y", regexp.MustCompile(`gre1 is deleted`))
		}
		s.press(k.key)
		s.waitFor(k.key, regexp.MustCompile(k.want))
		for _, back := range k.back {
			s.press(back)
			// an escape is told from the beginning of another key by time
			time.Sleep(300 * time.Millisecond)
		}
	}
	if out := left.host.Run(t, "nmcli", "-g", "NAME", "connection", "show"); strings.Contains(out, "gre1") {
		t.Errorf("gre1 is still there:\n%s", out)
	}
	if out := left.host.Run(t, "sh", "-c", "cat ~/.local/state/nmgre/notations"); !strings.HasSuffix(out, " openbsd\n") {
		t.Errorf("the notation is not remembered: %q", out)
	}
}

func (s *seat) waitFor(key string, pattern *regexp.Regexp) {
	s.t.Helper()
	screen := ""
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(150 * time.Millisecond) {
		if screen = s.screen(); pattern.MatchString(screen) {
			return
		}
	}
	s.t.Fatalf("%s: after %s the screen has no %s:\n%s", s.host, key, pattern, screen)
}

// NetworkManager stops and comes back: the screen says so, keeps its rows, and goes on by itself.
// It also shows changes that somebody else makes to a tunnel, without a key.
func TestLabScreenFollows(t *testing.T) {
	lab.Need(t)
	nmgreOn(t, left.host, exitDone, left.create("--no-probe")...)
	s := sit(t, left.host, 80, 24, "nmgre")
	s.wait("gre1", "active")
	left.host.Run(t, "nmcli", "connection", "down", "gre1")
	s.wait("inactive")
	left.host.StopNM(t)
	s.wait("NetworkManager has gone", "gre1")
	s.press("u")
	s.wait("NetworkManager has gone; nmgre waits for it")
	left.host.StartNM(t)
	s.wait("NetworkManager 1.")
	left.host.Run(t, "nmcli", "connection", "delete", "gre1")
	s.wait("no tunnels yet")
	s.press("q")
	s.wait("ended 0")
}

// SIGTERM while a tunnel is being made: the tunnel is undone, and the terminal is as it was.
func TestLabScreenIsToldToEnd(t *testing.T) {
	lab.Need(t)
	// The signal comes while NetworkManager brings the tunnel up, which takes a while here.
	const slow = "/etc/NetworkManager/dispatcher.d/pre-up.d/90-slow"
	left.host.Run(t, "sh", "-e", "-c", `mkdir -p "${1%/*}"; printf '#!/bin/sh\nsleep 5\n' >"$1"; chmod 755 "$1"`, "sh", slow)
	defer left.host.Run(t, "rm", slow)
	before := left.host.Snapshot(t)
	s := sit(t, left.host, 80, 24, "nmgre")
	s.wait("no tunnels yet")
	s.press("n")
	s.wait("Far end's address")
	s.press("Down") // past the question for the other end
	s.write(left.peer)
	s.wait("reached by eth0")
	s.press("C-n")
	s.wait("which is free here")
	s.press("C-s")
	s.wait("make it")
	s.press("Enter")
	s.wait("added the profile")
	pid := strings.TrimSpace(left.host.Run(t, "pgrep", "-x", "nmgre"))
	left.host.Run(t, "kill", "-TERM", pid)
	screen := s.wait("ended 0")
	if strings.Contains(screen, "╭") {
		t.Errorf("the terminal has not been restored:\n%s", screen)
	}
	mustEqual(t, "after SIGTERM", before, left.host.Snapshot(t))
}

// A person who is not root, and whom polkit would ask for a password, edits the tunnel that carries
// their own session. The question comes on the lent terminal, nobody answers, and the edit is
// undone. The screen is there again.
func TestLabScreenAsksOnTheLentTerminal(t *testing.T) {
	h := annsHost(t, annMayTouch)
	h.Run(t, installed, annsCreate("--route", secondHop, "--route", "10.10.2.0/24")...)
	before := rootsState(t, h)
	cmd := h.CommandAs(ann, installed, "--confirm", "3s")
	cmd.Env = append(os.Environ(), "TERM=xterm-256color", "LANG=C.UTF-8", "SSH_CONNECTION=10.10.2.100 50000 172.16.0.1 22")
	d := onTerminal(t, cmd)
	d.wait(t, "gre1", 1)
	for _, step := range [][2]string{{"e", "Edit gre1"}, {"\x0e", "inner address"}, {"\x0e", "Path MTU discovery"}, {"\x1b[B\x1b[B\x1b[B\x1b[B\x151400\x13", "cut you off"},
		{"\r", "press Enter within 3s to keep it"}, {"", "undid everything ("}, {"", "It failed, and everything was undone"}, {"q", "Tunnels"}, {"q", ""}} {
		_, _ = io.WriteString(d.tty, step[0])
		d.wait(t, step[1], 1)
	}
	if code := d.end(t); code != exitDone {
		t.Errorf("exit %d\n%s", code, d.text())
	}
	mustEqual(t, "afterwards", before, rootsState(t, h))
}
