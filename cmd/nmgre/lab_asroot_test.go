package main

import (
	"bytes"
	"cmp"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nmgre/testdata/lab"
)

//go:embed polkit/org.nmgre.policy.in
var policyTemplate string

const (
	ann         = 1000
	installed   = "/usr/local/bin/nmgre"
	policyPath  = "/usr/share/polkit-1/actions/org.nmgre.policy"
	secondHop   = "10.20.0.0/16 nexthop via 172.16.0.2 weight 1 nexthop dev gre1 weight 2"
	annMayTouch = `action.id.indexOf("org.freedesktop.NetworkManager.") == 0`
	annMayKeep  = `action.id == "org.nmgre.keep"`
)

// annsHost is linux1 after make install, with a polkit of its own that says yes to ann for each of
// the conditions.
func annsHost(t *testing.T, allowed ...string) lab.Host {
	t.Helper()
	lab.Need(t)
	h := lab.Linux1
	h.Run(t, "install", "-D", "-m", "0755", "/tmp/bin/nmgre", installed)
	write(t, h, policyPath, strings.ReplaceAll(policyTemplate, "@nmgre@", installed))
	for i, condition := range allowed {
		write(t, h, fmt.Sprintf("/etc/polkit-1/rules.d/10-nmgre-test-%d.rules", i),
			"polkit.addRule(function(action, subject) { if (subject.user == \"ann\" && "+condition+") return polkit.Result.YES; });\n")
	}
	h.Run(t, "sed", "-i", "s/^auth-polkit=.*/auth-polkit=true/", "/etc/NetworkManager/NetworkManager.conf")
	startPolkit(t, h)
	h.RestartNM(t)
	return h
}

func write(t *testing.T, h lab.Host, file, text string) {
	t.Helper()
	if r := h.TryInput(text, "dd", "status=none", "of="+file); r.Code != 0 {
		t.Fatalf("%s: %s", file, r)
	}
}

// startPolkit starts a polkitd that reads the rules again. It replaces one that the bus may have
// started.
func startPolkit(t *testing.T, h lab.Host) {
	t.Helper()
	p := h.Start(t, "/usr/lib/polkit-1/polkitd", "--no-debug", "--replace")
	for range 100 {
		r := h.Try("dbus-send", "--system", "--print-reply=literal", "--dest=org.freedesktop.DBus", "/", "org.freedesktop.DBus.GetConnectionUnixProcessID",
			"string:org.freedesktop.PolicyKit1")
		if words := strings.Fields(r.Stdout); len(words) == 2 && words[1] == strconv.Itoa(p.Pid()) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("polkitd did not come up: %s%s", p.Stdout(), p.Stderr())
}

// asAnn runs nmgre as ann, who has no terminal, and checks its exit code.
func asAnn(t *testing.T, h lab.Host, code int, args ...string) lab.Result {
	t.Helper()
	r := h.TryAs(ann, installed, args...)
	if r.Code != code {
		t.Fatalf("ann: nmgre %s: exit %d, want %d\n%s%s", strings.Join(args, " "), r.Code, code, r.Stdout, r.Stderr)
	}
	return r
}

// mustBecome waits until the hook, which runs after the command, has made the host as it was.
func mustBecome(t *testing.T, h lab.Host, what, before string) {
	t.Helper()
	var now string
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if now = h.Snapshot(t); now == before {
			return
		}
	}
	mustEqual(t, what, before, now)
}

// rootsState returns root's kept files and their routes and rules in the kernel. A snapshot of
// everything would take seconds.
func rootsState(t *testing.T, h lab.Host) string {
	t.Helper()
	return h.Run(t, "sh", "-c", "grep -r --exclude=settled '' /etc/nmgre /run/nmgre; ip -d route show table all; ip rule; nft list ruleset; "+
		"grep . /proc/sys/net/ipv4/conf/*/forwarding; nmcli -t -f NAME,UUID,STATE connection show | sort; ls /tmp")
}

func annsCreate(more ...string) []string {
	return append([]string{"create", "--peer", "100.0.2.100", "--address", "172.16.0.1/30", "--no-probe"}, more...)
}

