package ansible

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"nmgre/testdata/lab"
)

// config is the tests' configuration of Ansible: fewer processes for each task.
const config = "[defaults]\ninterpreter_python=/usr/bin/python3\nforks=6\nretry_files_enabled=false\n[ssh_connection]\npipelining=true\n"

// engine makes linux1 the host that Ansible runs on, for linux1 to the host of a number, with the
// inventory and the playbook that README shows.
func engine(t *testing.T, most int) {
	t.Helper()
	lab.Need(t)
	lab.More(t, most)
	for n := 1; n <= most; n++ {
		lab.Linux(n).SSH(t, lab.Linux1)
	}
	to := filepath.Join(lab.Linux1.Root(), "usr/share/ansible/collections/ansible_collections/nmgre/gre")
	if err := os.MkdirAll(to, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(to, Files); err != nil {
		t.Fatal(err)
	}
	playbook, err := os.ReadFile("testdata/mesh.yml")
	if err != nil {
		t.Fatal(err)
	}
	put(t, "star.ini", star(t))
	put(t, "mesh.yml", string(playbook))
	put(t, "ansible.cfg", config)
}

// star is the inventory that README shows.
func star(t *testing.T) string {
	t.Helper()
	inventory, err := os.ReadFile("testdata/star.ini")
	if err != nil {
		t.Fatal(err)
	}
	return string(inventory)
}

// put writes a file into root's home on linux1, where Ansible runs.
func put(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(lab.Linux1.Root(), "root", name), []byte(text), fs.FileMode(0o600)); err != nil {
		t.Fatal(err)
	}
}

// patience bounds one run of Ansible: on an emulated processor each task takes seconds.
const patience = 12 * time.Minute

// recap is a host's line at the end of a run.
type recap struct{ changed, unreachable, failed int }

var recapLine = regexp.MustCompile(`(?m)^(\S+) +: ok=\d+ +changed=(\d+) +unreachable=(\d+) +failed=(\d+)`)

// play runs the playbook on an inventory, and returns the recap of each host.
func play(t *testing.T, inventory string, args ...string) (map[string]recap, lab.Result) {
	t.Helper()
	p := lab.Linux1.Start(t, "ansible-playbook", append([]string{"-i", inventory, "mesh.yml"}, args...)...)
	r := p.WaitFor(t, patience)
	t.Logf("ansible-playbook -i %s mesh.yml %s: exit status %d after %v", inventory, strings.Join(args, " "), r.Code, r.Took)
	hosts := make(map[string]recap)
	for _, m := range recapLine.FindAllStringSubmatch(r.Stdout, -1) {
		var got recap
		got.changed, _ = strconv.Atoi(m[2])
		got.unreachable, _ = strconv.Atoi(m[3])
		got.failed, _ = strconv.Atoi(m[4])
		hosts[m[1]] = got
	}
	return hosts, r
}

// mustPlay runs the playbook, and wants exactly these hosts to be changed, and all to do well.
func mustPlay(t *testing.T, inventory string, hosts int, changed []int, args ...string) lab.Result {
	t.Helper()
	got, r := play(t, inventory, args...)
	want := make(map[string]int)
	for _, n := range changed {
		want[string(lab.Linux(n))] = 1
	}
	if r.Code != 0 || len(got) != hosts {
		t.Fatalf("%v: %s", got, r)
	}
	for host, one := range got {
		if one != (recap{changed: want[host]}) {
			t.Errorf("%s: %+v, want changed=%d\n%s", host, one, want[host], r)
		}
	}
	return r
}

// numbers are 1 to n.
func numbers(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i + 1
	}
	return list
}

// mustPingAll pings from the host behind each site those behind all others.
func mustPingAll(t *testing.T, sites int) {
	t.Helper()
	for _, from := range numbers(sites) {
		var line []string
		for _, to := range numbers(sites) {
			if to != from {
				line = append(line, fmt.Sprintf("{ ping -n -q -c 3 -i 0.2 -W 2 %s >/dev/null || echo %d; }", lab.LANAddr(to), to))
			}
		}
		if lost := lab.LAN(from).Run(t, "sh", "-c", strings.Join(line, " & ")+" & wait"); lost != "" {
			t.Errorf("lan%d does not reach the lans %q", from, lost)
		}
	}
}

// mustHaveTunnels asks NetworkManager and the kernel for the tunnels of a host.
func mustHaveTunnels(t *testing.T, host lab.Host, want ...string) {
	t.Helper()
	profiles := host.Run(t, "sh", "-c", "nmcli -g NAME,TYPE connection show | sed -n 's/:ip-tunnel$//p' | sort")
	links := host.Run(t, "sh", "-c", "ip -br link show type gre | cut -d@ -f1 | grep -vx gre0 | sort")
	for name, got := range map[string]string{"nmcli": profiles, "ip": links} {
		if list := strings.Join(strings.Fields(got), " "); list != strings.Join(want, " ") {
			t.Errorf("%s: %s shows %q, want %q", host, name, list, want)
		}
	}
}

