// Package lab lets tests use the hosts of the test lab: lan1, linux1, router, linux2 and lan2, each
// a network namespace of its own, two of them with their own D-Bus daemon and NetworkManager.
// hosts.sh draws the picture. A test that wants more hosts asks for them: see More.
//
// Tests that use it live in files named lab_test.go, have names that begin with
// TestLab, call Need first, and run inside the lab:
//
//	testdata/lab/test.sh ./nm
package lab

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	hostsScript = "/lab/hosts.sh"
	stateDir    = "/run/lab"
)

// Limit bounds every command that Run and Try start.
const Limit = 2 * time.Minute

// Host is one host of the lab.
type Host string

// The hosts of the lab. Linux1 and Linux2 run NetworkManager and forward IPv4; Router stands for
// the network between them; LAN1 and LAN2 are behind Linux1 and Linux2 and know nothing of tunnels.
const (
	Linux1 Host = "linux1"
	Linux2 Host = "linux2"
	Router Host = "router"
	LAN1   Host = "lan1"
	LAN2   Host = "lan2"
)

// Addresses of the hosts.
const (
	Linux1WAN  = "100.0.1.100"
	Linux2WAN  = "100.0.2.100"
	Linux1WAN6 = "2001:db8:1::100"
	Linux2WAN6 = "2001:db8:2::100"
	Linux1LAN  = "10.10.1.1"
	Linux2LAN  = "10.10.2.1"
	LAN1Addr   = "10.10.1.100"
	LAN2Addr   = "10.10.2.100"
	LAN1Net    = "10.10.1.0/24"
	LAN2Net    = "10.10.2.0/24"
)

// Ran is told of every command that has ended on a host, and Ended is called at
// the end of each test that has called Need, when the test needs its hosts no
// more. A package of tests may set both before its first test.
var (
	Ran   = func(Host, []string, Result) {}
	Ended = func(*testing.T) {}
)

// Need skips the test outside the lab. Inside, it brings Linux1 and Linux2 back
// to their first state and, should the test fail, logs the state it ended in.
func Need(t testing.TB) {
	t.Helper()
	if os.Getenv("NMGRE_LAB") != "1" {
		t.Skip("needs the lab: run make test")
	}
	resetAll(t, Linux1, Linux2)
	if test, ok := t.(*testing.T); ok { // a benchmark has its own loop
		t.Cleanup(func() { Ended(test) })
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s\n%s", Linux1.diagnose(), Linux2.diagnose())
		}
	})
}

// Linux is the host with NetworkManager of a number, 1 to 9, and LAN the one behind it. From 3 on
// More makes them.
func Linux(number int) Host { return Host("linux" + strconv.Itoa(number)) }

// LAN is the host behind Linux of the same number.
func LAN(number int) Host { return Host("lan" + strconv.Itoa(number)) }

// WAN is the outer address of Linux of a number, and LANAddr that of the host behind it.
func WAN(number int) string { return fmt.Sprintf("100.0.%d.100", number) }

// LANAddr is the address of LAN of a number.
func LANAddr(number int) string { return fmt.Sprintf("10.10.%d.100", number) }

// More has Linux(3) to Linux(most), 9 at the most, with their LANs, until the test ends. They are
// new, so they need no reset. A test that does not ask for them pays nothing for them.
func More(t testing.TB, most int) {
	t.Helper()
	t.Cleanup(func() {
		if t.Failed() {
			for n := 3; n <= most; n++ {
				t.Log(Linux(n).diagnose())
			}
		}
		if r := run(exec.Command(hostsScript, "less")); r.Code != 0 {
			t.Errorf("the hosts beyond the second do not end: %s", r)
		}
	})
	if r := run(exec.Command(hostsScript, "more", strconv.Itoa(most))); r.Code != 0 {
		t.Fatalf("no more hosts: %s", r)
	}
}

func resetAll(t testing.TB, hosts ...Host) {
	t.Helper()
	results := make([]Result, len(hosts))
	var running sync.WaitGroup
	for i, h := range hosts {
		running.Go(func() { results[i] = run(exec.Command(hostsScript, "reset", string(h))) })
	}
	running.Wait()
	for i, r := range results {
		if r.Code != 0 {
			t.Fatalf("reset %s: %s", hosts[i], r)
		}
		if r.Stderr != "" {
			t.Logf("reset %s: %s", hosts[i], r.Stderr)
		}
	}
}

// SSH starts an sshd on the host, to which root and ann of client log in, until the test ends. ann
// may become root there by sudo.
func (h Host) SSH(t testing.TB, client Host) {
	t.Helper()
	if r := run(exec.Command(hostsScript, "sshd", string(h), string(client))); r.Code != 0 {
		t.Fatalf("sshd on %s: %s", h, r)
	}
	t.Cleanup(func() { h.Try("pkill", "-F", "/run/lab-sshd.pid") })
}

