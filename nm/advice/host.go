package advice

import (
	"context"
	"strings"

	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
)

// Forward returns notes about SNAT, and about obstacles to forwarded packets.
func Forward(ctx context.Context, sys nm.System, k keep.Kept) []string {
	var notes []string
	if len(k.SNAT) > 0 && len(k.Inner) > 0 {
		inner := make([]string, len(k.Inner))
		for i, n := range k.Inner {
			inner[i] = n.String()
		}
		notes = append(notes, "SNAT is for packets from "+strings.Join(inner, " and ")+" alone: what comes from networks behind the far end keeps its source, and needs a route back")
	}
	if len(k.Forward) == 0 {
		if len(k.SNAT) > 0 {
			if on, err := sys.Gateway.Forwarding(ctx, "all"); err == nil && !on {
				notes = append(notes, "this host does not forward packets, so SNAT has no effect: add --forward")
			}
		}
		return notes
	}
	obstacles, err := sys.Gateway.Obstacles(ctx, k.Forward)
	if err != nil { // only root can look for them
		return notes
	}
	for _, o := range obstacles {
		notes = append(notes, "warning: "+o.What+"; type: "+o.Hint)
	}
	return notes
}

// Hook returns a warning if the dispatcher's hook is missing that sets k whenever the tunnel
// comes up. It returns nil if k is empty or the hook is there.
func Hook(ctx context.Context, sys nm.System, k keep.Kept) []string {
	if k.Empty() {
		return nil
	}
	err := sys.Store.HookMissing(ctx)
	if err == nil {
		return nil
	}
	return []string{"warning: what NetworkManager cannot hold (" + k.Summary() + ") does not return by itself: " + err.Error() + "; " + strings.Join(fault.Hints(err), "; ")}
}
