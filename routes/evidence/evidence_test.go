package evidence

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
	"nmgre/testdata/netns"
	"nmgre/testdata/want"
)

var dropIt = &expr.Verdict{Kind: expr.VerdictDrop}

func rejectWith(code uint8) *expr.Reject {
	return &expr.Reject{Type: unix.NFT_REJECT_ICMP_UNREACH, Code: code}
}

// A healthy tunnel, but for the keys: packets leave, and others come in.
func TestBothDirections(t *testing.T) {
	p := newPair(t)
	heard := hear(p.near, ends4(), func() {
		send(p.near, "10.9.0.1", "10.9.0.2", withKey42)
		send(p.far, "10.9.0.2", "10.9.0.1", withKey7)
		send(p.far, "10.9.0.2", "10.9.0.1", keepalive)
	})
	want.Same(t, "the packets and errors", text(heard), lines(
		"sent 10.9.0.1 > 10.9.0.2 ttl 64, 48 bytes, key 42, 0x0800 172.16.0.1 > 172.16.0.2",
		"arrived 10.9.0.2 > 10.9.0.1 ttl 64, 48 bytes, key 7, 0x0800 172.16.0.2 > 172.16.0.1",
		"arrived 10.9.0.2 > 10.9.0.1 ttl 64, 24 bytes, 0x0000",
		"accepted 10.9.0.2 > 10.9.0.1 ttl 64, 48 bytes, key 7, 0x0800 172.16.0.2 > 172.16.0.1",
		"accepted 10.9.0.2 > 10.9.0.1 ttl 64, 24 bytes, 0x0000",
		"error 3/2 by 10.9.0.2 about 10.9.0.1 > 10.9.0.2 ttl 64, 48 bytes, key 42, 0x0800 172.16.0.1 > 172.16.0.2",
	))
}

func TestBothDirectionsIPv6(t *testing.T) {
	p := newPair(t)
	limited := func(from, to, digits string) []byte {
		return outer(from, to, 63, unix.IPPROTO_DSTOPTS, hexBytes(encapsulationLimit+digits))
	}
	heard := hear(p.near, ends6(), func() {
		send(p.near, "fd00::1", "fd00::2", withKey42)
		send(p.far, "fd00::2", "fd00::1", withKey7)
		sendPackets(p.near, limited("fd00::1", "fd00::2", withKey42))
		sendPackets(p.far, limited("fd00::2", "fd00::1", withKey7))
	})
	want.Same(t, "the packets and errors", text(heard), lines(
		"sent fd00::1 > fd00::2 ttl 64, 68 bytes, key 42, 0x0800 172.16.0.1 > 172.16.0.2",
		"sent fd00::1 > fd00::2 ttl 63, 76 bytes, key 42, 0x0800 172.16.0.1 > 172.16.0.2",
		"arrived fd00::2 > fd00::1 ttl 64, 68 bytes, key 7, 0x0800 172.16.0.2 > 172.16.0.1",
		"arrived fd00::2 > fd00::1 ttl 63, 76 bytes, key 7, 0x0800 172.16.0.2 > 172.16.0.1",
		"accepted fd00::2 > fd00::1 ttl 64, 68 bytes, key 7, 0x0800 172.16.0.2 > 172.16.0.1",
		"accepted fd00::2 > fd00::1 ttl 63, 76 bytes, key 7, 0x0800 172.16.0.2 > 172.16.0.1",
		"error 4/1 by fd00::2 about fd00::1 > fd00::2 ttl 64, 68 bytes, key 42, 0x0800 172.16.0.1 > 172.16.0.2",
		"error 4/1 by fd00::2 about fd00::1 > fd00::2 ttl 63, 76 bytes, key 42, 0x0800 172.16.0.1 > 172.16.0.2",
	))
}

