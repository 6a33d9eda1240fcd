package manual

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every page of this folder is a topic, but for develop.md, and begins with its name.
func TestTopics(t *testing.T) {
	files, err := filepath.Glob("*.md")
	if err != nil || len(files) != len(names)+1 {
		t.Fatalf("%q, %v", files, err)
	}
	for _, topic := range Topics() {
		text, ok := Page(topic.Name)
		if !ok || !strings.HasPrefix(text, "# nmgre-"+topic.Name+"(7): "+topic.About+"\n\n") || len(topic.About) < 10 {
			t.Errorf("%s: %q, %.80q", topic.Name, topic.About, text)
		}
	}
	if text, ok := Page("develop"); ok {
		t.Errorf("the program has %.80q", text)
	}
}

const readmeFile = "../../../README.md"

// README is for someone in a hurry: it is short, and names every page of the manual.
func TestREADMEIsShort(t *testing.T) {
	text, err := os.ReadFile(readmeFile)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "\n"); n > 150 {
		t.Errorf("README has %d lines", n)
	}
	for _, topic := range Topics() {
		line := "| [" + topic.Name + "](cmd/nmgre/manual/" + topic.Name + ".md) | " + topic.About + " |\n"
		if !strings.Contains(string(text), line) {
			t.Errorf("README does not have %s", line)
		}
	}
	at := 0
	for _, heading := range []string{"Install", "Make a tunnel: two ends", "Prove it", "Undo it", "Keep it: the hook", "Where to go on", "What it depends on"} {
		next := strings.Index(string(text), "\n## "+heading+"\n")
		if next < at {
			t.Errorf("%s is not where it was", heading)
		}
		at = next
	}
}

var (
	fence   = regexp.MustCompile("(?ms)^```.*?^```$")
	links   = regexp.MustCompile(`\]\(([^)#\s]*)(#[^)\s]*)?\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	dropped = regexp.MustCompile(`[^a-z0-9 _-]`)
)

// anchors are the places in a page that a link can lead to, as GitHub names them.
func anchors(text string) map[string]bool {
	found := make(map[string]bool)
	for _, match := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		found["#"+strings.ReplaceAll(dropped.ReplaceAllString(strings.ToLower(match[1]), ""), " ", "-")] = true
	}
	return found
}

// Every link of README and of the pages leads to a file, and to a heading in it.
func TestLinksLeadSomewhere(t *testing.T) {
	files, _ := filepath.Glob("*.md") // the pattern is valid
	n := 0
	for _, file := range append(files, readmeFile) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range links.FindAllStringSubmatch(fence.ReplaceAllString(string(text), ""), -1) {
			if strings.Contains(link[1], "://") {
				continue
			}
			n++
			to := filepath.Join(filepath.Dir(file), link[1])
			if link[1] == "" {
				to = file
			}
			there, err := os.ReadFile(to)
			if err != nil || link[2] != "" && !anchors(string(there))[link[2]] {
				t.Errorf("%s: %s%s leads nowhere: %v", file, link[1], link[2], err)
			}
		}
	}
	if n < 20 {
		t.Errorf("there are %d links", n)
	}
}
