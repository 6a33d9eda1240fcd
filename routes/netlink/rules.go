package netlink

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
	"nmgre/routes/kernel"
	"nmgre/routes/netlink/policy"
	"nmgre/routes/rule"
)

// Rules returns the rules of both families, as [kernel.Policy] describes.
func (k *Kernel) Rules(ctx context.Context) ([]kernel.HeldRule, error) {
	return k.heldRules(ctx, 0, func(*kernel.HeldRule) bool { return true })
}

// heldRules returns those rules of both families for which wanted is true. There is room for as
// many at once.
func (k *Kernel) heldRules(ctx context.Context, room int, wanted func(*kernel.HeldRule) bool) ([]kernel.HeldRule, error) {
	all := make([]kernel.HeldRule, 0, room)
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		before := len(all)
		r := request{kind: unix.RTM_GETRULE, reply: unix.RTM_NEWRULE, body: policy.Question(family)}
		err := k.walk(ctx, r, func() { all = all[:before] }, func(body []byte) error {
			held, err := policy.Parse(body)
			if err == nil && body[0] == family && wanted(&held) {
				all = append(all, held)
			}
			return err
		})
		if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EAFNOSUPPORT) {
			continue // the kernel has no rules, or none of this family
		}
		if err != nil {
			return nil, wrap("list the rules of the routing policy", err)
		}
		byPriority := func(a, b kernel.HeldRule) int { return cmp.Compare(a.Priority, b.Priority) }
		if !slices.IsSortedFunc(all[before:], byPriority) {
			slices.SortStableFunc(all[before:], byPriority)
		}
	}
	return all, nil
}

// SyncRules makes the rules of protocol [kernel.RouteProtocol] those of want, as [kernel.Policy]
// describes.
func (k *Kernel) SyncRules(ctx context.Context, want []rule.Rule, dryRun bool) (kernel.RulesResult, error) {
	held, err := k.heldRules(ctx, len(want), func(h *kernel.HeldRule) bool { return h.Protocol == kernel.RouteProtocol })
	if err != nil {
		return kernel.RulesResult{}, err
	}
	diff := policy.Compare(want, held)
	if !dryRun && diff.Result.Changed() {
		err = k.sendRules(ctx, want, &diff)
	}
	return diff.Result, err
}

// sendRules removes and adds, many in one send. Rules are removed first: of two rules with one
// priority the kernel would take the wrong one.
func (k *Kernel) sendRules(ctx context.Context, want []rule.Rule, diff *policy.Diff) error {
	refusals := make(map[int]error)
	b := batch{kernel: k, refuse: func(index int, _ uint16, err error) { refusals[index] = err }}
	for i := range diff.Removed {
		if err := b.addBody(ctx, unix.RTM_DELRULE, policy.Removal(&diff.Removed[i])); err != nil {
			return err
		}
	}
	for _, i := range policy.LastFirst(want, diff.Result.Added) {
		start := b.begin(unix.RTM_NEWRULE, unix.NLM_F_CREATE)
		b.buf = policy.Append(b.buf, &want[i])
		if err := b.end(ctx, start, i); err != nil {
			return err
		}
	}
	err := errors.Join(b.flush(ctx), ctx.Err())
	diff.Result.Added = slices.DeleteFunc(diff.Result.Added, func(i int) bool { return refusals[i] != nil })
	for i, r := range want {
		if why := refusals[i]; why != nil {
			diff.Result.Refused = append(diff.Result.Refused, kernel.Refusal{Index: i, Err: ruleRefused(r, why)})
		}
	}
	return err
}

// ruleRefused gives the kernel's answer to a rule its words.
func ruleRefused(r rule.Rule, err error) error {
	answer, ok := kernelAnswer(err)
	if !ok {
		return wrap("add rule "+r.String(), err)
	}
	return &fault.Error{Kind: kinds()[answer.errno], What: "add rule " + fault.Printable(r.String()), Hint: "`ip rule add` asks the kernel the same", Err: answer}
}
