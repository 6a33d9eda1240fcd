package tuitest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"sync"
	"time"

	"nmgre"
	"nmgre/nm"
	"nmgre/nm/adopt"
	"nmgre/nm/nmcli"
	"nmgre/nm/plan"
	"nmgre/nm/verify"
	"nmgre/nm/verify/place"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// Host is a workflow on a host that lives in memory.
type Host struct {
	mu       sync.Mutex
	Tunnels  []nmgre.Status
	Names    map[string][]netip.Addr // the DNS
	Zones    []string                // firewalld's
	Devices  []kernel.Link
	Held     map[string][]nmgre.RouteState
	PairedAt string            // the host at which a far end was made last
	PairErr  error             // why that fails
	Chosen   map[string]string // the notations of far ends; nil if none can be remembered
	notices  chan nmgre.Notice
	Pace     time.Duration // how long a step takes
	Err      error         // every change fails with it
	Modify   nm.Permission // polkit's answer about changes; empty for yes
	ListErr  error
	PlanErr  error
	hang     chan struct{} // if set, changes wait for it and do not look at their context
	Asks     bool          // every change may ask for a password
	Watched  bool          // somebody takes the notices
	ClientOn string        // the device by which the person is connected
	Guarded  nmgre.Session // the session that the verbs guard; zero for none
	Calls    []string
	Report   *verify.Report // of every verification; nil for the usual one

	tell   listener
	parent *Host
}

// listener is told of the steps and the checks, and asked to confirm.
type listener struct {
	step    func(nmgre.Event)
	check   func(verify.Check)
	confirm func(context.Context, verify.Report) error
}

func key(n uint32) *gre.Key { k := gre.Key(n); return &k }

// Addr reads an address.
func Addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// Prefix reads a prefix.
func Prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

// Tunnel is a tunnel like those of the examples.
func Tunnel(name string, n int) nm.Tunnel {
	t := nm.NewTunnel()
	t.Name, t.Local, t.Remote, t.MTU = name, Addr("100.0.1.100"), netip.AddrFrom4([4]byte{100, 0, 2, byte(n)}), 1476
	t.Addresses = []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 16, byte(n), 1}), 30)}
	t.PeerAddress = nm.DerivePeer(t.Addresses)
	t.Routes = []routes.Route{{Dst: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 10, byte(n), 0}), 24)}}
	return t
}

