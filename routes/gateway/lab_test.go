package gateway

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nmgre/routes/keep"
	"nmgre/testdata/lab"
)

// needLab skips the test outside the lab. Unlike lab.Need it does not reset the lab's hosts, which
// takes seconds: these tests make namespaces of their own.
func needLab(t *testing.T) {
	t.Helper()
	if os.Getenv("NMGRE_LAB") != "1" {
		t.Skip("needs the lab: run make test")
	}
}

// TestLabOtherKernel runs the tests that need no GRE in the lab's kernel, which is an older one.
func TestLabOtherKernel(t *testing.T) {
	needLab(t)
	for name, test := range map[string]func(t *testing.T){
		"SetRules": TestSetRules, "SNAT": TestSNAT, "SNATByAnotherWay": TestSNATByAnotherWay, "Flows": TestFlows, "SetRulesAtOnce": TestSetRulesAtOnce,
		"SetRulesMends": TestSetRulesMends, "ClampMSS": TestClampMSS, "NotPermitted": TestNotPermitted,
		"Forwarding": TestForwarding, "Obstacles": TestObstacles, "ObstaclesSeveral": TestObstaclesSeveral, "ObstaclesIPv6": TestObstaclesIPv6,
		"OuterRules": TestOuterRules, "OuterHints": TestOuterHints, "OuterRulesMasquerade": TestOuterRulesMasquerade,
		"OuterRulesFirewalldNAT": TestOuterRulesFirewalldNAT, "OuterRulesLegacy": TestOuterRulesLegacy,
	} {
		t.Run(name, test)
	}
}

// onHost runs f on a thread in the network namespace of one of the lab's hosts.
func onHost(t *testing.T, host lab.Host, f func(ctx context.Context, g *Gateway) error) {
	t.Helper()
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		namespace, err := os.Open(host.NetNSPath())
		if err == nil {
			err = unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET)
		}
		if err == nil {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			err = f(ctx, New())
		}
		result <- err
	}()
	if err := <-result; err != nil {
		t.Fatal(err)
	}
}

// labRules sets rules on linux2, and reports whether that changed anything.
func labRules(t *testing.T, rules ...keep.Rule) (changed bool) {
	t.Helper()
	onHost(t, lab.Linux2, func(ctx context.Context, g *Gateway) (err error) { changed, err = g.SetRules(ctx, rules); return err })
	return changed
}

func labMissing(t *testing.T, rules ...keep.Rule) (missing []int) {
	t.Helper()
	onHost(t, lab.Linux2, func(ctx context.Context, g *Gateway) (err error) { missing, err = g.Missing(ctx, rules); return err })
	return missing
}

func labObstacles(t *testing.T) (list []keep.Obstacle) {
	t.Helper()
	onHost(t, lab.Linux2, func(ctx context.Context, g *Gateway) (err error) {
		list, err = g.Obstacles(ctx, []string{"gre1", "eth1"})
		return err
	})
	return list
}

// labTunnel makes a tunnel between linux1 and linux2 by hand. lan2 has no route back to its inner
// network.
func labTunnel(t *testing.T) {
	t.Helper()
	lab.Need(t)
	for _, end := range []struct {
		host                   lab.Host
		local, remote, address string
	}{{lab.Linux1, lab.Linux1WAN, lab.Linux2WAN, "172.16.0.1/30"}, {lab.Linux2, lab.Linux2WAN, lab.Linux1WAN, "172.16.0.2/30"}} {
		for _, words := range []string{"link add gre1 type gre local " + end.local + " remote " + end.remote, "link set dev gre1 up", "addr add " + end.address + " dev gre1"} {
			end.host.Run(t, "ip", strings.Fields(words)...)
		}
	}
	lab.Linux1.Run(t, "ip", "route", "add", lab.LAN2Net, "via", "172.16.0.2")
	lab.LAN2.Run(t, "ip", "route", "del", "default")
	t.Cleanup(func() { lab.LAN2.Run(t, "ip", "route", "replace", "default", "via", lab.Linux2LAN) })
}

