package wire

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"

	"nmgre/nm"
	"nmgre/nm/dbus/dbustest"
	"nmgre/routes/rule"
	"nmgre/testdata/want"
)

// Every rule that a profile can hold comes back as it was, and the others are left out.
func TestRulesThroughTheProfile(t *testing.T) {
	var all, fit []rule.Rule
	for _, file := range []string{"words", "ipv6", "shortened"} {
		text, err := os.ReadFile("../../../routes/rule/testdata/rule/" + file + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		before, _, _ := strings.Cut(string(text), "----")
		for _, spec := range want.SpecsOf(before) {
			r, err := rule.Parse(spec)
			if err != nil {
				continue
			}
			r = r.At(uint32(len(all))) //nolint:gosec // a few
			if all = append(all, r); nm.UnfitRule(r) == "" {
				fit = append(fit, r)
			}
		}
	}
	tunnel := dbustest.Tunnels["plain"].Clone()
	tunnel.Rules = all
	got, err := Decode(Encode(tunnel, nil))
	if err != nil {
		t.Fatal(err)
	}
	byFamily := func(list []rule.Rule, ipv6 bool) (some []rule.Rule) {
		for _, r := range list {
			if r.IPv6 == ipv6 {
				some = append(some, r)
			}
		}
		return some
	}
	if wanted := append(byFamily(fit, false), byFamily(fit, true)...); !reflect.DeepEqual(got.Rules, wanted) || len(fit) < 35 || len(all)-len(fit) != 2 {
		t.Errorf("%d of %d: %s", len(fit), len(all), want.Diff(texts(wanted), texts(got.Rules)))
	}
}

func texts(list []rule.Rule) string {
	var b strings.Builder
	for _, r := range list {
		b.WriteString(r.String() + "\n")
	}
	return b.String()
}

// An entry that somebody wrote in another form stays as it is, and so does one that nmgre cannot
// read; a rule that is not there any more goes.
func TestRulesOfOthersStay(t *testing.T) {
	theirs := Entry{"family": dbus.MakeVariant(int32(2)), "priority": dbus.MakeVariant(uint32(5)), "from": dbus.MakeVariant("10.0.0.2"), "from-len": dbus.MakeVariant(byte(30)),
		"table": dbus.MakeVariant(uint32(100)), "action": dbus.MakeVariant(byte(1)), "tos": dbus.MakeVariant(byte(0))}
	later := Entry{"family": dbus.MakeVariant(int32(2)), "priority": dbus.MakeVariant(uint32(6)), "colour": dbus.MakeVariant("green")}
	odd := Entry{"family": dbus.MakeVariant(int32(2)), "priority": dbus.MakeVariant(uint32(7)), "iifname": dbus.MakeVariant("a table 5"), "table": dbus.MakeVariant(uint32(100))}
	none := Entry{"family": dbus.MakeVariant(int32(2)), "priority": dbus.MakeVariant(uint32(8)), "action": dbus.MakeVariant(byte(4))}
	base := Encode(dbustest.Tunnels["plain"], nil)
	base.SetEntries(IPv4, routingRules, []Entry{odd, theirs, later, none})
	got, err := Decode(base)
	if err != nil || texts(got.Rules) != "from 10.0.0.0/30 table 100 priority 5\n" {
		t.Fatalf("%v, %v", got.Rules, err)
	}
	got.Rules = append(got.Rules, rule.MustParse("from 10.0.0.9 table 9 priority 9"))
	after := Encode(got, base).Entries(IPv4, routingRules)
	if len(after) != 5 || !reflect.DeepEqual(after[0], theirs) || !reflect.DeepEqual(after[2:], []Entry{odd, later, none}) {
		t.Errorf("%v", after)
	}
	got.Rules = nil
	if after := Encode(got, base).Entries(IPv4, routingRules); !reflect.DeepEqual(after, []Entry{odd, later, none}) {
		t.Errorf("%v", after)
	}
}

// NetworkManager leaves out what follows from the rest: the end of a range of one.
func TestRulesAsNetworkManagerTellsThem(t *testing.T) {
	for _, spec := range []string{"ipproto tcp dport 80 prohibit priority 7", "ipproto udp sport 53 dport 1-9 table 5 priority 7", "to 10.8.0.0/16 uidrange 0-99 table 5 priority 7", "uidrange 5-5 table 5 priority 7"} {
		r := rule.MustParse(spec)
		e := encodeRule(r)
		for _, name := range []string{"sport", "dport", "uid-range"} {
			if reflect.DeepEqual(e[name+"-start"], e[name+"-end"]) {
				delete(e, name+"-end")
			}
		}
		if got, err := decodeRule(e, IPv4); err != nil || got != r {
			t.Errorf("%s: %v, %v", spec, got, err)
		}
	}
}
