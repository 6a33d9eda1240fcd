package gateway

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
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
func TestReadFlow(t *testing.T) {
	from, to, source := netip.MustParseAddr("192.168.1.2"), netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("172.16.0.1")
	message := flowMessage(from, to, source, 1<<4)
	f, ok := readFlow(message)
	if !ok || f.from != from || f.to != to || f.source != source || !f.natted {
		t.Errorf("read as %+v, %v", f, ok)
	}
	unpadded := append(message[:len(message):len(message)], 5, 0, 9, 0, 1)
	if f, ok := readFlow(unpadded); !ok || f.from != from {
		t.Errorf("without padding it is read as %+v, %v", f, ok)
	}
	for n := range message {
		if f, ok := readFlow(message[:n]); ok && f.natted {
			t.Errorf("%d of its bytes are read as %+v", n, f)
		}
	}
	tuple := message[4:12] // the heads of the tuple and of its addresses
	for _, size := range []byte{0, 3, 200} {
		tuple[4] = size
		if f, ok := readFlow(message); ok {
			t.Errorf("with addresses of %d bytes it is read as %+v", size, f)
		}
	}
}

func FuzzFlow(f *testing.F) {
	f.Add(flowMessage(netip.MustParseAddr("192.168.1.2"), netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("172.16.0.1"), 1<<4))
	f.Add(flowMessage(netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2"), netip.MustParseAddr("2001:db8::3"), 0))
	f.Fuzz(func(t *testing.T, message []byte) {
		flow, ok := readFlow(message)
		if ok && !(flow.from.IsValid() && flow.to.IsValid() && flow.source.IsValid() && len(flow.raw) >= nl.SizeofNfgenmsg) {
			t.Errorf("taken: %+v", flow)
		}
		_ = isStale(flow, []snat{{inner: netip.MustParsePrefix("0.0.0.0/0"), dst: netip.MustParsePrefix("0.0.0.0/0")}}, nil)
	})
}

// A verdict is read from attributes that may be cut off anywhere.
func TestVerdictOf(t *testing.T) {
	jump := wire.AppendAttribute(nil, unix.NFTA_VERDICT_CODE, binary.BigEndian.AppendUint32(nil, 1<<32-3))
	jump = append(jump, 7, 0, unix.NFTA_VERDICT_CHAIN, 0, 'a', 'b', 0) // without padding
	if v := verdictOf(jump); v == nil || v.Kind != expr.VerdictJump || v.Chain != "ab" {
		t.Errorf("read as %+v", v)
	}
	for _, size := range []byte{0, 3, 8} {
		jump[8] = size
		if v := verdictOf(jump); v != nil {
			t.Errorf("with a chain of %d bytes: %+v", size, v)
		}
	}
}

func FuzzVerdict(f *testing.F) {
	f.Add(wire.AppendAttribute(wire.AppendAttribute(nil, unix.NFTA_VERDICT_CODE, []byte{255, 255, 255, 253}), unix.NFTA_VERDICT_CHAIN, []byte("other\x00")))
	f.Fuzz(func(t *testing.T, value []byte) {
		if v := verdictOf(value); v != nil && len(v.Chain) > len(value) {
			t.Errorf("read as %+v", v)
		}
	})
}

// exprsOf makes expressions of bytes, of every kind that the walk and decode look into.
func exprsOf(in []byte) (exprs []expr.Any) {
	take := func(n int) []byte {
		n = min(n, len(in))
		head := in[:n:n]
		in = in[n:]
		return head
	}
	number := func() uint32 { // mostly a register
		b := take(1)
		if len(b) == 0 {
			return 0
		}
		if b[0] > 0xf0 {
			return -uint32(b[0])
		}
		return uint32(b[0] % 32)
	}
	data := func() []byte { return take(int(number() % 80)) }
	var info xt.Unknown
	for len(in) > 0 && len(exprs) < 100 {
		switch number() {
		case 0:
			exprs = append(exprs, &expr.Meta{Key: expr.MetaKey(number()), Register: number(), SourceRegister: number()%4 == 0})
		case 1:
			exprs = append(exprs, &expr.Payload{DestRegister: number(), Offset: number(), Len: number()})
		case 2:
			exprs = append(exprs, &expr.Bitwise{SourceRegister: number(), DestRegister: number(), Len: number(), Mask: data(), Xor: data()})
		case 3:
			exprs = append(exprs, &expr.Cmp{Op: expr.CmpOp(number() % 3), Register: number(), Data: data()})
		case 4:
			exprs = append(exprs, &expr.Lookup{SourceRegister: number(), DestRegister: number(), IsDestRegSet: number()%2 == 0, SetName: string(data()), Invert: number()%2 == 0})
		case 5:
			exprs = append(exprs, &expr.Immediate{Register: number(), Data: data()})
		case 6:
			exprs = append(exprs, &expr.NAT{})
		case 7:
			exprs = append(exprs, &expr.Masq{})
		case 8:
			exprs = append(exprs, &expr.Verdict{Kind: expr.VerdictKind(int32(number())), Chain: string(data())})
		case 9:
			exprs = append(exprs, &expr.Ct{Register: number(), Key: expr.CtKey(number())})
		case 10:
			exprs = append(exprs, &expr.Match{Name: string(data()), Info: &info})
		case 11:
			exprs = append(exprs, &expr.Target{Name: string(data()), Info: &info})
		}
	}
	return exprs
}

// FuzzRules walks a packet through rules of other programs, and reads them as rules of nmgre's own.
func FuzzRules(f *testing.F) {
	f.Add([]byte{0, 6, 1, 1, 3, 0, 1, 4, 'g', 'r', 'e', '1', 8, 1})
	f.Add([]byte{1, 1, 12, 4, 2, 1, 1, 4, 4, 255, 255, 255, 0, 4, 0, 0, 0, 0, 3, 0, 1, 4, 10, 0, 0, 0, 7})
	f.Add([]byte{0, 6, 1, 1, 4, 1, 0, 0, 1, 's', 1, 5, 9, 4, 1, 2, 3, 4, 6})
	f.Fuzz(func(t *testing.T, in []byte) {
		exprs := exprsOf(in)
		for _, c := range chains {
			tx := text{chain: c, exprs: exprs}
			_ = tx.key()
			if r, ok := tx.decode(); ok && !r.valid() {
				t.Errorf("read as %+v", r)
			}
		}
		w := &walk{packet: packet{"gre1", "lan0", 3, 4, nftables.TableFamilyIPv4}}
		w.rulesOf = func(string) []*nftables.Rule { return []*nftables.Rule{{Exprs: exprs}, {Exprs: exprs}} }
		w.inSet = func(_ string, key []byte) (*expr.Verdict, answer) { return verdictOf(key), answer(len(key) % 3) }
		w.chain("FORWARD", 0)
	})
}
