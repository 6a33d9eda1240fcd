package nm

import "strings"

// Keys of a profile's user data. NetworkManager wants a dot in them.
const (
	// keyPeer holds the far end's inner address where it cannot be derived.
	keyPeer = "nmgre.peer-address"
	// keyTrial marks a profile that is on trial: "<unique bus name>@<identity of the bus>" of the process that tries it. A bus never
	// gives a unique name twice, and another bus has another identity.
	keyTrial = "nmgre.trial"
	// keyAutoconnect holds what connection.autoconnect will be when the trial ends well, "yes" or "no".
	keyAutoconnect = "nmgre.autoconnect"
)

// markTrial makes the settings of a profile on trial: it does not connect by itself, and says who tries it.
func (s Settings) markTrial(l *link, autoconnect bool) {
	s.set(setConnection, "autoconnect", false)
	s.setUser(keyTrial, l.name+"@"+l.bus)
	s.setUser(keyAutoconnect, map[bool]string{true: "yes", false: "no"}[autoconnect])
}

// endTrial turns the settings of a profile on trial into those that are kept. Settings without a mark stay as they are.
func (s Settings) endTrial() {
	if wanted, ok := trialAutoconnect(s); ok {
		put(s, setConnection, "autoconnect", wanted, true)
	}
	s.setUser(keyTrial, "")
	s.setUser(keyAutoconnect, "")
}

// trialAutoconnect returns what autoconnect will be after the trial; ok only for a profile with a mark.
func trialAutoconnect(s Settings) (wanted, ok bool) {
	wish := s.user(keyAutoconnect)
	return wish == "yes", s.user(keyTrial) != "" && (wish == "yes" || wish == "no")
}

// tester returns the name of the connection that the mark names; ok only if it belongs to this bus.
func (l *link) tester(mark string) (name string, ok bool) {
	name, bus, found := strings.Cut(mark, "@")
	return name, found && bus == l.bus && strings.HasPrefix(name, ":")
}
