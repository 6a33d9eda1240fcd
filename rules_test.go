package nmgre_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"nmgre"
	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/rule"
	"nmgre/testdata/fake"
	"nmgre/testdata/want"
)

// ruled returns a tunnel with a rule of each owner.
func ruled() nm.Tunnel {
	t := nm.NewTunnel()
	t.Name, t.Remote, t.Addresses = "gre1", want.Addr("100.0.2.100"), want.CIDRs("10.0.0.2/30")
	t.Rules = []rule.Rule{rule.MustParse("from 10.0.0.2 table 100"), rule.MustParse("from 10.0.0.2 table main suppress_ifgroup 3 priority 7")}
	return t
}

// Each call of a create with rules fails in turn: the host is as before, or it has everything.
func TestCreateRulesFaults(t *testing.T) {
	complete := fake.NewWorld()
	fake.MustCreate(t, complete, ruled())
	for _, line := range []string{"rule from 10.0.0.2 table 100 priority 20000 proto 4\n", "rule from 10.0.0.2 table main suppress_ifgroup 3 priority 7 proto 213\n"} {
		if !strings.Contains(complete.String(), line) {
			t.Fatalf("there is no %q:\n%s", line, complete)
		}
	}
	made := 0
	for n := range 40 {
		w := fake.NewWorld()
		p := w.Start()
		plan, err := p.Host().Plan(t.Context(), ruled())
		if err != nil {
			t.Fatal(err)
		}
		before := w.String()
		p.Calls = nil
		p.Fault = func(i int, _ string) fake.Fault {
			if i == n {
				return fake.Fault{Err: &fault.Error{Kind: fault.ErrInvalid, What: "no"}}
			}
			return fake.Fault{}
		}
		_, err = p.Host().Create(t.Context(), plan, nmgre.CreateOptions{NoProbe: true})
		p.Fault = nil
		w.Settle()
		if err != nil {
			want.Same(t, "after the fault of "+p.Calls[n], w.String(), before)
			continue
		}
		made++
		want.Same(t, "the host", w.String(), complete.String())
	}
	if made == 0 || made == 40 {
		t.Errorf("%d of 40 were made", made)
	}
}

// Rules come and go while the tunnel stays up, keep their places, and go with the tunnel.
func TestChangeRules(t *testing.T) {
	w := fake.NewWorld()
	before := w.String()
	fake.MustCreate(t, w, ruled())
	h := w.Start().Host()
	add := func(specs ...string) func([]rule.Rule) ([]rule.Rule, error) {
		return func(old []rule.Rule) ([]rule.Rule, error) {
			for _, spec := range specs {
				old = append(slices.Clone(old), rule.MustParse(spec))
			}
			return old, nil
		}
	}
	if _, err := h.ChangeRules(t.Context(), "gre1", add("to 10.9.0.0/16 table 100", "dport 80 table 5 suppress_ifgroup 1")); err != nil {
		t.Fatal(err)
	}
	states, err := h.Rules(t.Context(), "gre1")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range states {
		got = append(got, s.Rule.String()+": "+string(s.Owner)+" "+s.State)
	}
	wanted := []string{"from 10.0.0.2 table 100 priority 20000: profile set", "to 10.9.0.0/16 table 100 priority 20001: profile set",
		"from 10.0.0.2 table main suppress_ifgroup 3 priority 7: kernel set", "dport 80 table 5 suppress_ifgroup 1 priority 20002: kernel set"}
	if !slices.Equal(got, wanted) {
		t.Errorf("the rules are %q", got)
	}
	if _, err := h.ChangeRules(t.Context(), "gre1", add("from all table 77", "to 100.0.0.0/8 blackhole")); !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), "would be dropped") {
		t.Errorf("a rule that drops the tunnel's own packets: %v", err)
	}
	if _, err := h.Down(t.Context(), "gre1"); err != nil || len(w.Policy) > 0 {
		t.Errorf("after down there are %v, %v", w.Policy, err)
	}
	if _, err := h.Up(t.Context(), "gre1"); err != nil || len(w.Policy) != 4 {
		t.Errorf("after up there are %v, %v", w.Policy, err)
	}
	if _, err := h.Delete(t.Context(), "gre1"); err != nil {
		t.Error(err)
	}
	want.Same(t, "after delete", w.String(), before)
}

// An exception that keeps the tunnel's own packets out of it cannot go with the edit that makes it
// needed, although the kernel has it until then.
func TestRemoveException(t *testing.T) {
	w := fake.NewWorld()
	tunnel := fake.Simple(t)
	tunnel.Routes = append(tunnel.Routes, routes.MustParse("default via 172.16.0.2 table 100"))
	exception, all := rule.MustParse("to 100.0.2.100 table main priority 19000"), rule.MustParse("from all table 100 priority 19001")
	tunnel.Rules = []rule.Rule{exception}
	fake.MustCreate(t, w, tunnel)
	before, h := w.String(), w.Start().Host()
	leave := func(left ...rule.Rule) func([]rule.Rule) ([]rule.Rule, error) {
		return func([]rule.Rule) ([]rule.Rule, error) { return left, nil }
	}
	if _, err := h.ChangeRules(t.Context(), "gre1", leave(all)); !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), "would go into it") {
		t.Errorf("the exception goes: %v", err)
	}
	want.Same(t, "after what was refused", w.String(), before)
}