// three is the star of the first three sites.
func three(t *testing.T) string {
	t.Helper()
	hosts, rest, _ := strings.Cut(star(t), "linux4")
	_, vars, found := strings.Cut(rest, "[mesh:vars]")
	if !found {
		t.Fatal("the inventory has no variables")
	}
	return hosts + "[mesh:vars]" + vars
}

// quick leaves out that each host proves its tunnels at the end, where the proof is not under test:
// on an emulated processor it takes seconds on each host.
var quick = []string{"-e", "mesh_verify=false"}

// A star of three sites over a real sshd is made, and the next run changes nothing.
func TestLabAnsible(t *testing.T) {
	engine(t, 3)
	put(t, "three.ini", three(t))
	mustPlay(t, "three.ini", 3, numbers(3), quick...)
	mustHaveTunnels(t, lab.Linux1, "gre-linux2", "gre-linux3")
	mustHaveTunnels(t, lab.Linux(3), "gre-linux1")
	mustPingAll(t, 3)
	mustPlay(t, "three.ini", 3, nil, "-e", `{"mesh_verify": "{{ inventory_hostname == 'linux2' }}"}`)
}

// drift changes the key of a tunnel behind nmgre's back.
func drift(t *testing.T, n int, tunnel string) {
	t.Helper()
	lab.Linux(n).Run(t, "sh", "-c", "nmcli connection modify "+tunnel+" ip-tunnel.input-key 99999 ip-tunnel.output-key 99999 && nmcli connection up "+tunnel)
}

// README's star of five sites: every pair reaches each other, and the next run changes nothing.
//
//lab:sweep
func TestLabAnsibleStar(t *testing.T) {
	engine(t, 5)
	mustPlay(t, "star.ini", 5, numbers(5))
	mustHaveTunnels(t, lab.Linux1, "gre-linux2", "gre-linux3", "gre-linux4", "gre-linux5")
	mustHaveTunnels(t, lab.Linux(5), "gre-linux1")
	mustPingAll(t, 5)
	mustPlay(t, "star.ini", 5, nil, quick...)
}

// A check changes nothing, and shows the changes that a run would make. A key that has drifted is
// named from both ends, and mended by the next run, on that host alone; a limit is obeyed. A host
// that is down is named, and the others are done all the same. A host leaves, and then all do.
//
//lab:sweep
func TestLabAnsibleDrift(t *testing.T) {
	engine(t, 3)
	put(t, "three.ini", three(t))
	before := lab.Linux(3).Snapshot(t)
	r := mustPlay(t, "three.ini", 3, numbers(3), "--check", "--diff")
	if !strings.Contains(r.Stdout, "+++ after: tunnel gre-linux1 (create)") || !strings.Contains(r.Stdout, `+    "peer": "100.0.1.100",`) {
		t.Errorf("the difference is not shown: %s", r)
	}
	if after := lab.Linux(3).Snapshot(t); after != before {
		t.Error("--check has changed linux3")
	}
	mustPlay(t, "three.ini", 3, numbers(3), quick...)

	drift(t, 3, "gre-linux1")
	r = lab.Linux1.Try("nmgre", "verify", "gre-linux3", "--far", "linux3")
	if r.Code != 3 || !strings.Contains(r.Stdout, "99999") || !strings.Contains(r.Stdout, "linux3") {
		t.Errorf("verify --far does not name the key of linux3: %s", r)
	}
	r = mustPlay(t, "three.ini", 3, []int{3}, append(quick, "--diff")...)
	if !strings.Contains(r.Stdout, `-    "key": 99999`) {
		t.Errorf("the difference is not shown: %s", r)
	}
	if r := lab.Linux1.Try("nmgre", "verify", "gre-linux3", "--far", "linux3"); r.Code != 0 {
		t.Errorf("after it was mended: %s", r)
	}

	lab.Linux(3).Run(t, "ip", "route", "flush", "dev", "gre-linux1")
	r = mustPlay(t, "three.ini", 3, []int{3}, append(quick, "--diff")...)
	if !strings.Contains(r.Stdout, "it lacks the route") {
		t.Errorf("the lost routes are not shown: %s", r)
	}
	mustPlay(t, "three.ini", 3, nil, quick...)

	drift(t, 2, "gre-linux1")
	drift(t, 3, "gre-linux1")
	mustPlay(t, "three.ini", 1, []int{3}, append(quick, "--limit", "linux3")...)
	mustDoWithout(t)
	mustLeave(t)
}

