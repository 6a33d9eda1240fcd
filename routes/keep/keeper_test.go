package keep_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nmgre"
	"nmgre/nm"
	"nmgre/nm/plan"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
	"nmgre/routes/rule"
	"nmgre/routes/store"
	"nmgre/testdata/fake"
	"nmgre/testdata/want"
)

// two returns a host with two tunnels, each with a kept part of every kind. prepare is called
// before they are made.
func two(t *testing.T, prepare ...func(w *fake.World)) *fake.World {
	t.Helper()
	w := fake.NewWorld()
	for _, p := range prepare {
		p(w)
	}
	for _, c := range []struct {
		name, peer, address, snat, route, gateway string
		covering                                  string // a route that covers the far end
	}{
		{"gre1", "100.0.2.100", "172.16.0.1/30", "10.10.1.0/24=10.10.1.1", "10.20.0.0/16", "172.16.0.2", "100.0.2.0/24"},
		{"gre2", "100.0.3.100", "172.16.1.1/30", "10.10.1.0/24=masquerade", "10.30.0.0/16", "172.16.1.2", "100.0.3.0/24"},
	} {
		tunnel := nm.NewTunnel()
		tunnel.Name, tunnel.Remote, tunnel.Addresses = c.name, want.Addr(c.peer), want.CIDRs(c.address)
		tunnel.Routes = []routes.Route{routes.MustParse(c.route + " nexthop via " + c.gateway + " nexthop via 100.0.1.1 dev eth0"),
			routes.MustParse(c.covering)}
		snat, err := keep.ParseSNAT(c.snat)
		if err != nil {
			t.Fatal(err)
		}
		tunnel.SNAT, tunnel.Forward, tunnel.ClampMSS = []keep.SNAT{snat}, true, true
		tunnel.Link.Multicast = true
		tunnel.Rules = []rule.Rule{rule.MustParse("iif " + c.name + " suppress_ifgroup 3 table 100 priority 1" + c.name[3:])}
		fake.MustCreate(t, w, tunnel)
	}
	return w
}

// uuid returns the UUID of a tunnel's profile.
func uuid(w *fake.World, name string) string { return w.Named(name).UUID }

