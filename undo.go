package nmgre

import (
	"context"
	"errors"
	"slices"
	"time"

	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// undo takes everything back after cause. Deleting the profile takes its link along, and with the
// link its addresses and routes. While NetworkManager is away (it was restarted, or the bus was),
// it waits for it.
func (tx *transaction) undo(ctx context.Context, cause error) error {
	cause = fault.Ended(ctx, cause)
	undoing, cancel := context.WithTimeout(context.WithoutCancel(ctx), keep.UndoTimeout)
	defer cancel()
	begin := time.Now()
	err := tx.takeBack(undoing)
	for (errors.Is(err, fault.ErrNoNetworkManager) || errors.Is(err, fault.ErrTimeout)) && undoing.Err() == nil {
		fault.Pause(undoing, undoRetry)
		err = tx.takeBack(undoing)
	}
	tx.host.tell(Event{What: "took back what had been done", Took: time.Since(begin), Err: err, Undo: true})
	if err == nil {
		return cause
	}
	hint := "what is left is in memory only: the next nmgre command removes it, and so does a reboot"
	if tx.saving {
		hint = "the tunnel may be there for good: see nmgre list, and remove it with: nmgre delete " + fault.ShellWord(tx.tunnel.Name)
	}
	return errors.Join(cause, &fault.Error{What: "could not take back everything", Err: err, Hint: hint})
}

// takeBack removes everything that the transaction may have made. Root removes what is kept first.
// For others the hook does it when the profile is gone, so that nobody has to be asked for root's
// rights.
func (tx *transaction) takeBack(ctx context.Context) error {
	h := tx.host
	var err error
	if tx.keeping && h.Kernel.CanChange() {
		err = h.Keeper.Forget(ctx, tx.uuid)
	}
	err = errors.Join(err, h.remove(ctx, tx.uuid, tx.device))
	if err == nil && tx.keeping && !h.Kernel.CanChange() {
		err = h.forgetOrphan(ctx, tx.uuid)
	}
	return err
}

// forgetOrphan sees to it that nothing is kept for a profile that is gone: the hook removes it;
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
		return &fault.Error{What: "what root keeps of it is still there", Hint: "the next nmgre command of root's removes it: sudo nmgre list", Err: err}
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

// waitGone returns when there is no device of that name any more. The empty name is no device's.
func (h *Host) waitGone(ctx context.Context, dev string) error {
	if dev == "" {
		return nil
	}
	waiting, cancel := context.WithTimeout(ctx, goneTimeout)
	defer cancel()
	for {
		links, err := h.Kernel.Links(ctx)
		if err != nil {
			return fault.Ended(ctx, err)
		}
		if kernel.Named(links, dev) == nil {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return fault.Interrupted(err)
		}
		if waiting.Err() != nil {
			return &fault.Error{Kind: fault.ErrTimeout, What: "the device " + fault.Printable(dev) + " is still there", Hint: "remove it with: ip link delete dev " + fault.ShellWord(dev)}
		}
		fault.Pause(waiting, gonePoll)
	}
}
