package policy

import (
	"errors"
	"testing"

	"nmgre/routes/netlink/wire"
	"nmgre/routes/rule"
)

// Whatever is sent is read as the same rule, and bytes that are none are refused.
func TestParse(t *testing.T) {
	for _, spec := range []string{"from 10.0.0.2 table 1000 priority 5", "not to 2001:db8::/32 fwmark 1/3 iif eth1 oif gre1 blackhole priority 0",
		"uidrange 5-6 ipproto tcp sport 1-2 dport 3 tos 0x10 table 9 suppress_prefixlength 0 suppress_ifgroup 7 priority 4294967295"} {
		r := rule.MustParse(spec)
		held, err := Parse(Append(nil, &r))
		if err != nil || held.Rule != r || held.Partly || held.Protocol != 213 {
			t.Errorf("%s: %+v, %v", spec, held, err)
		}
	}
	if _, err := Parse(make([]byte, 11)); !errors.Is(err, wire.ErrMalformed) {
		t.Error(err)
	}
	if held, err := Parse(make([]byte, 12)); err != nil || !held.Partly {
		t.Errorf("an action that is not known: %+v, %v", held, err)
	}
}

// FuzzParse reads a rule from any bytes.
func FuzzParse(f *testing.F) {
	r := rule.MustParse("from 10.0.0.2 iif eth1 fwmark 1 uidrange 1-2 sport 5 table 1000 priority 5")
	f.Add(Append(nil, &r))
	f.Fuzz(func(t *testing.T, body []byte) {
		held, err := Parse(body)
		if err != nil && !errors.Is(err, wire.ErrMalformed) {
			t.Error(err)
		}
		if err == nil && held.From.IsValid() && held.From != held.From.Masked() {
			t.Errorf("%v", held)
		}
	})
}
