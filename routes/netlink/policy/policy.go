// Package policy has the bytes of the kernel's messages about rules of the routing policy: struct
// fib_rule_hdr and its attributes (linux/fib_rules.h). It also compares the rules that are wanted
// with those that the kernel has.
package policy

import (
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/sys/unix"

	"nmgre/routes/kernel"
	"nmgre/routes/netlink/wire"
	"nmgre/routes/rule"
)

// headerSize is the size of struct fib_rule_hdr.
const headerSize = 12

// invert is FIB_RULE_INVERT: the word not.
const invert = 2

// Attributes that kernels have from 6.15 on (FRA_SPORT_MASK, FRA_DPORT_MASK).
const (
	sportMask = 28
	dportMask = 29
)

// actions are the kernel's numbers of the actions.
var actions = [...]uint8{rule.Lookup: unix.FR_ACT_TO_TBL, rule.Blackhole: unix.FR_ACT_BLACKHOLE, rule.Unreachable: unix.FR_ACT_UNREACHABLE, rule.Prohibit: unix.FR_ACT_PROHIBIT}

// FamilyOf returns the family of a rule.
func FamilyOf(r *rule.Rule) uint8 {
	if r.IPv6 {
		return unix.AF_INET6
	}
	return unix.AF_INET
}

// Question returns the body of the request for all rules of a family.
func Question(family uint8) []byte {
	body := make([]byte, headerSize)
	body[0] = family
	return body
}

// Append appends the body of a message about r, with nmgre's protocol number.
func Append(b []byte, r *rule.Rule) []byte {
	b = appendHeader(b, r)
	b = wire.AppendUint32(b, unix.FRA_PRIORITY, r.Priority)
	b = wire.AppendAttribute(b, unix.FRA_PROTOCOL, []byte{kernel.RouteProtocol})
	if r.Action == rule.Lookup {
		b = wire.AppendUint32(b, unix.FRA_TABLE, r.Table)
	}
	if r.From.IsValid() {
		b = wire.AppendAttribute(b, unix.FRA_SRC, r.From.Addr().AsSlice())
	}
	if r.To.IsValid() {
		b = wire.AppendAttribute(b, unix.FRA_DST, r.To.Addr().AsSlice())
	}
	if r.Mask != 0 {
		b = wire.AppendUint32(b, unix.FRA_FWMARK, r.Mark)
		b = wire.AppendUint32(b, unix.FRA_FWMASK, r.Mask)
	}
	b = appendDevice(appendDevice(b, unix.FRA_IIFNAME, r.IIF), unix.FRA_OIFNAME, r.OIF)
	return appendRest(b, r)
}

// Removal returns the body of a message that removes a rule of nmgre's protocol. Of a rule that
// cannot be read in full it names the priority only, which fits every rule of that priority.
func Removal(h *kernel.HeldRule) []byte {
	if !h.Partly {
		return Append(nil, &h.Rule)
	}
	b := Question(FamilyOf(&h.Rule))
	b = wire.AppendUint32(b, unix.FRA_PRIORITY, h.Priority)
	return wire.AppendAttribute(b, unix.FRA_PROTOCOL, []byte{kernel.RouteProtocol})
}

func appendHeader(b []byte, r *rule.Rule) []byte {
	var flags uint32
	if r.Not {
		flags = invert
	}
	table := uint8(unix.RT_TABLE_COMPAT) // the attribute has the number
	if r.Table < 256 {
		table = uint8(r.Table)
	}
	b = append(b, FamilyOf(r), bits(r.To), bits(r.From), r.TOS, table, 0, 0, actions[r.Action])
	return wire.Native.AppendUint32(b, flags)
}

func appendDevice(b []byte, kind uint16, name string) []byte {
	if name == "" {
		return b
	}
	return wire.AppendAttribute(b, kind, append([]byte(name), 0))
}

func appendRest(b []byte, r *rule.Rule) []byte {
	if r.UIDs.Set {
		both := wire.Native.AppendUint32(wire.Native.AppendUint32(nil, r.UIDs.First), r.UIDs.Last)
		b = wire.AppendAttribute(b, unix.FRA_UID_RANGE, both)
	}
	if r.IPProto != 0 {
		b = wire.AppendAttribute(b, unix.FRA_IP_PROTO, []byte{r.IPProto})
	}
	b = appendPorts(appendPorts(b, unix.FRA_SPORT_RANGE, r.SPort), unix.FRA_DPORT_RANGE, r.DPort)
	if r.SuppressLength != 0 {
		b = wire.AppendUint32(b, unix.FRA_SUPPRESS_PREFIXLEN, uint32(r.SuppressLength)-1)
	}
	if r.SuppressGroup != 0 {
		b = wire.AppendUint32(b, unix.FRA_SUPPRESS_IFGROUP, r.SuppressGroup-1)
	}
	return b
}

func appendPorts(b []byte, kind uint16, p rule.Ports) []byte {
	if p.First == 0 {
		return b
	}
	return wire.AppendAttribute(b, kind, wire.Native.AppendUint16(wire.Native.AppendUint16(nil, p.First), p.Last))
}