// Result is the output of a command, and how it ended.
type Result struct {
	Stdout string
	Stderr string
	// exit status; 128 and the number of the signal that ended it; -1 when it could not be started
	Code int
	Took time.Duration
}

// String shows the whole result, for messages.
func (r Result) String() string {
	return fmt.Sprintf("exit status %d after %v\n--- stdout\n%s--- stderr\n%s", r.Code, r.Took.Round(time.Millisecond), r.Stdout, r.Stderr)
}

// Command prepares a command on the host. The process it starts becomes the command itself (no
// shell, no parent in between), so signals reach it. It runs as root in /root.
func (h Host) Command(name string, args ...string) *exec.Cmd {
	return h.command(nil, name, args)
}

// CommandAs is Command for an unprivileged user: ann, whose user and group number is 1000.
func (h Host) CommandAs(uid int, name string, args ...string) *exec.Cmd {
	id := strconv.Itoa(uid)
	return h.command([]string{"-S", id, "-G", id}, name, args)
}

func (h Host) command(more []string, name string, args []string) *exec.Cmd {
	enter := append([]string{"-t", strconv.Itoa(h.Pid()), "-n", "-m", "-u", "-w"}, more...)
	enter = append(enter, "--", name)
	cmd := exec.Command("nsenter", append(enter, args...)...)
	// Should the test die, the command must not stay behind.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// Run runs a command on the host, fails the test when it does not exit with 0,
// and returns its standard output.
func (h Host) Run(t testing.TB, name string, args ...string) string {
	t.Helper()
	r := h.Try(name, args...)
	if r.Code != 0 {
		t.Fatalf("%s: %s %s: %s", h, name, strings.Join(args, " "), r)
	}
	return r.Stdout
}

// Try runs a command on the host.
func (h Host) Try(name string, args ...string) Result {
	return h.told(run(h.Command(name, args...)), name, args)
}

// told tells of a command that has ended.
func (h Host) told(r Result, name string, args []string) Result {
	Ran(h, append([]string{name}, args...), r)
	return r
}

// TryAs runs a command on the host as an unprivileged user; see CommandAs.
func (h Host) TryAs(uid int, name string, args ...string) Result {
	return h.told(run(h.CommandAs(uid, name, args...)), name, args)
}

// TryInput runs a command on the host with input as its standard input.
func (h Host) TryInput(input, name string, args ...string) Result {
	cmd := h.Command(name, args...)
	cmd.Stdin = strings.NewReader(input)
	return h.told(run(cmd), name, args)
}

func run(cmd *exec.Cmd) Result {
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	// A daemon that the command leaves behind may hold the pipes open.
	cmd.WaitDelay = 2 * time.Second
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return Result{Stderr: err.Error() + "\n", Code: -1}
	}
	limit := time.AfterFunc(Limit, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	limit.Stop()
	return Result{Stdout: out.String(), Stderr: errs.String(), Code: code(cmd, err), Took: time.Since(began)}
}

func code(cmd *exec.Cmd, err error) int {
	if err == nil || errors.Is(err, exec.ErrWaitDelay) {
		return 0
	}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return cmd.ProcessState.ExitCode()
}

// Process is a command that runs on a host while the test goes on.
type Process struct {
	*exec.Cmd
	out, errs lockedBuffer
	done      chan struct{}
	result    Result
}

// Start starts a command on the host. It is killed at the end of the test if it still runs then.
func (h Host) Start(t testing.TB, name string, args ...string) *Process {
	t.Helper()
	p := &Process{Cmd: h.Command(name, args...), done: make(chan struct{})}
	p.Cmd.Stdout, p.Cmd.Stderr = &p.out, &p.errs
	p.Cmd.WaitDelay = 2 * time.Second
	began := time.Now()
	if err := p.Cmd.Start(); err != nil {
		t.Fatalf("%s: %s: %v", h, name, err)
	}
	go func() {
		err := p.Cmd.Wait()
		p.result = Result{Stdout: p.out.String(), Stderr: p.errs.String(), Code: code(p.Cmd, err), Took: time.Since(began)}
		h.told(p.result, name, args)
		close(p.done)
	}()
	t.Cleanup(func() {
		_ = p.Cmd.Process.Kill()
		<-p.done
	})
	return p
}

// Pid is the number of the process itself.
func (p *Process) Pid() int { return p.Cmd.Process.Pid }

// Stdout is the process's standard output so far.
func (p *Process) Stdout() string { return p.out.String() }

// Stderr is the process's standard error so far.
func (p *Process) Stderr() string { return p.errs.String() }

// Wait waits for the end of the process, at most Limit.
func (p *Process) Wait(t testing.TB) Result { t.Helper(); return p.WaitFor(t, Limit) }

// WaitFor waits for the end of the process, at most for a time.
func (p *Process) WaitFor(t testing.TB, limit time.Duration) Result {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(limit):
		_ = p.Cmd.Process.Kill()
		<-p.done
		t.Fatalf("no end after %v: %s", limit, p.result)
	}
	return p.result
}

