package netlink

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"nmgre/routes/fault"
	"nmgre/routes/kernel"
	"nmgre/routes/rule"
	"nmgre/testdata/want"
)

// everyRule are the rules of rule's fixtures that can be read, each with a priority of its own.
func everyRule(t *testing.T) []rule.Rule {
	t.Helper()
	text, err := os.ReadFile("../rule/testdata/rule/words.txt")
	more, err2 := os.ReadFile("../rule/testdata/rule/ipv6.txt")
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	input := func(text []byte) string { before, _, _ := strings.Cut(string(text), "----"); return before }
	var list []rule.Rule
	for _, spec := range append(want.SpecsOf(input(text)), want.SpecsOf(input(more))...) {
		if r, err := rule.Parse(spec); err == nil {
			list = append(list, r.At(uint32(100+len(list)))) //nolint:gosec // a few
		}
	}
	if len(list) < 30 {
		t.Fatalf("%d rules", len(list))
	}
	return list
}

// own returns the rules of nmgre's protocol.
func (ns *namespace) own() []rule.Rule {
	ns.T.Helper()
	all, err := ns.kernel.Rules(ns.T.Context())
	if err != nil {
		ns.T.Fatal(err)
	}
	var list []rule.Rule
	for _, h := range all {
		if h.Protocol == kernel.RouteProtocol && !h.Partly {
			list = append(list, h.Rule)
		}
	}
	return list
}

// syncRules sets the rules, and checks how many were added and removed.
func (ns *namespace) syncRules(list []rule.Rule, added, removed int) {
	ns.T.Helper()
	result, err := ns.kernel.SyncRules(ns.T.Context(), list, false)
	if err != nil || len(result.Refused) > 0 || len(result.Added) != added || result.Removed != removed {
		ns.T.Errorf("%d added, %d removed, want %d, %d; %v, %v", len(result.Added), result.Removed, added, removed, result.Refused, err)
	}
	sorted := slices.Clone(list)
	slices.SortStableFunc(sorted, rule.Compare)
	if got := ns.own(); !slices.Equal(got, sorted) {
		ns.T.Errorf("the kernel has\n%v\nwant\n%v", got, sorted)
	}
}

// The rules that nmgre sets are those that `ip rule add` sets with the same words.
func TestRulesAsIP(t *testing.T) {
	list := everyRule(t)
	a, b := newNamespace(t), newNamespace(t)
	for _, r := range list {
		b.IP(strings.TrimPrefix(r.IPRule("add"), "ip ") + " protocol 213")
	}
	a.syncRules(list, len(list), 0)
	for _, family := range []string{"-4", "-6"} {
		if got, by := a.IP(family+" -d rule list"), b.IP(family+" -d rule list"); got != by {
			t.Errorf("%s: %s", family, want.Diff(by, got))
		}
	}
	b.syncRules(list, 0, 0) // nmgre takes them for the same
	a.syncRules(nil, 0, len(list))
}

// Only the difference is sent, and rules of others stay.
func TestSyncRules(t *testing.T) {
	ns := newNamespace(t)
	ns.IP("rule add from 10.0.0.9 table 9 priority 100", "rule add from 10.0.0.1 table 1 priority 100 protocol static", "rule add from 10.0.0.7 goto 32766 priority 99 protocol 213")
	one, two := rule.MustParse("from 10.0.0.1 table 1 priority 100"), rule.MustParse("from 10.0.0.2 table 1000 priority 100")
	less, not := rule.MustParse("from all table 1 priority 100"), rule.MustParse("not from 10.0.0.1 table 1 priority 100")
	ns.syncRules([]rule.Rule{one, two}, 2, 1) // the goto of ours is gone
	ns.syncRules([]rule.Rule{one, two}, 0, 0)
	ns.syncRules([]rule.Rule{one, two, less, not}, 2, 0)
	// one goes that the kernel does not tell from others: all of that priority are set anew
	ns.syncRules([]rule.Rule{one, two, not}, 3, 4)
	six := rule.MustParse("from 2001:db8::1 table 7 priority 0")
	ns.syncRules([]rule.Rule{six}, 1, 3)
	if got := ns.IP("rule list priority 100"); got != "100:\tfrom 10.0.0.9 lookup 9\n100:\tfrom 10.0.0.1 lookup 1 proto static\n" {
		t.Errorf("the rules of others are\n%s", got)
	}
	if result, err := ns.kernel.SyncRules(t.Context(), nil, true); err != nil || result.Removed != 1 || len(ns.own()) != 1 {
		t.Errorf("a dry run: %v, %v", result, err)
	}
	ns.syncRules(nil, 0, 1)
	for _, family := range []string{"-4", "-6"} {
		if text := ns.IP(family + " rule list"); strings.Contains(text, "213") {
			t.Errorf("left behind: %s", text)
		}
	}
}

// Very many are sent together, and those that the kernel refuses are told.
func TestSyncManyRules(t *testing.T) {
	ns := newNamespace(t)
	var list []rule.Rule
	for i := range 1000 {
		list = append(list, rule.MustParse(fmt.Sprintf("from 10.1.%d.%d table %d", i/250, i%250, 100+i)).At(uint32(1000+i))) //nolint:gosec // a few
	}
	ns.syncRules(list, 1000, 0)
	ns.syncRules(list, 0, 0)
	other := slices.Clone(list)
	other[7].Table++ // in the same place
	ns.syncRules(other, 1, 1)
	ns.syncRules(list, 1, 1)
	ns.syncRules(list[:990], 0, 10)
	ns.syncRules(nil, 0, 990)
	bad := list[0]
	bad.TOS = 1 // the bits of ECN
	result, err := ns.kernel.SyncRules(t.Context(), []rule.Rule{list[1], bad, list[2]}, false)
	if err != nil || len(result.Refused) != 1 || result.Refused[0].Index != 1 || !slices.Equal(result.Added, []int{0, 2}) {
		t.Errorf("%+v, %v", result, err)
	} else if why := result.Refused[0].Err; !errors.Is(why, fault.ErrInvalid) || !strings.Contains(why.Error(), "add rule from 10.1.0.0 tos 0x01 table 100 priority 1000") {
		t.Error(why)
	}
	ns.syncRules(nil, 0, 2)
}
