package fleet

import (
	"context"
	"slices"
	"sync"

	"nmgre/routes/fault"
	"nmgre/routes/keep"
)

// files are root's files at this moment. Those of tunnels that have none are not looked for.
type files struct {
	keep.Store
	uuids []string // of the tunnels that have one, in order
	hook  func() error
}

// filesOnce returns a view of the store. It is the store itself if that does not tell which files
// there are.
func filesOnce(ctx context.Context, store keep.Store) keep.Store {
	uuids, err := store.UUIDs(ctx)
	if err != nil {
		return store
	}
	slices.Sort(uuids)
	return files{store, uuids, sync.OnceValue(func() error { return store.HookMissing(ctx) })}
}

// Get implements [keep.Store].
func (f files) Get(ctx context.Context, uuid string) (keep.Kept, error) {
	if _, there := slices.BinarySearch(f.uuids, uuid); !there {
		return keep.Kept{}, &fault.Error{Kind: fault.ErrNotFound, What: "nothing is kept for " + fault.Printable(uuid)}
	}
	return f.Store.Get(ctx, uuid)
}

// HookMissing implements [keep.Store].
func (f files) HookMissing(context.Context) error { return f.hook() }
