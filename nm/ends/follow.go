package ends

import (
	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
)

// MayFollow refuses to move the kept routes and rules of a tunnel to the address of a name that
// root has not written down. before is the tunnel with the far end that it leaves, kept are the
// present routes and rules, and after those that root is to keep.
func MayFollow(before nm.Tunnel, kept, after keep.Kept) error {
	if kept.Empty() && after.Empty() || kept.PeerName == before.PeerName {
		return nil
	}
	what := after.Summary()
	if !kept.Empty() {
		what = kept.Summary()
	}
	name := fault.Operand(before.Name)
	return &fault.Error{Kind: fault.ErrInvalid, What: "root keeps " + what + " for the far end " + before.Remote.String() + ", and root's file does not say that it may follow " + fault.Printable(before.PeerName),
		Hint: "have root say so: sudo nmgre edit " + name + " --follow=false; sudo nmgre edit " + name + " --follow; or follow once: sudo nmgre edit " + name + " --peer auto"}
}
