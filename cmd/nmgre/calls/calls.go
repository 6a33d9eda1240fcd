// Package calls wraps the doors to a host, so that a person sees every call that goes through them,
// with the command that does the same.
//
// Begin at [Profiles].
package calls

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"nmgre"
	"nmgre/nm"
	"nmgre/nm/nmcli"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
	"nmgre/routes/rule"
)

// Profiles wraps p. tell is called at the end of every call over D-Bus that changes something.
func Profiles(p nm.Profiles, tell func(nmgre.Event)) nm.Profiles {
	return &toldProfiles{Profiles: p, tell: tell}
}

// Kernel wraps k. tell is called at the end of every question over netlink, every change, and every
// probe.
func Kernel(k kernel.Kernel, tell func(nmgre.Event)) kernel.Kernel { return &toldKernel{k, tell} }

// Gateway wraps g. tell is called at the end of every change of the rules and of forwarding.
func Gateway(g keep.Gateway, tell func(nmgre.Event)) keep.Gateway { return &toldGateway{g, tell} }

// told makes one call to the bus or the kernel, and tells of it as a detail.
func told(tell func(nmgre.Event), what string, do func() error, commands ...string) error {
	begin := time.Now()
	err := do()
	tell(nmgre.Event{What: what, Took: time.Since(begin), Err: err, Detail: true, Commands: commands})
	return err
}

// toldProfiles tells of every call that changes something over D-Bus.
type toldProfiles struct {
	nm.Profiles
	tell  func(nmgre.Event)
	known sync.Map // how tunnels are named, each a named, by their UUIDs
}

// named is how a profile is named.
type named struct{ called, nmcli string }

// List notes the names of the tunnels.
func (p *toldProfiles) List(ctx context.Context) ([]nm.Profile, error) {
	list, err := p.Profiles.List(ctx)
	for _, one := range list {
		if one.Tunnel.Mode != 0 {
			p.known.Store(one.UUID, named{one.Called(), one.Nmcli()})
		}
	}
	return list, err
}

// Get notes the name of a tunnel.
func (p *toldProfiles) Get(ctx context.Context, uuid string) (nm.Profile, error) {
	one, err := p.Profiles.Get(ctx, uuid)
	if err == nil {
		p.known.Store(uuid, named{one.Called(), one.Nmcli()})
	}
	return one, err
}

// name returns how the profile is named: by its UUID if nothing else is known.
func (p *toldProfiles) name(uuid string) named {
	if n, ok := p.known.Load(uuid); ok {
		return n.(named) //nolint:errcheck,forcetypeassert // nothing else is put into it
	}
	return named{uuid, uuid}
}

// Add tells of the call, and notes the name.
func (p *toldProfiles) Add(ctx context.Context, uuid string, t nm.Tunnel) error {
	p.known.Store(uuid, named{fault.Printable(t.Name), uuid})
	return told(p.tell, "D-Bus: Settings.AddConnection2 "+fault.Printable(t.Name), func() error { return p.Profiles.Add(ctx, uuid, t) })
}

// Save tells of the call.
func (p *toldProfiles) Save(ctx context.Context, uuid string) (file string, err error) {
	err = told(p.tell, "D-Bus: Settings.Connection.Update2 to disk "+p.name(uuid).called, func() error {
		file, err = p.Profiles.Save(ctx, uuid)
		return err
	})
	return file, err
}

// SaveWith tells of the call.
func (p *toldProfiles) SaveWith(ctx context.Context, uuid, first string) error {
	return told(p.tell, "D-Bus: Settings.Connection.Update2 to disk "+p.name(uuid).called, func() error { return p.Profiles.SaveWith(ctx, uuid, first) })
}

// Activate tells of the call.
func (p *toldProfiles) Activate(ctx context.Context, uuid string) error {
	return told(p.tell, "D-Bus: ActivateConnection "+p.name(uuid).called, func() error { return p.Profiles.Activate(ctx, uuid) }, nmcli.Connection("up", p.name(uuid).nmcli)...)
}

