package dbus

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/godbus/dbus/v5"

	"nmgre/nm"
	"nmgre/nm/dbus/reason"
	"nmgre/nm/dbus/refusal"
	"nmgre/nm/dbus/seen"
	"nmgre/nm/dbus/wire"
	"nmgre/routes/fault"
)

// Hints.
const (
	hintStart  = "start it: systemctl start NetworkManager; what else is missing: nmgre doctor"
	hintRights = "or run it as a user who may change system connections: polkit decides"
	hintLog    = "NetworkManager's own words: journalctl -u NetworkManager -n 50"
)

// failed turns err into an error of package fault. op names the attempt in a few words. It returns
// nil for nil.
func failed(op string, err error) error {
	var own *fault.Error
	remote, isRemote := refusal.Of(err)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &own):
		return err
	case errors.Is(err, errSilent):
		return hangs(op, "NetworkManager", "NetworkManager")
	case errors.Is(err, errBusSilent):
		return hangs(op, "the system bus", "dbus")
	case errors.Is(err, context.DeadlineExceeded):
		return &fault.Error{Kind: fault.ErrTimeout, What: op + ": NetworkManager did not answer in the time allowed", Hint: hintLog, Err: err}
	case errors.Is(err, context.Canceled):
		return &fault.Error{What: op, Err: context.Canceled} // err may have Go's words around it
	case isRemote:
		return failedRemote(op, remote)
	case refusal.IsMalformed(err):
		return &fault.Error{What: op, Err: err}
	}
	// All other errors come from the connection itself: no socket, refused, closed.
	return noManager(op+": no connection to the system bus: "+fault.Printable(err.Error()), "is D-Bus running? systemctl status dbus; what else is missing: nmgre doctor")
}

// failedRemote is [failed] for an error that came over the bus.
func failedRemote(op string, err dbus.Error) error {
	text := fault.Printable(err.Error())
	switch {
	case refusal.IsAbsent(err):
		return noManager(op+": NetworkManager is not running", hintStart)
	case refusal.IsDenied(err):
		return notPermitted(op, text)
	case strings.Contains(text, "Failed to create ") || strings.Contains(text, "failed to create resources"):
		return reason.KernelRefused(op, text, hintLog)
	case refusal.IsWrongSetting(err):
		return reason.InvalidSetting(op, text)
	case refusal.IsTaken(err):
		return &fault.Error{Kind: fault.ErrExists, What: op + ": " + text}
	case refusal.IsTimeout(err):
		return &fault.Error{Kind: fault.ErrTimeout, What: op + ": " + text, Hint: hintLog}
	}
	return &fault.Error{What: op + ": " + text, Hint: cmp.Or(reason.HintFor(text), hintLog)}
}

// notPermitted returns the error of a refusal for lack of rights. It has two hints: the first one
// is replaced by the very line to type, and must stand alone for that.
func notPermitted(op, why string) error {
	return &fault.Error{Kind: fault.ErrNotPermitted, What: op, Hint: fault.HintRoot, Err: &fault.Error{What: why, Hint: hintRights}}
}

func noManager(what, hint string) error {
	return &fault.Error{Kind: fault.ErrNoNetworkManager, What: what, Hint: hint}
}

func stillStarting() error {
	return noManager("NetworkManager is still starting", "try again in a moment")
}

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

// isAbsent reports whether err means that NetworkManager is not on the bus, or is starting.
func isAbsent(err error) bool {
	return errors.Is(failed("", err), fault.ErrNoNetworkManager)
}
