package byhand

import (
	"encoding/binary"
	"net"
	"strings"
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"

	"nmgre/routes/fault"
	"nmgre/routes/kernel"
	"nmgre/testdata/want"
)

// condition is how nft writes a condition on an address: a mask for a network.
func condition(offset uint32, address, mask string) []expr.Any {
	list := []expr.Any{&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: uint32(len(want.Addr(address).AsSlice()))}}
	if mask != "" {
		m := want.Addr(mask).AsSlice()
		list = append(list, &expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: uint32(len(m)), Mask: m, Xor: make([]byte, len(m))})
	}
	return append(list, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: want.Addr(address).AsSlice()})
}

func device(key expr.MetaKey, name string, op expr.CmpOp) []expr.Any {
	return []expr.Any{&expr.Meta{Key: key, Register: 1}, &expr.Cmp{Op: op, Register: 1, Data: []byte(name)}}
}

func snat(source string, more expr.NAT) []expr.Any {
	more.Type, more.RegAddrMin = expr.NATTypeSourceNAT, 1
	return []expr.Any{&expr.Immediate{Register: 1, Data: want.Addr(source).AsSlice()}, &more}
}

func joined(lists ...[]expr.Any) (all []expr.Any) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

// The forms of nmgre's own SNAT are read, and the other parts of every other rule are named.
func TestRead(t *testing.T) {
	from, to := condition(source4, "172.16.0.0", "255.255.255.252"), condition(dest4, "10.10.1.0", "255.255.255.0")
	masquerade := []expr.Any{&expr.Counter{}, &expr.Masq{}}
	plain := kernel.NATRule{From: want.CIDR("172.16.0.0/30"), To: want.CIDR("10.10.1.0/24")}
	for name, c := range map[string]struct {
		exprs []expr.Any
		want  kernel.NATRule
	}{
		"SNAT":        {joined(from, to, snat("10.10.1.1", expr.NAT{})), kernel.NATRule{From: plain.From, To: plain.To, Source: want.Addr("10.10.1.1"), Text: "saddr 172.16.0.0/30 daddr 10.10.1.0/24 snat to 10.10.1.1"}},
		"masquerade":  {joined(from, masquerade), kernel.NATRule{From: plain.From, Masquerade: true, Text: "saddr 172.16.0.0/30 masquerade"}},
		"first bytes": {joined([]expr.Any{&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: source4, Len: 2}, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{172, 16}}}, masquerade), kernel.NATRule{From: want.CIDR("172.16.0.0/16"), Masquerade: true, Text: "saddr 172.16.0.0/16 masquerade"}},
		"out of others": {joined(device(expr.MetaKeyOIFNAME, "tun0\x00\x00\x00", expr.CmpOpNeq), masquerade),
			kernel.NATRule{Out: "tun0", NotOut: true, Masquerade: true, Text: "oifname != tun0 masquerade"}},
		"an asterisk": {joined(device(expr.MetaKeyOIFNAME, "tun", expr.CmpOpEq), masquerade), kernel.NATRule{Out: "tun*", Masquerade: true, Odd: "a device with an asterisk", Text: "oifname tun* masquerade"}},
		"a range": {joined([]expr.Any{&expr.Immediate{Register: 2, Data: []byte{10, 10, 1, 9}}}, snat("10.10.1.1", expr.NAT{RegAddrMax: 2})),
			kernel.NATRule{Source: want.Addr("10.10.1.1"), Odd: "a range of sources", Text: "snat to 10.10.1.1"}},
		"ports":      {snat("10.10.1.1", expr.NAT{RegProtoMin: 3}), kernel.NATRule{Source: want.Addr("10.10.1.1"), Odd: "ports, or an order of them", Text: "snat to 10.10.1.1"}},
		"holes":      {joined(condition(source4, "172.16.0.0", "255.0.255.0"), masquerade), kernel.NATRule{Masquerade: true, Odd: "a mask with holes", Text: "masquerade"}},
		"a set":      {joined([]expr.Any{&expr.Lookup{SourceRegister: 1, SetName: "hosts"}}, masquerade), kernel.NATRule{Masquerade: true, Odd: "a part that cannot be read (lookup)", Text: "masquerade"}},
		"a mark":     {joined([]expr.Any{&expr.Meta{Key: expr.MetaKeyMARK, SourceRegister: true, Register: 1}}, masquerade), kernel.NATRule{Masquerade: true, Odd: "a mark", Text: "masquerade"}},
		"two of one": {joined(from, condition(source4, "172.16.0.1", ""), masquerade), kernel.NATRule{From: plain.From, Masquerade: true, Odd: "two conditions on one address", Text: "saddr 172.16.0.0/30 saddr 172.16.0.1/32 masquerade"}},
		"too few bytes": {joined([]expr.Any{&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: source4, Len: 4}, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{172, 16}}}, masquerade),
			kernel.NATRule{Masquerade: true, Odd: "a condition on the packet's headers", Text: "masquerade"}},
		"iptables": {joined(from, []expr.Any{&expr.Target{Name: "SNAT", Info: &xt.NatIPv4MultiRangeCompat{{Flags: uint(xt.NatRangeMapIPs), MinIP: net.IP{10, 10, 1, 1}, MaxIP: net.IP{10, 10, 1, 1}}}}}),
			kernel.NATRule{From: plain.From, Source: want.Addr("10.10.1.1"), Text: "saddr 172.16.0.0/30 snat to 10.10.1.1"}},
		"iptables without a range": {[]expr.Any{&expr.Target{Name: "SNAT", Info: &xt.NatIPv4MultiRangeCompat{}}}, kernel.NATRule{Odd: "a source that cannot be read", Text: "snat to invalid IP"}},
	} {
		got, is := read(nftables.TableFamilyIPv4, c.exprs)
		if !is || got != c.want {
			t.Errorf("%s: %v\n%+v, want\n%+v", name, is, got, c.want)
		}
	}
	if _, is := read(nftables.TableFamilyIPv4, joined(from, []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}})); is {
		t.Error("a rule without NAT is taken for one with it")
	}
}

