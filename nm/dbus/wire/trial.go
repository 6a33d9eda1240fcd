package wire

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
	s.setUser(keyTrial, "")
	s.setUser(keyAutoconnect, "")
}

// TrialMark returns the mark of [Settings.StartTrial], or the empty string when the profile is not
// on trial. Any local user may have written it.
func (s Settings) TrialMark() string { return s.user(keyTrial) }

// trialAutoconnect returns the autoconnect that the profile gets when its trial ends well; ok is
// false for a profile that is not on trial.
func (s Settings) trialAutoconnect() (autoconnect, ok bool) {
	noted := s.user(keyAutoconnect)
	return noted == "yes", s.TrialMark() != "" && (noted == "yes" || noted == "no")
}
