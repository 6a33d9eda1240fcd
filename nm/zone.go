package nm

import "context"

// Zone is a zone of firewalld, which decides on the packets of its devices.
type Zone struct {
	Name string // as firewalld writes it: letters, digits, "_", "-" and "/"
	// LetsGRE says that the zone lets GRE in. It may do so although this is false: a rich rule, or
	// a policy, may let it in.
	LetsGRE bool
}

// Zones knows firewalld's zones. Package dbus implements it.
type Zones interface {
	// ZoneOf returns the zone of a device. It is the zero Zone where firewalld does not run, or
	// does not answer at once. It never starts firewalld.
	ZoneOf(ctx context.Context, dev string) (Zone, error)
}
