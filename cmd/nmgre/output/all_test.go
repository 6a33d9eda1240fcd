package output

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"nmgre/nm"
	"nmgre/nm/verify"
	"nmgre/nm/verify/fleet"
	"nmgre/testdata/want"
)

// result is a report with a check that has decided on its verdict.
func result(name string, verdict verify.Verdict, c verify.Check) fleet.Result {
	p := nm.Profile{ID: name, UUID: "00000000-0000-4000-8000-000000000001", State: nm.StateActive, Tunnel: nm.Tunnel{Name: name, Autoconnect: true}}
	if c.Status = verdict; verdict == fleet.Down {
		c.Status, p.State, p.Tunnel.Autoconnect = verify.Skip, nm.StateInactive, false
	}
	checks := []verify.Check{{ID: "link", Status: verify.Pass, Summary: "the kernel's link agrees"}, c}
	if verdict == fleet.Down {
		checks = checks[1:]
	}
	return fleet.Result{Profile: p, Report: verify.Report{Tunnel: name, Verdict: verdict, Checks: checks}}
}

// mix has a tunnel of each kind.
func mix() []fleet.Result {
	list := []fleet.Result{
		result("gre1", verify.Pass, verify.Check{ID: "probe", Summary: "the far end answers: 172.16.0.2"}),
		result("gre2", verify.Fail, verify.Check{ID: "probe", Cause: "key-mismatch", Certainty: verify.Proved, Summary: "the far end sends key 7, this tunnel expects key 42",
			Hint: "on this host: nmgre edit gre2 --input-key 7; or on the far end: nmgre edit TUNNEL --output-key 42", Facts: verify.Facts{"mend_there": "nmgre edit TUNNEL --output-key 42", "mend_here": "nmgre edit gre2 --input-key 7"}}),
		result("gre3", verify.Fail, verify.Check{ID: "probe", Cause: "checksum-differs", Certainty: verify.Proved, Summary: "the far end's checksum option differs from this end's",
			Facts: verify.Facts{"mend_there": "sudo ip link set dev TUNNEL type gre nocsum"}}),
		result("gre4", verify.Fail, verify.Check{ID: "probe", Cause: "gre-silent", Certainty: verify.Likely, Summary: "the far end does not answer through the tunnel, but its outer address 100.0.2.100 does",
			Hint: "let IP protocol 47 through the firewalls on the way, and compare addresses and keys", Facts: verify.Facts{"make_there": "nmgre create --peer 100.0.1.100 --local 100.0.2.100 --address 172.16.0.2/30 --key 42"}}),
		result("gre5", fleet.Down, verify.Check{ID: "device", Summary: "the tunnel is down, and is not to come up by itself", Hint: "bring it up: nmgre up gre5"}),
		result("hub-to-branch-1", verify.Warn, verify.Check{ID: "ttl", Cause: "ttl-inherit", Certainty: verify.Proved, Summary: "the tunnel inherits the TTL: routing protocols, multicast and traceroute die on the first hop",
			Facts: verify.Facts{"mend_here": "nmgre edit hub-to-branch-1 --ttl 64"}}),
		result("gre\x1b[31m\u202e", verify.Fail, verify.Check{ID: "device", Summary: "the tunnel is not up: \x1b]0;x\x07", Hint: "bring it up: nmgre up 'gre\x1b'"}),
		result("gre9", verify.Pass, verify.Check{ID: "probe", Summary: "the far end answers: 172.16.9.2"}),
		result("gre9", fleet.Down, verify.Check{ID: "device", Summary: "the tunnel is down: another one has its device"}),
	}
	last := &list[len(list)-1].Profile
	last.ID, last.UUID = "the old\none", "00000000-0000-4000-8000-000000000002"
	return list
}

// A person sees these tables: in a pipe, on a usual terminal, and on a narrow one.
func TestAll(t *testing.T) {
	for _, width := range []int{0, 80, 50} {
		var b bytes.Buffer
		if err := All(&b, mix(), width); err != nil {
			t.Fatal(err)
		}
		want.Golden(t, fmt.Sprintf("all-%d.out", width), b.String())
		for line := range strings.Lines(b.String()) {
			text := strings.TrimRight(line, "\n")
			if fits := max(width, 24+2+verdictWidth+2+leastText); width > 0 && !isCommand(text) && utf8.RuneCountInString(text) > fits {
				t.Errorf("%d columns: the line has %d: %s", width, utf8.RuneCountInString(text), text)
			}
			if strings.ContainsAny(text, "\x1b\x07\u202e") {
				t.Errorf("%q can do harm", text)
			}
		}
	}
}

// isCommand says whether a line has something to copy, which is not broken.
func isCommand(line string) bool {
	line = strings.TrimPrefix(strings.TrimSpace(line), "hint: ")
	return strings.HasPrefix(line, "nmgre ") || strings.HasPrefix(line, "sudo ") || strings.HasPrefix(line, "profile ")
}

// A program reads this form.
func TestAllJSON(t *testing.T) {
	var b bytes.Buffer
	if err := AllJSON(&b, mix()); err != nil {
		t.Fatal(err)
	}
	want.Golden(t, "all-json.out", b.String())
	b.Reset()
	if err := AllJSON(&b, nil); err != nil {
		t.Fatal(err)
	}
	want.Same(t, "no reports", b.String(), "{\n  \"verdict\": \"pass\",\n  \"counts\": {\n    \"pass\": 0,\n    \"warn\": 0,\n    \"fail\": 0,\n    \"down\": 0\n  },\n  \"reports\": []\n}\n")
}

func TestBroken(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  string
	}{
		{"", 10, ""}, {"one two three", 7, "one two|three"}, {"one two three", 100, "one two three"}, {"much-longer-than-that x", 5, "much-longer-than-that|x"}, {"äöü äöü", 7, "äöü äöü"},
	} {
		if got := strings.Join(broken(c.text, c.width), "|"); got != c.want {
			t.Errorf("%q in %d columns: %q", c.text, c.width, got)
		}
	}
}

// A default route is called so in the report for people. A network that only begins like it is not.
func TestReportNamesDefaultRoutes(t *testing.T) {
	for id, name := range map[string]string{"route 0.0.0.0/0": "route default", "route ::/0 metric 50": "route default metric 50", "route 10.0.0.0/8": "route 10.0.0.0/8", "mtu": "mtu"} {
		var b strings.Builder
		report := verify.Report{Verdict: verify.Pass, Checks: []verify.Check{{ID: id, Status: verify.Pass}}}
		if err := Report(&b, report, true, false); err != nil || !strings.HasPrefix(b.String(), "pass  "+name+" ") {
			t.Errorf("%s: %v\n%s", id, err, b.String())
		}
	}
}
