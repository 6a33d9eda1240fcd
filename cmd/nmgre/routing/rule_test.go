package routing

import (
	"errors"
	"testing"

	"nmgre/routes/fault"
	"nmgre/routes/rule"
)

// As for ip rule, a priority alone names the rule that is to be deleted, of either family, if there
// is one.
func TestDeleteRuleByPriority(t *testing.T) {
	var old []rule.Rule
	for _, text := range []string{"from 10.0.0.1 table 100 priority 300", "from 10.0.0.2 prohibit priority 301", "from 2001:db8::1 table 100 priority 302", "from 10.0.0.3 table 100 priority 303", "from 10.0.0.4 table 100 priority 303"} {
		old = append(old, rule.MustParse(text))
	}
	for text, left := range map[string]int{
		"priority 300": 4, "pref 301": 4, "priority 302": 4, "from 10.0.0.3 table 100 priority 303": 4, "from 10.0.0.4 table 100": 4,
		"priority 303": -1, "priority 304": -1, "from 10.0.0.1 priority 300": -1, "from 10.0.0.1 table 100 priority 301": -1,
	} {
		switch after, err := deleteRules("gre1", old, []rule.Rule{rule.MustParse(text)}); {
		case left < 0 && (!errors.Is(err, fault.ErrInvalid) || len(fault.Hints(err)) == 0):
			t.Errorf("%s: %v", text, err)
		case left >= 0 && (err != nil || len(after) != left):
			t.Errorf("%s: %v, %v", text, after, err)
		}
	}
}
