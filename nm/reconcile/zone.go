package reconcile

import (
	"context"
	"slices"

	"nmgre/nm"
	"nmgre/routes/fault"
)

// zoneDrift returns the difference of a tunnel that is up, whose profile names a zone, and which
// firewalld has in another one, as after firewall-cmd --change-interface. There is none where
// nobody can mend it: without firewalld, and without that zone there. A profile that names no zone
// leaves the choice to firewalld.
func zoneDrift(ctx context.Context, zones nm.Zones, p nm.Profile) []Drift {
	want := p.Tunnel.Zone
	if want == "" || zones == nil {
		return nil
	}
	is, err := zones.ZoneOf(ctx, p.Device)
	if err != nil || is.Name == "" || is.Name == want {
		return nil
	}
	if names, err := zones.ZoneNames(ctx); err != nil || !slices.Contains(names, want) {
		return nil
	}
	return []Drift{{Field: "zone", What: "firewalld has it in the zone " + fault.Printable(is.Name) + ", not in " + fault.Printable(want), by: byReapply}}
}
