package main

import (
	"bytes"
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nmgre/cmd/nmgre/adapters"
	"nmgre/testdata/fake"
	"nmgre/testdata/want"
)

// withNames runs a command line on a host that looks these names up.
func (w *world) withNames(names map[string][]netip.Addr, args ...string) outcome {
	w.t.Helper()
	var stdout, stderr bytes.Buffer
	dns := fake.NewWorld()
	dns.Names = names
	resolver := dns.Start()
	a := &app{stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, root: w.root, owner: os.Getuid(), resolver: resolver, own: func() []netip.Addr { return []netip.Addr{want.Addr("100.0.1.100")} },
		open: func(ctx context.Context) (adapters.Doors, func(), error) {
			d, closeAll, err := w.open(ctx)
			d.Resolver = resolver
			return d, closeAll, err
		}}
	code := a.run(args)
	return outcome{code, stdout.String(), stderr.String()}
}

// The far end is given by its name: one address is taken and said, of several one is chosen, and
// the address to which the name leads later is followed.
func TestPeerByName(t *testing.T) {
	w := newWorld(t)
	names := map[string][]netip.Addr{"gw": {want.Addr("100.0.2.100"), want.Addr("2001:db8:2::100")}, "two": {want.Addr("100.0.2.101"), want.Addr("100.0.2.100")}, "own": {want.Addr("100.0.1.100")}}
	create := func(peer string) []string {
		return []string{"create", "--peer", peer, "--address", "172.16.0.1/30", "--no-probe"}
	}
	for peer, text := range map[string]string{
		"two": "hint: choose one of them: --peer two=100.0.2.100, or --peer two=100.0.2.101\n", "two=100.0.2.9": "100.0.2.9 is not among the addresses of two", "own": "this host's own address",
		"gw=x": "\"x\" is not an IP address", "nobody": "nobody has no IPv4 address (A)", "auto": "auto looks the far end's name up again, and this one was given by its address", "100.0.2.300": "is not an IP address",
	} {
		if o := w.withNames(names, create(peer)...); o.code != exitInvalid || !strings.Contains(o.stderr, text) || !strings.Contains(o.stderr, "nmgre: peer: ") {
			t.Errorf("--peer %s: exit %d\n%s", peer, o.code, o.stderr)
		}
	}
	if o := w.withNames(names, append(create("gw"), "--follow")...); o.code != exitDone || !strings.Contains(o.stderr, "gw is 100.0.2.100: NetworkManager holds the address only") {
		t.Fatalf("exit %d\n%s%s", o.code, o.stdout, o.stderr)
	}
	if o := w.must("list", "--json"); !strings.Contains(o.stdout, `"peer_name": "gw"`) || !strings.Contains(o.stdout, `"follow": true`) {
		t.Errorf("list --json: %s", o.stdout)
	}
	if o := w.withNames(names, "follow", "--all"); o.code != exitDone || o.stderr != "nmgre: gre1: gw still leads to 100.0.2.100\n" {
		t.Errorf("exit %d\n%s", o.code, o.stderr)
	}
	names["gw"] = []netip.Addr{want.Addr("100.0.2.101")}
	if o := w.withNames(names, "follow", "gre1", "--dry-run"); o.code != exitDone || !strings.Contains(o.stderr, "gre1: would move from 100.0.2.100 to 100.0.2.101, where gw leads now") {
		t.Errorf("exit %d\n%s", o.code, o.stderr)
	}
	if o := w.withNames(names, "edit", "gre1", "--peer", "auto", "--no-probe"); o.code != exitDone || !strings.Contains(o.stderr, "peer: 100.0.2.100 -> 100.0.2.101") {
		t.Errorf("exit %d\n%s", o.code, o.stderr)
	}
	names["gw"] = nil
	if o := w.withNames(names, "follow", "--all"); o.code != exitFailed || !strings.Contains(o.stderr, "nmgre: gre1: peer: gw has no IPv4 address (A)") {
		t.Errorf("exit %d\n%s", o.code, o.stderr)
	}
	names["gw"] = []netip.Addr{{}}
	for _, args := range [][]string{{"follow", "--all"}, {"follow", "gre1"}, create("gw"), {"edit", "gre1", "--peer", "auto"}} {
		if o := w.withNames(names, args...); o.code != exitFailed || !strings.Contains(o.stderr, "peer: gw could not be looked up: no name server of this host answered the question: server misbehaving\nhint: see whether they answer: getent ahosts gw;") {
			t.Errorf("%v: exit %d\n%s", args, o.code, o.stderr)
		}
	}
	for _, args := range [][]string{{"follow"}, {"follow", "gre1", "--all"}} {
		if o := w.run(args...); o.code != exitInvalid {
			t.Errorf("%v: exit %d\n%s", args, o.code, o.stderr)
		}
	}
	names["gw"] = []netip.Addr{want.Addr("172.16.0.2")} // which is wrong in two ways
	if o := w.withNames(names, "follow", "--all"); o.code != exitFailed || strings.Count(o.stderr, "nmgre: gre1: ") != 2 || strings.Contains(o.stderr, `\n`) {
		t.Errorf("exit %d\n%s", o.code, o.stderr)
	}
	w.must("edit", "gre1", "--peer", "100.0.2.102", "--no-probe")
	if o := w.must("list", "--json"); strings.Contains(o.stdout, "peer_name") || strings.Contains(o.stdout, `"follow"`) {
		t.Errorf("the name stays beside an address: %s", o.stdout)
	}
}

