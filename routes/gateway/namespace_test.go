package gateway

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// namespace is a network namespace of a test's own, with a thread that lives in it.
type namespace struct {
	t      testing.TB
	work   chan func()
	thread int
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
		ns.thread = unix.Gettid()
		started <- unix.Unshare(unix.CLONE_NEWNET)
		for f := range ns.work {
			f()
		}
	}()
	t.Cleanup(func() { close(ns.work) })
	if err := <-started; err != nil {
		t.Fatalf("make a network namespace: %v", err)
	}
	ns.ip("link set dev lo up")
	return ns
}

// do runs f on the namespace's thread. f must not end the test.
func (ns *namespace) do(f func() error) error {
	result := make(chan error, 1)
	ns.work <- func() { result <- f() }
	return <-result
}

// run runs a program in the namespace and returns its output.
func (ns *namespace) run(name string, args ...string) (string, error) {
	var out []byte
	err := ns.do(func() (err error) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		out, err = exec.CommandContext(ctx, name, args...).CombinedOutput()
		return err
	})
	return string(out), err
}

// ip runs `ip` with the words of each line, which must succeed. Several lines are one batch.
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

// nft makes others' rules, with the library, on the namespace's thread.
func (ns *namespace) nft(change func(c *nftables.Conn)) {
	ns.t.Helper()
	err := ns.do(func() error {
		c, err := dial(context.Background())
		if err != nil {
			return err
		}
		change(c)
		return c.Flush()
	})
	if err != nil {
		ns.t.Fatal(err)
	}
}

// site is a gateway, gw, between the far end of its tunnel and its LAN. The tunnel is a veth pair,
// since not every kernel has GRE; to the rules it is a device with a name.
//
//	far gre1 172.16.0.1/30 --- gre1 172.16.0.2/30 gw eth1 10.10.2.1/24 --- eth0 10.10.2.100/24 lan
//	    fd00:16::1/64               fd00:16::2/64         fd00:2::1/64          fd00:2::100/64
//
// lan has no route back to the tunnel's inner network.
type site struct {
	far, gw, lan *namespace
	g            *Gateway
}

func newSite(t testing.TB) site {
	t.Helper()
	s := site{newNamespace(t), newNamespace(t), newNamespace(t), New()}
	s.gw.ip("link add gre1 type veth peer name gre1 netns "+strconv.Itoa(s.far.thread), "link add eth1 type veth peer name eth0 netns "+strconv.Itoa(s.lan.thread))
	up := func(ns *namespace, dev, address4, address6 string) {
		ns.ip("link set dev "+dev+" up", "addr add "+address4+" dev "+dev, "addr add "+address6+" dev "+dev+" nodad")
	}
	up(s.far, "gre1", "172.16.0.1/30", "fd00:16::1/64")
	up(s.gw, "gre1", "172.16.0.2/30", "fd00:16::2/64")
	up(s.gw, "eth1", "10.10.2.1/24", "fd00:2::1/64")
	up(s.lan, "eth0", "10.10.2.100/24", "fd00:2::100/64")
	s.far.ip("route add 10.10.2.0/24 via 172.16.0.2", "route add fd00:2::/64 via fd00:16::2")
	s.gw.sysctl("net/ipv4/ip_forward", "1")
	s.gw.sysctl("net/ipv6/conf/all/forwarding", "1")
	for _, end := range []struct {
		ns  *namespace
		dev string
	}{{s.far, "gre1"}, {s.gw, "gre1"}, {s.gw, "eth1"}, {s.lan, "eth0"}} {
		end.ns.carries(end.dev)
	}
	return s
}

// carries waits until a device sends: the kernel drops everything until it has noted the carrier.
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

// echo answers datagrams on a host with their text and the address that they came from, until the
// test ends.
func (ns *namespace) echo(address string) {
	ns.t.Helper()
	var server net.PacketConn
	if err := ns.do(func() (err error) { server, err = net.ListenPacket("udp", address); return err }); err != nil {
		ns.t.Fatal(err)
	}
	ns.t.Cleanup(func() { server.Close() })
	go func() {
		for buffer := make([]byte, 100); ; {
			n, from, err := server.ReadFrom(buffer)
			if err != nil {
				return
			}
			_, _ = fmt.Fprintf(to{server, from}, "%s %s", buffer[:n], from.(*net.UDPAddr).IP)
		}
	}()
}

// to is a server that writes to one client.
type to struct {
	server net.PacketConn
	client net.Addr
}

func (t to) Write(text []byte) (int, error) { return t.server.WriteTo(text, t.client) }

// talk is a socket that talks to an echo server. To the connection tracking it is one connection.
type talk struct {
	ns   *namespace
	conn net.Conn
}

// talk opens a socket from one address to another.
func (ns *namespace) talk(from, to string) talk {
	ns.t.Helper()
	t := talk{ns: ns}
	err := ns.do(func() (err error) {
		local, err := net.ResolveUDPAddr("udp", from)
		if err != nil {
			return err
		}
		remote, err := net.ResolveUDPAddr("udp", to)
		if err != nil {
			return err
		}
		t.conn, err = net.DialUDP("udp", local, remote)
		return err
	})
	if err != nil {
		ns.t.Fatal(err)
	}
	ns.t.Cleanup(func() { t.conn.Close() })
	return t
}

// seenWithin returns the source that the server sees; "" if no answer comes in time.
func (t talk) seenWithin(limit time.Duration) string {
	buffer := make([]byte, 100)
	// an answer to an earlier one may still come
	question := strconv.FormatInt(time.Now().UnixNano(), 36)
	for end := time.Now().Add(limit); time.Now().Before(end); {
		if _, err := fmt.Fprint(t.conn, question); err != nil {
			return ""
		}
		_ = t.conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		for n, err := t.conn.Read(buffer); err == nil; n, err = t.conn.Read(buffer) {
			if source, ours := strings.CutPrefix(string(buffer[:n]), question+" "); ours {
				return source
			}
		}
	}
	return ""
}
