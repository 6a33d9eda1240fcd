package gateway

import (
	"cmp"
	"context"
	"errors"
	"os"
	"slices"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/userdata"
	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
	"nmgre/routes/keep"
)

// tableName is the name of nmgre's tables.
const tableName = "nmgre"

// Gateway is this host's kernel. It implements [keep.Gateway]. Several goroutines may use it at
// once.
type Gateway struct {
	proc string // the folder of the sysctls
}

var _ keep.Gateway = (*Gateway)(nil)

// New returns this host's kernel. It opens nothing yet.
func New() *Gateway { return &Gateway{proc: "/proc/sys/net"} }

// Bounds of the sockets to nftables. A transaction is one message to the kernel, and the answers to
// all its parts wait in the socket when it is done. The buffer has room for 30,000 rules.
const (
	socketBuffer  = 32 << 20 // bytes
	socketTimeout = time.Minute
)

// socket has the methods of the library's sockets that are used here.
type socket interface {
	SetReadBuffer(bytes int) error
	SetWriteBuffer(bytes int) error
	SetDeadline(t time.Time) error
}

// dial opens nftables. Every read and write ends by ctx's deadline, or after a minute, because the
// library waits for answers that the kernel does not always give. Without other options each
// request has a socket of its own.
func dial(ctx context.Context, more ...nftables.ConnOption) (*nftables.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	deadline := time.Now().Add(socketTimeout)
	if end, ok := ctx.Deadline(); ok && end.Before(deadline) {
		deadline = end
	}
	return nftables.New(append(more, eachSocket(nftables.WithSockOptions, func(s socket) error {
		// A caller that may not exceed the usual size may not set rules either.
		_, _ = s.SetReadBuffer(socketBuffer), s.SetWriteBuffer(socketBuffer)
		return s.SetDeadline(deadline)
	}))...)
}

// eachSocket returns the option that calls f with every socket. The sockets' type belongs to a
// module that is not imported here, so the compiler infers it.
func eachSocket[Option ~func(S) error, S socket](with func(...Option) nftables.ConnOption, f func(socket) error) nftables.ConnOption {
	return with(func(s S) error { return f(s) })
}

// read returns nmgre's tables, as the kernel has them.
func read(conn *nftables.Conn) (map[chain]state, error) {
	const attempt = "read nmgre's rules"
	tables, err := conn.ListTables()
	if err != nil {
		return nil, failed(attempt, err)
	}
	have := make(map[chain]state)
	for _, c := range chains {
		at := slices.IndexFunc(tables, func(t *nftables.Table) bool { return t.Name == tableName && t.Family == c.family })
		if at < 0 {
			continue
		}
		st, err := readTable(conn, c, tables[at])
		if err != nil {
			return nil, failed(attempt, err)
		}
		have[c] = st
	}
	return have, nil
}

// state is the state of one of nmgre's tables.
type state struct {
	sound bool   // packets pass its rules, where nmgre wants them to
	rules []text // in their order
}

// dormant is NFT_TABLE_F_DORMANT, in either byte order: the library reads the kernel's number in
// the wrong one.
const dormant = 1 | 1<<24

func readTable(conn *nftables.Conn, c chain, table *nftables.Table) (state, error) {
	list, err := conn.ListChainsOfTableFamily(c.family)
	if err != nil {
		return state{}, err
	}
	want := c.kernel(table)
	at := slices.IndexFunc(list, func(k *nftables.Chain) bool { return k.Table != nil && k.Table.Name == tableName && k.Name == c.name })
	if at < 0 || table.Flags&dormant != 0 || !sameHook(list[at], want) {
		return state{}, nil
	}
	rules, err := conn.GetRules(table, want)
	if err != nil {
		return state{}, err
	}
	st := state{sound: priorityOf(list[at]) == *want.Priority} // those of an older nmgre's chain are rules all the same
	for _, r := range rules {
		comment, _ := userdata.GetString(r.UserData, userdata.TypeComment)
		st.rules = append(st.rules, text{c, comment, r.Exprs})
	}
	return st, nil
}

// sameHook reports whether two chains have the same type and hook. It is false if a has none.
func sameHook(a, b *nftables.Chain) bool {
	return a.Type == b.Type && a.Hooknum != nil && *a.Hooknum == *b.Hooknum && a.Priority != nil
}

