package fault

import (
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	names := []string{"public", "trusted", "Work", "home"}
	for word, want := range map[string]string{
		"public": "public", "pulbic": "public", "publi": "public", "PUBLIC": "public", "work": "Work",
		"trust": "trusted", "hme": "home", "dmz": "", "": "", "houses": "home",
		strings.Repeat("public", 7): "",
	} {
		if got := Nearest(word, names); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
	if got := Nearest("z", []string{"a", "b"}); got != "" { // nothing of it is left
		t.Errorf("z: %q", got)
	}
	if got := Nearest("gre1", nil); got != "" {
		t.Errorf("of no names: %q", got)
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"kitten", "sitting", 3}, {"ab", "ba", 1}, {"hoem", "home", 1}, {"hoem", "homes", 2}} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("%s, %s: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
