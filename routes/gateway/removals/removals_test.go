package removals

import (
	"os"
	"testing"
)

// Datagrams of others are read within their bounds.
func FuzzRemoves(f *testing.F) {
	f.Add([]byte("\x20\x00\x00\x00\x02\x0a\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00nmgre\x00"))
	f.Add([]byte{})
	f.Fuzz(func(_ *testing.T, datagram []byte) { removes(datagram, "nmgre") })
}

// A file that is no socket is read in pauses, and says nothing.
func TestRemovalFails(t *testing.T) {
	file, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	if removal(file, make([]byte, 10), "nmgre") {
		t.Error("a folder tells of rules")
	}
}