// Deactivate tells of the call.
func (p *toldProfiles) Deactivate(ctx context.Context, uuid string) error {
	return told(p.tell, "D-Bus: DeactivateConnection "+p.name(uuid).called, func() error { return p.Profiles.Deactivate(ctx, uuid) }, nmcli.Connection("down", p.name(uuid).nmcli)...)
}

// Delete tells of the call.
func (p *toldProfiles) Delete(ctx context.Context, uuid string) error {
	return told(p.tell, "D-Bus: Settings.Connection.Delete "+p.name(uuid).called, func() error { return p.Profiles.Delete(ctx, uuid) }, nmcli.Connection("delete", p.name(uuid).nmcli)...)
}

// SetRoutes tells of the calls.
func (p *toldProfiles) SetRoutes(ctx context.Context, uuid string, from, to []routes.Route) error {
	what := fmt.Sprintf("D-Bus: Settings.Connection.Update2 and Device.Reapply, %d routes, %s", len(to), p.name(uuid).called)
	return told(p.tell, what, func() error { return p.Profiles.SetRoutes(ctx, uuid, from, to) })
}

// Update tells of the call.
func (p *toldProfiles) Update(ctx context.Context, uuid string, from *nm.Tunnel, t nm.Tunnel) (undo func(context.Context) error, err error) {
	err = told(p.tell, "D-Bus: Settings.Connection.Update2 in memory "+p.name(uuid).called, func() error {
		undo, err = p.Profiles.Update(ctx, uuid, from, t)
		return err
	})
	return undo, err
}

// Revert tells of the call.
func (p *toldProfiles) Revert(ctx context.Context, uuid string) error {
	return told(p.tell, "D-Bus: Settings.Connection.Update2 back "+p.name(uuid).called, func() error { return p.Profiles.Revert(ctx, uuid) })
}

// Reapply tells of the call.
func (p *toldProfiles) Reapply(ctx context.Context, uuid string, restore bool) error {
	return told(p.tell, "D-Bus: Device.Reapply "+p.name(uuid).called, func() error { return p.Profiles.Reapply(ctx, uuid, restore) })
}

// toldKernel tells of questions to the kernel and changes in it, over netlink.
type toldKernel struct {
	kernel.Kernel
	tell func(nmgre.Event)
}

// Links tells of the dump.
func (k *toldKernel) Links(ctx context.Context) (links []kernel.Link, err error) {
	err = told(k.tell, "netlink: RTM_GETLINK, RTM_GETADDR", func() error { links, err = k.Kernel.Links(ctx); return err }, "ip -d -s address show")
	return links, err
}

// Link tells of the question.
func (k *toldKernel) Link(ctx context.Context, name string) (link kernel.Link, err error) {
	err = told(k.tell, "netlink: RTM_GETLINK "+fault.Printable(name), func() error { link, err = k.Kernel.Link(ctx, name); return err }, fault.Shell([]string{"ip", "-d", "-s", "link", "show", "dev", name}))
	return link, err
}

// Lookup tells of the question and of the answer.
func (k *toldKernel) Lookup(ctx context.Context, q kernel.Query) (hop kernel.Hop, err error) {
	words := []string{"ip", "route", "get", q.To.WithZone("").String()}
	if q.From.IsValid() {
		words = append(words, "from", q.From.WithZone("").String())
	}
	if dev := cmp.Or(q.Dev, q.To.Zone()); dev != "" {
		words = append(words, "oif", dev)
	}
	err = told(k.tell, "netlink: RTM_GETROUTE to "+fault.Printable(q.To.String()), func() error { hop, err = k.Kernel.Lookup(ctx, q); return err }, fault.Shell(words))
	return hop, err
}

// SyncRoutes tells how many routes are changed.
func (k *toldKernel) SyncRoutes(ctx context.Context, want []kernel.OwnRoute, opts kernel.SyncOptions) (result kernel.SyncResult, err error) {
	if opts.DryRun {
		return k.Kernel.SyncRoutes(ctx, want, opts)
	}
	begin := time.Now()
	result, err = k.Kernel.SyncRoutes(ctx, want, opts)
	k.tell(nmgre.Event{What: fmt.Sprintf("netlink: RTM_NEWROUTE %d, RTM_DELROUTE %d", len(result.Added)+len(result.Replaced), result.Removed),
		Took: time.Since(begin), Err: err, Detail: true, Commands: routeCommands(want, result)})
	return result, err
}

