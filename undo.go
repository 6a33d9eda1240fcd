package nmgre

import (
	"context"
	"slices"
	"time"

	"nmgre/routes/fault"
	"nmgre/routes/keep"
)

// Waits of an undo.
const (
	undoRetry = 200 * time.Millisecond // from one try to the next while NetworkManager is away
	// until the hook must have removed the file of a profile that is gone
	orphanTimeout = 10 * time.Second
)

// undo calls steps, which undoes work, even if ctx has ended. While NetworkManager or the bus is
// away, because it was restarted, undo tries again, for [keep.UndoTimeout] at most. It tells an
// event with that name, unless the name is empty.
func (h *Host) undo(ctx context.Context, name string, steps func(context.Context) error) error {
	undoing, cancel := context.WithTimeout(context.WithoutCancel(ctx), keep.UndoTimeout)
	defer cancel()
	begin := time.Now()
	err := steps(undoing)
	for isAway(err) && undoing.Err() == nil {
		fault.Pause(undoing, undoRetry)
		err = steps(undoing)
	}
	if name != "" {
		h.tell(Event{What: name, Took: time.Since(begin), Err: err, Undo: true})
	}
	return err
}

// forgetOrphan makes sure that root's files have nothing for a profile that is gone. It waits for
// the hook to remove the file. If there is no hook, or it does not work, the Keeper removes the
// file.
func (h *Host) forgetOrphan(ctx context.Context, uuid string) error {
	waiting, cancel := context.WithTimeout(ctx, orphanTimeout)
	defer cancel()
	hook := h.Store.HookMissing(ctx) == nil
	for {
		uuids, err := h.Store.UUIDs(ctx)
		if err != nil || !slices.Contains(uuids, uuid) {
			return err
		}
		if !hook || waiting.Err() != nil {
			break
		}
		fault.Pause(waiting, gonePoll)
	}
	if err := h.Keeper.Forget(ctx, uuid); err != nil {
		return &fault.Error{What: "the tunnel's routes and rules are still in root's files", Hint: "the next nmgre command that root runs removes them: sudo nmgre list", Err: err}
	}
	return nil
}

// remove deletes a profile and waits until its link is gone.
func (h *Host) remove(ctx context.Context, uuid, dev string) error {
	if err := h.Profiles.Delete(ctx, uuid); err != nil {
		return err
	}
	return h.waitGone(ctx, dev)
}
