package main

import (
	"encoding/json"
	"strings"
	"testing"

	"nmgre/testdata/lab"
)

// Rules of the routing policy, with ip, nmcli and ping as the witnesses.

// policyRules returns the rules of both families as ip shows them.
func policyRules(t *testing.T, host lab.Host) string {
	t.Helper()
	return host.Run(t, "ip", "-4", "rule", "list") + host.Run(t, "ip", "-6", "rule", "list")
}

// wayFrom returns ip's answer where packets to an address would go; from may be empty.
func wayFrom(t *testing.T, host lab.Host, to, from string) string {
	t.Helper()
	args := []string{"route", "get", to}
	if from != "" {
		args = append(args, "from", from)
	}
	return host.Run(t, "ip", args...)
}

// A protected address: packets with the inner source go out by the tunnel, everything else by eth0.
//
//lab:forky
func TestLabPolicySource(t *testing.T) {
	lab.Need(t)
	needHook(t, lab.Linux1)
	rules, before := policyRules(t, lab.Linux1), snapshot(t, lab.Linux1)
	nmgreOn(t, lab.Linux2, exitDone, "create", "--peer", "100.0.1.100", "--address", "10.0.0.1/30")
	created := nmgreOn(t, lab.Linux1, exitDone, "create", "--peer", "100.0.2.100", "--address", "10.0.0.2/30", "--route", "default via 10.0.0.1 table 100",
		"--rule", "from 10.0.0.2 table 100", "--rule", "from 10.0.0.2 table main suppress_prefixlength 0 suppress_ifgroup 7 priority 19000", "--rule", "from ::/0 iif gre1 prohibit")
	if !strings.Contains(created.Stdout, "verdict: pass") || !strings.Contains(created.Stderr, "gets the priority 20000") {
		t.Errorf("create says\n%s%s", created.Stdout, created.Stderr)
	}
	survives(t, []end{{host: lab.Linux1}}, []string{"gre1"}, func(when string) {
		t.Helper()
		settled(t, lab.Linux1)
		var now string
		eventually(t, when+": all rules are there", func() bool {
			now = policyRules(t, lab.Linux1)
			return strings.Contains(now, "20000:\tfrom 10.0.0.2 lookup 100 proto static\n") && strings.Contains(now, "19000:\tfrom 10.0.0.2 lookup main suppress_prefixlength 0 suppress_ifgroup 7 proto 213\n") &&
				strings.Contains(now, "from all iif gre1 prohibit proto static\n")
		})
		if n := strings.Count(now, "\n") - strings.Count(rules, "\n"); n != 3 {
			t.Errorf("%s: there are %d more rules than before\n%s", when, n, now)
		}
		if way := wayFrom(t, lab.Linux1, "10.10.2.100", "10.0.0.2"); !strings.Contains(way, "via 10.0.0.1 dev gre1 table 100") {
			t.Errorf("%s: with the inner source: %s", when, way)
		}
		if way := wayFrom(t, lab.Linux1, "10.10.2.100", ""); !strings.Contains(way, "dev eth0") {
			t.Errorf("%s: with another source: %s", when, way)
		}
		eventually(t, when+": LAN2 answers to the inner source", func() bool {
			return lab.Linux1.Try("ping", "-c1", "-W1", "-I", "10.0.0.2", lab.LAN2Addr).Code == 0
		})
		if lab.Linux1.Try("ping", "-c1", "-W1", lab.LAN2Addr).Code == 0 {
			t.Errorf("%s: LAN2 answers without the tunnel", when)
		}
	})
	checkRuleList(t)
	nmgreOn(t, lab.Linux1, exitDone, "down", "gre1")
	if now := policyRules(t, lab.Linux1); now != rules {
		t.Errorf("after down the rules are\n%s\nbefore they were\n%s", now, rules)
	}
	nmgreOn(t, lab.Linux1, exitDone, "delete", "gre1")
	mustEqual(t, "after delete", before, snapshot(t, lab.Linux1))
	mustEqual(t, "the rules after delete", rules, policyRules(t, lab.Linux1))
}

// checkRuleList compares nmgre's list of the rules.
func checkRuleList(t *testing.T) {
	t.Helper()
	var list []struct{ Rule, Owner, State, Why string }
	if err := json.Unmarshal([]byte(nmgreOn(t, lab.Linux1, exitDone, "rule", "list", "gre1", "--json").Stdout), &list); err != nil || len(list) != 3 {
		t.Fatalf("rule list: %v, %v", list, err)
	}
	for _, r := range list {
		owner := "profile"
		if strings.Contains(r.Rule, "suppress_ifgroup") {
			owner = "kernel"
		}
		if r.Owner != owner || r.State != "set" || r.Why == "" {
			t.Errorf("rule list says %+v", r)
		}
	}
}

