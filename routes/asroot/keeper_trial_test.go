package asroot

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"nmgre/routes/fault"
	"nmgre/routes/keep"
)

// begunTrial begins a trial with a helper that notes its end in a file.
func begunTrial(t *testing.T, name string, byProfile bool) (trial keep.Trial, note string) {
	t.Helper()
	t.Setenv("LANG", name)
	note = filepath.Join(os.TempDir(), name)
	_ = os.Remove(note)
	t.Cleanup(func() { _ = os.Remove(note) })
	k := keeper(t, "try")
	k.NoTerminal = true
	c, trial, err := k.Try(t.Context(), kept(t, 2), byProfile, nil)
	want := string(VerbTry)
	if byProfile {
		want = string(VerbTryByProfile)
	}
	if err != nil || !c.Changed || len(c.Trouble) != 1 || c.Trouble[0] != want {
		t.Fatalf("%+v, %v", c, err)
	}
	time.Sleep(50 * time.Millisecond)
	if text, err := os.ReadFile(note); err == nil {
		t.Fatalf("it ended by itself: %s", text)
	}
	return trial, note
}

// The helper lives until it hears whether the trial is saved or dropped, and is asked for once.
func TestTrial(t *testing.T) {
	for want, end := range map[string]func(keep.Trial) error{
		"save": func(trial keep.Trial) error { return trial.Save(t.Context()) },
		"drop": func(trial keep.Trial) error { return trial.Drop(t.Context()) },
	} {
		trial, note := begunTrial(t, "nmgre-trial-"+want, want == "save")
		if err := end(trial); err != nil {
			t.Errorf("%s: %v", want, err)
		}
		if text, err := os.ReadFile(note); err != nil || string(text) != want+" "+uuid {
			t.Errorf("%s: the helper did %q, %v", want, text, err)
		}
		if err := end(trial); err != nil {
			t.Errorf("%s again: %v", want, err)
		}
	}
}

// The caller is killed, or says nonsense: the helper abandons or drops the trial.
func TestTrialOfTheDead(t *testing.T) {
	for name, end := range map[string]func(*child) Verb{
		"killed":   func(c *child) Verb { _ = c.line.Close(); return VerbAbandon },
		"nonsense": func(c *child) Verb { _, _ = c.line.Write([]byte("save it, please\n")); return VerbDrop },
		"half":     func(c *child) Verb { _, _ = c.line.Write([]byte("save")); _ = c.line.Close(); return VerbAbandon },
	} {
		trial, note := begunTrial(t, "nmgre-trial-"+name, true)
		helper, ok := trial.(*helperTrial)
		if !ok {
			t.Fatal(trial)
		}
		verb := string(end(helper.child))
		for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
			if text, err := os.ReadFile(note); err == nil && string(text) == verb+" "+uuid {
				break
			} else if time.Since(begin) > 10*time.Second {
				t.Fatalf("%s: %q, %v", name, text, err)
			}
		}
		if err := trial.Save(t.Context()); err == nil {
			t.Errorf("%s: it can be saved afterwards", name)
		}
	}
}

// A request that polkit or the kernel refuses begins no trial.
func TestTrialRefused(t *testing.T) {
	for role, kind := range map[string]error{"refuse": fault.ErrNotPermitted, "gone": fault.ErrNotFound} {
		k := keeper(t, role)
		k.NoTerminal = true
		if _, trial, err := k.Try(t.Context(), kept(t, 1), true, nil); !errors.Is(err, kind) || trial != nil {
			t.Errorf("%s: %v, %v", role, trial, err)
		}
	}
}
