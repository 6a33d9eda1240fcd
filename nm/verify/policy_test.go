package verify_test

import (
	"slices"
	"strings"
	"testing"

	"nmgre/nm"
	"nmgre/nm/verify"
	"nmgre/routes"
	"nmgre/routes/kernel"
	"nmgre/routes/rule"
	"nmgre/testdata/fake"
	"nmgre/testdata/want"
)

// protected returns a tunnel with a protected address: its packets go by a table of their own.
func protected() nm.Tunnel {
	t := nm.NewTunnel()
	t.Name, t.Remote, t.Addresses = "gre1", want.Addr("100.0.2.100"), want.CIDRs("10.0.0.2/30")
	t.Routes = []routes.Route{routes.MustParse("default via 10.0.0.1 table 100")}
	t.Rules = []rule.Rule{rule.MustParse("from 10.0.0.2 table 100 priority 20000"), rule.MustParse("from 10.0.0.2 table 100 suppress_ifgroup 3 priority 20001")}
	return t
}

// The rules are checked, and the routes in their tables as the packets of the rules are sent.
func TestVerifyPolicy(t *testing.T) {
	const ruled, route = "rule from 10.0.0.2 table 100 priority 20000", "route 0.0.0.0/0 table 100"
	add := func(w *fake.World, spec string) {
		w.Policy = append(w.Policy, kernel.HeldRule{Rule: rule.MustParse(spec), Protocol: 3})
	}
	for name, test := range map[string]struct {
		breaks func(w *fake.World)
		id     string
		status verify.Verdict
		texts  []string
	}{
		"fine": {func(*fake.World) {}, route, verify.Pass, []string{"packets to it from 10.0.0.2 go into the tunnel, by the rule of the priority 20000"}},
		"rule": {func(*fake.World) {}, ruled, verify.Pass, []string{"the kernel has the rule"}},
		"gone": {func(w *fake.World) { w.Policy = nil }, ruled, verify.Fail, []string{"the kernel does not have the rule", "sudo nmgre up gre1"}},
		"unled": {func(w *fake.World) {
			w.Policy = nil
			clear(w.Files)
			w.Named("gre1").Tunnel.Rules = nil
		}, "table 100", verify.Warn, []string{"no rule leads to table 100", "nmgre rule add gre1 from ADDRESS table 100"}},
		"decided before": {func(w *fake.World) {
			add(w, "from 10.0.0.2 table 101 priority 100")
			w.AddRoute("eth0", "default via 100.0.1.1 table 101", 3)
		}, route, verify.Fail, []string{"from 10.0.0.2 do not go into the tunnel", "the rule 100: from 10.0.0.2 table 101 decides before the tunnel's"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := fake.NewWorld()
			fake.MustCreate(t, w, protected())
			test.breaks(w)
			report, err := w.Start().Host().Verify(t.Context(), "gre1", verify.Options{NoProbe: true})
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(report.Checks, func(c verify.Check) bool { return c.ID == test.id })
			if i < 0 {
				t.Fatalf("there is no check %s:\n%+v", test.id, report.Checks)
			}
			c := report.Checks[i]
			for _, text := range test.texts {
				if all := c.Summary + c.Evidence + c.Hint; c.Status != test.status || !strings.Contains(all, text) {
					t.Errorf("%s: %s; want %s with %q", c.Status, all, test.status, text)
				}
			}
		})
	}
}

// Packets from the LAN may go another way than this host's own: a rule for them decides.
func TestVerifyPolicyOfLAN(t *testing.T) {
	w := fake.NewWorld()
	tunnel := protected()
	tunnel.Routes, tunnel.Rules, tunnel.Forward = []routes.Route{routes.MustParse("10.10.2.0/24")}, nil, true
	fake.MustCreate(t, w, tunnel)
	w.Policy = append(w.Policy, kernel.HeldRule{Rule: rule.MustParse("from 10.10.1.0/24 table 101 priority 100"), Protocol: 3})
	look := func() verify.Check {
		t.Helper()
		report, err := w.Start().Host().Verify(t.Context(), "gre1", verify.Options{NoProbe: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range report.Checks {
			if strings.HasPrefix(c.ID, "lan ") {
				return c
			}
		}
		t.Fatalf("no LAN was checked:\n%+v", report.Checks)
		return verify.Check{}
	}
	if c := look(); c.Status != verify.Pass {
		t.Errorf("%+v", c)
	}
	w.AddRoute("eth0", "default via 100.0.1.1 table 101", 3)
	if c := look(); c.Status != verify.Fail || !strings.Contains(c.Hint, "the rule 100: from 10.10.1.0/24 table 101 decides about them") {
		t.Errorf("%+v", c)
	}
}
