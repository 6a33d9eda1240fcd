package nmgre

import (
	"context"
	"slices"
	"time"

	"nmgre/routes/fault"
	"nmgre/routes/keep"
)

// The waits of an undo.
const (
	undoRetry = 200 * time.Millisecond // between two tries while NetworkManager is away
	// for the hook to remove the files of a profile that is gone
	orphanTimeout = 10 * time.Second
)

// undo undoes steps that were done, though ctx may have ended. While NetworkManager is away (it was
// restarted, or the bus was) it tries again, for [keep.UndoTimeout] at most. It tells the result
// under that name; the empty name is not told.
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

// forgetOrphan makes sure that nothing is kept for a profile that is gone. The hook removes it;
// where it does not, the Keeper does.
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
		return &fault.Error{What: "its routes and rules in root's files are still there", Hint: "the next nmgre command of root's removes them: sudo nmgre list", Err: err}
	}
	return nil
}

// remove deletes a profile and waits for its link to go.
func (h *Host) remove(ctx context.Context, uuid, dev string) error {
	if err := h.Profiles.Delete(ctx, uuid); err != nil {
		return err
	}
	return h.waitGone(ctx, dev)
}
