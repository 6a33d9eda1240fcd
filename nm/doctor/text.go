package doctor

import (
	"fmt"
	"strings"

	"nmgre/routes/fault"
)

// Widths of the text, in columns.
const (
	usualWidth = 100 // where there is no terminal
	leastWidth = 10
	narrow     = 50 // below it a finding stands below its name
	column     = 26 // where a finding stands beside its name
)

// Text returns the report for people, in lines of at most width columns. A word that is longer
// stands alone on its line, whole, so that it can be copied. width is 0 where there is no terminal.
func (r Report) Text(width int) string {
	if width <= 0 {
		width = usualWidth
	}
	width = max(width, leastWidth)
	var b strings.Builder
	for _, f := range r.Findings {
		f.write(&b, width)
	}
	for _, line := range wrap(r.verdictText(), width) {
		b.WriteString(line + "\n")
	}
	return b.String()
}

func (f Finding) write(b *strings.Builder, width int) {
	head, indent := fmt.Sprintf("%-8s %-16s ", f.Status, f.ID), column
	if width < narrow {
		b.WriteString(strings.Join(wrap(string(f.Status)+" "+string(f.ID), width), "\n") + "\n")
		head, indent = "  ", 2
	}
	for i, line := range wrap(fault.Printable(f.Summary), width-indent) {
		if i > 0 {
			head = strings.Repeat(" ", indent)
		}
		b.WriteString(head + line + "\n")
	}
	if f.Hint == "" {
		return
	}
	for i, line := range wrap("hint: "+fault.Printable(f.Hint), width-indent-2) {
		b.WriteString(strings.Repeat(" ", indent+2*min(i, 1)) + line + "\n")
	}
}

// verdictText says how many findings are how bad.
func (r Report) verdictText() string {
	switch problems, notes := r.Count(Problem), r.Count(Note); {
	case problems > 0:
		return fmt.Sprintf("verdict: %s, %s", counted(problems, "problem", "problems"), counted(notes, "note", "notes"))
	case notes > 0:
		return "verdict: ok, " + counted(notes, "note", "notes")
	}
	return "verdict: ok"
}

// wrap breaks a text between words. It returns at least one line.
func wrap(text string, width int) (lines []string) {
	line, length := "", 0
	for _, word := range strings.Fields(text) {
		n := len([]rune(word))
		if line != "" && length+1+n > width {
			lines, line, length = append(lines, line), "", 0
		}
		if line != "" {
			line, length = line+" ", length+1
		}
		line, length = line+word, length+n
	}
	return append(lines, line)
}
