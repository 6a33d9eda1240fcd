package policy

import (
	"testing"

	"nmgre/routes/rule"
	"nmgre/testdata/want"
)

// Rules of the routing policy as bytes, in the machine's own order.
func TestGoldenBytes(t *testing.T) {
	messages := make(map[string][]byte)
	for _, spec := range []string{
		"from 10.0.0.2 table 100 priority 1000", "from 10.0.0.0/8 to 10.9.0.0/16 iif gre1 oif lan1 fwmark 0x7/0xff table main suppress_prefixlength 0 priority 19000",
		"from fd00::/8 dport 80-443 sport 7 ipproto tcp table 70000 suppress_ifgroup 7 priority 2", "from ::/0 tos 0x10 prohibit priority 9", "from 10.0.0.2 uidrange 5-1000 blackhole priority 3",
	} {
		r, err := rule.Parse(spec)
		if err != nil {
			t.Fatalf("%s: %v", spec, err)
		}
		messages[spec] = Append(nil, &r)
	}
	want.GoldenBytes(t, "rules", messages)
}
