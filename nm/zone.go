package nm

import (
	"context"
	"net/netip"
)

// Zone is a zone of firewalld, which decides on the packets of its devices.
type Zone struct {
	Name string // as firewalld writes it: letters, digits, "_", "-" and "/"
	// LetsGRE says that it lets GRE in; its rich rules, or a policy, may although this is false.
	LetsGRE bool
	Default bool // no zone names the device, so it is in the default one
}

// Zones knows firewalld's zones. Package dbus implements it.
type Zones interface {
	// ZoneOf returns the zone of a device. It is the zero Zone where firewalld does not run, or
	// does not answer at once. It never starts firewalld.
	ZoneOf(ctx context.Context, dev string) (Zone, error)
	// ZoneNames returns the names of firewalld's zones, sorted. There are none where firewalld does
	// not run. It fails if firewalld runs and does not answer. It never starts firewalld.
	ZoneNames(ctx context.Context) ([]string, error)
	// SetZone moves a device into a zone until firewalld is loaded anew. It does nothing where
	// firewalld does not run, and fails if firewalld refuses. It never starts firewalld.
	SetZone(ctx context.Context, dev, zone string) error
}

// Resolver looks up the names of hosts. Package adapters of cmd/nmgre implements it.
type Resolver interface {
	// Resolve returns the addresses of a host of that name, trusted by nobody: IPv6 (AAAA) if v6 is
	// set, else IPv4 (A). A name without any has no error. It fails if nobody could be asked.
	Resolve(ctx context.Context, name string, v6 bool) ([]netip.Addr, error)
}
