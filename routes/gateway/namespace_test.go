package gateway

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"

	"nmgre/testdata/netns"
)

// namespace is a network namespace of a test's own, for others' rules and for talks by UDP.
type namespace struct{ *netns.Namespace }

func newNamespace(t testing.TB) *namespace {
	t.Helper()
	return &namespace{netns.New(t)}
}

// nft makes others' rules, with the library, on the namespace's thread.
func (ns *namespace) nft(change func(c *nftables.Conn)) {
	ns.T.Helper()
	err := ns.Do(func() error {
		c, err := dial(context.Background())
		if err != nil {
			return err
		}
		change(c)
		return c.Flush()
	})
	if err != nil {
		ns.T.Fatal(err)
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
	s.gw.IP("link add gre1 type veth peer name gre1 netns "+strconv.Itoa(s.far.Thread), "link add eth1 type veth peer name eth0 netns "+strconv.Itoa(s.lan.Thread))
	up := func(ns *namespace, dev, address4, address6 string) {
		ns.IP("link set dev "+dev+" up", "addr add "+address4+" dev "+dev, "addr add "+address6+" dev "+dev+" nodad")
	}
	up(s.far, "gre1", "172.16.0.1/30", "fd00:16::1/64")
	up(s.gw, "gre1", "172.16.0.2/30", "fd00:16::2/64")
	up(s.gw, "eth1", "10.10.2.1/24", "fd00:2::1/64")
	up(s.lan, "eth0", "10.10.2.100/24", "fd00:2::100/64")
	s.far.IP("route add 10.10.2.0/24 via 172.16.0.2", "route add fd00:2::/64 via fd00:16::2")
	s.gw.Sysctl("net/ipv4/ip_forward", "1")
	s.gw.Sysctl("net/ipv6/conf/all/forwarding", "1")
	for _, end := range []struct {
		ns  *namespace
		dev string
	}{{s.far, "gre1"}, {s.gw, "gre1"}, {s.gw, "eth1"}, {s.lan, "eth0"}} {
		end.ns.Carries(end.dev)
	}
	return s
}

// echo answers datagrams on a host with their text and the address that they came from, until the
// test ends.
func (ns *namespace) echo(address string) {
	ns.T.Helper()
	var server net.PacketConn
	if err := ns.Do(func() (err error) { server, err = net.ListenPacket("udp", address); return err }); err != nil {
		ns.T.Fatal(err)
	}
	ns.T.Cleanup(func() { server.Close() })
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
	ns.T.Helper()
	t := talk{ns: ns}
	err := ns.Do(func() (err error) {
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
		ns.T.Fatal(err)
	}
	ns.T.Cleanup(func() { t.conn.Close() })
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