// labOthers returns the tables of others, as nft lists them, without the values of counters.
func labOthers(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, table := range []string{"ip nat", "inet mine", "ip6 nmgre2"} {
		b.WriteString(lab.Linux2.Run(t, "nft", append([]string{"-a", "-s", "list", "table"}, strings.Fields(table)...)...))
	}
	return b.String()
}

// makeOthers makes tables of others: a NAT of the host's own, with a connection that uses it, and
// more.
func makeOthers(t *testing.T) {
	t.Helper()
	r := lab.Linux2.TryInput(`table ip nat {
	chain POSTROUTING {
		type nat hook postrouting priority srcnat; policy accept;
		oifname "eth0" ip saddr 10.10.2.0/24 counter masquerade comment "mine"
	}
}
table inet mine {
	set known {
		type ipv4_addr
		elements = { 192.0.2.1 }
	}
	chain input {
		type filter hook input priority 0; policy accept;
		ip saddr @known counter drop
	}
}
table ip6 nmgre2 {
	chain postrouting {
		counter
	}
}
`, "nft", "-f", "-")
	if r.Code != 0 {
		t.Fatal(r)
	}
}

// tracked returns the tracked connection of a ping from one address to another: its number, and
// where answers are sent.
func tracked(t *testing.T, from, to string) (id, answered string) {
	t.Helper()
	table := lab.Linux2.Run(t, "conntrack", "-L", "-p", "icmp", "-o", "id")
	found := regexp.MustCompile(`src=` + from + ` dst=` + to + ` .* src=\S+ dst=(\S+) .*id=(\d+)`).FindStringSubmatch(table)
	if found == nil {
		return "", ""
	}
	return found[2], found[1]
}

