package nm

import (
	"slices"
	"strings"

	"nmgre/routes/fault"
)

// Named returns the tunnels with that UUID, interface name or profile name; the first kind of name
// that fits counts.
func Named(list []Profile, name string) (found []Profile) {
	for _, matches := range []func(Profile) bool{
		func(p Profile) bool { return p.UUID == name },
		func(p Profile) bool { return p.Tunnel.Name == name },
		func(p Profile) bool { return p.ID == name },
	} {
		for _, p := range list {
			if p.Tunnel.Mode != 0 && matches(p) {
				found = append(found, p)
			}
		}
		if len(found) > 0 {
			return found
		}
	}
	return nil
}

// TheOne returns the only profile of some with one name, or the only active one. Otherwise it fails
// with [fault.ErrInvalid], and the hint says which is which.
func TheOne(found []Profile, name string) (Profile, error) {
	if len(found) == 1 {
		return found[0], nil
	}
	var active []Profile
	var which []string
	for _, p := range found {
		which = append(which, p.Which())
		if p.State == StateActive {
			active = append(active, p)
		}
	}
	if len(active) == 1 {
		return active[0], nil
	}
	return Profile{}, fault.Invalid("", "give the UUID of one of them: "+strings.Join(which, "; "), "%d tunnels have the name %s", len(found), fault.Printable(name))
}

// TheSaved is TheOne for a question about a tunnel: of one profile and a link made by hand that
// stands in its place, it is the profile.
func TheSaved(found []Profile, name string) (Profile, error) {
	saved := slices.DeleteFunc(slices.Clone(found), func(p Profile) bool { return p.State == StateExternal })
	if len(saved) == 1 {
		return saved[0], nil
	}
	return TheOne(found, name)
}

// Twins returns the other tunnels that have the interface name or the profile name of p.
func Twins(list []Profile, p Profile) (twins []Profile) {
	for _, o := range list {
		if o.Tunnel.Mode != 0 && o.UUID != p.UUID && (o.Tunnel.Name == p.Tunnel.Name || o.ID == p.ID) {
			twins = append(twins, o)
		}
	}
	return twins
}

// Which tells the profile from others of its name: its name and UUID, its state, and its file.
func (p Profile) Which() string {
	text := fault.Printable(p.ID) + " " + p.UUID + ", "
	if p.State == StateExternal {
		return text + "made by hand"
	}
	text += string(p.State)
	if p.Path != "" {
		text += ", " + fault.Printable(p.Path)
	}
	return text
}
