package undo

import (
	"context"
	"errors"
	"slices"
	"time"

	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// orphanTimeout is until when the hook must have removed the file of a profile that is gone.
const orphanTimeout = 10 * time.Second

// Forgotten makes sure that root's files have nothing for a profile that is gone. It waits for
// the hook to remove the file.
func Forgotten(ctx context.Context, store keep.Store, uuid string) error {
	waiting, cancel := context.WithTimeout(ctx, orphanTimeout)
	defer cancel()
	hook := store.HookMissing(ctx) == nil
	for {
		uuids, err := store.UUIDs(ctx)
		if err != nil || !slices.Contains(uuids, uuid) {
			return err
		}
		if !hook || waiting.Err() != nil {
			break
		}
		fault.Pause(waiting, kernel.GonePoll)
	}
	return &fault.Error{What: "the tunnel's routes and rules are still in root's files", Hint: "the next nmgre command that root runs removes them: sudo nmgre list"}
}

// DropDead has root drop the trial of a process that is gone. The profile must still be edited
// then: one that is not any more would prove that the trial is to stay.
func DropDead(ctx context.Context, h nm.System, uuid string) error {
	triedFor := func(t keep.Tried) bool { return t.UUID == uuid }
	tried, err := h.Store.Tried(ctx)
	if err != nil || !slices.ContainsFunc(tried, triedFor) {
		return err
	}
	if !h.Kernel.CanChange() {
		return &fault.Error{Kind: fault.ErrNotPermitted, What: "it changes what root keeps", Hint: fault.HintRoot}
	}
	_, convergeErr := h.Keeper.Converge(ctx, "") // another tunnel's trouble does not matter here
	tried, err = h.Store.Tried(ctx)
	if err == nil && slices.ContainsFunc(tried, triedFor) {
		err = errors.Join(&fault.Error{What: "what root tries cannot be dropped"}, convergeErr)
	}
	return err
}
