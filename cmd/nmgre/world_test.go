package main

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"nmgre/cmd/nmgre/adapters"
	"nmgre/nm"
	"nmgre/nm/dbus"
	"nmgre/nm/dbus/dbustest"
	"nmgre/nm/dbus/wire"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
	"nmgre/routes/rule"
	"nmgre/routes/store"
)

// world is a host for the commands: a NetworkManager on a private bus, and a kernel with a link for
// every profile that is up.
type world struct {
	t      *testing.T
	bus    *dbustest.Bus
	kernel stubKernel
	// gateway is the kernel's forwarding, and root the folder that stands for "/".
	gateway stubGateway
	root    string
	stdin   io.Reader // nil for an empty input
	// patience is how long NetworkManager may take for an answer; zero for the usual time.
	patience time.Duration
	moment   time.Duration // for the first look at the host; zero for as long as it takes
	asked    *tally        // counts the requests to the kernel, if it is not nil
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, bus: dbustest.Start(t)}
	w.kernel = stubKernel{bus: w.bus, root: true, routes: make(map[string][]kernel.HeldRoute)}
	w.gateway = stubGateway{forwarding: make(map[string]bool)}
	w.root = t.TempDir()
	return w
}

// outcome is the exit code and the output of a command line.
type outcome struct {
	code           int
	stdout, stderr string
}

// run runs a command line to its end.
func (w *world) run(args ...string) outcome {
	w.t.Helper()
	var stdout, stderr bytes.Buffer
	var stdin io.Reader = strings.NewReader("")
	if w.stdin != nil {
		stdin = w.stdin
	}
	a := &app{stdin: stdin, stdout: &stdout, stderr: &stderr, root: w.root, owner: os.Getuid(), open: w.open, bus: w.bus.Address()}
	code := a.run(args)
	return outcome{code, stdout.String(), stderr.String()}
}

// must runs a command line that must succeed.
func (w *world) must(args ...string) outcome {
	w.t.Helper()
	o := w.run(args...)
	if o.code != exitDone {
		w.t.Fatalf("nmgre %s: exit %d\n%s%s", strings.Join(args, " "), o.code, o.stdout, o.stderr)
	}
	return o
}

func (w *world) open(ctx context.Context) (adapters.Doors, func(), error) {
	profiles, err := dbus.Connect(ctx, dbus.Options{Address: w.bus.Address(), Patience: w.patience})
	if err != nil {
		return adapters.Doors{}, nil, err
	}
	files := store.New(w.root, os.Getuid())
	var links kernel.Kernel = &w.kernel
	var forwarding keep.Gateway = &w.gateway
	if w.asked != nil {
		links, forwarding = countedKernel{links, w.asked}, countedGateway{forwarding, w.asked}
	}
	return adapters.Doors{Profiles: profiles, Kernel: links, Gateway: forwarding, Files: files}, func() { _ = profiles.Close() }, nil
}

// stubGateway remembers the rules and the forwarding that are set.
type stubGateway struct {
	rules      []keep.Rule
	forwarding map[string]bool
}

func (g *stubGateway) Missing(context.Context, []keep.Rule) ([]int, error) { return nil, nil }

func (g *stubGateway) SetRules(_ context.Context, want []keep.Rule) (bool, error) {
	changed := !slices.Equal(g.rules, want)
	g.rules = slices.Clone(want)
	return changed, nil
}

func (g *stubGateway) WatchRules(context.Context) (<-chan struct{}, error) { return nil, nil }

func (g *stubGateway) Forwarding(_ context.Context, dev string) (bool, error) {
	return g.forwarding[dev], nil
}

func (g *stubGateway) SetForwarding(_ context.Context, dev string, on bool) error {
	g.forwarding[dev] = on
	return nil
}

func (g *stubGateway) Obstacles(context.Context, []string) ([]keep.Obstacle, error) { return nil, nil }

func (g *stubGateway) Together() (keep.Gateway, func()) { return g, func() {} }

func (g *stubGateway) OuterRules(context.Context, keep.OuterPackets) (keep.OuterRules, error) {
	return keep.OuterRules{}, nil
}

func (g *stubGateway) ReversePathFilter(context.Context, string) (keep.ReversePathFilter, error) {
	return keep.ReversePathFilter{}, nil
}

func (g *stubGateway) RuleCounters(_ context.Context, want []keep.Rule) ([]uint64, error) {
	return make([]uint64, len(want)), nil
}

func (g *stubGateway) Translations(context.Context, keep.Passing) (keep.Translations, error) {
	return keep.Translations{}, nil
}

// stubKernel has eth0 with the default route, eth1 with a LAN, and the links of the active
// profiles.
type stubKernel struct {
	rules    []rule.Rule // of the routing policy
	bus      *dbustest.Bus
	root     bool
	lacksGRE bool
	silent   bool // the far end is
	// wan and lan are the names of the device with the default route and of the one with the LAN;
	// empty for eth0 and eth1.
	wan, lan string
	routes   map[string][]kernel.HeldRoute
}

func (k *stubKernel) Supports(m gre.Mode) error {
	if k.lacksGRE {
		return &fault.Error{Kind: fault.ErrUnsupported, What: "this kernel has no " + m.String(), Hint: "load ip_gre"}
	}
	return nil
}

func (k *stubKernel) Rules(context.Context) ([]kernel.HeldRule, error) {
	var held []kernel.HeldRule
	for _, r := range k.rules {
		held = append(held, kernel.HeldRule{Rule: r, Protocol: kernel.RouteProtocol})
	}
	return held, nil
}

