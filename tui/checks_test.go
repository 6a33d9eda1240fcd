package tui

import (
	"slices"
	"strings"
	"testing"

	"nmgre/nm/verify"
	"nmgre/nm/verify/place"
	"nmgre/tui/tuitest"
)

// keyReport is the report of a tunnel whose far end has another key.
func keyReport() *verify.Report {
	return &verify.Report{Tunnel: "gre1", Verdict: verify.Fail, Works: []place.Place{place.ThisHost, place.OwnFirewall, place.TheWay, place.FarFirewall}, Checks: []verify.Check{
		{ID: "profile", Status: verify.Pass, Certainty: verify.Proved, Summary: "NetworkManager has the profile, on disk"},
		{ID: "underlay", Status: verify.Pass, Certainty: verify.Proved, Summary: "the way to the far end does not lead into a tunnel", Facts: verify.Facts{"device": "eth0", "gateway": "100.0.1.1"}},
		{ID: "probe", Status: verify.Fail, Certainty: verify.Proved, Cause: "key-mismatch", Place: place.FarEnd, Summary: "the far end sends key 7, this tunnel expects no key",
			Evidence: "a GRE packet from 100.0.2.100 to 100.0.1.100 with key 7", Hint: "on this host: nmgre edit gre1 --key 7; or on the far end: nmgre edit TUNNEL --key none",
			Facts: verify.Facts{"mend_here": "nmgre edit gre1 --key 7", "mend_there": "nmgre edit TUNNEL --key none"}},
	}}
}

// The tab shows where the way breaks, copies the commands that mend it, and has the evidence on
// demand. On other tabs these keys say where they work.
func TestChecksTab(t *testing.T) {
	f := tuitest.New().WithTunnels()
	d := drive(t, f, Options{}, 80, 24)
	d.keys("i").must("i: the evidence is on the tab Checks (4)")
	d.keys("Y").must("Y: the command that mends the far end is on the tab Checks (4)")
	f.Report = keyReport()
	d.keys("v").must("✗ the far end", "breaks here", "the far end sends key 7, this tunnel expects no key (proved)", "on this host, y copies it:", "nmgre edit gre1 --key 7").mustNot("with key 7", "the LAN behind  answers")
	if d.keys("y"); d.copy != "nmgre edit gre1 --key 7" {
		t.Errorf("y copies %q", d.copy)
	}
	if d.keys("Y"); d.copy != "nmgre edit TUNNEL --key none" {
		t.Errorf("Y copies %q", d.copy)
	}
	d.keys("enter", "i").must("seen: a GRE packet from 100.0.2.100 to 100.0.1.100 with key 7")
	d.keys("i").mustNot("seen:")
	f.Report = nil
	d.keys("v", "y").must("here or later")
	if d.copy != "nmgre verify gre1" {
		t.Errorf("without a command that mends it y copies %q", d.copy)
	}
	f.Report = &verify.Report{Tunnel: "gre1", Verdict: verify.Pass}
	d.keys("v", "Y").must("Y: the report has no command for the far end")
}

// While a verification runs, its checks are counted, and the last picture stays.
func TestChecksWhileVerifying(t *testing.T) {
	f := tuitest.New().WithTunnels()
	d := drive(t, f, Options{}, 80, 24)
	d.m.detail.checks.At = d.m.log.Now()
	d.hold = true
	d.keys("v", "enter").must("verifying: the far end is probed … 4 checks made", "not yet known")
	d.m.detail.checks.At = d.m.log.Now()
	d.golden("verifying-80x24")
	late := d.held
	d.held = nil
	for _, msg := range late {
		d.take(msg)
	}
	d.must("here or later", "v verifies again")
	f.Report = keyReport()
	d.keys("v").must("this is the report of", "here or later").mustNot("breaks here")
	d.keys("i", "esc").must("no longer waiting for the checks", "here or later")
}

// A change of the tunnel makes the verdict on it an old one, which is not shown any more.
func TestAChangeForgetsTheVerdict(t *testing.T) {
	d := drive(t, tuitest.New().WithTunnels(), Options{}, 80, 24)
	for _, change := range []struct {
		call string
		keys []string
	}{
		{"edit ", []string{"e", "ctrl+n", "ctrl+n", "down", "down", "down", "down", "ctrl+u", "=1400", "ctrl+s", "enter", "enter"}},
		{"edit ", []string{"z", "y"}},
		{"down ", []string{"d", "y"}},
		{"up ", []string{"z", "y"}},
	} {
		d.keys("v")
		before, calls := d.m.detail.checks.Report, len(d.f.Calls)
		if before == nil {
			t.Fatal("there is no report")
		}
		d.keys(change.keys...).settle()
		made := slices.ContainsFunc(d.f.Calls[calls:], func(call string) bool { return strings.HasPrefix(call, change.call) })
		if !made || d.m.detail.checks.Report == before {
			t.Errorf("%sis made: %v, and the old report is still there: %v; calls %q", change.call, made, d.m.detail.checks.Report == before, d.f.Calls[calls:])
		}
	}
}

// Of all checks the ones that found something come first, and how to leave is on the first page of
// the help.
func TestFirstThingsFirst(t *testing.T) {
	d := drive(t, tuitest.New().WithTunnels(), Options{}, 80, 60)
	shown := d.keys("v", "enter", "i").must("warn probe", "pass profile").screen()
	if strings.Index(shown, "warn probe") > strings.Index(shown, "pass profile") {
		t.Errorf("the warning is below the checks that pass:\n%s", shown)
	}
	d = drive(t, tuitest.New().WithTunnels(), Options{}, 80, 24)
	d.must("q quit")
	d.keys("?").must("leave nmgre")
}