// A packet that this host's firewall drops on its way in has arrived, and is not accepted. A rule
// of the netdev family, which comes first of all, makes no difference.
func TestFirewall(t *testing.T) {
	for name, c := range map[string]struct {
		family nftables.TableFamily
		hook   *nftables.ChainHook
	}{
		"input": {nftables.TableFamilyIPv4, nftables.ChainHookInput}, "prerouting": {nftables.TableFamilyINet, nftables.ChainHookPrerouting},
		"ingress":     {nftables.TableFamilyNetdev, nftables.ChainHookIngress},
		"input, IPv6": {nftables.TableFamilyIPv6, nftables.ChainHookInput},
	} {
		t.Run(name, func(t *testing.T) {
			p, ends := newPair(t), ends4()
			if c.family == nftables.TableFamilyIPv6 {
				ends = ends6()
			}
			p.near.GRERule(c.family, nftables.ChainTypeFilter, c.hook, dropIt)
			heard := hear(p.near, ends, func() { send(p.far, ends.Remote.String(), ends.Local.String(), withKey7) })
			if len(heard.Arrived) != 1 || len(heard.Accepted) != 0 || heard.Arrived[0].Key == nil {
				t.Error(text(heard))
			}
		})
	}
}

// A packet that this host's firewall drops on its way out has not left. One that its NAT changes
// has left with another source.
func TestFirewallOut(t *testing.T) {
	p := newPair(t)
	p.near.IP("addr add 10.9.0.77/24 dev v0")
	p.near.GRERule(nftables.TableFamilyIPv4, nftables.ChainTypeNAT, nftables.ChainHookPostrouting,
		&expr.Immediate{Register: 1, Data: want.Addr("10.9.0.77").AsSlice()}, &expr.NAT{Type: expr.NATTypeSourceNAT, Family: unix.AF_INET, RegAddrMin: 1})
	heard := hear(p.near, ends4(), func() { send(p.near, "10.9.0.1", "10.9.0.2", withKey42) })
	want.Same(t, "the packets and errors", text(heard), lines(
		"sent 10.9.0.77 > 10.9.0.2 ttl 64, 48 bytes, key 42, 0x0800 172.16.0.1 > 172.16.0.2",
		"error 3/2 by 10.9.0.2 about 10.9.0.1 > 10.9.0.2 ttl 64, 48 bytes, key 42, 0x0800 172.16.0.1 > 172.16.0.2",
	))
	p = newPair(t)
	p.near.GRERule(nftables.TableFamilyIPv4, nftables.ChainTypeFilter, nftables.ChainHookPostrouting, dropIt)
	heard = hear(p.near, ends4(), func() { send(p.near, "10.9.0.1", "10.9.0.2", withKey42) })
	want.Same(t, "the packets and errors", text(heard), "")
}