// lacking returns the lines of all that are not in now.
func lacking(all, now string) (lines []string) {
	for _, line := range strings.Split(all, "\n") {
		if !strings.Contains(now, line+"\n") && line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// onceBroken makes the n-th call of a method fail.
func onceBroken(p *fake.Process, method string, n int) {
	p.Fault = func(_ int, called string) fake.Fault {
		if called == method {
			n--
		}
		if called == method && n == 0 {
			return fake.Fault{Err: fake.ErrBroken}
		}
		return fake.Fault{}
	}
}

// A failure of one step keeps no other from being taken, and is told.
func TestConvergeGoesOn(t *testing.T) {
	for _, c := range []struct {
		method string
		n      int
		lacks  []string // the beginnings of the lines that may be missing then
	}{
		{"HookOthers", 1, nil},
		{"Get", 1, nil},
		{"Remembered", 1, []string{"forwarding", "before"}},
		{"Remember", 1, []string{"forwarding", "before"}},
		{"Forwarding", 1, []string{"forwarding eth1", "before: eth1"}}, // in the order of the names
		{"Forwarding", 2, []string{"forwarding gre1", "before: gre1"}},
		{"SetForwarding", 1, []string{"forwarding eth1"}},
		{"SetForwarding", 3, []string{"forwarding gre2"}},
		{"SetRules", 1, []string{"rule"}},
		{"RoutesTo", 1, []string{"route", "rule iif"}}, // without its pin a tunnel could lead into itself
		{"SyncRoutes", 1, []string{"route"}},
		{"SyncRules", 1, []string{"rule iif"}},
		{"SetLinks", 1, []string{"link gre", "set"}},
		{"RememberLinks", 1, []string{"link gre", "set"}},
		{"SetLink", 1, []string{"link gre1", "set: gre1"}}, // in the order of the names
		{"SetLink", 2, []string{"link gre2", "set: gre2"}},
	} {
		w := two(t)
		all := w.String()
		w.LoseAll()
		p := w.Start()
		files := fake.Store{Process: p}
		_ = files.Remember(t.Context(), nil)
		if c.method != "SetLinks" { // nothing is read where nothing is remembered
			_ = files.RememberLinks(t.Context(), nil)
		}
		p.Calls = nil
		onceBroken(p, c.method, c.n)
		if c.method == "Get" { // the tunnels are so few that each is asked for
			for id, k := range w.Files {
				k.Routes = slices.DeleteFunc(k.Clone().Routes, func(r routes.Route) bool { return len(r.Nexthops) > 0 })
				w.Files[id] = k
			}
		}
		_, err := p.Keeper().Converge(t.Context(), "")
		if !errors.Is(err, fake.ErrBroken) {
			t.Errorf("%s %d: %v", c.method, c.n, err)
		}
		for _, line := range lacking(all, w.String()) {
			may := slices.ContainsFunc(c.lacks, func(begin string) bool { return strings.HasPrefix(line, begin) })
			if !may && (c.method != "Get" || !strings.Contains(line, "nexthop")) {
				t.Errorf("%s %d: it lacks %q", c.method, c.n, line)
			}
		}
	}
}

// Where the way to a far end cannot be found out, the host routes to the far ends stay: without
// them the tunnels would lead into themselves.
func TestPinsStay(t *testing.T) {
	w := two(t)
	before := w.String()
	p := w.Start()
	onceBroken(p, "RoutesTo", 1)
	if _, err := p.Keeper().Converge(t.Context(), ""); !errors.Is(err, fake.ErrBroken) || !strings.Contains(err.Error(), ": find the way to the far end 100.0.") {
		t.Error(err)
	}
	want.Same(t, "the host", w.String(), before)
}

// A rule that the kernel refuses keeps the others from nothing. A Keep fails by its own tunnel's
// problems alone, and tells of the others'.
func TestKeepDespiteAnother(t *testing.T) {
	masquerade := func(r keep.Rule) error {
		if !r.ClampMSS && !r.SNAT.Source.IsValid() {
			return fake.ErrBroken
		}
		return nil
	}
	w := two(t)
	w.RefuseRule = masquerade
	w.LoseAll()
	_, err := w.Start().Keeper().Converge(t.Context(), "")
	if now := w.String(); !errors.Is(err, fake.ErrBroken) || strings.Count(now, "rule: ") != 3 || strings.Contains(now, "the device they leave by") {
		t.Errorf("%v\n%s", err, now)
	}
	c, err := w.Start().Keeper().Converge(t.Context(), uuid(w, "gre1"))
	if err != nil || len(c.Trouble) != 1 || !strings.Contains(c.Trouble[0], "gre2: give packets") {
		t.Errorf("%v, trouble %q", err, c.Trouble)
	}
	if _, err := w.Start().Keeper().Converge(t.Context(), uuid(w, "gre2")); !errors.Is(err, fake.ErrBroken) {
		t.Error(err)
	}
	one := w.Files[uuid(w, "gre1")].Clone()
	one.ClampMSS = false
	c, err = w.Start().Keeper().Keep(t.Context(), one, nil)
	if err != nil || len(c.Trouble) != 1 || !strings.Contains(c.Trouble[0], "gre2: give packets") || strings.Count(w.String(), "rule: ") != 2 {
		t.Errorf("%v, trouble %q\n%s", err, c.Trouble, w)
	}
	before := w.String()
	other := w.Files[uuid(w, "gre2")].Clone()
	other.ClampMSS = false
	if _, err := w.Start().Keeper().Keep(t.Context(), other, nil); !errors.Is(err, fake.ErrBroken) {
		t.Error(err)
	}
	want.Same(t, "after a Keep that failed", w.String(), before)
}

// A failure of one tunnel is no reason for the commands about another to fail.
func TestCommandsDespiteAnother(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(ctx context.Context, h *nmgre.Host) error
	}{
		{"up", func(ctx context.Context, h *nmgre.Host) error { _, err := h.Up(ctx, "gre1"); return err }},
		{"edit", func(ctx context.Context, h *nmgre.Host) error {
			planned, err := h.PlanEdit(ctx, "gre1", func(tunnel *nm.Tunnel) error { tunnel.ClampMSS = !tunnel.ClampMSS; return nil })
			if err == nil {
				_, err = h.Edit(ctx, planned, nmgre.EditOptions{NoProbe: true})
			}
			return err
		}},
		{"down", func(ctx context.Context, h *nmgre.Host) error { _, err := h.Down(ctx, "gre1"); return err }},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := two(t)
			w.RefuseRule = func(r keep.Rule) error {
				if r.Dev == "gre2" && r.ClampMSS {
					return fake.ErrBroken
				}
				return nil
			}
			var told []string
			h := w.Start().Host()
			h.Progress = func(e nmgre.Event) { told = append(told, e.What) }
			if err := c.do(t.Context(), h); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			if all := strings.Join(told, "\n"); !strings.Contains(all, "warning: gre2: lower the MSS") {
				t.Errorf("%s: it told %s", c.name, all)
			}
		})
	}
}

