package nmgre_test

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"nmgre/nm/verify/cause"
	"nmgre/nm/verify/kinds"
	"nmgre/nm/verify/manual"
	"nmgre/testdata/want"
)

// The tables' places in the README: from the heading to the next one, or to a sentence behind it.
var (
	kindSection  = regexp.MustCompile(`(?s)\n## What verify checks\n.*?(\nA GRE link that is up)`)
	causeSection = regexp.MustCompile(`(?s)\n### The causes it names\n.*?(\n## )`)
)

// The README has the table of checks that verify has. "go test . -update" writes it.
func TestChecksInTheREADME(t *testing.T) {
	var b strings.Builder
	b.WriteString("\n## What verify checks\n\n| id | what is proved |\n|---|---|\n")
	for _, k := range kinds.All() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", strings.Join(k.IDs, "`, `"), k.Proves)
	}
	inREADME(t, kindSection, b.String())
}

// The README has the table of causes that verify has. "go test . -update" writes it.
func TestCausesInTheREADME(t *testing.T) {
	var b strings.Builder
	b.WriteString("\n### The causes it names\n\nEach check that fails names its cause. While it probes, `verify` listens, as root, to the GRE packets between the two hosts and to the ICMP errors\n" +
		"about them, and names one cause: the first of these whose evidence is there. BEHIND is an address behind the far end. Without root the certainty is *likely* where only packets prove it.\n\n" +
		"| cause | certainty | place | what it means | by hand |\n|---|---|---|---|---|\n")
	for _, c := range cause.Causes() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", c.ID, c.Certainty, manual.Place(c), c.Means, manual.Commands(c))
	}
	inREADME(t, causeSection, b.String())
}

// inREADME compares a section of the README with what it should be, or writes it.
func inREADME(t *testing.T, section *regexp.Regexp, table string) {
	t.Helper()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !section.Match(readme) {
		t.Fatalf("the README has no section %s", section)
	}
	written := section.ReplaceAllString(string(readme), strings.ReplaceAll(table, "$", "$$")+"$1")
	if flag.Lookup("update").Value.String() == "true" {
		want.Golden(t, "../README.md", written)
		return
	}
	// the whole README would be too much to print
	want.Same(t, "the README's table", section.FindString(string(readme)), section.FindString(written))
}
