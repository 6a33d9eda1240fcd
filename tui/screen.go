package tui

import (
	"strings"

	tea "charm.land/bubbletea/v2"
)

// screen is what lies over the main view: the wizard, a question, the help.
type screen interface {
	// Update takes a key that is none of Keys, or a paste.
	Update(msg tea.Msg) tea.Cmd
	// View draws the screen, height rows of width cells.
	View(width, height int) drawing
	// Keys are shown at the bottom, and by the help.
	Keys() []binding
	// Typing says whether letters are text, not keys.
	Typing() bool
}

// drawing is what a screen draws.
type drawing struct {
	rows   []string      // of the full width
	cursor *tea.Position // in the rows; nil for none
	box    bool          // the rows go into the middle, and the rest of the screen stays
}

// binding is a key: what it does now, or why it cannot.
type binding struct {
	keys []string // as Bubble Tea names them; the first is the one that is shown
	hint string   // one word for the bottom line; empty if the key stands in the help only
	help string   // a sentence for the help
	why  string   // why it does nothing now; empty if it works
	do   func() tea.Cmd
}

// shown is the key as people write it.
func (b *binding) shown() string {
	switch b.keys[0] {
	case "up":
		return "j k"
	case "right":
		return "h l"
	case "ctrl+n":
		return "^n"
	case "ctrl+p":
		return "^p"
	}
	return b.keys[0]
}

// all are the keys as the help lists them.
func (b *binding) all() string { return strings.Join(b.keys, " ") }

// find returns the binding that has a key; nil if none has it.
func find(list []binding, key string) *binding {
	for i := range list {
		for _, own := range list[i].keys {
			if own == key {
				return &list[i]
			}
		}
	}
	return nil
}

// farther moves further than any list is long.
const farther = 1 << 30

// scrollKeys move a window over what is longer than its place.
func scrollKeys(w *window) []binding {
	by := func(rows func() int) func() tea.Cmd {
		return func() tea.Cmd { w.top += rows(); return nil }
	}
	fixed := func(rows int) func() tea.Cmd { return by(func() int { return rows }) }
	return []binding{
		{keys: []string{"up", "k"}, hint: "scroll", help: "a row up", do: fixed(-1)},
		{keys: []string{"down", "j"}, help: "a row down", do: fixed(1)},
		{keys: []string{"pgup", "ctrl+u"}, help: "a page up", do: by(func() int { return -w.page() })},
		{keys: []string{"pgdown", "ctrl+d", "space"}, help: "a page down", do: by(w.page)},
		{keys: []string{"home", "g"}, help: "to the top", do: fixed(-farther)},
		{keys: []string{"end", "G"}, help: "to the end", do: fixed(farther)},
	}
}