// Each ICMP error comes from a real kernel, and ends the wait, but for one about the packet's size:
// others get through. The key 42 is quoted.
func TestErrors(t *testing.T) {
	reject := func(family nftables.TableFamily, code uint8) func(p pair) {
		return func(p pair) {
			p.far.GRERule(family, nftables.ChainTypeFilter, nftables.ChainHookInput, rejectWith(code))
		}
	}
	forward := func(commands ...string) func(p pair) {
		return func(p pair) {
			p.far.Sysctl("net/ipv4/ip_forward", "1")
			p.far.Sysctl("net/ipv6/conf/all/forwarding", "1")
			p.near.IP("route add 10.60.0.0/16 via 10.9.0.2", "route add fd60::/16 via fd00::2")
			p.far.IP(append([]string{"link add d0 type bridge", "link set d0 up"}, commands...)...)
		}
	}
	for name, c := range map[string]struct {
		to, ttl string
		make    func(p pair)
		want    string
		words   string
	}{
		"no GRE":          {"10.9.0.2", "64", func(pair) {}, "error 3/2 by 10.9.0.2", "protocol unreachable"},
		"reject":          {"10.9.0.2", "64", reject(nftables.TableFamilyIPv4, 3), "error 3/3 by 10.9.0.2", "port unreachable"},
		"prohibited":      {"10.9.0.2", "64", reject(nftables.TableFamilyIPv4, 13), "error 3/13 by 10.9.0.2", "administratively prohibited"},
		"router, no way":  {"10.60.0.1", "64", forward("route add unreachable 10.60.0.0/16"), "error 3/1 by 10.9.0.2", "host unreachable"},
		"router, TTL":     {"10.60.0.1", "1", forward("route add 10.60.0.0/16 dev d0"), "error 11/0 by 10.9.0.2", "time to live exceeded"},
		"router, too big": {"10.60.0.1", "64", forward("route add 10.60.0.0/16 dev d0", "link set d0 mtu 1300"), "error 3/4 by 10.9.0.2 mtu 1300", "fragmentation needed, MTU 1300"},

		"IPv6, no GRE":          {"fd00::2", "64", func(pair) {}, "error 4/1 by fd00::2", "parameter problem"},
		"IPv6, reject":          {"fd00::2", "64", reject(nftables.TableFamilyIPv6, 4), "error 1/4 by fd00::2", "port unreachable"},
		"IPv6, prohibited":      {"fd00::2", "64", reject(nftables.TableFamilyIPv6, 1), "error 1/1 by fd00::2", "administratively prohibited"},
		"IPv6, router, no way":  {"fd60::1", "64", forward("route add unreachable fd60::/16"), "error 1/0 by fd00::2", "no route"},
		"IPv6, router, TTL":     {"fd60::1", "1", forward("route add fd60::/16 dev d0"), "error 3/0 by fd00::2", "time to live exceeded"},
		"IPv6, router, too big": {"fd60::1", "64", forward("route add fd60::/16 dev d0", "link set d0 mtu 1300"), "error 2/0 by fd00::2 mtu 1300", "packet too big, MTU 1300"},
	} {
		t.Run(name, func(t *testing.T) {
			p, ends, ttl := newPair(t), ends4(), byte(64)
			if strings.Contains(c.to, ":") {
				ends = ends6()
			}
			c.make(p)
			ends.Remote = want.Addr(c.to)
			if c.ttl == "1" {
				ttl = 1
			}
			packet := outer(ends.Local.String(), c.to, ttl, unix.IPPROTO_GRE, append(hexBytes(withKey42), make([]byte, 1352)...))
			if ends.Local.Is4() {
				packet[6] = 0x40 // do not fragment
			}
			l := listenOn(context.Background(), p.near, ends)
			sendPackets(p.near, packet)
			wait, refuses := 5*time.Second, !strings.Contains(name, "too big")
			if !refuses {
				wait = time.Second
			}
			select {
			case <-l.Refused():
				if !refuses {
					t.Error("it was refused")
				}
			case <-time.After(wait):
				if refuses {
					t.Error("it was not refused")
				}
			}
			heard := l.Stop()
			about := fmt.Sprintf(" about %s > %s ttl %d, %d bytes, key 42, 0x0800 172.16.0.1 > 172.16.0.2\n", ends.Local, c.to, ttl, len(packet))
			heard.Sent = nil
			want.Same(t, "the packets and errors", text(heard), c.want+about)
			if len(heard.Errors) != 1 || heard.Errors[0].Words() != c.words {
				t.Errorf("in words: %+v", heard.Errors)
			}
		})
	}
}

