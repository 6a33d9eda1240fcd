package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

// findingLine and mendFact match, in a case of nm/verify, the cause of a check and the field with
// the command that mends it on this host.
var (
	findingLine = regexp.MustCompile(`(?m)^(?:fail|warn) [^:\n]+: ([a-z0-9-]+) \(`)
	mendFact    = regexp.MustCompile(`(?s)^.*?\n  facts: \{[^\n]*"mend_here"`)
)

// mendable are the causes that a command of this host mends in one of the cases.
func mendable(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("../../nm/verify/testdata/cause/*.txt")
	if err != nil || len(files) < 60 {
		t.Fatalf("%d cases, %v", len(files), err)
	}
	list := make(map[string]bool)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found := findingLine.FindAllSubmatchIndex(text, -1)
		for i, at := range found {
			end := len(text)
			if i+1 < len(found) {
				end = found[i+1][0]
			}
			if mendFact.Match(text[at[0]:end]) {
				list[string(text[at[2]:at[3]])] = true
			}
		}
	}
	return list
}

// Each fault of the matrix that a command of this host may mend has that command typed, or says why
// not. The lab checks the same of the reports that it gets: see try.
func TestMendsAreTyped(t *testing.T) {
	may := mendable(t)
	for _, cause := range []string{"local-not-here", "key-mismatch", "rp-filter"} {
		if !may[cause] {
			t.Errorf("no case mends %s", cause)
		}
	}
	for _, row := range slices.Concat(causeRows, causeRows6) {
		if may[row.cause] && row.mend == "" && row.unmended == "" {
			t.Errorf("%s %s: type the hint's command (mend), or say why not (unmended)", row.id, row.cause)
		}
		if row.mend != "" && row.unmended != "" {
			t.Errorf("%s: its hint is typed, and it says why not", row.id)
		}
	}
}