// TestLabSNAT has linux1 reach the LAN behind linux2 by SNAT, as the seed's first scenario has it.
// Witnesses are nft, ping, tcpdump and conntrack.
func TestLabSNAT(t *testing.T) {
	labTunnel(t)
	makeOthers(t)
	before, others := lab.Linux2.Run(t, "nft", "list", "ruleset"), labOthers(t)
	rule := snatRule(t, "172.16.0.0/30", lab.LAN2Net+"="+lab.Linux2LAN)

	// Connections from before: one that the rule matches, and one that it does not.
	ours := lab.Linux1.Start(t, "ping", "-n", "-i", "0.5", "-s", "300", lab.LAN2Addr)
	foreign := lab.Linux2.Start(t, "ping", "-n", "-i", "0.5", lab.LAN2Addr)
	time.Sleep(3 * time.Second)
	if strings.Contains(ours.Stdout(), "time=") {
		t.Fatalf("the LAN answers without SNAT:\n%s", ours.Stdout())
	}
	foreignID, _ := tracked(t, lab.Linux2LAN, lab.LAN2Addr)

	if !labRules(t, rule) {
		t.Error("nothing was changed")
	}
	const want = `table ip nmgre {
	chain postrouting {
		type nat hook postrouting priority srcnat - 5; policy accept;
		ip saddr 172.16.0.0/30 ip daddr 10.10.2.0/24 oifname != "gre1" oifname != "lo" counter snat to 10.10.2.1 comment "nmgre:00000000-0000-4000-8000-00000000000a"
	}
}
`
	if got := lab.Linux2.Run(t, "nft", "-s", "list", "table", "ip", "nmgre"); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if !lab.Ping(t, lab.Linux1, lab.LAN2Addr) {
		t.Error("the LAN does not answer")
	}
	seen := lab.LAN2.Start(t, "tcpdump", "-n", "-l", "-i", "eth0", "-c", "3", "icmp[icmptype] == icmp-echo and greater 300").Wait(t)
	if want := "IP " + lab.Linux2LAN + " > " + lab.LAN2Addr + ": ICMP echo request"; strings.Count(seen.Stdout, want) != 3 {
		t.Errorf("the LAN saw %s", seen)
	}
	// The older ping is answered now. The other connection has not been dropped.
	for end := time.Now().Add(30 * time.Second); !strings.Contains(ours.Stdout(), "time=") && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
	}
	if _, answered := tracked(t, "172.16.0.1", lab.LAN2Addr); answered != lab.Linux2LAN || !strings.Contains(ours.Stdout(), "time=") {
		t.Errorf("answers go to %q, and the first ping says\n%s", answered, ours.Stdout())
	}
	if id, _ := tracked(t, lab.Linux2LAN, lab.LAN2Addr); id != foreignID || id == "" {
		t.Errorf("the other connection was %q and is %q", foreignID, id)
	}
	if got := labOthers(t); got != others {
		t.Errorf("others' tables were\n%sand are\n%s", others, got)
	}

	// When all rules are lost, that is seen and repaired.
	lab.Linux2.Run(t, "nft", "flush", "ruleset")
	makeOthers(t)
	others = labOthers(t)
	if got := labMissing(t, rule); !slices.Equal(got, []int{0}) {
		t.Errorf("after flush ruleset: missing %v", got)
	}
	if !labRules(t, rule) || labRules(t, rule) || len(labMissing(t, rule)) > 0 {
		t.Error("it was not mended at once")
	}
	if !lab.Ping(t, lab.Linux1, lab.LAN2Addr) {
		t.Error("the LAN does not answer after flush ruleset")
	}
	// So is a dormant table.
	lab.Linux2.Run(t, "nft", "add table ip nmgre { flags dormant; }")
	if got := labMissing(t, rule); !slices.Equal(got, []int{0}) {
		t.Errorf("with a table that sleeps: missing %v", got)
	}
	if !labRules(t, rule) {
		t.Error("a table that sleeps was left alone")
	}
	if got := lab.Linux2.Run(t, "nft", "-s", "list", "table", "ip", "nmgre"); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}

	// All kinds of rules, in nft's words; then none.
	labRules(t, snatRule(t, "172.16.0.0/30", "0.0.0.0/0=masquerade"), rule, snatRule(t, "2001:db8:16::/64", "2001:db8:2::/48=masquerade"), keep.Rule{UUID: uuid, Dev: "gre1", ClampMSS: true})
	// nft 1.1 has other words for the same test of flags
	text := strings.ReplaceAll(lab.Linux2.Run(t, "nft", "-s", "list", "ruleset"), "tcp flags & (syn | rst) == syn", "tcp flags syn / syn,rst")
	for _, line := range []string{
		`		ip saddr 172.16.0.0/30 ip daddr 10.10.2.0/24 oifname != "gre1" oifname != "lo" counter snat to 10.10.2.1 comment "nmgre:` + uuid + `"` + "\n" +
			`		ip saddr 172.16.0.0/30 oifname != "gre1" oifname != "lo" counter masquerade comment "nmgre:` + uuid + `"`,
		`		ip6 saddr 2001:db8:16::/64 ip6 daddr 2001:db8:2::/48 oifname != "gre1" oifname != "lo" counter masquerade comment "nmgre:` + uuid + `"`,
		`		oifname "gre1" tcp flags syn / syn,rst tcp option maxseg size set rt mtu comment "nmgre:` + uuid + `"` + "\n" +
			`		iifname "gre1" tcp flags syn / syn,rst tcp option maxseg size set rt mtu comment "nmgre:` + uuid + `"`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("got\n%swithout\n%s", text, line)
		}
	}
	labRules(t)
	if got := labOthers(t); got != others {
		t.Errorf("others' tables were\n%sand are\n%s", others, got)
	}
	if got := counted(lab.Linux2.Run(t, "nft", "list", "ruleset")); got != counted(before) {
		t.Errorf("the rules were\n%sand are\n%s", before, got)
	}
	if lab.Ping(t, lab.Linux1, lab.LAN2Addr) {
		t.Error("the LAN answers still")
	}
	ours.Kill()
	foreign.Kill()
}

// counted removes the values of counters.
func counted(rules string) string {
	return regexp.MustCompile(`counter packets \d+ bytes \d+`).ReplaceAllString(rules, "counter")
}

