package asroot

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nmgre/routes/fault"
	"nmgre/routes/keep"
)

// A trial ends by the caller's word, and by its silence: it is dropped if the caller is gone, says
// nonsense, was stopped, or does not even hear that it has begun.
func TestTrialEnds(t *testing.T) {
	for _, c := range []struct {
		name    string
		said    string // after the request
		silent  bool   // the caller then stays, and says nothing more
		deaf    bool   // it reads no answer
		verb    Verb
		results int
		err     error
	}{
		{"save", "save\n", true, false, VerbSave, 2, nil},
		{"drop", "drop\n", true, false, VerbDrop, 2, nil},
		{"the end", "", false, false, VerbAbandon, 2, nil},
		{"half a word", "sav", false, false, VerbAbandon, 2, nil},
		{"nonsense", "save it\n", true, false, VerbDrop, 2, fault.ErrInvalid},
		{"much nonsense", "save everything that there is\n", true, false, VerbAbandon, 2, nil},
		{"another word", "keep\n", true, false, VerbDrop, 2, fault.ErrInvalid},
		{"silence", "", true, false, VerbAbandon, 2, nil},
		{"a caller who does not read", "", true, true, VerbAbandon, 0, fault.ErrTimeout},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				in, caller := io.Pipe()
				go func() {
					_, _ = io.WriteString(caller, text(t, Request{Verb: VerbTry, Kept: kept(t, 1)}))
					time.Sleep(time.Second) // the verdict comes when the trial has begun
					_, _ = io.WriteString(caller, c.said)
					if !c.silent {
						_ = caller.Close()
					}
				}()
				var b bytes.Buffer
				closed := make(chan struct{})
				var out io.Writer = &b
				if c.deaf {
					out = stuck{closed}
				}
				var verbs []Verb
				h := Helper{In: in, Out: out, Question: Question{"gre1", wordRoutes, wordSNAT, wordForward}}
				h.Carry = func(_ context.Context, r Request, _ func(done, total int)) (keep.Converged, error) {
					if verbs = append(verbs, r.Verb); r.Tunnel() != uuid {
						t.Errorf("%s is about %q", r.Verb, r.Tunnel())
					}
					return keep.Converged{}, nil
				}
				if err := h.Serve(t.Context()); !errors.Is(err, c.err) || c.err == nil && err != nil {
					t.Errorf("%v, want %v", err, c.err)
				}
				if !slices.Equal(verbs, []Verb{VerbTry, c.verb}) {
					t.Errorf("carried out %q", verbs)
				}
				if got := strings.Count(b.String(), `"result"`); got != c.results {
					t.Errorf("%d results: %s", got, b.String())
				}
				_ = in.Close()
				close(closed)
			})
		})
	}
}

// A trial that fails needs no verdict.
func TestTrialThatFails(t *testing.T) {
	var b bytes.Buffer
	h := Helper{In: strings.NewReader(text(t, Request{Verb: VerbTry, Kept: kept(t, 1)})), Out: &b, Question: Question{"gre1", wordRoutes, wordSNAT, wordForward}, Carry: refuseAll}
	if err := h.Serve(t.Context()); !errors.Is(err, errBroken) || strings.Count(b.String(), `"result"`) != 1 {
		t.Errorf("%v, %s", err, b.String())
	}
}
