package routes

import (
	"net/netip"
	"testing"

	"nmgre/testdata/want"
)

// Two routes are equal when their SPECs are.
func TestEqualIsOfTheSameText(t *testing.T) {
	all := []Route{
		{Dst: want.CIDR("10.0.0.0/8"), Table: MainTable}, {Dst: want.CIDR("10.0.0.0/8"), Metrics: new(Metrics)}, {Dst: want.CIDR("10.0.0.0/8"), Nexthops: []Nexthop{}},
		{Dst: want.CIDR("10.0.0.0/8"), Metrics: &Metrics{Set: 1 << MetricWindow}}, {Dst: want.CIDR("10.0.0.0/8"), Type: TypeLocal, Table: MainTable},
		{Dst: want.CIDR("10.0.0.0/8"), Type: TypeLocal, Table: LocalTable}, {Dst: want.CIDR("10.0.0.0/8"), Type: TypeLocal}, {Dst: want.CIDR("10.0.0.0/8")},
	}
	for _, spec := range want.Specs(t, "testdata/route") {
		if r, err := Parse(spec); err == nil {
			all = append(all, r)
		}
	}
	texts := make([]string, len(all))
	for i, r := range all {
		texts[i] = r.String()
	}
	for i := range all {
		for j := range all {
			if all[i].Equal(&all[j]) != (texts[i] == texts[j]) {
				t.Errorf("%q and %q: equal is %v", texts[i], texts[j], all[i].Equal(&all[j]))
			}
			if texts[i] == texts[j] && all[i].Slot() != all[j].Slot() {
				t.Errorf("%q twice, in the slots %+v and %+v", texts[i], all[i].Slot(), all[j].Slot())
			}
		}
	}
}

func TestNumbersAreWords(t *testing.T) {
	for _, test := range []struct {
		got  string
		want string
	}{
		{MetricMTU.String(), "mtu"}, {MetricAdvMSS.String(), "advmss"}, {MetricWindow.String(), "window"}, {MetricFeatures.String(), "features"},
		{MetricCongCtl.String(), "congctl"}, {MetricFastOpen.String(), "fastopen_no_cookie"}, {Metric(20).String(), "metric number 20"},
		{TypeNAT.String(), "nat"}, {Type(10).String(), "type 10"},
	} {
		if test.got != test.want {
			t.Errorf("got %q, want %q", test.got, test.want)
		}
	}
	if !TypeUnicast.Known() || !TypeNAT.Known() || (TypeNAT + 1).Known() {
		t.Error("the types end with nat")
	}
}

// Only the same prefix has the same key.
func TestKeyOf(t *testing.T) {
	prefixes := []netip.Prefix{
		{}, netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/9"),
		netip.MustParsePrefix("::ffff:10.0.0.0/104"), netip.MustParsePrefix("10.0.0.0/32"), netip.MustParsePrefix("::ffff:10.0.0.0/128"), netip.MustParsePrefix("2001:db8::/32"),
	}
	for i, p := range prefixes {
		for j, q := range prefixes {
			if same := KeyOf(p) == KeyOf(q); same != (i == j) {
				t.Errorf("%s and %s have the same key: %t", p, q, same)
			}
		}
	}
}