// Rules are changed while the tunnel stays up, and those that nmcli wrote stay as they are.
//
//lab:trixie
func TestLabPolicyChange(t *testing.T) {
	lab.Need(t)
	needHook(t, lab.Linux1)
	rules := policyRules(t, lab.Linux1)
	nmgreOn(t, lab.Linux1, exitDone, "create", "--peer", "100.0.2.100", "--address", "10.0.0.2/30")
	lab.Linux1.Run(t, "nmcli", "connection", "modify", "gre1", "ipv4.routing-rules", "priority 5 from 10.9.0.2/30 table 9, priority 6 from 0.0.0.0/0 fwmark 9 table 9")
	lab.Linux1.Run(t, "nmcli", "connection", "up", "gre1")
	index := lab.Linux1.Run(t, "cat", "/sys/class/net/gre1/ifindex")
	theirs := lab.Linux1.Run(t, "nmcli", "-g", "ipv4.routing-rules", "connection", "show", "gre1")
	nmgreOn(t, lab.Linux1, exitDone, "rule", "add", "gre1", "from", "10.0.0.2", "table", "100")
	nmgreOn(t, lab.Linux1, exitDone, "rule", "add", "gre1", "from", "10.0.0.2", "table", "100") // it is there
	nmgreOn(t, lab.Linux1, exitDone, "rule", "add", "gre1", "to", "10.77.0.0/16", "table", "100", "suppress_ifgroup", "3")
	if r := lab.Linux1.TryInput("dport 443 ipproto tcp table 5 suppress_ifgroup 2\n# a remark\n\nfrom 2001:db8::7 blackhole priority 77\n", "nmgre", "rule", "add", "gre1", "--rules-from", "-"); r.Code != exitDone {
		t.Errorf("%v", r)
	}
	for _, want := range []string{"5:\tfrom 10.9.0.2/30 lookup 9 proto static", "6:\tfrom all fwmark 0x9 lookup 9 proto static", "20000:\tfrom 10.0.0.2 lookup 100 proto static",
		"20001:\tfrom all to 10.77.0.0/16 lookup 100 suppress_ifgroup 3 proto 213", " dport 443 lookup 5 suppress_ifgroup 2 proto 213", "77:\tfrom 2001:db8::7 blackhole proto static"} {
		if now := policyRules(t, lab.Linux1); !strings.Contains(now, want+"\n") {
			t.Errorf("there is no %q:\n%s", want, now)
		}
	}
	// whatever else changes, in the profile or in root's file
	for _, words := range []string{"edit gre1 --mtu 1400", "route add gre1 10.78.0.0/16 table 100", "route add gre1 10.79.0.0/16 ssthresh 7", "route delete gre1 10.79.0.0/16 ssthresh 7", "edit gre1 --snat 10.77.0.0/16=masquerade"} {
		nmgreOn(t, lab.Linux1, exitDone, strings.Fields(words)...)
		if now := lab.Linux1.Run(t, "nmcli", "-g", "ipv4.routing-rules", "connection", "show", "gre1"); !strings.Contains(now, strings.TrimSpace(theirs)) {
			t.Errorf("nmcli's own rules were\n%s\nand after %s are\n%s", theirs, words, now)
		}
	}
	for _, r := range []string{"from 10.0.0.2 table 100", "to 10.77.0.0/16 table 100 suppress_ifgroup 3 priority 20001", "dport 443 ipproto tcp table 5 suppress_ifgroup 2", "from 2001:db8::7 blackhole"} {
		nmgreOn(t, lab.Linux1, exitDone, append([]string{"rule", "delete", "gre1"}, strings.Fields(r)...)...)
	}
	if now := lab.Linux1.Run(t, "nmcli", "-g", "ipv4.routing-rules", "connection", "show", "gre1"); now != theirs {
		t.Errorf("nmcli's own rules were\n%s\nand are\n%s", theirs, now)
	}
	if r := nmgreOn(t, lab.Linux1, exitInvalid, "rule", "delete", "gre1", "from", "10.0.0.2", "table", "100"); !strings.Contains(r.Stderr, "the tunnel has no rule from 10.0.0.2 table 100") {
		t.Errorf("%v", r)
	}
	if now := lab.Linux1.Run(t, "cat", "/sys/class/net/gre1/ifindex"); now != index {
		t.Error("the tunnel went down")
	}
	nmgreOn(t, lab.Linux1, exitDone, "delete", "gre1")
	mustEqual(t, "the rules after delete", rules, policyRules(t, lab.Linux1))
}

