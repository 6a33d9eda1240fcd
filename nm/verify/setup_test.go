package verify_test

import (
	"context"
	"strings"
	"testing"

	"nmgre/nm"
	"nmgre/nm/verify"
	"nmgre/nm/verify/cause"
	"nmgre/routes"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
	"nmgre/testdata/fake"
	"nmgre/testdata/want"
)

// obstructed is a gateway beside another program that drops forwarded packets.
type obstructed struct{ keep.Gateway }

func (obstructed) Obstacles(context.Context, []string) ([]keep.Obstacle, error) {
	return []keep.Obstacle{{What: "firewalld forwards nothing between gre1 and eth1", Hint: "firewall-cmd"}}, nil
}

// apart is one that keeps the LAN and the tunnel apart, on a host that forwards.
type apart struct{ keep.Gateway }

func (apart) Obstacles(_ context.Context, devs []string) ([]keep.Obstacle, error) {
	return []keep.Obstacle{{What: "firewalld keeps apart " + strings.Join(devs, " and "), Hint: "firewall-cmd", Apart: true}}, nil
}

func (apart) Forwarding(context.Context, string) (bool, error) { return true, nil }

// mustKeepApart wants a firewall named where nmgre keeps nothing, and the host forwards by itself.
func mustKeepApart(t *testing.T) {
	t.Helper()
	w, p, _ := verified(t, usual(t))
	sys := w.Start().Host().System
	sys.Gateway = apart{sys.Gateway}
	report, err := verify.Run(t.Context(), sys, p.Profile, verify.Settings{Probe: true})
	if err != nil {
		t.Fatal(err)
	}
	mustName(t, report, "firewall", cause.FirewallDrops, verify.Warn)
	for _, c := range report.Checks {
		if c.ID == "firewall" && (c.Summary != "firewalld keeps apart gre1 and eth1" || c.Certainty != verify.Proved || c.Evidence == "") {
			t.Errorf("%+v", c)
		}
	}
}

// whole is a tunnel with everything that root keeps.
func whole(t *testing.T) nm.Tunnel {
	t.Helper()
	tunnel := usual(t)
	tunnel.SNAT = []keep.SNAT{{Dst: want.CIDR("10.10.1.0/24"), Source: want.Addr("10.10.1.1")}}
	tunnel.Forward, tunnel.ClampMSS, tunnel.Link = true, true, gre.LinkOptions{Checksum: true, Multicast: true}
	tunnel.Routes = append(tunnel.Routes, routes.MustParse("unreachable 10.50.0.0/16"))
	return tunnel
}

