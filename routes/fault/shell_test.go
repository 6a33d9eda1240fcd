package fault_test

import (
	"os/exec"
	"reflect"
	"strings"
	"testing"

	"nmgre/routes/fault"
)

func TestShellQuote(t *testing.T) {
	for word, want := range map[string]string{
		"": "''", "gre1": "gre1", "172.16.0.1/30": "172.16.0.1/30", "2001:db8::1": "2001:db8::1", "a b": "'a b'", "it's": `'it'\''s'`,
		"$(reboot)": "'$(reboot)'", "`x`": "'`x`'", "a;b": "'a;b'", "~": "'~'", "a\nb": `"$(printf 'a\012b')"`, "*": "'*'", "-n": "-n", "ü": "'ü'", `\`: `'\'`,
		"'": `''\'''`, "!": "'!'", "#": "'#'", "a=b": "a=b", "{a,b}": "'{a,b}'", "=ls": "'=ls'",
		"a\x1b[1m'%\\": `"$(printf 'a\033[1m\047%%\134')"`, "\xff": `"$(printf '\377')"`, "a\u202eb": `"$(printf 'a\342\200\256b')"`, "\t": `"$(printf '\011')"`, "-\xff-": `"$(printf '\055\377-')"`,
	} {
		if got := fault.ShellWord(word); got != want {
			t.Errorf("shellQuote(%q) = %s, want %s", word, got, want)
		}
	}
}

// A quoted word is one word to a real shell, and the same one.
func TestShellQuoteIsRead(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	words := []string{"\x1b]0;x\a", "-\xff", "\xff\xfe", "a\u202eb", "\u200b'%s\\n\x7f", "隧道", "-n", "\n\ta", "\x01$(echo x)`echo y`\"", "", "gre1", "a b", "it's", "$(echo x)", "`echo x`", "a;b", "a\nb", "*", `\`, "'", "!", "#", "ü", `"`, "$HOME", "<", "''''"}
	out, err := exec.Command(shell, "-c", `for word do printf '%s\0' "$word"; done`, "sh").Output()
	if err != nil || len(out) != 0 {
		t.Fatalf("sh: %q, %v", out, err)
	}
	out, err = exec.Command(shell, "-c", "set -- "+fault.Shell(words)+`; for word do printf '%s\0' "$word"; done`).Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00"); !reflect.DeepEqual(got, words) {
		t.Errorf("sh read %q, want %q", got, words)
	}
}

// The line to type is the command line itself, for a shell that takes every word as it is.
func TestSudoLine(t *testing.T) {
	got := fault.SudoLine([]string{"./my nmgre", "create", "--route", "10.0.0.0/8 nexthop dev gre1", "--name", "it's", "a\x1bb", ""})
	if want := `sudo './my nmgre' create --route '10.0.0.0/8 nexthop dev gre1' --name 'it'\''s' "$(printf 'a\033b')" ''`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// An operand is no option, and a shell reads it as the name.
func TestOperand(t *testing.T) {
	for name, want := range map[string]string{"gre1": "gre1", "-x": "-- -x", "--help me": "-- '--help me'", "": "''"} {
		if got := fault.Operand(name); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}

// FuzzShellWord compares every word with the word that a shell reads, and looks that it is safe to
// show.
func FuzzShellWord(f *testing.F) {
	for _, word := range []string{"", "gre1", "it's", "\x1b[31m", "\xff", "a\\b%sc", "\u202e$(x)"} {
		f.Add(word)
	}
	f.Fuzz(func(t *testing.T, word string) {
		line := fault.ShellWord(word)
		if !fault.IsPrintable(line) && fault.IsPrintable(word) || strings.ContainsAny(line, "\x00\x1b\n\u202e") {
			t.Fatalf("%q is written as %q", word, line)
		}
		if strings.ContainsRune(word, 0) || strings.HasSuffix(word, "\n") || len(word) > 1000 {
			return
		}
		out, err := exec.Command("sh", "-c", "printf '%s.' "+line).Output()
		if err != nil || string(out) != word+"." {
			t.Fatalf("%q is written as %s, and sh reads %q, %v", word, line, out, err)
		}
	})
}