// A setting that keeps rules from their work is told: by create before, and by verify.
//
//lab:forky
func TestLabPolicyTold(t *testing.T) {
	lab.Need(t)
	const made = "create --peer 100.0.2.100 --address 10.0.0.2/30 --no-probe --route 'default via 10.0.0.1 table 100'"
	rules, before := policyRules(t, lab.Linux1), lab.Linux1.Snapshot(t)
	remove := func() {
		t.Helper()
		nmgreOn(t, lab.Linux1, exitDone, "delete", "gre1")
		mustEqual(t, "after delete", before, lab.Linux1.Snapshot(t))
	}
	t.Run("a table that no rule leads to", func(t *testing.T) {
		typeLine(t, typed{made, exitDone, []string{"no rule leads to table 100", "verdict: warn"}, nil})
		typeLine(t, typed{"verify gre1 --no-probe", exitDone, []string{"warn  table 100", "no rule leads to table 100", "nmgre rule add gre1 from ADDRESS table 100"}, nil})
		remove()
	})
	t.Run("the tunnel's own packets", func(t *testing.T) {
		typeLine(t, typed{made + " --rule 'from all table 100'", exitInvalid, []string{"the packets that carry the tunnel, to 100.0.2.100, would go into it", "--rule 'to 100.0.2.100 table main priority 19999'"}, nil})
		typeLine(t, typed{made + " --rule 'to 100.0.0.0/8 prohibit'", exitInvalid, []string{"would be dropped"}, nil})
		mustEqual(t, "after a refusal", before, lab.Linux1.Snapshot(t))
		typeLine(t, typed{made + " --rule 'from all table 100' --rule 'to 100.0.2.100 table main priority 19999'", exitDone, nil, nil})
		if way := wayFrom(t, lab.Linux1, "100.0.2.100", ""); !strings.Contains(way, "dev eth0") {
			t.Errorf("the tunnel's own packets: %s", way)
		}
		if way := wayFrom(t, lab.Linux1, "10.10.2.100", ""); !strings.Contains(way, "dev gre1 table 100") {
			t.Errorf("all others: %s", way)
		}
		remove()
	})
	t.Run("rules that the kernel takes for one", func(t *testing.T) {
		for _, first := range []string{"to 10.9.0.0/16 ", "tos 0x10 ", "not from 10.0.0.2 ", "fwmark 1 "} {
			second := "table 100 priority 100"
			if strings.HasPrefix(first, "not") {
				second = "from 10.0.0.2 " + second
			}
			// the witness: a rule that is there is no error of ip's only if it differs
			witness := lab.Linux1.Try("sh", "-c", "ip rule add "+first+"table 100 priority 100 && ip rule add "+second)
			lab.Linux1.Run(t, "sh", "-c", "while ip rule del priority 100 2>&1; do :; done")
			line := made + " --rule '" + first + "table 100 priority 100' --rule '" + second + "'"
			if witness.Code != 0 {
				typeLine(t, typed{line, exitInvalid, []string{"rule: the kernel may take", "give one of the two another priority"}, nil})
				continue
			}
			typeLine(t, typed{line + " --rule 'to 100.0.2.100 table main priority 99'", exitDone, nil, nil})
			remove()
		}
	})
	t.Run("somebody else's rule", func(t *testing.T) {
		lab.Linux1.Run(t, "sh", "-c", "ip rule add from 10.0.0.2 lookup 101 priority 100 && ip route add default via 100.0.1.1 table 101")
		const names = "the rule 100: from 10.0.0.2 table 101 decides before"
		typeLine(t, typed{made + " --rule 'from 10.0.0.2 table 100'", exitFailed, []string{names}, nil})
		lab.Linux1.Run(t, "ip", "rule", "del", "priority", "100")
		typeLine(t, typed{made + " --rule 'from 10.0.0.2 table 100'", exitDone, nil, []string{names}})
		lab.Linux1.Run(t, "ip", "rule", "add", "from", "10.0.0.2", "lookup", "101", "priority", "100")
		typeLine(t, typed{"verify gre1 --no-probe", exitFault, []string{"fail  route default table 100", names}, nil})
		lab.Linux1.Run(t, "sh", "-c", "ip rule del priority 100 && ip route flush table 101")
		typeLine(t, typed{"verify gre1 --no-probe --all-checks", exitDone, []string{"pass  route default table 100", "from 10.0.0.2 go into the tunnel, by the rule of the priority 20000"}, nil})
		lab.Linux1.Run(t, "ip", "rule", "del", "priority", "20000")
		typeLine(t, typed{"verify gre1 --no-probe", exitFault, []string{"the kernel does not have the rule"}, nil})
		lab.Linux1.Run(t, "nmcli", "connection", "up", "gre1")
		remove()
	})
	mustEqual(t, "the rules", rules, policyRules(t, lab.Linux1))
}

