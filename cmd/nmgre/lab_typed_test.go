package main

import (
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"nmgre/testdata/lab"
)

// nearRoutes are the routes of routes.txt, and nearRules the rules of rules.txt.
const (
	nearRoutes = "10.50.0.0/16\n10.51.0.0/16 metric 7\n"
	nearRules  = "from 10.0.0.3 table 101\nto 10.52.0.0/16 table 102\n"
)

// typedFiles are the files that lines name, where no page has their text.
var typedFiles = map[string]string{
	"routes.txt": nearRoutes,
	"rules.txt":  nearRules,
	"/etc/rc.local": `#!/bin/sh
ip tunnel add gre7 mode gre remote 203.0.113.2 local 100.0.1.100 ttl 64 key 7
ip addr add 172.16.7.1/30 dev gre7
ip link set gre7 up
`,
	"/etc/sysconfig/network-scripts/ifcfg-tun0": `DEVICE=tun0
TYPE=GRE
ONBOOT=yes
MY_OUTER_IPADDR=100.0.1.100
PEER_OUTER_IPADDR=203.0.113.2
MY_INNER_IPADDR=172.16.8.1/30
PEER_INNER_IPADDR=172.16.8.2
`,
	"running-config.txt": `interface Tunnel0
 ip address 172.16.9.2 255.255.255.252
 tunnel source 203.0.113.2
 tunnel destination 100.0.1.100
 tunnel key 9
`,
}

// startStates are the states of the hosts in which a page's lines may begin; each function adds its
// own to hosts without a tunnel, which furnish makes.
var startStates = map[string]func(*testing.T){
	emptyHosts:  func(*testing.T) {},
	"one end":   func(t *testing.T) { nmgreOn(t, lab.Linux1, exitDone, left.plain()...) },
	"both ends": bothEnds,
	"the far end alone": func(t *testing.T) {
		nmgreOn(t, lab.Linux2, exitDone, right.create("--local", "203.0.113.2", "--no-probe")...)
	},
	"two tunnels": func(t *testing.T) {
		bothEnds(t)
		nmgreOn(t, lab.Linux1, exitDone, "create", "--peer", "100.0.2.100", "--address", "172.16.1.1/30", "--key", "2", "--no-probe")
	},
	"an sshd at linux2":                sshd,
	"both ends, and an sshd at linux2": func(t *testing.T) { bothEnds(t); sshd(t) },
	"tun0 made by hand":                tun0ByHand,
	"a firewall":                       firewall,
	"br0 made by nmcli": func(t *testing.T) {
		nmcli(t, "connection add type bridge con-name br0 ifname br0 bridge.stp no ipv4.method disabled ipv6.method disabled")
	},
	"routes and rules from files": func(t *testing.T) {
		nmgreOn(t, lab.Linux1, exitDone, left.create("--no-probe", "--rule", "from 10.0.0.2 table 100")...)
		lab.Linux1.Run(t, "sh", "-c", "nmgre route add gre1 --routes-from routes.txt && nmgre rule add gre1 --rules-from rules.txt")
	},
	"everything": func(t *testing.T) {
		bothEnds(t)
		tun0ByHand(t)
		sshd(t)
		firewall(t)
		lab.Linux1.Run(t, "mkdir", "/etc/nmgre") // there once root has a kept file
	},
}

// plain returns the command line that makes the end without a route.
func (e end) plain() []string {
	return []string{"create", "--peer", e.peer, "--address", e.address, "--no-probe"}
}

func bothEnds(t *testing.T) {
	t.Helper()
	nmgreOn(t, lab.Linux2, exitDone, right.create("--no-probe")...)
	nmgreOn(t, lab.Linux1, exitDone, left.create("--no-probe")...)
}

// tun0ByHand makes a tunnel as people do with ip, on both hosts.
func tun0ByHand(t *testing.T) {
	t.Helper()
	for _, e := range []struct {
		host                lab.Host
		local, remote, here string
	}{{lab.Linux1, left.peer, right.peer, "172.16.6.1/30"}, {lab.Linux2, right.peer, left.peer, "172.16.6.2/30"}} {
		e.host.Run(t, "sh", "-ec", "ip tunnel add tun0 mode gre remote "+e.local+" local "+e.remote+" ttl 64 key 7; ip addr add "+e.here+" dev tun0; ip link set tun0 up")
	}
}