// A killed process's trial that cannot be ended keeps its own tunnel from being changed, and no
// other.
func TestKeepDespiteAnothersTrial(t *testing.T) {
	w := two(t)
	killed := w.Start()
	tried := w.Files[uuid(w, "gre2")].Clone()
	tried.ClampMSS = false
	if _, _, err := killed.Keeper().Try(t.Context(), tried, false, nil); err != nil {
		t.Fatal(err)
	}
	killed.Dead = true
	for _, c := range []struct {
		name string
		fail error
	}{{"gre1", nil}, {"gre2", fake.ErrBroken}} {
		p := w.Start()
		p.Fault = func(_ int, method string) fake.Fault {
			if method == "EndTrial" {
				return fake.Fault{Err: fake.ErrBroken}
			}
			return fake.Fault{}
		}
		one := w.Files[uuid(w, c.name)].Clone()
		one.SNAT = nil
		if _, err := p.Keeper().Keep(t.Context(), one, nil); !errors.Is(err, c.fail) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// The trial of a killed process stays if the profile beside it was saved, and goes if the profile
// is still on trial, or gone.
func TestTriedBesideAProfile(t *testing.T) {
	for what, c := range map[string]struct {
		then  func(p *nm.Profile)
		stays bool
	}{
		"saved":    {func(*nm.Profile) {}, true},
		"on trial": {func(p *nm.Profile) { p.Trial = true }, false},
		"gone":     {func(p *nm.Profile) { p.UUID = nm.NewUUID() }, false},
	} {
		w := two(t)
		id, killed := uuid(w, "gre2"), w.Start()
		tried := w.Files[id].Clone()
		tried.ClampMSS = false
		if _, _, err := killed.Keeper().Try(t.Context(), tried, true, nil); err != nil {
			t.Fatal(err)
		}
		killed.Dead = true
		c.then(&w.Named("gre2").Profile)
		if _, err := w.Start().Keeper().Converge(t.Context(), ""); err != nil {
			t.Error(what, err)
		}
		if k, there := w.Files[id]; what != "gone" && k.ClampMSS == c.stays || what == "gone" && there {
			t.Errorf("%s: %v, %+v", what, there, k)
		}
	}
}

// Root has allowed everything for one far end. If the profile, or the device, leads elsewhere,
// nothing of it is carried out, and everybody says so.
func TestKeptForOneFarEnd(t *testing.T) {
	elsewhere := want.Addr("100.0.9.9")
	for _, c := range []struct {
		name   string
		change func(w *fake.World)
		want   string
	}{
		{"the profile", func(w *fake.World) { w.Named("gre1").Tunnel.Remote = elsewhere }, "gre1: the far end of the profile is 100.0.9.9 by now"},
		{"the device", func(w *fake.World) { w.Link("gre1").GRE.Remote = elsewhere }, "gre1: the device leads to 100.0.9.9"},
		{"the device, and no NetworkManager", func(w *fake.World) {
			w.Link("gre1").GRE.Remote = elsewhere
			w.Link("gre1").Dying = 0
		}, "gre1: the device leads to 100.0.9.9"},
		{"another kind", func(w *fake.World) { w.Named("gre1").Tunnel.Mode = 0 }, "gre1: the profile is no GRE tunnel any more"},
		{"another interface", func(w *fake.World) { w.Named("gre1").Tunnel.Name = "office" }, "gre1: the interface of the profile is office by now"},
	} {
		w := two(t)
		c.change(w)
		p := w.Start()
		if strings.Contains(c.name, "no NetworkManager") {
			p.Fault = func(_ int, method string) fake.Fault {
				if method == "List" {
					return fake.Fault{Err: &fault.Error{Kind: fault.ErrNoNetworkManager, What: "it is not there"}}
				}
				return fake.Fault{}
			}
		}
		result, err := p.Keeper().Converge(t.Context(), "")
		now := w.String()
		if err != nil || len(result.Trouble) != 1 || !strings.HasPrefix(result.Trouble[0], c.want) {
			t.Errorf("%s: %v, trouble %q", c.name, err, result.Trouble)
		}
		for _, gone := range []string{"route 10.20.0.0/16", "route 100.0.2.100 ", "rule: give packets from 172.16.0.0/30", "rule: lower the MSS of TCP connections through gre1", "forwarding gre1"} {
			if strings.Contains(now, "\n"+gone) {
				t.Errorf("%s: there is still %q\n%s", c.name, gone, now)
			}
		}
		if !strings.Contains(now, "route 10.30.0.0/16") || !strings.Contains(now, "forwarding gre2") {
			t.Errorf("%s: the other tunnel lost something\n%s", c.name, now)
		}
		p.Fault = nil
		if w.Named("gre1").Tunnel.Mode != 0 {
			mustTellWhere(t, w, c.name, c.want)
		}
	}
}

// mustTellWhere makes sure that list, and up without root, tell why nothing is set for gre1.
func mustTellWhere(t *testing.T, w *fake.World, name, why string) {
	t.Helper()
	list, err := w.Start().Host().List(t.Context())
	for _, s := range list {
		if s.UUID == uuid(w, "gre1") && (s.KeptErr == nil || !strings.HasPrefix(s.KeptErr.Error(), why)) {
			t.Errorf("%s: list says %v", name, s.KeptErr)
		}
	}
	if err != nil || len(list) != 2 {
		t.Errorf("%s: %d tunnels, %v", name, len(list), err)
	}
	w.NoRoot = true
	if _, err := w.Start().Host().Up(t.Context(), uuid(w, "gre1")); !errors.Is(err, fault.ErrHalfDone) || !strings.Contains(err.Error(), why) {
		t.Errorf("%s: up without root says %v", name, err)
	}
}

// An edit of the far end moves the kept file and the pin to the new one. No other change does.
func TestMoveTheFarEnd(t *testing.T) {
	w := two(t)
	id := uuid(w, "gre1")
	k := w.Files[id]
	k.Pin = true
	w.Files[id] = k
	w.Named("gre1").Tunnel.Remote = want.Addr("100.0.9.9")
	w.Named("gre1").Tunnel.Routes = append(w.Named("gre1").Tunnel.Routes, routes.MustParse("100.0.9.0/24"))
	w.Link("gre1").GRE.Remote = want.Addr("100.0.9.9")
	h := w.Start().Host()
	status, err := h.Show(t.Context(), "gre1")
	if err != nil || status.KeptErr == nil || !strings.Contains(status.KeptErr.Error(), "100.0.9.9 by now") || fault.Hints(status.KeptErr)[0] != "if that is right, move it: sudo nmgre edit --peer 100.0.9.9 gre1" {
		t.Errorf("show: %v, %v", err, status.KeptErr)
	}
	list, err := h.List(t.Context())
	if err != nil || list[0].KeptErr == nil || list[1].KeptErr != nil {
		t.Errorf("list: %v, %v, %v", err, list[0].KeptErr, list[1].KeptErr)
	}
	change := plan.RouteChange{Op: plan.RouteAdd, Routes: []routes.Route{routes.MustParse("10.77.0.0/16 ssthresh 7")}}
	if _, err := h.ChangeRoutes(t.Context(), "gre1", change); !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), "100.0.9.9 by now") {
		t.Errorf("route add: %v", err)
	}
	planned, err := h.PlanEdit(t.Context(), "gre1", func(tunnel *nm.Tunnel) error { tunnel.MTU = 1400; return nil })
	if err != nil || planned.Kept.Remote != want.Addr("100.0.2.100") || planned.After.Remote != want.Addr("100.0.9.9") || !planned.Kept.Pin {
		t.Errorf("edit of the MTU: %v, keeps for %s", err, planned.Kept.Remote)
	}
	planned, err = h.PlanEdit(t.Context(), "gre1", func(tunnel *nm.Tunnel) error { tunnel.Remote = want.Addr("100.0.9.9"); return nil })
	if err != nil || len(planned.Changes) != 1 || planned.Changes[0].String() != "peer: 100.0.2.100 -> 100.0.9.9" || planned.Flaps {
		t.Fatalf("edit of the far end: %v, %v", err, planned.Changes)
	}
	if _, err := h.Edit(t.Context(), planned, nmgre.EditOptions{NoProbe: true}); err != nil {
		t.Fatal(err)
	}
	now := w.String()
	for _, there := range []string{"file of gre1: remote 100.0.9.9", "route 100.0.9.9 via 100.0.1.1 dev eth0 proto 213", "forwarding gre1", "the source 10.10.1.1"} {
		if !strings.Contains(now, there) {
			t.Errorf("it lacks %q:\n%s", there, now)
		}
	}
}

