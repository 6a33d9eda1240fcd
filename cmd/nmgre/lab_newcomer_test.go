package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nmgre/testdata/lab"
)

// typed is a command of nmgre's as a new user types it: a line, with quotes as for a shell.
type typed struct {
	line  string
	code  int
	wants []string // parts of its output
	lacks []string // parts that its output must not have
}

// typeLine runs a line on linux1 as a shell does, and looks at its output.
func typeLine(t *testing.T, c typed) {
	t.Helper()
	r := lab.Linux1.Try("sh", "-c", "nmgre "+c.line)
	said := r.Stdout + r.Stderr
	if r.Code != c.code {
		t.Errorf("nmgre %s: exit %d, want %d\n%s", c.line, r.Code, c.code, said)
	}
	for _, part := range c.wants {
		if !strings.Contains(said, part) {
			t.Errorf("nmgre %s does not say %q:\n%s", c.line, part, said)
		}
	}
	for _, part := range c.lacks {
		if strings.Contains(said, part) {
			t.Errorf("nmgre %s says %q:\n%s", c.line, part, said)
		}
	}
}

// The lines of new users who knew README and other programs: each does as it reads, or says the
// line to type.
func TestLabNewcomer(t *testing.T) {
	lab.Need(t)
	const create, hook, lan = "create --peer 100.0.2.100 --address 172.16.0.1/30 --route 10.10.2.0/24", "does not return by itself", "is a part of this host's own network 10.10.1.0/24"
	t.Run("two ends", func(t *testing.T) {
		typeLine(t, typed{create, exitDone, []string{"verdict: warn", "far end: nmgre create --peer 100.0.1.100"}, nil})
		nmgreOn(t, lab.Linux2, exitDone, right.create()...)
		mustPing(t, lab.LAN1, lab.LAN2Addr)
		typeLine(t, typed{"verify gre1", exitDone, []string{"all of them: nmgre verify gre1 --all-checks\n", "verdict: pass"}, []string{"pass  link", "the kernel counted"}})
		typeLine(t, typed{"verify gre1 --all-checks", exitDone, []string{"pass  link ", "pass  probe ", "verdict: pass"}, []string{"all of them"}})
		lab.Linux2.Run(t, "ip", "link", "set", "gre1", "down")
		typeLine(t, typed{"verify gre1", exitFault, []string{"pass  link ", "fail  probe ", "verdict: fail"}, nil})
		lab.Linux2.Run(t, "ip", "link", "set", "gre1", "up")
	})
	t.Run("refused with what is right", func(t *testing.T) {
		before := snapshot(t, lab.Linux1)
		for _, c := range []typed{
			{create, exitInvalid, []string{"are joined already by the device gre1, and neither has a key", "a second one needs a key"}, []string{"such as 172.16.0.0/30"}},
			{create + " via 172.16.0.2", exitInvalid, []string{"quote a route of several words"}, nil},
			{"create --peer 100.0.2.101 --address 172.16.7.1", exitInvalid, []string{"add the prefix length: 172.16.7.1/30"}, nil},
			{"create --dst 100.0.2.101", exitInvalid, []string{"did you mean --peer"}, nil},
			{"create -p 100.0.2.101", exitInvalid, []string{"did you mean --peer"}, nil},
			{"create --gateway 172.16.0.2", exitInvalid, []string{"did you mean --route"}, nil},
			{"create --peer 100.0.2.101 --address 172.16.6.1/30 --route 10.10.1.0/25", exitInvalid, []string{lan}, nil},
			{"edit gre1 --route 10.10.1.0/25", exitInvalid, []string{lan}, nil},
			{"route add gre1 10.10.1.100", exitInvalid, []string{lan}, nil},
			{"route replace gre1 10.10.1.100", exitInvalid, []string{lan}, nil},
			{"rm gre1", exitInvalid, []string{"did you mean delete"}, nil}, {"stop gre1", exitInvalid, []string{"did you mean down"}, nil},
			{"test gre1", exitInvalid, []string{"did you mean verify"}, nil}, {"status", exitInvalid, []string{"did you mean list"}, nil},
			{"route show gre1", exitInvalid, []string{"did you mean list"}, nil}, {"route gre1", exitInvalid, []string{"nmgre route list gre1"}, nil},
			{"help create2", exitInvalid, []string{"there is no command create2"}, nil}, {"edit gre9", exitInvalid, []string{`no tunnel has the name "gre9"`}, []string{"missing"}},
		} {
			typeLine(t, c)
		}
		mustEqual(t, "after a refusal", before, snapshot(t, lab.Linux1))
	})
	t.Run("routes that stay", func(t *testing.T) {
		lab.Linux1.Run(t, "sh", "-c", "printf '10.50.0.0/16\\n10.51.0.0/16 metric 7\\n' >/tmp/routes.txt")
		for _, c := range []typed{
			{readmeRoutes[0], exitDone, []string{"1 added"}, []string{hook}},
			{readmeRoutes[1], exitDone, []string{"1 added", hook}, nil},
			{"route add gre1 10.21.0.0/16", exitDone, []string{"1 added"}, []string{hook}},
			{readmeRoutes[2], exitDone, []string{"gre2 is up", "--key 2"}, nil},
			{readmeRoutes[3], exitDone, []string{"1 added"}, nil},
			{"route add gre1 --routes-from /tmp/routes.txt", exitDone, []string{"2 added"}, nil},
			{"route replace gre1 10.20.0.0/16 via 172.16.0.2 metric 60", exitDone, []string{"metric 50 stays", "nmgre route delete gre1 "}, nil},
			{"route add gre1 10.60.0.0", exitDone, []string{"leads to that one host", "such as 10.60.0.0/24"}, nil},
			{"edit gre1 --route 10.10.2.0/24 --route 10.22.0.0/16 --dry-run", exitDone, []string{"route: + 10.22.0.0/16"}, []string{"none"}},
			{"delete gre2", exitDone, nil, nil},
		} {
			typeLine(t, c)
		}
		has(t, "ip route", lab.Linux1.Run(t, "ip", "route", "show", "dev", "gre1"), "10.20.0.0/16 via 172.16.0.2", "10.51.0.0/16", "10.10.2.0/24")
	})
	t.Run("a default route", func(t *testing.T) {
		typeLine(t, typed{"route add gre1 default", exitDone, []string{"default gets the metric 50", "the default route covers the far end's outer address"}, []string{"0.0.0.0/0"}})
		has(t, "ip route get", lab.Linux1.Run(t, "ip", "route", "get", "192.0.2.1"), "dev gre1")
		has(t, "ip route get", lab.Linux1.Run(t, "ip", "route", "get", "100.0.2.100"), "dev eth0")
		typeLine(t, typed{"verify gre1 --all-checks", exitDone, []string{"pass  route default metric 50"}, []string{"route 0.0.0.0/0"}})
		typeLine(t, typed{"route list gre1", exitDone, []string{"default metric 50"}, nil})
		typeLine(t, typed{"route delete gre1 default", exitDone, []string{"1 deleted"}, nil})
	})
	t.Run("an MTU that does not fit", func(t *testing.T) {
		nmgreOn(t, lab.Linux2, exitDone, "delete", "gre1")
		const far = "far end: nmgre create --peer 100.0.1.100"
		typeLine(t, typed{"edit gre1 --mtu 9999", exitDone, []string{"an MTU of 9999 does not fit", "--mtu auto computes it", far}, []string{"--mtu 9999"}})
		typeLine(t, typed{"edit gre1 --mtu auto", exitDone, []string{"mtu: 9999 -> 1476", "--mtu 1476"}, nil})
		typeLine(t, typed{"delete gre1", exitDone, nil, nil})
	})
	t.Run("the far end's line runs there", func(t *testing.T) {
		for _, address := range []string{"--address 172.16.4.1/24", "--address 172.16.5.1/30 --address fd00::1/64"} {
			r := lab.Linux1.Try("sh", "-c", "nmgre create --peer 100.0.2.100 "+address)
			line := farEndOf(r)
			if r.Code != exitDone || strings.Count(line, "--address") != strings.Count(address, "--address") {
				t.Fatalf("%s: exit %d, %q\n%s", address, r.Code, line, r.Stderr)
			}
			lab.Linux2.Run(t, "sh", "-c", line)
			mustPing(t, lab.Linux2, strings.Split(strings.Fields(address)[1], "/")[0])
			for _, h := range []lab.Host{lab.Linux1, lab.Linux2} {
				nmgreOn(t, h, exitDone, "delete", "gre1")
			}
		}
	})
	t.Run("SNAT", testNewcomerSNAT)
}

