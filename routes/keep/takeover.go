package keep

import "context"

// Takeover is a link made by hand that a new tunnel takes the place of. Package adopt implements
// it.
type Takeover interface {
	// Activate calls activate, which activates the profile, and does before and after it what the
	// link needs. k is what root keeps for the tunnel.
	Activate(ctx context.Context, k Kept, activate func() error) error
	// After is called when the tunnel is up with all that belongs to it.
	After(ctx context.Context) error
	// Done is called when the tunnel is saved. It warns of what cannot be done.
	Done(ctx context.Context, warn func(...string))
	// Undo makes the link as it was, after the profile was deleted. It may be called several times.
	Undo(ctx context.Context) error
}
