package adopt

import (
	"context"

	"nmgre/nm"
	"nmgre/routes/fault"
)

// zone takes over the zone of firewalld that names the link. Without it NetworkManager would put
// the tunnel into the default zone, whose rules may be others.
func (f *Found) zone(ctx context.Context, zones nm.Zones) error {
	if zones == nil {
		return nil
	}
	zone, err := zones.ZoneOf(ctx, f.Tunnel.Name)
	if err != nil || zone.Name == "" || zone.Default {
		return ctx.Err()
	}
	f.Tunnel.Zone = zone.Name
	f.Parts = append(f.Parts, Part{"firewalld's zone " + fault.Printable(zone.Name), Taken, ""})
	return nil
}

// undoZone moves the link back into the zone that named it before.
func (f *Found) undoZone(ctx context.Context, zones nm.Zones) error {
	if zones == nil || f.Tunnel.Zone == "" {
		return nil
	}
	return zones.SetZone(ctx, f.Tunnel.Name, f.Tunnel.Zone)
}
