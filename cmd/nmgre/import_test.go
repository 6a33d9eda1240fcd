package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// officeScript has two tunnels, as people have it in rc.local.
const officeScript = `#!/bin/sh
# the office
PEER=100.0.2.100
modprobe ip_gre
ip tunnel add tun0 mode gre remote $PEER local 100.0.1.100 ttl 64
ip addr add 172.16.0.1/30 peer 172.16.0.2/30 dev tun0
ip link set tun0 up mtu 1400
ip route add 10.10.2.0/24 dev tun0
frobnicate tun0
ip link add name tun1 type gre remote 100.0.3.100 local 100.0.1.100 key 7 ttl 64
ip addr add 172.16.1.1/30 dev tun1
ip link set dev tun1 up
`

// A person sees these texts, word for word.
func TestImportOutputs(t *testing.T) {
	for _, c := range []struct {
		name, input string
		args        []string
		code        int
	}{
		{"import", officeScript, nil, exitDone},
		{"import-json", officeScript, []string{"--json"}, exitDone},
		{"import-dry-run", officeScript, []string{"--dry-run"}, exitDone},
		{"import-dry-run-json", officeScript, []string{"--dry-run", "--json"}, exitDone},
		{"import-strict", officeScript, []string{"--strict"}, exitInvalid},
		{"import-nothing", "all: build\n", nil, exitInvalid},
		{"import-no-tunnel", "ip link set eth0 up\n", nil, exitInvalid},
		{"import-csum", "ip tunnel add tun0 mode gre remote 100.0.2.100 local 100.0.1.100 icsum\nip addr add 172.16.0.1/30 dev tun0\n", nil, exitInvalid},
		{"import-options", "ip link add tun0 type gre remote 100.0.2.100 local 100.0.1.100 ttl inherit nopmtudisc ignore-df csum seq\nip link set tun0 up multicast on\nip addr add 172.16.0.1/30 dev tun0\n", []string{"--dry-run"}, exitDone},
		{"import-help", "", []string{"--help"}, exitDone},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.stdin = strings.NewReader(c.input)
			o := w.run(append([]string{"import", "-"}, c.args...)...)
			if o.code != c.code {
				t.Errorf("exit %d, want %d", o.code, c.code)
			}
			golden(t, c.name+".out", o.stdout+"---- stderr\n"+o.stderr)
			if list := w.must("list").stdout; (c.name == "import" || c.name == "import-json") != strings.Contains(list, "tun1") {
				t.Errorf("the tunnels are: %s", list)
			}
		})
	}
}

// Files that stand beside the given one are read with it.
func TestImportBeside(t *testing.T) {
	folder := t.TempDir()
	for name, text := range map[string]string{
		"ifcfg-tun0":  "DEVICE=tun0\nTYPE=GRE\nMY_OUTER_IPADDR=100.0.1.100\nPEER_OUTER_IPADDR=100.0.2.100\nMY_INNER_IPADDR=172.16.0.1\nPEER_INNER_IPADDR=172.16.0.2/30\n",
		"keys-tun0":   "KEY=42\n",
		"route-tun0":  "10.10.2.0/24 dev tun0\n",
		"route6-tun0": "",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w := newWorld(t)
	o := w.must("import", filepath.Join(folder, "ifcfg-tun0"))
	if !strings.Contains(o.stderr, "route-tun0, line 1: 10.10.2.0/24 dev tun0: taken") || !strings.Contains(o.stderr, "keys-tun0, line 1: KEY=42: taken") {
		t.Errorf("%s", o.stderr)
	}
	if shown := w.must("show", "tun0").stdout; !strings.Contains(shown, "10.10.2.0/24") || !strings.Contains(shown, "42 (0x2a") {
		t.Errorf("%s", shown)
	}
	if o := w.run("import", filepath.Join(folder, "ifcfg-none")); o.code != exitInvalid || !strings.Contains(o.stderr, "no such file") {
		t.Errorf("%d %s", o.code, o.stderr)
	}
}

// Of very many tunnels the far ends are not probed one after another, and the time allowed grows
// with them.
func TestImportMany(t *testing.T) {
	var script strings.Builder
	for i := range 25 {
		fmt.Fprintf(&script, "ip tunnel add tun%d mode gre remote 100.0.%d.100 local 100.0.1.100 ttl 64\nip addr add 172.16.%d.1/30 dev tun%d\n", i, i+2, i, i)
	}
	w := newWorld(t)
	w.stdin = strings.NewReader(script.String())
	o := w.must("import", "-")
	if !strings.Contains(o.stderr, "not probed one after another") || !strings.Contains(o.stderr, "brought it up: 20 of 25 tunnels") || strings.Contains(o.stderr, ": tun7") || !strings.Contains(o.stdout, "25 tunnels are up") {
		t.Errorf("%s%s", o.stdout, o.stderr)
	}
	if n := strings.Count(w.must("list").stdout, "tun"); n < 25 {
		t.Errorf("%d tunnels", n)
	}
}
