package main

import (
	"strings"
	"testing"
	"time"

	"nmgre/testdata/lab"
)

// mendDocument has a tunnel with something of each kind, of both owners, and with a rule that
// NetworkManager writes in other words than nmgre.
const mendDocument = `tunnels:
  - name: md1
    peer: 100.0.2.100
    key: 71
    addresses: [172.21.1.1/30, "fd21::1/126"]
    routes: [10.31.1.0/24, "fd31::/64", 10.31.2.0/24 table 100, 10.31.3.0/24 metric 5 congctl cubic]
    rules: [from 10.31.9.9 ipproto tcp dport 80 uidrange 0-99 table 100 priority 900, from 10.31.8.8 table 100 priority 901 suppress_ifgroup 3]
    snat: 10.31.1.0/24=masquerade
    forward: true
    clamp-mss: true
`

// Whatever somebody changes in the kernel behind NetworkManager's back is named by apply --check,
// which changes nothing, mended by apply, and no difference after that.
//
//lab:every
func TestLabApplyMends(t *testing.T) {
	lab.Need(t)
	host := lab.Linux1
	installHook(t, host)
	if _, r := applyOn(t, host, mendDocument, "--no-probe"); r.Code != exitDone {
		t.Fatal(r)
	}
	host.Run(t, "nmgre", "hook", "eth0", "up")
	mine := strings.TrimSpace(`ip -o -4 addr show dev md1 | sed 's/.*inet//'; ip -o -6 addr show dev md1 scope global | sed 's/.*inet6//'; ip -d link show dev md1 | grep -oE 'mtu [0-9]+|[io]key [0-9.]+|ttl [0-9a-z]+|,UP|,LOWER_UP';
ip route show table all dev md1 | grep -vE "^broadcast|fe80:"; ip -6 route show dev md1 proto static; ip rule; nft list ruleset | sed 's/packets [0-9]* bytes [0-9]*//; s/nmgre:.*//' | grep -E 'masquerade|maxseg'; cat /proc/sys/net/ipv4/conf/md1/forwarding`)
	look := func() string { t.Helper(); return ownMetric.ReplaceAllString(host.Run(t, "sh", "-c", mine), " ") }
	whole := look()
	for _, c := range []struct {
		change, says string
		fields       string
	}{
		{"ip route flush dev md1; ip -6 route flush dev md1 proto static; ip route flush table 100", "it lacks the route 10.31.1.0/24|it lacks the route fd31::/64|it lacks the route 10.31.2.0/24 table 100|it lacks the route 10.31.3.0/24 metric 5 congctl cubic", "routes"},
		{"ip rule del priority 900; ip rule del priority 901", "it lacks the rule from 10.31.9.9 |it lacks the rule from 10.31.8.8 table 100", "rules"},
		{"nft flush ruleset", "it lacks the nftables rule to give packets|it lacks the nftables rule to lower the MSS", "snat clamp-mss"},
		{"echo 0 > /proc/sys/net/ipv4/conf/md1/forwarding", "packets that come in by md1 are not forwarded", "forward"},
		{"ip addr flush dev md1", "it lacks the route 10.31.3.0/24", "routes"}, // NetworkManager 1.58 sets the addresses again by itself
		{"ip link delete dev md1; nmcli -w 10 connection down md1 || true", "it is down, and is to be up", ""},
		{"nmgre down md1", "it is down, and is to be up", ""},
		{"ip link set md1 mtu 1300", "mtu: profile 1472, kernel 1300", "mtu"},
		{"ip link set md1 type gre key 72", "input key: profile 71, kernel 72", "key"},
		{"ip link set md1 type gre ttl 9 key 71", "ttl: profile 64, kernel 9", "ttl"},
	} {
		host.Run(t, "sh", "-c", c.change)
		for _, check := range []bool{true, false} {
			args := []string{"--no-probe"}
			if check {
				args = append(args, "--check")
			}
			form, r := applyOn(t, host, mendDocument, args...)
			if r.Code != exitDone || actionsOf(form) != "md1 change" || !form.Changed || !strings.Contains(strings.Join(form.Diff[0].Fields, " "), c.fields) {
				t.Fatalf("%s: check %v: exit %d, %+v\n%s", c.change, check, r.Code, form, r.Stderr)
			}
			for _, text := range strings.Split(c.says, "|") {
				if !strings.Contains(strings.Join(form.Diff[0].Drift, "\n"), text) {
					t.Errorf("%s: check %v: it says %q, and not %q", c.change, check, form.Diff[0].Drift, text)
				}
			}
		}
		now := look()
		for end := time.Now().Add(10 * time.Second); now != whole && time.Now().Before(end); now = look() {
			time.Sleep(200 * time.Millisecond)
		}
		mustEqual(t, c.change, whole, now)
		if form, r := applyOn(t, host, mendDocument, "--no-probe"); r.Code != exitDone || form.Changed {
			t.Errorf("%s: applied again: exit %d, %+v\n%s", c.change, r.Code, form, r.Stderr)
		}
	}
}
