package want

import (
	"encoding/hex"
	"os"
	"strings"
	"testing"
)

// Fixtures reads bodies of netlink messages from a file. Each line has a name, a tab, and the bytes
// in hexadecimal, recorded on a little-endian machine. Lines that begin with # are remarks.
func Fixtures(t testing.TB, file string) map[string][]byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	messages := make(map[string][]byte)
	for line := range strings.Lines(string(text)) {
		name, digits, found := strings.Cut(strings.TrimSpace(line), "\t")
		if strings.HasPrefix(line, "#") || !found {
			continue
		}
		if messages[name], err = hex.DecodeString(digits); err != nil {
			t.Fatalf("%s: %s: %v", file, name, err)
		}
	}
	return messages
}
