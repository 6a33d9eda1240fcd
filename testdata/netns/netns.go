// Package netns has network namespaces for tests that need a kernel of their own to play with: each
// with a thread that lives in it, and cables between them. Only root can make one.
package netns

import (
	"bytes"
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

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Namespace is a network namespace of a test's own, with a thread that lives in it.
type Namespace struct {
	T      testing.TB
	Thread int // its number, by which `ip link` finds the namespace
	work   chan func()
}

// New makes a namespace with nothing but its loopback device, which is up. The test is skipped
// without root. The namespace ends with the test.
func New(t testing.TB) *Namespace {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not root: only root can make a network namespace")
	}
	ns := &Namespace{T: t, work: make(chan func())}
	started := make(chan error)
	go func() {
		// for good: the thread ends with the goroutine, and the namespace with the thread
		runtime.LockOSThread()
		ns.Thread = unix.Gettid()
		started <- unix.Unshare(unix.CLONE_NEWNET)
		for f := range ns.work {
			f()
		}
	}()
	t.Cleanup(func() { close(ns.work) })
	if err := <-started; err != nil {
		t.Fatalf("make a network namespace: %v", err)
	}
	ns.IP("link set dev lo up")
	return ns
}

// Do runs f on the namespace's thread. f must not end the test.
func (ns *Namespace) Do(f func() error) error {
	result := make(chan error, 1)
	ns.work <- func() { result <- f() }
	return <-result
}

// Run runs a program in the namespace, for at most a minute, and returns its standard output, with
// its standard error behind that if it failed.
func (ns *Namespace) Run(name string, args ...string) (string, error) {
	return ns.RunFor(time.Minute, name, args...)
}

// RunFor is Run with a limit of its own.
func (ns *Namespace) RunFor(limit time.Duration, name string, args ...string) (string, error) {
	var out, errors bytes.Buffer
	err := ns.Do(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Stdout, cmd.Stderr = &out, &errors
		return cmd.Run()
	})
	if err != nil {
		out.Write(errors.Bytes())
	}
	return out.String(), err
}

// IP runs `ip` with the words of each line, which must succeed, and returns its output. Several
// lines are one batch, in which options such as -6 are not possible.
func (ns *Namespace) IP(lines ...string) string {
	ns.T.Helper()
	words := strings.Fields(lines[0])
	if len(lines) > 1 {
		file := filepath.Join(ns.T.TempDir(), "batch")
		if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
			ns.T.Fatal(err)
		}
		words = []string{"-batch", file}
	}
	out, err := ns.Run("ip", words...)
	if err != nil {
		ns.T.Fatalf("ip: %v: %s%s", err, strings.Join(lines, "\n"), out)
	}
	return out
}

// GRERule gives a hook of the firewall a rule about GRE packets. The family is that of the table,
// and the expressions do are the rule's action. A rule of the netdev family is for device v0.
func (ns *Namespace) GRERule(family nftables.TableFamily, kind nftables.ChainType, hook *nftables.ChainHook, do ...expr.Any) {
	ns.T.Helper()
	err := ns.Do(func() error {
		c, err := nftables.New()
		if err != nil {
			return err
		}
		table := c.AddTable(&nftables.Table{Name: "test", Family: family})
		chain := &nftables.Chain{Name: "test", Table: table, Type: kind, Hooknum: hook, Priority: nftables.ChainPriorityFilter}
		if family == nftables.TableFamilyNetdev {
			chain.Device = "v0"
		}
		c.AddChain(chain)
		match := []expr.Any{
			&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_GRE}},
		}
		c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: append(match, do...)})
		return c.Flush()
	})
	if err != nil {
		ns.T.Fatal(err)
	}
}

// Sysctl writes a setting of the namespace, such as net/ipv4/ip_forward.
func (ns *Namespace) Sysctl(name, value string) {
	ns.T.Helper()
	if err := ns.Do(func() error { return os.WriteFile("/proc/sys/"+name, []byte(value), 0) }); err != nil {
		ns.T.Fatal(err)
	}
}

// DropCapabilities takes its privileges from the namespace's thread, for good.
func (ns *Namespace) DropCapabilities() {
	ns.T.Helper()
	header, none := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, [2]unix.CapUserData{}
	if err := ns.Do(func() error { return unix.Capset(&header, &none[0]) }); err != nil {
		ns.T.Fatal(err)
	}
}

// Cable joins two namespaces with a veth pair, with addresses 10.9.N.1 and .2, fd00:N::1 and ::2.
func Cable(a *Namespace, deviceA string, b *Namespace, deviceB string, n int) {
	a.T.Helper()
	a.IP(fmt.Sprintf("link add %s type veth peer name %s netns %s", deviceA, deviceB, strconv.Itoa(b.Thread)))
	for i, end := range []struct {
		ns     *Namespace
		device string
	}{{a, deviceA}, {b, deviceB}} {
		end.ns.IP(
			fmt.Sprintf("link set dev %s up", end.device),
			fmt.Sprintf("addr add 10.9.%d.%d/24 dev %s", n, i+1, end.device),
			fmt.Sprintf("addr add fd00:%d::%d/64 dev %s nodad", n, i+1, end.device),
		)
	}
	a.Carries(deviceA)
	b.Carries(deviceB)
	a.has(deviceA, fmt.Sprintf("fd00:%d::1", n))
	b.has(deviceB, fmt.Sprintf("fd00:%d::2", n))
}

// Neighbour tells the namespace the link address of another namespace's device, for addresses, so
// that no packet has to wait for it.
func (ns *Namespace) Neighbour(device string, other *Namespace, otherDevice string, addresses ...string) {
	ns.T.Helper()
	var link string
	words := strings.Fields(other.IP("-o link show dev " + otherDevice))
	for i, word := range words {
		if word == "link/ether" {
			link = words[i+1]
		}
	}
	for _, a := range addresses {
		ns.IP(fmt.Sprintf("neigh replace %s lladdr %s nud permanent dev %s", a, link, device))
	}
}

// has waits until a device's IPv6 address is an address of the host: the kernel makes it one a
// moment after it was added.
func (ns *Namespace) has(device, address string) {
	ns.T.Helper()
	address = netip.MustParseAddr(address).String()
	ns.until(device+" gets the address "+address, func() bool {
		return strings.Contains(ns.IP("-6 route show table local dev "+device), "local "+address+" ")
	})
}

// Carries waits until a device sends: the kernel drops everything until it has noted the carrier,
// which it does once a second.
func (ns *Namespace) Carries(device string) {
	ns.T.Helper()
	ns.until(device+" comes up", func() bool { return strings.Contains(ns.IP("link show dev "+device), "state UP") })
}

// until waits up to 5 seconds.
func (ns *Namespace) until(what string, is func() bool) {
	ns.T.Helper()
	for range 100 {
		if is() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	ns.T.Fatalf("not yet: %s", what)
}
