package gateway

import (
	"bytes"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
	"golang.org/x/sys/unix"
)

// packet is the first packet of a forwarded connection, with the values that are known of it.
type packet struct {
	in, out           string // devices
	inIndex, outIndex int    // their indexes
	family            nftables.TableFamily
}

// fate is the result of rules for a packet.
type fate int

const (
	undecided fate = iota
	accepted
	dropped
)

// Bounds of a walk through other programs' rules.
const (
	maxDepth = 16 // the kernel's own, NFT_JUMP_STACK_SIZE
	maxRules = 100_000
)

// walk takes a packet through the rules of one table, as the kernel would. A rule that asks for an
// unknown value of the packet, such as its addresses, counts as not matching. If such a rule would
// accept the packet, perhaps is set.
type walk struct {
	rulesOf func(chain string) []*nftables.Rule
	// inSet reports whether a set has a key, and returns the key's verdict in a map of verdicts.
	inSet   func(set string, key []byte) (*expr.Verdict, answer)
	packet  packet
	perhaps bool
	chains  []string // the chains that the packet has passed
	seen    int      // how many rules it has passed
}

// chain returns the packet's fate in a chain and in those that the chain leads to. The depth is the
// number of jumps to it.
func (w *walk) chain(name string, depth int) fate {
	w.chains = append(w.chains, name)
	if depth > maxDepth {
		return undecided
	}
	for _, r := range w.rulesOf(name) {
		if w.seen++; w.seen > maxRules {
			w.perhaps = true
			return undecided
		}
		verdict, sure := w.rule(r.Exprs)
		if verdict == nil {
			continue
		}
		if !sure {
			w.perhaps = w.perhaps || verdict.Kind != expr.VerdictDrop && verdict.Kind != expr.VerdictReturn
			continue
		}
		switch verdict.Kind {
		case expr.VerdictAccept:
			return accepted
		case expr.VerdictDrop:
			return dropped
		case expr.VerdictJump:
			if f := w.chain(verdict.Chain, depth+1); f != undecided {
				return f
			}
		case expr.VerdictGoto:
			return w.chain(verdict.Chain, depth+1)
		case expr.VerdictReturn:
			return undecided
		default: // such as a queue to a program
			w.perhaps = true
		}
	}
	return undecided
}

// rule returns a rule's verdict on the packet, or nil, and whether the packet surely matches.
func (w *walk) rule(exprs []expr.Any) (verdict *expr.Verdict, sure bool) {
	var regs registers
	sure = true
	for _, e := range exprs {
		var a answer
		switch e := e.(type) {
		case *expr.Verdict:
			return e, sure
		case *expr.Reject:
			return &expr.Verdict{Kind: expr.VerdictDrop}, sure
		case *expr.Target:
			if e.Name == "REJECT" {
				return &expr.Verdict{Kind: expr.VerdictDrop}, sure
			}
		case *expr.Meta:
			regs.set(e.Register, w.packet.meta(e.Key), e.SourceRegister)
		case *expr.Ct:
			regs.set(e.Register, ctOf(e.Key), e.SourceRegister)
		case *expr.Payload:
			regs.set(e.DestRegister, nil, e.OperationType == expr.PayloadWrite)
		case *expr.Bitwise:
			regs.bitwise(e)
		case *expr.Cmp:
			a = regs.compare(e)
		case *expr.Lookup:
			a = w.lookup(&regs, e, &verdict)
		case *expr.Match:
			a = match(e)
		case *expr.Immediate:
			regs.set(e.Register, e.Data, false)
		case *expr.Counter, *expr.Log, *expr.Objref:
		default: // such as a limit, or an expression that nmgre does not know
			a = unsure
		}
		if a == no {
			return nil, false
		}
		sure = sure && a != unsure
	}
	return verdict, sure && verdict != nil
}

// answer says whether a packet matches.
type answer int

const (
	yes answer = iota
	no
	unsure
)

// meta returns the value of a meta key for the packet; nil if it is not known.
func (p packet) meta(key expr.MetaKey) []byte {
	switch key {
	case expr.MetaKeyIIFNAME:
		return deviceName(p.in)
	case expr.MetaKeyOIFNAME:
		return deviceName(p.out)
	case expr.MetaKeyIIF:
		return nativeUint32(uint32(p.inIndex)) //nolint:gosec // the kernel's own index
	case expr.MetaKeyOIF:
		return nativeUint32(uint32(p.outIndex)) //nolint:gosec // as above
	case expr.MetaKeyNFPROTO:
		return []byte{byte(p.family)}
	default:
		return nil
	}
}

