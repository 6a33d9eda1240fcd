package wire

import (
	"github.com/godbus/dbus/v5"

	"nmgre/nm"
)

// StartTrial makes the settings those of a profile on trial: it does not connect by itself, and
// mark says who tries it. The autoconnect that s has is noted for [Settings.EndTrial].
//
// The mark is "<unique bus name>@<identity of the bus>" of the process that tries the profile. A
// bus never gives a unique name twice, and another bus has another identity.
func (s Settings) StartTrial(mark string) {
	autoconnect := "yes"
	if s[Connection]["autoconnect"].Value() == false {
		autoconnect = "no"
	}
	s.Set(Connection, "autoconnect", false)
	s.setUser(keyTrial, mark)
	s.setUser(keyAutoconnect, autoconnect)
}

// EndTrial makes the settings of a profile on trial those to save: without a mark, and with the
// autoconnect from before [Settings.StartTrial]. Settings without a mark stay as they are.
func (s Settings) EndTrial() {
	if autoconnect, ok := s.trialAutoconnect(); ok {
		put(s, Connection, "autoconnect", autoconnect, true)
	}
	for _, key := range [...]string{keyTrial, keyAutoconnect, keyWith, nm.KeyLeader, nm.KeyDoomed} {
		s.setUser(key, "")
	}
}

// ShareTrial makes the settings those of a profile on disk whose trial ends well when the one with
// the UUID first is saved. They have the autoconnect that they are to have then: the note of it may
// be lost with the user data, as on Ubuntu.
func (s Settings) ShareTrial(first string) {
	mark := s.user(keyTrial)
	s.EndTrial()
	s.setUser(keyTrial, mark)
	s.setUser(keyWith, first)
}

// With returns the UUID of [Settings.ShareTrial], or the empty string.
func (s Settings) With() string {
	if s.TrialMark() == "" {
		return ""
	}
	return s.user(keyWith)
}

// TrialMark returns the mark of [Settings.StartTrial], or the empty string when the profile is not
// on trial. Any local user may have written it into a profile for that user alone. There it does
// not count: nmgre itself tries profiles for all users only, and a profile that looks like one that
// a killed nmgre has left is deleted with its link.
func (s Settings) TrialMark() string {
	if len(s.Users()) > 0 {
		return ""
	}
	return s.user(keyTrial)
}

// Adopts reports whether the profile has taken over a link that somebody made by hand.
func (s Settings) Adopts() bool { return s.user(nm.KeyAdopts) == nm.Yes }

// Leaves reports whether the link that the profile leaves behind when it is deleted is to be
// deleted, too: that of a profile on trial, or one that was made by hand and taken over. A link
// that is taken over on trial is given back.
func (s Settings) Leaves() bool { return (s.TrialMark() != "") != s.Adopts() }

// Made reports whether a device can be the link of the profile, by the properties of the device in
// NetworkManager's interface Device.IPTunnel.
func (s Settings) Made(device map[string]dbus.Variant) bool {
	return device["Mode"].Value() == s[IPTunnel]["mode"].Value() && device["Remote"].Value() == s[IPTunnel]["remote"].Value()
}

// trialAutoconnect returns the autoconnect that the profile gets when its trial ends well; ok is
// false for a profile that is not on trial.
func (s Settings) trialAutoconnect() (autoconnect, ok bool) {
	noted := s.user(keyAutoconnect)
	return noted == "yes", s.user(keyTrial) != "" && (noted == "yes" || noted == "no")
}
