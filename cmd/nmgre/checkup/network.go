package checkup

import (
	"context"
	"errors"
	"net/netip"
	"slices"

	"nmgre/nm/doctor"
	"nmgre/routes/fault"
	"nmgre/routes/host"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
	"nmgre/routes/modules"
)

// maxPairs bounds how many tunnels' packets are followed through the firewall's rules.
const maxPairs = 50

func withProgram(list []string, program string) []string {
	if slices.Contains(list, program) {
		return list
	}
	list = append(slices.Clone(list), program)
	slices.Sort(list)
	return list
}

// firewall finds out whose rules there are.
func (v *visit) firewall(ctx context.Context) func(*doctor.Facts) {
	legacy := v.files.Legacy()
	ufw, _ := v.files.UFW() // whether it is on matters only where that can be read
	var err error
	w := doctor.Firewall{Legacy: legacy, UFW: ufw, Partly: true}
	if v.Tables != nil {
		tables, tablesErr := v.Tables(ctx)
		err = tablesErr
		w.Programs, w.Others, w.Partly, w.Lacks = tables.Programs, tables.Others, errors.Is(err, fault.ErrNotPermitted), errors.Is(err, fault.ErrUnsupported)
	}
	return func(f *doctor.Facts) {
		for _, program := range f.Firewall.Programs { // known by the bus
			w.Programs = withProgram(w.Programs, program)
		}
		if w.Programs == nil {
			w.Programs = []string{}
		}
		f.Firewall = w
		if v.Tables != nil && err == nil && !modules.State(f.Modules["nf_tables"]).Has() && f.Modules != nil {
			f.Modules["nf_tables"] = doctor.InUse
		}
		if err != nil && !w.Partly && !w.Lacks {
			f.Unread[doctor.OfFirewall] = doctor.Failed
		}
	}
}

// outer follows the GRE packets of the tunnels through the rules, or those of a far end that nobody
// has (RFC 5737, RFC 3849) where there are none.
func (v *visit) outer(ctx context.Context) func(*doctor.Facts) {
	if v.doors.Gateway == nil {
		return unreadable(doctor.OfOuter, doctor.Failed)
	}
	pairs, asked := v.pairs(ctx)
	view, closeView := v.doors.Gateway.Together()
	defer closeView()
	var drops []doctor.Drop
	for _, p := range pairs {
		rules, err := view.OuterRules(ctx, p)
		switch {
		case errors.Is(err, fault.ErrNotPermitted):
			return unreadable(doctor.OfOuter, doctor.Refused)
		case ctx.Err() != nil:
			return unreadable(doctor.OfOuter, doctor.Slow)
		case err != nil:
			return unreadable(doctor.OfOuter, doctor.Failed)
		}
		drops = addDrops(drops, rules.Obstacles, asked > 0)
	}
	return func(f *doctor.Facts) {
		f.Firewall.Drops, f.Firewall.Asked = drops, asked
		f.Firewall.Family6 = slices.ContainsFunc(pairs, func(p keep.OuterPackets) bool { return p.Remote.Is6() })
	}
}

func unreadable(about doctor.Subject, why string) func(*doctor.Facts) {
	return func(f *doctor.Facts) { f.Unread[about] = why }
}

// pairs returns the ends of the tunnels, each pair once, and how many these are; 0 if they are
// nobody's.
func (v *visit) pairs(ctx context.Context) (pairs []keep.OuterPackets, asked int) {
	for _, p := range v.profiles {
		t := p.Tunnel
		packets := keep.OuterPackets{Local: t.Local, Remote: t.Remote, Tunnel: t.Name}
		same := func(o keep.OuterPackets) bool { return o.Local == t.Local && o.Remote == t.Remote }
		if !t.Remote.IsValid() || t.Remote.IsUnspecified() || t.Remote.IsMulticast() || slices.ContainsFunc(pairs, same) || len(pairs) >= maxPairs {
			continue
		}
		if hop, err := v.doors.Kernel.Lookup(ctx, kernel.Query{To: t.Remote}); err == nil {
			packets.Dev = hop.Dev
		}
		pairs = append(pairs, packets)
	}
	if len(pairs) > 0 {
		return pairs, len(pairs)
	}
	return []keep.OuterPackets{{Remote: netip.MustParseAddr("192.0.2.1")}, {Remote: netip.MustParseAddr("2001:db8::1")}}, 0
}

// addDrops adds rules that drop packets of one more pair of ends. The names of tables, chains and
// zones stay here: people name them.
func addDrops(drops []doctor.Drop, obstacles []keep.OuterObstacle, count bool) []doctor.Drop {
	counted := make(map[doctor.Drop]bool)
	for _, o := range obstacles {
		d := doctor.Drop{Program: o.Program, Hook: o.Hook, Out: o.Out, OnlyNew: o.OnlyNew, Perhaps: o.Perhaps}
		at := slices.IndexFunc(drops, func(have doctor.Drop) bool { have.Tunnels = 0; return have == d })
		if at < 0 {
			at, drops = len(drops), append(drops, d)
		}
		if count && !counted[d] {
			drops[at].Tunnels++
		}
		counted[d] = true
	}
	return drops
}

// settings reads the kernel's switches.
func (v *visit) settings(context.Context) func(*doctor.Facts) {
	read := func(name string) *int {
		if n, ok := v.files.Number("proc/sys/net/" + name); ok {
			return &n
		}
		return nil
	}
	s := doctor.Settings{Forward4: read("ipv4/conf/all/forwarding"), Forward6: read("ipv6/conf/all/forwarding"),
		Filter: read("ipv4/conf/all/rp_filter"), Default: read("ipv4/conf/default/rp_filter")}
	return func(f *doctor.Facts) { f.Settings = s }
}

// others looks for the programs that manage networks beside NetworkManager.
func (v *visit) others(context.Context) func(*doctor.Facts) {
	list := []doctor.Other{}
	for _, t := range v.files.Tools(v.files.Processes()) {
		list = append(list, doctor.Other{Name: t.Name, Running: t.Running, Count: t.Count, Word: t.Word, Unread: t.Unread})
	}
	return func(f *doctor.Facts) { f.Others = list }
}

// devices looks at the devices of the tunnels that are up: whether the kernel filters their
// incoming packets, and whether systemd-networkd manages them as well.
func (v *visit) devices(ctx context.Context) func(*doctor.Facts) {
	strict, takes := 0, 0
	if v.doors.Kernel == nil || v.doors.Gateway == nil || len(v.profiles) == 0 {
		return func(*doctor.Facts) {}
	}
	links, err := v.doors.Kernel.Links(ctx)
	if err != nil {
		return unreadable(doctor.OfFilter, doctor.Failed)
	}
	for _, p := range v.profiles {
		link := kernel.Named(links, p.Device)
		if p.Device == "" || link == nil {
			continue
		}
		if v.files.Managed(link.Index) {
			takes++
		}
		if filter, err := v.doors.Gateway.ReversePathFilter(ctx, p.Device); err == nil && filter.Mode() == 1 {
			strict++
		}
	}
	return func(f *doctor.Facts) {
		f.Settings.Strict = strict
		for i := range f.Others {
			if f.Others[i].Name == host.Networkd {
				f.Others[i].Takes = takes
			}
		}
	}
}
