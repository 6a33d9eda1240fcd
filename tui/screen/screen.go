package screen

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"nmgre/tui/draw"
)

// Screen lies over the main view: the wizard, a question, the help.
type Screen interface {
	// Update takes a key that is none of Keys, or a paste.
	Update(msg tea.Msg) tea.Cmd
	// View draws the screen, height rows of width cells.
	View(width, height int) Drawing
	// Keys are shown at the bottom, and by the help.
	Keys() []Key
	// Typing says whether letters are text, not keys.
	Typing() bool
}

// Drawing is a screen as rows.
type Drawing struct {
	Rows   []string      // of the full width
	Cursor *tea.Position // in the rows; nil for none
	Box    bool          // the rows go into the middle, and the rest of the screen stays
}

// Key is one or more keys with the same effect, or with the reason why they have none now.
type Key struct {
	Keys []string // as Bubble Tea names them; the first is the one that is shown
	Hint string   // one word for the bottom line; empty if the key stands in the help only
	Help string   // a sentence for the help
	Why  string   // why it does nothing now; empty if it works
	Do   func() tea.Cmd
}

// Shown is the key as people write it.
func (k *Key) Shown() string {
	switch k.Keys[0] {
	case "up":
		return "j k"
	case "right":
		return "h l"
	case "ctrl+n":
		return "^n"
	case "ctrl+p":
		return "^p"
	}
	return k.Keys[0]
}

// All are the keys as the help lists them.
func (k *Key) All() string { return strings.Join(k.Keys, " ") }

// Find returns the entry of list that has a key, as Bubble Tea names it; nil if there is none.
func Find(list []Key, key string) *Key {
	for i := range list {
		for _, own := range list[i].Keys {
			if own == key {
				return &list[i]
			}
		}
	}
	return nil
}

// Farther is more rows than any list has.
const Farther = 1 << 30

// Scroll returns the keys that move a window over a long list.
func Scroll(w *draw.Window) []Key {
	by := func(rows func() int) func() tea.Cmd {
		return func() tea.Cmd { w.Top += rows(); return nil }
	}
	fixed := func(rows int) func() tea.Cmd { return by(func() int { return rows }) }
	return []Key{
		{Keys: []string{"up", "k"}, Hint: "scroll", Help: "a row up", Do: fixed(-1)},
		{Keys: []string{"down", "j"}, Help: "a row down", Do: fixed(1)},
		{Keys: []string{"pgup", "ctrl+u"}, Help: "a page up", Do: by(func() int { return -w.Page() })},
		{Keys: []string{"pgdown", "ctrl+d", "space"}, Help: "a page down", Do: by(w.Page)},
		{Keys: []string{"home", "g"}, Help: "to the top", Do: fixed(-Farther)},
		{Keys: []string{"end", "G"}, Help: "to the end", Do: fixed(Farther)},
	}
}
