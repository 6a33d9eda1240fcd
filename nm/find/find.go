// Package find finds a tunnel among the profiles by the name that a person gives it.
//
// Begin with [ByName].
package find

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"nmgre/nm"
	"nmgre/routes/fault"
)

// ByName returns the tunnel with that UUID, interface name or profile name; the first kind of name
// that fits counts. Of several it returns the only active one, or the only one whose profile has
// the name, too. It fails with [fault.ErrNotFound] if there is no such tunnel, and with
// [fault.ErrInvalid] if several remain: the hint says which is which.
func ByName(profiles []nm.Profile, name string) (nm.Profile, error) {
	return find(profiles, name, theOne)
}

// Only is [ByName] for a delete, which nobody can undo: it fails if several tunnels have the name.
func Only(profiles []nm.Profile, name string) (nm.Profile, error) {
	return find(profiles, name, onlyOne)
}

// Saved is [ByName] for a question about a tunnel: links that were made by hand, and stand in a
// profile's place, do not count beside it.
func Saved(profiles []nm.Profile, name string) (nm.Profile, error) {
	return find(profiles, name, theSaved)
}

func find(profiles []nm.Profile, name string, choose func([]nm.Profile, string) (nm.Profile, error)) (nm.Profile, error) {
	if found := named(profiles, name); len(found) > 0 {
		return choose(found, name)
	}
	return nm.Profile{}, notFound(profiles, name)
}

// named returns the tunnels with that UUID, interface name or profile name; the first kind of name
// that fits counts.
func named(profiles []nm.Profile, name string) (found []nm.Profile) {
	for _, matches := range []func(nm.Profile) bool{
		func(p nm.Profile) bool { return p.UUID == name },
		func(p nm.Profile) bool { return p.Tunnel.Name == name },
		func(p nm.Profile) bool { return p.ID == name },
	} {
		for _, p := range profiles {
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

func theOne(found []nm.Profile, name string) (nm.Profile, error) {
	if p := preferred(found, name); p != nil {
		return *p, nil
	}
	return onlyOne(found, name)
}

func theSaved(found []nm.Profile, name string) (nm.Profile, error) {
	saved := slices.DeleteFunc(slices.Clone(found), func(p nm.Profile) bool { return p.State == nm.StateExternal })
	if p := preferred(saved, name); p != nil {
		return *p, nil
	}
	return theOne(found, name)
}

// preferred returns the only profile, or the only active one, or the only one whose profile has the
// name, too: a copy made with nmcli has the same interface. Of a link made by hand that name says
// nothing.
func preferred(found []nm.Profile, name string) *nm.Profile {
	for _, fits := range []func(nm.Profile) bool{
		func(nm.Profile) bool { return true },
		func(p nm.Profile) bool { return p.State == nm.StateActive },
		func(p nm.Profile) bool { return p.ID == name },
	} {
		some := slices.DeleteFunc(slices.Clone(found), func(p nm.Profile) bool { return !fits(p) })
		if len(some) == 1 && (len(found) == 1 || some[0].State != nm.StateExternal) {
			return &some[0]
		}
	}
	return nil
}

// onlyOne returns the only profile. It guesses nothing: a deleted tunnel does not come back.
func onlyOne(found []nm.Profile, name string) (nm.Profile, error) {
	if len(found) == 1 {
		return found[0], nil
	}
	var which []string
	for _, p := range found {
		which = append(which, p.Which())
	}
	return nm.Profile{}, fault.Invalid("", "give the UUID of one of them: "+strings.Join(which, "; "), "%d tunnels have the name %s", len(found), fault.Printable(name))
}

// Twins returns the other tunnels that have the interface name or the profile name of p.
func Twins(list []nm.Profile, p nm.Profile) (twins []nm.Profile) {
	for _, o := range list {
		if o.Tunnel.Mode != 0 && o.UUID != p.UUID && (o.Tunnel.Name == p.Tunnel.Name || o.ID == p.ID) {
			twins = append(twins, o)
		}
	}
	return twins
}

// notFound says that no tunnel has the name, and which names there are.
func notFound(profiles []nm.Profile, name string) error {
	var names []string
	for _, p := range profiles {
		if p.Tunnel.Mode != 0 {
			names = append(names, fault.Printable(p.Tunnel.Name))
		} else if p.Tunnel.Name == name || p.ID == name {
			return &fault.Error{Kind: fault.ErrNotFound, What: fault.Printable(name) + " is a connection, but not a GRE tunnel", Hint: "nmgre list shows the tunnels"}
		}
	}
	hint := "there are no tunnels yet: nmgre create makes one"
	if len(names) > 0 {
		slices.SortFunc(names, nm.CompareNames)
		hint = "there are: " + strings.Join(fault.FirstFew(names), ", ")
	}
	return &fault.Error{Kind: fault.ErrNotFound, What: fmt.Sprintf("no tunnel has the name \"%s\"", fault.Printable(name)), Hint: hint}
}

// NotByHand refuses a tunnel that was found and was made by hand: NetworkManager only mirrors it.
func NotByHand(p nm.Profile, err error) (nm.Profile, error) {
	if err == nil && p.State == nm.StateExternal {
		dev := fault.ShellWord(p.Tunnel.Name)
		return nm.Profile{}, fault.Invalid("", "make a profile of it, while it is up: nmgre adopt "+dev+"; or remove it: ip link delete dev "+dev,
			"%s was made by hand: NetworkManager only mirrors it", fault.Printable(p.Tunnel.Name))
	}
	return p, err
}

// Labels returns a name for each profile of a list by which a person tells it apart: the
// interface's name, and the profile's name beside it where another profile has the same interface,
// or the UUID where that does not do.
func Labels(list []nm.Profile) []string {
	devices, both := make(map[string]int), make(map[[2]string]int)
	for _, p := range list {
		devices[p.Tunnel.Name]++
		both[[2]string{p.Tunnel.Name, p.ID}]++
	}
	labels := make([]string, len(list))
	for i, p := range list {
		labels[i] = p.Tunnel.Name
		switch {
		case devices[p.Tunnel.Name] == 1:
		case both[[2]string{p.Tunnel.Name, p.ID}] == 1:
			labels[i] += " (" + p.ID + ")"
		default:
			labels[i] += " (" + p.UUID + ")"
		}
	}
	return labels
}

// UnlessTaken returns err, the error of the wait for a device to go. It returns nil where the time
// was up and a profile that NetworkManager has brought up instead has made the device anew. heir is
// a sentence about that profile then.
func UnlessTaken(ctx context.Context, profiles nm.Profiles, dev string, err error) (heir string, other error) {
	if !errors.Is(err, fault.ErrTimeout) || ctx.Err() != nil {
		return "", err
	}
	list, listErr := profiles.List(ctx)
	i := slices.IndexFunc(list, func(p nm.Profile) bool { return p.Device == dev && p.State != nm.StateExternal })
	if listErr != nil || i < 0 {
		return "", err
	}
	return fmt.Sprintf("NetworkManager has brought up another profile for %s by itself: %s %s", fault.Printable(dev), fault.Printable(list[i].ID), list[i].UUID), nil
}
