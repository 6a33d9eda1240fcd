package main

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"

	"nmgre/nm/dbus/dbustest"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// tally counts requests by name. Several may be made at once.
type tally struct {
	mu     sync.Mutex
	counts map[string]int
}

func (t *tally) add(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts[name]++
}

// countedKernel counts the requests to a kernel. A dump is one request, however much it returns.
type countedKernel struct {
	kernel.Kernel
	*tally
}

func (k countedKernel) Supports(m gre.Mode) error {
	k.add("kernel Supports")
	return k.Kernel.Supports(m)
}

func (k countedKernel) Links(ctx context.Context) ([]kernel.Link, error) {
	k.add("kernel Links")
	return k.Kernel.Links(ctx)
}

func (k countedKernel) Link(ctx context.Context, name string) (kernel.Link, error) {
	k.add("kernel Link")
	return k.Kernel.Link(ctx, name)
}

func (k countedKernel) Lookup(ctx context.Context, q kernel.Query) (kernel.Hop, error) {
	k.add("kernel Lookup")
	return k.Kernel.Lookup(ctx, q)
}

func (k countedKernel) Routes(ctx context.Context, dev string, to func(netip.Prefix) bool) ([]kernel.HeldRoute, error) {
	k.add("kernel Routes")
	return k.Kernel.Routes(ctx, dev, to)
}

func (k countedKernel) OwnRoutes(ctx context.Context) (map[string][]kernel.HeldRoute, error) {
	k.add("kernel OwnRoutes")
	return k.Kernel.OwnRoutes(ctx)
}

func (k countedKernel) IPsec(ctx context.Context, between kernel.IPsecEnds) (kernel.IPsecPolicies, error) {
	k.add("kernel IPsec")
	return k.Kernel.IPsec(ctx, between)
}

func (k countedKernel) RoutesByDevice(ctx context.Context, to func(netip.Prefix) bool) (map[string][]kernel.HeldRoute, error) {
	k.add("kernel RoutesByDevice")
	return k.Kernel.RoutesByDevice(ctx, to)
}

func (k countedKernel) RoutesTo(ctx context.Context, to netip.Addr) ([]kernel.DeviceRoute, error) {
	k.add("kernel RoutesTo")
	return k.Kernel.RoutesTo(ctx, to)
}

func (k countedKernel) SyncRoutes(ctx context.Context, want []kernel.OwnRoute, opts kernel.SyncOptions) (kernel.SyncResult, error) {
	k.add("kernel SyncRoutes")
	return k.Kernel.SyncRoutes(ctx, want, opts)
}

func (k countedKernel) SetLink(ctx context.Context, c kernel.LinkChange) error {
	k.add("kernel SetLink")
	return k.Kernel.SetLink(ctx, c)
}

func (k countedKernel) Probe(ctx context.Context, p kernel.Probe) (kernel.ProbeResult, error) {
	k.add("kernel Probe")
	return k.Kernel.Probe(ctx, p)
}

// countedGateway counts the requests about the kernel's forwarding.
type countedGateway struct {
	keep.Gateway
	*tally
}

func (g countedGateway) Missing(ctx context.Context, want []keep.Rule) ([]int, error) {
	g.add("gateway Missing")
	return g.Gateway.Missing(ctx, want)
}

func (g countedGateway) SetRules(ctx context.Context, want []keep.Rule) (bool, error) {
	g.add("gateway SetRules")
	return g.Gateway.SetRules(ctx, want)
}

func (g countedGateway) Forwarding(ctx context.Context, dev string) (bool, error) {
	g.add("gateway Forwarding")
	return g.Gateway.Forwarding(ctx, dev)
}

func (g countedGateway) SetForwarding(ctx context.Context, dev string, on bool) error {
	g.add("gateway SetForwarding")
	return g.Gateway.SetForwarding(ctx, dev, on)
}

func (g countedGateway) Obstacles(ctx context.Context, devs []string) ([]keep.Obstacle, error) {
	g.add("gateway Obstacles")
	return g.Gateway.Obstacles(ctx, devs)
}

