package nmgre

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCheckName(t *testing.T) {
	for _, name := range []string{"gre1", "a", "to-berlin", "vpn_2", "tun0.5", "ABCDEFGHIJKLMNO", "1", "gre00", "_"} {
		if err := checkName(name); err != nil {
			t.Errorf("%q is refused: %v", name, err)
		}
	}
	for _, test := range []struct{ name, want string }{
		{"", "it is empty"},
		{"ABCDEFGHIJKLMNOP", "is 16 bytes long, and the kernel takes 15"},
		{"ÄÖÜÄÖÜÄÖ", "is 16 bytes long"},
		{"gre0", "fallback device"}, {"gretap0", "fallback device"}, {"erspan0", "fallback device"}, {"ip6gre0", "fallback device"},
		{"ip6tnl0", "fallback device"}, {"tunl0", "fallback device"}, {"sit0", "fallback device"}, {"ip_vti0", "fallback device"},
		{"ip6_vti0", "fallback device"},
		{"all", "means something else"}, {"default", "means something else"}, {"bonding_masters", "means something else"}, {"lo", "means something else"},
		{".", "means something else"}, {"..", "means something else"},
		{"a/b", "has a character"}, {"a b", "has a character"}, {"a:1", "has a character"}, {"tür", "has a character"}, {"gre\x1b[1m", "has a character"},
		{"gre%d", "has a character"}, {"a\x00", "has a character"},
		{"-gre", "begins with '-'"},
	} {
		e := checkName(test.name)
		if e == nil || !strings.Contains(e.What, test.want) {
			t.Errorf("checkName(%q) = %v, want %q", test.name, e, test.want)
			continue
		}
		if e.Field != "name" || e.Hint == "" || !errors.Is(e, ErrInvalid) || Printable(e.Error()) != e.Error() {
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

func TestError(t *testing.T) {
	cause := io.ErrUnexpectedEOF
	for _, test := range []struct {
		err  *Error
		want string
	}{
		{&Error{Field: "peer", What: "it is missing"}, "peer: it is missing"},
		{&Error{What: "it is missing", Err: cause}, "it is missing: unexpected EOF"},
		{&Error{Field: "route", Err: cause}, "route: unexpected EOF"},
		{&Error{Kind: ErrTimeout, What: "too slow", Hint: "wait"}, "too slow"},
	} {
		if got := test.err.Error(); got != test.want {
			t.Errorf("Error() = %q, want %q", got, test.want)
		}
	}
	err := fmt.Errorf("create: %w", &Error{Kind: ErrNotPermitted, What: "no", Err: cause})
	if !errors.Is(err, ErrNotPermitted) || !errors.Is(err, cause) || errors.Is(err, ErrInvalid) {
		t.Errorf("kind and cause are not found in %v", err)
	}
	if !errors.Is(ErrNotFound, ErrInvalid) {
		t.Error("ErrNotFound is no ErrInvalid")
	}
}

func TestHints(t *testing.T) {
	inner := &Error{What: "inner", Hint: "second"}
	err := errors.Join(
		fmt.Errorf("wrapped: %w", &Error{What: "outer", Hint: "first", Err: inner}),
		&Error{What: "again", Hint: "first"},
		&Error{What: "no hint"},
		&Error{Kind: ErrTimeout, What: "third", Hint: "third", Err: errors.New("plain")},
	)
	if got, want := Hints(err), []string{"first", "second", "third"}; !slices.Equal(got, want) {
		t.Errorf("Hints = %q, want %q", got, want)
	}
	if got := Hints(nil); got != nil {
		t.Errorf("Hints(nil) = %q", got)
	}
}

func TestMode(t *testing.T) {
	for _, m := range Modes {
		if again, err := ParseMode(m.String()); err != nil || again != m {
			t.Errorf("ParseMode(%q) = %v, %v", m, again, err)
		}
	}
	for _, text := range []string{"", "GRE", "ipip", "unknown", "gre ", "\x1b"} {
		m, err := ParseMode(text)
		if e := new(Error); m != 0 || !errors.As(err, &e) || e.Field != "mode" || e.Hint == "" || !errors.Is(err, ErrInvalid) {
			t.Errorf("ParseMode(%q) = %v, %v", text, m, err)
		}
	}
	if got := Mode(0).String(); got != "unknown" {
		t.Errorf("Mode(0) is %q", got)
	}
	var m Mode
	if text, err := ModeIP6GRE.MarshalText(); err != nil || string(text) != "ip6gre" {
		t.Errorf("MarshalText: %q, %v", text, err)
	}
	if err := m.UnmarshalText([]byte("ip6gretap")); err != nil || m != ModeIP6GRETAP || !m.Ethernet() || !m.IPv6Outer() {
		t.Errorf("UnmarshalText: %v, %v", m, err)
	}
}

func TestCompareNames(t *testing.T) {
	names := []string{"gre10", "tun0", "gre2", "gre", "alpha", "gre1", "gre2a"}
	slices.SortFunc(names, compareNames)
	if got, want := strings.Join(names, " "), "alpha gre gre1 gre2 gre10 gre2a tun0"; got != want {
		t.Errorf("sorted: %s, want %s", got, want)
	}
}
