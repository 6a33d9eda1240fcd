// Package adapters wires the doors of one host together: its NetworkManager, its kernel, its
// gateway and root's own files. It is the only room that knows them all. Begin at [Open].
package adapters

import (
	"context"

	"nmgre/nm"
	"nmgre/nm/dbus"
	"nmgre/routes/asroot"
	"nmgre/routes/evidence"
	"nmgre/routes/gateway"
	natbyhand "nmgre/routes/gateway/byhand"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
	"nmgre/routes/netlink"
	"nmgre/routes/netlink/byhand"
	"nmgre/routes/store"
)

// Doors are the doors to one host, before they are wired together.
type Doors struct {
	Profiles nm.Profiles
	Kernel   kernel.Kernel
	Listener kernel.Listener // nil in tests: it would listen on this host
	Resolver nm.Resolver     // nil in tests that look up no names
	Gateway  keep.Gateway
	Files    *store.Store
	Hands    kernel.Hands // nil in tests without links made by hand
	// AsRoot keeps for a process that is not root. It is nil for root, which keeps by itself.
	AsRoot keep.Keeper
	// Quiet is AsRoot without a question on the terminal: a screen is drawn there.
	Quiet keep.Keeper
}

// Open connects to this host's NetworkManager and kernel. The function that it returns
// closes both connections.
func Open(ctx context.Context) (Doors, func(), error) {
	profiles, err := dbus.Connect(ctx, dbus.Options{})
	if err != nil {
		return Doors{}, nil, err
	}
	d, closeLocal, err := Local()
	if err != nil {
		_ = profiles.Close() // the error about the kernel matters more
		return Doors{}, nil, err
	}
	d.Profiles = profiles
	return d, func() {
		closeLocal()
		_ = profiles.Close()
	}, nil
}

// Local is Open for a host whose NetworkManager does not matter: there are no Profiles.
func Local() (Doors, func(), error) {
	links, err := netlink.New()
	if err != nil {
		return Doors{}, nil, err
	}
	d := Doors{Kernel: links, Listener: evidence.New(), Resolver: Resolver{}, Gateway: gateway.New(), Files: store.New("/", 0),
		Hands: byhand.Hands{Kernel: links, NAT: natbyhand.Rules{}}}
	if !links.CanChange() {
		quiet := asroot.New(d.Files)
		quiet.NoTerminal = true
		d.AsRoot, d.Quiet = asroot.New(d.Files), quiet
	}
	return d, func() { _ = links.Close() }, nil
}

// System wires the adapters together.
func (d Doors) System() nm.System {
	files := d.Files.Remembering() // a command looks at the same file several times
	keeper := d.AsRoot
	if keeper == nil {
		keeper = &keep.LocalKeeper{Tunnels: nm.Tunnels{Profiles: d.Profiles}, Kernel: d.Kernel, Gateway: d.Gateway, Store: files}
	}
	zones, _ := d.Profiles.(nm.Zones) // on the same bus
	return nm.System{Profiles: d.Profiles, Kernel: d.Kernel, Gateway: d.Gateway, Store: files, Keeper: keeper, Listener: d.Listener, Zones: zones, Resolver: d.Resolver, Hands: d.Hands}
}