// Without an agent polkit can ask nobody: ann is told the line to type, and nothing is left behind.
func TestLabAsRootWithoutAnAgent(t *testing.T) {
	h := annsHost(t, annMayTouch)
	before := h.Snapshot(t)
	for _, more := range [][]string{{"--route", secondHop}, {"--snat", "10.10.1.0/24=10.10.1.1"}, {"--clamp-mss"}} {
		args := annsCreate(more...)
		r := asAnn(t, h, exitNotPermitted, args...)
		for _, want := range []string{"No authentication agent found", "undid everything"} {
			if !strings.Contains(r.Stderr, want) {
				t.Errorf("%v: standard error lacks %q:\n%s", more, want, r.Stderr)
			}
		}
		mustSudoLine(t, h, r.Stderr, args)
	}
	mustEqual(t, "after create", before, h.Snapshot(t))

	// Without an agent ann cannot change a tunnel of root's either.
	h.Run(t, installed, annsCreate("--route", secondHop)...)
	made := rootsState(t, h)
	for _, args := range [][]string{{"delete", "gre1"}, {"route", "add", "gre1", "10.21.0.0/16", "nexthop", "via", "172.16.0.2", "nexthop", "dev", "gre1"},
		{"route", "delete", "gre1", "10.20.0.0/16"}} {
		mustSudoLine(t, h, asAnn(t, h, exitNotPermitted, args...).Stderr, args)
		mustEqual(t, fmt.Sprint("after ", args), made, rootsState(t, h))
	}
	// Reading needs no permission of root's, and neither does a route that NetworkManager can hold.
	for _, args := range [][]string{{"list"}, {"show", "gre1"}, {"route", "list", "gre1"}, {"verify", "gre1", "--no-probe"}, {"route", "add", "gre1", "10.22.0.0/16"}} {
		asAnn(t, h, exitDone, args...)
	}
	h.Run(t, installed, "delete", "gre1")
	mustEqual(t, "after root's delete", before, h.Snapshot(t))

	h.Run(t, "rm", policyPath)
	r := asAnn(t, h, exitNotPermitted, annsCreate("--route", secondHop)...)
	if !strings.Contains(r.Stderr, policyPath+" is not installed") || strings.Contains(r.Stderr, "added the profile") {
		t.Errorf("without the policy:\n%s", r.Stderr)
	}
	mustEqual(t, "without the policy", before, h.Snapshot(t))
}

// mustSudoLine lets a shell read the hint: it must be sudo with exactly the typed words.
func mustSudoLine(t *testing.T, h lab.Host, stderr string, args []string) {
	t.Helper()
	_, line, found := strings.Cut(stderr, "hint: run it as root: ")
	line, _, _ = strings.Cut(line, "\n")
	got := h.Try("sh", "-c", `sudo() { printf '%s\n' "$@"; }; `+line).Stdout
	if want := strings.Join(append([]string{installed}, args...), "\n") + "\n"; !found || got != want {
		t.Errorf("the hint %q has a shell run %q, want %q", line, got, want)
	}
}