// --no-probe is for this command; its words last in the profile, and alone are a change.
func TestNoProbeLasts(t *testing.T) {
	w := newWorld(t)
	w.must("create", "--peer", "100.0.2.100", "--address", "172.16.0.1/30", "--no-probe")
	if o := w.must("list", "--json"); strings.Contains(o.stdout, "no_probe") {
		t.Errorf("--no-probe alone lasts: %s", o.stdout)
	}
	if o := w.run("edit", "gre1", "--no-probe"); o.code != exitInvalid || !strings.Contains(o.stderr, "there is nothing to change") {
		t.Errorf("exit %d\n%s", o.code, o.stderr)
	}
	if o := w.run("edit", "gre1", "--no-probe=sometimes"); o.code != exitInvalid || !strings.Contains(o.stderr, "no-probe: ") || !strings.Contains(o.stderr, "always") {
		t.Errorf("exit %d\n%s", o.code, o.stderr)
	}
	if o := w.must("edit", "gre1", "--no-probe=always", "--dry-run"); !strings.Contains(o.stdout, "no-probe: never -> always") || !strings.Contains(o.stdout, "change the profile gre1, in memory only") || strings.Contains(o.stdout, "probe the far end") || strings.Contains(o.stdout, "ping") {
		t.Errorf("the plan: %s", o.stdout)
	}
	for flag, probes := range map[string]bool{"--no-probe": false, "--no-probe=always": false, "--ttl=64": true} {
		o := w.must("create", "--name", "gre9", "--peer", "100.0.2.100", "--key", "9", "--address", "172.16.9.1/30", "--dry-run", flag)
		if strings.Contains(o.stdout, "and probe the far end") != probes || strings.Contains(o.stdout, "ping -c") != probes || !strings.Contains(o.stdout, "ip -d link show dev gre9") {
			t.Errorf("%s: %s", flag, o.stdout)
		}
	}
	w.must("edit", "gre1", "--no-probe=always")
	for _, args := range [][]string{{"list", "--json"}, {"edit", "gre1", "--mtu", "1400"}, {"list", "--json"}} {
		if o := w.must(args...); args[0] == "list" && !strings.Contains(o.stdout, `"no_probe": true`) {
			t.Errorf("%s", o.stdout)
		}
	}
	if o := w.must("show", "gre1"); !strings.Contains(o.stdout, "never: verify judges by the counters") {
		t.Errorf("show: %s", o.stdout)
	}
	w.must("edit", "gre1", "--no-probe=never")
	if o := w.must("list", "--json"); strings.Contains(o.stdout, "no_probe") {
		t.Errorf("--no-probe=never leaves it: %s", o.stdout)
	}
}

// show names for the far end the link's options that root keeps, as create does.
func TestFarEndOfShow(t *testing.T) {
	w := newWorld(t)
	w.must("create", "--peer", "100.0.2.100", "--address", "172.16.0.1/30", "--route", "10.77.0.0/16 ssthresh 7", "--no-probe")
	files, err := filepath.Glob(filepath.Join(w.root, "etc/nmgre/tunnels/*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%q, %v", files, err)
	}
	text, err := os.ReadFile(files[0])
	if err == nil {
		err = os.WriteFile(files[0], append(text, "link multicast\n"...), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if o := w.must("show", "gre1"); !strings.Contains(o.stdout, "nmgre create --peer 100.0.1.100 ") || !strings.Contains(o.stdout, " --multicast") {
		t.Errorf("show: %s", o.stdout)
	}
}

// A zone is one of firewalld's, where it answers; edit keeps it, and none takes it away.
func TestZoneFlag(t *testing.T) {
	w := newWorld(t)
	w.bus.SetFirewalld(map[string][]any{"getZones": {[]string{"work", "public", "a; b"}}, "getZoneOfInterface": {""}, "getDefaultZone": {"public"}})
	create := []string{"create", "--peer", "100.0.2.100", "--address", "172.16.0.1/30", "--no-probe", "--zone"}
	if o := w.run(append(create, "wirk")...); o.code != exitInvalid || !strings.Contains(o.stderr, "nmgre: zone: firewalld has no zone wirk\nhint: did you mean work; the zones are public, work\n") {
		t.Errorf("exit %d\n%s", o.code, o.stderr)
	}
	if o := w.run("__complete", "create", "--zone", ""); !strings.Contains(o.stdout, "public\nwork\n") {
		t.Errorf("completed: %s%s", o.stdout, o.stderr)
	}
	w.must(append(create, "work")...)
	w.must("edit", "gre1", "--mtu", "1400", "--no-probe")
	if o := w.must("show", "gre1", "--json"); !strings.Contains(o.stdout, `"zone": "work"`) {
		t.Errorf("show --json: %s", o.stdout)
	}
	w.must("edit", "gre1", "--zone", "none", "--no-probe")
	if o := w.must("show", "gre1", "--json"); strings.Contains(o.stdout, `"zone"`) {
		t.Errorf("without it: %s", o.stdout)
	}
}
