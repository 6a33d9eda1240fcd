package evidence

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"nmgre/routes/gre"
	"nmgre/routes/kernel"
	"nmgre/testdata/want"
)

// packetWith is a packet of the far end's.
func packetWith(key uint32) kernel.Packet {
	p := kernel.Packet{From: want.Addr("10.9.0.2"), To: want.Addr("10.9.0.1"), TTL: 64}
	p.Key, p.Sequence, p.InnerTo = want.Ptr(gre.Key(key)), want.Ptr(key), want.Addr("172.16.0.1")
	return p
}

// Each list keeps 256 packets, 64 that are alike, and 8 of a flow: sequence numbers make no
// difference, keys do. More says that a list was full.
func TestHeardIsBounded(t *testing.T) {
	h := newHeard(ends{Ends: ends4()})
	for i := range uint32(200) {
		p := packetWith(7)
		p.Sequence, p.TTL = &i, uint8(i)
		h.arrives(p)
		p.InnerFrom = netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})
		h.accepted(p)
	}
	if len(h.Arrived) != maxFlow || len(h.Accepted) != maxAlike || h.More {
		t.Errorf("%d arrived, %d accepted, more is %v", len(h.Arrived), len(h.Accepted), h.More)
	}
	for i := range uint32(1000) {
		h.arrives(packetWith(1000 + i))
		e := kernel.ICMPError{By: want.Addr("10.9.0.2"), Type: 3, Code: 3, Quoted: packetWith(i)}
		e.Quoted.From, e.Quoted.To = e.Quoted.To, e.Quoted.From
		h.error(e)
		if h.More != (i >= maxHeard-maxFlow) {
			t.Fatalf("after %d more is %v", i, h.More)
		}
	}
	if len(h.Arrived) != maxHeard || len(h.Errors) != maxHeard || len(h.alike) > 8*maxHeard {
		t.Errorf("%d arrived, %d errors, %d kinds", len(h.Arrived), len(h.Errors), len(h.alike))
	}
}

// An error that comes again and again is kept a few times.
func TestErrorsAlike(t *testing.T) {
	h := newHeard(ends{Ends: ends4()})
	e := kernel.ICMPError{By: want.Addr("10.9.0.2"), Type: 3, Code: 3, Quoted: packetWith(42)}
	e.Quoted.From, e.Quoted.To = e.Quoted.To, e.Quoted.From
	for range 100 {
		h.error(e)
	}
	e.Code = 13
	h.error(e)
	if len(h.Errors) != maxFlow+1 || h.More {
		t.Errorf("%d errors, more is %v", len(h.Errors), h.More)
	}
}

// A kind of packets that cannot be heard is named once, with the first reason.
func TestDeafOnce(t *testing.T) {
	h := newHeard(ends{Ends: ends4()})
	h.deaf([]string{kernel.HearsSent, kernel.HearsArrived}, unix.EPERM)
	h.deaf([]string{kernel.HearsArrived}, unix.EAFNOSUPPORT)
	want.Same(t, "the kinds that it is deaf to", text(h.Heard), lines(
		"deaf to GRE packets on the way out: operation not permitted", "deaf to GRE packets on the way in: operation not permitted"))
}

// A filter jumps forward only, to instructions that it has.
func TestFilterJumps(t *testing.T) {
	everywhere := ends{Ends: ends4()}
	everywhere.Local = netip.Addr{}
	for _, e := range []ends{{Ends: ends4(), index: 3}, {Ends: ends6(), index: 3}, {Ends: ends4()}, {Ends: ends6()}, everywhere} {
		for i, s := range sources(e) {
			checkJumps(t, fmt.Sprintf("source %d of %s", i, e.Mode), sourceFilter(s))
		}
	}
	for _, n := range []int{1, reach, reach + 1, maxAddresses - 1, maxAddresses, 1000} {
		for _, one := range []kernel.Ends{ends4(), ends6()} {
			f := manyEnds(one, n)
			for i, s := range sources(f.all[0]) {
				program := f.filter(s)
				checkJumps(t, fmt.Sprintf("source %d of %d tunnels of %s", i, n, one.Mode), program)
				if len(program) > 1000 {
					t.Errorf("%d tunnels of %s: a program of %d instructions", n, one.Mode, len(program))
				}
			}
		}
	}
}

func checkJumps(t *testing.T, name string, program []unix.SockFilter) {
	t.Helper()
	for at, code := range program {
		far := int(max(code.Jt, code.Jf))
		if code.Code == unix.BPF_JMP|unix.BPF_JA {
			far = int(code.K)
		}
		if code.Code&7 == unix.BPF_JMP && at+1+far >= len(program) {
			t.Errorf("%s: instruction %d jumps too far: %+v", name, at, code)
		}
	}
}

// manyEnds are the ends of n tunnels to different far ends.
func manyEnds(one kernel.Ends, n int) *family {
	f := &family{}
	for range n {
		f.all = append(f.all, ends{Ends: one})
		one.Remote = one.Remote.Next()
	}
	f.crowd = newCrowd(f.all)
	return f
}

// FuzzTake checks that no packet, and nothing that comes with it, does harm.
func FuzzTake(f *testing.F) {
	four, six := outer("10.9.0.2", "10.9.0.1", 64, unix.IPPROTO_GRE, hexBytes(withKey7)), outer("fd00::2", "fd00::1", 64, unix.IPPROTO_GRE, hexBytes(withKey7))
	hopLimit := make([]byte, unix.CmsgSpace(4))
	binary.NativeEndian.PutUint64(hopLimit, uint64(unix.CmsgLen(4)))
	binary.NativeEndian.PutUint32(hopLimit[8:], unix.IPPROTO_IPV6)
	binary.NativeEndian.PutUint32(hopLimit[12:], unix.IPV6_HOPLIMIT)
	for _, packet := range [][]byte{four, six, hexBytes(withKey7)} {
		f.Add(packet, hopLimit)
	}
	f.Fuzz(func(t *testing.T, packet, ancillary []byte) {
		for _, e := range []kernel.Ends{ends4(), ends6()} {
			heard := newHeard(ends{Ends: e})
			tap := &tap{source: source{ends: ends{Ends: e}}, ear: heard}
			for _, from := range []unix.Sockaddr{&unix.SockaddrLinklayer{}, &unix.SockaddrLinklayer{Pkttype: unix.PACKET_OUTGOING}, &unix.SockaddrInet4{},
				&unix.SockaddrInet6{Addr: want.Addr("fd00::2").As16()}, nil} {
				tap.take(packet, len(packet), ancillary, from)
			}
			tap.takeError(packet, ancillary)
			for _, list := range [][]kernel.Packet{heard.Sent, heard.Arrived} {
				for _, p := range list {
					if p.From != e.Remote && p.To != e.Remote && p.To != e.Local {
						t.Errorf("% x: %s", packet, fmt.Sprint(p))
					}
				}
			}
		}
	})
}
