package store

import (
	"context"
	"errors"
	"os"
	"reflect"
	"testing"

	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
)

// sameList reports whether two lists share their memory.
func sameList(a, b []routes.Route) bool { return len(a) > 0 && len(b) > 0 && &a[0] == &b[0] }

// A store that remembers parses a file again only when it has changed, whoever changed it. It never
// returns the content of a file that cannot be trusted.
func TestRemembering(t *testing.T) {
	plain, ctx := newStore(t), context.Background()
	s := plain.Remembering()
	if s.Remembering() != s {
		t.Error("a store that remembers has a second memory")
	}
	read := func() keep.Kept {
		t.Helper()
		k, err := s.Get(ctx, uuidA)
		if want, wantErr := plain.Get(ctx, uuidA); err != nil || wantErr != nil || !reflect.DeepEqual(k, want) {
			t.Fatalf("%+v, %v; without memory %+v, %v", k, err, want, wantErr)
		}
		return k
	}
	plain.put(t, kept(uuidA, 3))
	first := read()
	if !sameList(first.Routes, read().Routes) {
		t.Error("it was parsed again")
	}
	if list, err := s.All(ctx); err != nil || len(list) != 1 || !sameList(first.Routes, list[0].Routes) {
		t.Errorf("All: %v, %v", list, err)
	}
	if more := append(first.Routes, routes.Route{MTU: 1}); sameList(first.Routes, more) || len(read().Routes) != 3 {
		t.Error("an append changes the list that others read")
	}
	plain.put(t, kept(uuidA, 2)) // by another process
	if len(read().Routes) != 2 {
		t.Error("a new file is not seen")
	}
	// by an editor, in its place
	if err := appendTo(s.path(tunnelsDir, uuidA), "route 10.77.0.0/16\n"); err != nil {
		t.Fatal(err)
	}
	if len(read().Routes) != 3 {
		t.Error("a file written in its place is not seen")
	}
	if err := os.Chmod(s.path(tunnelsDir, uuidA), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(ctx, uuidA); err == nil {
		t.Error("the remembered content of a file that others can write counts")
	}
	if err := s.Delete(ctx, uuidA); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(ctx, uuidA); !errors.Is(err, fault.ErrNotFound) {
		t.Error(err)
	}
	if _, err := s.UUIDs(ctx); err != nil || len(s.last.kept) != 0 {
		t.Errorf("it remembers a file that is gone: %v, %v", s.last.kept, err)
	}
}