// An error about another tunnel's packet to the same host does not end the wait, and is heard.
func TestErrorOfSibling(t *testing.T) {
	p, ends := newPair(t), ends4()
	p.near.IP("addr add 10.9.0.77/24 dev v0")
	for name, c := range map[string]struct {
		from, to, digits string
		key              *gre.Key
		heard, refused   bool
	}{
		"this tunnel":      {"10.9.0.1", "10.9.0.2", withKey42, ends.Key, true, true},
		"another key":      {"10.9.0.1", "10.9.0.2", withKey7, ends.Key, true, false},
		"no key":           {"10.9.0.1", "10.9.0.2", withoutKey, ends.Key, true, false},
		"none expected":    {"10.9.0.1", "10.9.0.2", withKey42, nil, true, false},
		"no key, as is":    {"10.9.0.1", "10.9.0.2", withoutKey, nil, true, true},
		"another source":   {"10.9.0.77", "10.9.0.2", withKey42, ends.Key, true, false},
		"another far end":  {"10.9.0.1", "10.9.0.3", withKey42, ends.Key, false, false},
		"key cut, by RFC":  {"10.9.0.1", "10.9.0.2", "a000 0800 00000000", ends.Key, true, true},
		"key cut, another": {"10.9.0.77", "10.9.0.2", "a000 0800 00000000", ends.Key, true, false},
	} {
		ends.Key = c.key
		p.near.Neighbour("v0", p.far, "v1", "10.9.0.3")
		p.far.IP("addr replace 10.9.0.3/24 dev v1")
		l := listenOn(context.Background(), p.near, ends)
		send(p.near, c.from, c.to, c.digits)
		time.Sleep(100 * time.Millisecond)
		refused := false
		select {
		case <-l.Refused():
			refused = true
		default:
		}
		if heard := l.Stop(); refused != c.refused || (len(heard.Errors) == 1) != c.heard {
			t.Errorf("%s: refused is %v\n%s", name, refused, text(heard))
		}
	}
}

// Others' packets to this end are heard, and those of the far end to another address of this host.
// Nothing else is.
func TestOthers(t *testing.T) {
	p := newPair(t)
	p.near.IP("addr add 10.9.0.77/24 dev v0")
	p.near.Sysctl("net/ipv4/conf/all/accept_local", "1")
	p.far.Neighbour("v1", p.near, "v0", "10.9.0.77", "10.9.0.88")
	p.near.Sysctl("net/ipv4/ip_forward", "1")
	p.near.Sysctl("net/ipv4/conf/v0/send_redirects", "0")
	p.near.Sysctl("net/ipv4/conf/all/send_redirects", "0")
	all := func() {
		// a stranger
		send(p.far, "10.9.0.3", "10.9.0.1", withKey7)
		// another address of this host
		send(p.far, "10.9.0.2", "10.9.0.77", withKey7)
		// of no concern
		send(p.far, "10.9.0.3", "10.9.0.77", withKey7)
		// forwarded
		send(p.far, "10.9.0.3", "10.9.0.88", withKey7)
		// no GRE
		sendPackets(p.far, outer("10.9.0.2", "10.9.0.1", 64, unix.IPPROTO_IPIP, hexBytes(inner4+withKey7)))
		fragment := outer("10.9.0.2", "10.9.0.1", 64, unix.IPPROTO_GRE, hexBytes(withKey7))
		fragment[7] = 1 // from the middle
		sendPackets(p.far, fragment)
		sendPackets(p.near, outer("10.9.0.1", "10.9.0.2", 64, unix.IPPROTO_ICMP, hexBytes("0000000000000000")))
		send(p.near, "10.9.0.1", "10.9.0.3", withKey42) // another tunnel
	}
	const ofStranger, atOther = "10.9.0.3 > 10.9.0.1 ttl 64, 48 bytes, key 7, 0x0800 172.16.0.2 > 172.16.0.1", "10.9.0.2 > 10.9.0.77 ttl 64, 48 bytes, key 7, 0x0800 172.16.0.2 > 172.16.0.1"
	for _, dev := range []string{"v0", ""} {
		ends := ends4()
		ends.Dev = dev
		heard := hear(p.near, ends, all)
		// the two come by sockets of their own, in any order
		want.Same(t, "the packets heard by "+dev, sorted(text(heard)), sorted(lines("arrived "+atOther, "arrived "+ofStranger, "accepted "+atOther, "accepted "+ofStranger)))
	}
	ends := ends4()
	ends.Local = want.Addr("0.0.0.0")
	heard := hear(p.near, ends, all)
	third := strings.Replace(ofStranger, "10.9.0.1 ", "10.9.0.77 ", 1)
	want.Same(t, "the packets heard at any address", sorted(text(heard)), sorted(lines("arrived "+atOther, "arrived "+ofStranger, "arrived "+third,
		"accepted "+atOther, "accepted "+ofStranger, "accepted "+third)))
}

