package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nmgre/testdata/lab"
)

// labDocument is a document for linux1 with two tunnels; more is added to it.
const labDocument = `defaults: {ttl: 64}
tunnels:
  - name: ap1
    peer: 100.0.2.100
    addresses: [172.20.1.1/30]
    routes: [10.30.1.0/24, 10.30.2.0/24]
  - name: ap2
    peer: 100.0.2.100
    addresses: [172.20.2.1/30]
    key: 42
    routes: [10.30.3.0/24 table 100]
    rules: [from 10.30.9.9 table 100]
    snat: 10.30.3.0/24=masquerade
    forward: true
`

// appliedJSON is the output of apply --json.
type appliedJSON struct {
	Changed bool
	Diff    []struct {
		Tunnel, Action string
		Fields, Drift  []string
	}
	Verify []struct{ Tunnel, Verdict string }
	Error  *struct{ Message string }
}

// applyOn applies a document on a host, and returns the JSON and the exit code.
func applyOn(t *testing.T, host lab.Host, text string, args ...string) (appliedJSON, lab.Result) {
	t.Helper()
	r := host.TryInput(text, "nmgre", append([]string{"apply", "-f", "-", "--json"}, args...)...)
	var form appliedJSON
	if err := json.Unmarshal([]byte(r.Stdout), &form); err != nil {
		t.Fatalf("%v: %s%s", err, r.Stdout, r.Stderr)
	}
	return form, r
}

// actionsOf writes the action on each tunnel.
func actionsOf(form appliedJSON) string {
	var words []string
	for _, d := range form.Diff {
		words = append(words, d.Tunnel+" "+d.Action)
	}
	return strings.Join(words, ", ")
}

