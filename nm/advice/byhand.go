package advice

import (
	"slices"

	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// ByHand returns the end of a hint about a tunnel that somebody made by hand: that a profile can be
// made of it. It is empty for every other link.
func ByHand(link *kernel.Link, profiles []nm.Profile) string {
	if link == nil || link.GRE == nil || link.IsFallback() || link.GRE.External {
		return ""
	}
	if slices.ContainsFunc(profiles, func(p nm.Profile) bool { return p.Device == link.Name && p.State != nm.StateExternal }) {
		return ""
	}
	return "; " + fault.Printable(link.Name) + " was made by hand: nmgre adopt " + fault.Operand(link.Name) + " makes a profile of it"
}
