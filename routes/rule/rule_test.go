package rule

import (
	"errors"
	"strings"
	"testing"

	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/testdata/want"
)

// The grammar. A file of testdata/rule is a list of SPECs, a rule, and the result of each: the SPEC
// in its canonical form, or its fault.
func TestParseRule(t *testing.T) {
	want.Cases(t, "rule", 5, func(t *testing.T, input string) string {
		var b strings.Builder
		for _, spec := range want.SpecsOf(input) {
			b.WriteString(parsed(t, spec))
		}
		return b.String()
	})
}

// parsed is the result of a SPEC. The printed form must be read again as the same rule, and an
// error must be complete.
func parsed(t testing.TB, spec string) string {
	t.Helper()
	r, err := Parse(spec)
	if err != nil {
		want.CheckProblems(t.(*testing.T), err)
		if r != (Rule{}) {
			t.Errorf("Parse(%q) fails, and returns %+v", spec, r)
		}
		return want.Problems(err)
	}
	checkPrinted(t, spec, r)
	return r.String() + "\n"
}

func checkPrinted(t testing.TB, spec string, r Rule) {
	t.Helper()
	printed := r.String()
	again, err := Parse(printed)
	if err != nil || again != r || again.String() != printed {
		t.Errorf("Parse(%q) = %+v, printed as %q, which is %+v, %v", spec, r, printed, again, err)
	}
}

// The names of tables are the host's own.
func TestParseRuleNames(t *testing.T) {
	names := routes.Names{Tables: map[string]uint32{"vpn": 77}}
	r, err := ParseWith(names, "from 10.0.0.2 table vpn")
	if err != nil || r.String() != "from 10.0.0.2 table 77" {
		t.Errorf("%v, %v", r, err)
	}
	if _, err := Parse("from 10.0.0.2 table vpn"); !errors.Is(err, fault.ErrInvalid) {
		t.Errorf("a name of another host: %v", err)
	}
}

// A SPEC that is too long is not read at all.
func TestParseRuleTooLong(t *testing.T) {
	_, err := Parse(strings.Repeat("from all ", MaxSpec/9+1))
	if !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), "longer than 1024 bytes") {
		t.Error(err)
	}
	if _, err := Parse(strings.Repeat("\x12x", 500)); !errors.Is(err, fault.ErrInvalid) || len(err.Error()) > 500 {
		t.Error(err)
	}
}

// The commands are those of ip, for each family.
func TestIPRule(t *testing.T) {
	for spec, command := range map[string]string{
		"from 10.0.0.2 table 100 priority 5":        "ip rule add from 10.0.0.2 table 100 priority 5",
		"from 2001:db8::1 table 100":                "ip -6 rule add from 2001:db8::1 table 100",
		"ipproto tcp table 100":                     "ip rule add ipproto 6 table 100",
		"iif eth$1 table 100":                       "ip rule add iif 'eth$1' table 100",
		"from ::/0 table main suppress_prefixlen 0": "ip -6 rule add from ::/0 table main suppress_prefixlength 0",
	} {
		if got := MustParse(spec).IPRule("add"); got != command {
			t.Errorf("%s: %s", spec, got)
		}
	}
}

// A rule without a priority gets a free one, above that of the rule before it.
func TestPlace(t *testing.T) {
	list := []Rule{MustParse("from 10.0.0.1 table 1"), MustParse("from 10.0.0.2 table 2 priority 20001"), MustParse("from 10.0.0.3 table 3"), MustParse("from 10.0.0.4 table 4 priority 0")}
	placed, ok := Place(list, map[uint32]bool{20000: true, 20003: true})
	var got []string
	for _, r := range placed {
		got = append(got, r.String())
	}
	wanted := "from 10.0.0.1 table 1 priority 20002, from 10.0.0.2 table 2 priority 20001, from 10.0.0.3 table 3 priority 20004, from 10.0.0.4 table 4 priority 0"
	if !ok || strings.Join(got, ", ") != wanted {
		t.Errorf("%v, %v", got, ok)
	}
	if list[0].HasPriority {
		t.Error("the list was changed")
	}
	if _, ok := Place(make([]Rule, MainPriority), nil); ok {
		t.Error("more rules than there are places")
	}
}

// Rules are the same with and without a priority, and the order is that of the kernel.
func TestSameAndCompare(t *testing.T) {
	a, b := MustParse("from 10.0.0.1 table 1 priority 5"), MustParse("from 10.0.0.1 table 1")
	if !Same(a, b) || !Same(b, a) || Same(a, b.At(6)) || Same(a, MustParse("from 10.0.0.2 table 1 priority 5")) {
		t.Error("Same")
	}
	for text, places := range map[string]bool{"priority 5": true, "pref 0": true, "priority 5 table main": true, "priority 5 table 7": false, "from 10.0.0.1 priority 5": false, "prohibit priority 5": false, "table main": false} {
		if MustParse(text).NamesPlace() != places {
			t.Errorf("%s: NamesPlace is %v", text, !places)
		}
	}
	if Compare(a, b.At(6)) >= 0 || Compare(MustParse("from ::/0 table 1"), a) <= 0 || Compare(a, a) != 0 || Compare(a, MustParse("from 2001:db8::1 table 1")) >= 0 {
		t.Error("Compare")
	}
	if CountText(0) != "no rules" || CountText(1) != "1 rule" || CountText(12) != "12 rules" {
		t.Error("CountText")
	}
}

// A rule in JSON is its SPEC.
func TestRuleText(t *testing.T) {
	text, err := MustParse("fwmark 1 table 5").MarshalText()
	if err != nil || string(text) != "fwmark 0x1 table 5" {
		t.Errorf("%s, %v", text, err)
	}
	var r Rule
	if err := r.UnmarshalText(text); err != nil || r != MustParse("fwmark 1 table 5") {
		t.Errorf("%v, %v", r, err)
	}
	if r.UnmarshalText([]byte("x")) == nil || Action(9).String() != "unknown" {
		t.Error("a text that is no rule was read")
	}
}

// Whatever is read is printed so that it is read again as the same.
func FuzzParseRule(f *testing.F) {
	for _, spec := range want.Specs(f, "rule") {
		f.Add(spec)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		r, err := Parse(spec)
		if err != nil {
			var known *fault.Error
			if !errors.As(err, &known) || len(known.Hint) == 0 || len(err.Error()) > 1000 || !fault.IsPrintable(err.Error()) {
				t.Errorf("%q: %q", spec, err)
			}
			return
		}
		checkPrinted(t, spec, r)
		if len(r.String()) > MaxSpec {
			t.Errorf("%q is printed with %d bytes", spec, len(r.String()))
		}
	})
}
