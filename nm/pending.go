package nm

import (
	"strings"

	"nmgre/routes/fault"
)

// Pending lists the settings that a profile has and its device has not: somebody has changed the
// profile while the tunnel was up, and NetworkManager applies nothing by itself. The zero value is
// for a profile without such settings.
type Pending struct {
	// Settings are the properties that differ, sorted, with nmcli's names ("ip-tunnel.ttl"). Those
	// that mean nothing to a tunnel that is up, such as connection.id, do not count.
	Settings []string
	// NewLink is the first of them that NetworkManager cannot apply while the tunnel is up. It is
	// empty if NetworkManager can apply all of them.
	NewLink string
	// Running is the tunnel that the device runs with. It is nil if nothing differs, or if it
	// cannot be read.
	Running *Tunnel
}

// None says whether the device runs with the whole profile.
func (p Pending) None() bool { return len(p.Settings) == 0 }

// String lists the first few of the settings.
func (p Pending) String() string { return strings.Join(fault.FirstFew(p.Settings), ", ") }

// Before returns the tunnel as it is before a change: the one that the device runs with, or else
// the profile's.
func (p Pending) Before(profile Tunnel) Tunnel {
	if p.Running == nil {
		return profile
	}
	return *p.Running
}

// Advice names the settings that the tunnel of that name does not run with, and the command that
// applies them. It is empty if there are none.
func (p Pending) Advice(name string) string {
	if p.None() {
		return ""
	}
	how := "while it stays up"
	if p.NewLink != "" {
		how = "with a new link"
	}
	return p.String() + " (changed in the profile since it came up; nmgre up " + fault.Operand(name) + " applies that, " + how + ")"
}
