package nmgre_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"nmgre/nm"
	"nmgre/nm/notation/every"
	"nmgre/routes"
	"nmgre/routes/rule"
)

// manualTable returns the rows of the table below a heading of a page of the manual.
func manualTable(t *testing.T, topic, heading string) (rows [][]string) {
	t.Helper()
	inside := false
	for _, line := range lines(t, "cmd/nmgre/manual/"+topic+".md") {
		if strings.HasPrefix(line, "## ") {
			inside = line == "## "+heading
		}
		if inside && strings.HasPrefix(line, "| ") {
			rows = append(rows, strings.Split(strings.Trim(line, "| "), " | "))
		}
	}
	if len(rows) < 10 {
		t.Fatalf("%s has %d rows below %s", topic, len(rows), heading)
	}
	return rows[1:]
}

var oneWord = regexp.MustCompile("`([a-z_-]+)`")

// The examples of the manual are routes, and the manual says rightly who holds them. Its other
// words of the same row can stand in their place.
func TestWordsOfRoutesInTheManual(t *testing.T) {
	said := make(map[string]bool)
	for _, row := range manualTable(t, "routes", "The words of a route") {
		spec := strings.Trim(row[2], "`")
		for _, word := range append(oneWord.FindAllStringSubmatch(row[0], -1), []string{"", ""}) {
			said[word[1]] = true
			other := spec
			if first := oneWord.FindStringSubmatch(row[0]); first != nil && word[1] != "" && !strings.Contains(spec, word[1]+" ") {
				other = strings.Replace(spec, first[1]+" ", word[1]+" ", 1)
			}
			r, err := routes.Parse(other)
			if err != nil && other == spec {
				t.Errorf("%s: %v", spec, err)
			}
			owner, why := nm.RouteOwner(r, nm.Version{Major: 1, Minor: 42})
			if want := map[string]nm.Owner{"NetworkManager": nm.OwnerProfile, "nmgre": nm.OwnerKernel}[row[3]]; err == nil && owner != want {
				t.Errorf("%s is held by %s, as %s: the manual says %s", other, owner, why, row[3])
			}
		}
	}
	for m := range routes.Metric(20) {
		if name := m.String(); !strings.Contains(name, " ") && !said[name] {
			t.Errorf("the manual does not have the word %s", name)
		}
	}
}

// The examples of the manual are rules.
func TestWordsOfRulesInTheManual(t *testing.T) {
	for _, row := range manualTable(t, "routes", "The words of a rule") {
		if _, err := rule.Parse(strings.Trim(row[2], "`")); err != nil {
			t.Errorf("%s: %v", row[2], err)
		}
	}
}

// The manual has the settings that each notation cannot hold. "go test . -update" writes it.
func TestNotationsInTheManual(t *testing.T) {
	var b strings.Builder
	b.WriteString("\n## What each can hold\n\n| kind | title | read | cannot hold |\n|---|---|---|---|\n")
	for _, k := range every.Kinds() {
		read, lacks := "yes", strings.Join(k.Holds.Lacks(), ", ")
		if k.Read == nil {
			read = "no"
		}
		if lacks == "" {
			lacks = "nothing: it holds everything"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", k.Name, k.Title, read, lacks)
	}
	inManual(t, "notations", regexp.MustCompile(`(?s)\n## What each can hold\n.*?(\n## )`), b.String())
}