// A profile is no evidence for a device: anybody's, of any name, changes nothing for root's routes.
// A device that NetworkManager is about to remove is not used.
func TestProfileIsNoEvidence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := two(t)
		id := uuid(w, "gre1")
		k := w.Files[id].Clone()
		k.Routes = append(k.Routes, routes.MustParse("10.40.0.0/16 nexthop via 172.16.0.2 nexthop dev gre2 nexthop dev byhand nexthop dev eth0"))
		w.Files[id] = k
		w.AddLink(kernel.Link{Name: "byhand", Up: true, GRE: &kernel.GRELink{Mode: gre.ModeGRE, Remote: want.Addr("100.0.7.7")}})
		converge := func(want string) {
			t.Helper()
			begin := time.Now()
			if _, err := w.Start().Keeper().Converge(t.Context(), ""); err != nil || !strings.Contains(w.String(), want) {
				t.Errorf("%v, it lacks %q\n%s", err, want, w)
			}
			if took := time.Since(begin); took > 2*time.Second {
				t.Errorf("it took %v", took)
			}
		}
		all := "route 10.40.0.0/16 nexthop via 172.16.0.2 nexthop dev gre2 nexthop dev byhand nexthop dev eth0"
		converge(all)
		for _, name := range []string{"eth0", "gre2", "byhand", "gre1"} {
			tunnel := nm.NewTunnel()
			tunnel.Name, tunnel.Remote = name, want.Addr("100.0.7.7")
			w.AddProfile(nm.Profile{UUID: "00000000-0000-4000-8000-0000000000" + name[:2], ID: "evil " + name, State: nm.StateInactive, Tunnel: tunnel})
		}
		converge(all)
		w.BringDown(w.Named("gre2"))
		converge("route 10.40.0.0/16 nexthop via 172.16.0.2 nexthop dev byhand nexthop dev eth0")
	})
}

