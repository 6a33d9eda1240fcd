package policy_test

import (
	"errors"
	"strings"
	"testing"

	"nmgre/nm/policy"
	"nmgre/routes/fault"
)

// Two rules that the kernel may take for one are refused in either order, unless they were there
// before, and no others are.
func TestRivals(t *testing.T) {
	const one = "from 10.0.0.2 table 100 priority 100"
	for _, other := range []string{"from 10.0.0.2 to 10.9.0.0/16 table 100 priority 100", "from 10.0.0.2 tos 0x10 table 100 priority 100", "table 100 priority 100", "not from 10.0.0.2 table 100 priority 100"} {
		for _, list := range [][]string{{one, other}, {other, one}} {
			err := policy.Rivals(rules(list...), nil)
			if !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), "the kernel may take") {
				t.Errorf("%q: %v", list, err)
			}
			if err := policy.Rivals(rules(list...), rules(list...)); err != nil {
				t.Errorf("%q were there before: %v", list, err)
			}
		}
	}
	for _, other := range []string{"table 101 priority 100", "table 100 priority 101", "from 10.0.0.3 table 100 priority 100", "from 10.0.0.2 iif eth1 table 100 priority 100",
		"from 10.0.0.2 fwmark 1 table 100 priority 100", "blackhole priority 100", "to 10.0.0.2 table 100 priority 100", "from 10.0.0.0/24 table 100 priority 100"} {
		if err := policy.Rivals(rules(one, other), nil); err != nil {
			t.Errorf("%q: %v", other, err)
		}
	}
}