// Where polkit says yes, ann makes, changes and deletes a tunnel with routes and SNAT that root
// keeps, and nothing is left of it.
func TestLabAsRootAllowed(t *testing.T) {
	h := annsHost(t, annMayTouch, annMayKeep)
	h.Run(t, installed, "install-hook")
	before := h.Snapshot(t)
	journal := listenJournal(t, fmt.Sprintf("/proc/%d/root", h.Pid()))
	// Limits and a umask that she leaves to the helper do not keep it from its work.
	limited := append([]string{"-c", `ulimit -f 0; ulimit -n 64; umask 077; exec nice -n 5 "$0" "$@"`, installed},
		annsCreate("--route", secondHop, "--route", "10.23.0.0/16", "--snat", "10.10.1.0/24=10.10.1.1", "--forward", "--clamp-mss")...)
	if r := h.TryAs(ann, "sh", limited...); r.Code != exitDone {
		t.Fatalf("ann with limits: %s", r)
	}
	mustLog(t, journal, "ann (1000) by pkexec: gre1 routes SNAT forwarding MSS, saved: done")
	uuid := strings.TrimSpace(h.Run(t, "nmcli", "-g", "connection.uuid", "connection", "show", "gre1"))
	keptFile := "/etc/nmgre/tunnels/" + uuid
	witness := func(when string) {
		t.Helper()
		for _, c := range []struct {
			command []string
			want    []string
		}{
			{[]string{"ip", "route", "show", "proto", "213"}, []string{"10.20.0.0/16", "via 172.16.0.2 dev gre1 weight 1", "dev gre1 weight 2"}},
			{[]string{"nft", "list", "ruleset"}, []string{"ip saddr 172.16.0.0/30 ip daddr 10.10.1.0/24", "snat to 10.10.1.1", "nmgre:" + uuid, "maxseg"}},
			{[]string{"cat", keptFile}, []string{"interface gre1", "remote 100.0.2.100", "snat 10.10.1.0/24 10.10.1.1", "clamp-mss", "route " + secondHop[:30]}},
			{[]string{"stat", "-c", "%U:%G %a", keptFile, "/etc/nmgre/tunnels", "/etc/nmgre"}, []string{"root:root 644\nroot:root 755\nroot:root 755\n"}},
		} {
			var out string
			all := func() bool {
				out = h.Try(c.command[0], c.command[1:]...).Stdout
				for _, want := range c.want {
					if !strings.Contains(out, want) {
						return false
					}
				}
				return true
			}
			for end := time.Now().Add(30 * time.Second); !all() && time.Now().Before(end); {
				time.Sleep(200 * time.Millisecond)
			}
			if !all() {
				t.Errorf("%s: %v lacks some of %q:\n%s", when, c.command, c.want, out)
			}
		}
	}
	witness("after create")
	asAnn(t, h, exitDone, "verify", "gre1", "--no-probe")
	asAnn(t, h, exitDone, "down", "gre1")
	asAnn(t, h, exitDone, "up", "gre1")
	witness("after down and up")

	asAnn(t, h, exitDone, "route", "add", "gre1", "10.21.0.0/16", "nexthop", "via", "172.16.0.2", "nexthop", "dev", "gre1")
	if routes := h.Run(t, "ip", "route", "show", "proto", "213"); !strings.Contains(routes, "10.21.0.0/16") {
		t.Errorf("after route add:\n%s", routes)
	}
	asAnn(t, h, exitDone, "route", "delete", "gre1", "10.21.0.0/16")
	if routes := h.Run(t, "ip", "route", "show", "proto", "213"); strings.Contains(routes, "10.21.0.0/16") {
		t.Errorf("after route delete:\n%s", routes)
	}
	witness("after the changes")
	mustRefuseAnothers(t, h, uuid)
	asAnn(t, h, exitDone, "delete", "gre1")
	mustLog(t, journal, "ann (1000) by pkexec: gre1 forget, saved: done")
	mustBecome(t, h, "after delete", before)

	// A route that the kernel refuses undoes everything, and so does a request that ann may not
	// make.
	r := h.TryAs(ann, installed, annsCreate("--route", "10.24.0.0/16 nexthop via 172.16.0.2 nexthop via 100.0.1.1 dev eth0")...)
	if r.Code != exitNotPermitted || !strings.Contains(r.Stderr, "eth0 is not a tunnel that is up, and only root may lead packets elsewhere") {
		t.Errorf("a route elsewhere: %s", r)
	}
	mustBecome(t, h, "after a route elsewhere", before)
}

// mustRefuseAnothers makes the tunnel root's alone for a moment. NetworkManager then hides it from
// ann's nmgre, and takes it down. The helper refuses her even if she asks it by hand.
func mustRefuseAnothers(t *testing.T, h lab.Host, uuid string) {
	t.Helper()
	h.Run(t, "nmcli", "connection", "modify", "gre1", "connection.permissions", "user:root")
	cmd := h.CommandAs(ann, "pkexec", installed, "helper", "gre1", "forget")
	cmd.Stdin = strings.NewReader("nmgre-request 2 forget " + uuid + "\n")
	said, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(said), "the tunnel gre1 is another user's") {
		t.Errorf("ann lets root forget root's tunnel: %v\n%s", err, said)
	}
	h.Run(t, "test", "-s", "/etc/nmgre/tunnels/"+uuid)
	h.Run(t, "nmcli", "connection", "modify", "gre1", "connection.permissions", "")
}

// mustLog waits until the journal has a line.
func mustLog(t *testing.T, journal func() string, want string) {
	t.Helper()
	var all []string
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		line := journal()
		if line == "MESSAGE="+want {
			return
		}
		all = append(all, line)
	}
	t.Errorf("the journal lacks %q:\n%s", want, strings.Join(all, "\n"))
}

