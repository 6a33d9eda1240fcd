// Package refusal tells the errors of D-Bus calls apart by their names. Several of NetworkManager's
// interfaces report the same error under their own name, so only the last part of its names counts.
//
// Begin with [Name].
package refusal

import (
	"errors"
	"slices"
	"strings"

	gnm "github.com/Wifx/gonetworkmanager/v2"
	"github.com/godbus/dbus/v5"
)

// busErrors begins the names of the bus's own errors.
const busErrors = "org.freedesktop.DBus.Error."

// absent are the errors of a bus that NetworkManager is not on, or has left.
var absent = []string{
	busErrors + "ServiceUnknown",
	busErrors + "NameHasNoOwner",
	busErrors + "NoReply", // it went away with the call unanswered
	busErrors + "Disconnected",
	busErrors + "NoServer",
}

// gone are the errors of an object that has vanished, while NetworkManager is there.
var gone = []string{"UnknownObject", "UnknownMethod", "UnknownInterface", "UnknownConnection", "UnknownDevice", "ConnectionNotActive"}

// denied are the refusals of polkit, NetworkManager and the bus for lack of rights.
var denied = []string{"PermissionDenied", "AccessDenied", "NotAuthorized", "AuthFailed", "InteractiveAuthorizationRequired"}

// wrong are the errors of settings that NetworkManager does not accept.
var wrong = []string{"InvalidConnection", "InvalidProperty", "MissingProperty", "InvalidSetting", "MissingSetting", "InvalidArguments", "PropertyNotFound", "SettingNotFound"}

// Of finds an error that came over the bus: godbus returns it as a value or as a pointer.
func Of(err error) (remote dbus.Error, ok bool) {
	var pointer *dbus.Error
	if errors.As(err, &pointer) && pointer != nil {
		return *pointer, true
	}
	ok = errors.As(err, &remote)
	return remote, ok
}

// Name returns the D-Bus name of an error, or the empty string if it has none.
func Name(err error) string {
	remote, _ := Of(err)
	return remote.Name
}

// last returns the last part of an error's name.
func last(err error) string {
	name := Name(err)
	return name[strings.LastIndexByte(name, '.')+1:]
}

// IsAbsent reports whether NetworkManager is not on the bus, as the bus says.
func IsAbsent(err error) bool {
	name := Name(err)
	return slices.Contains(absent, name) || strings.HasPrefix(name, busErrors+"Spawn")
}

// IsGone reports whether the object that was asked has vanished, while NetworkManager is there.
func IsGone(err error) bool { return slices.Contains(gone, last(err)) }

// IsNoProfile reports whether a search for a profile found none.
func IsNoProfile(err error) bool {
	return IsGone(err) || Name(err) == gnm.SettingsInterface+".InvalidConnection"
}

// IsDenied reports whether err is a refusal for lack of rights.
func IsDenied(err error) bool { return slices.Contains(denied, last(err)) }

// IsWrongSetting reports whether NetworkManager does not accept the settings of a profile.
func IsWrongSetting(err error) bool { return slices.Contains(wrong, last(err)) }

// IsTimeout reports whether something took too long for NetworkManager or the bus.
func IsTimeout(err error) bool { return slices.Contains([]string{"Timeout", "TimedOut"}, last(err)) }

// IsTaken reports whether a profile has the UUID of another.
func IsTaken(err error) bool { return last(err) == "UuidExists" }

// IsOutdated reports whether somebody else has changed the profile or the device since it was read.
func IsOutdated(err error) bool { return last(err) == "VersionIdMismatch" }

// IsNotActive reports whether a device is neither up nor far enough on its way up.
func IsNotActive(err error) bool { return last(err) == "NotActive" }

// IsMalformed reports whether a message, sent or received, is not valid D-Bus.
func IsMalformed(err error) bool {
	var format dbus.FormatError
	var message dbus.InvalidMessageError
	var kind dbus.InvalidTypeError
	return errors.As(err, &format) || errors.As(err, &message) || errors.As(err, &kind)
}
