package term

import "testing"

// The first of LC_ALL, LC_CTYPE and LANG that is set decides (locale(7)); C is ASCII.
func TestIsUTF8(t *testing.T) {
	for _, c := range []struct {
		all, ctype, lang string
		utf8             bool
	}{
		{"", "", "", true},
		{"", "", "C.UTF-8", true},
		{"", "", "de_DE.utf8", true},
		{"", "", "C", false},
		{"", "", "POSIX", false},
		{"", "", "de_DE.ISO-8859-1", false},
		{"C", "", "de_DE.UTF-8", false},
		{"", "C.UTF-8", "C", true},
		{"en_US.UTF-8", "C", "C", true},
	} {
		t.Setenv("LC_ALL", c.all)
		t.Setenv("LC_CTYPE", c.ctype)
		t.Setenv("LANG", c.lang)
		if got := IsUTF8(); got != c.utf8 {
			t.Errorf("%+v: %t", c, got)
		}
	}
}
