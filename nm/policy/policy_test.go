package policy_test

import (
	"errors"
	"strings"
	"testing"

	"nmgre/nm"
	"nmgre/nm/policy"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
	"nmgre/routes/rule"
	"nmgre/testdata/fake"
	"nmgre/testdata/want"
)

// host returns a kernel with these rules of somebody else's.
func host(specs ...string) kernel.Kernel {
	w := fake.NewWorld()
	for _, spec := range specs {
		w.Policy = append(w.Policy, kernel.HeldRule{Rule: rule.MustParse(spec), Protocol: 3})
	}
	return w.Start().Host().Kernel
}

func rules(specs ...string) (list []rule.Rule) {
	for _, spec := range specs {
		list = append(list, rule.MustParse(spec))
	}
	return list
}

func tunnel(route string, specs ...string) nm.Tunnel {
	t := nm.NewTunnel()
	t.Name, t.Local, t.Remote, t.Addresses = "gre1", want.Addr("100.0.1.100"), want.Addr("100.0.2.100"), want.CIDRs("10.0.0.2/30")
	t.Routes, t.Rules = []routes.Route{routes.MustParse(route)}, rules(specs...)
	return t
}

// Rules keep the priorities that they had; new ones get free ones.
func TestPlace(t *testing.T) {
	before := rules("from 10.0.0.2 table 100 priority 20007", "from 10.0.0.3 table 100 priority 5")
	placed, notes, err := policy.Place(t.Context(), host("from 10.9.9.9 table 9 priority 20000"), rules("from 10.0.0.4 table 100", "from 10.0.0.2 table 100", "from 10.0.0.2 table 100"), before)
	if err != nil || len(placed) != 3 || placed[0].Priority != 20001 || placed[1].Priority != 20007 || placed[2].Priority != 20002 || len(notes) != 2 {
		t.Errorf("%v, %q, %v", placed, notes, err)
	}
	many := make([]rule.Rule, rule.MainPriority)
	if _, _, err := policy.Place(t.Context(), host(), many, nil); !errors.Is(err, fault.ErrInvalid) {
		t.Error(err)
	}
}

// Old rules keep their owners; a long list of new ones is root's.
func TestAssign(t *testing.T) {
	odd := rule.MustParse("from 10.0.0.2 table 100 suppress_ifgroup 3 priority 7")
	list := policy.Assign(append(rules("from 10.0.0.2 table 100 priority 1", "from 10.0.0.3 table 100 priority 2", "from 10.0.0.4 table 100 priority 3"), odd),
		rules("from 10.0.0.2 table 100 priority 1"), rules("from 10.0.0.3 table 100 priority 2"))
	var owners []string
	for _, o := range list {
		owners = append(owners, string(o.Owner))
	}
	if got := strings.Join(owners, " "); got != "profile kernel profile kernel" || list[3].Why != "a NetworkManager profile cannot hold suppress_ifgroup" {
		t.Errorf("%s: %+v", got, list)
	}
	var long []rule.Rule
	for i := range nm.MaxProfileRules + 1 {
		long = append(long, rule.MustParse("from 10.0.0.2 table 100").At(uint32(i+1))) //nolint:gosec // a few
	}
	if list := policy.Assign(long, nil, nil); list[0].Owner != nm.OwnerKernel || !strings.Contains(list[0].Why, "slow") {
		t.Errorf("%+v", list[0])
	}
}

// Tables that no rule leads to, and rules of others that decide before, get a warning.
func TestWarnings(t *testing.T) {
	for name, test := range map[string]struct {
		t    nm.Tunnel
		held []string
		want string // part of the warning; empty for none
	}{
		"by a rule of its own":   {tunnel("default via 10.0.0.1 table 100", "from 10.0.0.2 table 100 priority 9"), nil, ""},
		"by another's":           {tunnel("default via 10.0.0.1 table 100"), []string{"fwmark 1 table 100 priority 9"}, ""},
		"by none":                {tunnel("default via 10.0.0.1 table 100"), []string{"fwmark 1 table 101 priority 9"}, "no rule leads to table 100: its routes carry nothing"},
		"of the other family":    {tunnel("2001:db8::/32 table 100", "from 10.0.0.2 table 100 priority 9"), nil, "no rule leads to table 100 for IPv6"},
		"main":                   {tunnel("10.10.2.0/24"), nil, ""},
		"decided before":         {tunnel("default via 10.0.0.1 table 100", "from 10.0.0.2 table 100 priority 20000"), []string{"from 10.0.0.0/30 table 101 priority 100"}, "the rule 100: from 10.0.0.0/30 table 101 decides before the rule from 10.0.0.2 table 100 priority 20000; give that one a lower priority: priority 99"},
		"of another source":      {tunnel("default via 10.0.0.1 table 100", "from 10.0.0.2 table 100 priority 20000"), []string{"from 10.0.0.1 table 101 priority 100"}, ""},
		"decided later":          {tunnel("default via 10.0.0.1 table 100", "from 10.0.0.2 table 100 priority 20"), []string{"from 10.0.0.0/30 table 101 priority 100"}, ""},
		"a device that is there": {tunnel("10.7.0.0/16 table 100", "iif eth1 table 100 priority 9", "iif lo table 100 priority 10", "oif gre1 table 100 priority 11"), nil, ""},
		"no such device":         {tunnel("10.7.0.0/16 table 100", "iif eth7 table 100 priority 9"), nil, "this host has no device eth7: the rule iif eth7 table 100 priority 9 fits no packet until there is one"},
		"suppressed, for others": {tunnel("default via 10.0.0.1 table 100", "from 10.0.0.2 table 100 priority 20000"), []string{"from 10.0.0.2 table main suppress_prefixlength 0 priority 100"}, ""},
	} {
		got, err := policy.Warnings(t.Context(), host(test.held...), []kernel.Link{{Name: "lo"}, {Name: "eth1"}}, test.t)
		if text := strings.Join(got, "\n"); err != nil || (test.want == "") != (text == "") || !strings.Contains(text, test.want) {
			t.Errorf("%s: %q, %v; want %q", name, got, err, test.want)
		}
	}
}

