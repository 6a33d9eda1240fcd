package main

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"nmgre/testdata/lab"
)

// Every line for the far end that nmgre prints in a test of the lab is run on the far host as it
// stands: by the test itself, or when the test has ended. The latter takes a third of the time
// again, so "make test-all" alone does it.

func TestMain(m *testing.M) {
	if isSweep() {
		lines := &farLines{ran: ranBefore()}
		lab.Ran, lab.Ended = lines.heard, lines.runAll
	}
	m.Run()
}

// farLine is a command for the far end, as nmgre has printed it.
type farLine struct {
	far  lab.Host
	line string
}

// farLines collects the far-end lines that nmgre prints in the tests of this process.
type farLines struct {
	mu      sync.Mutex
	waiting []farLine
	ran     map[farLine]bool
	deaf    bool // while the lines are run, which print others
}

// printedLines are the forms in which nmgre prints a command that makes the far end: in text, in
// verify's advice, and in JSON.
var printedLines = regexp.MustCompile(`(?m)(?:^far end: +|^# the far end:\n +|make it there: )(nmgre create [^;"\n]*)|"(?:command|make_there)": ("nmgre create (?:[^"\\]|\\.)*")`)

// ranFile is where the lab remembers the lines that this program's tests have run in it: the tests
// of a package are processes of their own. It is empty if that cannot be known.
func ranFile() string {
	self, err := os.Stat("/proc/self/exe")
	if err != nil {
		return ""
	}
	return fmt.Sprintf("/run/lab/lines-%d", self.ModTime().UnixNano())
}

// ranBefore returns the lines that have run in this lab.
func ranBefore() map[farLine]bool {
	ran := make(map[farLine]bool)
	text, _ := os.ReadFile(ranFile()) // there is none before the first
	for line := range strings.Lines(string(text)) {
		if far, line, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t"); ok {
			ran[farLine{lab.Host(far), line}] = true
		}
	}
	return ran
}

// remember has the lab remember a line that has run.
func (l farLine) remember(t *testing.T) {
	file, err := os.OpenFile(ranFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = fmt.Fprintf(file, "%s\t%s\n", l.far, l.line)
		_ = file.Close()
	}
	if err != nil {
		t.Log(err) // it is run once more
	}
}

// linesIn returns the commands for the far end in a text.
func linesIn(text string) (list []string) {
	for _, found := range printedLines.FindAllStringSubmatch(text, -1) {
		line := found[1]
		if quoted, err := strconv.Unquote(found[2]); err == nil {
			line = quoted
		}
		list = append(list, strings.TrimSpace(line))
	}
	return list
}

// heard takes the lines of a command that has ended on a host. One that was a line itself has run.
func (f *farLines) heard(host lab.Host, argv []string, r lab.Result) {
	far := map[lab.Host]lab.Host{lab.Linux1: lab.Linux2, lab.Linux2: lab.Linux1}[host]
	f.mu.Lock()
	defer f.mu.Unlock()
	if far == "" || f.deaf {
		return
	}
	if r.Code == exitDone {
		f.ran[farLine{host, argv[len(argv)-1]}] = true
	}
	for _, line := range linesIn(r.Stdout + "\n" + r.Stderr) {
		f.waiting = append(f.waiting, farLine{far, line})
	}
}

// take returns the lines that wait to be run, each once, and is deaf until done is called.
func (f *farLines) take() (list []farLine, done func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range f.waiting {
		if !f.ran[l] {
			list, f.ran[l] = append(list, l), true
		}
	}
	f.waiting, f.deaf = nil, true
	return list, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.deaf = false
	}
}

// runAll runs the lines that no test has run yet.
func (f *farLines) runAll(t *testing.T) {
	if t.Failed() { // they wait for the end of the next test
		return
	}
	list, done := f.take()
	defer done()
	for _, l := range list {
		l.far.Reset(t)
		if !l.hasLocal() {
			t.Logf("no host of the lab can be the far end of: %s", l.line)
			continue
		}
		l.hasBridge(t)
		if r := l.far.Try("sh", "-c", l.line); r.Code != exitDone {
			t.Errorf("the printed line does not run on %s: %s\n%s", l.far, l.line, r)
			continue
		}
		l.remember(t)
	}
}

// hasLocal gives the far host the outer address that the line says it has. It is false for one that
// is of none of its networks.
func (l farLine) hasLocal() bool {
	local := regexp.MustCompile(` --local (\S+)`).FindStringSubmatch(l.line)
	if local == nil || strings.Contains(l.far.Try("ip", "-o", "address").Stdout, " "+local[1]+"/") {
		return true
	}
	for _, network := range map[lab.Host][]string{lab.Linux1: {"100.0.1.", "2001:db8:1::"}, lab.Linux2: {"100.0.2.", "2001:db8:2::"}}[l.far] {
		if strings.HasPrefix(local[1], network) {
			words := map[bool]string{true: "/24", false: "/64 nodad"}[strings.HasSuffix(network, ".")]
			return l.far.Try("sh", "-c", "ip address add dev eth0 "+local[1]+words).Code == 0
		}
	}
	return false
}

// hasBridge gives the far host the bridge that the line makes a port of: a note beside the line
// says that it is the far end's own.
func (l farLine) hasBridge(t *testing.T) {
	if bridge := regexp.MustCompile(` --controller (\S+)`).FindStringSubmatch(l.line); bridge != nil {
		l.far.Run(t, "nmcli", "connection", "add", "type", "bridge", "con-name", bridge[1], "ifname", bridge[1],
			"ipv4.method", "disabled", "ipv6.method", "disabled")
	}
}

// The lines are found in all forms in which nmgre prints them, and only those of the far end.
func TestLinesForTheFarEnd(t *testing.T) {
	w := newWorld(t)
	args := []string{"create", "--peer", "100.0.2.100", "--address", "172.16.0.1/30"}
	const line = "nmgre create --peer 100.0.1.100 --local 100.0.2.100 --address 172.16.0.2/30 --mtu 1476 --route 10.10.1.0/24"
	for _, more := range [][]string{{"--dry-run"}, {"--dry-run", "--json"}, nil} {
		if got := linesIn(w.must(append(args, more...)...).stdout); len(got) != 1 || got[0] != line {
			t.Errorf("create %q prints the lines %q", more, got)
		}
	}
	for _, show := range [][]string{{"show", "gre1"}, {"show", "gre1", "--json"}} {
		if got := linesIn(w.must(show...).stdout); len(got) != 1 || got[0] != line {
			t.Errorf("%q prints the lines %q", show, got)
		}
	}
	const advice = `hint: if the far end does not exist yet, make it there: nmgre create --peer 1; run it with sudo
"hint": "make it there: nmgre create --peer 2",
"facts": {"make_there": "nmgre create --route '10.0.0.0/8 \"x\"'", "mend_here": "nmgre up gre1"}`
	if got := linesIn(advice); len(got) != 3 || got[0] != "nmgre create --peer 1" || got[1] != "nmgre create --peer 2" || got[2] != `nmgre create --route '10.0.0.0/8 "x"'` {
		t.Errorf("of advice: %q", got)
	}
}

// isSweep says whether make test-all runs, which may take an hour.
func isSweep() bool { return os.Getenv("NMGRE_LAB_LINES") == "1" }

// ofSweep returns how often a test tries the same thing at another moment: few times in make test,
// many times in a sweep.
func ofSweep(few, many int) int {
	if isSweep() {
		return many
	}
	return few
}
