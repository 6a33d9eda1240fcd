// Package census asks the system bus who is on it, and systemd for the state of units. It changes
// nothing and starts nobody.
//
// Begin with [Ask].
package census

import (
	"context"
	"slices"

	"github.com/godbus/dbus/v5"
)

// Bounds on the names and words of an answer.
const (
	maxNames = 100_000
	maxWord  = 32 // bytes
)

// Census is the answer.
type Census struct {
	// Owned has those of the names that were asked for which somebody owns, Startable those that
	// the bus can start.
	Owned, Startable map[string]bool
	// Systemd says that systemd was there to be asked. Units has the states of each unit, by its
	// name.
	Systemd bool
	Units   map[string]Unit
}

// Unit has systemd's words for the states of a unit.
type Unit struct {
	Load   string // "loaded", "not-found", "masked", ...
	Active string // "active", "inactive", "failed", "activating", ...
	File   string // "enabled", "disabled", "static", "masked", ...; empty if there is no file
}

const (
	busName = "org.freedesktop.DBus"
	busPath = dbus.ObjectPath("/org/freedesktop/DBus")

	service = "org.freedesktop.systemd1"
	path    = dbus.ObjectPath("/org/freedesktop/systemd1")
	manager = service + ".Manager"
)

// Ask asks about names on the bus, and about units. The address is that of the bus; empty means the
// system bus. It fails if there is no bus, or if the bus does not answer before ctx ends.
func Ask(ctx context.Context, address string, names, units []string) (Census, error) {
	conn, err := connect(ctx, address)
	if err != nil {
		return Census{}, err
	}
	defer func() { _ = conn.Close() }() // everything was answered
	c := Census{Owned: make(map[string]bool), Startable: make(map[string]bool), Units: make(map[string]Unit)}
	bus := conn.Object(busName, busPath)
	for method, into := range map[string]map[string]bool{".ListNames": c.Owned, ".ListActivatableNames": c.Startable} {
		var list []string
		if err := bus.CallWithContext(ctx, busName+method, 0).Store(&list); err != nil {
			return Census{}, err
		}
		for _, name := range list[:min(len(list), maxNames)] {
			if slices.Contains(names, name) {
				into[name] = true
			}
		}
		if method == ".ListNames" {
			c.Systemd = slices.Contains(list, service)
		}
	}
	if c.Systemd {
		c.Systemd = c.units(ctx, conn.Object(service, path), units) == nil
	}
	return c, nil
}

// units asks systemd for the units. It says of a unit that it has not read that it is not found.
func (c *Census) units(ctx context.Context, systemd dbus.BusObject, names []string) error {
	var listed []struct {
		Name, Description, Load, Active, Sub, Following string
		Unit                                            dbus.ObjectPath
		Job                                             uint32
		JobType                                         string
		JobPath                                         dbus.ObjectPath
	}
	if err := systemd.CallWithContext(ctx, manager+".ListUnitsByNames", dbus.FlagNoAutoStart, names).Store(&listed); err != nil {
		return err
	}
	for _, u := range listed {
		if !slices.Contains(names, u.Name) {
			continue
		}
		unit := Unit{Load: word(u.Load), Active: word(u.Active)}
		var state string
		// a unit without a file is an error, and has no state
		if systemd.CallWithContext(ctx, manager+".GetUnitFileState", dbus.FlagNoAutoStart, u.Name).Store(&state) == nil {
			unit.File = word(state)
		}
		c.Units[u.Name] = unit
	}
	return ctx.Err()
}

// word returns a word of systemd's, and "" for anything else.
func word(text string) string {
	if len(text) > maxWord {
		return ""
	}
	for _, r := range text {
		if (r < 'a' || r > 'z') && r != '-' {
			return ""
		}
	}
	return text
}

// connect opens a connection that ends with ctx.
func connect(ctx context.Context, address string) (*dbus.Conn, error) {
	if address == "" {
		return dbus.ConnectSystemBus(dbus.WithContext(ctx))
	}
	return dbus.Connect(address, dbus.WithContext(ctx))
}
