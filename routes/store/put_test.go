package store

import (
	"errors"
	"os"
	"testing"

	"nmgre/routes/fault"
	"nmgre/routes/keep"
)

// Undo after a Put makes the file the same as before, byte for byte, or removes it.
func TestPutBack(t *testing.T) {
	s := newStore(t)
	ctx := t.Context()
	path := s.path(tunnelsDir, uuidA)
	back, err := s.Put(ctx, kept(uuidA, 3))
	if err != nil {
		t.Fatal(err)
	}
	if err := back(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is still there: %v", err)
	}
	s.put(t, kept(uuidA, 3))
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []keep.Kept{kept(uuidA, 5), {UUID: uuidA}} {
		back, err := s.Put(ctx, k)
		if err != nil {
			t.Fatal(err)
		}
		if now, _ := os.ReadFile(path); string(now) == string(before) {
			t.Error("nothing was written")
		}
		if err := back(ctx); err != nil {
			t.Fatal(err)
		}
		if now, _ := os.ReadFile(path); string(now) != string(before) {
			t.Errorf("put back is\n%s\nbefore it was\n%s", now, before)
		}
	}
}

// When two change the same file, the second gets an error. A file with the same content is not
// written again.
func TestPutStamp(t *testing.T) {
	s := newStore(t)
	ctx := t.Context()
	fresh := kept(uuidA, 2)
	fresh.Stamp = keep.StampNone
	s.put(t, fresh)
	if _, err := s.Put(ctx, fresh); !errors.Is(err, fault.ErrChanged) {
		t.Errorf("where there was no file is one now: %v", err)
	}
	read, err := s.Get(ctx, uuidA)
	if err != nil {
		t.Fatal(err)
	}
	first, second := kept(uuidA, 3), kept(uuidA, 4)
	first.Stamp, second.Stamp = read.Stamp, read.Stamp
	if again, err := s.Put(ctx, read); err != nil || again == nil {
		t.Errorf("the same again: %v", err)
	}
	s.put(t, first)
	if _, err := s.Put(ctx, second); !errors.Is(err, fault.ErrChanged) {
		t.Errorf("the second change: %v", err)
	}
	if now, err := s.Get(ctx, uuidA); err != nil || len(now.Routes) != 3 {
		t.Errorf("the first change is lost: %d routes, %v", len(now.Routes), err)
	}
}
