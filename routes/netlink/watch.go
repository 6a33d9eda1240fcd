package netlink

import (
	"context"

	"nmgre/routes/kernel"
	"nmgre/routes/netlink/events"
)

// Watch sends an event when devices, addresses or routes may have changed, as [events.Watch] does.
func (k *Kernel) Watch(ctx context.Context) (<-chan kernel.Event, error) { return events.Watch(ctx) }
