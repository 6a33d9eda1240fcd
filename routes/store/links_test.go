package store

import (
	"context"
	"os"
	"reflect"
	"testing"

	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
)

// The note of the options of links is read back, and a line that is none is refused.
func TestRememberLinks(t *testing.T) {
	s, ctx := newStore(t), context.Background()
	if got, err := s.SetLinks(ctx); err != nil || len(got) > 0 {
		t.Errorf("%v, %v", got, err)
	}
	set := map[string]keep.SetOptions{"gre1": {Index: 12, Options: gre.LinkOptions{Checksum: true, Multicast: true}}, "tap.1": {Index: 3, Options: gre.LinkOptions{IgnoreDF: true}}}
	if err := s.RememberLinks(ctx, set); err != nil {
		t.Fatal(err)
	}
	if got, err := s.SetLinks(ctx); err != nil || !reflect.DeepEqual(got, set) {
		t.Errorf("%v, %v", got, err)
	}
	const files = "drwxr-xr-x run\ndrwxr-xr-x run/nmgre\n-rw-r--r-- run/nmgre/links 45 bytes \"gre1 12 multicast checksum\\ntap.1 3 ignore-df\\n\"\n"
	if got := tree(t, s.root); got != files {
		t.Errorf("got\n%swant\n%s", got, files)
	}
	for _, line := range []string{"gre1", "gre1 1", "gre1 0 checksum", "gre1 -1 checksum", "gre1 x checksum", "gre1 1 csum", "abcdefghijklmnop 1 checksum", "\x1b[31m 1 checksum"} {
		write(t, s.path(runDir, linksFile), "gre1 1 checksum\n"+line+"\n", 0o644)
		if got, err := s.SetLinks(ctx); err == nil || len(err.Error()) > 300 || fault.Printable(err.Error()) != err.Error() {
			t.Errorf("%.40q: %v, %v", line, got, err)
		}
	}
	write(t, s.path(runDir, linksFile), "gre1 1 checksum\n", 0o666)
	if got, err := s.SetLinks(ctx); err == nil || got != nil {
		t.Errorf("writable by all: %v, %v", got, err)
	}
	if err := s.RememberLinks(ctx, nil); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(s.path(runDir, linksFile)); err == nil {
		t.Error("the note is there still")
	}
}
