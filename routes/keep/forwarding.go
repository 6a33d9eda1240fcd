package keep

import (
	"context"
	"errors"
	"maps"
	"slices"

	"nmgre/routes/fault"
)

// setForwarding switches forwarding on for the wanted devices, and undoes it for those that are no
// longer wanted. The store remembers the setting before, so that it can be undone, before anything
// is changed.
func (l *LocalKeeper) setForwarding(ctx context.Context, want map[string]bool) (changed bool, err error) {
	before, err := l.Store.Remembered(ctx)
	if err != nil {
		return false, err
	}
	now := maps.Clone(before)
	if now == nil {
		now = make(map[string]bool)
	}
	var off []string
	for _, dev := range slices.Sorted(maps.Keys(want)) {
		on, err := l.Gateway.Forwarding(ctx, dev)
		if errors.Is(err, fault.ErrNotFound) {
			continue // the device comes back with its connection, and nmgre is called then
		}
		if err != nil {
			return false, err
		}
		if on {
			continue
		}
		off = append(off, dev)
		if _, known := now[dev]; !known {
			now[dev] = false
		}
	}
	if err := l.remember(ctx, before, now); err != nil {
		return false, err
	}
	for _, dev := range off {
		if err := l.Gateway.SetForwarding(ctx, dev, true); err != nil {
			return false, err
		}
	}
	undone, err := l.undoForwarding(ctx, want, now)
	return undone || len(off) > 0, err
}

// undoForwarding gives the devices that are no longer wanted the forwarding that they had before.
func (l *LocalKeeper) undoForwarding(ctx context.Context, want, before map[string]bool) (changed bool, err error) {
	left := maps.Clone(before)
	for _, dev := range slices.Sorted(maps.Keys(before)) {
		if want[dev] {
			continue
		}
		err := l.Gateway.SetForwarding(ctx, dev, before[dev])
		// a device that does not exist any more has no setting to undo
		if err != nil && !errors.Is(err, fault.ErrNotFound) {
			return changed, err
		}
		changed = changed || err == nil
		delete(left, dev)
	}
	return changed, l.remember(ctx, before, left)
}

// remember writes the changes only.
func (l *LocalKeeper) remember(ctx context.Context, old, now map[string]bool) error {
	if maps.Equal(old, now) {
		return nil
	}
	return l.Store.Remember(ctx, now)
}
