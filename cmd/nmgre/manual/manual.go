// Package manual has the pages of the manual that are about a subject and not about a command:
// nmgre-routes(7) and the others. Each is a file of Markdown in this folder, the one source of
// `nmgre help TOPIC`, of the manual page and of the page that `make docs` makes.
//
// A page's first line is its name and its subject. Commands that a test types in the lab stand in
// blocks marked sh, on linux1 unless another host's name stands behind that word. Their output
// stands in blocks marked text. A remark <!-- ... --> is for tests, and no reader sees it.
// develop.md is for those who have the source, so it is not in the program.
package manual

import (
	"embed"
	"strings"
)

// pages are the pages that are in the program.
//
//go:embed ansible.md document.md ends.md files.md hook.md json.md notations.md pair.md recipes.md root.md routes.md screens.md start.md survives.md verify.md
var pages embed.FS

// Topic is a page of the manual.
type Topic struct {
	Name  string // the word for `nmgre help`
	About string // a few words
}

// names are the topics, in the order in which a reader may want them.
var names = []string{"start", "verify", "recipes", "routes", "ends", "pair", "document", "ansible", "notations", "screens", "hook", "root", "survives", "files", "json"}

// Topics returns all topics, those for beginners first.
func Topics() []Topic {
	list := make([]Topic, len(names))
	for i, name := range names {
		text, _ := Page(name)
		first, _, _ := strings.Cut(text, "\n")
		_, about, _ := strings.Cut(first, ": ")
		list[i] = Topic{name, about}
	}
	return list
}

// Page returns the Markdown of the topic with that name, and whether there is one.
func Page(name string) (string, bool) {
	text, err := pages.ReadFile(name + ".md")
	return string(text), err == nil
}
