package evidence

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nmgre/routes/gre"
	"nmgre/routes/kernel"
	"nmgre/testdata/netns"
	"nmgre/testdata/want"
)

// GRE packets in hexadecimal, without their outer header: from 172.16.0.1 to 172.16.0.2 without a
// key and with the key 42, back with the key 7, and a keepalive.
const (
	inner4     = "45000014000140004001 0000"
	withoutKey = "0000 0800" + inner4 + "ac100001 ac100002"
	withKey42  = "2000 0800 0000002a" + inner4 + "ac100001 ac100002"
	withKey7   = "2000 0800 00000007" + inner4 + "ac100002 ac100001"
	keepalive  = "0000 0000"
)

// encapsulationLimit is the destination options header of RFC 2473 before a GRE header.
const encapsulationLimit = "2f00 040104 010100"

func hexBytes(digits string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// outer puts a payload into an IP packet of a protocol. The kernel adds the checksum of IPv4.
func outer(from, to string, ttl, protocol byte, payload []byte) []byte {
	source, destination := want.Addr(from), want.Addr(to)
	if source.Is4() {
		b := make([]byte, 20, 20+len(payload))
		b[0], b[8], b[9] = 0x45, ttl, protocol
		binary.BigEndian.PutUint16(b[2:], uint16(cap(b)))
		copy(b[12:], source.AsSlice())
		copy(b[16:], destination.AsSlice())
		return append(b, payload...)
	}
	b := make([]byte, 40, 40+len(payload))
	b[0], b[6], b[7] = 0x60, protocol, ttl
	binary.BigEndian.PutUint16(b[4:], uint16(len(payload)))
	copy(b[8:], source.AsSlice())
	copy(b[24:], destination.AsSlice())
	return append(b, payload...)
}

// send sends a GRE packet in hexadecimal from a namespace.
func send(ns *netns.Namespace, from, to, digits string) {
	ns.T.Helper()
	sendPackets(ns, outer(from, to, 64, unix.IPPROTO_GRE, hexBytes(digits)))
}

// sendPackets sends packets with their outer header from a namespace, as they are. The namespace's
// firewall may drop them.
func sendPackets(ns *netns.Namespace, packets ...[]byte) {
	ns.T.Helper()
	err := ns.Do(func() error {
		for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
			fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
			if err != nil {
				return err
			}
			defer func() { _ = unix.Close(fd) }()
			for _, p := range packets {
				if six := p[0]>>4 == 6; six != (family == unix.AF_INET6) {
					continue
				}
				var to unix.Sockaddr
				if family == unix.AF_INET6 {
					to = &unix.SockaddrInet6{Addr: [16]byte(p[24:40])}
				} else {
					to = &unix.SockaddrInet4{Addr: [4]byte(p[16:20])}
				}
				if err := unix.Sendto(fd, p, 0, to); err != nil && !errors.Is(err, unix.EPERM) {
					return fmt.Errorf("% x: %w", p, err)
				}
			}
		}
		return nil
	})
	if err != nil {
		ns.T.Fatal(err)
	}
}

// pair is a tunnel's two ends on a cable: near is this host, far is the other one. No kernel has a
// tunnel there: the tests send the packets themselves, since not every kernel has GRE.
//
//	near v0 10.9.0.1 fd00::1 --- v1 10.9.0.2 fd00::2 far
type pair struct{ near, far *netns.Namespace }

func newPair(t *testing.T) pair {
	t.Helper()
	p := pair{netns.New(t), netns.New(t)}
	netns.Cable(p.near, "v0", p.far, "v1", 0)
	for _, ns := range []*netns.Namespace{p.near, p.far} {
		ns.Sysctl("net/ipv4/icmp_ratemask", "0") // ICMP errors without a limit
		ns.Sysctl("net/ipv6/icmp/ratelimit", "0")
	}
	// the neighbours know each other, so that no packet waits for an answer
	p.near.Neighbour("v0", p.far, "v1", "10.9.0.2", "fd00::2")
	p.far.Neighbour("v1", p.near, "v0", "10.9.0.1", "fd00::1")
	return p
}

// ends4 and ends6 are the ends of a tunnel with the key 42, as near sees it.
func ends4() kernel.Ends {
	return kernel.Ends{Mode: gre.ModeGRE, Local: want.Addr("10.9.0.1"), Remote: want.Addr("10.9.0.2"), Dev: "v0", Key: want.Ptr(gre.Key(42))}
}

func ends6() kernel.Ends {
	return kernel.Ends{Mode: gre.ModeIP6GRE, Local: want.Addr("fd00::1"), Remote: want.Addr("fd00::2"), Dev: "v0", Key: want.Ptr(gre.Key(42))}
}

// listenOn begins to listen on a namespace's thread.
func listenOn(ctx context.Context, ns *netns.Namespace, to kernel.Ends) kernel.Listening {
	ns.T.Helper()
	var l kernel.Listening
	if err := ns.Do(func() (err error) { l, err = New().Listen(ctx, to); return err }); err != nil {
		ns.T.Fatal(err)
	}
	return l
}

// hear listens while something happens, and a moment longer.
func hear(ns *netns.Namespace, to kernel.Ends, happens func()) kernel.Heard {
	ns.T.Helper()
	l := listenOn(context.Background(), ns, to)
	happens()
	time.Sleep(100 * time.Millisecond)
	return l.Stop()
}

// text shows the packets and the errors, a line each.
func text(h kernel.Heard) string {
	var b strings.Builder
	for _, list := range []struct {
		name    string
		packets []kernel.Packet
	}{{"sent", h.Sent}, {"arrived", h.Arrived}, {"accepted", h.Accepted}} {
		for _, p := range list.packets {
			fmt.Fprintf(&b, "%s %s\n", list.name, packetText(p))
		}
	}
	for _, e := range h.Errors {
		fmt.Fprintf(&b, "error %d/%d by %s", e.Type, e.Code, e.By)
		if e.MTU != 0 {
			fmt.Fprintf(&b, " mtu %d", e.MTU)
		}
		fmt.Fprintf(&b, " about %s\n", packetText(e.Quoted))
	}
	for _, d := range h.Deaf {
		fmt.Fprintf(&b, "deaf to %s: %s\n", d.What, d.Err)
	}
	if h.More {
		b.WriteString("more\n")
	}
	return b.String()
}

func packetText(p kernel.Packet) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s > %s ttl %d, %d bytes", p.From, p.To, p.TTL, p.Bytes)
	if p.Version != 0 {
		fmt.Fprintf(&b, ", version %d", p.Version)
	}
	if p.Key != nil {
		fmt.Fprintf(&b, ", key %s", p.Key)
	}
	if p.Cut {
		b.WriteString(", cut")
	}
	fmt.Fprintf(&b, ", 0x%04x", p.Protocol)
	if p.InnerTo.IsValid() {
		fmt.Fprintf(&b, " %s > %s", p.InnerFrom, p.InnerTo)
	}
	return b.String()
}

// lines joins lines, each with its end.
func lines(list ...string) string {
	return strings.Join(append(slices.Clone(list), ""), "\n")
}

// from returns the packets of a sender.
func from(list []kernel.Packet, sender string) (found []kernel.Packet) {
	for _, p := range list {
		if p.From == netip.MustParseAddr(sender) {
			found = append(found, p)
		}
	}
	return found
}

// sorted sorts lines.
func sorted(text string) string {
	list := strings.SplitAfter(text, "\n")
	slices.Sort(list)
	return strings.Join(list, "")
}
