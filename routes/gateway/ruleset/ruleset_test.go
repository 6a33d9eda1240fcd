package ruleset

import (
	"encoding/binary"
	"testing"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"nmgre/routes/netlink/wire"
)

// element makes an expression as the kernel sends it.
func element(name string, data []byte) []byte {
	b := wire.AppendAttribute(nil, unix.NFTA_EXPR_NAME, []byte(name+"\x00"))
	if data != nil {
		b = wire.AppendAttribute(b, unix.NFTA_EXPR_DATA|unix.NLA_F_NESTED, data)
	}
	return wire.AppendAttribute(nil, unix.NFTA_LIST_ELEM|unix.NLA_F_NESTED, b)
}

// message makes the kernel's message about a rule: notrack, one of a kind that is not known, and
// drop.
func message() []byte {
	code := wire.AppendAttribute(nil, unix.NFTA_VERDICT_CODE, make([]byte, 4)) // NF_DROP
	verdict := wire.AppendAttribute(nil, unix.NFTA_DATA_VERDICT|unix.NLA_F_NESTED, code)
	// the verdict's register
	drop := wire.AppendAttribute(nil, unix.NFTA_IMMEDIATE_DREG, make([]byte, 4))
	drop = wire.AppendAttribute(drop, unix.NFTA_IMMEDIATE_DATA|unix.NLA_F_NESTED, verdict)
	list := append(element("notrack", nil), element("osf", []byte{4, 0, 1, 0})...)
	list = append(list, element("immediate", drop)...)
	b := []byte{unix.AF_INET, 0, 0, 0}
	b = wire.AppendAttribute(b, unix.NFTA_RULE_CHAIN, []byte("input\x00"))
	b = wire.AppendAttribute(b, unix.NFTA_RULE_HANDLE, binary.BigEndian.AppendUint64(nil, 7))
	return wire.AppendAttribute(b, unix.NFTA_RULE_EXPRESSIONS|unix.NLA_F_NESTED, list)
}

// A rule keeps the place of an expression that cannot be read.
func TestReadRule(t *testing.T) {
	r := readRule(unix.NFPROTO_IPV4, message())
	if r.Chain.Name != "input" || r.Handle != 7 || len(r.Exprs) != 3 || r.Exprs[1] != nil {
		t.Fatalf("%+v", r)
	}
	if _, ok := r.Exprs[0].(*expr.Notrack); !ok {
		t.Errorf("%T", r.Exprs[0])
	}
	if v, ok := r.Exprs[2].(*expr.Verdict); !ok || v.Kind != expr.VerdictDrop {
		t.Errorf("%T, %+v", r.Exprs[2], r.Exprs[2])
	}
}

// A message that is cut off makes a rule with nil at its beginning or its end, and is not read past
// its end.
func TestReadRuleCut(t *testing.T) {
	whole := message()
	for n := range whole {
		r := readRule(unix.NFPROTO_IPV4, whole[:n:n])
		if len(r.Exprs) > 0 && r.Exprs[len(r.Exprs)-1] != nil && r.Exprs[0] != nil {
			t.Errorf("%d bytes: %+v", n, r.Exprs)
		}
	}
}

// An expression about which the library panics cannot be read.
func TestReadPanics(t *testing.T) {
	register := wire.AppendAttribute(nil, unix.NFTA_IMMEDIATE_DREG, make([]byte, 4))
	if !unmarshal(unix.NFPROTO_IPV4, register, &expr.Immediate{}) {
		t.Error("a whole one cannot be read")
	}
	if unmarshal(unix.NFPROTO_IPV4, register, (*expr.Immediate)(nil)) {
		t.Error("it was read into nothing")
	}
}

func FuzzReadRule(f *testing.F) {
	f.Add(message())
	f.Fuzz(func(t *testing.T, in []byte) {
		if r := readRule(unix.NFPROTO_IPV4, in); len(r.Exprs) > len(in)+1 {
			t.Errorf("%d expressions", len(r.Exprs))
		}
	})
}
