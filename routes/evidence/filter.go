package evidence

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// snapLength is how much of a packet is looked at, in bytes: the headers of IPv6, its encapsulation
// limit, GRE, Ethernet and IPv6 again take 118.
const snapLength = 128

// Offsets in a filter: of a packet's fields in bytes, and of the kernel's own words about the
// packet (linux/filter.h).
const (
	auxiliary         = 0xfffff000 // SKF_AD_OFF
	auxiliaryProtocol = auxiliary + 0
	auxiliaryType     = auxiliary + 4
	auxiliaryDevice   = auxiliary + 8
	networkHeader     = 0xfff00000 // SKF_NET_OFF: the offset counts from the IP header

	ip4Fragment, ip4Protocol, ip4From, ip4To = 6, 9, 12, 16
	ip6Next, ip6From, ip6To, ip6Header       = 6, 8, 24, 40
	fragmentOffset                           = 0x1fff // its bits in an IPv4 header
)

// Where a filter can jump to, besides the labels that it makes: it keeps the packet or drops it.
const (
	keep = "keep"
	drop = "drop"
)

// filter is a program for the kernel's classic BPF (Documentation/networking/filter.rst) that is
// being written. Jumps go forward to labels.
type filter struct {
	code   []instruction
	labels map[string]int
}

// instruction is one of a filter; a jump without a label goes to the next instruction.
type instruction struct {
	code      uint16
	k         uint32
	then, not string
}

// sourceFilter returns the program that chooses the packets of a source.
func sourceFilter(s source) []unix.SockFilter {
	f := filter{labels: make(map[string]int)}
	if s.packet {
		f.outline(s)
	}
	from, to := uint32(ip4From), uint32(ip4To)
	if s.ends.Mode.IPv6Outer() {
		from, to = ip6From, ip6To
		if !s.packet { // a raw socket of IPv6 has no IP header in its data
			from, to = networkHeader+ip6From, networkHeader+ip6To
		}
	}
	if s.others {
		f.strangers(s, from, to)
	} else {
		f.bothEnds(s, from, to)
	}
	return f.assemble()
}

// maxAddresses is how many addresses the filter of many tunnels compares at most: the kernel bounds
// the memory of a socket's options, and with it the length of a program (optmem_max in socket(7)).
const maxAddresses = 400

// filter returns the program that chooses the packets of many tunnels. It is a sieve, which looks
// at the last four bytes of addresses only: the crowd looks at all of them. Of too many addresses
// it looks at none, and one socket of each kind hears everything.
func (m *family) filter(s source) []unix.SockFilter {
	f := filter{labels: make(map[string]int)}
	if s.packet {
		f.outline(s)
	}
	f.verdict(drop, 0)
	from, to := uint32(ip4From), uint32(ip4To)
	if s.ends.Mode.IPv6Outer() {
		const last = 12
		from, to = ip6From+last, ip6To+last
		if !s.packet {
			from, to = networkHeader+ip6From+last, networkHeader+ip6To+last
		}
	}
	remotes, locals := m.addresses()
	switch {
	case len(remotes)+len(locals) > maxAddresses && s.others:
		f.end(0)
	case len(remotes)+len(locals) > maxAddresses:
		f.end(wholePacket)
	case s.others:
		f.oneOf(from, remotes, 0)
		f.oneOf(to, locals, wholePacket)
		f.end(0)
	default:
		f.oneOf(from, remotes, wholePacket)
		if s.packet {
			f.oneOf(to, remotes, wholePacket)
		}
		f.end(0)
	}
	return f.program()
}

// wholePacket is the verdict of a filter that keeps a packet.
const wholePacket = 0xffff

// reach is how many comparisons one verdict serves: jumps are short.
const reach = 100

// oneOf ends with the verdict if the last four bytes of the address at an offset are those of one
// of the addresses.
func (f *filter) oneOf(offset uint32, list []netip.Addr, verdict uint32) {
	f.load(unix.BPF_W, offset)
	for some := range slices.Chunk(list, reach) {
		name := fmt.Sprintf("verdict %d", len(f.code))
		for _, a := range some {
			bytes := a.AsSlice()
			f.equal(binary.BigEndian.Uint32(bytes[len(bytes)-4:]), name, "")
		}
		f.verdict(name, verdict)
	}
}

// verdict puts a verdict between two instructions, which pass over it. Jumps to the label end with
// it.
func (f *filter) verdict(label string, verdict uint32) {
	f.code = append(f.code, instruction{code: unix.BPF_JMP | unix.BPF_JA, k: 1})
	f.label(label)
	f.end(verdict)
}

