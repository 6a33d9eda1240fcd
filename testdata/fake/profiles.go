package fake

import (
	"nmgre/nm"
	"nmgre/routes/fault"
)

type Profile struct {
	nm.Profile
	owner *Process // who has it on trial
}

// told is what NetworkManager tells of the profile.
func (f *Profile) told() nm.Profile {
	profile := f.Profile
	profile.Tunnel = profile.Tunnel.Clone()
	profile.Abandoned = profile.Abandoned || f.owner != nil && f.owner.Dead
	return profile
}

var errVanished = &fault.Error{Kind: fault.ErrNotFound, What: "there is no such profile"}
