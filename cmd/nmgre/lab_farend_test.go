package main

import (
	"encoding/json"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"nmgre/testdata/lab"
)

// farEndLine is the command for the far end in the output of create, edit and show.
var farEndLine = regexp.MustCompile(`(?m)^far end: +(nmgre create .*)$`)

// farEndOf returns the command for the far end that nmgre has printed; empty if there is none.
func farEndOf(r lab.Result) string {
	if found := farEndLine.FindStringSubmatch(r.Stdout); found != nil {
		return found[1]
	}
	return ""
}

// makeFarEnd types the printed command for the far end on the far host, as it stands.
func makeFarEnd(t *testing.T, far lab.Host, printed lab.Result) lab.Result {
	t.Helper()
	line := farEndOf(printed)
	if line == "" {
		t.Fatalf("there is no line for the far end:\n%s%s", printed.Stdout, printed.Stderr)
	}
	r := far.Try("sh", "-c", line)
	if r.Code != exitDone {
		t.Fatalf("%s: %s\n%s", far, line, r)
	}
	return r
}

// farEndCase is a tunnel whose printed line for the far end is typed there.
type farEndCase struct {
	name    string
	prepare func(t *testing.T)
	create  []string
	reaches []string // from the near end
	told    string
}

var farEndCases = []farEndCase{
	{name: "plain", create: []string{"--peer", "100.0.2.100", "--address", "172.16.0.1/30", "--route", "10.10.2.0/24"}, reaches: []string{"172.16.0.2", lab.LAN2Addr}},
	{name: "both families", create: []string{"--peer", "100.0.2.100", "--address", "172.16.0.1/30", "--address", "fd00:9::1/126"}, reaches: []string{"172.16.0.2", "fd00:9::2"}},
	{name: "two networks", create: []string{"--peer", "100.0.2.100", "--address", "172.16.0.1/30", "--address", "172.17.0.1/30"}, reaches: []string{"172.16.0.2", "172.17.0.2"},
		told: "the far end's inner address may be 172.16.0.2 or 172.17.0.2"},
	{name: "a wide network", create: []string{"--peer", "100.0.2.100", "--address", "172.16.4.1/24"}, reaches: []string{"172.16.4.2"}, told: "nmgre edit gre1 --peer-address 172.16.4.2"},
	{name: "two speakers", create: []string{"--peer", "100.0.2.100", "--address", "169.254.10.1/29", "--peer-address", "169.254.10.2", "--peer-address", "169.254.10.3"},
		reaches: []string{"169.254.10.2", "169.254.10.3"}},
	{name: "over IPv6", create: []string{"--peer", lab.Linux2WAN6, "--mode", "ip6gre", "--address", "172.16.0.1/30"}, reaches: []string{"172.16.0.2"}},
	{name: "Ethernet", create: []string{"--peer", "100.0.2.100", "--mode", "gretap", "--address", "172.16.0.1/30", "--route", "10.10.2.0/24"}, reaches: []string{"172.16.0.2", lab.LAN2Addr}},
	{name: "bound to a device", create: []string{"--peer", "100.0.2.100", "--address", "172.16.0.1/30", "--parent", "eth0"}, reaches: []string{"172.16.0.2"}, told: "this end is bound to eth0"},
	{name: "the local address of a rule", prepare: localByRule, create: []string{"--peer", "100.0.2.100", "--address", "172.16.0.1/30"}, reaches: []string{"172.16.0.2"}},
	{name: "link-local", prepare: linkLocal, create: []string{"--peer", "fe80::b", "--local", "fe80::a", "--parent", "direct", "--mode", "ip6gre", "--address", "172.16.0.1/30"},
		reaches: []string{"172.16.0.2"}, told: "the far end's tunnel is bound to the device that has fe80::b there"},
}

// moreFarEndCases differ from others in their words only.
var moreFarEndCases = []farEndCase{
	{name: "keys", create: []string{"--peer", "100.0.2.100", "--address", "172.16.0.1/31", "--input-key", "0", "--output-key", "7", "--ttl", "9"}, reaches: []string{"172.16.0.0"}},
	{name: "both families, one wide", create: []string{"--peer", "100.0.2.100", "--address", "172.16.0.1/30", "--address", "fd00:9::1/64"}, reaches: []string{"172.16.0.2", "fd00:9::2"},
		told: "the far end may have any other address of fd00:9::/64: its line proposes fd00:9::2"},
	{name: "two networks, one with the gateway", create: []string{"--peer", "100.0.2.100", "--address", "172.16.0.1/30", "--address", "172.17.0.1/24", "--route", "10.10.2.0/24 via 172.17.0.9"},
		reaches: []string{"172.16.0.2", "172.17.0.9", lab.LAN2Addr}},
	{name: "a public network beside a private one", create: []string{"--peer", "100.0.2.100", "--address", "203.0.113.1/30", "--address", "172.16.0.1/30"}, reaches: []string{"172.16.0.2"}},
	{name: "single addresses", create: []string{"--peer", "100.0.2.100", "--address", "172.16.0.1/32", "--peer-address", "172.16.9.2"}, reaches: []string{"172.16.9.2"}},
	{name: "any local address", prepare: localByRule, create: []string{"--peer", "100.0.2.100", "--local", "any", "--address", "172.16.0.1/30"}, reaches: []string{"172.16.0.2"}},
}

