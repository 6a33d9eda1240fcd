package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"nmgre/nm/verify/place"
	"nmgre/testdata/lab"
)

// Faults of tunnels that are made for real, with ip, nft, tc and sysctl, at either end or between
// them, and verify's report on each on linux1. causeRows has the rows.

// causeRow is a fault, and the report that verify must give of it.
type causeRow struct {
	// such as D05b: a number for each kind of fault, with a letter where there are several
	id   string
	name string
	core bool // TestLabCausesCore has it

	does   []step // makes the fault
	undo   []step // takes it away, after which verify passes
	speaks string // linux2's command meanwhile: the far end sends by itself
	sends  []byte // linux2 sends it meanwhile as the payload of IP protocol 47

	refused []string // the arguments of a command that is refused for it, where verify has no part

	cause     string   // the stable id; empty where the check alone tells
	check     string   // the id of the check that tells; empty for any
	says      []string // parts of the check's summary, evidence or hint
	verdict   string   // fail or warn
	certainty string   // empty for either
	// a regular expression of the hint's command, to be typed on linux1; may be empty
	mend     string
	unmended string // why none is typed here, although others of its cause are mended by one
	// one of the hint's command for the far end, to be typed on linux2, where TUNNEL is gre1
	mendThere string
	to        []string // addresses behind the far end that verify is to look for
	also      []string // ids of further checks that may fail, or causes that may stand beside it

	// later says why verify cannot tell this fault. Then nothing wrong may be called proved. If
	// lost is set, verify must not pass.
	later    string
	lost     bool
	unproved string // the id of a check that must not pass as proved
}

// step is a script for a host's shell.
type step struct {
	host   lab.Host
	script string
}

func here(script string) step    { return step{lab.Linux1, script} }
func there(script string) step   { return step{lab.Linux2, script} }
func between(script string) step { return step{lab.Router, script} }
func farLAN(script string) step  { return step{lab.LAN2, script} }

// take runs steps one after the other. The shell ends at the first command that fails.
func take(t *testing.T, steps []step) {
	t.Helper()
	for _, s := range steps {
		s.host.Run(t, "sh", "-ec", s.script)
	}
}

// filterAt is a rule in a base chain of its own, and noFilter takes it away.
func filterAt(hook, rule string) string {
	return "nft 'table ip fault { chain faulty { type filter hook " + hook + " priority 0; " + rule + "; }; }'"
}

const noFilter = "nft delete table ip fault"

// limitsFill waits until Linux may send errors to a host again that got many in the row before:
// icmp_ratelimit and ip_error take from one bucket, which is full after five seconds at most.
const limitsFill = "sleep 5"

// farLink changes options of linux2's link, behind NetworkManager's back.
func farLink(options string) step {
	return there("ip link set dev gre1 type gre remote 100.0.1.100 local 100.0.2.100 ttl 64 " + options)
}

// hereLink changes options of linux1's link in the same way.
func hereLink(options string) step {
	return here("ip link set dev gre1 type gre remote 100.0.2.100 local 100.0.1.100 ttl 64 " + options)
}

// toldJSON is the report of verify --json.
type toldJSON struct {
	Verdict string
	Checks  []json.RawMessage
	checks  []toldCheck
}

// toldCheck is a check of it, with its whole text.
type toldCheck struct {
	ID, Status, Certainty, Cause, Summary, Hint string
	Facts                                       struct {
		MendHere  string `json:"mend_here"`
		MendThere string `json:"mend_there"`
	}
	text string
}

func (c toldCheck) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s %s %s: %s", c.ID, c.Certainty, c.Cause, c.Summary))
}

// told reads the report that a command has printed.
func told(t *testing.T, r lab.Result) (report toldJSON) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.Stdout), &report); err != nil {
		t.Fatalf("verify --json: %v\n%s", err, r)
	}
	for _, raw := range report.Checks {
		c := toldCheck{text: string(raw)}
		if err := json.Unmarshal(raw, &c); err != nil {
			t.Fatalf("verify --json: %v\n%s", err, raw)
		}
		report.checks = append(report.checks, c)
	}
	return report
}

// findings are the checks that did not pass, the failed ones first.
func (r toldJSON) findings() (list []toldCheck) {
	for _, status := range []string{"fail", "warn"} {
		for _, c := range r.checks {
			if c.Status == status {
				list = append(list, c)
			}
		}
	}
	return list
}

