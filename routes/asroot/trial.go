package asroot

import (
	"bufio"
	"context"
	"errors"
	"io"
	"runtime/debug"
	"time"

	"nmgre/routes/fault"
	"nmgre/routes/keep"
)

// A helper with a trial lives until the trial ends. After the result of the request it reads one
// more line, a verdict, and answers with a second result. If the caller is gone, the trial is
// abandoned: it is dropped, unless the profile that was tried with it has been saved. So nobody is
// asked for a password twice, and no trial outlives the process that began it.
const (
	verdictSave = "save"
	verdictDrop = "drop"
	maxVerdict  = 16 // bytes
	// trialTimeout is longer than a person may take to confirm an edit.
	trialTimeout = 2 * time.Hour
)

// Try has the helper try kept. In the result, Added and Replaced have the right lengths, but -1 for
// every index.
func (k *Keeper) Try(ctx context.Context, kept keep.Kept, byProfile bool, progress func(done, total int)) (keep.Converged, keep.Trial, error) {
	verb := VerbTry
	if byProfile {
		verb = VerbTryByProfile
	}
	c, result, err := k.begin(ctx, Request{Verb: verb, Kept: kept}, progress)
	if err != nil {
		if c != nil {
			c.release()
		}
		return result, nil, err
	}
	return result, &helperTrial{child: c}, nil
}

// helperTrial is a trial of the helper's.
type helperTrial struct {
	child *child
	ended bool
	err   error
}

// Save has the helper save the trial.
func (t *helperTrial) Save(ctx context.Context) error { return t.end(ctx, verdictSave) }

// Drop has the helper drop the trial.
func (t *helperTrial) Drop(ctx context.Context) error { return t.end(ctx, verdictDrop) }

// end tells the helper the verdict, and waits for the helper's end. The helper drops the trial if
// it is told nothing, so a helper that is gone is an error.
func (t *helperTrial) end(ctx context.Context, verdict string) error {
	if t.ended {
		return t.err
	}
	c := t.child
	defer c.release()
	t.ended, c.stays, c.result = true, false, nil
	if _, err := io.WriteString(c.line, verdict+"\n"); err != nil {
		t.err = &fault.Error{Kind: fault.ErrLeftBehind, What: "nmgre's helper ended too early", Err: err}
		return t.err
	}
	c.follow(ctx, nil)
	_, t.err = c.outcome(ctx)
	return t.err
}

// verdict waits for the caller's verdict about a trial of a tunnel, and carries it out. A caller
// that is gone, or whom the result did not reach, has abandoned the trial.
func (h Helper) verdict(ctx context.Context, tunnel string, unheard error) (keep.Converged, error) {
	debug.FreeOSMemory() // of the request: the caller may think about it for an hour
	line := ""
	if unheard == nil {
		line = readVerdict(ctx, h.In)
	}
	verb, known := map[string]Verb{"": VerbAbandon, verdictSave + "\n": VerbSave, verdictDrop + "\n": VerbDrop}[line]
	var err error
	if !known {
		verb, err = VerbDrop, bad("the verdict is neither save nor drop")
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), keep.UndoTimeout)
	defer cancel()
	c, endErr := h.Carry(ending, Request{Verb: verb, UUID: tunnel}, nil)
	return c, errors.Join(err, endErr)
}

// readVerdict waits for a line, for trialTimeout at most. It returns the empty string when in or
// ctx ends, or the caller says nothing in that time.
func readVerdict(ctx context.Context, in io.Reader) string {
	said := make(chan string, 1)
	go func() { // it is left behind if ctx ends first, and ends with the process
		line, err := bufio.NewReader(io.LimitReader(in, maxVerdict)).ReadString('\n')
		if err != nil {
			line = ""
		}
		said <- line
	}()
	limit := time.NewTimer(trialTimeout)
	defer limit.Stop()
	select {
	case line := <-said:
		return line
	case <-ctx.Done():
	case <-limit.C: // the caller was stopped, and nobody lets it go on
	}
	return ""
}