// IPv6 has rules of its own: a source of the tunnel leaves by it, others do not.
//
//lab:forky
func TestLabPolicyIPv6(t *testing.T) {
	lab.Need(t)
	rules := policyRules(t, lab.Linux1)
	typeLine(t, typed{"create --peer 100.0.2.100 --address 2001:db8:9::1/64 --peer-address 2001:db8:9::2 --no-probe --route '::/0 table 100' --rule 'from 2001:db8:9::1 table 100' --rule 'from ::/0 fwmark 7 blackhole suppress'", exitInvalid, nil, nil})
	typeLine(t, typed{"create --peer 100.0.2.100 --address 2001:db8:9::1/64 --peer-address 2001:db8:9::2 --no-probe --route '::/0 table 100' --rule 'from 2001:db8:9::1 table 100' --rule 'from ::/0 fwmark 7 blackhole'", exitDone, nil, nil})
	if way := wayFrom(t, lab.Linux1, "2001:db8:77::1", "2001:db8:9::1"); !strings.Contains(way, "dev gre1 table 100") {
		t.Errorf("with the inner source: %s", way)
	}
	if r := lab.Linux1.Try("ip", "route", "get", "2001:db8:77::1"); strings.Contains(r.Stdout, "gre1") {
		t.Errorf("with another source: %v", r)
	}
	typeLine(t, typed{"verify gre1 --no-probe --all-checks", exitDone, []string{"from 2001:db8:9::1 go into the tunnel, by the rule of the priority 20000"}, nil})
	nmgreOn(t, lab.Linux1, exitDone, "delete", "gre1")
	mustEqual(t, "the rules after delete", rules, policyRules(t, lab.Linux1))
}

// The lines of a dry run can be typed: they make the same rules.
//
//lab:every
func TestLabPolicyCanBeTyped(t *testing.T) {
	lab.Need(t)
	rules := policyRules(t, lab.Linux1)
	args := []string{"create", "--name", "gre1", "--peer", "100.0.2.100", "--address", "10.0.0.2/30", "--no-probe", "--route", "default via 10.0.0.1 table 100"}
	for _, r := range []string{"from 10.0.0.2 table 100", "to 10.77.0.0/16 iif eth1 fwmark 1/3 tos 0x10 ipproto tcp sport 1-5 dport 80 table main suppress_prefixlength 0", "not to 100.0.0.0/8 table 7", "from 10.0.0.0/8 uidrange 5-6 oif gre1 prohibit",
		"from all fwmark 77 blackhole", "from 10.0.0.2 table 5 suppress_ifgroup 9", "from 2001:db8::/32 to fd00::/8 unreachable", "from ::/0 iif eth1 table 7"} {
		args = append(args, "--rule", r)
	}
	var dry struct {
		Plan struct {
			Steps []struct {
				ID       string
				Commands []string
			}
		}
	}
	if err := json.Unmarshal([]byte(nmgreOn(t, lab.Linux1, exitDone, append(args, "--dry-run", "--json")...).Stdout), &dry); err != nil {
		t.Fatal(err)
	}
	nmgreOn(t, lab.Linux1, exitDone, args...)
	ours := strings.ReplaceAll(policyRules(t, lab.Linux1), " proto 213", "")
	nmgreOn(t, lab.Linux1, exitDone, "delete", "gre1")
	for _, s := range dry.Plan.Steps {
		for _, line := range s.Commands {
			if s.ID != "check" {
				lab.Linux1.Run(t, "sh", "-c", line)
			}
		}
	}
	mustEqual(t, "the rules of the typed lines", ours, policyRules(t, lab.Linux1))
	lab.Linux1.Run(t, "sh", "-c", "nmcli connection delete gre1 && ip rule del priority 20005")
	// nmcli does not wait until NetworkManager has taken the device's rules away
	eventually(t, "the rules after delete", func() bool { return policyRules(t, lab.Linux1) == rules })
}
