package dbus

import "strings"

// mark returns the mark of a profile that this connection tries.
func (l *link) mark() string { return l.name + "@" + l.bus }

// tester returns the unique name of the connection that a mark names. ok is false for a mark of
// another bus, and for text that is not a mark.
func (l *link) tester(mark string) (name string, ok bool) {
	name, bus, found := strings.Cut(mark, "@")
	return name, found && bus == l.bus && strings.HasPrefix(name, ":")
}
