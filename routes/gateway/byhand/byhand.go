// Package byhand reads the NAT rules of nftables, and of iptables on nftables, that somebody made
// by hand, and removes some of them. It knows the few forms that nmgre's own SNAT has; of every
// other rule it names the parts that nmgre's has not.
//
// Begin with [Rules.Rules].
package byhand

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
	"nmgre/routes/gateway/legacy"
	"nmgre/routes/gateway/ruleset"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// tableName is the name of nmgre's own tables.
const tableName = "nmgre"

// timeout bounds each read and write: the library waits for answers that the kernel does not always
// give.
const timeout = time.Minute

// Rules is nftables of this host, in the network namespace of the calling thread.
type Rules struct{}

// socket has the method of the library's sockets that is used here.
type socket interface{ SetDeadline(t time.Time) error }

// eachSocket returns the option that calls f with every socket. The sockets' type belongs to a
// module that is not imported here, so the compiler infers it.
func eachSocket[Option ~func(S) error, S socket](with func(...Option) nftables.ConnOption, f func(socket) error) nftables.ConnOption {
	return with(func(s S) error { return f(s) })
}

func dial(ctx context.Context) (*nftables.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	deadline := time.Now().Add(timeout)
	if end, ok := ctx.Deadline(); ok && end.Before(deadline) {
		deadline = end
	}
	return nftables.New(eachSocket(nftables.WithSockOptions, func(s socket) error { return s.SetDeadline(deadline) }))
}

// Rules returns the rules that change the source of packets, but for those of nmgre. It needs
// CAP_NET_ADMIN. A kernel without nftables has none. Rules of iptables-legacy cannot be read: the
// list has one that says so.
func (Rules) Rules(ctx context.Context) ([]kernel.NATRule, error) {
	conn, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	chains, err := conn.ListChains()
	if isAbsent(err) {
		return unread(), nil
	}
	if err != nil {
		return nil, failed(err)
	}
	list := unread()
	for _, c := range chains {
		if c.Table == nil || c.Table.Name == tableName || !slices.Contains(families, c.Table.Family) {
			continue
		}
		base := c.Hooknum != nil
		if base && (c.Type != nftables.ChainTypeNAT || *c.Hooknum != *nftables.ChainHookPostrouting) {
			continue
		}
		rules, err := ruleset.Read(c.Table, c.Name)
		if err != nil && !isAbsent(err) {
			return nil, failed(err)
		}
		for _, r := range rules[c.Name] {
			if n, is := read(c.Table.Family, r.Exprs); is {
				n.Family, n.Table, n.Chain, n.Handle = uint8(c.Table.Family), c.Table.Name, c.Name, r.Handle //nolint:gosec // one of three
				n.Where = n.FamilyWord() + " " + c.Table.Name + " " + c.Name
				if n.Odd == "" && !base {
					n.Odd = "a chain of its own, to which other rules lead"
				}
				list = append(list, n)
			}
		}
	}
	return list, ctx.Err()
}

// families are the families of the tables with rules for packets of IP.
var families = []nftables.TableFamily{nftables.TableFamilyIPv4, nftables.TableFamilyIPv6, nftables.TableFamilyINet}

// unread tells of rules of iptables-legacy, which cannot be read.
func unread() (list []kernel.NATRule) {
	for _, rewrite := range legacy.Rules(keep.OuterPackets{}).Rewrites {
		list = append(list, kernel.NATRule{Where: rewrite.Program + " nat", Odd: rewrite.What, Unread: true})
	}
	return list
}

// isAbsent says whether the kernel has no such thing.
func isAbsent(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EPROTONOSUPPORT) || errors.Is(err, unix.EAFNOSUPPORT)
}

func failed(err error) error {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return &fault.Error{Kind: fault.ErrNotPermitted, What: "only root may read the rules of nftables", Hint: fault.HintRoot, Err: err}
	}
	return &fault.Error{What: "read the rules of nftables", Err: err}
}

// Remove removes rules, one after the other. It is no error if one is gone already.
func (Rules) Remove(ctx context.Context, rules []kernel.NATRule) error {
	for _, n := range rules {
		conn, err := dial(ctx)
		if err != nil {
			return err
		}
		table := &nftables.Table{Name: n.Table, Family: nftables.TableFamily(n.Family)}
		err = conn.DelRule(&nftables.Rule{Table: table, Chain: &nftables.Chain{Name: n.Chain, Table: table}, Handle: n.Handle})
		if err == nil {
			err = conn.Flush()
		}
		if err != nil && !isAbsent(err) {
			return fmt.Errorf("remove the rule %d of %s: %w", n.Handle, fault.Printable(n.Where), err)
		}
	}
	return nil
}
