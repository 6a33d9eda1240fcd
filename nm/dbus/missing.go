package dbus

import (
	"nmgre/nm"
	"nmgre/nm/dbus/seen"
	"nmgre/nm/dbus/wire"
	"nmgre/routes/fault"
)

// notFound says that there is no such profile: by its name, if it was there before.
func (l *link) notFound(uuid string) error {
	if was, ok := l.seen.TitleOf(uuid); ok {
		return &fault.Error{Kind: fault.ErrNotFound, What: "NetworkManager has the profile " + nm.Profile{UUID: uuid, ID: was.ID, Alone: was.Alone}.Called() + " no more"}
	}
	return &fault.Error{Kind: fault.ErrNotFound, What: "NetworkManager has no profile with the UUID " + wire.Quote(uuid)}
}

// remember notes the names of listed tunnels.
func (l *link) remember(profiles []nm.Profile) {
	for _, p := range profiles {
		if p.Tunnel.Mode != 0 {
			l.seen.Titled(p.UUID, seen.Title{ID: p.ID, Alone: p.Alone})
		}
	}
}
