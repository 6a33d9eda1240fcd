package main

import (
	"context"

	"nmgre"
	"nmgre/nm"
	"nmgre/nm/dbus"
	"nmgre/routes/asroot"
	"nmgre/routes/evidence"
	"nmgre/routes/gateway"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
	"nmgre/routes/netlink"
	"nmgre/routes/store"
)

// adapters are the doors to one host, before they are wired together.
type adapters struct {
	profiles nm.Profiles
	kernel   kernel.Kernel
	listener kernel.Listener // nil in tests: it would listen on this host
	gateway  keep.Gateway
	files    *store.Store
	// asRoot keeps for a process that is not root. It is nil for root, which keeps by itself.
	asRoot keep.Keeper
	// quiet is asRoot without a question on the terminal: a screen is drawn there.
	quiet keep.Keeper
}

// openAdapters connects to this host's NetworkManager and kernel. The function that it returns
// closes both connections.
func openAdapters(ctx context.Context) (adapters, func(), error) {
	profiles, err := dbus.Connect(ctx, dbus.Options{})
	if err != nil {
		return adapters{}, nil, err
	}
	links, err := netlink.New()
	if err != nil {
		_ = profiles.Close() // the error about the kernel matters more
		return adapters{}, nil, err
	}
	d := adapters{profiles: profiles, kernel: links, listener: evidence.New(), gateway: gateway.New(), files: store.New("/", 0)}
	if !links.CanChange() {
		quiet := asroot.New(d.files)
		quiet.NoTerminal = true
		d.asRoot, d.quiet = asroot.New(d.files), quiet
	}
	return d, func() {
		_ = links.Close()
		_ = profiles.Close()
	}, nil
}

// system wires the adapters together.
func (d adapters) system() nm.System {
	files := d.files.Remembering() // a command looks at the same file several times
	keeper := d.asRoot
	if keeper == nil {
		keeper = &keep.LocalKeeper{Tunnels: nm.Tunnels{Profiles: d.profiles}, Kernel: d.kernel, Gateway: d.gateway, Store: files}
	}
	zones, _ := d.profiles.(nm.Zones) // on the same bus
	return nm.System{Profiles: d.profiles, Kernel: d.kernel, Gateway: d.gateway, Store: files, Keeper: keeper, Listener: d.listener, Zones: zones}
}

// host opens the host for the verbs. The function that it returns lets go of it.
func (a *app) host(ctx context.Context) (*nmgre.Host, func(), error) {
	sys, closeAll, err := a.system(ctx)
	if err != nil {
		return nil, nil, err
	}
	return &nmgre.Host{System: sys}, closeAll, nil
}

// system opens the doors of the host.
func (a *app) system(ctx context.Context) (nm.System, func(), error) {
	d, closeAll, err := a.open(ctx)
	if err != nil {
		return nm.System{}, nil, err
	}
	return d.system(), closeAll, nil
}
