package adopt

import (
	"context"
	"errors"

	"nmgre/nm"
	"nmgre/nm/advice"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// NotFound returns err, which says that no tunnel has the name. If the kernel has one of that name
// which was made by hand, it says so instead: NetworkManager has a connection only for a link that
// had an address in the moment when it saw the link come up.
func NotFound(ctx context.Context, k kernel.Kernel, name string, profiles []nm.Profile, err error) error {
	if !errors.Is(err, fault.ErrNotFound) {
		return err
	}
	links, linkErr := k.Links(ctx)
	if linkErr != nil || advice.ByHand(kernel.Named(links, name), profiles) == "" {
		return err
	}
	return &fault.Error{Kind: fault.ErrNotFound, What: fault.Printable(name) + " was made by hand, and NetworkManager has no connection for it",
		Hint: "make a profile of it, while it is up: sudo nmgre adopt " + fault.Operand(name)}
}
