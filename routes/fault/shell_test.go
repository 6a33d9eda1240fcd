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
		"$(reboot)": "'$(reboot)'", "`x`": "'`x`'", "a;b": "'a;b'", "~": "'~'", "a\nb": "'a\nb'", "*": "'*'", "-n": "-n", "ü": "'ü'", `\`: `'\'`,
		"'": `''\'''`, "!": "'!'", "#": "'#'", "a=b": "a=b", "{a,b}": "'{a,b}'",
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
		t.Skip("there is no sh")
	}
	words := []string{"", "gre1", "a b", "it's", "$(echo x)", "`echo x`", "a;b", "a\nb", "*", `\`, "'", "!", "#", "ü", `"`, "$HOME", "<", "''''"}
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
	if want := `sudo './my nmgre' create --route '10.0.0.0/8 nexthop dev gre1' --name 'it'\''s' 'a\x1bb' ''`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
