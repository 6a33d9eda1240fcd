package fake

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
	"nmgre/routes/keep/format"
	"nmgre/routes/kernel"
	"nmgre/routes/list"
)

// rootFiles has root's files, and the kernel's forwarding and rules.
type rootFiles struct {
	Files      map[string]keep.Kept
	trials     map[string]tried
	before     map[string]bool // the forwarding of devices before nmgre changed it
	setLinks   map[string]keep.SetOptions
	waiting    bool  // a process could not wait for the lock
	others     bool  // the hook is called for other connections too
	Hook       error // returned by HookMissing
	rules      []keep.Rule
	forwarding map[string]bool
	obstacles  []keep.Obstacle
	Outer      keep.OuterRules         // other programs' rules for outer packets
	Filter     keep.ReversePathFilter  // of every device
	Zone       nm.Zone                 // firewalld's, of every device
	Zones      []string                // the names of firewalld's zones
	Names      map[string][]netip.Addr // the DNS, without its kinds of records
	Policies   kernel.IPsecPolicies    // of IPsec
	// other rules' effect on the packets of SNAT rules; nil if those work
	SNATTaken *keep.Translations
	probes    uint64 // how many were sent
	// RefuseRule returns why the kernel refuses a rule, or nil. It may be nil itself.
	RefuseRule func(keep.Rule) error
	keeping    *Process // which has the lock
	FileErr    error    // returned by reading, with the files that can be read
}

// tried is a kept part on trial, and the process that tries it.
type tried struct {
	keep.Kept
	by        *Process
	byProfile bool
}

// current returns the kept part of a tunnel: its trial's, or its file's.
func (k *rootFiles) current(uuid string) (keep.Kept, bool) {
	if t, ok := k.trials[uuid]; ok && !t.by.Dead {
		return t.Kept, !t.Empty()
	}
	kept, ok := k.Files[uuid]
	return kept, ok
}

// uuids returns the tunnels that have a kept file or a trial.
func (k *rootFiles) uuids() []string {
	list := slices.Collect(maps.Keys(k.Files))
	for uuid, t := range k.trials {
		if !t.by.Dead && !slices.Contains(list, uuid) {
			list = append(list, uuid)
		}
	}
	slices.Sort(list)
	return list
}

func newRootFiles() rootFiles {
	return rootFiles{trials: make(map[string]tried), Files: make(map[string]keep.Kept), forwarding: make(map[string]bool)}
}