// sshd lets linux1 log in to linux2, by its other address, too.
func sshd(t *testing.T) {
	t.Helper()
	lab.Linux2.SSH(t, lab.Linux1)
	lab.Linux1.Run(t, "sed", "-i", "s/^linux2,/linux2,203.0.113.2,/", "/root/.ssh/known_hosts", "/home/ann/.ssh/known_hosts")
}

// firewall makes the chain that Debian's /etc/nftables.conf has.
func firewall(t *testing.T) {
	t.Helper()
	lab.Linux1.Run(t, "nft", "add table inet filter; add chain inet filter input { type filter hook input priority 0; }")
}

// furnish gives empty hosts all that the texts take for granted: the addresses of the
// documentation, the far end's name, a second host behind it, the files, and nmgre where the
// packages put it, if the lines need it there: the sudo of Debian 14 does not look in
// /usr/local/bin.
func furnish(t *testing.T, lines []typedLine, files map[string]string) {
	t.Helper()
	nmgre := ""
	if slices.ContainsFunc(lines, func(line typedLine) bool {
		return strings.Contains(line.text, "sudo ") || strings.Contains(line.text, "-hook")
	}) {
		nmgre = "install -m 755 /tmp/bin/nmgre /usr/bin/nmgre; "
	}
	names(t, "100.0.2.100 gw.example.org")
	lab.Linux1.Run(t, "sh", "-ec", nmgre+"ip addr add 192.0.2.1/32 dev eth0")
	lab.Linux2.Run(t, "sh", "-ec", nmgre+"ip addr add 192.0.2.2/32 dev eth0; ip addr add 203.0.113.2/32 dev eth0")
	lab.Router.Run(t, "sh", "-ec", "ip route replace 192.0.2.1 via 100.0.1.100; for a in 192.0.2.2 203.0.113.2; do ip route replace $a via 100.0.2.100; done")
	lab.LAN2.Run(t, "ip", "addr", "replace", "10.10.2.101/24", "dev", "eth0")
	t.Cleanup(func() {
		lab.Router.Try("sh", "-c", "for a in 192.0.2.1 192.0.2.2 203.0.113.2; do ip route del $a; done")
		lab.LAN2.Try("ip", "addr", "del", "10.10.2.101/24", "dev", "eth0")
	})
	for name, text := range files {
		if !filepath.IsAbs(name) {
			name = filepath.Join("/root", name) // where commands run
		}
		file := filepath.Join(lab.Linux1.Root(), name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// typeSitting types the lines of a sitting.
func typeSitting(t *testing.T, name string, s sitting, files map[string]string) {
	if !slices.ContainsFunc(s.lines, func(line typedLine) bool { return line.skip == "" }) {
		return
	}
	t.Run(name, func(t *testing.T) {
		lab.Need(t)
		furnish(t, s.lines, files)
		startStates[s.begin](t)
		for _, line := range s.lines {
			if line.skip == "" {
				typeLineOf(t, line)
			}
		}
	})
}

// typeLineOf types one line as a person does: Enter is pressed when nmgre asks for it.
func typeLineOf(t *testing.T, line typedLine) {
	t.Helper()
	began := time.Now()
	r := typeIt(t, line)
	t.Logf("%s# %s: exit %d (%v)", line.host, line.text, r.Code, time.Since(began).Round(time.Millisecond))
	if r.Code != line.code {
		t.Errorf("%s: %s# %s: exit %d, want %d\n%s%s", line.where, line.host, line.text, r.Code, line.code, r.Stdout, r.Stderr)
	}
}

// typedPath is where a person's shell looks for programs, and at last the lab's nmgre.
const typedPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/tmp/bin"

func typeIt(t *testing.T, line typedLine) lab.Result {
	t.Helper()
	switch {
	case line.text == "nmgre --plain":
		abort(t, line.host, line.text)
		return lab.Result{}
	case strings.Contains(line.text, "--confirm"):
		return pressEnter(t, line.host, line.text)
	}
	return line.host.Try("env", typedPath, "sh", "-c", endsByItself(line.text))
}

// endsByItself has programs end that watch until they are told to.
func endsByItself(text string) string {
	for program, once := range map[string]string{"tcpdump ": "tcpdump -d ", "ping -I ": "ping -c 1 -I ", "ping -M ": "ping -c 1 -M "} {
		text = strings.Replace(text, program, once, 1)
	}
	return text
}

// abort starts nmgre's questions on a terminal, and ends the input, which aborts.
func abort(t *testing.T, host lab.Host, text string) {
	t.Helper()
	s := sit(t, host, 100, 30, typedPath+" "+text)
	s.press("C-d")
	s.wait("ended 1")
}

// filesOf returns the files that lines name.
func filesOf(pages []typedPage) map[string]string {
	files := maps.Clone(typedFiles)
	for _, p := range pages {
		maps.Copy(files, p.files)
	}
	return files
}

// typePages types all sittings of the pages.
func typePages(t *testing.T, pages []typedPage, files map[string]string) {
	t.Helper()
	for _, p := range pages {
		for _, s := range p.sittings {
			typeSitting(t, p.name, s, files)
		}
	}
}

// README's command lines do as they read, one after the other.
func TestLabTypedREADME(t *testing.T) {
	lab.Need(t)
	pages := typedPages(t)
	typePages(t, pages[:1], filesOf(pages))
}

// So do those of the manual.
//
//lab:recipes
func TestLabTypedManual(t *testing.T) {
	lab.Need(t)
	pages := typedPages(t)
	typePages(t, slices.DeleteFunc(slices.Clone(pages[1:]), typedPage.isCommand), filesOf(pages))
}

// So do the examples of every command.
//
//lab:recipes
func TestLabTypedExamples(t *testing.T) {
	lab.Need(t)
	pages := typedPages(t)
	typePages(t, slices.DeleteFunc(slices.Clone(pages), func(p typedPage) bool { return !p.isCommand() }), filesOf(pages))
}

// So does the code within sentences that is a command line: lines that only look are typed in a
// row, and before each that changes something the hosts are as at the beginning.
//
//lab:recipes
func TestLabTypedInSentences(t *testing.T) {
	lab.Need(t)
	pages := typedPages(t)
	files, looks := filesOf(pages), sitting{begin: "everything"}
	for _, line := range looseLines(pages) {
		if onlyLooks(line.text) {
			looks.lines = append(looks.lines, line)
			continue
		}
		begin := "a firewall"
		if strings.ContainsAny(line.text, "12") || strings.Contains(line.text, "tun0") { // gre1, linux2
			begin = "everything"
		}
		typeSitting(t, line.where, sitting{begin, []typedLine{line}}, files)
	}
	typeSitting(t, "looks", looks, files)
}

// onlyLooks reports whether a line changes nothing.
func onlyLooks(line string) bool {
	words := strings.Fields(strings.TrimPrefix(line, "sudo "))
	switch words[0] {
	case "nft":
		return words[1] == "list"
	case "nmgre":
		return setOf("show list verify doctor export plan help version completion")[words[1]] || strings.Contains(line, "--dry-run") || strings.Contains(line, "--help") ||
			strings.HasPrefix(line, "nmgre route list") || strings.HasPrefix(line, "nmgre rule list") || strings.Contains(line, "--schema")
	}
	return words[0] != "sysctl" || !strings.Contains(line, "=")
}

// enter is the standard input of a command, and its output: Enter is pressed once nmgre asks for
// it.
type enter struct {
	mu    sync.Mutex
	said  strings.Builder
	asked chan struct{}
	done  bool
}

func (e *enter) Write(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.said.Write(p)
	if !e.done && strings.Contains(e.said.String(), "press Enter within") {
		e.done = true
		close(e.asked)
	}
	return len(p), nil
}

// pressEnter runs a command that asks for Enter.
func pressEnter(t *testing.T, host lab.Host, text string) lab.Result {
	t.Helper()
	out := &enter{asked: make(chan struct{})}
	cmd := host.Command("env", typedPath, "sh", "-c", text)
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = out, out, 2*time.Second
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	limit := time.AfterFunc(lab.Limit, func() { _ = cmd.Process.Kill() })
	defer limit.Stop()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-out.asked:
		_, _ = io.WriteString(input, "\n")
		<-ended
	case <-ended:
	}
	return lab.Result{Stdout: out.said.String(), Code: cmd.ProcessState.ExitCode()}
}
