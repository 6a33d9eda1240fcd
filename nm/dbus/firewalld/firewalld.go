// Package firewalld asks firewalld over D-Bus for the zone of a device, and for all zones. It moves
// a device into the zone that it was in before.
//
// It listens to no signals and never starts firewalld. Begin with [ZoneOf].
package firewalld

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/godbus/dbus/v5"

	"nmgre/nm"
	"nmgre/routes/fault"
)

// firewalld's names on the bus (firewalld.dbus(5)).
const (
	service = "org.fedoraproject.FirewallD1"
	// Path is that of firewalld's object.
	Path             = dbus.ObjectPath("/org/fedoraproject/FirewallD1")
	getDefaultZone   = service + ".getDefaultZone"
	getZoneOfDevice  = service + ".zone.getZoneOfInterface"
	getZoneSettings2 = service + ".zone.getZoneSettings2"
	getZones         = service + ".zone.getZones"
	changeZone       = service + ".zone.changeZoneOfInterface"
)

// Patience is how long firewalld may take for all questions. It is a program of Python's: on a slow
// host, or while it sets its rules, it takes a good part of that.
const Patience = 2 * time.Second

// zoneName matches the names that a zone may have.
var zoneName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_/-]{0,63}$`) })

// ZoneOf returns the zone of a device. A device that is in no zone is in the default one. It is the
// zero Zone if firewalld is not there, refuses, does not answer in time, or answers with a text
// that is no name of a zone.
func ZoneOf(ctx context.Context, conn *dbus.Conn, dev string) nm.Zone {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	name, err := ask[string](ctx, conn, getZoneOfDevice, dev)
	unnamed := err == nil && name == ""
	if unnamed {
		name, err = ask[string](ctx, conn, getDefaultZone)
	}
	if err != nil || !zoneName().MatchString(name) {
		return nm.Zone{}
	}
	settings, err := ask[map[string]dbus.Variant](ctx, conn, getZoneSettings2, name)
	if err != nil {
		return nm.Zone{}
	}
	return nm.Zone{Name: name, LetsGRE: letsGRE(settings), Default: unnamed}
}

// maxZones bounds how many zones are read.
const maxZones = 500

// Names returns the names of the zones, sorted, without those that are no names of zones. There are
// none where firewalld does not run. It fails if firewalld refuses, does not answer in time, or
// answers something else.
func Names(ctx context.Context, conn *dbus.Conn) ([]string, error) {
	short, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	names, err := ask[[]string](short, conn, getZones)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case isAway(err):
		return nil, nil
	case err != nil:
		return nil, &fault.Error{What: "firewalld does not answer", Err: err}
	case len(names) > maxZones:
		return nil, &fault.Error{What: fmt.Sprintf("firewalld names %d zones, and %d is the most that are read", len(names), maxZones)}
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !zoneName().MatchString(name) })
	slices.Sort(names)
	return slices.Compact(names), nil
}

// patienceToSet is how long firewalld may take to set its rules for a device.
const patienceToSet = 20 * time.Second

// SetZone moves a device into a zone, in the rules that are in force: the files stay as they are.
// Nothing is done where firewalld does not run.
func SetZone(ctx context.Context, conn *dbus.Conn, dev, zone string) error {
	short, cancel := context.WithTimeout(ctx, patienceToSet)
	defer cancel()
	_, err := ask[string](short, conn, changeZone, zone, dev)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil || isAway(err):
		return nil
	}
	return &fault.Error{What: fmt.Sprintf("could not move %s into firewalld's zone %s", fault.Printable(dev), fault.Printable(zone)), Err: err,
		Hint: "move it yourself: firewall-cmd --zone=" + fault.ShellWord(zone) + " --change-interface=" + fault.ShellWord(dev)}
}

// isAway reports whether the bus says that firewalld does not run.
func isAway(err error) bool {
	var told dbus.Error
	return errors.As(err, &told) && slices.Contains(notThere, told.Name)
}

// notThere are the bus's errors about a name that nobody has.
var notThere = []string{"org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.NameHasNoOwner"}

// letsGRE reports whether a zone with these settings lets GRE in, as its target, a protocol or a
// service says.
func letsGRE(settings map[string]dbus.Variant) bool {
	protocols, _ := settings["protocols"].Value().([]string)
	services, _ := settings["services"].Value().([]string)
	for _, word := range append(protocols, services...) {
		if word == "gre" || word == "47" {
			return true
		}
	}
	target, _ := settings["target"].Value().(string)
	return target == "ACCEPT"
}

// ask asks one question. An answer of another type is an error.
func ask[T any](ctx context.Context, conn *dbus.Conn, method string, args ...any) (answer T, err error) {
	err = conn.Object(service, Path).CallWithContext(ctx, method, dbus.FlagNoAutoStart, args...).Store(&answer)
	return answer, err
}
