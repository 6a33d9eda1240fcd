package want

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// SpecsOf reads the SPECs of a fixture. Each line has one, quoted if it has invisible characters.
func SpecsOf(input string) []string {
	var specs []string
	for line := range strings.Lines(input) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "#") {
			continue
		}
		if spec, err := strconv.Unquote(line); err == nil {
			line = spec
		}
		specs = append(specs, line)
	}
	return specs
}

// Specs returns the SPECs of all fixtures of a folder.
func Specs(t testing.TB, folder string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var specs []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		input, _, _ := strings.Cut(string(text), Rule+"\n")
		specs = append(specs, SpecsOf(input)...)
	}
	return specs
}

// LongText returns n lines with a route each. The lines whose numbers are in wrong have none.
func LongText(lead string, n int, wrong ...int) string {
	var b strings.Builder
	for i := 1; i <= n; i++ {
		if slices.Contains(wrong, i) {
			fmt.Fprintf(&b, "%snonsense%d\n", lead, i)
			continue
		}
		fmt.Fprintf(&b, "%s10.%d.%d.0/24\n", lead, i>>8, i&255)
	}
	return b.String()
}

// Rule is the line between the input of a fixture and its expected output.
const Rule = "----------"

// SplitQuoted splits a command line into words, as a shell does with white space and single quotes.
func SplitQuoted(line string) []string {
	var words []string
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			words = append(words, part)
		} else {
			words = append(words, strings.Fields(part)...)
		}
	}
	return words
}

// Cases runs every file of testdata/folder as a test of its own. A file is an input, a line with
// the [Rule], and the result that run returns for the input. There are at least that many files.
func Cases(t *testing.T, folder string, least int, run func(t *testing.T, input string) string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", folder, "*.txt"))
	if err != nil || len(files) < least {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(strings.TrimSuffix(name, ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			input, _, found := strings.Cut(string(text), Rule+"\n")
			if !found {
				t.Fatalf("there is no line %s", Rule)
			}
			Golden(t, folder+"/"+name, input+Rule+"\n"+run(t, input))
		})
	}
}

// Answers compares a golden file of this package's testdata: lines, a rule, and each line again
// with its answer below.
func Answers(t *testing.T, name string, answer func(line string) string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	input, _, found := strings.Cut(string(text), Rule+"\n")
	if !found {
		t.Fatalf("there is no line %s", Rule)
	}
	var b strings.Builder
	b.WriteString(input + Rule + "\n")
	for _, line := range SpecsOf(input) {
		fmt.Fprintf(&b, "%s\n  %s\n", line, answer(line))
	}
	Golden(t, name, b.String())
}
