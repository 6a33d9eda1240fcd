package watchdog

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nmgre"
	"nmgre/nm/verify"
)

// The work of the process after the command's end depends on the last line.
func TestWait(t *testing.T) {
	for text, want := range map[string]struct {
		what  string
		ended bool
	}{
		"": {"", false}, "\n": {"", false}, "down gre1\n": {"down gre1", false}, "down gre1\n\n": {"", false},
		"done\n": {"", true}, "up gre1\n\ndone\n": {"", true}, "up gre1\nup gre": {"up gre", false},
		strings.Repeat("x", 2*maxLine) + "\n": {"", false},
	} {
		if what, ended := Wait(strings.NewReader(text)); what != want.what || ended != want.ended {
			t.Errorf("%.20q: %q, %v", text, what, ended)
		}
	}
}

// hearing returns a program that writes down its input, and a function which makes sure that the
// input was just want.
func hearing(t *testing.T, dir string) (exe string, hears func(want string)) {
	t.Helper()
	exe, heard := filepath.Join(dir, "dog"), filepath.Join(dir, "heard")
	if err := os.WriteFile(exe, []byte("#!/bin/sh\ncat > "+heard+".new\nmv "+heard+".new "+heard+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return exe, func(want string) {
		t.Helper()
		for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
			text, err := os.ReadFile(heard)
			if err == nil && string(text) == want {
				_ = os.Remove(heard)
				return
			}
			if time.Since(begin) > 10*time.Second {
				t.Fatalf("it heard %q, %v", text, err)
			}
		}
	}
}

// While a change is asked about, the process beside it knows the undo of the change.
func TestAsking(t *testing.T) {
	exe, hears := hearing(t, t.TempDir())
	host := &nmgre.Host{}
	if Asking(host, exe, "up gre1") != host {
		t.Error("nobody asks, and there is another host")
	}
	no := errors.New("no")
	host.ConfirmCut = func(context.Context, verify.Report) error { return no }
	if err := Asking(host, exe, "up gre1").ConfirmCut(t.Context(), verify.Report{}); !errors.Is(err, no) {
		t.Errorf("the answer is %v", err)
	}
	hears("up gre1\ndone\n")
}

// The process outlives the command, and hears its end.
func TestDog(t *testing.T) {
	dir := t.TempDir()
	exe, hears := hearing(t, dir)
	for want, end := range map[string]func(*Dog){"down gre1\n\ndone\n": (*Dog).Done, "down gre1\n\n": (*Dog).Leave} {
		d := Start(exe)
		d.Tell("down gre1")
		d.Tell("")
		end(d)
		hears(want)
	}
	var none *Dog = Start(filepath.Join(dir, "nothing"))
	none.Tell("x")
	none.Done()
	none.Leave()
	if Start("") != nil {
		t.Error("a dog without a program")
	}
}