const stateNew = 8 // NF_CT_STATE_BIT(IP_CT_NEW)

// ctOf returns the value of a connection tracking key for a packet that begins a connection; nil if
// it is not known.
func ctOf(key expr.CtKey) []byte {
	switch key {
	case expr.CtKeySTATE:
		return nativeUint32(stateNew)
	case expr.CtKeySTATUS:
		return nativeUint32(0)
	default:
		return nil
	}
}

// match evaluates a match of iptables.
func match(e *expr.Match) answer {
	var states uint16
	var flags, inverted uint16
	switch info := e.Info.(type) {
	case *xt.ConntrackMtinfo1:
		states, flags, inverted = uint16(info.StateMask), info.MatchFlags, info.InvertFlags
	case *xt.ConntrackMtinfo2:
		states, flags, inverted = info.StateMask, info.MatchFlags, info.InvertFlags
	case *xt.ConntrackMtinfo3:
		states, flags, inverted = info.StateMask, info.MatchFlags, info.InvertFlags
	default:
		if e.Name == "comment" {
			return yes
		}
		return unsure
	}
	const state = 1 // XT_CONNTRACK_STATE
	switch {
	case flags&state == 0:
		return unsure
	case states&stateNew != 0 == (inverted&state != 0):
		return no
	case flags == state:
		return yes
	}
	return unsure
}

// lookup evaluates a lookup in a set. In a map of verdicts it sets verdict to that of the key.
func (w *walk) lookup(regs *registers, e *expr.Lookup, verdict **expr.Verdict) answer {
	key, known := regs.from(e.SourceRegister)
	if !known || e.IsDestRegSet && e.DestRegister != unix.NFT_REG_VERDICT {
		return unsure
	}
	stands, found := w.inSet(e.SetName, key)
	regs.set(e.SourceRegister, nil, false)
	if e.IsDestRegSet && found == yes {
		*verdict = stands
	}
	if e.Invert {
		return map[answer]answer{yes: no, no: yes, unsure: unsure}[found]
	}
	return found
}

// registers are the 64 bytes of the kernel's registers. Each byte is known or not.
type registers struct {
	bytes [64]byte
	known [64]bool
}

// at returns the offset of a register in bytes; -1 for others. The bytes are 4 registers of 16
// bytes, numbered from 1, and also 16 registers of 4 bytes, numbered from 8.
func at(register uint32) int {
	switch {
	case register >= unix.NFT_REG_1 && register <= unix.NFT_REG_4:
		return int(register-unix.NFT_REG_1) * 16
	case register >= unix.NFT_REG32_00 && register <= unix.NFT_REG32_15:
		return int(register-unix.NFT_REG32_00) * 4
	}
	return -1
}

// set loads a value into a register; nil is an unknown value. If the expression only reads the
// register, set does nothing.
func (r *registers) set(register uint32, value []byte, reads bool) {
	begin := at(register)
	if begin < 0 || reads {
		return
	}
	size := (len(value) + 3) &^ 3 // the rest of the last four bytes are zeros
	if value == nil {
		size = 16
	}
	for i := begin; i < min(begin+size, len(r.bytes)); i++ {
		r.bytes[i], r.known[i] = 0, value != nil
	}
	copy(r.bytes[begin:], value)
}

// from returns the known bytes from the beginning of a register on.
func (r *registers) from(register uint32) ([]byte, bool) {
	begin := at(register)
	if begin < 0 || !r.known[begin] {
		return nil, false
	}
	end := begin
	for end < len(r.bytes) && r.known[end] {
		end++
	}
	return r.bytes[begin:end], true
}

func (r *registers) bitwise(e *expr.Bitwise) {
	value, known := r.from(e.SourceRegister)
	if !known || len(e.Mask) > len(value) || len(e.Xor) != len(e.Mask) || len(e.Mask) == 0 {
		r.set(e.DestRegister, nil, false)
		return
	}
	result := make([]byte, len(e.Mask))
	for i := range result {
		result[i] = value[i]&e.Mask[i] ^ e.Xor[i]
	}
	r.set(e.DestRegister, result, false)
}

// compare evaluates a comparison. Like lookup, it then forgets the register, because an expression
// that the library cannot read may load another value.
func (r *registers) compare(e *expr.Cmp) answer {
	value, known := r.from(e.Register)
	if !known || len(e.Data) > len(value) || e.Op != expr.CmpOpEq && e.Op != expr.CmpOpNeq {
		return unsure
	}
	same := bytes.Equal(value[:len(e.Data)], e.Data)
	r.set(e.Register, nil, false)
	if same == (e.Op == expr.CmpOpEq) {
		return yes
	}
	return no
}
