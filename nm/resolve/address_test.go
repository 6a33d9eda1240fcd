package resolve_test

import (
	"strings"
	"testing"

	"nmgre/nm/resolve"
	"nmgre/testdata/want"
)

// A text that is no address and no name gets the hint that mends it.
func TestAddress(t *testing.T) {
	const plain = "give the far end's outer address, such as 203.0.113.2, or its name"
	for text, hint := range map[string]string{
		"": "", "100.0.2.100": "", "2001:db8::1": "",
		"100.0.2.300":                         plain,
		"1.2.3":                               plain,
		"gw..example":                         plain,
		"a;b":                                 plain,
		"2001:db8::1::2":                      plain,
		" gw":                                 "leave out the blanks: gw",
		"https://gw.example.org":              "give the host alone: gw.example.org",
		"ssh://root@gw.example.org:22/x":      "give the host alone: gw.example.org",
		"gre://[2001:db8::1]":                 "give the host alone: 2001:db8::1",
		"https://":                            "give the host alone",
		"100.0.2.100/24":                      "leave out the prefix length: 100.0.2.100",
		"gw/24":                               "leave out the prefix length: gw",
		"root@gw":                             "leave out the user: gw",
		"root@100.0.2.100":                    "leave out the user: 100.0.2.100",
		"gw:47":                               "GRE has no ports: leave out :47: gw",
		"100.0.2.100:47":                      "GRE has no ports: leave out :47: 100.0.2.100",
		"[2001:db8::1]:47":                    "GRE has no ports: leave out :47: 2001:db8::1",
		"[2001:db8::1]":                       "leave out the brackets: 2001:db8::1",
		"müller.example":                      "write the name in ASCII, as the DNS has it, with xn--, or give the far end's address",
		"100.0.2.100,100.0.2.101":             "a tunnel has one far end: give one address, or one name",
		"any":                                 "give the address or the name of one far end, such as 203.0.113.2; nmgre makes no tunnels with many ends (mGRE)",
		"gw1 gw2":                             "a tunnel has one far end: give one address, or one name",
		"\x1b[31m":                            plain,
		strings.Repeat("a", 300):              plain,
		strings.Repeat("[", 3000) + "://\x00": "give the host alone",
	} {
		_, err := resolve.Address(text)
		switch {
		case err == nil && hint != "":
			t.Errorf("%q is taken", text)
		case err != nil && err.Hint != hint:
			t.Errorf("%q: %v; %q, want %q", text, err, err.Hint, hint)
		case err != nil:
			want.CheckProblems(t, err)
		}
	}
	if _, err := resolve.Address("100.0.2.300"); err == nil || !strings.HasSuffix(err.Error(), "is not an IP address") {
		t.Error(err)
	}
	if _, err := resolve.Address("gw:47"); err == nil || !strings.HasSuffix(err.Error(), "is neither an IP address nor the name of a host") {
		t.Error(err)
	}
}
