// Package ruleset reads the rules of nftables, of one chain or of a whole table at once.
//
// Begin with [Read].
package ruleset

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"nmgre/routes/netlink/wire"
)

// The library finds the byte order at its first use. Two first uses at once would be a race.
var _ = nl.NativeEndian()

// Max is the number of rules that are read at most, by one call of [Read].
const Max = 100_000

// Read asks the kernel for the rules of one chain, or of all chains of the table if the name is
// empty, and returns them by the names of their chains. The library can only ask for one chain at a
// time, and leaves out expressions that it cannot read. Here a rule has nil in the place of each of
// them. The error is the kernel's, or that there are too many.
func Read(table *nftables.Table, chain string) (chains map[string][]*nftables.Rule, err error) {
	chains = make(map[string][]*nftables.Rule)
	req := nl.NewNetlinkRequest(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_GETRULE, unix.NLM_F_DUMP)
	req.AddData(&nl.Nfgenmsg{NfgenFamily: uint8(table.Family), Version: nl.NFNETLINK_V0})
	req.AddRawData(wire.AppendAttribute(nil, unix.NFTA_RULE_TABLE, []byte(table.Name+"\x00")))
	if chain != "" {
		req.AddRawData(wire.AppendAttribute(nil, unix.NFTA_RULE_CHAIN, []byte(chain+"\x00")))
	}
	n := 0
	err = req.ExecuteIter(unix.NETLINK_NETFILTER, 0, func(message []byte) bool {
		if n++; n > Max {
			return false
		}
		// the reader uses the message's memory again
		r := readRule(byte(table.Family), slices.Clone(message))
		chains[r.Chain.Name] = append(chains[r.Chain.Name], r)
		return true
	})
	switch {
	case n > Max:
		err = errors.New("too many rules")
	case errors.Is(err, nl.ErrDumpInterrupted): // somebody has just changed them
		err = nil
	}
	return chains, err
}

// readRule reads the kernel's message about a rule.
func readRule(family byte, message []byte) *nftables.Rule {
	r := &nftables.Rule{Chain: &nftables.Chain{}}
	err := wire.EachAttribute(message[min(nl.SizeofNfgenmsg, len(message)):], func(kind uint16, value []byte) error {
		switch kind {
		case unix.NFTA_RULE_CHAIN:
			r.Chain.Name = strings.TrimRight(string(value), "\x00")
		case unix.NFTA_RULE_HANDLE:
			if len(value) == 8 {
				r.Handle = binary.BigEndian.Uint64(value)
			}
		case unix.NFTA_RULE_EXPRESSIONS:
			return wire.EachAttribute(value, func(_ uint16, element []byte) error {
				r.Exprs = append(r.Exprs, readExpr(family, element))
				return nil
			})
		}
		return nil
	})
	if err != nil {
		r.Exprs = append([]expr.Any{nil}, r.Exprs...)
	}
	return r
}

// readExpr reads an expression. It returns nil if it cannot.
func readExpr(family byte, element []byte) expr.Any {
	var name string
	var data []byte
	err := wire.EachAttribute(element, func(kind uint16, value []byte) error {
		switch kind {
		case unix.NFTA_EXPR_NAME:
			name = strings.TrimRight(string(value), "\x00")
		case unix.NFTA_EXPR_DATA:
			data = value
		}
		return nil
	})
	e := newExpr(name)
	if err != nil || e == nil || !unmarshal(family, data, e) {
		return nil
	}
	if immediate, ok := e.(*expr.Immediate); ok && immediate.Register == unix.NFT_REG_VERDICT && len(immediate.Data) == 0 {
		verdict := &expr.Verdict{}
		if !unmarshal(family, data, verdict) {
			return nil
		}
		return verdict
	}
	return e
}

// unmarshal has the library read an expression, and reports whether it could. The library (0.3.0)
// takes the lengths of some values for granted, and panics where they are others.
func unmarshal(family byte, data []byte, e expr.Any) (could bool) {
	defer func() {
		if recover() != nil {
			could = false
		}
	}()
	return expr.Unmarshal(family, data, e) == nil
}

// newExpr returns an expression of a kind that walks know; nil for others.
func newExpr(name string) expr.Any {
	switch name {
	case "bitwise":
		return &expr.Bitwise{}
	case "cmp":
		return &expr.Cmp{}
	case "counter":
		return &expr.Counter{}
	case "ct":
		return &expr.Ct{}
	case "fib":
		return &expr.Fib{}
	case "immediate":
		return &expr.Immediate{}
	case "log":
		return &expr.Log{}
	case "lookup":
		return &expr.Lookup{}
	case "masq":
		return &expr.Masq{}
	case "match":
		return &expr.Match{}
	case "meta":
		return &expr.Meta{}
	case "nat":
		return &expr.NAT{}
	case "notrack":
		return &expr.Notrack{}
	case "objref":
		return &expr.Objref{}
	case "payload":
		return &expr.Payload{}
	case "queue":
		return &expr.Queue{}
	case "range":
		return &expr.Range{}
	case "redir":
		return &expr.Redir{}
	case "reject":
		return &expr.Reject{}
	case "target":
		return &expr.Target{}
	}
	return nil
}
