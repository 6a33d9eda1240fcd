package output

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"nmgre/nm/verify"
	"nmgre/nm/verify/fleet"
	"nmgre/routes/fault"
)

// allForm is the output of verify --all --json, and of verify --active --json.
type allForm struct {
	Verdict verify.Verdict `json:"verdict"` // the worst of the reports: pass, warn or fail
	Counts  counts         `json:"counts"`
	Reports []oneForm      `json:"reports"`
}

// counts is how many reports have each verdict.
type counts struct {
	Pass int `json:"pass"`
	Warn int `json:"warn"`
	Fail int `json:"fail"`
	Down int `json:"down"`
}

// oneForm is the output of verify NAME --json with the properties that tell the tunnel from others.
// The verdict may be "down".
type oneForm struct {
	Name        string `json:"name"`
	UUID        string `json:"uuid"`
	State       string `json:"state"`
	Autoconnect bool   `json:"autoconnect"`
	verify.Report
}

func countsOf(results []fleet.Result) (c counts) {
	for _, r := range results {
		switch r.Verdict {
		case fleet.Down:
			c.Down++
		case verify.Fail:
			c.Fail++
		case verify.Warn:
			c.Warn++
		default:
			c.Pass++
		}
	}
	return c
}

// String writes the numbers that are not zero.
func (c counts) String() string {
	var parts []string
	for _, part := range []struct {
		n    int
		word verify.Verdict
	}{{c.Pass, verify.Pass}, {c.Warn, verify.Warn}, {c.Fail, verify.Fail}, {c.Down, fleet.Down}} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.word))
		}
	}
	return strings.Join(parts, ", ")
}

// AllJSON writes the reports on many tunnels as JSON.
func AllJSON(w io.Writer, results []fleet.Result) error {
	out := allForm{Verdict: fleet.Worst(results), Counts: countsOf(results), Reports: []oneForm{}}
	for _, r := range results {
		p := r.Profile
		out.Reports = append(out.Reports, oneForm{p.ID, p.UUID, string(p.State), p.Tunnel.Autoconnect, r.Report})
	}
	return JSON(w, out)
}

// Columns of the table of many tunnels: its narrowest and widest names, and the narrowest column of
// texts, which has a line of its own where there is no room for it.
const (
	leastName, mostName = 4, 24
	verdictWidth        = 7
	leastText           = 40
)

// All writes a table: a tunnel's name, its verdict, and the check that decided on it, with the
// command that mends it on a line below. Texts are broken to lines of that width, in columns; 0
// stands for lines of any length.
func All(w io.Writer, results []fleet.Result, width int) error {
	t := allTable{width: width, names: make(map[string]int), name: leastName}
	for _, r := range results {
		t.names[r.Tunnel]++
		t.name = max(t.name, min(mostName, utf8.RuneCountInString(fault.Printable(r.Tunnel))))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%-*s  VERDICT  WHAT\n", t.name, "NAME")
	for _, r := range results {
		t.row(&b, r)
	}
	fmt.Fprintf(&b, "verdict: %s (%s)\n", fleet.Worst(results), countsOf(results))
	_, err := io.WriteString(w, b.String())
	return err
}

// allTable is the table while it is written.
type allTable struct {
	width, name int
	names       map[string]int // how many tunnels have a name
}

// indent is where the last column begins.
func (t allTable) indent() int { return t.name + 2 + verdictWidth + 2 }

// row writes the lines of one tunnel.
func (t allTable) row(b *strings.Builder, r fleet.Result) {
	c := deciding(r.Report)
	fmt.Fprintf(b, "%-*s  %-*s  ", t.name, fault.Printable(r.Tunnel), verdictWidth, r.Verdict)
	lines := t.broken(fault.Printable(whatText(c)))
	if t.names[r.Tunnel] > 1 {
		lines = append(lines, fmt.Sprintf("profile %s %s", fault.Printable(r.Profile.ID), fault.Printable(r.Profile.UUID)))
	}
	lines = append(lines, t.hint(c)...)
	for _, other := range r.Checks {
		if strings.HasPrefix(other.ID, "to ") && other.ID != c.ID { // somebody has asked for it
			lines = append(lines, t.broken(fault.Printable(fmt.Sprintf("%s: %s: %s", other.ID, other.Status, whatText(other))))...)
		}
	}
	margin := "\n" + strings.Repeat(" ", t.indent())
	b.WriteString(strings.Join(lines, margin) + "\n")
}

// broken breaks a text to lines that fit into the last column.
func (t allTable) broken(text string) []string {
	if t.width == 0 {
		return []string{text}
	}
	return broken(text, max(leastText, t.width-t.indent()))
}

// hint returns the lines of the check's hint. A command is never broken: it is there to be copied.
func (t allTable) hint(c verify.Check) []string {
	where, command := mending(c)
	where, command = fault.Printable(where), fault.Printable(command)
	switch whole := strings.TrimSuffix("hint: "+where+command, " "); {
	case where == "" && command == "":
		return nil
	case command == "":
		return t.broken(whole)
	case where == "" || t.width == 0 || utf8.RuneCountInString(whole) <= t.width-t.indent():
		return []string{whole}
	}
	return append(t.broken(strings.TrimSpace("hint: "+where)), command)
}

// deciding returns the check that has decided on the verdict: the first that is as bad. Of a tunnel
// that works it is the far end's answer.
func deciding(report verify.Report) verify.Check {
	for _, c := range report.Checks {
		if c.Status == report.Verdict && report.Verdict != verify.Pass || c.ID == "probe" && report.Verdict == verify.Pass {
			return c
		}
	}
	if len(report.Checks) > 0 {
		return report.Checks[0]
	}
	return verify.Check{}
}

// whatText words the finding of a check.
func whatText(c verify.Check) string {
	text := c.Summary
	if c.Cause != "" {
		text = c.Cause + ": " + text
	}
	if c.Certainty == verify.Likely {
		text += " (likely)"
	}
	return text
}

// mending returns the command that mends a fault, and where to type it, or an advice without a
// command. A command for this host comes first.
func mending(c verify.Check) (where, command string) {
	for _, of := range []struct{ fact, where string }{{"mend_here", ""}, {"mend_there", "on the far end: "}, {"make_there", "if the far end does not exist yet, make it there: "}} {
		if command, ok := c.Facts[of.fact].(string); ok && command != "" {
			return of.where, command
		}
	}
	return c.Hint, ""
}

// broken breaks a text between words into lines of at most that width. A longer word has a line of
// its own.
func broken(text string, width int) (lines []string) {
	line, used := "", 0
	for _, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		if used > 0 && used+1+n > width {
			lines, line, used = append(lines, line), "", 0
		}
		if used > 0 {
			line, used = line+" ", used+1
		}
		line, used = line+word, used+n
	}
	return append(lines, line)
}
