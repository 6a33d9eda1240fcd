package gateway

import (
	"net/netip"
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"

	"nmgre/routes/gateway/sets"
)

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
	info := func() xt.InfoAny {
		info := xt.Unknown(data())
		return &info
	}
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
			names := []string{"mark", "pkttype", "iprange", string(data())}
			exprs = append(exprs, &expr.Match{Name: names[number()%4], Rev: 1, Info: info()})
		case 11:
			names := []string{"CT", "SNAT", "MARK", string(data())}
			exprs = append(exprs, &expr.Target{Name: names[number()%4], Info: info()})
		case 12:
			exprs = append(exprs, &expr.Range{Op: expr.CmpOp(number() % 2), Register: number(), FromData: data(), ToData: data()})
		case 13:
			exprs = append(exprs, &expr.Fib{Register: number(), ResultADDRTYPE: number()%2 == 0, FlagSADDR: number()%2 == 0})
		case 14:
			exprs = append(exprs, &expr.Notrack{}, &expr.Queue{}, &expr.Redir{})
		case 15:
			exprs = append(exprs, &expr.Match{Info: &xt.AddrTypeV1{Source: uint16(number()), Dest: uint16(number()), Flags: xt.AddrTypeFlags(number())}})
		case 16:
			exprs = append(exprs, &expr.NAT{RegAddrMin: number(), RegAddrMax: number(), Family: number()})
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
		for _, o := range []*outer{nil, newOuter(netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), true), newOuter(netip.Addr{}, netip.MustParseAddr("2001:db8::2"), false)} {
			w := &walk{packet: packet{"gre1", "lan0", 3, 4, nftables.TableFamilyIPv4}, outer: o}
			w.rulesOf = func(string) []*nftables.Rule { return []*nftables.Rule{{Exprs: exprs}, {Exprs: exprs}} }
			w.inSet = func(_ string, key []byte) (*expr.Verdict, answer) { return sets.VerdictOf(key), answer(len(key) % 3) }
			w.chain("FORWARD", 0)
		}
	})
}