// Each printed line for the far end, typed there as it stands, makes a tunnel that carries traffic.
func TestLabFarEnd(t *testing.T) { typeFarEnds(t, farEndCases) }

// The same for more of them.
//
//lab:sweep
func TestLabFarEndMore(t *testing.T) { typeFarEnds(t, moreFarEndCases) }

func typeFarEnds(t *testing.T, cases []farEndCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			lab.Need(t)
			if c.prepare != nil {
				c.prepare(t)
			}
			near := nmgreOn(t, lab.Linux1, exitDone, append([]string{"create"}, c.create...)...)
			if !strings.Contains(near.Stderr, c.told) {
				t.Errorf("stderr lacks %q:\n%s", c.told, near.Stderr)
			}
			if shown := farEndOf(nmgreOn(t, lab.Linux1, exitDone, "show", "gre1")); shown != farEndOf(near) {
				t.Errorf("show has another line than create:\n%s\n%s", shown, farEndOf(near))
			}
			makeFarEnd(t, lab.Linux2, near)
			for _, to := range c.reaches {
				from := lab.Linux1
				if to == lab.LAN2Addr {
					from = lab.LAN1
				}
				mustPing(t, from, to)
			}
			if got := verdict(t, lab.Linux2, exitDone, "gre1"); got != "pass" {
				t.Errorf("the far end's verdict is %s", got)
			}
		})
	}
}

// localByRule gives linux1 a second outer address, which a rule prefers towards linux2.
func localByRule(t *testing.T) {
	t.Helper()
	lab.Linux1.Run(t, "ip", "address", "add", "100.0.1.101/24", "dev", "eth0")
	lab.Linux1.Run(t, "ip", "route", "add", "default", "via", "100.0.1.1", "dev", "eth0", "src", "100.0.1.101", "table", "77")
	lab.Linux1.Run(t, "ip", "rule", "add", "to", "100.0.2.100", "lookup", "77", "priority", "77")
	t.Cleanup(func() {
		lab.Linux1.Try("ip", "rule", "del", "priority", "77")
		lab.Linux1.Try("ip", "route", "flush", "table", "77")
		lab.Linux1.Try("ip", "address", "del", "100.0.1.101/24", "dev", "eth0")
	})
}

// linkLocal joins linux1 and linux2 by a cable of their own, with link-local addresses alone.
func linkLocal(t *testing.T) {
	t.Helper()
	pid := func(h lab.Host) string { return strconv.Itoa(h.Pid()) }
	out, err := exec.Command("ip", "link", "add", "name", "direct", "netns", pid(lab.Linux1), "type", "veth", "peer", "name", "direct", "netns", pid(lab.Linux2)).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Cleanup(func() { lab.Linux1.Try("ip", "link", "del", "direct") })
	for host, address := range map[lab.Host]string{lab.Linux1: "fe80::a/64", lab.Linux2: "fe80::b/64"} {
		host.Try("nmcli", "device", "set", "direct", "managed", "no")
		host.Run(t, "ip", "link", "set", "direct", "up")
		host.Run(t, "ip", "address", "add", address, "dev", "direct", "nodad")
	}
	if !lab.Ping(t, lab.Linux1, "fe80::b%direct") {
		t.Fatal("the cable does not work")
	}
}

