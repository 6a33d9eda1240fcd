package gateway

import (
	"encoding/binary"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// outer is a tunnel's outer packet, or another one whose addresses are known, on its way through
// one chain after the other. The methods that walks call take nil for a forwarded packet, of which
// they know nothing.
type outer struct {
	header [40]byte // of IP, without options
	known  [40]bool // which of its bytes are known
	family nftables.TableFamily
	out    bool // it leaves this host
	// transit says that neither address is one of this host's.
	transit  bool
	protocol byte // the IP protocol number; 0 if it is not known
	reply    bool // it belongs to a tracked connection that both ends have used
	// early says that the packet has not come to the connection tracking yet.
	early bool
	// untracked says whether rules have exempted it from the connection tracking.
	untracked answer
	// marked says that rules may have given it or its connection a mark. Else it has none.
	marked bool
}

// The states of connection tracking, as bits of nft's (linux/netfilter/nf_conntrack_common.h).
const (
	stateInvalid     = 1
	stateEstablished = 2
	stateNew         = 8
	stateUntracked   = 64
)

// newOuter returns a packet of IP protocol 47. Addresses that are not valid are not known.
func newOuter(from, to netip.Addr, is4 bool) *outer {
	o := newPacket(from, to, is4)
	o.protocol = unix.IPPROTO_GRE
	if is4 {
		o.put(9, unix.IPPROTO_GRE)
	}
	return o
}

// newPacket returns a packet of an unknown protocol.
func newPacket(from, to netip.Addr, is4 bool) *outer {
	o := &outer{family: nftables.TableFamilyIPv6, untracked: no}
	h := headerOf(snat6)
	if is4 {
		o.family, h = nftables.TableFamilyIPv4, headerOf(snat4)
		o.put(0, 0x45) // version 4, no options
	}
	// The next header of IPv6 may be that of an option in front of GRE: the encapsulation limit,
	// which Linux sends by default (RFC 2473).
	for at, address := range map[uint32]netip.Addr{h.source: from, h.destination: to} {
		if address.IsValid() && !address.IsUnspecified() {
			o.put(at, address.Unmap().AsSlice()...)
		}
	}
	return o
}

// put sets bytes of the header.
func (o *outer) put(at uint32, value ...byte) {
	for i, b := range value {
		o.header[int(at)+i], o.known[int(at)+i] = b, true
	}
}

// payload returns bytes of the packet; nil if one of them is not known.
func (o *outer) payload(e *expr.Payload) []byte {
	end := uint64(e.Offset) + uint64(e.Len)
	if o == nil || e.Base != expr.PayloadBaseNetworkHeader || e.Len == 0 || end > uint64(len(o.header)) {
		return nil
	}
	for _, known := range o.known[e.Offset:end] {
		if !known {
			return nil
		}
	}
	return o.header[e.Offset:end]
}

// address returns the source or the destination; false if it is not known.
func (o *outer) address(source bool) (netip.Addr, bool) {
	h, size := headerOf(snat4), uint32(4)
	if o.family == nftables.TableFamilyIPv6 {
		h, size = headerOf(snat6), 16
	}
	at := h.destination
	if source {
		at = h.source
	}
	a, _ := netip.AddrFromSlice(o.header[at : at+size])
	return a, o.known[at]
}

// meta returns the value of a meta key; nil if it is not known.
func (o *outer) meta(p packet, key expr.MetaKey) []byte {
	switch key {
	case expr.MetaKeyL4PROTO:
		return o.l4proto()
	case expr.MetaKeyPROTOCOL:
		if o.family == nftables.TableFamilyIPv4 {
			return binary.BigEndian.AppendUint16(nil, unix.ETH_P_IP)
		}
		return binary.BigEndian.AppendUint16(nil, unix.ETH_P_IPV6)
	case expr.MetaKeyPKTTYPE:
		if o.out {
			return nil
		}
		return []byte{unix.PACKET_HOST}
	case expr.MetaKeyMARK:
		return o.mark()
	case expr.MetaKeyIIFNAME, expr.MetaKeyIIF:
		if !o.out && p.in == "" {
			return nil
		}
	case expr.MetaKeyOIFNAME, expr.MetaKeyOIF:
		if o.out && p.out == "" {
			return nil
		}
	default:
	}
	return p.meta(key)
}

func (o *outer) mark() []byte {
	if o.marked {
		return nil
	}
	return nativeUint32(0)
}

// ct returns the value of a connection tracking key; nil if it is not known. The connection is not
// one that NAT has changed.
func (o *outer) ct(e *expr.Ct) []byte {
	const seenReply, assured, confirmed = 2, 4, 8
	state, known := o.state()
	switch {
	case e.Register == 0: // it is set
		o.marked = true
	case e.Key == expr.CtKeySTATE && known:
		return nativeUint32(state)
	case state != stateNew && state != stateEstablished:
	case e.Key == expr.CtKeySTATUS && state == stateNew:
		return nativeUint32(0)
	case e.Key == expr.CtKeySTATUS:
		return nativeUint32(seenReply | assured | confirmed)
	case e.Key == expr.CtKeyMARK:
		return o.mark()
	case e.Key == expr.CtKeyDIRECTION && !o.reply: // it is the first of its connection
		return []byte{0}
	case e.Key == expr.CtKeyPROTOCOL:
		return o.l4proto()
	}
	return nil
}

func (o *outer) l4proto() []byte {
	if o.protocol == 0 {
		return nil
	}
	return []byte{o.protocol}
}

// state returns the packet's state in the connection tracking; false if that is not known.
func (o *outer) state() (state uint32, known bool) {
	switch {
	case o.untracked != no:
		return stateUntracked, o.untracked == yes
	case o.early:
		return stateInvalid, true
	case o.reply:
		return stateEstablished, true
	}
	return stateNew, true
}

// exempt takes the packet off the connection tracking.
func (o *outer) exempt(sure bool) {
	switch {
	case o == nil:
	case sure:
		o.untracked = yes
	case o.untracked == no:
		o.untracked = unsure
	}
}

// sets notes that an expression gives the packet a mark.
func (w *walk) sets(e *expr.Meta) {
	if w.outer != nil && e.SourceRegister && e.Key == expr.MetaKeyMARK {
		w.outer.marked = true
	}
}

// fib returns the result of a question about routes; nil if it is not known. This host has the
// address that a packet comes in for, and a route to the far end.
func (o *outer) fib(e *expr.Fib) []byte {
	if o == nil || !e.ResultADDRTYPE || e.FlagIIF || e.FlagOIF {
		return nil
	}
	source := e.FlagSADDR
	if _, known := o.address(source); !known {
		return nil
	}
	if source == o.out && !o.transit {
		return nativeUint32(unix.RTN_LOCAL)
	}
	return nativeUint32(unix.RTN_UNICAST)
}
