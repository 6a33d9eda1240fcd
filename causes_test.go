package nmgre_test

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"nmgre/nm/verify/cause"
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
	inManual(t, "verify", kindSection, "\n## What verify checks\n\n"+manual.Checks())
}

// The manual has the table of causes that verify has, each with a hint. "go test . -update" writes
// it.
func TestCausesInTheManual(t *testing.T) {
	hints := hintsOfCases(t)
	for _, c := range cause.Causes() {
		if hints[c.ID] == "" {
			t.Errorf("no case has a hint about %s", c.ID)
		}
	}
	inManual(t, "verify", causeSection, "\n## The causes it names\n\n"+manual.Causes(hints))
}

var (
	causeLine = regexp.MustCompile(`^(?:fail|warn) [^:]+: ([a-z0-9-]+) \((?:proved|likely)\): `)
	hintLine  = regexp.MustCompile(`^  hint: (.*?)(; run it with sudo, to hear what comes back beside the tunnel)?$`)
	anyUUID   = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
)

// hintsOfCases returns a hint about each cause: that of the first case of nm/verify that has one.
func hintsOfCases(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("nm/verify/testdata/cause/*.txt")
	if err != nil || len(files) < 60 {
		t.Fatalf("%d cases, %v", len(files), err)
	}
	hints := maps.Clone(manual.Plain)
	for _, file := range files {
		id := ""
		for _, line := range lines(t, file) {
			if found := causeLine.FindStringSubmatch(line); found != nil {
				id = found[1]
			}
			if found := hintLine.FindStringSubmatch(line); found != nil && hints[id] == "" {
				hints[id] = anyUUID.ReplaceAllString(strings.NewReplacer("*", `\*`, "[", `\[`, " | ", " \u2502 ").Replace(found[1]), "UUID")
			}
		}
	}
	return hints
}

// inManual compares a section of a page of the manual with the table, or writes the table there.
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
