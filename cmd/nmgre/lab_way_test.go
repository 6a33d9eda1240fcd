package main

import (
	"slices"
	"strings"
	"testing"

	"nmgre/testdata/lab"
)

// The picture of the way, on a terminal of 80 by 24, with faults that are made for real on this
// host, on the way and at the far end: the mark is where the fault is, the places before it work,
// and nothing is known of those behind. The command that y copies mends it.
func TestLabPictureOfTheWay(t *testing.T) {
	lab.Need(t)
	t.Cleanup(func() { lab.Router.Reset(t) })
	makeHealthy(t)
	s := sit(t, left.host, 80, 24, "nmgre")
	s.tmux("set-option", "-s", "set-clipboard", "on")
	s.wait("gre1", "profile")
	s.press("4", "Enter")
	s.wait("pass: the tunnel carries traffic", "✓ the far end      answers")
	for _, tc := range []struct {
		id    string
		shows []string
	}{
		{"D13", []string{"✓ the way          carries", "✗ the far firewall breaks here", "○ the far end      not known", "on the far end, Y copies it"}},
		{"D14", []string{"✓ its firewall     passes", "✗ the way          breaks here", "refused by 100.0.1.1", "○ the far firewall not known"}},
		{"D17", []string{"✓ its firewall     passes", "? the way          here or later", "○ the far end      not known"}},
		{"D19", []string{"✗ its firewall     breaks here", "✓ the way          carries", "✓ the far end      sends", "on this host, y copies it"}},
	} {
		row := causeRows[slices.IndexFunc(causeRows, func(r causeRow) bool { return r.id == tc.id })]
		take(t, row.does)
		s.press("v")
		t.Logf("%s %s:\n%s", row.id, row.name, s.wait(append(tc.shows, "fail: the tunnel has a fault")...))
		s.picture("way-" + row.id)
		if row.mend != "" {
			s.press("y")
			s.wait("copied the command that mends it")
			// root needs none, and the lab has none
			copied := strings.ReplaceAll(s.tmux("show-buffer"), "sudo ", "")
			s.host.Run(t, "sh", "-ec", copied)
			s.press("v")
			s.wait("pass: the tunnel carries traffic")
		}
		take(t, row.undo)
	}
	s.press("v")
	s.wait("pass: the tunnel carries traffic")
	s.press("q")
	s.wait("ended 0")
}
