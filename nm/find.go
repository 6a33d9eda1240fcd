package nm

import (
	"fmt"
	"slices"
	"strings"

	"nmgre/routes/fault"
)

// Find returns the tunnel with that UUID, interface name or profile name; the first kind of name
// that fits counts. Of several it returns the only active one, or the only one whose profile has
// the name, too. It fails with [fault.ErrNotFound] if there is no such tunnel, and with
// [fault.ErrInvalid] if several remain.
func Find(profiles []Profile, name string) (Profile, error) { return find(profiles, name, theOne) }

// FindOnly is Find for what does not come back: it fails if several tunnels have the name.
func FindOnly(profiles []Profile, name string) (Profile, error) {
	return find(profiles, name, onlyOne)
}

func find(profiles []Profile, name string, choose func([]Profile, string) (Profile, error)) (Profile, error) {
	for _, matches := range []func(Profile) bool{
		func(p Profile) bool { return p.UUID == name },
		func(p Profile) bool { return p.Tunnel.Name == name },
		func(p Profile) bool { return p.ID == name },
	} {
		var found []Profile
		for _, p := range profiles {
			if p.Tunnel.Mode != 0 && matches(p) {
				found = append(found, p)
			}
		}
		if len(found) > 0 {
			return choose(found, name)
		}
	}
	return Profile{}, notFound(profiles, name)
}

// theOne returns the only profile, or the only active one, or the only one whose profile has the
// name, too: a copy made with nmcli has the same interface.
func theOne(found []Profile, name string) (Profile, error) {
	for _, preferred := range []func(Profile) bool{
		func(p Profile) bool { return p.State == StateActive },
		func(p Profile) bool { return p.ID == name },
	} {
		some := slices.DeleteFunc(slices.Clone(found), func(p Profile) bool { return !preferred(p) })
		if len(some) == 1 {
			return some[0], nil
		}
	}
	return onlyOne(found, name)
}

// onlyOne returns the only profile. It guesses nothing: what is deleted does not come back.
func onlyOne(found []Profile, name string) (Profile, error) {
	if len(found) == 1 {
		return found[0], nil
	}
	var which []string
	for _, p := range found {
		which = append(which, p.UUID+" ("+fault.Printable(p.ID)+", "+string(p.State)+")")
	}
	return Profile{}, fault.Invalid("", "give the UUID of one of them: "+strings.Join(which, ", "), "%d tunnels have the name %s", len(found), fault.Printable(name))
}

// notFound says that no tunnel has the name, and which names there are.
func notFound(profiles []Profile, name string) error {
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
		slices.SortFunc(names, CompareNames)
		hint = "there are: " + strings.Join(fault.FirstFew(names), ", ")
	}
	return &fault.Error{Kind: fault.ErrNotFound, What: fmt.Sprintf("no tunnel has the name \"%s\"", fault.Printable(name)), Hint: hint}
}

// NotByHand refuses a tunnel that was found and was made by hand: NetworkManager only mirrors it.
func NotByHand(p Profile, err error) (Profile, error) {
	if err == nil && p.State == StateExternal {
		dev := fault.ShellWord(p.Tunnel.Name)
		return Profile{}, fault.Invalid("", "remove it with `ip link delete dev "+dev+"` and make it again with nmgre create",
			"%s was made by hand: NetworkManager only mirrors it", fault.Printable(p.Tunnel.Name))
	}
	return p, err
}

// Labels returns a name for each profile of a list by which a person tells it apart: the
// interface's name, and the profile's name beside it where another profile has the same interface,
// or the UUID where that does not do.
func Labels(list []Profile) []string {
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

// CompareNames sorts names by their numbers, too: gre2 comes before gre10.
func CompareNames(a, b string) int {
	stemA, stemB := strings.TrimRight(a, "0123456789"), strings.TrimRight(b, "0123456789")
	if stemA == stemB && len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}