// first returns the first finding that tells the row; the first of all if none does.
func (r toldJSON) first(row causeRow) toldCheck {
	list := r.findings()
	for _, c := range list {
		if row.tells(c) {
			return c
		}
	}
	if len(list) > 0 {
		return list[0]
	}
	return toldCheck{ID: "nothing", Summary: "verdict " + r.Verdict}
}

// tells says whether a finding is of the row's cause, or by its check.
func (row causeRow) tells(c toldCheck) bool {
	return row.cause != "" && c.Cause == row.cause || row.cause == "" && row.check != "" && c.ID == row.check
}

// mayStand says whether a finding is no wrong one: it is the row's own, or the row allows it beside
// that by its check or its cause.
func (row causeRow) mayStand(c toldCheck) bool {
	return row.tells(c) || slices.Contains(row.also, c.ID) || c.Cause != "" && slices.Contains(row.also, c.Cause)
}

// judge compares the report with the row.
func (row causeRow) judge(t *testing.T, report toldJSON) {
	t.Helper()
	row.mustNotLie(t, "as root", report)
	if row.later != "" {
		return
	}
	c := report.first(row)
	if !row.tells(c) {
		t.Errorf("it says %q, want the cause %q of check %q", c, row.cause, row.check)
		return
	}
	for _, text := range row.says {
		if !strings.Contains(c.text, text) {
			t.Errorf("it does not say %q:\n%s", text, c.text)
		}
	}
	if report.Verdict != row.verdict || c.Status != row.verdict || row.certainty != "" && c.Certainty != row.certainty {
		t.Errorf("verdict %s, %s %s; want %s %s\n%s", report.Verdict, c.Status, c.Certainty, row.verdict, row.certainty, c.text)
	}
	if row.check != "" && c.ID != row.check {
		t.Errorf("check %s tells it, want %s", c.ID, row.check)
	}
	for _, other := range report.findings() {
		if other.Status == "fail" && !row.mayStand(other) {
			t.Errorf("a second finding: %s", other)
		}
	}
}

// mustNotLie checks that nothing wrong is called proved.
func (row causeRow) mustNotLie(t *testing.T, who string, report toldJSON) {
	t.Helper()
	for _, c := range report.findings() {
		if c.Certainty == "proved" && c.Cause != "" && !row.mayStand(c) {
			t.Errorf("%s: a wrong cause is called proved: %s\n%s", who, c, c.text)
		}
	}
	for _, c := range report.checks {
		if c.ID == row.unproved && c.Status == "pass" && c.Certainty == "proved" {
			t.Errorf("%s: a check that must not pass as proved does: %s\n%s", who, c, c.text)
		}
	}
	if row.lost && report.Verdict == "pass" {
		t.Errorf("%s: it passes although packets are lost", who)
	}
}

// withoutFallback leaves out gre0, too, which does not come to be again as if it had never been up.
func withoutFallback(state string) string {
	lines := strings.Split(comparable(state), "\n")
	return strings.Join(slices.DeleteFunc(lines, func(line string) bool {
		return strings.Contains(line, "gre0@NONE") || strings.Contains(line, "/gre0/") || strings.Contains(line, "gre remote any local any")
	}), "\n")
}

// causeLine is a line of the table that the test prints.
type causeLine struct {
	row     causeRow
	said    toldCheck
	verdict string
	verify  time.Duration
	whole   time.Duration
}

// makeHealthy makes the tunnel of the matrix at both ends.
func makeHealthy(t *testing.T) {
	t.Helper()
	nmgreOn(t, left.host, exitDone, left.create("--key", "42", "--no-probe")...)
	nmgreOn(t, right.host, exitDone, right.create("--key", "42")...)
	mustBeHealthy(t, "to begin with")
}

// makeHealthy6 makes it over IPv6.
func makeHealthy6(t *testing.T) {
	t.Helper()
	l, r := left, right
	l.peer, r.peer = lab.Linux2WAN6, lab.Linux1WAN6
	nmgreOn(t, l.host, exitDone, l.create("--mode", "ip6gre", "--key", "42", "--no-probe")...)
	nmgreOn(t, r.host, exitDone, r.create("--mode", "ip6gre", "--key", "42")...)
	mustBeHealthy(t, "to begin with")
}