// Frames for another host, which a device hears that is promiscuous, have not arrived.
func TestOthersFrames(t *testing.T) {
	p := newPair(t)
	p.near.IP("link set v0 promisc on")
	elsewhere := func() { // with the link address of nobody
		p.far.IP("neigh replace 10.9.0.1 lladdr 02:00:00:00:00:99 nud permanent dev v1")
		send(p.far, "10.9.0.2", "10.9.0.1", withKey42)
		send(p.far, "10.9.0.3", "10.9.0.1", withKey42)
		p.far.Neighbour("v1", p.near, "v0", "10.9.0.1")
	}
	heard := hear(p.near, ends4(), func() { elsewhere(); send(p.far, "10.9.0.2", "10.9.0.1", withKey7) })
	if len(heard.Arrived) != 1 || !gre.SameKey(heard.Arrived[0].Key, want.Ptr(gre.Key(7))) {
		t.Error(text(heard))
	}
}

// Packets that come in are heard at every device, those that leave only at the one that is named.
func TestOtherDevice(t *testing.T) {
	for _, ends := range []kernel.Ends{ends4(), ends6()} {
		p := newPair(t)
		netns.Cable(p.near, "w0", p.far, "w1", 5)
		p.near.Sysctl("net/ipv4/conf/all/rp_filter", "0")
		p.near.Sysctl("net/ipv4/conf/w0/rp_filter", "0")
		p.far.Neighbour("w1", p.near, "w0", "10.9.0.1", "fd00::1")
		p.far.IP("route add 10.9.0.1 dev w1", "route add fd00::1 dev w1")
		local, remote := ends.Local.String(), ends.Remote.String()
		heard := hear(p.near, ends, func() { send(p.far, remote, local, withKey7) })
		if len(heard.Arrived) != 1 || len(heard.Accepted) != 1 {
			t.Errorf("the packets that came in: %s", text(heard))
		}
		p.near.IP(fmt.Sprintf("route add %s dev w0", remote))
		p.near.Neighbour("w0", p.far, "w1", remote)
		if heard = hear(p.near, ends, func() { send(p.near, local, remote, withKey42) }); len(heard.Sent) != 0 {
			t.Errorf("the packets that left: %s", text(heard))
		}
		ends.Dev = ""
		if heard = hear(p.near, ends, func() { send(p.near, local, remote, withKey42) }); len(heard.Sent) != 1 {
			t.Errorf("the packets that left by any device: %s", text(heard))
		}
	}
}

// A flood fills no memory, and does not push out the packets of this tunnel's far end.
func TestFlood(t *testing.T) {
	p := newPair(t)
	packets := func(count int, from string) (list [][]byte) {
		for i := range count {
			b := hexBytes(withKey7)
			binary.BigEndian.PutUint32(b[4:], uint32(1000+i))
			list = append(list, outer(from, "10.9.0.1", 64, unix.IPPROTO_GRE, b))
		}
		return list
	}
	began := time.Now()
	heard := hear(p.near, ends4(), func() {
		sendPackets(p.far, packets(2000, "10.9.0.3")...)
		send(p.far, "10.9.0.2", "10.9.0.1", withKey7)
	})
	for _, list := range [][]kernel.Packet{heard.Arrived, heard.Accepted} {
		if len(list) < maxBurst || len(list) > maxHeard || len(list) == maxHeard && !heard.More || time.Since(began) > 10*time.Second {
			t.Errorf("%d packets, more is %v, after %s", len(list), heard.More, time.Since(began))
		}
	}
	heard = hear(p.near, ends4(), func() {
		alike := make([][]byte, 2000)
		for i := range alike {
			alike[i] = outer("10.9.0.3", "10.9.0.1", 64, unix.IPPROTO_GRE, hexBytes(withKey42))
		}
		sendPackets(p.far, alike...)
		send(p.far, "10.9.0.2", "10.9.0.1", withKey7)
	})
	if len(from(heard.Arrived, "10.9.0.3")) != maxFlow || len(from(heard.Accepted, "10.9.0.3")) != maxFlow {
		t.Errorf("of one kind %d arrived, %d were accepted", len(heard.Arrived), len(heard.Accepted))
	}
	if len(from(heard.Arrived, "10.9.0.2")) != 1 || len(from(heard.Accepted, "10.9.0.2")) != 1 {
		t.Errorf("the far end's packet was not heard: %d arrived, %d accepted", len(heard.Arrived), len(heard.Accepted))
	}
	for _, p := range append(heard.Arrived, heard.Accepted...) {
		if p.Bytes != 48 {
			t.Errorf("%+v", p)
		}
	}
}