// Running reports whether the process has not ended yet.
func (p *Process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Signal sends a signal to the process.
func (p *Process) Signal(sig os.Signal) error { return p.Cmd.Process.Signal(sig) }

// Kill kills the process (SIGKILL) and waits for its end.
func (p *Process) Kill() Result {
	_ = p.Cmd.Process.Kill()
	<-p.done
	return p.result
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// Root is the host's root folder, as the test sees it.
func (h Host) Root() string { return stateDir + "/" + string(h) + "/root" }

// BusAddress is the address of the host's D-Bus system bus, for a program that
// does not run on the host.
func (h Host) BusAddress() string {
	return "unix:path=" + h.Root() + "/run/dbus/system_bus_socket"
}

// Pid is the number of the process that holds the host's namespaces. A reboot changes it.
func (h Host) Pid() int {
	// A host without a process has no commands either: nsenter will say so.
	return h.number("pid")
}

// NMPid is the number of the host's NetworkManager process, 0 when it is stopped.
func (h Host) NMPid() int { return h.number("nm.pid") }

func (h Host) number(file string) int {
	text, err := os.ReadFile(stateDir + "/" + string(h) + "/" + file)
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return n
}

// NetNSPath is the file that stands for the host's network namespace. A reboot changes it.
func (h Host) NetNSPath() string { return fmt.Sprintf("/proc/%d/ns/net", h.Pid()) }

// NMLog is the log of the host's NetworkManager since the lab started.
func (h Host) NMLog(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(stateDir + "/" + string(h) + "/nm.log")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Snapshot is the host's state as text: profiles with all their settings, files
// in /etc/NetworkManager and /etc/nmgre, links, addresses, routes, rules, next
// hops, nft and sysctls; no counters, no life times, no time stamps. It is the
// same, byte for byte, before and after something that changed nothing.
func (h Host) Snapshot(t testing.TB) string {
	t.Helper()
	r := run(exec.Command(hostsScript, "snapshot", string(h)))
	if r.Code != 0 {
		t.Fatalf("snapshot of %s: %s", h, r)
	}
	return r.Stdout
}

func (h Host) script(t testing.TB, args ...string) {
	t.Helper()
	if r := run(exec.Command(hostsScript, args...)); r.Code != 0 {
		t.Fatalf("%s: %s", strings.Join(args, " "), r)
	}
}

// RestartNM stops and starts the host's NetworkManager and waits until its
// first connections are active.
func (h Host) RestartNM(t testing.TB) { t.Helper(); h.script(t, "nm", string(h), "restart") }

// RestartBus stops the host's system bus under a NetworkManager that runs, and starts both anew.
func (h Host) RestartBus(t testing.TB) { t.Helper(); h.script(t, "nm", string(h), "rebus") }

// StopNM stops the host's NetworkManager, which leaves its links as they are.
func (h Host) StopNM(t testing.TB) { t.Helper(); h.script(t, "nm", string(h), "stop") }

// StartNM starts the host's NetworkManager if it does not run, and waits until
// its first connections are active.
func (h Host) StartNM(t testing.TB) { t.Helper(); h.script(t, "nm", string(h), "start") }

// KillNM kills the host's NetworkManager (SIGKILL).
func (h Host) KillNM(t testing.TB) { t.Helper(); h.script(t, "nm", string(h), "kill9") }

// Reboot plays a reboot of the host: every process on it ends, the kernel's network state is new,
// /run is empty, /etc and /var stay, D-Bus and NetworkManager start. The lab knows no other
// services.
func (h Host) Reboot(t testing.TB) { t.Helper(); h.script(t, "reboot", string(h)) }

// Reset brings the host back to its first state; Need does it for Linux1 and
// Linux2 before each test.
func (h Host) Reset(t testing.TB) { t.Helper(); resetAll(t, h) }

func (h Host) diagnose() string {
	r := run(exec.Command(hostsScript, "diagnose", string(h)))
	return r.Stdout + r.Stderr
}

// Ping reports whether to answers at least one of three pings from a host.
func Ping(t testing.TB, from Host, to string) bool {
	t.Helper()
	r := from.Try("ping", "-n", "-c", "3", "-i", "0.2", "-W", "2", to)
	t.Logf("ping %s -> %s: exit status %d", from, to, r.Code)
	return r.Code == 0
}
