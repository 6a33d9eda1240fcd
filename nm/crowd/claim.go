package crowd

import (
	"slices"

	"nmgre/nm"
	"nmgre/routes/fault"
)

// Claimed fails with [fault.ErrNameLost] if another process has made a tunnel of that name, and
// NetworkManager got its profile before the one with that UUID, which is on trial.
func Claimed(profiles []nm.Profile, uuid, name string) error {
	var own nm.Profile
	if i := slices.IndexFunc(profiles, func(p nm.Profile) bool { return p.UUID == uuid }); i >= 0 {
		own = profiles[i]
	}
	earlier := func(p nm.Profile) bool {
		named := p.ID == name || p.Tunnel.Name == name
		return p.UUID != uuid && named && p.State != nm.StateExternal && !p.Abandoned && (!p.Trial || p.Serial < own.Serial)
	}
	if !slices.ContainsFunc(profiles, earlier) {
		return nil
	}
	return &fault.Error{Kind: fault.ErrNameLost, Field: "name", What: "another nmgre has made " + name + " at the same moment",
		Hint: "choose another name, or leave --name out"}
}