// String prints everything that a command may change, except UUIDs, which are random.
func (k *rootFiles) String() string {
	var lines []string
	for _, f := range k.Files {
		lines = append(lines, fmt.Sprintf("file of %s: remote %s inner %v routes %v snat %v forward %v clamp %v pin %v%s\n",
			f.Name, f.Remote, f.Inner, f.Routes, f.SNAT, f.Forward, f.ClampMSS, f.Pin, linkText(f.Link)))
	}
	for _, t := range k.trials {
		lines = append(lines, fmt.Sprintf("tried for %s: remote %s inner %v routes %v snat %v forward %v clamp %v pin %v%s\n",
			t.Name, t.Remote, t.Inner, t.Routes, t.SNAT, t.Forward, t.ClampMSS, t.Pin, linkText(t.Link)))
	}
	for dev, on := range k.before {
		lines = append(lines, fmt.Sprintf("before: %s forwarded %v\n", dev, on))
	}
	for dev, set := range k.setLinks {
		lines = append(lines, fmt.Sprintf("set: %s%s\n", dev, linkText(set.Options)))
	}
	for dev, on := range k.forwarding {
		if on {
			lines = append(lines, "forwarding "+dev+"\n")
		}
	}
	for _, r := range k.rules {
		lines = append(lines, fmt.Sprintf("rule: %s\n", r.Summary()))
	}
	if k.others {
		lines = append(lines, "the hook is called for other connections\n")
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// linkText is empty for a link without options.
func linkText(o gre.LinkOptions) string {
	if !o.Any() {
		return ""
	}
	return " link " + o.String()
}

// Store is a process as a [keep.Store]. It is a type of its own since its Get and Delete are not
// those of the profiles.
type Store struct{ *Process }

// Get implements [keep.Store].
func (s Store) Get(ctx context.Context, uuid string) (k keep.Kept, err error) {
	if err := cmp.Or(s.call(ctx, "Read", func() error { return nil }), s.FileErr); err != nil {
		return keep.Kept{}, err
	}
	k, ok := s.current(uuid)
	if !ok {
		return keep.Kept{}, &fault.Error{Kind: fault.ErrNotFound, What: "nothing is kept for " + uuid}
	}
	stamp := fmt.Sprint(k)
	k = k.Clone()
	k.Stamp = stamp
	return k, nil
}

// Known implements [keep.Store].
func (s Store) Known(ctx context.Context, uuid string, of []routes.Route) (k keep.Kept, has []bool, err error) {
	if k, err = s.Get(ctx, uuid); err != nil {
		return k, nil, err
	}
	has = list.NewSet(k.Routes).Marks(of)
	k.Routes = nil
	return k, has, nil
}

// Put implements [keep.Store].
func (s Store) Put(ctx context.Context, k keep.Kept) (undo func(context.Context) error, err error) {
	if t, ok := s.trials[k.UUID]; ok && !t.by.Dead && !k.Empty() {
		return nil, errTried
	}
	old, there := s.Files[k.UUID]
	stamp := keep.StampNone
	if there {
		stamp = fmt.Sprint(old)
	}
	write := func(k keep.Kept, keepHere bool) func() error {
		return func() error {
			if err := s.root("write"); err != nil {
				return err
			}
			delete(s.Files, k.UUID)
			if k.Empty() {
				delete(s.trials, k.UUID)
			}
			if keepHere {
				k.Stamp, k.Up = "", nil
				s.Files[k.UUID] = k.Clone()
			}
			return nil
		}
	}
	if k.Stamp != "" && k.Stamp != stamp {
		return nil, &fault.Error{Kind: fault.ErrChanged, What: "the file has changed"}
	}
	undo = func(ctx context.Context) error {
		old.UUID = k.UUID
		return s.call(ctx, "Write", write(old, there))
	}
	return undo, s.call(ctx, "Write", write(k, !k.Empty()))
}

var errTried = &fault.Error{Kind: fault.ErrChanged, What: "another nmgre is changing the tunnel right now"}

// Try implements [keep.Store].
func (s Store) Try(ctx context.Context, k keep.Kept, byProfile bool) (undo func(context.Context) error, err error) {
	old, there := s.Files[k.UUID]
	stamp := keep.StampNone
	if there {
		stamp = fmt.Sprint(old)
	}
	if t, ok := s.trials[k.UUID]; ok && !t.by.Dead || k.Stamp != "" && k.Stamp != stamp {
		return nil, errTried
	}
	undo = func(ctx context.Context) error { return s.EndTrial(ctx, k.UUID, false) }
	return undo, s.call(ctx, "Try", func() error {
		k.Stamp, k.Up = "", nil
		s.trials[k.UUID] = tried{k.Clone(), s.Process, byProfile}
		return s.root("try")
	})
}

// Tried implements [keep.Store]. It is not counted as a call where nothing is tried.
func (s Store) Tried(ctx context.Context) (list []keep.Tried, err error) {
	if len(s.trials) == 0 {
		return nil, nil
	}
	err = s.call(ctx, "Tried", func() error {
		for _, uuid := range slices.Sorted(maps.Keys(s.trials)) {
			_, there := s.Files[uuid]
			list = append(list, keep.Tried{UUID: uuid, New: !there, Dead: s.trials[uuid].by.Dead, ByProfile: s.trials[uuid].byProfile})
		}
		return nil
	})
	return list, err
}

// EndTrial implements [keep.Store].
func (s Store) EndTrial(ctx context.Context, uuid string, save bool) error {
	t, ok := s.trials[uuid]
	if !ok {
		return nil
	}
	return s.call(ctx, "EndTrial", func() error {
		if save && t.Empty() {
			delete(s.Files, uuid)
		} else if save {
			s.Files[uuid] = t.Kept.Clone()
		}
		delete(s.trials, uuid)
		return s.root("end the trial")
	})
}

// Delete implements [keep.Store].
func (s Store) Delete(ctx context.Context, uuid string) error {
	return s.call(ctx, "Erase", func() error {
		if err := s.root("erase"); err != nil {
			return err
		}
		delete(s.Files, uuid)
		delete(s.trials, uuid)
		return nil
	})
}

// HookOthers implements [keep.Store].
func (s Store) HookOthers(ctx context.Context, on bool) error {
	return s.call(ctx, "HookOthers", func() error { s.others = on; return nil })
}

// Keeper returns the keeper that works with the process's own rights.
func (p *Process) Keeper() *keep.LocalKeeper {
	return &keep.LocalKeeper{Tunnels: nm.Tunnels{Profiles: p}, Kernel: Kernel{p}, Gateway: p, Store: Store{p}}
}

// root fails if the user is not root.
func (p *Process) root(what string) error {
	if !p.CanChange() {
		return &fault.Error{Kind: fault.ErrNotPermitted, What: what, Hint: "run it with sudo"}
	}
	return nil
}

func (p *Process) Lock(ctx context.Context) (func(), error) {
	err := p.call(ctx, "Lock", func() error {
		if err := p.root("lock"); err != nil {
			return err
		}
		p.locked, p.keeping = true, p
		return nil
	})
	return func() {
		if !p.Dead {
			p.locked, p.keeping = false, nil
		}
	}, err
}

// Interrupted only looks, and is not counted as a call.
func (p *Process) Interrupted(context.Context) bool {
	for _, t := range p.trials {
		if t.by.Dead {
			return true
		}
	}
	return p.keeping != nil && p.keeping.Dead
}

// SetWaiting and Waiting only read and write a note, and are not counted as calls.
func (p *Process) SetWaiting(_ context.Context, on bool) error { p.waiting = on; return nil }

func (p *Process) Waiting(context.Context) bool { return p.waiting }

func (p *Process) All(ctx context.Context, except ...string) (list []keep.Kept, err error) {
	err = p.call(ctx, "All", func() error {
		return nil
	})
	if err != nil {
		return nil, err
	}
	list = []keep.Kept{}
	for _, uuid := range p.uuids() {
		if k, ok := p.current(uuid); ok && !slices.Contains(except, uuid) {
			list = append(list, k.Clone())
		}
	}
	return list, p.FileErr
}

// Brief reads the text of each file, as the real one does.
func (p *Process) Brief(ctx context.Context, isDown func(dev string) bool) ([]keep.Kept, error) {
	all, err := p.All(ctx)
	for i := range all {
		var text bytes.Buffer
		if _, err := format.Write(&text, all[i]); err != nil {
			return all, err
		}
		brief, err := format.ParseBrief(bytes.NewReader(text.Bytes()), isDown)
		if err != nil {
			return all, err
		}
		all[i] = brief
	}
	return all, err
}

func (p *Process) UUIDs(ctx context.Context) (list []string, err error) {
	err = p.call(ctx, "UUIDs", func() error {
		list = p.uuids()
		return nil
	})
	return list, err
}

func (p *Process) Remembered(ctx context.Context) (before map[string]bool, err error) {
	err = p.call(ctx, "Remembered", func() error { before = maps.Clone(p.before); return nil })
	return before, err
}

func (p *Process) Remember(ctx context.Context, before map[string]bool) error {
	return p.call(ctx, "Remember", func() error { p.before = maps.Clone(before); return nil })
}

// SetLinks and RememberLinks are not counted as calls where nothing is remembered.
func (p *Process) SetLinks(ctx context.Context) (set map[string]keep.SetOptions, err error) {
	if len(p.setLinks) == 0 {
		return nil, nil
	}
	err = p.call(ctx, "SetLinks", func() error { set = maps.Clone(p.setLinks); return nil })
	return set, err
}

func (p *Process) RememberLinks(ctx context.Context, set map[string]keep.SetOptions) error {
	return p.call(ctx, "RememberLinks", func() error { p.setLinks = maps.Clone(set); return nil })
}

func (p *Process) HookMissing(ctx context.Context) error {
	return p.call(ctx, "HookMissing", func() error { return p.Hook })
}

func (p *Process) Missing(ctx context.Context, want []keep.Rule) (missing []int, err error) {
	err = p.call(ctx, "Missing", func() error {
		for i, r := range want {
			if !slices.Contains(p.rules, r) {
				missing = append(missing, i)
			}
		}
		return p.root("read the rules")
	})
	return missing, err
}

func (p *Process) SetRules(ctx context.Context, want []keep.Rule) (changed bool, err error) {
	err = p.call(ctx, "SetRules", func() error {
		var taken []keep.Rule
		var refused keep.RefusedRules
		for i, r := range want {
			if p.RefuseRule != nil && p.RefuseRule(r) != nil {
				refused = append(refused, kernel.Refusal{Index: i, Err: p.RefuseRule(r)})
				continue
			}
			taken = append(taken, r)
		}
		changed = !slices.Equal(p.rules, taken)
		p.rules = taken
		if refused != nil {
			return refused
		}
		return nil
	})
	return changed, err
}

// WatchRules relays the events that a test sends.
func (p *Process) WatchRules(ctx context.Context) (<-chan struct{}, error) {
	return relay(ctx, p.RuleEvents), nil
}

// LoseAll makes the kernel lose everything that root keeps: the rules, the forwarding, and the
// routes.
func (w *World) LoseAll() {
	w.rules = nil
	clear(w.forwarding)
	w.Table = slices.DeleteFunc(w.Table, func(r Route) bool { return r.Protocol == kernel.RouteProtocol })
	w.Policy = slices.DeleteFunc(w.Policy, func(r kernel.HeldRule) bool { return r.Protocol == kernel.RouteProtocol })
	for _, l := range w.links {
		if l.GRE != nil {
			g := *l.GRE
			g.IgnoreDF, g.Checksum, g.Sequence = false, false, false
			l.Multicast, l.GRE = false, &g
		}
	}
}

// SwitchForwarding switches forwarding for all devices, as net.ipv4.ip_forward does.
func (w *World) SwitchForwarding(on bool) {
	w.forwarding["all"] = on
	for _, l := range w.links {
		w.forwarding[l.Name] = on
	}
}

func (p *Process) Forwarding(ctx context.Context, dev string) (on bool, err error) {
	err = p.call(ctx, "Forwarding", func() error {
		if dev != "all" && p.Link(dev) == nil {
			return &fault.Error{Kind: fault.ErrNotFound, What: "no device " + dev}
		}
		on = p.forwarding[dev]
		return nil
	})
	return on, err
}

func (p *Process) SetForwarding(ctx context.Context, dev string, on bool) error {
	return p.call(ctx, "SetForwarding", func() error {
		if p.Link(dev) == nil {
			return &fault.Error{Kind: fault.ErrNotFound, What: "no device " + dev}
		}
		p.forwarding[dev] = on
		return nil
	})
}

// RuleCounters counts each probe for every rule, unless [World.SNATTaken] is set.
func (p *Process) RuleCounters(ctx context.Context, want []keep.Rule) (counts []uint64, err error) {
	err = p.call(ctx, "RuleCounters", func() error {
		counts = make([]uint64, len(want))
		for i := range counts {
			if p.SNATTaken == nil {
				counts[i] = p.probes
			}
		}
		return p.root("read the rules")
	})
	return counts, err
}

func (p *Process) Translations(ctx context.Context, _ keep.Passing) (t keep.Translations, err error) {
	err = p.call(ctx, "Translations", func() error {
		if p.SNATTaken != nil {
			t = *p.SNATTaken
		}
		return p.root("look for firewalls")
	})
	return t, err
}

func (p *Process) ReversePathFilter(ctx context.Context, dev string) (f keep.ReversePathFilter, err error) {
	err = p.call(ctx, "ReversePathFilter", func() error {
		if p.Link(dev) == nil {
			return &fault.Error{Kind: fault.ErrNotFound, What: "no device " + dev}
		}
		f = p.Filter
		return nil
	})
	return f, err
}

// ZoneOf implements [nm.Zones].
func (p *Process) ZoneOf(ctx context.Context, _ string) (zone nm.Zone, err error) {
	err = p.call(ctx, "ZoneOf", func() error {
		zone = p.Zone
		return nil
	})
	return zone, err
}

// ZoneNames implements [nm.Zones].
func (p *Process) ZoneNames(ctx context.Context) (names []string, err error) {
	err = p.call(ctx, "ZoneNames", func() error {
		names = slices.Clone(p.Zones)
		return nil
	})
	return names, err
}

// SetZone implements [nm.Zones].
func (p *Process) SetZone(ctx context.Context, _, zone string) error {
	return p.call(ctx, "SetZone", func() error {
		p.Zone = nm.Zone{Name: zone}
		return nil
	})
}

// Resolve implements [nm.Resolver]. A name with one address that is not valid is one that no name
// server answers for.
func (p *Process) Resolve(ctx context.Context, name string, v6 bool) (list []netip.Addr, err error) {
	err = p.call(ctx, "Resolve", func() error {
		for _, a := range p.Names[name] {
			if a.Is6() == v6 {
				list = append(list, a)
			}
		}
		if len(p.Names[name]) == 1 && !p.Names[name][0].IsValid() {
			return errors.New("server misbehaving")
		}
		return nil
	})
	return list, err
}

func (p *Process) Obstacles(ctx context.Context, _ []string) (list []keep.Obstacle, err error) {
	err = p.call(ctx, "Obstacles", func() error {
		list = slices.Clone(p.obstacles)
		return p.root("look for firewalls")
	})
	return list, err
}

func (p *Process) OuterRules(ctx context.Context, _ keep.OuterPackets) (rules keep.OuterRules, err error) {
	err = p.call(ctx, "OuterRules", func() error {
		rules = keep.OuterRules{Obstacles: slices.Clone(p.Outer.Obstacles), Rewrites: slices.Clone(p.Outer.Rewrites)}
		return p.root("look for firewalls")
	})
	return rules, err
}

// Together implements [keep.Gateway]. The rules for outer packets are asked for once.
func (p *Process) Together() (keep.Gateway, func()) { return &rulesOnce{Process: p}, func() {} }

type rulesOnce struct {
	*Process
	once  sync.Once
	rules keep.OuterRules
	err   error
}

func (r *rulesOnce) OuterRules(ctx context.Context, p keep.OuterPackets) (keep.OuterRules, error) {
	r.once.Do(func() { r.rules, r.err = r.Process.OuterRules(ctx, p) })
	return r.rules, r.err
}
