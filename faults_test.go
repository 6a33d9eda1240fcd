package nmgre_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// faultsFile is the table of the faults that nmgre survives. A line is a fault, when it happens,
// the outcome, and the test that proves it: where it runs, its package and its name.
const faultsFile = "testdata/faults.txt"

// leastFaults is how many faults the table has at least.
const leastFaults = 60

// Where a test of the table runs.
const (
	inUnit   = "unit"   // go test, in "make test" and "make faults"
	inLab    = "lab"    // the lab, in "make test" and "make faults"
	inFaults = "faults" // the lab, in "make faults" alone: it takes long
)

// tableRow is a line of the table.
type tableRow struct {
	line                    int
	fault, when, left       string
	where, pkg, test, child string
}

// faultTable reads the table.
func faultTable(t *testing.T) (rows []tableRow) {
	t.Helper()
	text, err := os.ReadFile(faultsFile)
	if err != nil {
		t.Fatal(err)
	}
	for n, line := range strings.Split(string(text), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		cells := strings.Split(line, " | ")
		proof := strings.Fields(cells[len(cells)-1])
		if len(cells) != 4 || len(proof) < 3 {
			t.Fatalf("%s:%d: want FAULT | WHEN | LEFT | WHERE PACKAGE TEST", faultsFile, n+1)
		}
		row := tableRow{line: n + 1, fault: cells[0], when: cells[1], left: cells[2], where: proof[0], pkg: proof[1]}
		row.test, row.child, _ = strings.Cut(strings.Join(proof[2:], " "), "/")
		rows = append(rows, row)
	}
	return rows
}

var (
	testFunc  = regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)
	faultMark = regexp.MustCompile(`(?m)^//lab:faults\n(?://.*\n)*func (Test\w+)`)
)

// packageTests is the text of a package's test files, with the tests in it. Files that a build tag
// leaves out do not count.
type packageTests struct {
	text   string
	exists map[string]bool
	marked map[string]bool // with the mark of those that "make test" leaves out
	inLab  bool            // the lab runs the tests of the package
}

func testsOf(t *testing.T, pkg string) packageTests {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(pkg, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	p := packageTests{exists: make(map[string]bool), marked: make(map[string]bool)}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "\n//go:build ") || strings.HasPrefix(string(text), "//go:build ") {
			continue
		}
		p.text += string(text)
		p.inLab = p.inLab || filepath.Base(file) == "lab_test.go"
	}
	for _, match := range testFunc.FindAllStringSubmatch(p.text, -1) {
		p.exists[match[1]] = true
	}
	for _, match := range faultMark.FindAllStringSubmatch(p.text, -1) {
		p.marked[match[1]] = true
	}
	return p
}

// Each fault of the table has a test, and "make test" or "make faults" runs it.
func TestFaultTable(t *testing.T) {
	rows := faultTable(t)
	if len(rows) < leastFaults {
		t.Errorf("%d faults, want %d", len(rows), leastFaults)
	}
	packages, seen := make(map[string]packageTests), make(map[string]bool)
	for _, r := range rows {
		at := fmt.Sprintf("%s:%d: %s", faultsFile, r.line, r.test)
		if seen[r.fault+r.when] {
			t.Errorf("%s: the fault %q, %s, stands there twice", at, r.fault, r.when)
		}
		seen[r.fault+r.when] = true
		p, known := packages[r.pkg]
		if !known {
			p = testsOf(t, r.pkg)
			packages[r.pkg] = p
		}
		if problem := p.problem(r); problem != "" {
			t.Errorf("%s: %s", at, problem)
		}
	}
}

// problem says why nothing proves a row, or is empty.
func (p packageTests) problem(r tableRow) string {
	isLab := strings.HasPrefix(r.test, "TestLab")
	switch {
	case !p.exists[r.test]:
		return "there is no such test in " + r.pkg
	case r.child != "" && !strings.Contains(p.text, `"`+r.child+`"`):
		return "it has no case " + r.child
	case r.where != inUnit && r.where != inLab && r.where != inFaults:
		return "it runs in " + r.where + ", which is nowhere"
	case isLab != (r.where != inUnit) || isLab && !p.inLab:
		return "it does not run in " + r.where
	case p.marked[r.test] != (r.where == inFaults):
		return "only a test with the mark //lab:faults runs in faults"
	}
	return ""
}

// A test that "make test" leaves out is one of the table: otherwise nothing would run it.
func TestFaultTableHasAllThatAreLeftOut(t *testing.T) {
	named := make(map[string]bool)
	for _, r := range faultTable(t) {
		named[filepath.Join(r.pkg, r.test)] = true
	}
	folders := make(map[string]bool)
	walkGo(t, func(file string) { folders[filepath.Dir(file)] = true })
	for folder := range folders {
		for test := range testsOf(t, folder).marked {
			if !named[filepath.Join(folder, test)] {
				t.Errorf("%s is left out of the lab's tests, and %s does not name it", test, faultsFile)
			}
		}
	}
}

// The table's place in the manual: from the heading to the end.
var faultSection = regexp.MustCompile(`(?s)\n## What it survives\n.*?(\z)`)

// The manual has the same table, with its count. "go test . -update" writes it. README has the
// count.
func TestFaultsInTheManual(t *testing.T) {
	rows := faultTable(t)
	var b strings.Builder
	fmt.Fprintf(&b, "\n## What it survives\n\n%d faults, each with a test that looks at what is left on the host. `make faults` runs them all: those named\n", len(rows))
	b.WriteString("`TestLab...` on real hosts in the lab, the others with a host in memory, with files, or in a namespace.\n\n| fault | when | what is left afterwards | test |\n|---|---|---|---|\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s | %s | %s | `%s` |\n", r.fault, r.when, r.left, r.test)
	}
	inManual(t, "survives", faultSection, b.String())
	readme, err := os.ReadFile("README.md")
	if count := fmt.Sprintf("%d faults, each with a test", len(rows)); err != nil || !bytes.Contains(readme, []byte(count)) {
		t.Errorf("README.md does not say %q; %v", count, err)
	}
}
