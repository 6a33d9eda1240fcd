package dbus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	gnm "github.com/Wifx/gonetworkmanager/v2"
	"github.com/godbus/dbus/v5"

	"nmgre/nm"
	"nmgre/nm/dbus/reason"
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

// nameInvalidConnection is the error of a search for a profile that is not there.
const nameInvalidConnection = gnm.SettingsInterface + ".InvalidConnection"

// The lists below tell errors apart by their D-Bus names. Several of NetworkManager's interfaces
// report the same error under their own name, so only the last part of its names counts.

// absent are the errors of a bus that NetworkManager is not on, or has left.
var absent = []string{
	busName + ".Error.ServiceUnknown",
	busName + ".Error.NameHasNoOwner",
	busName + ".Error.NoReply", // it went away with the call unanswered
	busName + ".Error.Disconnected",
	busName + ".Error.NoServer",
}

// gone are the errors of an object that has vanished, while NetworkManager is there.
var gone = []string{"UnknownObject", "UnknownMethod", "UnknownInterface", "UnknownConnection", "UnknownDevice", "ConnectionNotActive"}

// denied are the refusals of polkit, NetworkManager and the bus for lack of rights.
var denied = []string{"PermissionDenied", "AccessDenied", "NotAuthorized", "AuthFailed", "InteractiveAuthorizationRequired"}

// refused are the errors of settings that NetworkManager does not accept.
var refused = []string{"InvalidConnection", "InvalidProperty", "MissingProperty", "InvalidSetting", "MissingSetting", "InvalidArguments", "PropertyNotFound", "SettingNotFound"}

// failed turns err into an error of package fault. op names the attempt in a few words. It returns
// nil for nil.
func failed(op string, err error) error {
	var own *fault.Error
	var remote dbus.Error
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
		return fmt.Errorf("%s: %w", op, err)
	case asRemote(err, &remote):
		return failedRemote(op, remote)
	case isMalformed(err):
		return &fault.Error{What: op, Err: err}
	}
	// All other errors come from the connection itself: no socket, refused, closed.
	return noManager(op+": no connection to the system bus: "+fault.Printable(err.Error()), "is D-Bus running? systemctl status dbus; what else is missing: nmgre doctor")
}

// failedRemote is [failed] for an error that came over the bus.
func failedRemote(op string, err dbus.Error) error {
	_, last := splitMember(err.Name)
	text := fault.Printable(err.Error())
	switch {
	case slices.Contains(absent, err.Name) || strings.HasPrefix(err.Name, busName+".Error.Spawn"):
		return noManager(op+": NetworkManager is not running", hintStart)
	case slices.Contains(denied, last):
		return notPermitted(op, text)
	case strings.Contains(text, "Failed to create ") || strings.Contains(text, "failed to create resources"):
		return reason.KernelRefused(op, text, hintLog)
	case slices.Contains(refused, last):
		return reason.InvalidSetting(op, text)
	case last == "UuidExists":
		return &fault.Error{Kind: fault.ErrExists, What: op + ": " + text}
	case last == "Timeout" || last == "TimedOut":
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

// asRemote finds an error that came over the bus: godbus returns it as a value or as a pointer.
func asRemote(err error, remote *dbus.Error) bool {
	var pointer *dbus.Error
	if errors.As(err, &pointer) && pointer != nil {
		*remote = *pointer
		return true
	}
	return errors.As(err, remote)
}

// errorName returns the D-Bus name of an error, or the empty string if it has none.
func errorName(err error) string {
	var remote dbus.Error
	if !asRemote(err, &remote) {
		return ""
	}
	return remote.Name
}

// isGone reports whether the object that was asked has vanished, while NetworkManager is there.
func isGone(err error) bool {
	_, last := splitMember(errorName(err))
	return slices.Contains(gone, last)
}

// isAbsent reports whether err means that NetworkManager is not on the bus, or is starting.
func isAbsent(err error) bool {
	return errors.Is(failed("", err), fault.ErrNoNetworkManager)
}

// isOutdated reports whether err means that somebody else has changed the profile or the device
// since it was read.
func isOutdated(err error) bool {
	_, last := splitMember(errorName(err))
	return last == "VersionIdMismatch"
}

// isNotActive reports whether err means that a device is neither up nor far enough on its way up.
func isNotActive(err error) bool {
	_, last := splitMember(errorName(err))
	return last == "NotActive"
}

// isMalformed reports whether err means that a message, sent or received, is not valid D-Bus.
func isMalformed(err error) bool {
	var format dbus.FormatError
	var message dbus.InvalidMessageError
	var kind dbus.InvalidTypeError
	return errors.As(err, &format) || errors.As(err, &message) || errors.As(err, &kind)
}

// isDenied reports whether err is a refusal for lack of rights.
func isDenied(err error) bool {
	_, last := splitMember(errorName(err))
	return slices.Contains(denied, last)
}
