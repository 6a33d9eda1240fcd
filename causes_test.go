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

// The tables' places in the manual: from the heading to the end, or to a sentence behind the table.
var (
	kindSection  = regexp.MustCompile(`(?s)\n## What verify checks\n.*?(\nA GRE link that is up)`)
	causeSection = regexp.MustCompile(`(?s)\n## The causes it names\n.*?(\z)`)
)

// The manual has the table of checks that verify has. "go test . -update" writes it.
func TestChecksInTheManual(t *testing.T) {
	var b strings.Builder
	b.WriteString("\n## What verify checks\n\n| id | what is proved |\n|---|---|\n")
	for _, k := range kinds.All() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", strings.Join(k.IDs, "`, `"), k.Proves)
	}
	inManual(t, "verify", kindSection, b.String())
}

// The manual has the table of causes that verify has. "go test . -update" writes it.
func TestCausesInTheManual(t *testing.T) {
	var b strings.Builder
	b.WriteString("\n## The causes it names\n\nEach check that fails names its cause. While it probes, `verify` listens, as root, to the GRE packets between the two hosts and to the ICMP errors\n" +
		"about them, and names one cause: the first of these whose evidence is there. BEHIND is an address behind the far end. Without root the certainty is *likely* where only packets prove it.\n\n" +
		"| cause | certainty | place | what it means | by hand |\n|---|---|---|---|---|\n")
	for _, c := range cause.Causes() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", c.ID, c.Certainty, manual.Place(c), c.Means, manual.Commands(c))
	}
	inManual(t, "verify", causeSection, b.String())
}

// inManual compares a section of a page of the manual with what it should be, or writes it.
func inManual(t *testing.T, topic string, section *regexp.Regexp, table string) {
	t.Helper()
	file := "cmd/nmgre/manual/" + topic + ".md"
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !section.Match(page) {
		t.Fatalf("%s has no section %s", file, section)
	}
	written := section.ReplaceAllString(string(page), strings.ReplaceAll(table, "$", "$$")+"$1")
	if flag.Lookup("update").Value.String() == "true" {
		want.Golden(t, "../"+file, written)
		return
	}
	// the whole page would be too much to print
	want.Same(t, "the table of "+file, section.FindString(string(page)), section.FindString(written))
}