// A command that is interrupted or killed while root's process works is undone by that process. One
// that is stopped holds up nobody else.
func TestLabAsRootInterrupted(t *testing.T) {
	h := annsHost(t, annMayTouch, annMayKeep)
	h.Run(t, installed, "install-hook")
	var list strings.Builder
	const many = 10_000
	for i := range many {
		fmt.Fprintf(&list, "10.%d.%d.0/24 mtu 1300\n", 100+i>>8, i&255)
	}
	write(t, h, "/tmp/asroot-routes", list.String())
	defer h.Run(t, "rm", "/tmp/asroot-routes")
	before := h.Snapshot(t)
	trial := func() bool { // without a process, which would take the time of those that are tested
		files, _ := os.ReadDir(fmt.Sprintf("/proc/%d/root/run/nmgre/trial", h.Pid()))
		return len(files) > 0
	}
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGSTOP, syscall.SIGKILL} {
		// the one before is to leave nothing that looks like the beginning of this one
		eventually(t, fmt.Sprintf("before %v there is no trial", sig), func() bool { return !trial() })
		cmd := h.CommandAs(ann, installed, annsCreate("--routes-from", "/tmp/asroot-routes", "--wait", "5m")...)
		var said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &said, &said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		stop := time.AfterFunc(2*time.Minute, func() { _ = cmd.Process.Kill() })
		for range 600 {
			if trial() {
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
		_ = cmd.Process.Signal(sig)
		if sig == syscall.SIGSTOP {
			mustGetTheLock(t, h)
			_ = cmd.Process.Kill()
		}
		err := cmd.Wait()
		stop.Stop()
		if err == nil {
			t.Errorf("%v came too late:\n%s", sig, &said)
			h.Run(t, installed, "delete", "gre1")
		}
		if sig != syscall.SIGINT { // the next command removes the rest of the profile
			asAnn(t, h, exitDone, "list")
		}
		mustBecome(t, h, fmt.Sprint("after ", sig), before)
	}
}

// mustGetTheLock has root's command take the lock. On a slow machine the helper may be at work for
// longer than one command waits.
func mustGetTheLock(t *testing.T, h lab.Host) {
	t.Helper()
	var r lab.Result
	for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); {
		if r = h.Try(installed, "up", "gre1"); r.Code == exitDone {
			return
		}
	}
	t.Errorf("somebody has the lock: %s\n%s", r, h.Try("sh", "-c", "ps -eo pid,ppid,uid,stat,wchan:20,etimes,args; cat /proc/locks; ls -l /run/nmgre").Stdout)
}

// dialogue is nmgre on ann's terminal.
type dialogue struct {
	mu    sync.Mutex
	shown bytes.Buffer
	tty   *os.File
	done  chan error
}

func (d *dialogue) text() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.shown.String()
}

// converse starts nmgre as ann on a terminal.
func converse(t *testing.T, h lab.Host, args ...string) *dialogue {
	t.Helper()
	return onTerminal(t, h.CommandAs(ann, installed, args...))
}

// onTerminal starts a command on a terminal of ann's.
func onTerminal(t *testing.T, cmd *exec.Cmd) *dialogue {
	t.Helper()
	ours, theirs := openPTY(t)
	if err := unix.IoctlSetWinsize(int(theirs.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}); err != nil {
		t.Fatal(err)
	}
	if err := theirs.Chmod(0o666); err != nil { // login gives the terminal to its user
		t.Fatal(err)
	}
	d := &dialogue{tty: ours, done: make(chan error, 1)}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
	cmd.SysProcAttr.Setsid, cmd.SysProcAttr.Setctty = true, true
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = theirs.Close()
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, err := ours.Read(buffer)
			d.mu.Lock()
			d.shown.Write(buffer[:n])
			d.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	go func() { d.done <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = ours.Close() })
	return d
}

// wait waits until the text is shown for the nth time.
func (d *dialogue) wait(t *testing.T, text string, n int) {
	t.Helper()
	for end := time.Now().Add(90 * time.Second); strings.Count(d.text(), text) < n; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no %q:\n%s", text, d.text())
		}
	}
}

