package gateway

import (
	"context"

	"nmgre/routes/gateway/removals"
)

// WatchRules sends a value when somebody may have removed rules of nmgre's, as the kernel notifies
// it. Values that nobody receives are joined into one. It listens in the network namespace of the
// thread that calls it, and fails with ErrNotPermitted without root. The channel is closed after
// the end of ctx.
func (g *Gateway) WatchRules(ctx context.Context) (<-chan struct{}, error) {
	events, err := removals.Watch(ctx, tableName)
	if err != nil {
		return nil, failed("listen to changes of the rules", err)
	}
	return events, nil
}