// anew brings all hosts back to their first state, and makes the tunnel again.
func anew(t *testing.T, makeAgain func(*testing.T)) {
	t.Helper()
	for _, host := range []lab.Host{lab.Linux1, lab.Linux2, lab.Router} {
		host.Reset(t)
	}
	makeAgain(t)
}

// mustBeHealthy waits a moment for verify to pass, with the addresses behind the far end.
func mustBeHealthy(t *testing.T, when string, to ...string) {
	t.Helper()
	var r lab.Result
	for range 4 {
		r = lab.Linux1.Try("nmgre", verifyArgs("gre1", to)...)
		if r.Code == exitDone && told(t, r).Verdict == "pass" {
			return
		}
		time.Sleep(500 * time.Millisecond)
	}
	t.Errorf("%s: verify does not pass: %s", when, r)
}

// verifyArgs are the arguments of verify.
func verifyArgs(name string, to []string) []string {
	args := []string{"verify", name, "--json"}
	for _, a := range to {
		args = append(args, "--to", a)
	}
	return args
}

// tryRefused runs a command that the fault refuses. Nothing changes.
func (row causeRow) tryRefused(t *testing.T) causeLine {
	t.Helper()
	r := nmgreOn(t, lab.Linux1, exitInvalid, row.refused...)
	for _, text := range row.says {
		if !strings.Contains(r.Stderr, text) {
			t.Errorf("it does not say %q:\n%s", text, r.Stderr)
		}
	}
	text, _, _ := strings.Cut(r.Stderr, "\n")
	return causeLine{row: row, said: toldCheck{Summary: text}, verdict: "refused", whole: r.Took}
}

// try makes the fault, has verify look at it, and takes it away.
func (row causeRow) try(t *testing.T, unprivileged bool) causeLine {
	t.Helper()
	if row.refused != nil {
		return row.tryRefused(t)
	}
	began := time.Now()
	undone := false
	undo := func() {
		if !undone {
			undone = true
			take(t, row.undo)
		}
	}
	defer undo()
	take(t, row.does)
	stop := row.speak(t)
	r := lab.Linux1.Try("nmgre", verifyArgs("gre1", row.to)...)
	line := causeLine{row: row, verify: r.Took}
	if unprivileged {
		row.tryAsUser(t, r)
	}
	if row.later != "" && r.Stdout == "" { // it says that it cannot
		line.said, line.verdict = toldCheck{Summary: strings.TrimSpace(r.Stderr)}, "error"
	} else {
		report := told(t, r)
		line.said, line.verdict = report.first(row), report.Verdict
		t.Logf("it says: %s", line.said.text)
		row.judge(t, report)
		if mend := line.said.Facts.MendHere; mend != "" && row.mend == "" && row.unmended == "" {
			t.Errorf("nobody types the command that mends it: %s", mend)
		}
		if row.mend != "" {
			row.typeHint(t, line.said, lab.Linux1, row.mend, line.said.Facts.MendHere)
		}
		if row.mendThere != "" {
			row.typeHint(t, line.said, lab.Linux2, row.mendThere, line.said.Facts.MendThere)
		}
	}
	stop()
	undo()
	mustBeHealthy(t, "after it was taken away")
	line.whole = time.Since(began)
	return line
}

// tryAsUser checks that verify's report without privileges has nothing wrong beside root's.
func (row causeRow) tryAsUser(t *testing.T, root lab.Result) {
	t.Helper()
	r := lab.Linux1.TryAs(ann, "nmgre", verifyArgs("gre1", row.to)...)
	if r.Stdout == "" && (row.later != "" || r.Code == exitNotPermitted) {
		return
	}
	report := told(t, r)
	row.mustNotLie(t, "as a user", report)
	if root.Stdout != "" {
		row.mustNotBeMilder(t, report, told(t, root).Verdict)
	}
}

// mustNotBeMilder checks that a user is told the row's cause, or one that says nothing about whose
// fault it is, and that such a verdict is not milder than root's.
func (row causeRow) mustNotBeMilder(t *testing.T, user toldJSON, root string) {
	t.Helper()
	worse := map[string]int{"pass": 0, "warn": 1, "fail": 2}
	for _, c := range user.findings() {
		if c.Cause == "" || row.mayStand(c) {
			continue
		}
		if !place.IsVague(c.Cause) && !slices.Contains(unjudged, c.Cause) {
			t.Errorf("as a user: a wrong cause: %s\n%s", c, c.text)
		}
		if worse[user.Verdict] < worse[root] {
			t.Errorf("as a user: the verdict is %s, and root's is %s: %s", user.Verdict, root, c.text)
		}
	}
}

