package draw

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"nmgre/nm"
	"nmgre/nm/nmcli"
	"nmgre/nm/plan"
	"nmgre/routes"
	"nmgre/routes/gre"
)

func TestSparkline(t *testing.T) {
	th := NewTheme(false, false)
	for _, tc := range []struct {
		values []float64
		width  int
		want   string
	}{
		{nil, 5, ""}, {[]float64{0, 0}, 5, "  "}, {[]float64{1, 4, 8}, 5, "▁▄█"}, {[]float64{9, 0.001, 8, 8}, 3, "▁██"},
	} {
		if got := th.Sparkline(tc.values, tc.width); got != tc.want {
			t.Errorf("%v: %q, want %q", tc.values, got, tc.want)
		}
	}
}

// Long commands break where a shell takes it, and quoted words stay whole.
func TestCommandsBreakForAShell(t *testing.T) {
	for _, ln := range Command("nmgre create --peer 100.0.2.100 --route '10.0.0.0/8 via 172.16.0.2' --mtu 1476", 44, "  ") {
		s := ln[0].Text + ln[1].Text
		if Cells(s) > 44 || strings.HasSuffix(s, "--peer \\") || strings.Count(s, "'")%2 == 1 {
			t.Errorf("%q", s)
		}
	}
}

// A long command is shown whole: a part of it would be another command.
func TestLongCommandsAreWhole(t *testing.T) {
	far := nm.NewTunnel()
	far.Name, far.Mode, far.Remote, far.Addresses = "gre1", gre.ModeGRE, netip.MustParseAddr("100.0.1.100"), []netip.Prefix{netip.MustParsePrefix("172.16.0.2/30")}
	for i := range 300 {
		far.Routes = append(far.Routes, routes.MustParse(fmt.Sprintf("10.%d.%d.0/24", 20+(i>>8), i&255)))
	}
	shown := func(lines []Line) string {
		var b strings.Builder
		for _, ln := range lines {
			b.WriteString(ln.Plain() + "\n")
		}
		return b.String()
	}
	if all := shown(FarEndText(nm.FarEnd{Tunnel: far}, 76)); strings.Count(all, "10.21.43.0/24") < 4 {
		t.Errorf("the last route stands there %d times", strings.Count(all, "10.21.43.0/24"))
	}
	p := &plan.Plan{Steps: []plan.Step{{What: "x", Commands: []string{nmcli.Add(far)}}}}
	if all := shown(PlanLines(NewTheme(false, true), p, 76)); !strings.Contains(all, "10.21.43.0/24") {
		t.Error("the plan lacks the last route")
	}
}

// Whatever text comes to be drawn, nothing in it acts on the terminal.
func TestNothingActsOnTheTerminal(t *testing.T) {
	th := NewTheme(false, false)
	row := th.Render(30, Line{Plain.Of("a\x1b[2Jb"), Plain.Of("\u202e\r\x00隧道")})
	if strings.ContainsAny(row, "\x1b\r\x00\u202e") || Cells(row) != 30 {
		t.Errorf("%q has %d cells", row, Cells(row))
	}
}