// Forwarding that somebody has switched on for all devices stays on. Otherwise it becomes as it
// was.
func TestForwardingOfOthers(t *testing.T) {
	nothing := func(*fake.World) {}
	on := func(w *fake.World) { w.SwitchForwarding(true) }
	for _, c := range []struct {
		name          string
		before, since func(w *fake.World)
		left          string
	}{
		{"nobody", nothing, nothing, ""},
		{"for all since", nothing, on, "forwarding all\nforwarding eth0\nforwarding eth1\nforwarding lo\n"},
		{"on and off", nothing, func(w *fake.World) { w.SwitchForwarding(true); w.SwitchForwarding(false) }, ""},
		{"for all before, but for the LAN's device", func(w *fake.World) {
			w.SwitchForwarding(true)
			if err := w.Start().SetForwarding(t.Context(), "eth1", false); err != nil {
				t.Fatal(err)
			}
		}, nothing, "forwarding all\nforwarding eth0\nforwarding lo\n"},
	} {
		w := two(t, c.before)
		c.since(w)
		p := w.Start()
		for _, name := range []string{"gre1", "gre2"} {
			if err := p.Keeper().Forget(t.Context(), uuid(w, name)); err != nil {
				t.Error(err)
			}
			w.BringDown(w.Named(name))
			w.Settle()
		}
		var left string
		for line := range strings.Lines(w.String()) {
			if strings.HasPrefix(line, "forwarding") && !strings.Contains(line, "gre") || strings.HasPrefix(line, "before") {
				left += line
			}
		}
		want.Same(t, c.name, left, c.left)
	}
	// It is switched on again for a device that was made anew: the hook is called for others'
	// events.
	w := two(t)
	for id, k := range w.Files { // neither a pin nor another tunnel asks for these events
		k.Routes, k.Pin = nil, false
		w.Files[id] = k
	}
	if _, err := w.Start().Keeper().Converge(t.Context(), ""); err != nil || !strings.Contains(w.String(), "the hook is called for other connections") {
		t.Errorf("the hook is not called for the LAN's: %v\n%s", err, w)
	}
	w.SwitchForwarding(false)
	if _, err := w.Start().Keeper().Converge(t.Context(), ""); err != nil || !strings.Contains(w.String(), "forwarding eth1") {
		t.Errorf("%v\n%s", err, w)
	}
}