// Packets that carry a tunnel must not be led into it, nor dropped.
func TestLoops(t *testing.T) {
	other := kernel.Link{Name: "gre7", Up: true, GRE: &kernel.GRELink{Local: want.Addr("100.0.1.100"), Remote: want.Addr("100.0.7.7")}}
	for name, test := range map[string]struct {
		t    nm.Tunnel
		held []string
		want string // part of the error; empty for none
	}{
		"a protected address":       {tunnel("default via 10.0.0.1 table 100", "from 10.0.0.2 table 100 priority 9"), nil, ""},
		"everything":                {tunnel("default via 10.0.0.1 table 100", "from all table 100 priority 9"), nil, "by the rule from all table 100 priority 9 the packets that carry the tunnel, to 100.0.2.100, would go into it, by the route default via 10.0.0.1 table 100"},
		"this host's own address":   {tunnel("default via 10.0.0.1 table 100", "from 100.0.1.100 table 100 priority 9"), nil, "the packets that carry the tunnel"},
		"what this host sends":      {tunnel("default via 10.0.0.1 table 100", "iif lo table 100 priority 9"), nil, "the packets that carry the tunnel"},
		"what the LAN sends":        {tunnel("default via 10.0.0.1 table 100", "iif eth1 table 100 priority 9"), nil, ""},
		"what has no mark":          {tunnel("default via 10.0.0.1 table 100", "not fwmark 5 table 100 priority 9"), nil, "the packets that carry the tunnel"},
		"behind an exception":       {tunnel("default via 10.0.0.1 table 100", "to 100.0.0.0/8 table main priority 8", "from all table 100 priority 9"), nil, ""},
		"behind another's":          {tunnel("default via 10.0.0.1 table 100", "from all table 100 priority 9"), []string{"ipproto gre table main priority 3"}, ""},
		"suppressed":                {tunnel("default via 10.0.0.1 table 100", "from all table 100 suppress_prefixlength 0 priority 9"), nil, ""},
		"behind the rule for main":  {tunnel("default via 10.0.0.1 table 100", "from all table 100 priority 40000"), []string{"from all table main priority 32766"}, ""},
		"dropped":                   {tunnel("10.10.2.0/24", "to 100.0.0.0/8 blackhole priority 9"), nil, "would be dropped"},
		"by another's rule":         {tunnel("default via 10.0.0.1 table 100"), []string{"from all table 100 priority 9"}, "route: by the rule from all table 100 priority 9"},
		"dropped by another's rule": {tunnel("default via 10.0.0.1 table 100"), []string{"to 100.0.2.100 prohibit priority 9"}, ""},
		"a TOS":                     {withTOS(0x10, "tos 0x10 table 100 priority 9"), nil, "by the rule tos 0x10 table 100 priority 9 the packets that carry the tunnel"},
		"a part of a TOS":           {withTOS(0xb8, "tos 0x18 table 100 priority 9"), nil, "the packets that carry the tunnel"},
		"another TOS":               {withTOS(0x08, "tos 0x10 table 100 priority 9"), nil, ""},
		"an inherited TOS":          {withTOS(1, "tos 0x10 table 100 priority 9"), nil, "the packets that carry the tunnel"},
		"another tunnel":            {tunnel("100.0.7.0/24 table 100", "from all table 100 priority 9"), nil, "the packets that carry the tunnel gre7, to 100.0.7.7,"},
	} {
		err := policy.Loops(t.Context(), host(test.held...), test.t, []kernel.Link{other})
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v; want %q", name, err, test.want)
		}
		if err != nil && !errors.Is(err, fault.ErrInvalid) {
			t.Errorf("%s: %v has another kind", name, err)
		}
	}
}

