package ipsec

import (
	"encoding/binary"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"nmgre/routes/kernel"
	"nmgre/routes/netlink/wire"
)

// policy is a policy of the kernel's.
type policy struct {
	kernel.IPsecPolicy
	dir       netlink.Dir
	index     int // of the device that it is for; 0 for any
	family    uint16
	templates []template
}

// template is a protection that a policy wants.
type template struct {
	kernel.IPsecTemplate
	reqid, spi uint32 // spi is 0 for any
	protocol   netlink.Proto
	mode       netlink.Mode
}

// readPolicy reads a message (struct xfrm_userpolicy_info, and attributes). It returns false for a
// malformed one, and for a policy of another kind than [kernel.IPsecPolicy] describes.
func readPolicy(message []byte) (p policy, ok bool) {
	if len(message) < nl.SizeofXfrmUserpolicyInfo {
		return p, false
	}
	m := nl.DeserializeXfrmUserpolicyInfo(message)
	p = policy{dir: netlink.Dir(m.Dir), index: int(m.Sel.Ifindex), family: m.Sel.Family}
	p.Protocol, p.Priority, p.Index, p.Block = m.Sel.Proto, m.Priority, m.Index, m.Action == uint8(netlink.XFRM_POLICY_BLOCK)
	p.From, p.To = prefixOf(m.Sel.Saddr, m.Sel.PrefixlenS, p.family), prefixOf(m.Sel.Daddr, m.Sel.PrefixlenD, p.family)
	plain := m.Sel.SportMask == 0 && m.Sel.DportMask == 0 && p.From.IsValid() && p.To.IsValid()
	err := wire.EachAttribute(message[nl.SizeofXfrmUserpolicyInfo:], func(kind uint16, value []byte) error {
		switch kind {
		case nl.XFRMA_TMPL:
			for ; len(value) >= nl.SizeofXfrmUserTmpl; value = value[nl.SizeofXfrmUserTmpl:] {
				p.templates = append(p.templates, readTemplate(nl.DeserializeXfrmUserTmpl(value)))
			}
		case nl.XFRMA_MARK: // the tunnel's packets have none
			plain = plain && len(value) >= nl.SizeofXfrmMark && nl.DeserializeXfrmMark(value).Value == 0
		case nl.XFRMA_IF_ID:
			plain = plain && len(value) >= 4 && binary.NativeEndian.Uint32(value) == 0
		case nl.XFRMA_POLICY_TYPE: // 1 is a sub-policy
			plain = plain && len(value) > 0 && value[0] == 0
		}
		return nil
	})
	return p, err == nil && plain
}

func readTemplate(m *nl.XfrmUserTmpl) template {
	t := template{reqid: m.Reqid, spi: m.XfrmId.Spi, protocol: netlink.Proto(m.XfrmId.Proto), mode: netlink.Mode(m.Mode)}
	t.From, t.To = addressOf(m.Saddr, m.Family), addressOf(m.XfrmId.Daddr, m.Family)
	t.Protocol, t.Mode, t.Optional = t.protocol.String(), t.mode.String(), m.Optional != 0
	return t
}

// fill gives the template the addresses of the packets where it has none of its own, or does not
// use them.
func (t *template) fill(ends kernel.IPsecEnds) {
	tunnel := t.mode == netlink.XFRM_MODE_TUNNEL || t.mode == netlink.XFRM_MODE_BEET
	if !tunnel || !t.To.IsValid() || t.To.IsUnspecified() {
		t.To = ends.Remote
	}
	if !tunnel {
		t.From = ends.Local
	}
}

// selects reports whether the policy is for packets from ends.Local to ends.Remote.
func (p policy) selects(ends kernel.IPsecEnds) bool {
	return p.From.Contains(ends.Local) && p.To.Contains(ends.Remote) && (p.Protocol == 0 || p.Protocol == ends.Protocol) &&
		(p.index == 0 || p.index == ends.Index)
}

// state is a state of the kernel's, without its keys.
type state struct {
	from, to   netip.Addr
	reqid, spi uint32
	protocol   netlink.Proto
	mode       netlink.Mode
	sizes      kernel.IPsecState
}

// readState reads a message (struct xfrm_usersa_info, and attributes). It returns false for a
// malformed one, and for a state that is only asked for: it has no SPI.
func readState(message []byte) (s state, ok bool) {
	if len(message) < nl.SizeofXfrmUsersaInfo {
		return s, false
	}
	m := nl.DeserializeXfrmUsersaInfo(message)
	s = state{from: addressOf(m.Saddr, m.Family), to: addressOf(m.Id.Daddr, m.Family), reqid: m.Reqid, spi: m.Id.Spi,
		protocol: netlink.Proto(m.Id.Proto), mode: netlink.Mode(m.Mode)}
	s.sizes = kernel.IPsecState{Protocol: s.protocol.String(), Mode: s.mode.String(), IPv6: m.Family == unix.AF_INET6, Align4: m.Flags&stateAlign4 != 0}
	if err := readSizes(&s.sizes, message[nl.SizeofXfrmUsersaInfo:]); err != nil {
		return s, false
	}
	return s, s.spi != 0 && s.to.IsValid()
}

// fits reports whether the kernel may use the state for the template (xfrm_state_find).
func (s state) fits(t template) bool {
	anyone := func(a netip.Addr) bool { return !a.IsValid() || a.IsUnspecified() }
	return s.protocol == t.protocol && s.mode == t.mode && s.reqid == t.reqid && (t.spi == 0 || s.spi == t.spi) &&
		s.to == t.To && (anyone(s.from) || anyone(t.From) || s.from == t.From)
}

// addressOf reads an address (xfrm_address_t), which is 16 bytes in both families.
func addressOf(a nl.XfrmAddress, family uint16) netip.Addr {
	switch family {
	case unix.AF_INET:
		return netip.AddrFrom4([4]byte(a[:4]))
	case unix.AF_INET6:
		return netip.AddrFrom16(a)
	}
	return netip.Addr{}
}

// prefixOf reads the network of a selector. It is not valid if the selector is not.
func prefixOf(a nl.XfrmAddress, bits uint8, family uint16) netip.Prefix {
	address := addressOf(a, family)
	if !address.IsValid() || int(bits) > address.BitLen() {
		return netip.Prefix{}
	}
	return netip.PrefixFrom(address, int(bits)).Masked()
}
