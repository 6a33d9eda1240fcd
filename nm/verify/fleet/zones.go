package fleet

import (
	"context"
	"sync"

	"nmgre/nm"
)

// zones asks for the zone of each device once.
type zones struct {
	nm.Zones
	mu    sync.Mutex
	known map[string]nm.Zone
}

// ZoneOf implements [nm.Zones]. Who asks while somebody else does waits for the same answer.
func (z *zones) ZoneOf(ctx context.Context, dev string) (nm.Zone, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if zone, known := z.known[dev]; known {
		return zone, nil
	}
	zone, err := z.Zones.ZoneOf(ctx, dev)
	if err == nil {
		z.known[dev] = zone
	}
	return zone, err
}
