package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"nmgre/cmd/nmgre/adapters"
	"nmgre/routes/asroot"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
	"nmgre/routes/store"
)

// help runs the helper with the given standard input. Polkit was asked about args, or about gre1's
// routes if there are none.
func (w *world) help(in io.Reader, args ...string) outcome {
	w.t.Helper()
	if len(args) == 0 {
		args = []string{"gre1", "routes"}
	}
	var stdout, stderr bytes.Buffer
	a := &app{stdin: in, stdout: &stdout, stderr: &stderr, root: w.root, owner: os.Getuid(), open: w.open}
	code := a.run(append([]string{"helper"}, args...))
	return outcome{code, stdout.String(), stderr.String()}
}

// files returns root's own files with their texts.
func (w *world) files() string {
	w.t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(filepath.Join(w.root, "etc"), func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil //nolint:nilerr // there is none
		}
		text, err := os.ReadFile(path)
		fmt.Fprintf(&all, "%s\n%s", path, text)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return all.String()
}

// state returns everything that the helper may change, as text.
func (w *world) state() string {
	routes, _ := w.kernel.OwnRoutes(w.t.Context())
	return fmt.Sprintf("%v %v %v %s", w.bus.Profiles(), routes, w.gateway.rules, w.files())
}

// keepRequest is a request for the tunnel gre1, as package asroot writes it.
func (w *world) keepRequest(more ...string) string {
	w.t.Helper()
	var list []struct{ UUID string }
	if err := json.Unmarshal([]byte(w.must("list", "--json").stdout), &list); err != nil || len(list) != 1 {
		w.t.Fatal(err, list)
	}
	lines := append([]string{"version 1", "uuid " + list[0].UUID, "interface gre1", "remote 100.0.2.100", "inner 172.16.0.0/30"}, more...)
	return keepText(strings.Join(lines, "\n") + "\n")
}

func keepText(body string) string {
	return fmt.Sprintf("nmgre-request 2 keep %d any\n%s", len(body), body)
}

const multipath = "route 10.77.0.0/16 nexthop via 172.16.0.2 nexthop dev gre1 weight 2"

// The helper keeps a tunnel's routes and rules, and forgets them again.
func TestHelper(t *testing.T) {
	w := newWorld(t)
	w.must("create", "--peer", "100.0.2.100", "--address", "172.16.0.1/30")
	before := w.state()
	o := w.help(strings.NewReader(w.keepRequest(multipath, "snat 10.10.1.0/24 10.10.1.1", "forward gre1 eth1")), "gre1", "routes", "SNAT", "forwarding")
	routes, _ := w.kernel.OwnRoutes(t.Context())
	if o.code != exitDone || len(routes["gre1"]) != 1 || len(w.gateway.rules) != 1 || !strings.Contains(w.files(), multipath) {
		t.Errorf("keep: exit %d\n%s%s%s", o.code, o.stdout, o.stderr, w.state())
	}
	if !strings.HasPrefix(o.stdout, "nmgre-answer 1\n") || !strings.Contains(o.stdout, `"changed":`) || o.stderr != "" {
		t.Errorf("keep says %q and %q", o.stdout, o.stderr)
	}
	uuid := uuidPattern.FindString(w.files())
	if o := w.help(strings.NewReader("nmgre-request 2 converge\n"), "all-tunnels", "converge"); o.code != exitDone {
		t.Errorf("converge: %+v", o)
	}
	if o := w.help(strings.NewReader("nmgre-request 2 forget "+uuid+"\n"), "gre1", "forget"); o.code != exitDone {
		t.Errorf("forget: %+v", o)
	}
	if after := w.state(); after != before {
		t.Errorf("after forget:\n%s", difference(before, after))
	}
	if o := w.help(strings.NewReader("nmgre-request 2 forget "+uuid+"\n"), uuid, "forget"); o.code != exitInvalid || !strings.Contains(o.stdout, `"kind":"not-found"`) {
		t.Errorf("forget once more: %+v", o)
	}
}

// The kept file of a profile that is gone can be forgotten.
func TestHelperForgetsOrphans(t *testing.T) {
	w := newWorld(t)
	const uuid = "00000000-0000-4000-8000-00000000dead"
	if _, err := store.New(w.root, os.Getuid()).Put(t.Context(), keep.Kept{UUID: uuid, Name: "gre9", ClampMSS: true}); err != nil {
		t.Fatal(err)
	}
	if o := w.help(strings.NewReader("nmgre-request 2 forget "+uuid+"\n"), "gre9", "forget"); o.code != exitDone || w.files() != "" {
		t.Errorf("%+v, %s", o, w.files())
	}
}