// unjudged are causes that name a counter of the kernel, and nothing about why.
var unjudged = []string{"nothing-sent", "not-sent", "not-encapsulated"}

// typeHint types the hint's command on a host, after which verify passes. fact is the same command
// among the fields of the evidence; it may be empty.
func (row causeRow) typeHint(t *testing.T, c toldCheck, host lab.Host, pattern, fact string) {
	t.Helper()
	// root needs no sudo, and the lab has none
	command := regexp.MustCompile(pattern).FindString(c.Hint)
	command = strings.NewReplacer("sudo ", "", "TUNNEL", "gre1").Replace(command)
	if command == "" || fact != "" && !strings.Contains(c.Hint, fact) {
		t.Errorf("the hint has no command like %q: %s", pattern, c.text)
		return
	}
	if r := host.Try("sh", "-c", command); r.Code != 0 {
		t.Errorf("the hint's command %q: %s", command, r)
	}
	mustBeHealthy(t, "after the hint's command "+command, row.to...)
}

// speak has the far end send by itself until stop is called.
func (row causeRow) speak(t *testing.T) (stop func()) {
	t.Helper()
	switch {
	case row.sends != nil:
		return sendGRE(t, lab.Linux2, lab.Linux2WAN, lab.Linux1WAN, row.sends)
	case row.speaks != "":
		p := lab.Linux2.Start(t, "sh", "-c", "exec "+row.speaks)
		return func() { p.Kill() }
	}
	return func() {}
}

// tryRows tries rows one after the other with one tunnel, and prints the table of the reports.
func tryRows(t *testing.T, makeTunnel func(*testing.T), rows []causeRow, unprivileged bool) {
	lab.Need(t)
	t.Cleanup(func() { lab.Router.Reset(t) })
	makeTunnel(t)
	before1, before2 := withoutFallback(lab.Linux1.Snapshot(t)), withoutFallback(lab.Linux2.Snapshot(t))
	var lines []causeLine
	for _, row := range rows {
		t.Run(row.id+" "+row.name, func(t *testing.T) {
			t.Cleanup(func() {
				if t.Failed() { // its rest must not disturb the next one
					anew(t, makeTunnel)
				}
			})
			lines = append(lines, row.try(t, unprivileged))
		})
	}
	t.Logf("what verify told:\n%s", causeTable(lines))
	if !t.Failed() {
		mustEqual(t, "after all rows, linux1", before1, withoutFallback(lab.Linux1.Snapshot(t)))
		mustEqual(t, "after all rows, linux2", before2, withoutFallback(lab.Linux2.Snapshot(t)))
	}
}

func causeTable(lines []causeLine) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "row\tfault\tverdict\tcertainty\tcause\tverify s\trow s\ttold")
	for _, l := range lines {
		text := l.said.Summary
		if l.row.later != "" {
			text += " (later: " + l.row.later + ")"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%.1f\t%.1f\t%s\n", l.row.id, l.row.name, l.verdict, l.said.Certainty, l.said.Cause, l.verify.Seconds(), l.whole.Seconds(), text)
	}
	_ = w.Flush() // into memory
	return b.String()
}

// A dozen faults that cover every kind of evidence: the links, the routes, counters, ICMP errors,
// packets on the way out and in, rules, the path MTU, and hosts behind the far end.
func TestLabCausesCore(t *testing.T) {
	var core []causeRow
	for _, row := range causeRows {
		if row.core {
			core = append(core, row)
		}
	}
	tryRows(t, makeHealthy, core, false)
}

// All faults of the matrix, with and without privileges.
//
//lab:faults
func TestLabCauses(t *testing.T) {
	tryRows(t, makeHealthy, causeRows, true)
}

// Faults of a tunnel over IPv6, whose evidence has other words: ICMPv6, and tables of IPv6.
//
//lab:faults
func TestLabCausesIPv6(t *testing.T) {
	tryRows(t, makeHealthy6, causeRows6, true)
}