// mustDoWithout has linux2 down, in the middle of the others, while linux3 has drifted.
func mustDoWithout(t *testing.T) {
	t.Helper()
	drift(t, 3, "gre-linux1")
	lab.Router.Run(t, "nft", "add table ip down; add chain ip down c { type filter hook forward priority 0; }; "+
		"add rule ip down c ip daddr 100.0.2.100 tcp dport 22 reject with tcp reset")
	defer lab.Router.Run(t, "nft", "delete table ip down")
	got, r := play(t, "three.ini", quick...)
	want := map[string]recap{"linux1": {}, "linux2": {unreachable: 1}, "linux3": {changed: 1}}
	if r.Code != 4 || !maps.Equal(got, want) || !strings.Contains(r.Stdout, "fatal: [linux2]: UNREACHABLE!") {
		t.Errorf("one host down: %v, want %v: %s", got, want, r)
	}
}

// mustLeave has linux3 leave, and with it the others' routes to its network. Then all leave.
func mustLeave(t *testing.T) {
	t.Helper()
	put(t, "leaves.ini", strings.Replace(three(t), "linux3 ", "linux3 mesh_state=absent ", 1))
	mustPlay(t, "leaves.ini", 3, numbers(3), quick...)
	mustHaveTunnels(t, lab.Linux1, "gre-linux2")
	mustHaveTunnels(t, lab.Linux(3))
	mustPlay(t, "three.ini", 3, numbers(2), append(quick, "-e", "mesh_state=absent")...)
	for _, n := range numbers(3) {
		mustHaveTunnels(t, lab.Linux(n))
	}
}

// A full mesh of six sites: every pair reaches each other, and the next run changes nothing. Given
// pairs instead leave those alone that both have, and delete the others.
//
//lab:sweep
func TestLabAnsibleMesh(t *testing.T) {
	engine(t, 6)
	six := strings.Replace(star(t), "[mesh:vars]", "linux6 ansible_host=100.0.6.100 mesh_networks=10.10.6.0/24\n[mesh:vars]", 1)
	put(t, "full.ini", strings.Replace(six, "mesh_star=linux1", "mesh_full=true", 1))
	forward := append(quick, "-e", "{mesh_defaults: {forward: true}}")
	mustPlay(t, "full.ini", 6, numbers(6), forward...)
	mustHaveTunnels(t, lab.Linux(4), "gre-linux1", "gre-linux2", "gre-linux3", "gre-linux5", "gre-linux6")
	mustPingAll(t, 6)
	mustPlay(t, "full.ini", 6, nil, forward...)

	put(t, "pairs.ini", strings.Replace(six, "mesh_star=linux1\n", "", 1))
	mustPlay(t, "pairs.ini", 6, numbers(6), append(forward, "-e", "{mesh_pairs: [[linux1, linux2], [linux3, linux4], [linux5, linux6]]}")...)
	mustHaveTunnels(t, lab.Linux(4), "gre-linux3")
	if !lab.Ping(t, lab.LAN(3), lab.LANAddr(4)) {
		t.Error("lan3 does not reach lan4")
	}
}

// The modules by themselves, over ssh: a tunnel is made, told of, changed and removed. The errors
// are nmgre's.
//
//lab:sweep
func TestLabAnsibleModules(t *testing.T) {
	engine(t, 3)
	const one = "name=gre7 peer=100.0.2.100 addresses=172.16.7.1/30 key=7 routes=10.10.2.0/24"
	for _, c := range []struct{ module, args, want string }{
		{"tunnel", one, `"changed": true`},
		{"tunnel", one, `"changed": false`},
		{"tunnel", one + " mtu=1300", `"changed": true`},
		{"tunnel_facts", "", `"interface": "gre7"`},
		{"tunnel", one + " mtu=13", "hint: use 68 to 65535"},
		{"tunnel", "name=gre7 state=absent", `"changed": true`},
		{"tunnel", "name=gre7 state=absent", `"changed": false`},
		{"tunnel", one + " executable=/nowhere/nmgre", "install it on the host"},
	} {
		p := lab.Linux1.Start(t, "ansible", "-i", "star.ini", "linux3", "-m", "nmgre.gre."+c.module, "-a", c.args)
		if r := p.WaitFor(t, patience); !strings.Contains(r.Stdout+r.Stderr, c.want) {
			t.Errorf("%s %s: want %s\n%s", c.module, c.args, c.want, r)
		}
	}
	mustHaveTunnels(t, lab.Linux(3))
}