// zeros is an endless input of zeros.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// Everybody who may run the helper can send it anything. It refuses everything but a request for an
// existing tunnel, and changes nothing.
func TestHelperRefuses(t *testing.T) {
	w := newWorld(t)
	w.must(createArgs...)
	uuid := uuidPattern.FindString(w.files())
	good := w.keepRequest(multipath)
	swap := func(old, with string) io.Reader {
		_, body, _ := strings.Cut(good, "\n")
		if !strings.Contains(body, old) {
			t.Fatalf("no %q in %q", old, body)
		}
		return strings.NewReader(keepText(strings.ReplaceAll(body, old, with)))
	}
	before := w.state()
	for _, c := range []struct {
		name  string
		in    io.Reader
		code  int
		want  string
		asked string // polkit's question; empty for gre1's routes
	}{
		{"nothing", strings.NewReader(""), exitInvalid, "does not begin with", ""},
		{"zeros", io.LimitReader(zeros{}, 100<<20), exitInvalid, "does not begin with", ""},
		{"a keep of zeros", io.MultiReader(strings.NewReader("nmgre-request 2 keep 8388608 any\n"), io.LimitReader(zeros{}, 8<<20)), exitInvalid, "the request", ""},
		{"a shell command", strings.NewReader("rm -rf /\n"), exitInvalid, "does not begin with", ""},
		{"another UUID", swap(uuid, "00000000-0000-4000-8000-00000000dead"), exitInvalid, "00000000-0000-4000-8000-00000000dead", ""},
		{"a path as UUID", swap(uuid, "../../../../../../../../etc/passwd"), exitInvalid, "is no UUID", ""},
		{"the UUID in capitals", swap(uuid, strings.ToUpper(uuid)), exitInvalid, "", ""},
		{"another device", swap("interface gre1", "interface eth0"), exitInvalid, "the interface of the profile is gre1, not eth0", "eth0 routes"},
		{"another far end", swap("100.0.2.100", "100.0.2.101"), exitInvalid, "the far end of gre1 is 100.0.2.100", ""},
		{"another inner network", swap("172.16.0.0/30", "0.0.0.0/0"), exitInvalid, "the inner networks of gre1 are [172.16.0.0/30], and the request has others", ""},
		{"a route elsewhere", swap("dev gre1", "dev eth0"), exitNotPermitted, "eth0 is not a tunnel that is up", ""},
		{"a route with a device", swap(multipath, "route 10.77.0.0/16 dev eth0"), exitInvalid, "does not belong here", ""},
		{"a route of the profile's", swap(multipath, "route 10.77.0.0/16"), exitInvalid, "a NetworkManager profile can hold it", ""},
		{"a source that is not here", swap(multipath, "snat 10.10.1.0/24 8.8.8.8"), exitInvalid, "not an address of this host", "gre1 SNAT"},
		{"a device that is not there", swap(multipath, "forward gre1 eth7"), exitInvalid, "there is no device eth7", "gre1 forwarding"},
		{"nothing to keep", swap(multipath, "#"), exitInvalid, "permission was asked for", "gre1 routes"},
		{"an unknown word", swap(multipath, "exec /bin/sh"), exitInvalid, "is not known", ""},
		{"bytes behind", strings.NewReader(good + "\x00"), exitInvalid, "something follows", ""},
		{"cut short", strings.NewReader(good[:len(good)-1]), exitInvalid, "too early", ""},
		{"a question about something else", strings.NewReader(good), exitInvalid, "permission was asked for \"gre2 routes\", and the request is \"gre1 routes\"", "gre2 routes"},
		{"a question about less", swap(multipath, multipath+"\nforward gre1 eth1"), exitInvalid, "permission was asked for", "gre1 routes"},
		{"a stale file", strings.NewReader(strings.Replace(good, " any\n", " none\n", 1)), exitInvalid, "somebody else has changed what root keeps for gre1", ""},
		{"forget nobody's", strings.NewReader("nmgre-request 2 forget 00000000-0000-4000-8000-00000000dead\n"), exitInvalid, "nothing is kept", "00000000-0000-4000-8000-00000000dead forget"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := w.help(c.in, strings.Fields(c.asked)...)
			if o.code != c.code || !strings.Contains(o.stderr, c.want) || !strings.Contains(o.stdout, `"error":`) {
				t.Errorf("exit %d, want %d with %q\n%s%s", o.code, c.code, c.want, o.stdout, o.stderr)
			}
			if after := w.state(); after != before {
				t.Errorf("it changed something:\n%s", difference(before, after))
			}
		})
	}
}

