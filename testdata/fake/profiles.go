package fake

import (
	"nmgre/nm"
	"nmgre/routes/fault"
)

// Profile is a profile of NetworkManager's.
type Profile struct {
	nm.Profile
	owner *Process // which has it on trial; nil for a saved profile
}

// listed returns the profile as NetworkManager lists it.
func (f *Profile) listed() nm.Profile {
	profile := f.Profile
	profile.Tunnel = profile.Tunnel.Clone()
	profile.Abandoned = profile.Abandoned || f.owner != nil && f.owner.Dead
	return profile
}

var errVanished = &fault.Error{Kind: fault.ErrNotFound, What: "there is no such profile"}
