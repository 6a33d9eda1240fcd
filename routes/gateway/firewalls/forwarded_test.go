package firewalls

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/nftables"

	"nmgre/routes/fault"
	"nmgre/routes/gateway/blocked"
	"nmgre/routes/keep"
	"nmgre/testdata/want"
)

// When the LANs are in several zones, the tunnel gets its own zone. Policies lead from it and to
// it, and nowhere else.
func TestFirewalldZones(t *testing.T) {
	f := Zones{"gre1", map[string]string{"gre1": "public", "eth1": "internal", "eth2": "dmz"}}
	got := f.Obstacle([]blocked.Way{{From: "gre1", To: "eth1"}, {From: "eth1", To: "gre1"}, {From: "gre1", To: "eth2"}, {From: "eth2", To: "gre1"}})
	const p = "sudo firewall-cmd --permanent "
	want := keep.Obstacle{What: "firewalld drops packets forwarded between gre1 and eth1 and between gre1 and eth2: gre1 is in its zone public, eth1 is in its zone internal, eth2 is in its zone dmz", Hint: strings.Join([]string{
		p + "--new-zone=gre1", p + "--zone=gre1 --change-interface=gre1",
		p + "--new-policy=from-gre1", p + "--policy=from-gre1 --add-ingress-zone=gre1", p + "--policy=from-gre1 --add-egress-zone=internal --add-egress-zone=dmz", p + "--policy=from-gre1 --set-target=ACCEPT",
		p + "--new-policy=to-gre1", p + "--policy=to-gre1 --add-ingress-zone=internal --add-ingress-zone=dmz", p + "--policy=to-gre1 --add-egress-zone=gre1", p + "--policy=to-gre1 --set-target=ACCEPT",
		"sudo firewall-cmd --reload"}, "; ")}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// Names with characters that are special to a shell are quoted, and nothing acts on a terminal. A
// shell reads each name as the word that it is.
func TestHintsAreWords(t *testing.T) {
	const odd, control = "a';reboot;'", "\x1b[31m$(id)"
	ways := []blocked.Way{{From: odd, To: control}, {From: control, To: odd}}
	chain := &nftables.Chain{Name: "forward", Table: &nftables.Table{Name: "filter", Family: nftables.TableFamilyIPv4}}
	for _, f := range []Firewall{plain{chain}, ufw{}, iptables{"iptables", "iptables", "FORWARD"}, Zones{odd, map[string]string{odd: "a", control: "$(id)"}},
		Zones{odd, map[string]string{odd: "a", control: ""}}} {
		o := f.Obstacle(ways)
		if fault.Printable(o.What) != o.What || fault.Printable(o.Hint) != o.Hint {
			t.Errorf("%+v", o)
		}
		line, _, _ := strings.Cut(o.Hint, "  #")
		var all []string
		for _, command := range strings.Split(line, "; sudo") {
			words := want.ShellWords(t, command)
			all = append(all, words...)
			if slices.ContainsFunc(words, func(w string) bool {
				return strings.Contains(w, "uid=") || strings.Contains(w, "printf") || w == "reboot"
			}) {
				t.Errorf("%s is read as %q", command, words)
			}
		}
		has := func(name string) bool {
			return slices.ContainsFunc(all, func(w string) bool { return strings.Contains(w, name) })
		}
		if _, zones := f.(Zones); !zones && (!has(odd) || !has(control)) {
			t.Errorf("%s has not the names", line)
		}
	}
	for _, name := range []string{"fil'ter", "a b", "1st", "", "-a", "forward\x07", `a"b`} {
		c := &nftables.Chain{Name: "forward", Table: &nftables.Table{Name: name, Family: nftables.TableFamilyIPv4}}
		if o := (plain{c}).Obstacle([]blocked.Way{{From: "gre1", To: "eth1"}}); strings.Contains(o.Hint, "sudo") || fault.Printable(o.What) != o.What {
			t.Errorf("%+v", o)
		}
	}
	if o := (plain{chain}).Obstacle([]blocked.Way{{From: "gre1", To: `e"th1`}}); strings.Contains(o.Hint, "sudo") {
		t.Errorf("%+v", o)
	}
}