// answer waits for the question, types keys, and returns the exit code.
func (d *dialogue) answer(t *testing.T, keys string) int {
	t.Helper()
	d.wait(t, "Password: ", 1)
	time.Sleep(200 * time.Millisecond) // keys typed before echo is off are thrown away
	_, _ = io.WriteString(d.tty, keys)
	return d.end(t)
}

// end returns the exit code.
func (d *dialogue) end(t *testing.T) int {
	t.Helper()
	select {
	case err := <-d.done:
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return exit.ExitCode()
		}
		if err != nil {
			t.Fatal(err)
		}
		return exitDone
	case <-time.After(2 * time.Minute):
		t.Fatalf("it does not end:\n%s", d.text())
	}
	return -1
}

// On a terminal ann is asked there for an administrator's password. The right one makes the tunnel;
// a wrong one or Ctrl-C leaves nothing behind.
func TestLabAsRootAsksOnTheTerminal(t *testing.T) {
	h := annsHost(t, annMayTouch)
	if r := h.TryInput("root:not so secret\n", "chpasswd"); r.Code != 0 {
		t.Fatal(r)
	}
	before := h.Snapshot(t)
	args := annsCreate("--route", secondHop)
	for _, c := range []struct {
		name, keys string
		code       int
		want       string
	}{
		{"a wrong password", "nonsense\n", exitNotPermitted, "hint: run it as root: sudo " + installed + " create"},
		{"Ctrl-C", "\x03", exitFailed, "undid everything"},
	} {
		d := converse(t, h, args...)
		if code := d.answer(t, c.keys); code != c.code || !strings.Contains(d.text(), c.want) {
			t.Errorf("%s: exit %d, want %d with %q\n%s", c.name, code, c.code, c.want, d.text())
		}
		mustEqual(t, "after "+c.name, before, h.Snapshot(t))
	}
	d := converse(t, h, args...)
	if code := d.answer(t, "not so secret\n"); code != exitDone {
		t.Fatalf("with the password: exit %d\n%s", code, d.text())
	}
	if text := d.text(); strings.Count(text, "Password: ") != 1 || !strings.Contains(text, "Authentication is required to change what root keeps for a tunnel: "+installed+" helper gre1 routes\r\n") {
		t.Errorf("asked:\n%s", text)
	}
	if routes := h.Run(t, "ip", "route", "show", "proto", "213"); !strings.Contains(routes, "10.20.0.0/16") {
		t.Errorf("routes:\n%s", routes)
	}
	d = converse(t, h, "delete", "gre1")
	if code := d.answer(t, "not so secret\n"); code != exitDone || !strings.Contains(d.text(), installed+" helper gre1 forget\r\n") {
		t.Fatalf("delete: exit %d\n%s", code, d.text())
	}
	mustEqual(t, "after delete", before, h.Snapshot(t))
}

