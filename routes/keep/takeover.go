package keep

import "context"

// Takeover is a link made by hand that a new tunnel takes the place of. Package adopt implements
// it.
type Takeover interface {
	// Activate calls activate, which activates the profile. Before and after, it changes the link
	// as the takeover needs. k is root's part of the tunnel.
	Activate(ctx context.Context, k Kept, activate func() error) error
	// After is called when the tunnel is up with all that belongs to it.
	After(ctx context.Context) error
	// Done is called when the tunnel is saved. It warns of the steps that fail.
	Done(ctx context.Context, warn func(...string))
	// Undo makes the link as it was, after the profile was deleted. It may be called several times.
	Undo(ctx context.Context) error
}
