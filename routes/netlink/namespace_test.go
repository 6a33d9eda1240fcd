package netlink

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// namespace is a network namespace of a test's own, with a thread that lives in it and its Kernel.
type namespace struct {
	t      testing.TB
	work   chan func()
	thread int
	kernel *Kernel
}

// newNamespace makes a namespace with nothing but its loopback device, which is up. The test is
// skipped without root.
func newNamespace(t testing.TB) *namespace {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not root: only root can make a network namespace")
	}
	ns := &namespace{t: t, work: make(chan func())}
	started := make(chan error)
	go func() {
		// for good: the thread ends with the goroutine, and the namespace with the thread
		runtime.LockOSThread()
		started <- unix.Unshare(unix.CLONE_NEWNET)
		for f := range ns.work {
			f()
		}
	}()
	t.Cleanup(func() { close(ns.work) })
	if err := <-started; err != nil {
		t.Fatalf("make a network namespace: %v", err)
	}
	err := ns.do(func() (err error) {
		ns.thread = unix.Gettid()
		ns.kernel, err = New()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ns.kernel.Close() })
	ns.ip("link set dev lo up")
	return ns
}

// do runs f on the namespace's thread. f must not end the test.
func (ns *namespace) do(f func() error) error {
	result := make(chan error, 1)
	ns.work <- func() { result <- f() }
	return <-result
}

// run runs a program in the namespace, for at most a minute, and returns its output.
func (ns *namespace) run(name string, args ...string) (string, error) {
	return ns.runFor(time.Minute, name, args...)
}

func (ns *namespace) runFor(limit time.Duration, name string, args ...string) (string, error) {
	var out []byte
	err := ns.do(func() (err error) {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		out, err = exec.CommandContext(ctx, name, args...).CombinedOutput()
		return err
	})
	return string(out), err
}

// ip runs `ip` with the words of each line, which must succeed, and returns its output. Several
// lines are one batch, in which options such as -6 are not possible.
func (ns *namespace) ip(lines ...string) string {
	ns.t.Helper()
	words := strings.Fields(lines[0])
	if len(lines) > 1 {
		file := filepath.Join(ns.t.TempDir(), "batch")
		if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
			ns.t.Fatal(err)
		}
		words = []string{"-batch", file}
	}
	out, err := ns.run("ip", words...)
	if err != nil {
		ns.t.Fatalf("ip: %v: %s%s", err, strings.Join(lines, "\n"), out)
	}
	return out
}

// sysctl writes a setting of the namespace, such as net/ipv4/ip_forward.
func (ns *namespace) sysctl(name, value string) {
	ns.t.Helper()
	if err := ns.do(func() error { return os.WriteFile("/proc/sys/"+name, []byte(value), 0) }); err != nil {
		ns.t.Fatal(err)
	}
}

// cable joins two namespaces with a veth pair, with addresses 10.9.N.1 and .2, fd00:N::1 and ::2.
func cable(a *namespace, deviceA string, b *namespace, deviceB string, n int) {
	a.t.Helper()
	a.ip(fmt.Sprintf("link add %s type veth peer name %s netns %s", deviceA, deviceB, strconv.Itoa(b.thread)))
	for i, end := range []struct {
		ns     *namespace
		device string
	}{{a, deviceA}, {b, deviceB}} {
		end.ns.ip(
			fmt.Sprintf("link set dev %s up", end.device),
			fmt.Sprintf("addr add 10.9.%d.%d/24 dev %s", n, i+1, end.device),
			fmt.Sprintf("addr add fd00:%d::%d/64 dev %s nodad", n, i+1, end.device),
		)
	}
	a.carries(deviceA)
	b.carries(deviceB)
	a.has(deviceA, fmt.Sprintf("fd00:%d::1", n))
	b.has(deviceB, fmt.Sprintf("fd00:%d::2", n))
}

// has waits until a device's IPv6 address is an address of the host: the kernel makes it one a
// moment after it was added.
func (ns *namespace) has(device, address string) {
	ns.t.Helper()
	address = netip.MustParseAddr(address).String()
	for range 100 {
		if strings.Contains(ns.ip("-6 route show table local dev "+device), "local "+address+" ") {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	ns.t.Fatalf("%s does not get the address %s", device, address)
}

// carries waits until a device sends: the kernel drops everything until it has noted the carrier,
// which it does once a second.
func (ns *namespace) carries(device string) {
	ns.t.Helper()
	for range 100 {
		if strings.Contains(ns.ip("link show dev "+device), "state UP") {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	ns.t.Fatalf("%s does not come up", device)
}

// nothing takes the messages of an answer that has none.
func nothing([]byte) error { return nil }
