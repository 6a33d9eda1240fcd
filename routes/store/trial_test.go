package store

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"nmgre/routes/fault"
	"nmgre/routes/keep"
)

// A trial counts until it ends. Then its content is the file, or the old file counts again.
func TestTry(t *testing.T) {
	s := newStore(t)
	ctx := t.Context()
	for _, before := range []int{0, 2} {
		for _, after := range []int{0, 3} {
			for _, save := range []bool{false, true} {
				s.put(t, sized(before))
				k := sized(after)
				k.Stamp = stampNow(t, s)
				if _, err := s.Try(ctx, k, true); err != nil {
					t.Fatal(err)
				}
				at := fmt.Sprintf("from %d routes to %d, saved %v: ", before, after, save)
				if n := count(t, s); n != after {
					t.Errorf("%swhile it is tried there are %d", at, n)
				}
				if _, err := os.Lstat(s.path(tunnelsDir, uuidA)); (err == nil) != (before > 0) {
					t.Errorf("%sthe file is touched: %v", at, err)
				}
				tried, err := s.Tried(ctx)
				if want := (keep.Tried{UUID: uuidA, New: before == 0, ByProfile: true}); err != nil || len(tried) != 1 || tried[0] != want {
					t.Errorf("%s%+v, %v", at, tried, err)
				}
				if _, err := s.Put(ctx, sized(7)); !errors.Is(err, fault.ErrChanged) {
					t.Errorf("%sanother writes meanwhile: %v", at, err)
				}
				if _, err := s.Try(ctx, sized(7), false); !errors.Is(err, fault.ErrChanged) {
					t.Errorf("%sanother tries meanwhile: %v", at, err)
				}
				if err := s.EndTrial(ctx, uuidA, save); err != nil {
					t.Fatal(err)
				}
				want := before
				if save {
					want = after
				}
				if n := count(t, s); n != want {
					t.Errorf("%safterwards there are %d", at, n)
				}
				if _, err := os.Lstat(s.path(trialDir)); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("%sthe folder is left: %v", at, err)
				}
			}
		}
	}
}

// sized keeps n routes; 0 keeps nothing, but names the tunnel.
func sized(n int) keep.Kept {
	k := kept(uuidA, n)
	if n == 0 {
		k = keep.Kept{UUID: uuidA, Name: k.Name, Remote: k.Remote}
	}
	return k
}

func stampNow(t *testing.T, s *Store) string {
	t.Helper()
	k, err := keep.Of(t.Context(), s, uuidA)
	if err != nil {
		t.Fatal(err)
	}
	return k.Stamp
}

// count returns how many routes are kept, by each way to read them.
func count(t *testing.T, s *Store) int {
	t.Helper()
	k, err := keep.Of(t.Context(), s, uuidA)
	all, allErr := s.All(t.Context())
	if err != nil || allErr != nil || len(all) > 1 || len(all) == 1 && len(all[0].Routes) != len(k.Routes) || len(all) == 0 && !k.Empty() {
		t.Fatalf("%+v, %v; all %+v, %v", k, err, all, allErr)
	}
	return len(k.Routes)
}

// A killed process's trial has no effect, whether its number is free or another's by now.
func TestTriedByTheDead(t *testing.T) {
	s := newStore(t)
	ctx := t.Context()
	s.put(t, sized(2))
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	for _, by := range []string{fmt.Sprintf("%d.1", dead.Process.Pid), fmt.Sprintf("%d.1", os.Getpid()), "1.2"} {
		if _, err := s.Try(ctx, sized(3), true); err != nil {
			t.Fatal(err)
		}
		mine, err := filepath.Glob(s.path(trialDir, "*"))
		if err != nil || len(mine) != 1 {
			t.Fatal(mine, err)
		}
		if err := os.Rename(mine[0], s.path(trialDir, uuidA+"."+by+"."+kindByProfile)); err != nil {
			t.Fatal(err)
		}
		tried, err := s.Tried(ctx)
		if err != nil || len(tried) != 1 || !tried[0].Dead || count(t, s) != 2 {
			t.Errorf("%s: %+v, %v", by, tried, err)
		}
		if err := s.EndTrial(ctx, uuidA, false); err != nil {
			t.Fatal(err)
		}
	}
}

// Files of other names are left alone, and those that others can write do not count.
func TestTriedUntrusted(t *testing.T) {
	s := newStore(t)
	ctx := t.Context()
	if _, err := s.Try(ctx, sized(3), false); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"x", uuidA, uuidA + ".1.2", uuidA + ".0.2.profile", uuidA + ".x.2.alone", uuidA + ".1.2.other", "..profile"} {
		if err := os.WriteFile(s.path(trialDir, name), []byte("version 1\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if tried, err := s.Tried(ctx); err != nil || len(tried) != 1 {
		t.Errorf("%+v, %v", tried, err)
	}
	if err := os.Chmod(s.path(trialDir), 0o777); err != nil {
		t.Fatal(err)
	}
	if tried, err := s.Tried(ctx); err == nil {
		t.Errorf("others can write: %+v", tried)
	}
}