// The rule that leads the tunnel's packets away is named with the one that has them pass, and none
// that is not for them.
func TestLeading(t *testing.T) {
	for _, c := range []struct {
		rule, want string
		table      uint32
	}{
		{"tos 0x10 table 99 priority 50", "ip rule add to 100.0.2.100 table main priority 49", 0},
		{"ipproto gre table 99 priority 50", "ip rule add to 100.0.2.100 table main priority 49", routes.MainTable},
		{"to 100.0.0.0/8 table 99 priority 50", "ip rule add to 100.0.2.100 table main priority 49", 99},
		{"to 100.0.0.0/8 table 99 priority 50", "", routes.MainTable},
		{"tos 0x8 table 99 priority 50", "", 0},
		{"ipproto gre table 99 priority 50000", "", 0},
	} {
		all, err := host(c.rule, "from all table main priority 32766").Rules(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		by, pass := policy.Leading(withTOS(0x10), all, c.table)
		if pass != c.want || (by == "") != (pass == "") || by != "" && by != c.rule {
			t.Errorf("%s: %q, %q", c.rule, by, pass)
		}
	}
}

// withTOS is a tunnel whose packets have a TOS, with all routes in the table 100.
func withTOS(tos uint8, rules ...string) nm.Tunnel {
	t := tunnel("default via 10.0.0.1 table 100", rules...)
	t.TOS = tos
	return t
}

// A tunnel's rules that an edit removes are nobody's: no exception among them counts, and they
// neither decide before others nor lead to a table.
func TestWithout(t *testing.T) {
	exception, before := "to 100.0.2.100 table main priority 8", "from 10.0.0.0/30 table 101 priority 7"
	k := host(exception, before)
	whole := tunnel("default via 10.0.0.1 table 100", "from all table 100 priority 9")
	if err := policy.Loops(t.Context(), k, whole, nil); err != nil {
		t.Errorf("behind an exception: %v", err)
	}
	if err := policy.Loops(t.Context(), policy.Without(k, rules(exception)), whole, nil); err == nil {
		t.Error("the exception counts that goes")
	}
	routed := tunnel("default via 10.0.0.1 table 101", "from 10.0.0.2 table 102 priority 20")
	if notes, err := policy.Warnings(t.Context(), k, nil, routed); err != nil || len(notes) != 1 || !strings.Contains(notes[0], "decides before") {
		t.Errorf("%q, %v", notes, err)
	}
	notes, err := policy.Warnings(t.Context(), policy.Without(k, rules(before)), nil, routed)
	if err != nil || len(notes) != 1 || !strings.Contains(notes[0], "no rule leads to table 101") {
		t.Errorf("%q, %v", notes, err)
	}
}

// The rule for VRFs leads to their tables only. The kernel makes it with the first VRF.
func TestUnledBesideVRFs(t *testing.T) {
	held := []kernel.HeldRule{{Partly: true, Rule: rule.Rule{Priority: 1000, HasPriority: true}}}
	red := []kernel.Link{{Index: 5, Name: "red", Kind: "vrf", Table: 900}}
	for _, c := range []struct {
		route string
		links []kernel.Link
		want  int
	}{{"default table 900", red, 0}, {"default table 100", red, 1}, {"default table 900", nil, 1}, {"2001:db8::/32 table 900", red, 1}} {
		if got := policy.Unled(tunnel(c.route), c.links, held); len(got) != c.want {
			t.Errorf("%s beside %d links: %v", c.route, len(c.links), got)
		}
	}
}

// A VRF has a way only while a rule leads to the tables of VRFs, of the right family.
func TestDeserted(t *testing.T) {
	links := []kernel.Link{{Index: 2, Name: "eth0"}, {Index: 5, Name: "red", Kind: "vrf"}, {Index: 6, Name: "br0", Kind: "bridge"}, {Index: 7, Name: "eth7", Controller: 5}, {Index: 8, Name: "eth8", Controller: 6}}
	l3mdev := kernel.HeldRule{Partly: true, Rule: rule.Rule{Priority: 1000, HasPriority: true}}
	for _, c := range []struct {
		name string
		dev  string
		ipv6 bool
		held []kernel.HeldRule
		want string
	}{
		{"the VRF itself", "red", false, nil, "red"},
		{"a device in it", "eth7", false, nil, "red"},
		{"with the rule", "eth7", false, []kernel.HeldRule{l3mdev}, ""},
		{"with the rule of the other family", "eth7", true, []kernel.HeldRule{l3mdev}, "red"},
		{"with another rule that nmgre cannot read", "eth7", false, []kernel.HeldRule{{Partly: true, Rule: rule.MustParse("from all table 9")}}, "red"},
		{"a device in no VRF", "eth0", false, nil, ""},
		{"a port of a bridge", "eth8", false, nil, ""},
		{"no device", "", false, nil, ""},
	} {
		w := fake.NewWorld()
		w.Policy = c.held
		got, err := policy.Deserted(t.Context(), w.Start().Host().Kernel, links, c.ipv6, nil, kernel.Named(links, c.dev))
		if err != nil || got != c.want {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
	}
}