// The helper takes no arguments but polkit's question, no flags, and runs for root only.
func TestHelperIsRoots(t *testing.T) {
	w := newWorld(t)
	for _, args := range [][]string{{"/etc/passwd"}, {"--help"}, {"--routes-from", "/etc/shadow"}, {"-"}, {"gre1"}, {"gre1", "routes", "/etc/passwd"}} {
		if o := w.help(strings.NewReader("nmgre-request 2 converge\n"), args...); o.code != exitInvalid || o.stdout != "" {
			t.Errorf("%q: %+v", args, o)
		}
	}
	var stdout, stderr bytes.Buffer
	a := &app{stdin: strings.NewReader("nmgre-request 2 converge\n"), stdout: &stdout, stderr: &stderr, root: w.root, owner: os.Getuid() + 1, open: w.open}
	if code := a.run([]string{"helper", "all-tunnels", "converge"}); code != exitNotPermitted || stdout.Len() != 0 || !strings.Contains(stderr.String(), "the helper must run as root") {
		t.Errorf("exit %d\n%s%s", code, &stdout, &stderr)
	}
	w.kernel.root = false // root of a container, without rights
	if o := w.help(strings.NewReader("nmgre-request 2 converge\n"), "all-tunnels", "converge"); o.code != exitNotPermitted || !strings.Contains(o.stdout, `"kind":"not-permitted"`) {
		t.Errorf("%+v", o)
	}
	if o := w.run("hook", "gre1", "up"); o.code != exitNotPermitted {
		t.Errorf("hook: %+v", o)
	}
}

// Where root is needed, the hint is the exact line to type.
func TestSudoLine(t *testing.T) {
	w := newWorld(t)
	w.kernel.root = false
	args := []string{"create", "--peer", "100.0.2.100", "--address", "172.16.0.1/30", "--route", "10.77.0.0/16 nexthop via 172.16.0.2 nexthop dev gre1", "--name", "gre1"}
	o := w.run(args...)
	if want := "hint: run it as root: " + fault.SudoLine(append([]string{"nmgre"}, args...)) + "\n"; o.code != exitNotPermitted || !strings.Contains(o.stderr, want) {
		t.Errorf("exit %d, want %q\n%s", o.code, want, o.stderr)
	}
}

// So it is with every command that NetworkManager lets nobody but root carry out.
func TestSudoLineOfEachCommand(t *testing.T) {
	w := newWorld(t)
	w.must("create", "--peer", "100.0.2.100", "--address", "172.16.0.1/30", "--route", "10.20.0.0/16")
	w.kernel.root = false
	for _, action := range []string{"settings.modify.system", "settings.modify.own", "network-control"} {
		w.bus.SetPermission(action, "no")
	}
	for _, line := range []string{"create --peer 100.0.3.100 --address 172.16.1.1/30", "edit gre1 --mtu 1400", "route add gre1 10.21.0.0/16", "route delete gre1 10.20.0.0/16"} {
		o := w.run(strings.Fields(line)...)
		if want := "hint: run it as root: " + fault.SudoLine(strings.Fields("nmgre "+line)) + "\n"; o.code != exitNotPermitted || !strings.Contains(o.stderr, want) {
			t.Errorf("%s: exit %d, want %q\n%s", line, o.code, want, o.stderr)
		}
	}
}

// quickKernel takes any number of routes, and remembers none. It refuses a list that begins as
// refuses says.
type quickKernel struct {
	kernel.Kernel
	refuses string
}

func (k quickKernel) SyncRoutes(_ context.Context, want []kernel.OwnRoute, _ kernel.SyncOptions) (kernel.SyncResult, error) {
	if len(want) > 0 && strings.HasPrefix(want[0].Route.String(), k.refuses) {
		return kernel.SyncResult{Refused: []kernel.Refusal{{Index: 0, Err: errors.New("refused")}}}, nil
	}
	return kernel.SyncResult{Added: make([]int, len(want))}, nil
}

