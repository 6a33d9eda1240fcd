package store

import (
	"maps"
	"slices"
	"sync"

	"nmgre/routes/keep"
)

// lastRead remembers the content of the files at the last read, by UUID. A nil one remembers
// nothing.
type lastRead struct {
	mu   sync.Mutex
	kept map[string]keep.Kept
}

// get returns the content of a tunnel's file, if it had the same stamp.
func (l *lastRead) get(uuid, stamp string) (keep.Kept, bool) {
	if l == nil {
		return keep.Kept{}, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	k, ok := l.kept[uuid]
	return k, ok && k.Stamp == stamp && stamp != unknownStamp
}

// put remembers k and returns it. The capacity of its lists is cut, so that appending to one copies
// it.
func (l *lastRead) put(k keep.Kept) keep.Kept {
	if l == nil {
		return k
	}
	k.Inner, k.Routes, k.SNAT = slices.Clip(k.Inner), slices.Clip(k.Routes), slices.Clip(k.SNAT)
	k.Forward, k.Bad = slices.Clip(k.Forward), slices.Clip(k.Bad)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kept[k.UUID] = k
	return k
}

// only forgets all files but those of uuids.
func (l *lastRead) only(uuids []string) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	maps.DeleteFunc(l.kept, func(uuid string, _ keep.Kept) bool { return !slices.Contains(uuids, uuid) })
}