func (g countedGateway) OuterRules(ctx context.Context, p keep.OuterPackets) (keep.OuterRules, error) {
	g.add("gateway OuterRules")
	return g.Gateway.OuterRules(ctx, p)
}

func (g countedGateway) ReversePathFilter(ctx context.Context, dev string) (keep.ReversePathFilter, error) {
	g.add("gateway ReversePathFilter")
	return g.Gateway.ReversePathFilter(ctx, dev)
}

func (g countedGateway) RuleCounters(ctx context.Context, want []keep.Rule) ([]uint64, error) {
	g.add("gateway RuleCounters")
	return g.Gateway.RuleCounters(ctx, want)
}

func (g countedGateway) Translations(ctx context.Context, p keep.Passing) (keep.Translations, error) {
	g.add("gateway Translations")
	return g.Gateway.Translations(ctx, p)
}

// requests runs a command line as root, which has to succeed, and counts the calls to D-Bus and the
// requests to the kernel that it makes.
func (w *world) requests(args ...string) map[string]int {
	w.t.Helper()
	w.bus.SetUser(0)
	w.asked = &tally{counts: make(map[string]int)}
	defer func() { w.asked = nil }()
	before := len(w.bus.Calls())
	w.must(args...)
	counts := w.asked.counts
	for _, call := range w.bus.Calls()[before:] {
		counts["D-Bus "+callName(call)]++
	}
	return counts
}

// callName names a D-Bus call by its object's kind, its member, and the property that it reads.
func callName(c dbustest.Call) string {
	kind := strings.TrimRight(string(c.Path), "0123456789")
	name := path.Base(kind) + "." + c.Member
	if strings.HasSuffix(kind, "/") { // one of many: its path ends in a number
		name = path.Base(kind) + "/N." + c.Member
	}
	if c.Member == "Get" || c.Member == "GetAll" {
		for _, arg := range c.Args {
			text, _ := arg.(string)
			name += " " + text[strings.LastIndexByte(text, '.')+1:]
		}
	}
	return name
}

// Commands wait for answers most of their time, so the number of requests is their speed. "kept" is
// a create with a route that NetworkManager cannot hold. The list is of three tunnels, two of them
// up. "same" is an edit that changes nothing.
func TestRequests(t *testing.T) {
	const peer, key = "100.0.2.100", "--key"
	create := []string{"create", "--peer", peer, "--address", "172.16.0.1/30", "--route", "10.10.2.0/24"}
	commands := []string{"create", "kept", "list", "edit", "same"}
	counts := map[string]map[string]int{
		"create": newWorld(t).requests(create...),
		"kept":   newWorld(t).requests(createArgs...),
	}
	w := newWorld(t)
	w.must(createArgs...)
	w.must("create", "--peer", peer, key, "2", "--address", "172.16.0.5/30")
	w.must("create", "--peer", peer, key, "3", "--address", "172.16.0.9/30")
	w.must("down", "gre3")
	counts["list"] = w.requests("list")
	counts["edit"] = w.requests("edit", "gre1", "--mtu", "1400")
	counts["same"] = w.requests("edit", "gre1", "--mtu", "1400")
	golden(t, "requests.out", requestTable(commands, counts))
}

// requestTable has a line for each request and a column for each command.
func requestTable(commands []string, counts map[string]map[string]int) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', tabwriter.AlignRight)
	row := func(name string, value func(command string) any) {
		for _, command := range commands {
			fmt.Fprintf(w, "%v\t", value(command))
		}
		fmt.Fprintf(w, "  %s\n", name)
	}
	row("REQUEST", func(command string) any { return strings.ToUpper(command) })
	all, sums := make(map[string]bool), make(map[string]int)
	for command, made := range counts {
		for name, n := range made {
			all[name] = true
			sums[command] += n
		}
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		row(name, func(command string) any { return counts[command][name] })
	}
	row("all", func(command string) any { return sums[command] })
	w.Flush()
	return b.String()
}
