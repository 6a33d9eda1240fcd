package byhand

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"net"
	"net/netip"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"

	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// read reads a rule. is says whether it changes the source of packets.
func read(family nftables.TableFamily, exprs []expr.Any) (n kernel.NATRule, is bool) {
	r := rule{family: family, loaded: make(map[uint32]value), held: make(map[uint32][]byte)}
	for _, e := range exprs {
		r.take(e)
	}
	r.n.Text = strings.Join(append(r.words, r.action), " ")
	return r.n, r.action != ""
}

// rule is a rule while it is read.
type rule struct {
	family nftables.TableFamily
	n      kernel.NATRule
	words  []string // its conditions
	action string   // its NAT; empty as long as it has none
	loaded map[uint32]value
	held   map[uint32][]byte // constants
}

// value is a value of the packet in a register.
type value struct {
	meta    expr.MetaKey
	payload *expr.Payload
	mask    []byte
}

func (r *rule) odd(what string) {
	if r.n.Odd == "" {
		r.n.Odd = what
	}
}

func (r *rule) take(e expr.Any) {
	switch e := e.(type) {
	case *expr.Counter:
	case *expr.Meta:
		if e.SourceRegister {
			r.odd("a mark")
			return
		}
		r.loaded[e.Register] = value{meta: e.Key}
	case *expr.Payload:
		if e.OperationType != expr.PayloadLoad {
			r.odd("a change of the packet")
			return
		}
		r.loaded[e.DestRegister] = value{payload: e}
	case *expr.Bitwise:
		v := r.loaded[e.SourceRegister]
		v.mask = e.Mask
		if len(bytes.Trim(e.Xor, "\x00")) > 0 || v.payload == nil {
			r.odd("a calculation")
		}
		r.loaded[e.DestRegister] = v
	case *expr.Cmp:
		r.compare(e, r.loaded[e.Register])
	case *expr.Immediate:
		r.held[e.Register] = e.Data
	case *expr.Match:
		if e.Name != "comment" {
			r.odd("the match " + fault.Printable(e.Name))
		}
	case *expr.Verdict:
	default:
		r.nat(e)
	}
}

// compare reads a comparison.
func (r *rule) compare(e *expr.Cmp, v value) {
	equal := e.Op == expr.CmpOpEq
	if !equal && e.Op != expr.CmpOpNeq {
		r.odd("a comparison")
		return
	}
	switch {
	case v.payload != nil:
		r.address(e.Data, v, equal)
	case v.meta == expr.MetaKeyOIFNAME:
		r.out(r.name(e.Data), equal)
	case v.meta == expr.MetaKeyOIF && len(e.Data) == 4:
		dev, err := net.InterfaceByIndex(int(binaryNative(e.Data)))
		if err != nil {
			r.odd("a device that is gone")
			return
		}
		r.out(dev.Name, equal)
	case v.meta == expr.MetaKeyIIFNAME:
		r.n.In = r.name(e.Data)
		r.words = append(r.words, "iifname "+fault.Printable(r.n.In))
		r.odd("an input device")
	case v.meta == expr.MetaKeyNFPROTO && equal: // the addresses say the same
	case v.meta == expr.MetaKeyL4PROTO:
		r.odd("a protocol")
	default:
		r.odd("a condition that cannot be read")
	}
}

// name reads the name of a device. One that ends with an asterisk has no zero at its end.
func (r *rule) name(data []byte) string {
	name, _, whole := bytes.Cut(data, []byte{0})
	if !whole {
		r.odd("a device with an asterisk")
		return string(name) + "*"
	}
	return string(name)
}

func (r *rule) out(name string, equal bool) {
	if r.n.Out != "" {
		r.odd("two output devices")
	}
	r.n.Out, r.n.NotOut = name, !equal
	word := "oifname "
	if !equal {
		word += "!= "
	}
	r.words = append(r.words, word+fault.Printable(name))
}

// Places of the addresses in the headers of IPv4 (RFC 791) and IPv6 (RFC 8200).
const (
	source4, dest4 = 12, 16
	source6, dest6 = 8, 24
)

// address reads a comparison of an address, or of the first bytes of one.
func (r *rule) address(data []byte, v value, equal bool) {
	p := v.payload
	at, size := p.Offset, 0
	if p.Base == expr.PayloadBaseNetworkHeader {
		switch {
		case (at == source4 || at == dest4) && p.Len <= 4 && r.family != nftables.TableFamilyIPv6 && !(r.family == nftables.TableFamilyINet && p.Len > 4):
			size = 4
		case (at == source6 || at == dest6) && p.Len <= 16 && r.family != nftables.TableFamilyIPv4:
			size = 16
		}
	}
	if size == 0 || len(data) < int(p.Len) {
		r.odd("a condition on the packet's headers")
		return
	}
	network, ok := prefix(data[:p.Len], v.mask, size)
	into, word := &r.n.From, "saddr "
	if at == dest4 || at == dest6 {
		into, word = &r.n.To, "daddr "
	}
	switch {
	case !ok:
		r.odd("a mask with holes")
		return
	case !equal:
		word += "!= "
		r.odd("an exception (!= " + network.String() + ")")
	case into.IsValid():
		r.odd("two conditions on one address")
	default:
		*into = network
	}
	r.words = append(r.words, word+network.String())
}

