package nmgre_test

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"nmgre/nm/verify/cause"
	"nmgre/testdata/want"
)

// The causes' place in the README: from the heading to the next section.
var causeSection = regexp.MustCompile(`(?s)\n### The causes it names\n.*?(\n## )`)

// The README has the table of causes that verify has. "go test . -update" writes it.
func TestCausesInTheREADME(t *testing.T) {
	var b strings.Builder
	b.WriteString("\n### The causes it names\n\nWhile it probes, `verify` listens, as root, to the GRE packets between the two hosts and to the ICMP errors about them. One cause is named:\n" +
		"the first of these whose evidence is there. Without root the certainty is *likely* where only packets prove it.\n\n" +
		"| cause | certainty | what it means | by hand |\n|---|---|---|---|\n")
	for _, c := range cause.Causes() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", c.ID, c.Certainty, c.Means, c.Markdown())
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !causeSection.Match(readme) {
		t.Fatal(`the README has no section "The causes it names"`)
	}
	written := causeSection.ReplaceAllString(string(readme), strings.ReplaceAll(b.String(), "$", "$$")+"$1")
	if flag.Lookup("update").Value.String() == "true" {
		want.Golden(t, "../README.md", written)
		return
	}
	// the whole README would be too much to print
	want.Same(t, "the README's table", causeSection.FindString(string(readme)), causeSection.FindString(written))
}