// A document is applied, changed, and applied again, with nmcli and ip as witnesses: it makes,
// changes and removes, all of it or nothing, and a second time it changes nothing.
//
//lab:forky
func TestLabApply(t *testing.T) {
	lab.Need(t)
	host := lab.Linux1
	installHook(t, host)
	snapshot := host.Snapshot(t)
	expect := func(name string, form appliedJSON, r lab.Result, changed bool, actions string) {
		t.Helper()
		if r.Code != 0 || form.Changed != changed || actionsOf(form) != actions {
			t.Fatalf("%s: exit %d, changed %v, %s\n%s", name, r.Code, form.Changed, actionsOf(form), r.Stderr)
		}
	}
	profiles := func() string {
		return strings.Join(strings.Fields(host.Run(t, "sh", "-c", "nmcli -g NAME connection show | grep -E '^(ap|by)' | sort")), " ")
	}

	form, r := applyOn(t, host, labDocument, "--check", "--diff")
	expect("check", form, r, true, "ap1 create, ap2 create")
	if got := host.Try("sh", "-c", "nmcli -g NAME connection show | grep -c '^ap'").Stdout; strings.TrimSpace(got) != "0" {
		t.Errorf("--check has made something: %s", got)
	}

	host.Run(t, "nmgre", "create", "--name", "byhand", "--peer", "100.0.2.100", "--key", "7", "--address", "172.20.7.1/30")
	form, r = applyOn(t, host, labDocument)
	expect("apply", form, r, true, "ap1 create, ap2 create")
	if len(form.Verify) != 2 || form.Verify[0].Verdict == "fail" {
		t.Errorf("the reports are %v", form.Verify)
	}
	if got := profiles(); got != "ap1 ap2 byhand" {
		t.Errorf("NetworkManager has %s", got)
	}
	for _, c := range []struct{ command, word string }{
		{"ip -d link show dev ap2", "0.0.0.42"}, {"ip addr show dev ap1", "172.20.1.1/30"}, {"ip route show dev ap1", "10.30.2.0/24"},
		{"ip route show table 100", "10.30.3.0/24"}, {"ip rule", "from 10.30.9.9 lookup 100"}, {"nft list ruleset", "masquerade"},
		{"nmcli -g connection.autoconnect connection show ap1", "yes"},
	} {
		if got := host.Run(t, "sh", "-c", c.command); !strings.Contains(got, c.word) {
			t.Errorf("%s has no %s: %s", c.command, c.word, got)
		}
	}

	form, r = applyOn(t, host, labDocument, "--prune")
	expect("again", form, r, false, "ap1 none, ap2 none")
	host.Run(t, "sh", "-c", "nmcli connection modify byhand ipv4.dns 192.0.2.53 connection.autoconnect-priority 7")
	exported := nmgreOn(t, host, exitDone, "export")
	if !strings.HasSuffix(exported.Stderr, "byhand has: connection.autoconnect-priority 7; ipv4.dns 192.0.2.53\n") || strings.Count(exported.Stderr, "\n") != 1 {
		t.Errorf("export tells of settings: %s", exported.Stderr)
	}
	form, r = applyOn(t, host, exported.Stdout)
	expect("export", form, r, false, "ap1 none, ap2 none, byhand none")

	// drift is mended
	host.Run(t, "sh", "-c", "nmcli connection modify ap2 ip-tunnel.input-key 43 ip-tunnel.output-key 43 && nmcli connection up ap2")
	form, r = applyOn(t, host, labDocument)
	expect("drift", form, r, true, "ap1 none, ap2 change")
	if got := host.Run(t, "ip", "-d", "link", "show", "dev", "ap2"); !strings.Contains(got, "0.0.0.42") || len(form.Diff[1].Fields) != 1 || form.Diff[1].Fields[0] != "key" {
		t.Errorf("%v, and the link is %s", form.Diff, got)
	}

	// an error in the middle undoes everything: ap9 has an address that the kernel refuses
	before := host.Snapshot(t)
	wrong := strings.Replace(labDocument, "addresses: [172.20.1.1/30]", "addresses: [172.20.1.1/30]\n    mtu: 1300", 1) +
		"  - {name: ap8, peer: 100.0.2.100, key: 8, addresses: 172.20.8.1/30}\n  - {name: ap9, peer: 100.0.2.100, key: 9, addresses: 172.20.9.1/30, snat: 10.30.3.0/24=masquerade, parent: nosuchdev}\n"
	form, r = applyOn(t, host, wrong)
	if r.Code == 0 || form.Error == nil || form.Error.Message == "" {
		t.Errorf("an impossible parent: exit %d, %v", r.Code, form.Error)
	}
	mustEqual(t, "after an impossible parent", before, host.Snapshot(t))

	// when everything is up, nobody confirms it: everything is undone
	wrong = strings.Replace(wrong, ", parent: nosuchdev", "", 1)
	if err := os.WriteFile(filepath.Join(host.Root(), "root", "apply.yaml"), []byte(wrong), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := host.TryInput("no\n", "nmgre", "apply", "-f", "/root/apply.yaml", "--confirm", "60s"); r.Code != exitFailed || !strings.Contains(r.Stderr, "not confirmed") {
		t.Errorf("an apply that nobody confirms: %s", r)
	}
	mustEqual(t, "after a no", before, host.Snapshot(t))
	same := alike(t)
	startConfirm(t, "apply", "-f", "/root/apply.yaml", "--no-probe", "--confirm", "60s").kill9(t, false)
	eventually(t, "an apply that was killed while it waited is undone by itself", func() bool { return len(processes(host, "undo-killed")) == 0 })
	mustEqual(t, "after a kill while it waited", same, alike(t))
	startApply(t, "brought it up").Kill()
	nmgreOn(t, host, exitDone, "list")
	mustEqual(t, "after a kill in the middle and the next command", same, alike(t))

	// a link in the way of the last one
	host.Run(t, "sh", "-c", "ip link add other type gre remote 100.0.2.100 local 100.0.1.100 key 9")
	before = host.Snapshot(t)
	form, r = applyOn(t, host, wrong)
	if r.Code == 0 || form.Error == nil {
		t.Errorf("a link in the way: exit %d", r.Code)
	}
	mustEqual(t, "after a link in the way", before, host.Snapshot(t))
	host.Run(t, "ip", "link", "del", "other")
	form, r = applyOn(t, host, wrong)
	expect("the link is gone", form, r, true, "ap1 change, ap2 none, ap8 create, ap9 create")

	form, r = applyOn(t, host, "tunnels: [{name: ap1, state: absent}]")
	expect("absent", form, r, true, "ap1 delete")
	form, r = applyOn(t, host, "tunnels: []", "--prune")
	expect("prune", form, r, true, "ap2 delete, ap8 delete, ap9 delete")
	if got := profiles(); got != "byhand" {
		t.Errorf("NetworkManager has %s", got)
	}
	left := host.Run(t, "sh", "-c", "ip link; ip rule; ip route show table all; nft list ruleset; ls /etc/nmgre 2>/dev/null; true")
	for _, word := range []string{"ap1", "ap2", "ap8", "ap9", "10.30.", "lookup 100"} {
		if strings.Contains(left, word) {
			t.Errorf("%s is left: %s", word, left)
		}
	}
	host.Run(t, "nmgre", "delete", "byhand")
	mustEqual(t, "after all was deleted", snapshot, host.Snapshot(t))
}

// A mesh of two hosts is one document for both, and its inner addresses ping.
func TestLabApplyMesh(t *testing.T) {
	lab.Need(t)
	text := `hosts:
  linux1: {outer: 100.0.1.100, networks: [10.10.1.0/24]}
  linux2: {outer: 100.0.2.100, networks: [10.10.2.0/24]}
pool: 172.31.0.0/16
key-pool: 1-65535
defaults: {forward: true}
links: [{full: all}]
`
	for name, host := range map[string]lab.Host{"linux1": lab.Linux1, "linux2": lab.Linux2} {
		installHook(t, host)
		if form, r := applyOn(t, host, text, "--host", name); r.Code != 0 || !form.Changed {
			t.Fatalf("%s: %+v", name, r)
		}
	}
	mustPing(t, lab.LAN1, lab.LAN2Addr)
	for name, host := range map[string]lab.Host{"linux1": lab.Linux1, "linux2": lab.Linux2} {
		if form, r := applyOn(t, host, text, "--host", name); r.Code != 0 || form.Changed {
			t.Errorf("%s again: %+v", name, r)
		}
		if form, r := applyOn(t, host, strings.Replace(text, "links: [{full: all}]", "links: []", 1), "--host", name, "--prune"); r.Code != 0 || !form.Changed || len(form.Diff) != 1 {
			t.Errorf("%s without the link: %+v", name, r)
		}
	}
}