// Missing returns the indexes of the rules of want that the kernel does not have, in ascending
// order.
func (g *Gateway) Missing(ctx context.Context, want []keep.Rule) ([]int, error) {
	if len(want) == 0 {
		return nil, nil
	}
	conn, err := dial(ctx)
	if err != nil {
		return nil, failed("read nmgre's rules", err)
	}
	have, err := read(conn)
	if err != nil {
		return nil, err
	}
	return missing(have, want), nil
}

// missing returns the indexes of the rules that are not in nmgre's tables.
func missing(have map[chain]state, want []keep.Rule) (list []int) {
	there := make(map[string]bool)
	for _, st := range have {
		for _, t := range st.rules {
			there[t.key()] = true
		}
	}
	for i, r := range want {
		if slices.ContainsFunc(rulesOf(r), func(t text) bool { return !there[t.key()] }) {
			list = append(list, i)
		}
	}
	return list
}

// SetRules makes nmgre's rules those of want, in one transaction, and reports whether they were
// different. Tables without a rule are removed. If one destination of a tunnel contains another,
// the longer prefix counts, as with routes. Connections that the new rules treat differently are
// removed from the connection tracking table.
//
// It fails with ErrNotPermitted without root, and with ErrUnsupported if the kernel lacks a part of
// nftables. If only some kinds of rules need that part, the others are set, and the error is a
// [keep.RefusedRules].
func (g *Gateway) SetRules(ctx context.Context, want []keep.Rule) (bool, error) {
	changed, err := g.setRules(ctx, want)
	if isRefused(err) {
		return g.setKinds(ctx, want)
	}
	return changed, err
}

// setRules is SetRules for rules that the kernel takes all or none of.
func (g *Gateway) setRules(ctx context.Context, want []keep.Rule) (bool, error) {
	const attempt = "set nmgre's rules"
	conn, err := dial(ctx)
	if err != nil {
		return false, failed(attempt, err)
	}
	have, err := read(conn)
	if err != nil {
		return false, err
	}
	wanted := make(map[chain][]text)
	for _, r := range byLength(want) {
		for _, t := range rulesOf(r) {
			wanted[t.chain] = append(wanted[t.chain], t)
		}
	}
	var changed []chain
	for _, c := range chains {
		st, there := have[c]
		if len(wanted[c]) == 0 && there || len(wanted[c]) > 0 && !(st.sound && slices.EqualFunc(st.rules, wanted[c], text.equal)) {
			changed = append(changed, c)
		}
	}
	if len(changed) == 0 {
		return false, nil
	}
	if err := replace(conn, changed, wanted); err != nil {
		return false, refusal{failed(attempt, err)}
	}
	return true, dropFlows(ctx, snatOf(have), snatOf(map[chain]state{snat4: {rules: wanted[snat4]}, snat6: {rules: wanted[snat6]}}))
}

// byLength sorts rules by their destinations, longer prefixes first: the first rule that matches
// decides.
func byLength(rules []keep.Rule) []keep.Rule {
	return slices.SortedStableFunc(slices.Values(rules), func(a, b keep.Rule) int { return cmp.Compare(b.SNAT.Dst.Bits(), a.SNAT.Dst.Bits()) })
}

// replace sends the transaction. It deletes the tables of the changed chains, and adds them again
// with the wanted rules.
func replace(conn *nftables.Conn, changed []chain, wanted map[chain][]text) error {
	for _, c := range changed {
		table := &nftables.Table{Name: tableName, Family: c.family}
		conn.AddTable(table) // because deleting a missing table is an error
		conn.DelTable(table)
		if len(wanted[c]) == 0 {
			continue
		}
		conn.AddTable(table)
		kernel := conn.AddChain(c.kernel(table))
		for _, t := range wanted[c] {
			conn.AddRule(&nftables.Rule{Table: table, Chain: kernel, Exprs: t.exprs, UserData: userdata.AppendString(nil, userdata.TypeComment, t.comment)})
		}
	}
	return conn.Flush()
}

// failed gives the kernel's answer its kind of error, with a hint.
func failed(attempt string, err error) error {
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return &fault.Error{Kind: fault.ErrNotPermitted, What: attempt, Hint: "run it with sudo", Err: err}
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.ENOENT), errors.Is(err, unix.EAFNOSUPPORT):
		return &fault.Error{Kind: fault.ErrUnsupported, What: attempt + ": this kernel lacks a part of nftables", Hint: "load the modules nf_tables and nft_chain_nat", Err: err}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &fault.Error{Kind: fault.ErrTimeout, What: attempt, Err: err}
	}
	return &fault.Error{What: attempt, Err: err}
}
