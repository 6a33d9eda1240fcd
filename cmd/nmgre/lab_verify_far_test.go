package main

import (
	"encoding/json"
	"strings"
	"testing"

	"nmgre/testdata/lab"
)

// bothReport is verify --far --json.
type bothReport struct {
	Verdict string
	Checks  []struct{ ID, Status, Certainty, Place, Summary, Evidence, Hint string }
}

// verifyFar verifies the pair from linux1, and returns the first check of both ends that fails.
func verifyFar(t *testing.T) (first, place, certainty string, all bothReport) {
	t.Helper()
	r := lab.Linux1.Try("nmgre", "verify", "gre1", "--far", "linux2", "--json")
	if err := json.Unmarshal([]byte(r.Stdout), &all); err != nil {
		t.Fatalf("verify --far: %v: %s", err, r)
	}
	for _, c := range all.Checks {
		if c.Status == "fail" && strings.HasPrefix(c.ID, "both: ") {
			return strings.TrimPrefix(c.ID, "both: "), c.Place, c.Certainty, all
		}
	}
	return "", "", "", all
}

// dropGRE has a host drop GRE in a hook, from or to an address.
func dropGRE(t *testing.T, host lab.Host, hook, match string) func() {
	t.Helper()
	host.Run(t, "nft", "add table ip drops")
	host.Run(t, "nft", "add chain ip drops c { type filter hook "+hook+" priority 0 ; }")
	host.Run(t, "nft", "add rule ip drops c ip protocol gre "+match+" drop")
	return func() { host.Run(t, "nft", "delete table ip drops") }
}

// From both ends' evidence, verify names the direction and the culprit, proved; and the next pair
// mends the fault of the far end.
func TestLabVerifyFar(t *testing.T) {
	lab.Need(t)
	lab.Linux2.SSH(t, lab.Linux1)
	nmgreOn(t, lab.Linux1, exitDone, "pair", "linux2", "--key", "5")
	edit := func(flags ...string) func() func() {
		return func() func() {
			nmgreOn(t, lab.Linux2, exitDone, append([]string{"edit", "gre1", "--no-probe"}, flags...)...)
			return func() { nmgreOn(t, lab.Linux1, exitDone, "pair", "linux2", "gre1") }
		}
	}
	drop := func(host lab.Host, hook, match string) func() func() {
		return func() func() { return dropGRE(t, host, hook, match) }
	}
	for _, c := range []struct {
		what, id, place string
		make            func() func()
		sweep           bool // in make test-all only
	}{
		{"all is well", "", "", func() func() { return func() {} }, false},
		{"the keys differ", "key", "far-end", edit("--key", "6"), false},
		{"the inner address differs", "inner", "far-end", edit("--address", "172.16.0.6/30", "--peer-address", "172.16.0.1"), true},
		{"the far end is down", "there", "far-end", func() func() {
			lab.Linux2.Run(t, "nmgre", "down", "gre1")
			return func() { lab.Linux2.Run(t, "nmgre", "up", "gre1") }
		}, false},
		{"our firewall drops GRE on the way out", "to linux2", "own-firewall", drop(lab.Linux1, "output", "ip daddr 100.0.2.100"), true},
		{"the way drops GRE there", "to linux2", "way", drop(lab.Router, "forward", "ip daddr 100.0.2.100"), false},
		{"the far firewall drops GRE in", "to linux2", "far-firewall", drop(lab.Linux2, "input", "ip saddr 100.0.1.100"), false},
		{"the far firewall drops GRE out", "from linux2", "far-firewall", drop(lab.Linux2, "output", "ip daddr 100.0.1.100"), true},
		{"the way drops GRE back", "from linux2", "way", drop(lab.Router, "forward", "ip daddr 100.0.1.100"), true},
		{"our firewall drops GRE in", "from linux2", "own-firewall", drop(lab.Linux1, "input", "ip saddr 100.0.2.100"), false},
		{"the far end has no tunnel", "there", "far-end", func() func() {
			nmgreOn(t, lab.Linux2, exitDone, "delete", "gre1")
			return func() { nmgreOn(t, lab.Linux1, exitDone, "pair", "linux2", "gre1") }
		}, true},
	} {
		if c.sweep && !isSweep() {
			continue
		}
		mend := c.make()
		id, place, certainty, all := verifyFar(t)
		if id != c.id || place != c.place || c.id != "" && (certainty != "proved" || all.Verdict != "fail") || c.id == "" && all.Verdict != "pass" {
			t.Errorf("%s: %q at %q (%s), want %q at %q: %+v", c.what, id, place, certainty, c.id, c.place, all)
		}
		mend()
	}
	if id, _, _, all := verifyFar(t); id != "" || all.Verdict != "pass" {
		t.Errorf("mended, it says %q: %+v", id, all)
	}
	mustPing(t, lab.LAN1, lab.LAN2Addr)
}
