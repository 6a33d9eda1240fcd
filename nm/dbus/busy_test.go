package dbus

import (
	"context"
	"errors"
	"testing"

	"nmgre/nm/dbus/dbustest"
	"nmgre/routes/fault"
)

// On a busy machine the bus may not tell NetworkManager in time who asks. It refuses the request
// then as "not permitted", and has begun nothing. Whichever request that hits, it is made again
// until it is answered.
func TestCallerUnknownForAWhile(t *testing.T) {
	for _, refusal := range []dbustest.Fault{
		{Error: service + ".PermissionDenied", Text: "Unable to determine request UID."},
		{Error: service + ".Settings.PermissionDenied", Text: "Unable to determine UID of the request"},
	} {
		bus, c := start(t)
		add(t, c)
		impatient := impatiently(t, bus)
		for name, call := range everyCall(context.Background(), c) {
			if name == "Delete" || name == "Add" {
				continue
			}
			for _, member := range []string{"GetSettings", "Update2", "ActivateConnection", "DeactivateConnection", "Reapply"} {
				busy := refusal
				busy.Meanwhile = func() { bus.Break(member, dbustest.Fault{}) } // the next one is answered
				bus.Break(member, busy)
				if err := call(); err != nil {
					t.Errorf("%s, whose %s is refused once: %v", name, member, err)
				}
				bus.Break(member, dbustest.Fault{})
			}
		}
		// who is refused for longer is not told that it is not permitted
		bus.Break("Delete", refusal)
		err := impatient.Delete(context.Background(), dbustest.UUID)
		if !errors.Is(err, fault.ErrTimeout) || errors.Is(err, fault.ErrNotPermitted) {
			t.Errorf("refused for ever: %v", err)
		}
		bus.Break("Delete", dbustest.Fault{Error: service + ".PermissionDenied", Text: "Insufficient privileges"})
		if err := c.Delete(context.Background(), dbustest.UUID); !errors.Is(err, fault.ErrNotPermitted) {
			t.Errorf("refused by polkit: %v", err)
		}
		bus.Break("Delete", dbustest.Fault{})
	}
}
