package store

import (
	"maps"
	"slices"
	"sync"

	"nmgre/routes/keep"
)

// lastRead is what the files said the last time, by UUID. A nil one remembers nothing.
type lastRead struct {
	mu   sync.Mutex
	kept map[string]keep.Kept
}

// get returns what a file said that had the stamp.
func (l *lastRead) get(uuid, stamp string) (keep.Kept, bool) {
	if l == nil {
		return keep.Kept{}, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	k, ok := l.kept[uuid]
	return k, ok && k.Stamp == stamp && stamp != unknownStamp
}

// put remembers k. The lists of what it returns are cut so that whoever appends to one gets one of
// their own.
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

// only forgets the files that are gone.
func (l *lastRead) only(uuids []string) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	maps.DeleteFunc(l.kept, func(uuid string, _ keep.Kept) bool { return !slices.Contains(uuids, uuid) })
}