// testNewcomerSNAT types the manual's section about SNAT: linux1 itself reaches the LAN, and its
// plan says that hosts behind linux1 do not.
func testNewcomerSNAT(t *testing.T) {
	for _, line := range readmeSNAT {
		host, command, _ := strings.Cut(line, "# ")
		r := lab.Host(host).Try("sh", "-c", command)
		if r.Code != exitDone {
			t.Fatalf("%s: exit %d\n%s%s", line, r.Code, r.Stdout, r.Stderr)
		}
		if strings.Contains(command, "--snat") {
			has(t, line, r.Stderr, "172.16.0.0/30", "keeps its source")
		}
	}
	mustPing(t, lab.Linux1, lab.LAN2Addr)
}

// readmeSNAT and readmeRoutes are commands as the manual has them: the lab has no manual.
var (
	readmeSNAT = []string{
		"linux1# nmgre create --peer 100.0.2.100 --address 172.16.0.1/30 --route 10.10.2.0/24",
		"linux2# nmgre create --peer 100.0.1.100 --address 172.16.0.2/30 --snat 10.10.2.0/24=10.10.2.1 --forward",
	}
	readmeRoutes = []string{
		"route add gre1 10.20.0.0/16 via 172.16.0.2 metric 50",
		"route add gre1 10.30.0.0/16 encap mpls 100 via 172.16.0.2",
		"create --peer 100.0.2.100 --address 172.16.1.1/30 --key 2",
		"route add gre1 10.40.0.0/16 nexthop via 172.16.0.2 nexthop via 172.16.1.2 dev gre2",
	}
)

// README and the manual have the commands that TestLabNewcomer types, and the sentences that a new
// user looked for in vain.
func TestReadmeHasWhatNewcomersType(t *testing.T) {
	files, err := filepath.Glob("manual/*.md")
	if err != nil || len(files) < 10 {
		t.Fatalf("%q, %v", files, err)
	}
	var all strings.Builder
	for _, file := range append(files, "../../README.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	missed := []string{
		"a second tunnel to one host needs a key, at both ends", "in quotes", "with\n[the hook](hook.md), `sudo nmgre install-hook`; until then nmgre warns of it",
		"not for hosts behind it: packets **from the tunnel's inner network**", "also where `verify` warns of something", "sudo make uninstall",
		"testdata/lab/lab.sh serve", "testdata/lab/lab.sh shell linux2", "Its first question is whether the other end is there already",
		"**GRE does not encrypt.**", "IP protocol 47", "both hosts must forward", "--mode ip6gre", "--mode gretap",
	}
	for _, line := range slices.Concat(readmeSNAT, readmeRoutes, missed) {
		if _, command, found := strings.Cut(line, "# "); found { // the host stands beside the block
			line = command
		}
		if !strings.Contains(all.String(), line) {
			t.Errorf("README and the manual do not have: %s", line)
		}
	}
}
