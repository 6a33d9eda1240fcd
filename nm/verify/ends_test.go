package verify_test

import (
	"net/netip"
	"strings"
	"testing"

	"nmgre/nm"
	"nmgre/nm/verify"
	"nmgre/routes/kernel"
	"nmgre/testdata/fake"
	"nmgre/testdata/want"
)

// one returns the check with that ID as text; empty if there is none.
func one(r verify.Report, id string) string {
	for _, c := range r.Checks {
		if c.ID == id {
			return fake.CheckText(c)
		}
	}
	return ""
}

// The name of the far end is looked up again, and the profile's zone compared with firewalld's.
func TestNameAndZone(t *testing.T) {
	for name, c := range map[string]struct {
		change            func(*fake.World)
		wantName, wantOne string
	}{
		"as they were": {func(*fake.World) {}, "pass name (proved): gw.example.org still leads to 100.0.2.100", "pass zone (proved): firewalld has the tunnel in its zone work"},
		"one of several": {func(w *fake.World) {
			w.Names["gw.example.org"] = []netip.Addr{want.Addr("100.0.2.99"), want.Addr("100.0.2.100")}
		}, "pass name", ""},
		"leads elsewhere":          {func(w *fake.World) { w.Names["gw.example.org"] = []netip.Addr{want.Addr("100.0.2.99")} }, "warn name (proved): gw.example.org leads to 100.0.2.99 now, and the tunnel to 100.0.2.100", ""},
		"leads nowhere":            {func(w *fake.World) { delete(w.Names, "gw.example.org") }, "warn name (proved): not known whether the far end's name still leads to 100.0.2.100", ""},
		"to what is no end":        {func(w *fake.World) { w.Names["gw.example.org"] = []netip.Addr{want.Addr("127.0.0.1")} }, "warn name (proved): not known", ""},
		"another zone":             {func(w *fake.World) { w.Zone.Name = "public" }, "", "warn zone (proved): firewalld has the tunnel in its zone public, and the profile says work"},
		"a zone that is not there": {func(w *fake.World) { w.Zone.Name, w.Zones = "public", []string{"public", "trusted"} }, "", "warn zone (proved): firewalld has no zone work, which the profile names: the tunnel is in its zone public"},
		"no firewalld":             {func(w *fake.World) { w.Zone = nm.Zone{} }, "", "skip zone"},
	} {
		tunnel := usual(t)
		w, p, _ := verified(t, tunnel)
		p.Tunnel.PeerName, p.Tunnel.Zone = "gw.example.org", "work"
		w.Names, w.Zone = map[string][]netip.Addr{"gw.example.org": {want.Addr("100.0.2.100")}}, nm.Zone{Name: "work"}
		c.change(w)
		report, err := w.Start().Host().Verify(t.Context(), p.UUID, verify.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := one(report, "name"); !strings.HasPrefix(got, c.wantName) || strings.HasPrefix(got, "warn") && strings.Contains(got, "leads to 100.0.2.99") && !strings.Contains(got, "hint: follow the name: nmgre edit gre1 --peer auto") {
			t.Errorf("%s: %s", name, got)
		}
		if got := one(report, "zone"); !strings.HasPrefix(got, c.wantOne) {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// A tunnel that is never probed is judged by the counters of its device.
func TestOneWay(t *testing.T) {
	for name, c := range map[string]struct {
		counted kernel.Counters
		want    string
	}{
		"packets have come in": {kernel.Counters{RxPackets: 7}, "pass counters (likely): packets have come in through the tunnel, though none within 1s"},
		"it only sends":        {kernel.Counters{TxPackets: 7}, "pass counters (likely): packets go out without errors"},
		"nothing":              {kernel.Counters{}, "warn counters (proved): not proved: nothing has come in through the tunnel since it came up"},
		"some failed":          {kernel.Counters{RxPackets: 7, TxPackets: 9, TxErrors: 2}, "warn counters (likely): packets have come in through the tunnel, though none within 1s; 2 packets into it failed before"},
	} {
		w, p, l := verified(t, usual(t))
		p.Tunnel.NoProbe, l.Counters = true, c.counted
		report, err := w.Start().Host().Verify(t.Context(), p.UUID, verify.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := one(report, "counters"); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %s", name, got)
		}
		if got := one(report, "probe"); !strings.HasPrefix(got, "skip probe (proved): not probed: the profile says that the far end is never probed") {
			t.Errorf("%s: %s", name, got)
		}
	}
}
