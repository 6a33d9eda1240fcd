package find

import (
	"nmgre/nm"
	"nmgre/routes/fault"
)

// InWork refuses a tunnel that another nmgre makes or edits.
func InWork(p nm.Profile) error {
	const hint = "try again in a moment"
	switch name := fault.Printable(p.Tunnel.Name); {
	case p.Trial:
		return fault.Invalid("", hint, "another nmgre is making %s right now", name)
	case p.Edit != nil:
		return fault.Invalid("", hint, "another nmgre is changing %s right now", name)
	}
	return nil
}
