package conntrack

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"nmgre/routes/netlink/wire"
)

// flowMessage makes the kernel's message about a flow. The two addresses of each tuple are equally
// long.
func flowMessage(from, to, source netip.Addr, status uint32) []byte {
	tuple := func(kind uint16, src, dst netip.Addr) []byte {
		srcKind, dstKind := uint16(nl.CTA_IP_V4_SRC), uint16(nl.CTA_IP_V4_DST)
		if src.Is6() {
			srcKind, dstKind = nl.CTA_IP_V6_SRC, nl.CTA_IP_V6_DST
		}
		ips := wire.AppendAttribute(wire.AppendAttribute(nil, srcKind, src.AsSlice()), dstKind, dst.AsSlice())
		return wire.AppendAttribute(nil, kind|unix.NLA_F_NESTED, wire.AppendAttribute(nil, nl.CTA_TUPLE_IP|unix.NLA_F_NESTED, ips))
	}
	message := append([]byte{unix.AF_INET, 0, 0, 0}, tuple(nl.CTA_TUPLE_ORIG, from, to)...)
	message = append(message, tuple(nl.CTA_TUPLE_REPLY, to, source)...)
	return wire.AppendAttribute(message, nl.CTA_STATUS, binary.BigEndian.AppendUint32(nil, status))
}

// A flow is read whole or not at all, and no message reads past its own end: the last attribute
// may lack its padding.
func TestRead(t *testing.T) {
	from, to, source := netip.MustParseAddr("192.168.1.2"), netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("172.16.0.1")
	message := flowMessage(from, to, source, 1<<4)
	f, ok := read(message)
	if !ok || f.From != from || f.To != to || f.Source != source || !f.Natted {
		t.Errorf("read as %+v, %v", f, ok)
	}
	unpadded := append(binary.NativeEndian.AppendUint16(binary.NativeEndian.AppendUint16(message[:len(message):len(message)], 5), 9), 1)
	if f, ok := read(unpadded); !ok || f.From != from {
		t.Errorf("without padding it is read as %+v, %v", f, ok)
	}
	for n := range message {
		if f, ok := read(message[:n]); ok && f.Natted {
			t.Errorf("%d of its bytes are read as %+v", n, f)
		}
	}
	tuple := message[4:12] // the heads of the tuple and of its addresses
	for _, size := range []uint16{0, 3, 200} {
		binary.NativeEndian.PutUint16(tuple[4:], size)
		if f, ok := read(message); ok {
			t.Errorf("with addresses of %d bytes it is read as %+v", size, f)
		}
	}
}

// Of an echo and those before it, the last one counts. A flow of another protocol lives longer and
// says nothing about it.
func TestLatest(t *testing.T) {
	from, to, source := netip.MustParseAddr("192.168.1.2"), netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("172.16.0.1")
	of := func(protocol byte, left uint32) Flow {
		number := wire.AppendAttribute(nil, nl.CTA_PROTO_NUM, []byte{protocol})
		tuple := wire.AppendAttribute(nil, nl.CTA_TUPLE_PROTO|unix.NLA_F_NESTED, number)
		message := flowMessage(from, to, source, 0)
		f, ok := read(wire.AppendAttribute(wire.AppendAttribute(message, nl.CTA_TUPLE_ORIG, append(tuple, ipsOf(message)...)), nl.CTA_TIMEOUT, binary.BigEndian.AppendUint32(nil, left)))
		if !ok || f.left != left {
			t.Fatalf("read as %+v, %v", f, ok)
		}
		return f
	}
	tcp, old, last, six := of(unix.IPPROTO_TCP, 432000), of(unix.IPPROTO_ICMP, 26), of(unix.IPPROTO_ICMP, 29), of(unix.IPPROTO_ICMPV6, 29)
	for _, c := range []struct{ list, want []Flow }{
		{nil, nil}, {[]Flow{tcp}, []Flow{tcp}}, {[]Flow{tcp, old, last}, []Flow{last}}, {[]Flow{last, old, six, tcp}, []Flow{last, six}},
	} {
		got := Latest(c.list)
		if len(got) != len(c.want) {
			t.Fatalf("of %d flows %d are the latest, want %d", len(c.list), len(got), len(c.want))
		}
		for i := range got {
			if got[i].left != c.want[i].left || got[i].echo != c.want[i].echo {
				t.Errorf("flow %d is %+v", i, got[i])
			}
		}
	}
}

// ipsOf returns the addresses in the first tuple of a message of flowMessage.
func ipsOf(message []byte) []byte {
	const heads = 4 + 4
	return message[heads : heads+20]
}

func FuzzFlow(f *testing.F) {
	f.Add(flowMessage(netip.MustParseAddr("192.168.1.2"), netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("172.16.0.1"), 1<<4))
	f.Add(flowMessage(netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2"), netip.MustParseAddr("2001:db8::3"), 0))
	f.Fuzz(func(t *testing.T, message []byte) {
		flow, ok := read(message)
		if ok && !(flow.From.IsValid() && flow.To.IsValid() && flow.Source.IsValid() && len(flow.raw) >= nl.SizeofNfgenmsg) {
			t.Errorf("taken: %+v", flow)
		}
	})
}
