package routes

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fixtures reads bodies of netlink messages from a file in testdata: lines of a name, a tab and the bytes in hexadecimal, recorded
// on little-endian machines; lines that begin with # are remarks.
func fixtures(t testing.TB, file string) map[string][]byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", file))
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
