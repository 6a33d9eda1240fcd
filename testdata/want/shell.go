package want

import (
	"os/exec"
	"strings"
	"testing"
)

// ShellWords returns the words that a POSIX shell reads in one command. It does not run the
// command.
func ShellWords(t testing.TB, line string) []string {
	t.Helper()
	out, err := exec.Command("sh", "-c", "for word in "+line+`; do printf '%s\0' "$word"; done`).Output()
	if err != nil {
		t.Errorf("a shell cannot read %s: %v", line, err)
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}