// SyncRules tells how many rules of the routing policy are changed.
func (k *toldKernel) SyncRules(ctx context.Context, want []rule.Rule, dryRun bool) (result kernel.RulesResult, err error) {
	begin := time.Now()
	result, err = k.Kernel.SyncRules(ctx, want, dryRun)
	if dryRun || err == nil && !result.Changed() && len(result.Refused) == 0 {
		return result, err
	}
	var commands []string
	for _, i := range result.Added[:min(len(result.Added), maxListedRoutes)] {
		commands = append(commands, want[i].IPRule("add"))
	}
	k.tell(nmgre.Event{What: fmt.Sprintf("netlink: RTM_NEWRULE %d, RTM_DELRULE %d", len(result.Added), result.Removed), Took: time.Since(begin), Err: err, Detail: true, Commands: commands})
	return result, err
}

// SetLink tells which options of the link are switched on and off.
func (k *toldKernel) SetLink(ctx context.Context, c kernel.LinkChange) error {
	what := "netlink: RTM_NEWLINK of " + fault.Printable(c.Name)
	return told(k.tell, what, func() error { return k.Kernel.SetLink(ctx, c) })
}

// maxListedRoutes is the highest number of routes with a command in an event.
const maxListedRoutes = 20

// routeCommands returns the ip commands that add the added and replaced routes.
func routeCommands(want []kernel.OwnRoute, result kernel.SyncResult) []string {
	var commands []string
	for _, i := range append(append([]int(nil), result.Added...), result.Replaced...) {
		if len(commands) == maxListedRoutes || i >= len(want) {
			break
		}
		commands = append(commands, want[i].Route.IPRoute("add", want[i].Dev))
	}
	return commands
}

// Probe tells how many answers came back.
func (k *toldKernel) Probe(ctx context.Context, p kernel.Probe) (result kernel.ProbeResult, err error) {
	begin := time.Now()
	result, err = k.Kernel.Probe(ctx, p)
	failed, end := err, ""
	if err != nil && ctx.Err() != nil { // nobody waits for it any more
		failed, end = nil, ", ended early"
	}
	words, what := []string{"ping", "-c", strconv.Itoa(max(result.Sent, 1)), "-I", p.Dev, p.To.String()}, ""
	if p.Size > 0 {
		words, what = append(words, "-M", "do", "-s", strconv.Itoa(p.Payload())), fmt.Sprintf(" with %d bytes", p.Size)
	}
	k.tell(nmgre.Event{What: fmt.Sprintf("ICMP: %d sent to %s by %s%s, %d answered%s", result.Sent, p.To, fault.Printable(p.Dev), what, result.Received, end),
		Took: time.Since(begin), Err: failed, Detail: true, Commands: []string{fault.Shell(words)}})
	return result, err
}

// toldGateway tells of changes for forwarded packets.
type toldGateway struct {
	keep.Gateway
	tell func(nmgre.Event)
}

// SetRules tells of the transaction.
func (g *toldGateway) SetRules(ctx context.Context, want []keep.Rule) (changed bool, err error) {
	err = told(g.tell, fmt.Sprintf("netlink: nftables, %d rules", len(want)), func() error { changed, err = g.Gateway.SetRules(ctx, want); return err },
		"nft list ruleset")
	return changed, err
}

// SetForwarding tells of the sysctl.
func (g *toldGateway) SetForwarding(ctx context.Context, dev string, on bool) error {
	value := 0
	if on {
		value = 1
	}
	key := fmt.Sprintf("net.ipv4.conf.%s.forwarding=%d", strings.ReplaceAll(dev, ".", "/"), value)
	return told(g.tell, "sysctl: "+fault.Printable(key), func() error { return g.Gateway.SetForwarding(ctx, dev, on) }, fault.Shell([]string{"sysctl", "-w", key}))
}
