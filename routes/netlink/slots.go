package netlink

import (
	"nmgre/routes"
	"nmgre/routes/netlink/wire"
)

// slotOf returns the slot of a route that [wire.Route.Set] accepts.
func slotOf(r *routes.Route) wire.Slot {
	w := wire.Route{Family: wire.FamilyOf(r.Dst.Addr()), Dst: r.Dst.Masked(), Table: r.TableOrMain(), TOS: r.TOS}
	if r.From.IsValid() && r.From.Bits() > 0 {
		w.From = r.From.Masked()
	}
	if r.Metric != nil {
		w.Priority = *r.Metric
	}
	return w.Slot()
}
