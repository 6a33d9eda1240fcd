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
	s := compareRules(want, held)
	if !dryRun && s.result.Changed() {
		err = s.send(ctx, k)
	}
	return s.result, err
}

// rulesDiff is the difference between the wanted rules and the kernel's.
type rulesDiff struct {
	want    []rule.Rule
	removed []kernel.HeldRule
	result  kernel.RulesResult
}

// place is where the kernel looks for a rule that is to be removed.
type place struct {
	ipv6     bool
	priority uint32
}

// compareRules compares the wanted rules with those of ours in the kernel. The kernel removes the
// first rule of a priority that fits the words of the request. So where one of several with the
// same priority goes, all of them are removed, and those that stay are added again.
func compareRules(want []rule.Rule, held []kernel.HeldRule) rulesDiff {
	s := rulesDiff{want: want}
	if allHeld(want, held) || s.oneSided(held) {
		return s
	}
	wanted := make(map[rule.Rule]bool, len(want))
	for _, r := range want {
		wanted[r] = true
	}
	there := make(map[rule.Rule]bool)
	count, losing := make(map[place]int), make(map[place]bool)
	var ours []kernel.HeldRule
	for _, h := range held {
		if h.Protocol != kernel.RouteProtocol {
			continue
		}
		ours = append(ours, h)
		at := place{h.IPv6, h.Priority}
		count[at]++
		if h.Partly || !wanted[h.Rule] || there[h.Rule] {
			losing[at] = true
		}
		there[h.Rule] = true
	}
	for _, h := range ours {
		if losing[place{h.IPv6, h.Priority}] {
			s.removed = append(s.removed, h)
			delete(there, h.Rule)
		}
	}
	for i, r := range want {
		if !there[r] {
			s.result.Added = append(s.result.Added, i)
			there[r] = true // a second one of the same is none
		}
	}
	s.result.Removed = len(s.removed)
	return s
}

// oneSided compares where all are to be added, or all to be removed, as when a tunnel comes up or
// goes down. It reports whether that is so, and hashes no whole rules.
func (s *rulesDiff) oneSided(held []kernel.HeldRule) bool {
	ours := func(h kernel.HeldRule) bool { return h.Protocol == kernel.RouteProtocol }
	switch {
	case len(s.want) == 0:
		s.removed = slices.DeleteFunc(slices.Clone(held), func(h kernel.HeldRule) bool { return !ours(h) })
		s.result.Removed = len(s.removed)
	case !slices.ContainsFunc(held, ours) && isAscending(s.want):
		s.result.Added = make([]int, len(s.want))
		for i := range s.want {
			s.result.Added[i] = i
		}
	default:
		return false
	}
	return true
}

// isAscending reports whether each rule has a higher priority than the one before it. Then no two
// are the same.
func isAscending(rules []rule.Rule) bool {
	for i := 1; i < len(rules); i++ {
		if rules[i].Priority <= rules[i-1].Priority {
			return false
		}
	}
	return true
}

// allHeld reports whether ours in the kernel are the wanted rules, each with a place of its own. It
// is quick, as it hashes no whole rules. It may say no where they are all the same.
func allHeld(want []rule.Rule, held []kernel.HeldRule) bool {
	if len(held) < len(want) {
		return false
	}
	at := make(map[place]*rule.Rule, len(want))
	for i := range want {
		at[place{want[i].IPv6, want[i].Priority}] = &want[i]
	}
	n := 0
	for i := range held {
		h := &held[i]
		if h.Protocol != kernel.RouteProtocol {
			continue
		}
		here := place{h.IPv6, h.Priority}
		if r := at[here]; r == nil || h.Partly || *r != h.Rule {
			return false
		}
		delete(at, here)
		n++
	}
	return n == len(want)
}

// send removes and adds, many in one send. Rules are removed first: of two rules with one priority
// the kernel would take the wrong one.
func (s *rulesDiff) send(ctx context.Context, k *Kernel) error {
	refusals := make(map[int]error)
	b := batch{kernel: k, refuse: func(index int, _ uint16, err error) { refusals[index] = err }}
	for i := range s.removed {
		if err := b.addBody(ctx, unix.RTM_DELRULE, policy.Removal(&s.removed[i])); err != nil {
			return err
		}
	}
	for _, i := range policy.LastFirst(s.want, s.result.Added) {
		start := b.begin(unix.RTM_NEWRULE, unix.NLM_F_CREATE)
		b.buf = policy.Append(b.buf, &s.want[i])
		if err := b.end(ctx, start, i); err != nil {
			return err
		}
	}
	err := errors.Join(b.flush(ctx), ctx.Err())
	s.result.Added = slices.DeleteFunc(s.result.Added, func(i int) bool { return refusals[i] != nil })
	for i, r := range s.want {
		if why := refusals[i]; why != nil {
			s.result.Refused = append(s.result.Refused, kernel.Refusal{Index: i, Err: ruleRefused(r, why)})
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
