package watchdog

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What the process does when the command ends depends on the last line.
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

// The process outlives the command, and hears its end.
func TestDog(t *testing.T) {
	dir := t.TempDir()
	exe, heard := filepath.Join(dir, "dog"), filepath.Join(dir, "heard")
	if err := os.WriteFile(exe, []byte("#!/bin/sh\ncat > "+heard+".new\nmv "+heard+".new "+heard+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for want, end := range map[string]func(*Dog){"down gre1\n\ndone\n": (*Dog).Done, "down gre1\n\n": (*Dog).Leave} {
		_ = os.Remove(heard)
		d := Start(exe)
		d.Tell("down gre1")
		d.Tell("")
		end(d)
		for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
			if text, err := os.ReadFile(heard); err == nil && string(text) == want {
				break
			} else if time.Since(begin) > 10*time.Second {
				t.Fatalf("it heard %q, %v", text, err)
			}
		}
	}
	var none *Dog = Start(filepath.Join(dir, "nothing"))
	none.Tell("x")
	none.Done()
	none.Leave()
	if Start("") != nil {
		t.Error("a dog without a program")
	}
}
