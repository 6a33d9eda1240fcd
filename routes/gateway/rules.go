package gateway

import (
	"fmt"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"nmgre/routes/keep"
)

// chain is the place of all rules of one kind and family.
type chain struct {
	family nftables.TableFamily
	name   string
}

var (
	snat4 = chain{nftables.TableFamilyIPv4, "postrouting"}
	snat6 = chain{nftables.TableFamilyIPv6, "postrouting"}
	clamp = chain{nftables.TableFamilyINet, "forward"}
)

// snatPriority is the priority of nmgre's NAT chains. It is before that of nearly all others
// (srcnat, 100), since the first chain that has NAT for a connection decides: a masquerade of
// everything that leaves a device, loaded earlier or later, leaves the SNAT rules of nmgre alone.
// nmgre's older tables have 100, and get this one when rules are set.
var snatPriority = *nftables.ChainPriorityNATSource - 5

// chains are all of nmgre's chains, each in a table of its own.
var chains = []chain{snat4, snat6, clamp}

// kernel returns the chain with its hook, in a table.
func (c chain) kernel(table *nftables.Table) *nftables.Chain {
	if c == clamp {
		accept := nftables.ChainPolicyAccept
		return &nftables.Chain{Name: c.name, Table: table, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookForward,
			Priority: nftables.ChainPriorityMangle, Policy: &accept}
	}
	return &nftables.Chain{Name: c.name, Table: table, Type: nftables.ChainTypeNAT, Hooknum: nftables.ChainHookPostrouting,
		Priority: &snatPriority}
}

// text is a rule in the kernel's form, with the parts that distinguish it from others.
type text struct {
	chain   chain
	comment string
	exprs   []expr.Any
}

// rulesOf returns the kernel's rules for one rule of nmgre's.
func rulesOf(r keep.Rule) []text {
	tag := "nmgre:" + r.UUID
	if !r.ClampMSS {
		where := snat4
		if r.Inner.Addr().Is6() {
			where = snat6
		}
		return []text{{where, tag, snatExprs(r)}}
	}
	return []text{{clamp, tag, clampExprs(expr.MetaKeyOIFNAME, r.Dev)}, {clamp, tag, clampExprs(expr.MetaKeyIIFNAME, r.Dev)}}
}

// key returns the rule in a form that can be compared. It leaves out the values of the counter, and
// the expressions that the library cannot read back.
func (t text) key() string {
	b := fmt.Appendf(nil, "%d %s %s\n", t.chain.family, t.chain.name, t.comment)
	for _, e := range t.exprs {
		switch e.(type) {
		case *expr.Counter:
			e = &expr.Counter{}
		case *expr.Rt, *expr.Byteorder:
			continue
		}
		part, err := expr.Marshal(byte(t.chain.family), e)
		if err != nil {
			part = fmt.Appendf(nil, "%T", e)
		}
		b = append(b, part...)
	}
	return string(b)
}

func (t text) equal(o text) bool { return t.key() == o.key() }

// header has the offsets of the addresses in an IP header, in bytes, and nftables' number of the
// family.
type header struct{ source, destination, family uint32 }

func headerOf(c chain) header {
	if c == snat6 {
		return header{8, 24, unix.NFPROTO_IPV6}
	}
	return header{12, 16, unix.NFPROTO_IPV4}
}

// snatExprs is `ip saddr INNER ip daddr DEST oifname != "DEV" oifname != "lo" counter snat to
// SOURCE`, as nft encodes it.
//
// The rule does not demand that the packet came in by the tunnel, because it may come by another
// way: by another tunnel of a multipath route, by a bridge that has a gretap tunnel as a port, or
// from this host itself. Packets that leave by the tunnel, or never leave this host, are exempt,
// which matters when DEST is everything.
func snatExprs(r keep.Rule) []expr.Any {
	where := snat4
	if r.Inner.Addr().Is6() {
		where = snat6
	}
	h := headerOf(where)
	exprs := append(matchPrefix(h.source, r.Inner), matchPrefix(h.destination, r.SNAT.Dst)...)
	for _, dev := range []string{r.Dev, "lo"} {
		exprs = append(exprs, matchDevice(expr.MetaKeyOIFNAME, expr.CmpOpNeq, dev)...)
	}
	exprs = append(exprs, &expr.Counter{})
	if !r.SNAT.Source.IsValid() {
		return append(exprs, &expr.Masq{})
	}
	return append(exprs,
		&expr.Immediate{Register: 1, Data: r.SNAT.Source.AsSlice()},
		&expr.NAT{Type: expr.NATTypeSourceNAT, Family: h.family, RegAddrMin: 1, RegAddrMax: 1})
}

// matchPrefix matches the packet's address at an offset against a prefix. Like nft, it compares
// whole bytes where the prefix length allows it.
func matchPrefix(offset uint32, p netip.Prefix) []expr.Any {
	bits, address := p.Bits(), p.Addr().AsSlice()
	switch {
	case bits == 0:
		return nil
	case bits%8 == 0:
		size := bits / 8
		return []expr.Any{
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: uint32(size)}, //nolint:gosec // at most 16
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: address[:size]},
		}
	}
	size := uint32(len(address)) //nolint:gosec // 4 or 16
	mask := make([]byte, size)
	for i := range bits {
		mask[i/8] |= 0x80 >> (i % 8)
	}
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: size},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: size, Mask: mask, Xor: make([]byte, size)},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: address},
	}
}

// matchDevice matches the name of the device that the packet came in by, or leaves by.
func matchDevice(key expr.MetaKey, op expr.CmpOp, dev string) []expr.Any {
	return []expr.Any{&expr.Meta{Key: key, Register: 1}, &expr.Cmp{Op: op, Register: 1, Data: deviceName(dev)}}
}

// deviceName returns a name as the kernel compares it: padded with zeros to IFNAMSIZ.
func deviceName(dev string) []byte {
	name := make([]byte, unix.IFNAMSIZ)
	copy(name, dev)
	return name
}

// clampExprs is `oifname "DEV" tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu`,
// as nft encodes it. The kernel uses the smaller of the path MTUs to the two ends, and never raises
// a packet's MSS.
func clampExprs(key expr.MetaKey, dev string) []expr.Any {
	const tcpFlags, syn, rst, optionMSS = 13, 2, 4, 2
	return append(matchDevice(key, expr.CmpOpEq, dev),
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_TCP}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: tcpFlags, Len: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 1, Mask: []byte{syn | rst}, Xor: []byte{0}},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{syn}},
		&expr.Rt{Register: 1, Key: expr.RtTCPMSS},
		&expr.Byteorder{SourceRegister: 1, DestRegister: 1, Op: expr.ByteorderHton, Len: 2, Size: 2},
		&expr.Exthdr{SourceRegister: 1, Type: optionMSS, Offset: 2, Len: 2, Op: expr.ExthdrOpTcpopt},
	)
}
