package main

import (
	"regexp"
	"strings"
	"testing"

	"nmgre/testdata/lab"
)

// olderChain makes nmgre's table on linux2 as an older nmgre made it: the same rules, in a chain
// that has the usual priority of NAT. Then another chain of that priority is loaded, which takes
// the packets.
func olderChain(t *testing.T) {
	t.Helper()
	lab.Linux2.Run(t, "sh", "-e", "-c", `nft list table ip nmgre | sed 's/priority srcnat - 5;/priority srcnat;/' >/tmp/older
		grep -q 'type nat hook postrouting priority srcnat;' /tmp/older
		nft delete table ip nmgre; nft -f /tmp/older; nft delete table ip others 2>/dev/null || true
		nft 'table ip others { chain post { type nat hook postrouting priority srcnat; oifname "eth1" snat to 10.10.2.7; }; }'`)
}

// mustBeMoved checks by nft that nmgre's chain is before the usual priority, and by the source that
// the LAN sees that it takes the packets: also if the other chain is loaded once more.
func mustBeMoved(t *testing.T, rule string) {
	t.Helper()
	eventually(t, "nmgre's chain has been moved", func() bool {
		return strings.Contains(lab.Linux2.Try("nft", "list", "table", "ip", "nmgre").Stdout, "type nat hook postrouting priority srcnat - 5;")
	})
	if got := ruleOf(t); got != rule {
		t.Errorf("its rule was\n%s\nand is\n%s", rule, got)
	}
	mustSeeSource(t, "10.10.2.1")
	lab.Linux2.Run(t, "sh", "-e", "-c", `nft list table ip others >/tmp/others; nft delete table ip others; nft -f /tmp/others`)
	mustSeeSource(t, "10.10.2.1")
	if got := verdict(t, lab.Linux2, exitDone, "gre1"); got != "pass" {
		t.Errorf("verify says %s", got)
	}
}

// ruleOf returns nmgre's rule on linux2 as nft shows it, without its counter.
func ruleOf(t *testing.T) string {
	t.Helper()
	return regexp.MustCompile(`ip saddr .* comment "nmgre:.*"`).FindString(regexp.MustCompile(`packets \d+ bytes \d+`).ReplaceAllString(lab.Linux2.Run(t, "nft", "list", "table", "ip", "nmgre"), ""))
}

// A table that an older nmgre made has its chain where others have theirs, and one that is loaded
// later takes its packets. verify fails then and names the command that mends it. That command, the
// next change and the next event of the hook move the chain, and the rule that was asked for
// counts, whichever chain is loaded first.
func TestLabOlderNATChain(t *testing.T) {
	lab.Need(t)
	needHook(t, lab.Linux2)
	lab.LAN2.Run(t, "ip", "route", "del", "default")
	defer lab.LAN2.Run(t, "ip", "route", "add", "default", "via", "10.10.2.1")
	lab.Linux2.Run(t, "ip", "address", "add", "10.10.2.7/24", "dev", "eth1")
	nmgreOn(t, lab.Linux1, exitDone, left.create()...)
	nmgreOn(t, lab.Linux2, exitDone, "create", "--peer", "100.0.1.100", "--address", "172.16.0.2/30", "--snat", "10.10.2.0/24=10.10.2.1", "--forward")
	rule := ruleOf(t)
	if !strings.Contains(rule, "snat to 10.10.2.1") {
		t.Fatalf("nft shows no rule of nmgre's:\n%s", rule)
	}
	for _, next := range []struct{ name, command string }{
		{"up", "nmgre up gre1"},
		{"a change of what root keeps", "nmgre edit gre1 --clamp-mss"},
		{"a route that root keeps", "nmgre route add gre1 10.77.0.0/16 nexthop via 172.16.0.1 nexthop dev gre1 weight 2"},
		{"the hook at down and up", "nmcli connection down gre1 && nmcli connection up gre1"},
		{"the unit after a firewall's start", "/usr/local/bin/nmgre hook -- none firewall"},
	} {
		t.Run(next.name, func(t *testing.T) {
			settled(t, lab.Linux2)
			olderChain(t)
			mustSeeSource(t, "10.10.2.7")
			c := checkNamed(t, nmgreOn(t, lab.Linux2, exitFault, "verify", "gre1", "--json").Stdout, "snat 10.10.2.0/24 from 172.16.0.0/30")
			if c.Status != "fail" || !strings.Contains(c.Summary+c.Evidence+c.Hint, "others") || !strings.Contains(c.Hint, "sudo nmgre up gre1") {
				t.Errorf("verify says %+v", c)
			}
			lab.Linux2.Run(t, "sh", "-c", next.command)
			mustBeMoved(t, rule)
		})
	}
}
