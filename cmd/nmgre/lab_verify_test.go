package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"nmgre/testdata/lab"
)

// makeMix makes tunnels of which some work. It returns the report of verify --all on each, in
// order: the verdict and the cause.
func makeMix(t *testing.T) []string {
	t.Helper()
	for i, flags := range [][2]string{
		{"--key 1", "--key 1"}, {"--key 2", "--key 22"}, {"--key 3", "--key 3"}, {"--key 4 --autoconnect=false", "--key 4"}, {"--key 5", "--key 5"}, {"--key 6 --ttl inherit", "--key 6"},
	} {
		name := fmt.Sprintf("gre%d", i+1)
		for side, host := range []lab.Host{lab.Linux1, lab.Linux2} {
			peer := []string{lab.Linux2WAN, lab.Linux1WAN}[side]
			line := fmt.Sprintf("create --no-probe --name %s --peer %s --address 172.16.%d.%d/30 %s", name, peer, i+1, side+1, flags[side])
			nmgreOn(t, host, exitDone, strings.Fields(line)...)
		}
	}
	take(t, []step{
		there(filterAt("input", "iifname gre3 drop")),
		here("nmgre down gre4; nmcli connection down gre5"),
		here(`nmcli connection modify gre6 connection.id "$(printf 'a\033[31mb')"`),
		here("ip link add byhand type gre remote 100.0.2.100 local 100.0.1.100 ttl 64 key 7; ip address add 172.16.7.1/30 dev byhand; ip link set byhand up"),
		there("ip link add byhand type gre remote 100.0.1.100 local 100.0.2.100 ttl 64 key 7; ip address add 172.16.7.2/30 dev byhand; ip link set byhand up"),
	})
	t.Cleanup(func() {
		for _, host := range []lab.Host{lab.Linux1, lab.Linux2} {
			host.Try("ip", "link", "delete", "byhand")
		}
		take(t, []step{there(noFilter)})
	})
	eventually(t, "NetworkManager sees the link that was made by hand", func() bool {
		return strings.Contains(lab.Linux1.Run(t, "nmgre", "list"), "external")
	})
	return []string{"byhand warn", "gre1 pass", "gre2 fail key-mismatch", "gre3 fail gre-silent", "gre4 down", "gre5 fail not-up", "gre6 warn ttl-inherit"}
}

// toldAll is the report of verify --all --json.
type toldAll struct {
	Verdict string
	Counts  map[string]int
	Reports []struct {
		Name, UUID, State, Tunnel string
		toldJSON
	}
}

// readAll reads it, and returns a line for each report: the verdict, and the first cause.
func readAll(t *testing.T, r lab.Result) (all toldAll, lines []string) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.Stdout), &all); err != nil {
		t.Fatalf("verify --all --json: %v\n%s", err, r)
	}
	for _, report := range all.Reports {
		line := report.Tunnel + " " + report.Verdict
		for _, raw := range report.Checks {
			var c toldCheck
			if err := json.Unmarshal(raw, &c); err != nil {
				t.Fatal(err)
			}
			if c.Status == report.Verdict && c.Cause != "" {
				line += " " + c.Cause
				break
			}
		}
		lines = append(lines, line)
	}
	return all, lines
}

// Tunnels that work and tunnels that do not are told apart, as each is alone, and the host stays as
// it was.
func TestLabVerifyAll(t *testing.T) {
	lab.Need(t)
	expected := makeMix(t)
	speaking := lab.Linux2.Start(t, "ping", "-n", "-q", "-i", "0.2", "-I", "gre2", "172.16.2.1")
	before := lab.Linux1.Snapshot(t)
	r := nmgreOn(t, lab.Linux1, exitFault, "verify", "--all", "--json")
	t.Logf("it took %s", r.Took)
	all, lines := readAll(t, r)
	mustEqual(t, "the reports", strings.Join(expected, "\n"), strings.Join(lines, "\n"))
	if all.Verdict != "fail" || all.Counts["pass"] != 1 || all.Counts["warn"] != 2 || all.Counts["fail"] != 3 || all.Counts["down"] != 1 {
		t.Errorf("%s, %v", all.Verdict, all.Counts)
	}
	for _, report := range all.Reports {
		// a report alone is asked for by the tunnel's UUID
		if report.Verdict == "down" || report.State == "external" {
			continue
		}
		alone := told(t, lab.Linux1.Try("nmgre", "verify", report.UUID, "--json"))
		if alone.Verdict != report.Verdict || len(alone.checks) != len(report.Checks) {
			t.Errorf("%s is %s among others, with %d checks, and alone %s, with %d", report.Tunnel, report.Verdict, len(report.Checks), alone.Verdict, len(alone.checks))
		}
	}
	// for a person, without characters that a terminal acts on
	table := nmgreOn(t, lab.Linux1, exitFault, "verify", "--all")
	for _, text := range []string{"gre1    pass", "gre2    fail     key-mismatch: the far end sends key 22, this tunnel expects key 2", "hint: nmgre edit gre2 --key 22", "gre4    down", "hint: nmgre up gre4", "hint: nmgre up gre5", "verdict: fail (1 pass, 2 warn, 3 fail, 1 down)"} {
		if !strings.Contains(table.Stdout, text) {
			t.Errorf("the table lacks %q:\n%s", text, table.Stdout)
		}
	}
	if strings.ContainsAny(table.Stdout+r.Stdout, "\x1b") || !strings.Contains(r.Stdout, `a\\x1b[31mb`) {
		t.Errorf("the hostile name is not escaped:\n%s\n%s", table.Stdout, r.Stdout)
	}
	// those that are up
	_, lines = readAll(t, nmgreOn(t, lab.Linux1, exitFault, "verify", "--active", "--json"))
	mustEqual(t, "the reports on those that are up", strings.Join([]string{expected[0], expected[1], expected[2], expected[3], expected[6]}, "\n"), strings.Join(lines, "\n"))
	// without root nothing passes that does not work
	_, lines = readAll(t, lab.Linux1.TryAs(ann, "nmgre", "verify", "--active", "--json"))
	for _, line := range lines {
		if strings.Contains(line, "pass") && !slices.Contains(expected, line) {
			t.Errorf("without root it says %q", line)
		}
	}
	speaking.Kill()
	mustEqual(t, "after it was verified", before, lab.Linux1.Snapshot(t))
}

