package main

import (
	"context"
	"errors"
	"os"
	"strings"

	"nmgre/routes/asroot"
	"nmgre/routes/journal"
	"nmgre/routes/keep"
)

// logChange writes a line about a change to the system's log. A host without a log is no reason to
// fail.
func (a *app) logChange(e journal.Entry) { _ = journal.Write(a.root, e) }

// logHook writes a line about what the hook has changed, or could not change, at an event. It
// writes none where everything was right already.
func (a *app) logHook(event []string, c keep.Converged, err error) {
	if err == nil && !c.Changed && len(c.Trouble) == 0 {
		return
	}
	if errors.Is(err, errTrouble) {
		err = nil // the trouble says more
	}
	a.logChange(journal.Entry{Who: "the hook at " + strings.Join(event, " "), What: "set what is kept for the tunnels", Err: err, Trouble: c.Trouble})
}

// serveLogged serves one request, and writes a line about it: who asked, what polkit was asked, and
// the outcome, that of a refused request as well.
func (a *app) serveLogged(ctx context.Context, q asroot.Question) error {
	entry := journal.Entry{Who: journal.Caller(a.root, os.Getenv), What: q.String()}
	carried := false
	helper := asroot.Helper{In: a.stdin, Out: a.stdout, Question: q, Files: a.files()}
	helper.Carry = func(ctx context.Context, r asroot.Request, progress func(done, total int)) (keep.Converged, error) {
		c, err := a.carryOut(ctx, r, progress)
		carried, entry.Tunnel, entry.Trouble, entry.Err = true, r.Tunnel(), c.Trouble, err
		a.logChange(entry)
		return c, err
	}
	err := helper.Serve(ctx)
	if !carried {
		entry.Err = err
		a.logChange(entry)
	}
	return err
}