// raceEnabled is set where the race detector watches.
var raceEnabled bool

const memoryVariable = "NMGRE_TEST_MEMORY"

// The helper's memory stays below ten times the largest request: root's processes are not a way to
// take the host's memory. Another process measures it, up to three times: on a busy machine the
// collector comes late.
func TestHelperMemory(t *testing.T) {
	if os.Getenv(memoryVariable) != "" {
		keepVeryMany(t)
		return
	}
	var problem string
	for range 3 {
		if problem = measureHelper(t); problem == "" {
			return
		}
	}
	t.Error(problem)
}

// measureHelper returns which requests took too much memory; it is empty if none did.
func measureHelper(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^TestHelperMemory$", "-test.v")
	cmd.Env = append(os.Environ(), memoryVariable+"=1")
	said, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	times := int64(10)
	if raceEnabled { // the detector has a shadow of all memory
		times *= 10
	}
	problem, requests := "", 0
	for line := range strings.Lines(string(said)) {
		var size, peak int64
		if _, err := fmt.Sscanf(line, "a request of %d bytes took %d bytes", &size, &peak); err != nil {
			continue
		}
		if requests++; size < 8_000_000 || peak > times*size {
			problem += fmt.Sprintf("request %d of %d bytes took %d bytes of memory\n", requests, size, peak)
		}
	}
	if requests != 4 {
		t.Fatalf("%d requests\n%s", requests, said)
	}
	return problem
}

// keepVeryMany has the helper keep as many routes as it may, and tells the most memory that this
// process has had since.
func keepVeryMany(t *testing.T) {
	w := newWorld(t)
	w.must("create", "--peer", "100.0.2.100", "--address", "172.16.0.1/30")
	asroot.Settle()
	// The second request changes nothing, the third everything. The kernel refuses the last one.
	w.keepLarge(exitDone, 20)
	w.keepLarge(exitDone, 20)
	w.keepLarge(exitDone, 60)
	w.keepLarge(exitFailed, refusedOctet)
}

// refusedOctet is the second one of routes that the kernel refuses.
const refusedOctet = 90

// keepLarge has the helper carry out the largest request, and tells the most memory that this
// process has had meanwhile.
func (w *world) keepLarge(exit, octet int) {
	w.t.Helper()
	t, file := w.t, w.largeRequest(octet)
	debug.FreeOSMemory()
	// proc(5): the peak begins anew
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	a := &app{stdin: file, stdout: &stdout, stderr: &stderr, root: w.root, owner: os.Getuid(), open: func(ctx context.Context) (adapters.Doors, func(), error) {
		d, closeAll, err := w.open(ctx)
		d.Kernel = quickKernel{d.Kernel, fmt.Sprintf("10.%d.", refusedOctet)}
		return d, closeAll, err
	}}
	if code := a.run([]string{"helper", "gre1", "routes"}); code != exit {
		t.Fatalf("exit %d\n%.2000s%s", code, &stdout, &stderr)
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	// The pages of the program's own file are no memory of the host's: it may drop them.
	peak, size := statusKB(t, status, "VmHWM")-statusKB(t, status, "RssFile"), int64(0)
	if info, err := file.Stat(); err == nil {
		size = info.Size()
	}
	fmt.Printf("a request of %d bytes took %d bytes\n", size, peak<<10)
}

// statusKB returns a line of /proc/self/status, in kB (proc_pid_status(5)).
func statusKB(t *testing.T, status []byte, name string) (kB int64) {
	t.Helper()
	_, line, _ := strings.Cut(string(status), name+":")
	if _, err := fmt.Sscan(line, &kB); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return kB
}

// largeRequest is a file with the largest request for gre1. octet is the
// second one of the first routes.
func (w *world) largeRequest(octet int) *os.File {
	w.t.Helper()
	_, body, _ := strings.Cut(w.keepRequest(), "\n")
	var text strings.Builder
	text.WriteString(body)
	for i := range 200_000 {
		line := fmt.Sprintf("route 10.%d.%d.%d mtu 1300 src 172.16.0.1\n", octet+i>>16, i>>8&255, i&255)
		if text.Len()+len(line) > 8<<20 {
			break
		}
		text.WriteString(line)
	}
	file, err := os.Create(filepath.Join(w.t.TempDir(), "request"))
	if err == nil {
		_, err = io.WriteString(file, keepText(text.String()))
	}
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return file
}