// UUID is the UUID of the nth tunnel, from 1.
func UUID(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

func statusOf(t nm.Tunnel, n int, state nm.State) nmgre.Status {
	s := nmgre.Status{Profile: nm.Profile{UUID: UUID(n), ID: t.Name, Alone: true, Tunnel: t, State: state,
		Path: "/etc/NetworkManager/system-connections/" + t.Name + ".nmconnection"}}
	if state == nm.StateActive {
		s.Device, s.DeviceState = t.Name, "activated"
	}
	return s
}

func linkOf(t nm.Tunnel) kernel.Link {
	return kernel.Link{Index: 7, Name: t.Name, Kind: t.Mode.String(), Up: true, MTU: int(t.MTU), Addresses: t.Addresses,
		GRE:      &kernel.GRELink{Mode: t.Mode, Local: t.Local, Remote: t.Remote, InputKey: t.InputKey, OutputKey: t.OutputKey, TTL: t.TTL, TOS: t.TOS, PMTUD: !t.NoPMTUD},
		Counters: kernel.Counters{RxPackets: 18233, TxPackets: 20114, RxBytes: 12_400_551, TxBytes: 15_009_777}}
}

// New is a host with two networks, and no tunnels yet.
func New() *Host {
	f := &Host{notices: make(chan nmgre.Notice, 8), Held: make(map[string][]nmgre.RouteState), Chosen: make(map[string]string)}
	f.Devices = []kernel.Link{
		{Index: 1, Name: "lo", Up: true, MTU: 65536, Addresses: []netip.Prefix{Prefix("127.0.0.1/8")}},
		{Index: 2, Name: "eth0", Up: true, MTU: 1500, Addresses: []netip.Prefix{Prefix("100.0.1.100/24"), Prefix("2001:db8:1::100/64")}},
		{Index: 3, Name: "lan0", Up: true, MTU: 1500, Addresses: []netip.Prefix{Prefix("10.10.1.1/24")}},
	}
	return f
}

// WithTunnels adds the tunnels of the golden screens.
func (f *Host) WithTunnels() *Host {
	one := Tunnel("gre1", 100)
	two := Tunnel("gre2", 2)
	two.InputKey, two.OutputKey = key(42), key(42)
	three := Tunnel("paris-backup", 3)
	four := Tunnel("byhand", 4)
	six := Tunnel("gre6", 6)
	six.Mode, six.Local, six.Remote = gre.ModeIP6GRE, Addr("2001:db8:1::100"), Addr("2001:db8:2::100")
	f.Add(one, nm.StateActive)
	f.Add(two, nm.StateActive)
	f.Add(three, nm.StateInactive)
	f.Add(four, nm.StateExternal)
	f.Add(six, nm.StateActivating)
	for i := range f.Devices {
		if f.Devices[i].Name == "gre2" {
			f.Devices[i].MTU, f.Devices[i].GRE.OutputKey = 1400, key(43)
		}
	}
	return f
}

// KeepSome gives the first tunnel a kept part, though the hook is missing.
func (f *Host) KeepSome() {
	f.Tunnels[0].Kept = keep.Kept{Routes: []routes.Route{{Dst: Prefix("10.30.0.0/16")}}, SNAT: []keep.SNAT{{Dst: Prefix("10.10.100.0/24")}},
		Forward: []string{"gre1", "lan0"}, ClampMSS: true}
	f.Tunnels[0].KeptErr = &fault.Error{What: "the dispatcher's hook is not installed", Hint: "set it up: sudo nmgre install-hook"}
}

// Add adds a tunnel, with a link where it is active.
func (f *Host) Add(t nm.Tunnel, state nm.State) nmgre.Status {
	s := statusOf(t, len(f.Tunnels)+1, state)
	f.Tunnels = append(f.Tunnels, s)
	if state == nm.StateActive {
		f.Devices = append(f.Devices, linkOf(t))
	}
	for _, r := range t.Routes {
		st := nmgre.RouteSet
		if state != nm.StateActive {
			st = nmgre.RouteDown
		}
		f.Held[s.UUID] = append(f.Held[s.UUID], nmgre.RouteState{Owned: nm.Owned{Route: &r, Owner: nm.OwnerProfile, Why: "set whenever the tunnel comes up"}, State: st})
	}
	return s
}

// Many is a host with a thousand tunnels, the first of which has a hundred thousand routes.
func (f *Host) Many() {
	for i := range 1000 {
		f.Add(Tunnel(fmt.Sprintf("gre%d", i+1), i+1), nm.StateActive)
	}
	list := make([]nmgre.RouteState, 100_000)
	for i := range list {
		dst := netip.PrefixFrom(netip.AddrFrom4([4]byte{20, byte(i >> 16), byte(i >> 8), byte(i)}), 32)
		list[i] = nmgre.RouteState{Owned: nm.Owned{Route: &routes.Route{Dst: dst}, Owner: nm.OwnerKernel, Why: "NetworkManager is slow with more than 500 routes in a profile"}, State: nmgre.RouteSet}
	}
	f.Held[UUID(1)] = list
}

func (f *Host) root() *Host {
	if f.parent != nil {
		return f.parent
	}
	return f
}

func (f *Host) called(format string, args ...any) {
	r := f.root()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Calls = append(r.Calls, fmt.Sprintf(format, args...))
}

// Saw says whether a call that begins so has been made.
func (f *Host) Saw(call string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.Calls {
		if strings.HasPrefix(c, call) {
			return true
		}
	}
	return false
}

func (f *Host) List(ctx context.Context) ([]nmgre.Status, error) {
	r := f.root()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ListErr != nil {
		return nil, r.ListErr
	}
	return append([]nmgre.Status(nil), r.Tunnels...), nil
}

// nmcli is the word by which nmcli finds a tunnel.
func (f *Host) nmcli(name string) string {
	r := f.root()
	r.mu.Lock()
	defer r.mu.Unlock()
	if i, err := r.find(name); err == nil {
		return r.Tunnels[i].Nmcli()
	}
	return name
}

func (f *Host) find(name string) (int, error) {
	for i, s := range f.Tunnels {
		if s.UUID == name || s.Tunnel.Name == name {
			return i, nil
		}
	}
	return 0, &fault.Error{Kind: fault.ErrNotFound, What: "no tunnel has the name " + name, Hint: "nmgre list shows them"}
}

func (f *Host) Show(ctx context.Context, name string) (nmgre.Status, error) {
	r := f.root()
	r.mu.Lock()
	defer r.mu.Unlock()
	i, err := r.find(name)
	if err != nil {
		return nmgre.Status{}, err
	}
	s := r.Tunnels[i]
	for j := range r.Devices {
		if r.Devices[j].Name == s.Device && s.Device != "" {
			link := r.Devices[j]
			s.Link = &link
		}
	}
	return s, nil
}

func (f *Host) Routes(ctx context.Context, name string) (nm.Profile, []nmgre.RouteState, error) {
	r := f.root()
	r.mu.Lock()
	defer r.mu.Unlock()
	i, err := r.find(name)
	if err != nil {
		return nm.Profile{}, nil, err
	}
	return r.Tunnels[i].Profile, r.Held[r.Tunnels[i].UUID], nil
}

func (f *Host) Verify(ctx context.Context, name string, opts verify.Options) (verify.Report, error) {
	f.called("verify %s", name)
	s, err := f.Show(ctx, name)
	if err != nil {
		return verify.Report{}, err
	}
	report := reportOf(s.Tunnel)
	if r := f.root().Report; r != nil {
		report = *r
	}
	if f.tell.check != nil {
		for _, c := range report.Checks {
			f.tell.check(c)
		}
	}
	return report, nil
}

// reportOf is the report on a tunnel whose far end does not exist yet.
func reportOf(t nm.Tunnel) verify.Report {
	return verify.Report{Tunnel: t.Name, Verdict: verify.Warn, Works: []place.Place{place.ThisHost, place.OwnFirewall}, Checks: []verify.Check{
		{ID: "profile", Status: verify.Pass, Certainty: verify.Proved, Summary: "NetworkManager holds the profile, on disk", Evidence: t.Name + " /etc/NetworkManager/system-connections/" + t.Name + ".nmconnection"},
		{ID: "link", Status: verify.Pass, Certainty: verify.Proved, Summary: "the kernel's link is what the profile says", Evidence: "gre remote " + t.Remote.String() + " ttl 64, mtu 1476"},
		{ID: "underlay", Status: verify.Pass, Certainty: verify.Proved, Summary: "the way to the far end does not lead into a tunnel", Evidence: t.Remote.String() + " via 100.0.1.1 dev eth0",
			Facts: verify.Facts{"device": "eth0", "gateway": "100.0.1.1"}},
		{ID: "probe", Status: verify.Warn, Certainty: verify.Likely, Cause: "gre-silent", Place: place.TheWay, Evidence: "4 sent, 0 answered",
			Summary: "the far end does not answer through the tunnel, but its outer address " + t.Remote.String() + " does",
			Hint:    "make the far end, and let protocol 47 through its firewall", Advice: "let protocol 47 through its firewall",
			Facts: verify.Facts{"make_there": t.FarEnd(nil).CreateCommand()}},
	}}
}

func (f *Host) FarEnd(ctx context.Context, t nm.Tunnel) (nm.FarEnd, error) {
	return t.FarEnd([]netip.Prefix{Prefix("10.10.1.0/24")}), nil
}

// Notation returns the notation that was chosen for the far end of a tunnel.
func (f *Host) Notation(uuid string) string { return f.root().Chosen[uuid] }

// Pair counts as one call, and remembers the host.
func (f *Host) Pair(_ context.Context, host, _ string) error {
	f.root().PairedAt = host
	return f.root().PairErr
}

// Remember remembers it.
func (f *Host) Remember(uuid, notation string) error {
	if f.root().Chosen == nil {
		return errors.New("there is no folder of your own for it")
	}
	f.root().Chosen[uuid] = notation
	return nil
}

// PlanAdopt plans a profile for a tunnel that was made by hand.
func (f *Host) PlanAdopt(_ context.Context, dev string, _ adopt.Options) (adopt.Adoption, error) {
	return adopt.Adoption{Plan: plan.Plan{Tunnel: Tunnel(dev, 4)}, Parts: []adopt.Part{{What: "address 172.16.4.1/30", Fate: adopt.Taken},
		{What: "SNAT ip nat POSTROUTING: oifname byhand masquerade", Fate: adopt.Stays, Why: "it is for packets into the tunnel"}}}, nil
}

func (f *Host) Plan(ctx context.Context, want nm.Tunnel) (plan.Plan, error) {
	f.called("plan %s", want.CreateCommand())
	if err := want.Validate(); err != nil {
		return plan.Plan{}, err
	}
	if err := f.root().PlanErr; err != nil {
		return plan.Plan{}, err
	}
	t := want.Clone()
	if t.Name == "" {
		taken := make(map[string]bool)
		for _, s := range f.root().Tunnels {
			taken[s.Tunnel.Name] = true
		}
		t.Name = nm.FreeName(taken)
	}
	if !t.Local.IsValid() {
		t.Local = Addr("100.0.1.100")
	}
	if t.MTU == 0 {
		t.MTU = 1476
	}
	if !t.PeerAddress.IsValid() {
		t.PeerAddress = nm.DerivePeer(t.Addresses)
	}
	return plan.Plan{Tunnel: t, Routes: nm.AssignRoutes(t.Routes, 0, nm.MinVersion), Notes: []string{"MTU 1476: 1500 - 20 (IPv4) - 4 (GRE) = 1476, on the way to " + t.Remote.String() + " by eth0"},
		Steps: []plan.Step{
			{ID: plan.StepProfile, What: "add the profile " + t.Name + ", in memory only", Why: "a half-finished tunnel must not survive a reboot: the profile goes to disk last", Commands: []string{nmcli.Add(t)}},
			{ID: plan.StepActivate, What: "bring it up, and wait until its addresses are set", Why: "NetworkManager makes the link, its addresses and " + routes.CountText(len(t.Routes)), Commands: []string{"nmcli connection up " + t.Name}},
			{ID: plan.StepCheck, What: "compare the kernel's state with the plan, and probe the far end", Why: "a GRE link is up even if no packet gets through", Commands: []string{"ip -d link show dev " + t.Name}},
			{ID: plan.StepSave, What: "write the profile to disk", Why: "so that the tunnel survives a reboot"},
		}}, nil
}

// guard says whether a change may cut the session off. It refuses that if nobody is asked.
func (f *Host) guard(ctx context.Context, e plan.Effect) (cuts bool, err error) {
	cuts, err = f.CutsOff(ctx, e, f.root().Guarded)
	if cuts && f.tell.confirm == nil {
		err = &fault.Error{Kind: fault.ErrCutsOff, What: "it may cut your session off"}
	}
	return cuts, err
}

// confirmed asks whether a change may stay that cuts the session off, and otherwise undoes it.
func (f *Host) confirmed(ctx context.Context, cuts bool, undo func()) error {
	if !cuts {
		return nil
	}
	err := f.tell.confirm(ctx, verify.Report{})
	if err != nil {
		undo()
		if f.tell.step != nil {
			f.tell.step(nmgre.Event{What: "undid everything", Took: time.Millisecond, Undo: true})
		}
	}
	return err
}

// CutsOff says whether packets to the session's client would go another way after a change.
func (f *Host) CutsOff(ctx context.Context, e plan.Effect, s nmgre.Session) (bool, error) {
	if !s.Client.IsValid() {
		return false, nil
	}
	hop, err := f.Lookup(ctx, kernel.Query{To: s.Client})
	if err != nil {
		return false, err
	}
	return e.Moves(plan.Way{To: s.Client, Hop: hop, Rank: math.MaxUint32}), nil
}

// UpEffect is the effect of bringing a tunnel up.
func (f *Host) UpEffect(ctx context.Context, name string) (plan.Effect, error) {
	s, err := f.Show(ctx, name)
	return plan.Effect{Device: s.Device, After: s.Tunnel}, err
}

// DownEffect is the effect of taking a tunnel down, or of deleting it.
func (f *Host) DownEffect(ctx context.Context, name string) (plan.Effect, error) {
	s, err := f.Show(ctx, name)
	return plan.Effect{Device: s.Device, Gone: true, Before: s.Tunnel}, err
}

// step is one step of a plan.
func (f *Host) step(ctx context.Context, id, what string, commands ...string) error {
	r := f.root()
	if r.hang != nil {
		<-r.hang
	}
	if r.Pace > 0 {
		select {
		case <-time.After(r.Pace):
		case <-ctx.Done():
		}
	}
	err := ctx.Err()
	if err == nil {
		err = r.Err
	}
	if f.tell.step != nil {
		f.tell.step(nmgre.Event{Step: id, What: what, Took: 12 * time.Millisecond, Err: err, Commands: commands})
	}
	return err
}

func (f *Host) Create(ctx context.Context, planned plan.Plan, opts nmgre.CreateOptions) (nmgre.Created, error) {
	t := planned.Tunnel
	cuts, err := f.guard(ctx, planned.Effect())
	if err != nil {
		return nmgre.Created{}, err
	}
	f.called("create %s", t.CreateCommand())
	for _, s := range []plan.Step{{ID: plan.StepProfile, What: "added the profile " + t.Name + ", in memory"}, {What: "made sure that the name is free"},
		{ID: plan.StepActivate, What: "brought it up"}, {ID: plan.StepCheck, What: "verified it"}, {ID: plan.StepSave, What: "wrote the profile to disk"}} {
		if err := f.step(ctx, s.ID, s.What, "nmcli connection show "+t.Name); err != nil {
			if f.tell.step != nil {
				f.tell.step(nmgre.Event{What: "undid everything", Took: time.Millisecond, Undo: true})
			}
			return nmgre.Created{}, err
		}
		if f.tell.check != nil && s.ID == plan.StepActivate {
			for _, c := range reportOf(t).Checks {
				f.tell.check(c)
			}
		}
	}
	if err := f.confirmed(ctx, cuts, func() { f.called("undo create %s", t.Name) }); err != nil {
		return nmgre.Created{}, err
	}
	r := f.root()
	r.mu.Lock()
	s := r.Add(t, nm.StateActive)
	r.mu.Unlock()
	r.notify(nmgre.Notice{Profiles: true, Links: true})
	return nmgre.Created{Status: s, Report: reportOf(t)}, nil
}

func (f *Host) notify(n nmgre.Notice) {
	select {
	case f.notices <- n:
	default:
	}
}

// set brings a tunnel up or takes it down, and asks for the confirmation.
func (f *Host) set(ctx context.Context, name, verb, did string, state nm.State, effect func(context.Context, string) (plan.Effect, error)) (nm.Profile, error) {
	e, err := effect(ctx, name)
	if err != nil {
		return nm.Profile{}, err
	}
	cuts, err := f.guard(ctx, e)
	if err != nil {
		return nm.Profile{}, err
	}
	f.called("%s %s", verb, name)
	if err := f.step(ctx, "", did, nmcli.Connection(verb, f.nmcli(name))...); err != nil {
		return nm.Profile{}, err
	}
	r := f.root()
	r.mu.Lock()
	i, err := r.find(name)
	if err != nil {
		r.mu.Unlock()
		return nm.Profile{}, err
	}
	before := r.Tunnels[i].State
	p := r.setState(i, state)
	r.mu.Unlock()
	return p, f.confirmed(ctx, cuts, func() {
		f.called("undo %s %s", verb, name)
		r.mu.Lock()
		defer r.mu.Unlock()
		if i, err := r.find(name); err == nil {
			r.setState(i, before)
		}
	})
}

func (f *Host) setState(i int, state nm.State) nm.Profile {
	f.Tunnels[i].State, f.Tunnels[i].Device = state, ""
	if state == nm.StateActive {
		f.Tunnels[i].Device = f.Tunnels[i].Tunnel.Name
	}
	return f.Tunnels[i].Profile
}

func (f *Host) Up(ctx context.Context, name string) (nm.Profile, error) {
	return f.set(ctx, name, "up", "brought it up", nm.StateActive, f.UpEffect)
}

func (f *Host) Down(ctx context.Context, name string) (nm.Profile, error) {
	return f.set(ctx, name, "down", "took it down", nm.StateInactive, f.DownEffect)
}

func (f *Host) Delete(ctx context.Context, name string) (nm.Profile, error) {
	e, err := f.DownEffect(ctx, name)
	if err != nil {
		return nm.Profile{}, err
	}
	if cuts, err := f.guard(ctx, e); err != nil {
		return nm.Profile{}, err
	} else if cuts {
		if p, err := f.Down(ctx, name); err != nil {
			return p, err
		}
	}
	f.called("delete %s", name)
	if err := f.step(ctx, "", "deleted the profile, and with it the link", nmcli.Connection("delete", f.nmcli(name))...); err != nil {
		return nm.Profile{}, err
	}
	r := f.root()
	r.mu.Lock()
	defer r.mu.Unlock()
	i, err := r.find(name)
	if err != nil {
		return nm.Profile{}, err
	}
	p := r.Tunnels[i].Profile
	r.Tunnels = append(r.Tunnels[:i:i], r.Tunnels[i+1:]...)
	return p, nil
}

func (f *Host) PlanEdit(ctx context.Context, name string, change func(*nm.Tunnel) error) (plan.EditPlan, error) {
	s, err := f.Show(ctx, name)
	if err != nil {
		return plan.EditPlan{}, err
	}
	after := s.Tunnel.Clone()
	if err := change(&after); err != nil {
		return plan.EditPlan{}, err
	}
	if err := after.Validate(); err != nil {
		return plan.EditPlan{}, err
	}
	e := plan.EditPlan{Profile: s.Profile, Before: s.Tunnel, After: after}
	compare := func(field, before, now string) {
		if before != now {
			e.Changes = append(e.Changes, nm.FieldChange{Field: field, Old: before, New: now})
		}
	}
	compare("ttl", gre.TTLText(s.Tunnel.TTL), gre.TTLText(after.TTL))
	compare("mtu", fmt.Sprint(s.Tunnel.MTU), fmt.Sprint(after.MTU))
	compare("peer", s.Tunnel.Remote.String(), after.Remote.String())
	compare("route", fmt.Sprint(s.Tunnel.Routes), fmt.Sprint(after.Routes))
	e.Flaps = s.Tunnel.TTL != after.TTL || s.Tunnel.Remote != after.Remote
	e.Why = "NetworkManager applies addresses and routes to a device that is up"
	if e.Flaps {
		e.Why = "the link itself changes"
	}
	e.Steps = []plan.Step{{ID: plan.StepProfile, What: "change the profile " + s.ID + ", in memory only", Why: "a half-finished tunnel must not survive a reboot: the profile goes to disk last"},
		{ID: plan.StepSave, What: "write the profile to disk", Why: "so that the change survives a reboot"}}
	return e, nil
}

func (f *Host) Edit(ctx context.Context, e plan.EditPlan, opts nmgre.EditOptions) (nmgre.Edited, error) {
	cuts, err := f.guard(ctx, e.Effect())
	if err != nil {
		return nmgre.Edited{}, err
	}
	f.called("edit %s", e.After.CreateCommand())
	if err := f.step(ctx, plan.StepProfile, "changed the profile, in memory"); err != nil {
		return nmgre.Edited{}, err
	}
	if err := f.confirmed(ctx, cuts, func() { f.called("undo edit %s", e.After.Name) }); err != nil {
		return nmgre.Edited{}, err
	}
	if err := f.step(ctx, plan.StepSave, "wrote the profile to disk"); err != nil {
		return nmgre.Edited{}, err
	}
	r := f.root()
	r.mu.Lock()
	defer r.mu.Unlock()
	i, err := r.find(e.Profile.UUID)
	if err != nil {
		return nmgre.Edited{}, err
	}
	r.Tunnels[i].Tunnel = e.After
	return nmgre.Edited{Status: r.Tunnels[i]}, nil
}

func (f *Host) Manager(ctx context.Context) (nm.Manager, error) {
	return nm.Manager{Version: nm.Version{Major: 1, Minor: 42, Micro: 4}, Modify: cmp.Or(f.Modify, nm.PermissionYes), Control: nm.PermissionYes}, nil
}

func (f *Host) Links(ctx context.Context) ([]kernel.Link, error) {
	r := f.root()
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]kernel.Link(nil), r.Devices...), nil
}