// FuzzRead reads rules of any bytes: the conditions on the packet, the devices, and the target of
// iptables.
func FuzzRead(f *testing.F) {
	f.Add(uint32(source4), uint32(4), uint32(1), []byte{172, 16, 0, 0}, []byte{255, 255, 255, 252}, []byte("tun0\x00"))
	f.Add(uint32(dest6), uint32(16), uint32(1), make([]byte, 16), []byte{255, 0, 255}, make([]byte, 60))
	f.Add(uint32(source4), uint32(1<<31), uint32(0), []byte{}, []byte{}, []byte("a\nb"))
	f.Fuzz(func(t *testing.T, offset, length, base uint32, data, mask, info []byte) {
		index := binary.NativeEndian.AppendUint32(nil, offset)
		for _, family := range families {
			for _, end := range []expr.Any{&expr.Masq{}, &expr.NAT{Type: expr.NATTypeSourceNAT, RegAddrMin: 1, RegAddrMax: length}, &expr.Target{Name: "SNAT", Info: (*xt.Unknown)(&info)}, &expr.Target{Name: string(info)}} {
				n, is := read(family, joined([]expr.Any{
					&expr.Payload{DestRegister: 1, Base: expr.PayloadBase(base), Offset: offset, Len: length}, &expr.Bitwise{SourceRegister: 1, DestRegister: 1, Mask: mask, Xor: info}, &expr.Cmp{Register: 1, Data: data},
					&expr.Meta{Key: expr.MetaKeyOIF, Register: 2}, &expr.Cmp{Register: 2, Data: index}, &expr.Cmp{Register: 2, Data: data}, &expr.Immediate{Register: 1, Data: data},
				}, device(expr.MetaKeyOIFNAME, string(info), expr.CmpOpEq), device(expr.MetaKeyIIFNAME, string(mask), expr.CmpOpNeq), []expr.Any{end}))
				if n.From != n.From.Masked() || n.To != n.To.Masked() || is && n.Text == "" {
					t.Errorf("%+v", n)
				}
				if n.Text != fault.Printable(n.Text) || n.Odd != fault.Printable(n.Odd) || strings.ContainsAny(n.Text, "\n\x1b") {
					t.Errorf("it is not printable: %q, %q", n.Text, n.Odd)
				}
			}
		}
	})
}
