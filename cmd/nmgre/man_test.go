//go:build man

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"nmgre/nm/verify/cause"
)

// The manual pages are made from the same texts as --help and as help TOPIC.
func TestManualPages(t *testing.T) {
	dir := t.TempDir()
	newWorld(t).must("man", dir)
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(files) < 40 {
		t.Fatalf("there are %d pages", len(files))
	}
	for page, says := range map[string][]string{
		"nmgre.8":            {"EXIT STATUS", "FILES", "ENVIRONMENT", "/etc/nmgre", "NO_COLOR", `\fBnmgre\-routes\fR(7)`},
		"nmgre-create.8":     {`\-\-peer`, "172.16.0.1/30"},
		"nmgre-route-add.8":  {`nmgre route add`},
		"nmgre-completion.8": {".nf\nbash  nmgre completion bash"},
		"nmgre-recipes.7":    {".SH A PROTECTED ADDRESS", "from 10.0.0.2 table 100"},
	} {
		text, err := os.ReadFile(filepath.Join(dir, page))
		if err != nil || !strings.HasPrefix(string(text), ".TH "+strings.ToUpper(strings.ReplaceAll(strings.TrimSuffix(page, filepath.Ext(page)), "-", `\-`))+" "+page[len(page)-1:]+" ") {
			t.Errorf("%s: %v, %.80q", page, err, text)
		}
		for _, one := range says {
			if !strings.Contains(string(text), one) {
				t.Errorf("%s does not say %s", page, one)
			}
		}
	}
	// the causes are told in the one page where a person looks for them
	text, err := os.ReadFile(filepath.Join(dir, "nmgre-verify.7"))
	for _, c := range cause.Causes() {
		if err != nil || !strings.Contains(string(text), "\n\\fB"+strings.ReplaceAll(c.ID, "-", `\-`)+"\\fR\n") {
			t.Errorf("nmgre-verify.7 does not tell %s: %v", c.ID, err)
		}
	}
}

var (
	places  = regexp.MustCompile(` id="([^"]*)"`)
	targets = regexp.MustCompile(` (?:href|src)="([^"]*)"`)
)

// In the manual for a browser every link leads to a file, and to a place in it. The first page has
// a link to every other one, and nothing is loaded from elsewhere.
func TestManualForABrowser(t *testing.T) {
	dir := t.TempDir()
	t.Chdir("../..")
	newWorld(t).must("docs", dir)
	files, _ := filepath.Glob(filepath.Join(dir, "*.html"))
	ids, linked := make(map[string]bool), make(map[string]bool)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range places.FindAllStringSubmatch(string(text), -1) {
			if ids[filepath.Base(file)+"#"+id[1]] {
				t.Errorf("%s has two places %s", file, id[1])
			}
			ids[filepath.Base(file)+"#"+id[1]] = true
		}
	}
	for _, file := range files {
		text, _ := os.ReadFile(file) // as before
		for _, link := range targets.FindAllStringSubmatch(string(text), -1) {
			to, place, hasPlace := strings.Cut(link[1], "#")
			if to == "" {
				to = filepath.Base(file)
			}
			if _, err := os.Stat(filepath.Join(dir, to)); err != nil || hasPlace && !ids[to+"#"+place] {
				t.Errorf("%s: %s leads nowhere: %v", file, link[1], err)
			}
			if filepath.Base(file) == "index.html" {
				linked[to] = true
			}
		}
	}
	if len(files) < 40 || len(linked) != len(files)-1 {
		t.Errorf("%d pages, of which the first one has links to %d", len(files), len(linked))
	}
}