// A NetworkManager that does not answer holds the hook for its patience, and the devices decide.
func TestHangingNetworkManager(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := two(t)
		all := w.String()
		w.LoseAll()
		p := w.Start()
		p.Fault = func(_ int, method string) fake.Fault { return fake.Fault{Hang: method == "List" || method == "Get"} }
		keeper := p.Keeper()
		keeper.Patience = 3 * time.Second
		begin := time.Now()
		_, err := keeper.Converge(t.Context(), "")
		if took := time.Since(begin); err == nil || !strings.Contains(err.Error(), "NetworkManager cannot say which tunnels are up") || took > 4*time.Second {
			t.Errorf("after %v: %v", took, err)
		}
		want.Same(t, "the host", w.String(), all)
	})
}

// A keeper that cannot wait for the lock gives up in time, and its work is done by whoever has the
// lock.
func TestLockOfAnother(t *testing.T) {
	w := two(t)
	files := store.New(t.TempDir(), os.Geteuid())
	for _, k := range w.Files {
		if _, err := files.Put(t.Context(), k); err != nil {
			t.Fatal(err)
		}
	}
	holder, waiter := w.Start().Keeper(), w.Start().Keeper()
	holder.Store, waiter.Store, waiter.Patience = files, files, 200*time.Millisecond
	gateway := &slowGateway{Gateway: holder.Gateway}
	gateway.first = func() { // the holder has read everything when another event comes
		begin := time.Now()
		_, err := waiter.Converge(t.Context(), "")
		if took := time.Since(begin); !errors.Is(err, fault.ErrTimeout) || took > 10*time.Second || !files.Waiting(t.Context()) {
			t.Errorf("after %v: %v", took, err)
		}
	}
	holder.Gateway = gateway
	if _, err := holder.Converge(t.Context(), ""); err != nil {
		t.Error(err)
	}
	if gateway.times != 2 || files.Waiting(t.Context()) {
		t.Errorf("the rules were set %d times; somebody waits: %v", gateway.times, files.Waiting(t.Context()))
	}
}

// slowGateway calls first before it sets the rules for the first time.
type slowGateway struct {
	keep.Gateway
	first func()
	times int
}

// SetRules implements [keep.Gateway].
func (g *slowGateway) SetRules(ctx context.Context, rules []keep.Rule) (bool, error) {
	if g.times++; g.times == 1 {
		g.first()
	}
	return g.Gateway.SetRules(ctx, rules)
}

// When a tunnel goes down, the keeper does the same as ever. Of tunnels that are down it only asks
// whether they still exist.
func TestLeaving(t *testing.T) {
	for name, prepare := range map[string]func(w *fake.World){
		"one is down":       func(w *fake.World) { w.BringDown(w.Named("gre2")) },
		"both are down":     func(w *fake.World) { w.BringDown(w.Named("gre1")); w.BringDown(w.Named("gre2")) },
		"its link is there": func(w *fake.World) { w.Link("gre2").Up = false },
		"one is deleted": func(w *fake.World) {
			w.BringDown(w.Named("gre2"))
			w.Profiles = slices.DeleteFunc(w.Profiles, func(p *fake.Profile) bool { return p == w.Named("gre2") })
		},
		"a route leads elsewhere": nil,
		"all are up":              func(*fake.World) {},
	} {
		var after [2]string
		for i := range after {
			w := two(t)
			if prepare == nil {
				w.BringDown(w.Named("gre2"))
			} else {
				for id, k := range w.Files {
					k.Routes = slices.DeleteFunc(k.Clone().Routes, func(r routes.Route) bool { return len(r.Nexthops) > 0 })
					w.Files[id] = k
				}
				prepare(w)
			}
			w.Settle()
			p := w.Start()
			keeper := p.Keeper()
			keeper.Leaving = i > 0
			c, err := keeper.Converge(t.Context(), "")
			after[i] = fmt.Sprintf("%v %v %v\n%s", err, c.Changed, c.Trouble, w)
			asked := func(method string) (n int) {
				for _, called := range p.Calls {
					if called == method {
						n++
					}
				}
				return n
			}
			if down := asked("Exists"); i > 0 && (name == "one is down" || name == "its link is there") && (down != 1 || asked("Get") != 1) || i == 0 && down > 0 {
				t.Errorf("%s: it asks %v", name, p.Calls)
			}
		}
		if after[0] != after[1] {
			t.Errorf("%s: it does\n%s\nand not\n%s", name, after[1], after[0])
		}
	}
}
