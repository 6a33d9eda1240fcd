package gateway

import (
	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"nmgre/routes/gateway/registers"
	"nmgre/routes/gateway/ruleset"
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
	maxRules = ruleset.Max
)

// walk takes a packet through the rules of one table, as the kernel would. A rule that asks for an
// unknown value of the packet, such as its addresses, counts as not matching. If such a rule would
// accept the packet, perhaps is set.
type walk struct {
	rulesOf func(chain string) []*nftables.Rule
	// inSet reports whether a set has a key, and returns the key's verdict in a map of verdicts.
	inSet   func(set string, key []byte) (*expr.Verdict, answer)
	packet  packet
	outer   *outer // more that is known of a tunnel's outer packet; nil of a forwarded one
	perhaps bool
	chains  []string // the chains that the packet has passed
	seen    int      // how many rules it has passed
	by      place    // the rule that has decided; the zero place where none has
	nat     *binding // NAT that was decided on
	guess   *binding // NAT by the first rule that may match
}

// place is a rule in a chain.
type place struct {
	chain  string
	handle uint64
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
		w.nat = nil
		verdict, sure := w.rule(r.Exprs)
		if verdict == nil {
			continue
		}
		here := place{name, r.Handle}
		if !sure {
			w.mayDecide(verdict.Kind, here)
			continue
		}
		switch verdict.Kind {
		case expr.VerdictAccept:
			w.by = here
			return accepted
		case expr.VerdictDrop:
			w.by = here
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

// mayDecide notes a verdict of a rule that perhaps matches.
func (w *walk) mayDecide(kind expr.VerdictKind, by place) {
	switch {
	case w.nat != nil:
		if w.guess == nil {
			w.guess = w.nat
			w.guess.by = by
		}
		w.nat = nil
	case kind == expr.VerdictReturn: // past a rule that drops
		w.perhaps = w.perhaps || w.outer != nil
	case kind != expr.VerdictDrop:
		w.perhaps = true
	}
}

// rule returns a rule's verdict on the packet, or nil, and whether the packet surely matches.
func (w *walk) rule(exprs []expr.Any) (verdict *expr.Verdict, sure bool) {
	var regs registers.File
	sure = true
	for _, e := range exprs {
		if v := w.decision(e, &regs, sure); v != nil {
			return v, sure
		}
		a := w.test(e, &regs, &verdict)
		if a == no {
			return nil, false
		}
		sure = sure && a != unsure
	}
	return verdict, sure && verdict != nil
}

// decision returns the verdict that an expression is, or nil.
func (w *walk) decision(e expr.Any, regs *registers.File, sure bool) *expr.Verdict {
	switch e := e.(type) {
	case *expr.Verdict:
		return e
	case *expr.Reject:
		return &expr.Verdict{Kind: expr.VerdictDrop}
	case *expr.Queue:
		return &expr.Verdict{Kind: expr.VerdictQueue}
	case *expr.NAT, *expr.Masq, *expr.Redir:
		w.nat = bindingOf(e, regs)
		return &expr.Verdict{Kind: expr.VerdictAccept}
	case *expr.Target:
		return w.target(e, sure)
	case *expr.Notrack:
		w.outer.exempt(sure)
	}
	return nil
}

// test carries out an expression that is no verdict, and returns whether the packet matches. In a
// map of verdicts it sets verdict to the packet's.
func (w *walk) test(e expr.Any, regs *registers.File, verdict **expr.Verdict) answer {
	switch e := e.(type) {
	case *expr.Meta:
		w.sets(e)
		regs.Set(e.Register, w.meta(e.Key), e.SourceRegister)
	case *expr.Ct:
		regs.Set(e.Register, w.ct(e), e.Register == 0)
	case *expr.Payload:
		regs.Set(e.DestRegister, w.outer.payload(e), e.OperationType == expr.PayloadWrite)
	case *expr.Fib:
		value := w.outer.fib(e)
		if regs.Set(e.Register, value, false); value == nil {
			return unsure
		}
	case *expr.Bitwise:
		regs.Bitwise(e)
	case *expr.Immediate:
		regs.Set(e.Register, e.Data, false)
	case *expr.Cmp:
		return regs.Compare(e)
	case *expr.Range:
		return regs.Within(e)
	case *expr.Lookup:
		return w.lookup(regs, e, verdict)
	case *expr.Match:
		return w.match(e)
	case *expr.Objref:
		const quota, limit, connlimit = 2, 4, 5 // NFT_OBJECT_...
		if e.Type == quota || e.Type == limit || e.Type == connlimit {
			return unsure
		}
	case *expr.Counter, *expr.Log, *expr.Target, *expr.Notrack:
	case nil: // one that cannot be read, and that may have loaded any register
		*regs = registers.File{}
		return unsure
	default: // such as a limit
		return unsure
	}
	return yes
}

// answer says whether a packet matches.
type answer = registers.Answer

const (
	yes    = registers.Yes
	no     = registers.No
	unsure = registers.Unsure
)

// meta returns the value of a meta key; nil if it is not known.
func (w *walk) meta(key expr.MetaKey) []byte {
	if w.outer != nil {
		return w.outer.meta(w.packet, key)
	}
	return w.packet.meta(key)
}

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

// ct returns the value of a connection tracking key; nil if it is not known. A forwarded packet
// begins a connection.
func (w *walk) ct(e *expr.Ct) []byte {
	switch {
	case w.outer != nil:
		return w.outer.ct(e)
	case e.Key == expr.CtKeySTATE:
		return nativeUint32(stateNew)
	case e.Key == expr.CtKeySTATUS:
		return nativeUint32(0)
	}
	return nil
}

// lookup evaluates a lookup in a set. In a map of verdicts it sets verdict to that of the key.
func (w *walk) lookup(regs *registers.File, e *expr.Lookup, verdict **expr.Verdict) answer {
	key, known := regs.From(e.SourceRegister)
	if !known || e.IsDestRegSet && e.DestRegister != unix.NFT_REG_VERDICT {
		return unsure
	}
	stands, found := w.inSet(e.SetName, key)
	regs.Set(e.SourceRegister, nil, false)
	if e.IsDestRegSet && found == yes {
		*verdict = stands
	}
	if e.Invert {
		return found.Not()
	}
	return found
}
