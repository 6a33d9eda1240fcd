package dbustest

import "github.com/godbus/dbus/v5"

// census has the names on the bus besides NetworkManager's, and the states of systemd's units.
type census struct {
	owned, startable []string
	units            map[string][3]string
}

// SetNames puts names on the bus. systemd is there once its name is among the owned ones.
func (b *Bus) SetNames(owned, startable []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.census.owned, b.census.startable = owned, startable
}

// SetUnits sets the states of units by their names: the load state, the active state, and the state
// of the file, which is empty if there is none.
func (b *Bus) SetUnits(units map[string][3]string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.census.units = units
}

// list answers a question for all names.
func (b *Bus) list(startable bool) []any {
	if startable {
		return []any{append([]string{busName}, b.census.startable...)}
	}
	names := append([]string{busName}, b.census.owned...)
	if b.nm != nil {
		names = append(names, service)
	}
	return []any{names}
}

// unit is a row of systemd's answer, a(ssssssouso).
type unit struct {
	Name, Description, Load, Active, Sub, Following string
	Path                                            dbus.ObjectPath
	Job                                             uint32
	JobType                                         string
	JobPath                                         dbus.ObjectPath
}

// askSystemd answers a call to systemd.
func (b *Bus) askSystemd(call Call) ([]any, *dbus.Error) {
	switch call.Member {
	case "StartUnit":
		return []any{dbus.ObjectPath("/org/freedesktop/systemd1/job/1")}, nil
	case "ListUnitsByNames":
		rows := []unit{}
		for _, name := range call.Args[0].([]string) {
			u, known := b.census.units[name]
			if !known {
				u = [3]string{"not-found", "inactive", ""}
			}
			rows = append(rows, unit{Name: name, Load: u[0], Active: u[1], Path: "/", JobPath: "/"})
		}
		return []any{rows}, nil
	case "GetUnitFileState":
		if u := b.census.units[call.Args[0].(string)]; u[2] != "" {
			return []any{u[2]}, nil
		}
		return nil, fail("org.freedesktop.DBus.Error.FileNotFound", "No such file or directory")
	}
	return nil, nil
}