// prefix makes a network of the first bytes of an address, and of a mask.
func prefix(data, mask []byte, size int) (netip.Prefix, bool) {
	length, ended := 0, false
	for i := range data {
		b := byte(0xff)
		if i < len(mask) {
			b = mask[i]
		}
		ones := bits.LeadingZeros8(^b)
		if b != 0xff<<(8-ones) || ended && ones > 0 {
			return netip.Prefix{}, false
		}
		length, ended = length+ones, ended || ones < 8
	}
	whole := make([]byte, size)
	copy(whole, data)
	a, _ := netip.AddrFromSlice(whole)
	return netip.PrefixFrom(a, length).Masked(), true
}

// nat reads an expression of NAT. Any other one is noted as a part that cannot be read.
func (r *rule) nat(e expr.Any) {
	switch e := e.(type) {
	case *expr.Masq:
		r.n.Masquerade, r.action = true, "masquerade"
		if e.Random || e.FullyRandom || e.Persistent || e.ToPorts || e.RegProtoMin != 0 {
			r.odd("ports, or an order of them")
		}
	case *expr.NAT:
		if e.Type != expr.NATTypeSourceNAT {
			return
		}
		a, ok := netip.AddrFromSlice(r.held[e.RegAddrMin])
		r.action = "snat to " + a.String()
		r.n.Source = a
		switch {
		case !ok:
			r.odd("a source that is looked up")
		case e.RegAddrMax != 0 && e.RegAddrMax != e.RegAddrMin && !bytes.Equal(r.held[e.RegAddrMax], r.held[e.RegAddrMin]):
			r.odd("a range of sources")
		case e.RegProtoMin != 0 || e.Random || e.FullyRandom || e.Persistent || e.Prefix:
			r.odd("ports, or an order of them")
		}
	case *expr.Target:
		r.target(e)
	default:
		r.odd(fmt.Sprintf("a part that cannot be read (%s)", strings.TrimPrefix(strings.ToLower(fmt.Sprintf("%T", e)), "*expr.")))
	}
}

// target reads NAT of iptables on nftables.
func (r *rule) target(e *expr.Target) {
	var first, last net.IP
	var flags, ports uint64
	switch info := e.Info.(type) {
	case *xt.NatIPv4MultiRangeCompat:
		if len(*info) == 1 {
			one := (*info)[0]
			first, last, flags, ports = one.MinIP, one.MaxIP, uint64(one.Flags), uint64(one.MinPort)
		}
	case *xt.NatRange2:
		first, last, flags, ports = info.MinIP, info.MaxIP, uint64(info.Flags), uint64(info.MinPort)
	case *xt.NatRange:
		first, last, flags, ports = info.MinIP, info.MaxIP, uint64(info.Flags), uint64(info.MinPort)
	}
	switch e.Name {
	case "MASQUERADE":
		r.n.Masquerade, r.action = true, "masquerade"
		if flags != 0 || ports != 0 {
			r.odd("ports, or an order of them")
		}
		return
	case "SNAT":
	default:
		r.odd("the target " + fault.Printable(e.Name))
		return
	}
	a, ok := netip.AddrFromSlice(first)
	a = a.Unmap()
	if r.family == nftables.TableFamilyIPv6 || !ok {
		a, ok = source6Of(e)
		last = nil
	}
	r.action, r.n.Source = "snat to "+a.String(), a
	switch {
	case !ok:
		r.odd("a source that cannot be read")
	case last != nil && !last.Equal(first):
		r.odd("a range of sources")
	case flags&^uint64(xt.NatRangeMapIPs) != 0 || ports != 0:
		r.odd("ports, or an order of them")
	}
}

// source6Of reads struct nf_nat_range: flags, the first and the last address, and ports. The
// library does not know that SNAT of IPv6 has it.
func source6Of(e *expr.Target) (a netip.Addr, ok bool) {
	raw, is := e.Info.(*xt.Unknown)
	const flagsSize, size = 4, 4 + 16 + 16
	if !is || len(*raw) < size {
		return a, false
	}
	b := []byte(*raw)
	a = netip.AddrFrom16([16]byte(b[flagsSize : flagsSize+16]))
	same := bytes.Equal(b[flagsSize:flagsSize+16], b[flagsSize+16:size])
	return a, same && len(bytes.Trim(b[size:], "\x00")) == 0
}

// binaryNative reads a number in this machine's byte order.
func binaryNative(b []byte) uint32 { return binary.NativeEndian.Uint32(b) }
