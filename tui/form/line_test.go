package form

import (
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
)

// key is the message of a key by its name; a single letter types itself.
func key(name string) tea.KeyPressMsg {
	named := map[string]rune{"left": tea.KeyLeft, "right": tea.KeyRight, "home": tea.KeyHome, "end": tea.KeyEnd, "backspace": tea.KeyBackspace, "delete": tea.KeyDelete, "enter": tea.KeyEnter}
	var mod tea.KeyMod
	rest := name
	for prefix, one := range map[string]tea.KeyMod{"ctrl+": tea.ModCtrl, "alt+": tea.ModAlt} {
		if after, found := strings.CutPrefix(rest, prefix); found {
			rest, mod = after, one
		}
	}
	if code, known := named[rest]; known {
		return tea.KeyPressMsg{Code: code, Mod: mod}
	}
	press := tea.KeyPressMsg{Code: []rune(rest)[0], Mod: mod}
	if mod == 0 {
		press.Text = rest
	}
	return press
}

// Each key edits as a shell's line does. The bar stands for the cursor.
func TestLineKeys(t *testing.T) {
	for _, tc := range []struct{ before, key, want string }{
		{"ab|cd", "x", "abx|cd"}, {"ab|cd", "é", "abé|cd"}, {"|", "x", "x|"},
		{"ab|cd", "left", "a|bcd"}, {"|ab", "left", "|ab"}, {"ab|cd", "ctrl+b", "a|bcd"},
		{"ab|cd", "right", "abc|d"}, {"ab|", "right", "ab|"}, {"ab|cd", "ctrl+f", "abc|d"},
		{"ab|cd", "home", "|abcd"}, {"ab|cd", "ctrl+a", "|abcd"}, {"ab|cd", "end", "abcd|"}, {"ab|cd", "ctrl+e", "abcd|"},
		{"ab|cd", "backspace", "a|cd"}, {"|ab", "backspace", "|ab"}, {"ab|cd", "ctrl+h", "a|cd"},
		{"ab|cd", "delete", "ab|d"}, {"ab|", "delete", "ab|"}, {"ab|cd", "ctrl+d", "ab|d"},
		{"ab|cd", "ctrl+u", "|cd"}, {"ab|cd", "ctrl+k", "ab|"},
		{"one two  |three", "ctrl+w", "one |three"}, {"one two|", "alt+backspace", "one |"}, {"|one", "ctrl+w", "|one"}, {"one two|", "ctrl+backspace", "one |"},
		{"one|  two three", "alt+d", "one| three"}, {"one|", "alt+d", "one|"}, {"one| two", "alt+delete", "one|"}, {"one| two", "ctrl+delete", "one|"},
		{"one two |three", "alt+left", "one |two three"}, {"one two |three", "ctrl+left", "one |two three"}, {"one tw|o", "alt+b", "one |two"},
		{"one| two three", "alt+right", "one two| three"}, {"one| two three", "ctrl+right", "one two| three"}, {"o|ne two", "alt+f", "one| two"},
		{"ab|cd", "enter", "ab|cd"}, {"ab|cd", "ctrl+v", "ab|cd"}, {"ab|cd", "alt+x", "ab|cd"},
	} {
		head, tail, _ := strings.Cut(tc.before, "|")
		l := NewLine(head+tail, "")
		for range []rune(tail) {
			l.Update(key("left"))
		}
		l.Update(key(tc.key))
		runes := []rune(l.Text())
		if got := string(runes[:l.Position()]) + "|" + string(runes[l.Position():]); got != tc.want {
			t.Errorf("%s, %s: %s, want %s", tc.before, tc.key, got, tc.want)
		}
	}
}

// A pasted text stays one line without control characters, and no line becomes endless.
func TestLinePaste(t *testing.T) {
	l := NewLine("ad", "")
	l.Update(key("left"))
	l.Update(tea.PasteMsg{Content: "b\t\x1b[31m\nc\x00\xff"})
	if got := l.Text(); got != "ab [31m cd" || l.Position() != len("ab [31m c") {
		t.Errorf("%q, cursor %d", got, l.Position())
	}
	l.Update(tea.PasteMsg{Content: strings.Repeat("x", 2*maxRunes)})
	if got := l.Text(); len(got) != maxRunes || !strings.HasSuffix(got, "xd") {
		t.Errorf("%d runes, at the end %q", len(got), got[len(got)-2:])
	}
	l.Update(key("y"))
	if len(l.Text()) != maxRunes {
		t.Errorf("a full line takes another rune")
	}
}

// A copy of a line keeps its text while the line is edited.
func TestLineCopies(t *testing.T) {
	l := NewLine("abc", "")
	copied := l
	l.Update(key("backspace"))
	l.Update(key("x"))
	if copied.Text() != "abc" || l.Text() != "abx" {
		t.Errorf("%q and %q", copied.Text(), l.Text())
	}
}
