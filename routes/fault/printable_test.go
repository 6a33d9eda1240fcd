package fault

import (
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestPrintable(t *testing.T) {
	for _, test := range []struct{ name, in, want string }{
		{"plain", "gre1 to Berlin", "gre1 to Berlin"},
		{"wide letters are kept", "隧道 トンネル", "隧道 トンネル"},
		{"umlauts and signs are kept", "Köln € 🙂", "Köln € 🙂"},
		{"terminal sequence", "\x1b[31mred\x1b[0m", `\x1b[31mred\x1b[0m`},
		{"new line, tab, return, bell", "a\nb\tc\rd\a", `a\nb\tc\rd\a`},
		{"delete and C1 controls", "\x7f\u0080\u009b31m", `\x7f\u0080\u009b31m`},
		{"zero byte", "a\x00b", `a\x00b`},
		{"no UTF-8", "a\xff\xfeb", `a\xff\xfeb`},
		{"half a letter", "a\xe2\x82", `a\xe2\x82`},
		{"the replacement character itself", "a\uFFFDb", "a\uFFFDb"},
		{"marks that turn the direction", "abc\u202Edef\u2066x\u2069\u200F", `abc\u202edef\u2066x\u2069\u200f`},
		{"zero width", "a\u200bb\ufeffc\u00add", `a\u200bb\ufeffc\u00add`},
		{"line separator", "a\u2028b", `a\u2028b`},
		{"spaces that are none", "a\u00a0b\u3000c", `a\u00a0b\u3000c`},
		{"tags", "a\U000E0041", `a\U000e0041`},
		{"private use", "a\uE000", `a\ue000`},
		{"quote and backslash stay", `a"b\c'`, `a"b\c'`},
		{"empty", "", ""},
	} {
		if got := Printable(test.in); got != test.want {
			t.Errorf("%s: Printable(%q) = %q, want %q", test.name, test.in, got, test.want)
		}
	}
}

// A text is cut between two letters, wherever the limit falls.
func TestPrintableCuts(t *testing.T) {
	for shift := range 4 {
		for _, letter := range []string{"a", "ü", "隧", "🙂"} {
			in := strings.Repeat("x", shift) + strings.Repeat(letter, maxPrintable+1)
			got, cut := strings.CutSuffix(Printable(in), "...")
			if !cut || !strings.HasPrefix(in, got) || !utf8.ValidString(got) {
				t.Errorf("%q after %d bytes: the end is %q", letter, shift, got[max(0, len(got)-12):])
			}
			if len(got) > maxPrintable || len(got) <= maxPrintable-utf8.UTFMax {
				t.Errorf("%q after %d bytes: %d bytes are left", letter, shift, len(got))
			}
		}
	}
	if exact := strings.Repeat("x", maxPrintable); Printable(exact) != exact {
		t.Error("a text of just the limit is cut")
	}
	for _, b := range []string{"\xff", "\x80"} {
		if got, want := Printable(strings.Repeat(b, maxPrintable+1)), strings.Repeat(strconv.QuoteToASCII(b)[1:5], maxPrintable)+"..."; got != want {
			t.Errorf("bytes that are no UTF-8 are not cut at the limit: %d bytes, want %d", len(got), len(want))
		}
	}
}

func FuzzPrintable(f *testing.F) {
	for _, seed := range []string{"", "gre1", "\x1b[31m", "\xff", "隧道", "\u202e", strings.Repeat("ü", maxPrintable)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p := Printable(s)
		if !utf8.ValidString(p) || Printable(p) != p && len(p) <= maxPrintable {
			t.Fatalf("Printable(%q) = %q", s, p)
		}
		if strings.ContainsFunc(p, func(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0x202e }) {
			t.Fatalf("Printable(%q) = %q acts on a terminal", s, p)
		}
	})
}