// bits returns the length of a network, 0 for all addresses.
func bits(p netip.Prefix) uint8 {
	if !p.IsValid() {
		return 0
	}
	return uint8(p.Bits()) //nolint:gosec // at most 128
}

// Parse reads a rule from the body of a message. It fails with [wire.ErrMalformed].
func Parse(body []byte) (kernel.HeldRule, error) {
	if len(body) < headerSize {
		return kernel.HeldRule{}, fmt.Errorf("%w: a rule of %d bytes", wire.ErrMalformed, len(body))
	}
	p := parser{family: body[0]}
	h := &p.held
	h.IPv6, h.HasPriority = body[0] == unix.AF_INET6, true
	h.TOS, h.Table = body[3], uint32(body[4])
	flags := wire.Native.Uint32(body[8:])
	h.Not, h.Partly = flags&invert != 0, true
	for action, number := range actions {
		if number == body[7] {
			h.Action, h.Partly = rule.Action(action), false //nolint:gosec // four of them
		}
	}
	err := wire.EachAttribute(body[headerSize:], func(kind uint16, v []byte) error {
		p.attribute(kind, v, int(body[1]), int(body[2]))
		return nil
	})
	if err == nil {
		err = p.Err
	}
	if err != nil {
		return kernel.HeldRule{}, err
	}
	p.settle()
	return p.held, nil
}

// parser reads the attributes of a rule.
type parser struct {
	wire.Reader
	family uint8
	held   kernel.HeldRule
	masked bool
}

// settle makes the kernel's default values absent.
func (p *parser) settle() {
	h := &p.held
	if h.Mark != 0 && !p.masked {
		h.Mask = 1<<32 - 1
	}
	h.Mark &= h.Mask
	if h.Action != rule.Lookup {
		h.Table = 0
	}
}

func (p *parser) attribute(kind uint16, v []byte, dst, src int) {
	h := &p.held
	switch kind {
	case unix.FRA_PRIORITY:
		h.Priority = p.Uint32(v)
	case unix.FRA_PROTOCOL:
		h.Protocol = int(p.Bytes(v, 1)[0])
	case unix.FRA_TABLE:
		h.Table = p.Uint32(v)
	case unix.FRA_SRC:
		h.From = p.network(v, src)
	case unix.FRA_DST:
		h.To = p.network(v, dst)
	case unix.FRA_FWMARK:
		h.Mark = p.Uint32(v)
	case unix.FRA_FWMASK:
		h.Mask, p.masked = p.Uint32(v), true
	case unix.FRA_IIFNAME:
		h.IIF = text(v)
	case unix.FRA_OIFNAME:
		h.OIF = text(v)
	default:
		p.rest(kind, v)
	}
}

// rest reads the attributes that few rules have.
func (p *parser) rest(kind uint16, v []byte) {
	h := &p.held
	switch kind {
	case unix.FRA_UID_RANGE:
		b := p.Bytes(v, 8)
		h.UIDs = rule.UIDs{First: wire.Native.Uint32(b), Last: wire.Native.Uint32(b[4:]), Set: true}
	case unix.FRA_IP_PROTO:
		h.IPProto = p.Bytes(v, 1)[0]
	case unix.FRA_SPORT_RANGE:
		h.SPort = p.ports(v)
	case unix.FRA_DPORT_RANGE:
		h.DPort = p.ports(v)
	case unix.FRA_SUPPRESS_PREFIXLEN: // the kernel says -1 where there is none
		if n := p.Uint32(v); n <= 128 {
			h.SuppressLength = uint8(n) + 1
		}
	case unix.FRA_SUPPRESS_IFGROUP:
		if n := p.Uint32(v); n < 1<<31 {
			h.SuppressGroup = n + 1
		}
	case sportMask, dportMask: // of a single port, in newer kernels
		mask := wire.Native.Uint16(p.Bytes(v, 2))
		h.Partly = h.Partly || mask != 0 && mask != 1<<16-1
	case unix.FRA_GOTO, unix.FRA_FLOW, unix.FRA_TUN_ID:
		h.Partly = true
	case unix.FRA_L3MDEV:
		h.Partly = h.Partly || p.Bytes(v, 1)[0] != 0
	default: // a condition of a later kernel, but for padding
		h.Partly = h.Partly || kind > unix.FRA_DPORT_RANGE
	}
}

// network reads an address of a rule; length is that of its network, in bits.
func (p *parser) network(v []byte, length int) netip.Prefix {
	a := p.Addr(p.family, v)
	if !a.IsValid() || length > a.BitLen() || length == 0 {
		return netip.Prefix{}
	}
	return netip.PrefixFrom(a, length).Masked()
}

func (p *parser) ports(v []byte) rule.Ports {
	b := p.Bytes(v, 4)
	return rule.Ports{First: wire.Native.Uint16(b), Last: wire.Native.Uint16(b[2:])}
}

// text reads a name up to its closing zero.
func text(v []byte) string {
	name, _, _ := strings.Cut(string(v), "\x00")
	return name
}
