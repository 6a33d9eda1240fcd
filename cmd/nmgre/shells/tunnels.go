package shells

import (
	"strings"

	"nmgre/nm"
	"nmgre/routes/fault"
)

// misread are the characters that a shell may act on. A space or a colon is quoted by the scripts.
const misread = "\t\n\"'`$\\&|;<>()*?[]{}!#~"

// Tunnels returns the interface names that begin with prefix, each with its state, if it is known,
// and its far end. Where none does, it returns the names of profiles that do. Names that a shell or
// a terminal could misread are left out.
func Tunnels(profiles []nm.Profile, prefix string) []string {
	names := offered(profiles, prefix, " ", func(p nm.Profile) string { return p.Tunnel.Name })
	if len(names) > 0 || prefix == "" {
		return names
	}
	id := func(p nm.Profile) string { return p.ID }
	if names = offered(profiles, prefix, "", id); len(names) > 1 {
		// bash types what several have in common as it stands, and a space would end the word
		return offered(profiles, prefix, " ", id)
	}
	return names
}

// offered returns the tunnels whose name begins with prefix, without those that have one of the
// characters never.
func offered(profiles []nm.Profile, prefix, never string, nameOf func(nm.Profile) string) (names []string) {
	for _, p := range profiles {
		name := nameOf(p)
		if p.Tunnel.Mode == 0 || !strings.HasPrefix(name, prefix) || strings.ContainsAny(name, misread+never) || fault.Printable(name) != name {
			continue
		}
		about := "to " + p.Tunnel.Remote.String()
		if p.State != "" {
			about = string(p.State) + ", " + about
		}
		names = append(names, name+"\t"+about)
	}
	return names
}