func (f *Host) Lookup(ctx context.Context, q kernel.Query) (kernel.Hop, error) {
	r := f.root()
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case q.To == Addr("198.51.100.1"):
		return kernel.Hop{}, fault.ErrUnreachable
	case r.ClientOn != "" && q.To == Addr("192.0.2.99"):
		return kernel.Hop{Dev: r.ClientOn}, nil
	}
	for _, s := range r.Tunnels {
		for _, own := range s.Tunnel.Routes {
			if own.Dst.Contains(q.To) && s.State == nm.StateActive {
				return kernel.Hop{Dev: s.Tunnel.Name}, nil
			}
		}
	}
	if q.To.Is6() {
		return kernel.Hop{Dev: "eth0", Via: Addr("2001:db8:1::1"), Src: Addr("2001:db8:1::100"), MTU: 1500}, nil
	}
	return kernel.Hop{Dev: "eth0", Via: Addr("100.0.1.1"), Src: Addr("100.0.1.100"), MTU: 1500}, nil
}

func (f *Host) Resolve(ctx context.Context, name string, v6 bool) ([]netip.Addr, error) {
	r := f.root()
	r.mu.Lock()
	defer r.mu.Unlock()
	if list := r.Names[name]; len(list) > 0 {
		return list, nil
	}
	return nil, &fault.Error{Kind: fault.ErrInvalid, Field: "peer", What: name + " has no IPv4 address (A)", Hint: "check the name"}
}

func (f *Host) ZoneNames(ctx context.Context) ([]string, error) {
	r := f.root()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.Zones, nil
}

func (f *Host) Probe(ctx context.Context, p kernel.Probe) (kernel.ProbeResult, error) {
	return kernel.ProbeResult{Sent: 1, Received: 1, RTT: []time.Duration{1460 * time.Microsecond}}, nil
}

func (f *Host) Watch(ctx context.Context) (<-chan nmgre.Notice, error) {
	if !f.root().Watched {
		return nil, nil // the tests give the notices themselves
	}
	return f.root().notices, nil
}

func (f *Host) Prompts(nm.Manager) (always, forRoot bool) { return f.root().Asks, false }

// Telling returns the same host with its steps and checks told, and with somebody who is asked to
// confirm. Each function may be nil.
func (f *Host) Telling(step func(nmgre.Event), check func(verify.Check), confirm func(context.Context, verify.Report) error) *Host {
	return &Host{parent: f.root(), tell: listener{step, check, confirm}}
}

var ErrDenied = &fault.Error{Kind: fault.ErrNotPermitted, What: "NetworkManager does not let you do that", Hint: "run it with sudo"}