// TestLabHints types the hints of Obstacles into a shell on the host. Then packets get through.
func TestLabHints(t *testing.T) {
	labTunnel(t)
	labRules(t, snatRule(t, "172.16.0.0/30", lab.LAN2Net+"="+lab.Linux2LAN))
	if got := labObstacles(t); len(got) > 0 || !lab.Ping(t, lab.Linux1, lab.LAN2Addr) {
		t.Fatalf("nothing is in the way yet: %+v", got)
	}
	for _, file := range []string{"nftables-drop", "nftables-two"} {
		rules, err := os.ReadFile("testdata/firewalls/" + file + ".nft")
		if err != nil {
			t.Fatal(err)
		}
		if r := lab.Linux2.TryInput(string(rules), "nft", "-f", "-"); r.Code != 0 {
			t.Fatal(r)
		}
		list := labObstacles(t)
		if len(list) == 0 || lab.Ping(t, lab.Linux1, lab.LAN2Addr) {
			t.Errorf("%s: it drops nothing: %+v", file, list)
		}
		for _, o := range list {
			lab.Linux2.Run(t, "sh", "-c", "sudo() { \"$@\"; }\n"+o.Hint)
		}
		if file == "nftables-two" { // it has no rule for answers, as no real host would
			lab.Linux2.Run(t, "nft", "insert rule ip filter forward ct state established accept")
		}
		if got := labObstacles(t); len(got) > 0 {
			t.Errorf("%s: afterwards: %+v", file, got)
		}
		if !lab.Ping(t, lab.Linux1, lab.LAN2Addr) {
			t.Errorf("%s: the LAN does not answer\n%s", file, lab.Linux2.Run(t, "nft", "list", "ruleset"))
		}
		for _, table := range []string{"inet filter", "ip filter", "inet late"} {
			lab.Linux2.Try("nft", append([]string{"delete", "table"}, strings.Fields(table)...)...)
		}
	}
	// firewalld itself is not here, only its rules.
	for _, file := range []string{"firewalld-zones", "firewalld-one-zone", "firewalld-one-zone-closed", "firewalld-policy"} {
		rules, err := os.ReadFile("testdata/firewalls/" + file + ".nft")
		if err != nil {
			t.Fatal(err)
		}
		if r := lab.Linux2.TryInput(string(rules), "nft", "-f", "-"); r.Code != 0 {
			t.Fatal(r)
		}
		list := labObstacles(t)
		into := !slices.ContainsFunc(list, func(o keep.Obstacle) bool { return strings.Contains(o.What, "between gre1 and eth1") })
		if got := lab.Ping(t, lab.Linux1, lab.LAN2Addr); got != into {
			t.Errorf("%s: %+v, and the LAN answers: %v", file, list, got)
		}
		lab.Linux2.Run(t, "nft", "delete", "table", "inet", "firewalld")
	}
	labRules(t)
}

// TestLabForwarding switches the forwarding of a real tunnel, and nothing else.
func TestLabForwarding(t *testing.T) {
	labTunnel(t)
	labRules(t, snatRule(t, "172.16.0.0/30", lab.LAN2Net+"="+lab.Linux2LAN))
	before := lab.Linux2.Run(t, "sh", "-c", "grep -rs . /proc/sys/net/ipv4/conf/*/forwarding /proc/sys/net/ipv4/ip_forward")
	for _, on := range []bool{false, true} {
		onHost(t, lab.Linux2, func(ctx context.Context, g *Gateway) error {
			if err := g.SetForwarding(ctx, "gre1", on); err != nil {
				return err
			}
			if got, err := g.Forwarding(ctx, "gre1"); err != nil || got != on {
				return fmt.Errorf("switched to %v: %v, %w", on, got, err)
			}
			return nil
		})
		if got := lab.Ping(t, lab.Linux1, lab.LAN2Addr); got != on {
			t.Errorf("switched to %v: the LAN answers: %v", on, got)
		}
	}
	if after := lab.Linux2.Run(t, "sh", "-c", "grep -rs . /proc/sys/net/ipv4/conf/*/forwarding /proc/sys/net/ipv4/ip_forward"); after != before {
		t.Errorf("the switches were\n%sand are\n%s", before, after)
	}
	labRules(t)
}