// Packets that nobody read in time are missing, and the next packet tells so.
func TestMissing(t *testing.T) {
	p := newPair(t)
	flood := make([][]byte, 4000)
	for i := range flood {
		flood[i] = outer("10.9.0.2", "10.9.0.1", 64, unix.IPPROTO_GRE, hexBytes(withKey7))
	}
	for i, s := range sources(ends{Ends: ends4()}) {
		if s.others {
			continue
		}
		h := newHeard(s.ends)
		var tap *tap
		if err := p.near.Do(func() (err error) { tap, err = openTap(s, h); return err }); err != nil {
			t.Fatal(err)
		}
		sendPackets(p.far, flood...)
		read := func() {
			_ = tap.conn.Control(func(fd uintptr) {
				for tap.burst(int(fd)) == maxBurst {
				}
			})
		}
		if read(); h.More {
			t.Errorf("source %d: nothing came behind the missing packets, and they are known", i)
		}
		send(p.far, "10.9.0.2", "10.9.0.1", withKey7)
		if read(); !h.More {
			t.Errorf("source %d: nothing is missing", i)
		}
		tap.close()
	}
}

// Without privileges only the counters are read, and each kind of packets that is not heard is
// named.
func TestNotPermitted(t *testing.T) {
	p := newPair(t)
	p.near.DropCapabilities()
	p.near.T = t
	heard := hear(p.near, ends4(), func() { send(p.far, "10.9.0.2", "10.9.0.1", withKey7) })
	var what []string
	for _, d := range heard.Deaf {
		what = append(what, d.What)
		if !errors.Is(d.Err, fault.ErrNotPermitted) || len(fault.Hints(d.Err)) != 1 {
			t.Errorf("%s: %v", d.What, d.Err)
		}
	}
	want.Same(t, "the kinds that are not heard", lines(what...), lines(kernel.HearsSent, kernel.HearsArrived, kernel.HearsAccepted, kernel.HearsErrors))
	if len(heard.Sent)+len(heard.Arrived)+len(heard.Accepted)+len(heard.Errors) > 0 {
		t.Error(text(heard))
	}
}

// Root of a container may lack the capability: sudo does not help there.
func TestPermitHint(t *testing.T) {
	if hint := permitHint(0); !strings.Contains(hint, "CAP_NET_RAW") {
		t.Error(hint)
	}
	if hint := permitHint(1000); hint != "run it with sudo" {
		t.Error(hint)
	}
}

// The counters grow by the packets that the kernel drops during the listening, whichever thread
// stops it.
func TestCounters(t *testing.T) {
	p := newPair(t)
	p.near.Sysctl("net/ipv4/conf/all/rp_filter", "1")
	p.far.Neighbour("v1", p.near, "v0", "10.9.0.99")
	strayed := func() { // for an address that near does not have, nor forwards to
		send(p.far, "10.9.0.2", "10.9.0.99", withKey7)
	}
	forged := func() { send(p.far, "10.77.0.1", "10.9.0.1", withKey7) }
	strayed()
	forged()
	heard := hear(p.near, ends4(), func() {})
	if heard.Counters != (kernel.HostCounters{}) {
		t.Errorf("of before: %+v", heard.Counters)
	}
	p.near.DropCapabilities()
	heard = hear(p.near, ends4(), func() { strayed(); strayed(); forged() })
	if heard.Counters != (kernel.HostCounters{ReversePathFilter: 1, InAddrErrors: 2}) {
		t.Errorf("%+v", heard.Counters)
	}
}

