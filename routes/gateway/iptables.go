package gateway

import (
	"bytes"
	"encoding/binary"

	"nmgre/routes/gateway/registers"

	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
	"golang.org/x/sys/unix"
)

// match evaluates a match of iptables.
func (w *walk) match(e *expr.Match) answer {
	switch info := e.Info.(type) {
	case *xt.ConntrackMtinfo1:
		return w.conntrack(uint16(info.StateMask), info.MatchFlags, info.InvertFlags)
	case *xt.ConntrackMtinfo2:
		return w.conntrack(info.StateMask, info.MatchFlags, info.InvertFlags)
	case *xt.ConntrackMtinfo3:
		return w.conntrack(info.StateMask, info.MatchFlags, info.InvertFlags)
	case *xt.AddrType:
		return w.outer.addrType(info.Source, info.Dest, info.InvertSource, info.InvertDest)
	case *xt.AddrTypeV1:
		const invertSource, invertDest, limits = 1, 2, 4 | 8
		if info.Flags&limits == 0 {
			return w.outer.addrType(info.Source, info.Dest, info.Flags&invertSource != 0, info.Flags&invertDest != 0)
		}
	case *xt.Unknown:
		return w.outer.match(e.Name, e.Rev, *info)
	}
	if e.Name == "comment" {
		return yes
	}
	return unsure
}

// conntrack evaluates the match conntrack, or state, which asks only for the state.
func (w *walk) conntrack(states, flags, inverted uint16) answer {
	const state, alias = 1, 1 << 13 // XT_CONNTRACK_STATE, XT_CONNTRACK_STATE_ALIAS
	bit, known := w.conntrackState()
	switch {
	case flags&state == 0 || !known:
		return unsure
	case states&bit != 0 == (inverted&state != 0):
		return no
	case flags&^alias == state:
		return yes
	}
	return unsure
}

// conntrackState returns the state's bit, which is nft's but for a packet that is not tracked.
func (w *walk) conntrackState() (bit uint16, known bool) {
	if w.outer == nil {
		return stateNew, true
	}
	const untracked = 1 << 8 // XT_CONNTRACK_STATE_UNTRACKED
	state, known := w.outer.state()
	if state == stateUntracked {
		return untracked, known
	}
	return uint16(state), known
}

// addrType evaluates the match addrtype: masks of the types that the two addresses may have.
func (o *outer) addrType(source, dest uint16, invertSource, invertDest bool) answer {
	if o == nil {
		return unsure
	}
	result := yes
	for _, side := range []struct {
		types    uint16
		inverted bool
		source   bool
	}{{source, invertSource, true}, {dest, invertDest, false}} {
		if side.types == 0 {
			continue
		}
		value := o.fib(&expr.Fib{ResultADDRTYPE: true, FlagSADDR: side.source, FlagDADDR: !side.source})
		switch {
		case value == nil:
			result = unsure
		case side.types>>binary.NativeEndian.Uint32(value)&1 != 0 == side.inverted:
			return no
		}
	}
	return result
}

// match evaluates a match that the library leaves encoded, in this machine's byte order.
func (o *outer) match(name string, revision uint32, info []byte) answer {
	switch {
	case o == nil:
	case name == "mark" && len(info) >= 9: // struct xt_mark_mtinfo1
		value := o.mark()
		if value == nil {
			return unsure
		}
		is := registers.YesIf(binary.NativeEndian.Uint32(value)&binary.NativeEndian.Uint32(info[4:]) == binary.NativeEndian.Uint32(info))
		if info[8] != 0 {
			return is.Not()
		}
		return is
	case name == "pkttype" && len(info) >= 8 && !o.out: // struct xt_pkttype_info
		is := registers.YesIf(binary.NativeEndian.Uint32(info) == unix.PACKET_HOST)
		if binary.NativeEndian.Uint32(info[4:]) != 0 {
			return is.Not()
		}
		return is
	case name == "iprange" && revision == 1 && len(info) >= 65: // struct xt_iprange_mtinfo
		return o.ranges(info)
	}
	return unsure
}

// ranges evaluates the match iprange.
func (o *outer) ranges(info []byte) answer {
	const source, dest, notSource, notDest = 1, 2, 1 << 4, 1 << 5
	flags, result := info[64], yes
	for i, side := range []struct{ asked, inverted byte }{{source, notSource}, {dest, notDest}} {
		if flags&side.asked == 0 {
			continue
		}
		address, known := o.address(side.asked == source)
		size := address.BitLen() / 8
		from, to := info[32*i:][:size], info[32*i+16:][:size]
		is := bytes.Compare(from, address.AsSlice()) <= 0 && bytes.Compare(address.AsSlice(), to) <= 0
		switch {
		case !known:
			result = unsure
		case is == (flags&side.inverted != 0):
			return no
		}
	}
	return result
}

// target carries out a target of iptables. It returns a verdict if the target is one.
func (w *walk) target(e *expr.Target, sure bool) *expr.Verdict {
	switch e.Name {
	case "REJECT":
		return &expr.Verdict{Kind: expr.VerdictDrop}
	case "NFQUEUE":
		return &expr.Verdict{Kind: expr.VerdictQueue}
	case "SNAT", "DNAT", "MASQUERADE", "REDIRECT", "NETMAP":
		w.nat = targetBinding(e)
		return &expr.Verdict{Kind: expr.VerdictAccept}
	case "MARK", "CONNMARK":
		if w.outer != nil {
			w.outer.marked = true
		}
	case "CT":
		const notrack = 1 // XT_CT_NOTRACK, in struct xt_ct_target_info_v1
		if info, ok := e.Info.(*xt.Unknown); ok && len(*info) >= 2 && binary.NativeEndian.Uint16(*info)&notrack != 0 {
			w.outer.exempt(sure)
		}
	case "NOTRACK":
		w.outer.exempt(sure)
	}
	return nil
}
