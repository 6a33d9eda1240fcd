package fleet_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"nmgre/nm/verify"
	"nmgre/nm/verify/fleet"
	"nmgre/routes/fault"
	"nmgre/testdata/fake"
	"nmgre/testdata/want"
)

// Each address behind the far ends is asked through the tunnel that leads there, and the report is
// that of this tunnel alone with the same address.
func TestTo(t *testing.T) {
	w := hub(t, 5)
	w.Named("gre4").Tunnel.Autoconnect = false
	w.BringDown(w.Named("gre4"))
	w.Settle()
	w.RemoveRoutes("10.100.5.0/24") // its tunnel is to say so
	to := map[string][]netip.Addr{"gre2": {want.Addr("10.100.2.9"), want.Addr("10.100.2.10")}, "gre3": {want.Addr("10.100.3.9")}, "gre5": {want.Addr("10.100.5.9")}}
	opts := fleet.Options{To: []netip.Addr{to["gre2"][0], to["gre3"][0], to["gre5"][0], to["gre2"][1]}}
	for _, r := range verified(t, w.Start(), opts) {
		if r.Verdict == fleet.Down {
			continue
		}
		alone, err := w.Start().Host().Verify(t.Context(), r.Tunnel, verify.Options{To: to[r.Tunnel], Networks: true})
		if err != nil {
			t.Fatal(err)
		}
		r.Checks[0], alone.Checks[0] = verify.Check{}, verify.Check{}
		want.Same(t, r.Tunnel, fake.ReportText(r.Report), fake.ReportText(alone))
		if n := strings.Count(fake.ReportText(r.Report), "to 10."); n < len(to[r.Tunnel]) {
			t.Errorf("%s has %d addresses to ask\n%s", r.Tunnel, n, fake.ReportText(r.Report))
		}
	}
}

// An address that no tunnel leads to is refused, as are those that no tunnel can lead to, and too
// many. Nothing is sent then.
func TestToRefused(t *testing.T) {
	w := hub(t, 3)
	w.Named("gre3").Tunnel.Autoconnect = false
	w.BringDown(w.Named("gre3"))
	w.Settle()
	var many []netip.Addr
	for i := range verify.MaxTo + 1 {
		many = append(many, netip.AddrFrom4([4]byte{10, 100, 1, byte(i)}))
	}
	for _, c := range []struct {
		opts fleet.Options
		says string
	}{
		{fleet.Options{To: []netip.Addr{want.Addr("192.0.2.77")}}, "no tunnel that is verified leads to 192.0.2.77"},
		// it is down
		{fleet.Options{To: []netip.Addr{want.Addr("10.100.3.9")}}, "no tunnel that is verified leads to 10.100.3.9"},
		{fleet.Options{To: []netip.Addr{want.Addr("100.0.2.100")}}, ""},
		{fleet.Options{To: []netip.Addr{many[0], many[0]}}, "twice"},
		{fleet.Options{To: many}, "33 addresses are more than 32"},
		{fleet.Options{To: many[:1], NoProbe: true}, "without probes"},
	} {
		p := w.Start()
		_, err := p.Host().VerifyAll(t.Context(), c.opts)
		if !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), c.says) || counts(p)["Probe"] > 0 {
			t.Errorf("%v: %v, %d probes", c.opts.To, err, counts(p)["Probe"])
		}
	}
}

// A way that cannot be looked up ends it.
func TestToFails(t *testing.T) {
	p := hub(t, 2).Start()
	p.Fault = func(_ int, m string) (f fake.Fault) {
		if m == "Lookup" {
			f.Err = fake.ErrBroken
		}
		return f
	}
	if _, err := p.Host().VerifyAll(t.Context(), fleet.Options{To: []netip.Addr{want.Addr("10.100.1.9")}}); !errors.Is(err, fake.ErrBroken) || counts(p)["Probe"] > 0 {
		t.Errorf("%v", err)
	}
}
