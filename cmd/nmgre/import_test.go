package main

import (
	"errors"
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

// A zone, device, bridge, address or table that this host does not have is refused before anything
// is made, with its line and field.
func TestImportChecks(t *testing.T) {
	const first = "ip tunnel add tun9 mode gre remote 100.0.9.100 local 100.0.1.100 ttl 64\nip addr add 172.16.9.1/30 dev tun9\n"
	const ifcfg = "DEVICE=tun0\nTYPE=GRE\nMY_OUTER_IPADDR=100.0.1.100\nPEER_OUTER_IPADDR=100.0.2.100\nMY_INNER_IPADDR=172.16.0.1/30\n"
	for _, c := range []struct{ name, input, want string }{
		{"zone", ifcfg + "ZONE=wirk\n", "nmgre: line 6: tun0: zone: firewalld has no zone wirk\nhint: did you mean work; the zones are public, work\n"},
		{"parent", first + "ip link add tun0 type gre remote 100.0.2.100 local 100.0.1.100 \\\n  dev eth77\nip addr add 172.16.0.1/30 dev tun0\n", "nmgre: line 4: tun0: parent: there is no device eth77\n"},
		{"bridge", first + "ip link add tap0 type gretap remote 100.0.2.100 local 100.0.1.100\nip link set tap0 up\nip link set dev tap0 master br77\n", "nmgre: line 5: tap0: controller: there is no bridge br77, and no profile of one\n"},
		{"local", first + "ip link add tun0 type gre remote 100.0.2.100 local 100.0.1.77\nip addr add 172.16.0.1/30 dev tun0\n", "nmgre: line 3: tun0: local: 100.0.1.77 is not an address of this host\n"},
		{"table of a route", first + "ip route add 10.1.0.0/16 dev tun9 table office\nip route add 10.2.0.0/16 dev tun9 table nowhere\nip rule add from 10.3.0.0/16 lookup nowhere\nip route add default via 192.0.2.1 table elsewhere\n",
			"nmgre: route: line 4: tun9: this host has no table \"nowhere\"\nhint: write its number, or give it a name in /etc/iproute2/rt_tables\nnmgre: rule: line 5: tun9: this host has no table \"nowhere\"\nhint: write its number, or give it a name in /etc/iproute2/rt_tables\n"},
		{"table of networkd", "# file: a.netdev\n[NetDev]\nName=tun0\nKind=gre\n[Tunnel]\nLocal=100.0.1.100\nRemote=100.0.2.100\n# file: a.network\n[Match]\nName=tun0\n[Network]\nAddress=172.16.0.1/30\n[Route]\nDestination=10.1.0.0/16\nTable=nowhere\n",
			"nmgre: route: line 6: a.network: tun0: this host has no table \"nowhere\"\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.bus.SetFirewalld(map[string][]any{"getZones": {[]string{"work", "public"}}})
			tables := filepath.Join(w.root, "etc/iproute2/rt_tables")
			if err := errors.Join(os.MkdirAll(filepath.Dir(tables), 0o700), os.WriteFile(tables, []byte("77 office\n"), 0o600)); err != nil {
				t.Fatal(err)
			}
			for _, more := range [][]string{nil, {"--dry-run"}} {
				w.stdin = strings.NewReader(c.input)
				o := w.run(append([]string{"import", "-"}, more...)...)
				if o.code != exitInvalid || !strings.Contains(o.stderr, c.want) || strings.Count(o.stderr, "nmgre: ") != strings.Count(c.want, "nmgre: ") {
					t.Errorf("exit %d, want %s\n%s", o.code, c.want, o.stderr)
				}
			}
			if list := w.must("list").stdout; strings.Contains(list, "tun") {
				t.Errorf("the tunnels are: %s", list)
			}
		})
	}
}

// The tables' names are those of this host.
func TestImportTables(t *testing.T) {
	w := newWorld(t)
	tables := filepath.Join(w.root, "etc/iproute2/rt_tables")
	if err := errors.Join(os.MkdirAll(filepath.Dir(tables), 0o700), os.WriteFile(tables, []byte("77 office\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	w.stdin = strings.NewReader("ip tunnel add tun0 mode gre remote 100.0.2.100 local 100.0.1.100 ttl 64\nip addr add 172.16.0.1/30 dev tun0\nip route add 10.1.0.0/16 dev tun0 table office\nip rule add from 10.3.0.0/16 lookup office\n")
	if shown := w.must("import", "-", "--dry-run").stdout; !strings.Contains(shown, "10.1.0.0/16 table 77") || !strings.Contains(shown, "from 10.3.0.0/16 table 77") {
		t.Errorf("%s", shown)
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
	alone := filepath.Join(t.TempDir(), "ifcfg-tun1") // wicked has the device in the file's name only
	if err := os.WriteFile(alone, []byte("TUNNEL='gre'\nTUNNEL_LOCAL_IPADDR='100.0.1.100'\nTUNNEL_REMOTE_IPADDR='100.0.3.100'\nIPADDR='172.16.1.1/30'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if shown := w.must("import", alone, "--dry-run").stdout; !strings.Contains(shown, "172.16.1.1/30") {
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