// Ctrl-C ends it at once, in the middle of the probes.
func TestLabVerifyAllInterrupted(t *testing.T) {
	lab.Need(t)
	addTunnels(t, 20, false)
	took := nmgreOn(t, lab.Linux1, exitFault, "verify", "--all").Took
	p := lab.Linux1.Start(t, "nmgre", "verify", "--all")
	time.Sleep(took / 2)
	if !p.Running() {
		t.Fatalf("it has ended already: %s", p.Wait(t))
	}
	began := time.Now()
	if err := p.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if r := p.Wait(t); time.Since(began) > time.Second || r.Code != exitFailed || r.Stdout != "" || !strings.Contains(r.Stderr, "interrupt") {
		t.Errorf("%s after the signal: %s", time.Since(began), r)
	}
}

// addTunnels makes NetworkManager bring n tunnels up, named many1 to manyN. The far end has them,
// too, if they are to work. All are removed at the end.
func addTunnels(t testing.TB, n int, work bool) {
	t.Helper()
	const profiles = `cd /etc/NetworkManager/system-connections && umask 077 && i=0 && while [ $i -lt %d ]; do i=$((i+1))
printf '[connection]\nid=many%%d\nuuid=00000000-0000-4000-9000-%%012d\ntype=ip-tunnel\ninterface-name=many%%d\n[ip-tunnel]\nmode=2\nlocal=100.0.1.100\nremote=100.0.2.100\ninput-key=%%d\noutput-key=%%d\nttl=64\nmtu=1472\n[ipv4]\nmethod=manual\naddress1=172.20.%%d.%%d/30\nroute1=10.20.%%d.0/24\n[ipv6]\nmethod=disabled\n' $i $i $i $i $i $((i/64)) $((i%%64*4+1)) $i >many$i.nmconnection; done; nmcli connection reload`
	t.Cleanup(func() {
		lab.Linux1.Try("sh", "-c", "rm -f /etc/NetworkManager/system-connections/many*.nmconnection; nmcli connection reload")
		lab.Linux2.Try("sh", "-c", "ip -br link | sed -n 's/^\\(many[0-9]*\\).*/link delete \\1/p' | ip -batch -")
		lab.Linux1.Reset(t)
	})
	lab.Linux1.Run(t, "sh", "-c", fmt.Sprintf(profiles, n))
	if work {
		const links = `i=0; while [ $i -lt %d ]; do i=$((i+1))
echo "link add many$i type gre local 100.0.2.100 remote 100.0.1.100 key $i ttl 64"; echo "address add 172.20.$((i/64)).$((i%%64*4+2))/30 dev many$i"; echo "link set many$i up"; done | ip -batch -`
		lab.Linux2.Run(t, "sh", "-c", fmt.Sprintf(links, n))
	}
	var up int
	for range 200 {
		up = 0
		for line := range strings.Lines(lab.Linux1.Run(t, "nmcli", "-t", "-f", "name,state", "connection", "show", "--active")) {
			if strings.HasPrefix(line, "many") && strings.HasSuffix(line, ":activated\n") {
				up++
			}
		}
		if up == n {
			break
		}
		time.Sleep(time.Second)
	}
	if up < n {
		t.Fatalf("%d of %d tunnels are up", up, n)
	}
}
