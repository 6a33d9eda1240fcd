package tui

import (
	"strings"
	"testing"

	"nmgre/tui/tuitest"
)

// A change of the tunnel makes the verdict on it an old one, which is not shown any more.
func TestAChangeForgetsTheVerdict(t *testing.T) {
	d := drive(t, tuitest.New().WithTunnels(), Options{}, 80, 24)
	d.keys("v")
	before := d.m.detail.report
	if before == nil {
		t.Fatal("there is no report")
	}
	d.keys("d", "y").settle()
	if !d.f.Saw("down ") || d.m.detail.report == before {
		t.Errorf("the old report is still there; calls %q", d.f.Calls)
	}
}

// The check that fails is the first one, and how to leave is on the first page of the help.
func TestFirstThingsFirst(t *testing.T) {
	d := drive(t, tuitest.New().WithTunnels(), Options{}, 80, 24)
	if shown := d.keys("v").screen(); strings.Index(shown, "warn probe") > strings.Index(shown, "pass profile") {
		t.Errorf("the warning is below what passes:\n%s", shown)
	}
	d.must("q quit")
	d.keys("?").must("leave nmgre")
}