// end ends with a verdict.
func (f *filter) end(verdict uint32) {
	f.code = append(f.code, instruction{code: unix.BPF_RET | unix.BPF_K, k: verdict})
}

// outline drops all that is no GRE packet of the right family, fragments that begin in the middle
// of one, and packets for other hosts that the device has heard.
func (f *filter) outline(s source) {
	f.load(unix.BPF_W, auxiliaryType)
	f.equal(unix.PACKET_OTHERHOST, drop, "")
	f.load(unix.BPF_W, auxiliaryProtocol)
	f.equal(uint32(s.etherType()), "", drop)
	if !s.ends.Mode.IPv6Outer() {
		f.load(unix.BPF_H, ip4Fragment)
		f.jump(unix.BPF_JSET, fragmentOffset, drop, "")
		f.load(unix.BPF_B, ip4Protocol)
		f.equal(unix.IPPROTO_GRE, "", drop)
		return
	}
	f.load(unix.BPF_B, ip6Next)
	f.equal(unix.IPPROTO_GRE, "gre", "")
	f.equal(unix.IPPROTO_DSTOPTS, "", drop) // the encapsulation limit of RFC 2473
	f.load(unix.BPF_B, ip6Header)
	f.equal(unix.IPPROTO_GRE, "", drop)
	f.label("gre")
}

// bothEnds keeps the packets that come from the far end, and those that go to it.
func (f *filter) bothEnds(s source, from, to uint32) {
	if !s.packet {
		f.address(from, s.ends.Remote, keep, drop)
		return
	}
	f.address(from, s.ends.Remote, keep, "to")
	f.label("to")
	f.address(to, s.ends.Remote, keep, drop)
}

// strangers keeps the packets that come from others to this end. Those that come from the far end
// by another device are among them.
func (f *filter) strangers(s source, from, to uint32) {
	farEnd := drop
	if s.packet && s.ends.index != 0 {
		farEnd = "far end"
	}
	f.address(from, s.ends.Remote, farEnd, "stranger")
	if farEnd != drop {
		f.label(farEnd)
		f.load(unix.BPF_W, auxiliaryDevice)
		f.equal(uint32(s.ends.index), drop, keep)
	}
	f.label("stranger")
	if s.ends.Local.IsValid() {
		f.address(to, s.ends.Local, keep, drop)
	}
}

// address jumps by whether the address at an offset is a.
func (f *filter) address(offset uint32, a netip.Addr, then, not string) {
	words := a.AsSlice()
	for i := 0; i < len(words); i += 4 {
		f.load(unix.BPF_W, offset+uint32(i))
		if i+4 < len(words) {
			f.equal(binary.BigEndian.Uint32(words[i:]), "", not)
		} else {
			f.equal(binary.BigEndian.Uint32(words[i:]), then, not)
		}
	}
}

// load loads 1, 2 or 4 bytes (BPF_B, BPF_H, BPF_W) at an offset. A packet that is too short for it
// is dropped.
func (f *filter) load(size uint16, offset uint32) {
	f.code = append(f.code, instruction{code: unix.BPF_LD | unix.BPF_ABS | size, k: offset})
}

func (f *filter) equal(k uint32, then, not string) { f.jump(unix.BPF_JEQ, k, then, not) }

func (f *filter) jump(test uint16, k uint32, then, not string) {
	f.code = append(f.code, instruction{code: unix.BPF_JMP | unix.BPF_K | test, k: k, then: then, not: not})
}

// label names the next instruction.
func (f *filter) label(name string) { f.labels[name] = len(f.code) }

// assemble ends the program, which keeps a packet that comes to its end.
func (f *filter) assemble() []unix.SockFilter {
	f.label(keep)
	f.end(wholePacket)
	f.label(drop)
	f.end(0)
	return f.program()
}

// program returns the instructions with their jumps.
func (f *filter) program() []unix.SockFilter {
	program := make([]unix.SockFilter, len(f.code))
	for i, c := range f.code {
		program[i] = unix.SockFilter{Code: c.code, K: c.k, Jt: f.distance(i, c.then), Jf: f.distance(i, c.not)}
	}
	return program
}

// distance returns how many instructions a jump passes over. The programs are far shorter than the
// 255 that are possible.
func (f *filter) distance(from int, label string) uint8 {
	if label == "" {
		return 0
	}
	return uint8(f.labels[label] - from - 1)
}
