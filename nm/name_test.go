package nm

import (
	"errors"
	"strings"
	"testing"

	"nmgre/routes/fault"
)

func TestCheckName(t *testing.T) {
	for _, name := range []string{"gre1", "a", "to-berlin", "vpn_2", "tun0.5", "ABCDEFGHIJKLMNO", "1", "gre00", "_"} {
		if err := checkName(name); err != nil {
			t.Errorf("%q is refused: %v", name, err)
		}
	}
	for _, test := range []struct{ name, want string }{
		{"", "the name is empty"},
		{"ABCDEFGHIJKLMNOP", "is 16 bytes long, and the kernel allows 15"},
		{"ÄÖÜÄÖÜÄÖ", "is 16 bytes long"},
		{"gre0", "fallback device"}, {"gretap0", "fallback device"}, {"erspan0", "fallback device"}, {"ip6gre0", "fallback device"},
		{"ip6tnl0", "fallback device"}, {"tunl0", "fallback device"}, {"sit0", "fallback device"}, {"ip_vti0", "fallback device"},
		{"ip6_vti0", "fallback device"},
		{"all", "has another meaning"}, {"default", "has another meaning"}, {"bonding_masters", "has another meaning"}, {"lo", "has another meaning"},
		{".", "has another meaning"}, {"..", "has another meaning"},
		{"a/b", "has a character"}, {"a b", "has a character"}, {"a:1", "has a character"}, {"tür", "has a character"}, {"gre\x1b[1m", "has a character"},
		{"gre%d", "has a character"}, {"a\x00", "has a character"},
		{"-gre", "begins with '-'"},
	} {
		e := checkName(test.name)
		if e == nil || !strings.Contains(e.What, test.want) {
			t.Errorf("checkName(%q) = %v, want %q", test.name, e, test.want)
			continue
		}
		if e.Field != "name" || e.Hint == "" || !errors.Is(e, fault.ErrInvalid) || fault.Printable(e.Error()) != e.Error() {
			t.Errorf("checkName(%q) = %#v", test.name, e)
		}
	}
}

func TestFreeName(t *testing.T) {
	taken := map[string]bool{}
	for _, want := range []string{"gre1", "gre2", "gre3"} {
		name := FreeName(taken)
		if name != want {
			t.Fatalf("FreeName = %s, want %s", name, want)
		}
		taken[name] = true
	}
	delete(taken, "gre2")
	if name := FreeName(taken); name != "gre2" {
		t.Errorf("with gre1 and gre3 taken FreeName = %s", name)
	}
}
