package tui

import (
	"fmt"
	"testing"

	"nmgre/tui/tuitest"
)

// Every screen at three sizes: comfortable, wide, and the smallest that is usable. They are without
// colour, which is easier to read; some follow with colour and in ASCII.
func TestScreens(t *testing.T) {
	sizes := []struct{ width, height int }{{80, 24}, {120, 40}, {40, 15}}
	for _, tc := range []struct {
		name  string
		empty bool
		keys  []string
		kept  bool
		fault bool // the far end has another key
		as    string
	}{
		{name: "empty", empty: true},
		{name: "overview"},
		{name: "differences", keys: []string{"j", "enter"}},
		{name: "kept", keys: []string{"enter", "end"}, kept: true},
		{name: "routes", keys: []string{"3", "enter"}},
		{name: "checks", keys: []string{"v", "enter"}},
		{name: "checks-broken", keys: []string{"v", "enter"}, fault: true},
		{name: "checks-evidence", keys: []string{"v", "enter", "i", "end"}, fault: true},
		{name: "far-end", keys: []string{"5", "enter"}},
		{name: "far-end-as", keys: []string{"5", "enter"}, as: "cisco-ios"},
		{name: "far-end-refused", keys: []string{"j", "5", "enter"}, as: "routeros"},
		{name: "far-end-list", keys: []string{"j", "5", "enter", "o"}, as: "networkd"},
		{name: "log", keys: []string{"j", "j", "u", "6", "enter"}},
		{name: "filter", keys: []string{"/", "=paris"}},
		{name: "help", keys: []string{"?"}},
		{name: "delete", keys: []string{"x"}},
		{name: "wizard-endpoints", keys: []string{"n", "tab", "=100.0.2.7"}},
		{name: "wizard-error", keys: []string{"n", "tab", "=100.0.2.300", "ctrl+n"}},
		{name: "wizard-inner", keys: []string{"n", "tab", "=100.0.2.7", "ctrl+n"}},
		{name: "wizard-options", keys: []string{"n", "tab", "=100.0.2.7", "ctrl+n", "ctrl+n", "right", "down", "=0x2a"}},
		{name: "wizard-routes", keys: []string{"n", "tab", "=100.0.2.7", "ctrl+n", "ctrl+n", "ctrl+n", "=10.20.0.0/16", "enter", "=10.30.0.0/16 nexthop via 172.16.0.2 nexthop dev gre1"}},
		{name: "wizard-snat", keys: []string{"n", "tab", "=100.0.2.7", "ctrl+n", "ctrl+n", "ctrl+n", "=10.20.0.0/16", "ctrl+n", "space", "down", "down", "=10.10.1.0/24=masquerade"}},
		{name: "preview", keys: []string{"n", "tab", "=100.0.2.7", "ctrl+n", "ctrl+n", "ctrl+n", "=10.20.0.0/16", "ctrl+s"}},
		{name: "applied", keys: []string{"n", "tab", "=100.0.2.7", "ctrl+n", "ctrl+n", "ctrl+n", "=10.20.0.0/16", "ctrl+s", "enter"}},
		{name: "far-commands", keys: []string{"n", "tab", "=100.0.2.7", "ctrl+n", "ctrl+n", "ctrl+n", "=10.20.0.0/16", "ctrl+s", "enter", "enter", "y"}},
		{name: "edit-difference", keys: []string{"e", "ctrl+n", "ctrl+n", "down", "down", "down", "down", "=\b", "backspace", "backspace", "backspace", "backspace", "=1400", "ctrl+s"}},
		{name: "leave", keys: []string{"n", "tab", "=100.0.2.7", "esc"}},
	} {
		for _, size := range sizes {
			name := fmt.Sprintf("%s-%dx%d", tc.name, size.width, size.height)
			t.Run(name, func(t *testing.T) {
				f := tuitest.New()
				if !tc.empty {
					f.WithTunnels()
				}
				if tc.kept {
					f.KeepSome()
				}
				if tc.fault {
					f.Report = keyReport()
				}
				if tc.as != "" {
					f.Chosen = map[string]string{tuitest.UUID(1): tc.as, tuitest.UUID(2): tc.as}
				}
				d := drive(t, f, Options{}, size.width, size.height)
				d.m.detail.checks.At = d.m.log.Now()
				d.keys(tc.keys...)
				d.m.detail.checks.At = d.m.log.Now()
				d.golden(name)
			})
		}
	}
}

func TestScreensInColor(t *testing.T) {
	for _, size := range []struct{ width, height int }{{80, 24}, {120, 40}, {40, 15}} {
		for name, keys := range map[string][]string{"overview": {"j"}, "checks": {"v"}, "wizard": {"n", "tab", "=100.0.2.300", "tab"}} {
			name := fmt.Sprintf("%s-color-%dx%d", name, size.width, size.height)
			t.Run(name, func(t *testing.T) {
				f := tuitest.New().WithTunnels()
				d := drive(t, f, Options{Color: true}, size.width, size.height)
				d.keys(keys...)
				d.m.detail.checks.At = d.m.log.Now()
				d.golden(name)
			})
		}
	}
}

// With --ascii nothing but ASCII is drawn, whatever is on the screen.
func TestScreensInASCII(t *testing.T) {
	f := tuitest.New().WithTunnels()
	d := drive(t, f, Options{ASCII: true}, 80, 24)
	for _, keys := range [][]string{{}, {"j"}, {"3"}, {"v"}, {"5"}, {"6"}, {"?"}, {"esc"}, {"n"}, {"tab"}, {"=100.0.2.7"}, {"ctrl+s"}, {"enter"}, {"enter"}, {"esc"}} {
		d.keys(keys...)
		for _, r := range d.screen() {
			if r > 126 {
				t.Fatalf("%q is not ASCII after %v:\n%s", r, keys, d.screen())
			}
		}
	}
	d.golden("overview-ascii-80x24")
}