// openFiles counts the files that this process has open.
func openFiles(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// Nothing stays open, however the listening ends.
func TestNothingLeaks(t *testing.T) {
	p := newPair(t)
	warm := listenOn(context.Background(), p.near, ends4())
	warm.Stop()
	files, goroutines := openFiles(t), runtime.NumGoroutine()
	short := &Listener{longest: 50 * time.Millisecond}
	var running []kernel.Listening
	for i := range 30 {
		ctx, cancel := context.WithCancel(context.Background())
		err := p.near.Do(func() error {
			l, err := []*Listener{New(), short}[i%2].Listen(ctx, []kernel.Ends{ends4(), ends6()}[i/2%2])
			running = append(running, l)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		switch i % 3 {
		case 0:
			running[i].Stop()
			running[i].Stop()
		case 1:
			cancel()
		}
		defer cancel()
	}
	if open := openFiles(t); open <= files {
		t.Errorf("%d files are open, as before: nothing listens", open)
	}
	for i, l := range running {
		if i%3 == 2 && i%2 == 0 {
			l.Stop()
		}
	}
	for range 100 {
		if openFiles(t) <= files && runtime.NumGoroutine() <= goroutines {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if f, g := openFiles(t), runtime.NumGoroutine(); f > files || g > goroutines {
		t.Errorf("%d files and %d goroutines, %d and %d before", f, g, files, goroutines)
	}
}

// A packet that came in before Stop is heard, even one that nobody has read yet.
func TestStopHearsAll(t *testing.T) {
	p := newPair(t)
	for range 50 {
		l := listenOn(context.Background(), p.near, ends4())
		send(p.near, "10.9.0.1", "10.9.0.2", withKey42)
		if heard := l.Stop(); len(heard.Sent) != 1 {
			t.Fatal(text(heard))
		}
	}
}

func TestListenRefuses(t *testing.T) {
	for name, change := range map[string]func(e *kernel.Ends){
		"no mode":             func(e *kernel.Ends) { e.Mode = 0 },
		"no far end":          func(e *kernel.Ends) { e.Remote = want.Addr("0.0.0.0") },
		"far end of IPv6":     func(e *kernel.Ends) { e.Remote = want.Addr("fd00::2") },
		"local of IPv6":       func(e *kernel.Ends) { e.Local = want.Addr("fd00::1") },
		"no such device":      func(e *kernel.Ends) { e.Dev = "nmgre-none" },
		"no device's name":    func(e *kernel.Ends) { e.Dev = strings.Repeat("x", 100) },
		"a hostile one":       func(e *kernel.Ends) { e.Dev = "\x1b[31m" },
		"IPv4 as IPv6":        func(e *kernel.Ends) { e.Mode, e.Remote = gre.ModeIP6GRE, want.Addr("10.9.0.2") },
		"mapped into IPv6":    func(e *kernel.Ends) { e.Remote = want.Addr("::ffff:10.9.0.2") },
		"unspecified, IPv6":   func(e *kernel.Ends) { e.Mode, e.Local, e.Remote = gre.ModeIP6GRE, want.Addr("::"), want.Addr("::") },
		"unspecified, no Dev": func(e *kernel.Ends) { e.Remote = want.Addr("0.0.0.0"); e.Dev = "" },
	} {
		ends := ends4()
		ends.Dev = "lo"
		change(&ends)
		l, err := New().Listen(t.Context(), ends)
		if l != nil || !errors.Is(err, fault.ErrInvalid) || fault.Printable(err.Error()) != err.Error() {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if l, err := New().Listen(ctx, ends4()); l != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}