// Everybody who may run the helper can send it anything. Here root does, whom polkit does not even
// ask.
func TestLabAsRootHostileRequests(t *testing.T) {
	h := annsHost(t)
	h.Run(t, installed, annsCreate("--route", secondHop)...)
	uuid := strings.TrimSpace(h.Run(t, "nmcli", "-g", "connection.uuid", "connection", "show", "gre1"))
	wan := strings.TrimSpace(h.Run(t, "nmcli", "-g", "connection.uuid", "connection", "show", "wan"))
	body := "version 1\nuuid " + uuid + "\ninterface gre1\nremote 100.0.2.100\ninner 172.16.0.0/30\nroute " + secondHop + "\n"
	swap := func(old, with string) string {
		if !strings.Contains(body, old) {
			t.Fatalf("no %q in %q", old, body)
		}
		return keepText(strings.ReplaceAll(body, old, with))
	}
	if r := h.TryInput(keepText(body), installed, "helper", "gre1", "routes"); r.Code != exitDone {
		t.Fatalf("the true request: %s", r)
	}
	before, made := h.Snapshot(t), rootsState(t, h)
	for _, c := range []struct{ name, request, asked string }{
		{"nothing", "", ""},
		{"a shell command", "/bin/sh -c 'id >/tmp/owned'\n", ""},
		{"a UUID that is nobody's", swap(uuid, "00000000-0000-4000-8000-00000000dead"), ""},
		{"another connection's UUID", swap(uuid, wan), ""},
		{"a path as UUID", swap(uuid, "../../../../../../tmp/owned"), ""},
		{"a path of a UUID's length", swap(uuid, "../../../../../../../../../tmp/owned1"), ""},
		{"the UUID in capitals", swap(uuid, strings.ToUpper(uuid)), ""},
		{"another device", swap("interface gre1", "interface eth0"), "eth0 routes"},
		{"a device that is a path", swap("interface gre1", "interface ../x"), ""},
		{"another far end", swap("100.0.2.100", "100.0.1.1"), ""},
		{"another inner network", swap("172.16.0.0/30", "0.0.0.0/0"), ""},
		{"a route with a device", swap("route "+secondHop, "route 10.20.0.0/16 dev eth0"), ""},
		{"a nexthop elsewhere", swap("dev gre1", "via 100.0.1.1 dev eth0"), ""},
		{"a nexthop object", swap("route "+secondHop, "route 10.20.0.0/16 nhid 1"), ""},
		{"a local route", swap("route "+secondHop, "route local 10.20.0.1 table 100"), ""},
		{"a black hole for everything", swap("route "+secondHop, "route blackhole default"), ""},
		{"this host's own network", swap("route "+secondHop, "route 10.10.1.0/24 encap mpls 100"), ""},
		{"a source that is not here", swap("route ", "snat 10.10.1.0/24 8.8.8.8\nroute "), "gre1 routes SNAT"},
		{"a device that is not there", swap("route ", "forward gre1 eth9\nroute "), "gre1 routes forwarding"},
		{"a device of others", swap("route ", "forward gre1 eth0\nroute "), "gre1 routes forwarding"},
		{"more than polkit was asked about", swap("route ", "forward gre1 eth1\nroute "), "gre1 routes"},
		{"another tunnel than polkit was asked about", keepText(body), "gre2 routes"},
		{"a stale file", strings.Replace(keepText(body), " any\n", " none\n", 1), ""},
		{"bytes behind", keepText(body) + "more", ""},
		{"a second request", keepText(body) + "nmgre-request 2 forget " + uuid + "\n", ""},
		{"cut short", keepText(body)[:len(keepText(body))-20], ""},
		{"another version", strings.Replace(keepText(body), "nmgre-request 2", "nmgre-request 3", 1), ""},
		{"forget a path", "nmgre-request 2 forget ../../../../../../../../../tmp/owned1\n", "gre1 forget"},
		{"forget nobody's", "nmgre-request 2 forget 00000000-0000-4000-8000-00000000dead\n", "00000000-0000-4000-8000-00000000dead forget"},
		{"forget another than polkit was asked about", "nmgre-request 2 forget " + uuid + "\n", "gre2 forget"},
	} {
		asked := strings.Fields(cmp.Or(c.asked, "gre1 routes"))
		r := h.TryInput(c.request, installed, append([]string{"helper"}, asked...)...)
		if r.Code == exitDone || !strings.Contains(r.Stdout, `"error":`) {
			t.Errorf("%s: %s", c.name, r)
		}
	}
	mustEqual(t, "after all requests", made, rootsState(t, h))
	zero := h.Try("sh", "-c", "head -c 100000000 /dev/zero | "+installed+" helper gre1 routes; test $? = 2 && { echo 'nmgre-request 2 keep 8388608 any'; head -c 8388608 /dev/zero; } | "+
		installed+" helper gre1 routes; test $? = 2")
	if zero.Code != 0 {
		t.Errorf("zeros: %s", zero)
	}
	for _, args := range [][]string{{"helper"}, {"helper", "/etc/passwd"}, {"helper", "--help"}, {"helper", "gre1", "routes", "/etc/passwd"}} {
		if r := h.Try(installed, args...); r.Code != exitInvalid {
			t.Errorf("%v: %s", args, r)
		}
	}
	if r := h.TryAs(ann, installed, "helper", "gre1", "routes"); r.Code != exitNotPermitted {
		t.Errorf("as ann: %s", r)
	}
	mustEqual(t, "after all", before, h.Snapshot(t))
	if h.Try("sh", "-c", "test -e /tmp/owned || test -e /tmp/owned1").Code == 0 {
		t.Error("a file was made")
	}
}
