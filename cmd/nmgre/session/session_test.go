package session

import (
	"os"
	"path/filepath"
	"testing"
)

// The session is found under sudo, which removes it from the environment.
func TestSessionOfAncestors(t *testing.T) {
	proc := t.TempDir()
	for name, text := range map[string]string{
		"30/stat": "30 (sudo) S 20 30 30", "30/environ": "PATH=/bin\x00",
		"20/stat": "20 (a) b) S 10 20 20", "20/environ": "X=1\x00SSH_CONNECTION=bad 1 2 3\x00",
		"10/stat": "10 (bash) S 1 10 10", "10/environ": "A=\x00SSH_CONNECTION=::ffff:10.10.2.9 5 10.0.0.1 22\x00",
		"40/stat": "40 (x) S 40 1 1", "50/stat": "garbage", "60/stat": "60 (x",
	} {
		file := filepath.Join(proc, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := ancestorSession(proc, 30); got.Client.String() != "10.10.2.9" || got.Server.String() != "10.0.0.1" {
		t.Errorf("got %s", got)
	}
	for _, pid := range []int{40, 50, 60, 70, 1, 0, -1} {
		if got := ancestorSession(proc, pid); got.Client.IsValid() {
			t.Errorf("%d: got %s", pid, got)
		}
	}
}
