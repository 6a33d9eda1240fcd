package dbus

import (
	"strings"

	"nmgre/nm/dbus/wire"
)

// settingsMarkTrial makes the settings of a profile on trial: it does not connect by itself, and
// says who tries it.
func settingsMarkTrial(s wire.Settings, l *link, autoconnect bool) {
	s.Set(wire.SetConnection, "autoconnect", false)
	s.SetUser(wire.KeyTrial, l.name+"@"+l.bus)
	s.SetUser(wire.KeyAutoconnect, map[bool]string{true: "yes", false: "no"}[autoconnect])
}

// settingsEndTrial turns the settings of a profile on trial into those that are kept. Settings
// without a mark stay as they are.
func settingsEndTrial(s wire.Settings) {
	if wanted, ok := wire.TrialAutoconnect(s); ok {
		wire.Put(s, wire.SetConnection, "autoconnect", wanted, true)
	}
	s.SetUser(wire.KeyTrial, "")
	s.SetUser(wire.KeyAutoconnect, "")
}

// tester returns the name of the connection that the mark names; ok only if it belongs to this bus.
func (l *link) tester(mark string) (name string, ok bool) {
	name, bus, found := strings.Cut(mark, "@")
	return name, found && bus == l.bus && strings.HasPrefix(name, ":")
}
