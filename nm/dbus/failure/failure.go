// Package failure turns the errors of D-Bus calls, and the silence of those who should answer, into
// errors that say what was tried and what to do. Begin with [Of].
package failure

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/godbus/dbus/v5"

	"nmgre/nm/dbus/reason"
	"nmgre/nm/dbus/refusal"
	"nmgre/nm/dbus/socket"
	"nmgre/routes/fault"
)

// Hints.
const (
	hintStart  = "start it: systemctl start NetworkManager; what else is missing: nmgre doctor"
	hintRights = "or run it as a user who may change system connections: polkit decides"
	// HintLog leads to the log of NetworkManager.
	HintLog = "NetworkManager's own words: journalctl -u NetworkManager -n 50"
)

// ErrSilent says that NetworkManager did not answer in time, and ErrBusSilent that the bus did not.
var (
	ErrSilent    = errors.New("no answer")
	ErrBusSilent = socket.ErrSilent
)

// Of turns err into an error of package fault. op names the attempt in a few words. It returns
// nil for nil.
func Of(op string, err error) error {
	var own *fault.Error
	remote, isRemote := refusal.Of(err)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &own):
		return err
	case errors.Is(err, ErrSilent):
		return hangs(op, "NetworkManager", "NetworkManager")
	case errors.Is(err, ErrBusSilent):
		return hangs(op, "the system bus", "dbus")
	case errors.Is(err, context.DeadlineExceeded):
		return &fault.Error{Kind: fault.ErrTimeout, What: op + ": NetworkManager did not answer in the time allowed", Hint: HintLog, Err: err}
	case errors.Is(err, context.Canceled):
		return &fault.Error{What: op, Err: context.Canceled} // err may have Go's words around it
	case isRemote:
		return ofRemote(op, remote)
	case refusal.IsMalformed(err):
		return &fault.Error{What: op, Err: err}
	}
	// All other errors come from the connection itself: no socket, refused, closed.
	return NoManager(op+": no connection to the system bus: "+fault.Printable(err.Error()), "is D-Bus running? systemctl status dbus; what else is missing: nmgre doctor")
}

// ofRemote is [Of] for an error that came over the bus.
func ofRemote(op string, err dbus.Error) error {
	text := fault.Printable(err.Error())
	switch {
	case refusal.IsAbsent(err):
		return NoManager(op+": NetworkManager is not running", hintStart)
	case refusal.IsDenied(err):
		return NotPermitted(op, text)
	case strings.Contains(text, "Failed to create ") || strings.Contains(text, "failed to create resources"):
		return reason.KernelRefused(op, text, HintLog)
	case refusal.IsWrongSetting(err):
		return reason.InvalidSetting(op, text)
	case refusal.IsTaken(err):
		return &fault.Error{Kind: fault.ErrExists, What: op + ": " + text}
	case refusal.IsTimeout(err):
		return &fault.Error{Kind: fault.ErrTimeout, What: op + ": " + text, Hint: HintLog}
	}
	return &fault.Error{What: op + ": " + text, Hint: cmp.Or(reason.HintFor(text), HintLog)}
}

// NotPermitted returns the error of a refusal for lack of rights. It has two hints: the first one
// is replaced by the very line to type, and must stand alone for that.
func NotPermitted(op, why string) error {
	return &fault.Error{Kind: fault.ErrNotPermitted, What: op, Hint: fault.HintRoot, Err: &fault.Error{What: why, Hint: hintRights}}
}

// NoManager returns the error of a NetworkManager that is not there, or not the one that is needed.
func NoManager(what, hint string) error {
	return &fault.Error{Kind: fault.ErrNoNetworkManager, What: what, Hint: hint}
}

// StillStarting returns the error of a NetworkManager that has not come up yet.
func StillStarting() error {
	return NoManager("NetworkManager is still starting", "try again in a moment")
}

// hangs is the error for a NetworkManager, or a bus, that is there and does not answer.
func hangs(op, who, service string) error {
	return &fault.Error{Kind: fault.ErrSilent, What: op + ": " + who + " does not answer",
		Hint: "it hangs, or is very busy: systemctl status " + service + "; all about this host: nmgre doctor"}
}

// IsAbsent reports whether err means that NetworkManager is not on the bus, or is starting.
func IsAbsent(err error) bool {
	return errors.Is(Of("", err), fault.ErrNoNetworkManager)
}
