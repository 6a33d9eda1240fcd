package gateway

import (
	"context"
	"errors"
	"slices"

	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// refusal is the kernel's answer to a transaction that it has not carried out.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

// isRefused reports whether the kernel has refused the rules themselves. A caller without root, or
// without time, is refused whatever the rules are.
func isRefused(err error) bool {
	var r refusal
	return errors.As(err, &r) && !errors.Is(err, fault.ErrNotPermitted) && !errors.Is(err, fault.ErrTimeout) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}

// kind has the two properties of a rule that decide which parts of nftables it needs.
type kind struct {
	chain      chain
	masquerade bool
}

func kindOf(r keep.Rule) kind {
	return kind{rulesOf(r)[0].chain, !r.ClampMSS && !r.SNAT.Source.IsValid()}
}

// setKinds sets the rules of one kind after those of the others, and leaves out the kinds that the
// kernel refuses.
func (g *Gateway) setKinds(ctx context.Context, want []keep.Rule) (changed bool, err error) {
	taken := make(map[kind]bool)
	with := func(more kind) []keep.Rule {
		return slices.DeleteFunc(slices.Clone(want), func(r keep.Rule) bool { return !taken[kindOf(r)] && kindOf(r) != more })
	}
	var refused keep.RefusedRules
	tried := make(map[kind]error)
	for i, r := range want {
		k := kindOf(r)
		if _, done := tried[k]; !done {
			did, err := g.setRules(ctx, with(k))
			if err != nil && !isRefused(err) {
				return changed, err
			}
			changed, tried[k], taken[k] = changed || did, err, err == nil
		}
		if tried[k] != nil {
			refused = append(refused, kernel.Refusal{Index: i, Err: tried[k]})
		}
	}
	if len(refused) == len(want) { // the old rules are not wanted either
		did, err := g.setRules(ctx, nil)
		return changed || did, errors.Join(refused, err)
	}
	return changed, refused
}
