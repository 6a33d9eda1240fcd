package keep

import (
	"context"
	"errors"
	"maps"
	"slices"

	"nmgre/routes/fault"
)

// allDevices is the name of the switch for all devices, net.ipv4.conf.all.forwarding. It is the
// same as net.ipv4.ip_forward, and no device can have the name.
const allDevices = "all"

// setForwarding switches forwarding on for the wanted devices, and undoes it for those that are no
// longer wanted. The store remembers the setting before, so that it can be undone, before anything
// is changed.
func (l *LocalKeeper) setForwarding(ctx context.Context, w *wanted) (changed bool) {
	before, err := l.Store.Remembered(ctx)
	if err != nil {
		w.problems.add(err)
		return false
	}
	off := l.switchedOff(ctx, w)
	now, err := l.noted(ctx, before, off)
	if err == nil {
		err = l.remember(ctx, before, now)
	}
	if err != nil {
		w.problems.add(err)
		return false
	}
	for _, dev := range off {
		err := l.Gateway.SetForwarding(ctx, dev, true)
		if errors.Is(err, fault.ErrNotFound) {
			continue // the device comes back with its connection, and nmgre is called then
		}
		w.problems.add(err, w.forward[dev]...)
		changed = changed || err == nil
	}
	return l.undoForwarding(ctx, w, now) || changed
}

// switchedOff returns the wanted devices whose packets are not forwarded.
func (l *LocalKeeper) switchedOff(ctx context.Context, w *wanted) (off []string) {
	for _, dev := range slices.Sorted(maps.Keys(w.forward)) {
		on, err := l.Gateway.Forwarding(ctx, dev)
		if errors.Is(err, fault.ErrNotFound) {
			continue // the device comes back with its connection, and nmgre is called then
		}
		w.problems.add(err, w.forward[dev]...)
		if err == nil && !on {
			off = append(off, dev)
		}
	}
	return off
}

// noted adds to the settings before those of devices that are off now, and that of all devices.
func (l *LocalKeeper) noted(ctx context.Context, before map[string]bool, off []string) (map[string]bool, error) {
	now := maps.Clone(before)
	if now == nil {
		now = make(map[string]bool)
	}
	for _, dev := range off {
		if _, known := now[dev]; !known {
			now[dev] = false
		}
	}
	if _, known := now[allDevices]; known || len(before) > 0 || len(off) == 0 {
		return now, nil
	}
	on, err := l.Gateway.Forwarding(ctx, allDevices)
	now[allDevices] = on
	return now, err
}

// undoForwarding gives the devices that are no longer wanted the forwarding that they had before.
// If somebody else has switched it on for all devices since, it stays on.
func (l *LocalKeeper) undoForwarding(ctx context.Context, w *wanted, before map[string]bool) (changed bool) {
	left := maps.Clone(before)
	delete(left, allDevices)
	maps.DeleteFunc(left, func(dev string, _ bool) bool { return w.forward[dev] != nil })
	if len(left) == 0 {
		return false
	}
	on, err := l.Gateway.Forwarding(ctx, allDevices)
	if err != nil {
		w.problems.add(err)
		return false
	}
	after := maps.Clone(before)
	for _, dev := range slices.Sorted(maps.Keys(left)) {
		if !on || before[allDevices] {
			err := l.Gateway.SetForwarding(ctx, dev, before[dev])
			// a device that does not exist any more has no setting to undo
			if err != nil && !errors.Is(err, fault.ErrNotFound) {
				w.problems.add(err)
				continue
			}
			changed = changed || err == nil
		}
		delete(after, dev)
	}
	if len(after) == 1 { // nothing is left but the switch for all
		delete(after, allDevices)
	}
	w.problems.add(l.remember(ctx, before, after))
	return changed
}

// remember writes the changes only.
func (l *LocalKeeper) remember(ctx context.Context, old, now map[string]bool) error {
	if maps.Equal(old, now) {
		return nil
	}
	return l.Store.Remember(ctx, now)
}
