package verify

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nmgre/nm/verify/cause"
	"nmgre/nm/verify/place"
	"nmgre/testdata/want"
)

// For each case of a cause: where the fault is, and which places are seen to work, by somebody who
// may listen and by somebody who may not. A place is never both.
func TestPlaces(t *testing.T) {
	files, err := filepath.Glob("testdata/cause/*.txt")
	if err != nil || len(files) < 60 {
		t.Fatalf("%d cases, %v", len(files), err)
	}
	text := ""
	for _, file := range files {
		input, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		facts, _, _ := strings.Cut(string(input), want.Rule+"\n")
		ev := readFacts(t, facts)
		heard := reportOf(t, ev)
		unheard := reportOf(t, unprivileged(ev))
		text += fmt.Sprintf("%s\n  %s\n  without privileges: %s\n", strings.TrimSuffix(filepath.Base(file), ".txt"), placesText(t, heard), placesText(t, unheard))
		mustNotWorkMore(t, file, heard, unheard)
	}
	want.Golden(t, "places.txt", text)
}

// placesText lists the faults of the report with their places, and the places that work.
func placesText(t *testing.T, r Report) string {
	t.Helper()
	var faults []string
	for _, c := range r.Checks {
		if c.Status != Fail && c.Status != Warn {
			continue
		}
		faults = append(faults, fmt.Sprintf("%s at %s (%s)", c.Status, c.Place, c.Certainty))
		if c.Status == Fail && slices.Contains(r.Works, c.Place) {
			t.Errorf("%s is faulty, and works", c.Place)
		}
	}
	if len(faults) == 0 {
		faults = []string{"no fault"}
	}
	return fmt.Sprintf("%s; works: %s", strings.Join(faults, ", "), joinPlaces(r.Works))
}

func joinPlaces(list []place.Place) string {
	var words []string
	for _, p := range list {
		words = append(words, string(p))
	}
	return strings.Join(words, " ")
}

// mustNotWorkMore fails if somebody who may not listen is told that more works.
func mustNotWorkMore(t *testing.T, file string, heard, unheard Report) {
	t.Helper()
	for _, p := range unheard.Works {
		faulty := slices.ContainsFunc(heard.Checks, func(c Check) bool { return c.Place == p && c.Status == Fail })
		if !slices.Contains(heard.Works, p) && !faulty {
			t.Errorf("%s: only without privileges %s works", file, p)
		}
	}
}

// A fault that a check tells in its own words has the place of its cause. Without a cause it is
// this host's, unless the check looks farther: then nothing is known of its place.
func TestPlacesWithoutFinding(t *testing.T) {
	var r Report
	for _, tc := range []struct {
		check Check
		place place.Place
	}{
		{Check{ID: "device", Status: Fail, Cause: cause.NotUp}, place.ThisHost}, {Check{ID: "firewall", Status: Warn, Cause: cause.FirewallDrops}, place.OwnFirewall},
		{Check{ID: "profile", Status: Warn}, place.ThisHost}, {Check{ID: "profile", Status: Pass}, ""}, {Check{ID: probeID, Status: Warn}, ""},
		{Check{ID: "to 10.10.2.1", Status: Warn}, ""}, {Check{ID: "mtu", Status: Warn, Place: place.TheWay}, place.TheWay},
	} {
		r.add(tc.check)
		if got := r.Checks[len(r.Checks)-1].Place; got != tc.place {
			t.Errorf("%s %s: placed at %q, want %q", tc.check.ID, tc.check.Status, got, tc.place)
		}
	}
	r.setWorks([]place.Place{place.ThisHost, place.OwnFirewall, place.TheWay, place.FarEnd})
	if got := joinPlaces(r.Works); got != "own-firewall way far-end" {
		t.Errorf("%s work", got)
	}
}

// The hint of a check without a cause has the command that mends it behind a colon. A command that
// only shows something mends nothing.
func TestCommandsOfHints(t *testing.T) {
	for _, tc := range [][3]string{
		{"bring it up: nmgre up gre1", "bring it up", "nmgre up gre1"},
		{"make a new link: nmgre down gre1 && nmgre up gre1", "make a new link", "nmgre down gre1 && nmgre up gre1"},
		{"set it again: sudo nmgre up gre1", "set it again", "sudo nmgre up gre1"},
		{"write it to disk: nmcli connection modify 'a: b' connection.autoconnect yes", "write it to disk", "nmcli connection modify 'a: b' connection.autoconnect yes"},
		{"another route takes them: ip route show 10.0.0.0/8", "", ""}, {"try again in a moment", "", ""}, {"", "", ""},
	} {
		var r Report
		r.add(Check{ID: "device", Status: Fail, Hint: tc[0]})
		command, _ := r.Checks[0].Facts["mend_here"].(string)
		if c := r.Checks[0]; c.Hint != tc[0] || c.Advice != tc[1] || command != tc[2] {
			t.Errorf("%q: advice %q, command %q", tc[0], c.Advice, command)
		}
	}
}