// A far end with several inner addresses gets a probe at each, and verify names the one that is
// silent.
func TestLabSeveralPeerAddresses(t *testing.T) {
	lab.Need(t)
	near := nmgreOn(t, lab.Linux1, exitDone, "create", "--peer", "100.0.2.100", "--address", "169.254.10.1/29", "--peer-address", "169.254.10.2", "--peer-address", "169.254.10.3")
	makeFarEnd(t, lab.Linux2, near)
	if got := verdict(t, lab.Linux1, exitDone, "gre1"); got != "pass" {
		t.Errorf("verify says %s", got)
	}
	var shown struct {
		PeerAddress   string   `json:"peer_address"`
		PeerAddresses []string `json:"peer_addresses"`
	}
	if err := json.Unmarshal([]byte(nmgreOn(t, lab.Linux1, exitDone, "show", "gre1", "--json").Stdout), &shown); err != nil {
		t.Fatal(err)
	}
	if shown.PeerAddress != "169.254.10.2" || !slices.Equal(shown.PeerAddresses, []string{"169.254.10.2", "169.254.10.3"}) {
		t.Errorf("show has %+v", shown)
	}
	lab.Linux2.Run(t, "ip", "address", "del", "169.254.10.3/29", "dev", "gre1")
	if r := nmgreOn(t, lab.Linux1, exitFault, "verify", "gre1"); !strings.Contains(r.Stdout, "nothing comes back from 169.254.10.3") {
		t.Errorf("verify does not name the silent address:\n%s", r.Stdout)
	}
	nmgreOn(t, lab.Linux1, exitDone, "edit", "gre1", "--peer-address", "169.254.10.2")
	if got := verdict(t, lab.Linux1, exitDone, "gre1"); got != "pass" {
		t.Errorf("with the address that is left, verify says %s", got)
	}
	// the list is kept in the profile, whichever process wrote it
	file := "/etc/NetworkManager/system-connections/gre1.nmconnection"
	if text := lab.Linux1.Run(t, "cat", file); strings.Contains(text, "169.254.10.3") || !strings.Contains(text, "169.254.10.2") {
		t.Errorf("the profile has the old addresses:\n%s", text)
	}
	nmgreOn(t, lab.Linux1, exitDone, "edit", "gre1", "--peer-address", "169.254.10.3", "--peer-address", "169.254.10.2", "--no-probe")
	lab.Linux1.RestartNM(t)
	if r := nmgreOn(t, lab.Linux1, exitDone, "show", "gre1"); !strings.Contains(r.Stdout, "169.254.10.3, 169.254.10.2") {
		t.Errorf("after a restart of NetworkManager show has:\n%s", r.Stdout)
	}
}

// A link made by hand may have options that NetworkManager cannot hold. Then the line for the far
// end is one of ip's, or there is a note.
func TestLabFarEndOfAHandMadeLink(t *testing.T) {
	for _, c := range []struct{ words, told string }{
		{"csum", " --checksum"},
		{"seq", " --sequence"},
		{"ignore-df nopmtudisc", "ignore-df"},
	} {
		t.Run(c.words, func(t *testing.T) {
			lab.Need(t)
			lab.Linux1.Run(t, "sh", "-c", "ip link add gre7 type gre remote 100.0.2.100 local 100.0.1.100 "+c.words+" && ip address add 172.16.0.1/30 dev gre7 && ip link set gre7 up")
			t.Cleanup(func() { lab.Linux1.Try("ip", "link", "del", "gre7"); lab.Linux2.Try("ip", "link", "del", "gre1") })
			waitShown(t, lab.Linux1, "gre7")
			r := nmgreOn(t, lab.Linux1, exitDone, "show", "gre7")
			if !strings.Contains(r.Stdout, c.told) {
				t.Errorf("show lacks %q:\n%s", c.told, r.Stdout)
			}
			var shown struct {
				FarEnd struct{ IP []string } `json:"far_end"`
			}
			if err := json.Unmarshal([]byte(nmgreOn(t, lab.Linux1, exitDone, "show", "gre7", "--json").Stdout), &shown); err != nil {
				t.Fatal(err)
			}
			if farEndOf(r) != "" {
				makeFarEnd(t, lab.Linux2, r)
			} else {
				lab.Linux2.Run(t, "sh", "-c", strings.Join(shown.FarEnd.IP, " && "))
			}
			mustPing(t, lab.Linux1, "172.16.0.2")
		})
	}
}

// waitShown waits until NetworkManager has found a link.
func waitShown(t *testing.T, host lab.Host, name string) {
	t.Helper()
	for range 50 {
		if host.Try("nmgre", "show", name).Code == exitDone {
			return
		}
		host.Try("sleep", "0.1")
	}
	t.Fatalf("%s: NetworkManager does not show %s", host, name)
}

// The wizard at the second end begins with the line that the first one printed, or with its inner
// address: with all else as it proposes, the tunnel carries traffic.
func TestLabWizardAtTheSecondEnd(t *testing.T) {
	for name, answers := range map[string]func(line string) []string{
		"the line":    func(line string) []string { return []string{line} },
		"the address": func(string) []string { return []string{"172.16.0.1/30", "100.0.1.100"} },
	} {
		t.Run(name, func(t *testing.T) {
			lab.Need(t)
			near := nmgreOn(t, lab.Linux1, exitDone, "create", "--peer", "100.0.2.100", "--address", "172.16.0.1/30")
			const enough = 40 // empty answers, which take the proposals; those too many are asked again
			input := strings.Join(append([]string{"new"}, answers(farEndOf(near))...), "\n") + strings.Repeat("\n", enough) + "yes\nquit\n"
			r := lab.Linux2.TryInput(input, "nmgre", "--plain")
			if !strings.Contains(r.Stdout, "verdict: pass") {
				t.Errorf("the wizard ends with\n%s", r)
			}
			mustPing(t, lab.Linux1, "172.16.0.2")
		})
	}
}