func (k *stubKernel) SyncRules(_ context.Context, want []rule.Rule, dryRun bool) (result kernel.RulesResult, err error) {
	for i, r := range want {
		if !slices.Contains(k.rules, r) {
			result.Added = append(result.Added, i)
		}
	}
	result.Removed = len(k.rules) + len(result.Added) - len(want)
	if !dryRun {
		k.rules = slices.Clone(want)
	}
	return result, nil
}

func (k *stubKernel) CanChange() bool { return k.root }

func (k *stubKernel) Links(context.Context) ([]kernel.Link, error) {
	prefix := netip.MustParsePrefix
	links := []kernel.Link{
		{Index: 1, Name: "lo", Up: true, MTU: 65536, Addresses: []netip.Prefix{prefix("127.0.0.1/8")}},
		{Index: 2, Name: cmp.Or(k.wan, "eth0"), Up: true, MTU: 1500, Addresses: []netip.Prefix{prefix("100.0.1.100/24")}},
		{Index: 3, Name: cmp.Or(k.lan, "eth1"), Up: true, MTU: 1500, Addresses: []netip.Prefix{prefix("10.10.1.1/24")}},
	}
	for _, t := range k.tunnels() {
		links = append(links, kernel.Link{Index: len(links) + 1, Name: t.Name, Kind: t.Mode.String(), Up: true, MTU: int(t.MTU), Addresses: t.Addresses,
			GRE: &kernel.GRELink{Mode: t.Mode, Local: t.Local, Remote: t.Remote, InputKey: t.InputKey, OutputKey: t.OutputKey, TTL: t.TTL, TOS: t.TOS, PMTUD: !t.NoPMTUD}})
	}
	return links, nil
}

func (k *stubKernel) Link(ctx context.Context, name string) (kernel.Link, error) {
	links, err := k.Links(ctx)
	if link := kernel.Named(links, name); link != nil {
		return *link, err
	}
	return kernel.Link{}, cmp.Or(err, error(&fault.Error{Kind: fault.ErrNotFound, What: "no device " + name}))
}

// tunnels returns the active profiles.
func (k *stubKernel) tunnels() []nm.Tunnel {
	var up []nm.Tunnel
	for _, p := range k.bus.Profiles() {
		if t, err := wire.Decode(p.Settings); err == nil && p.Active {
			up = append(up, t)
		}
	}
	return up
}

func (k *stubKernel) Lookup(ctx context.Context, q kernel.Query) (kernel.Hop, error) {
	for _, t := range k.tunnels() {
		for _, r := range t.Routes {
			if r.Dst.Contains(q.To) {
				return kernel.Hop{Dev: t.Name, Src: t.Addresses[0].Addr(), MTU: int(t.MTU), Match: r.Dst}, nil
			}
		}
	}
	own, _ := k.OwnRoutes(ctx)
	for dev, held := range own {
		for _, r := range held {
			if r.Dst.Contains(q.To) {
				return kernel.Hop{Dev: dev, Match: r.Dst}, nil
			}
		}
	}
	return kernel.Hop{Dev: cmp.Or(k.wan, "eth0"), Via: netip.MustParseAddr("100.0.1.1"), Src: netip.MustParseAddr("100.0.1.100"), MTU: 1500,
		Match: netip.MustParsePrefix("0.0.0.0/0")}, nil
}

func (k *stubKernel) Routes(ctx context.Context, dev string, to func(netip.Prefix) bool) ([]kernel.HeldRoute, error) {
	own, err := k.OwnRoutes(ctx)
	return slices.DeleteFunc(slices.Clone(own[dev]), func(r kernel.HeldRoute) bool { return to != nil && !to(r.Dst) }), err
}

// OwnRoutes leaves out the routes of devices that are gone, like a real kernel.
func (k *stubKernel) OwnRoutes(context.Context) (map[string][]kernel.HeldRoute, error) {
	there := make(map[string][]kernel.HeldRoute)
	for _, t := range k.tunnels() {
		if routes := k.routes[t.Name]; len(routes) > 0 {
			there[t.Name] = routes
		}
	}
	return there, nil
}

func (k *stubKernel) IPsec(context.Context, kernel.IPsecEnds) (kernel.IPsecPolicies, error) {
	return kernel.IPsecPolicies{}, nil
}

// RoutesByDevice has the routes of the profiles that are up, as NetworkManager sets them.
func (k *stubKernel) RoutesByDevice(context.Context, func(netip.Prefix) bool) (map[string][]kernel.HeldRoute, error) {
	there := make(map[string][]kernel.HeldRoute)
	for _, t := range k.tunnels() {
		for _, r := range t.Routes {
			there[t.Name] = append(there[t.Name], kernel.HeldRoute{Route: r, Protocol: 4})
		}
	}
	return there, nil
}

func (k *stubKernel) RoutesTo(context.Context, netip.Addr) ([]kernel.DeviceRoute, error) {
	return nil, nil
}

func (k *stubKernel) SyncRoutes(_ context.Context, want []kernel.OwnRoute, _ kernel.SyncOptions) (kernel.SyncResult, error) {
	k.routes = make(map[string][]kernel.HeldRoute)
	for _, r := range want {
		k.routes[r.Dev] = append(k.routes[r.Dev], kernel.HeldRoute{Route: *r.Route, Protocol: kernel.RouteProtocol})
	}
	return kernel.SyncResult{}, nil
}

func (k *stubKernel) SetLink(context.Context, kernel.LinkChange) error { return nil }

func (k *stubKernel) Watch(context.Context) (<-chan kernel.Event, error) {
	return make(chan kernel.Event), nil
}

func (k *stubKernel) Probe(_ context.Context, p kernel.Probe) (kernel.ProbeResult, error) {
	if k.silent {
		return kernel.ProbeResult{Sent: p.Count}, nil
	}
	return kernel.ProbeResult{Sent: p.Enough, Received: p.Enough}, nil
}