// Each check that needs no packet names its cause, and each of these causes has a case.
func TestSetupCauses(t *testing.T) {
	told := make(map[string]bool)
	for _, c := range []struct {
		check, cause string
		status       verify.Verdict
		change       func(w *fake.World, p *fake.Profile, l *fake.Link)
	}{
		{"device", cause.NotUp, verify.Fail, func(w *fake.World, p *fake.Profile, _ *fake.Link) {
			p.State = nm.StateInactive
			w.RemoveLink("gre1")
		}},
		{"device", "shadowed", verify.Fail, func(_ *fake.World, p *fake.Profile, _ *fake.Link) { p.State = nm.StateInactive }},
		{"device", cause.NoGREHere, verify.Fail, func(w *fake.World, p *fake.Profile, _ *fake.Link) {
			p.State = nm.StateInactive
			w.RemoveLink("gre1")
			w.Unsupported = map[gre.Mode]bool{gre.ModeGRE: true}
		}},
		{"device", cause.ComingUp, verify.Fail, func(_ *fake.World, p *fake.Profile, _ *fake.Link) { p.State = nm.StateActivating }},
		{"link", cause.NoDevice, verify.Fail, func(w *fake.World, _ *fake.Profile, _ *fake.Link) { w.RemoveLink("gre1") }},
		{"link", cause.NotGRE, verify.Fail, func(_ *fake.World, _ *fake.Profile, l *fake.Link) { l.GRE = nil }},
		{"link", cause.LinkDiffers, verify.Fail, func(_ *fake.World, _ *fake.Profile, l *fake.Link) { l.GRE.InputKey = nil }},
		{"link", cause.LinkDiffers, verify.Fail, func(_ *fake.World, _ *fake.Profile, l *fake.Link) { l.GRE.Sequence = true }},
		{"options", cause.LinkDiffers, verify.Fail, func(_ *fake.World, _ *fake.Profile, l *fake.Link) { l.GRE.Checksum = false }},
		{"options", cause.LinkDiffers, verify.Fail, func(_ *fake.World, _ *fake.Profile, l *fake.Link) { l.Multicast = false }},
		{"link", cause.LinkDown, verify.Fail, func(_ *fake.World, _ *fake.Profile, l *fake.Link) { l.Up = false }},
		{"addresses", cause.AddressMissing, verify.Fail, func(_ *fake.World, _ *fake.Profile, l *fake.Link) { l.Addresses = nil }},
		{"addresses", cause.AddressExtra, verify.Warn, func(_ *fake.World, _ *fake.Profile, l *fake.Link) {
			l.Addresses = append(l.Addresses, want.CIDR("172.18.0.1/30"))
		}},
		{"kept", cause.KeptUnreadable, verify.Fail, func(w *fake.World, _ *fake.Profile, _ *fake.Link) { w.FileErr = fake.ErrBroken }},
		{"kept", cause.KeptForAnother, verify.Fail, func(w *fake.World, p *fake.Profile, _ *fake.Link) {
			k := w.Files[p.UUID]
			k.Remote = want.Addr("100.0.2.101")
			w.Files[p.UUID] = k
		}},
		{"hook", cause.HookMissing, verify.Warn, func(w *fake.World, _ *fake.Profile, _ *fake.Link) { w.Hook = fake.ErrBroken }},
		{"route 10.10.2.0/24", cause.RouteMissing, verify.Fail, func(w *fake.World, _ *fake.Profile, _ *fake.Link) { w.RemoveRoutes("10.10.2.0/24") }},
		{"route 10.10.2.0/24", cause.RouteElsewhere, verify.Fail, func(w *fake.World, _ *fake.Profile, _ *fake.Link) {
			w.AddRoute("eth1", "10.10.2.0/24 via 10.10.1.9", 3)
		}},
		{"route 10.20.0.0/16", cause.RouteMissing, verify.Fail, func(w *fake.World, _ *fake.Profile, _ *fake.Link) { w.RemoveRoutes("10.20.0.0/16") }},
		{"route 10.30.0.0/16 metric 50", cause.RouteSource, verify.Fail, func(w *fake.World, _ *fake.Profile, _ *fake.Link) {
			w.RemoveRoutes("10.30.0.0/16")
			w.AddRoute("gre1", "10.30.0.0/16 src 10.10.1.1 metric 50", 4)
		}},
		{"route 10.50.0.0/16", cause.NotDropped, verify.Warn, func(w *fake.World, _ *fake.Profile, _ *fake.Link) {
			w.AddRoute("eth1", "10.50.0.0/16 via 10.10.1.9", 3)
		}},
		{"forwarding eth1", cause.NotForwarding, verify.Fail, func(w *fake.World, _ *fake.Profile, _ *fake.Link) { w.SwitchForwarding(false) }},
		{"clamp-mss", cause.RuleMissing, verify.Fail, func(w *fake.World, _ *fake.Profile, _ *fake.Link) { w.LoseAll() }},
	} {
		t.Run(c.check+" "+c.cause, func(t *testing.T) {
			w, p, l := verified(t, whole(t))
			c.change(w, p, l)
			report, err := w.Start().Host().Verify(t.Context(), p.UUID, verify.Options{})
			if err != nil {
				t.Fatal(err)
			}
			mustName(t, report, c.check, c.cause, c.status)
			told[c.cause] = true
		})
	}
	w, p, _ := verified(t, whole(t))
	sys := w.Start().Host().System
	sys.Gateway = obstructed{sys.Gateway}
	report, err := verify.Run(t.Context(), sys, p.Profile, verify.Settings{Probe: true})
	if err != nil {
		t.Fatal(err)
	}
	mustName(t, report, "firewall", cause.FirewallDrops, verify.Warn)
	told[cause.FirewallDrops] = true
	mustKeepApart(t)
	for _, c := range cause.Causes() {
		if c.ID == "device-down" { // those that follow are told by evidence: see TestCauses
			return
		}
		if !told[c.ID] {
			t.Errorf("no check has the cause %s", c.ID)
		}
	}
}

// mustName fails if the check does not have the cause, or a check fails without one.
func mustName(t *testing.T, report verify.Report, check, id string, status verify.Verdict) {
	t.Helper()
	found := false
	for _, c := range report.Checks {
		found = found || c.ID == check && c.Cause == id && c.Status == status
		if c.ID == check && c.Place == "" {
			t.Errorf("it has no place: %s", fake.CheckText(c))
		}
		if c.Status == verify.Fail && c.Cause == "" {
			t.Errorf("it fails, and names no cause: %s", fake.CheckText(c))
		}
	}
	if !found {
		t.Errorf("no check %s with the cause %s\n%s", check, id, fake.ReportText(report))
	}
}
