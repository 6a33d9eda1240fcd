package form

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"
)

// maxRunes is the most that a line takes.
const maxRunes = 4096

// Line is a line to type in, with the keys of a shell's line. It draws nothing.
type Line struct {
	// Placeholder is shown while the line is empty.
	Placeholder string

	text []rune
	pos  int // of the cursor, 0 to len(text)
}

// NewLine returns a line with the cursor at the end of its text.
func NewLine(text, placeholder string) Line {
	l := Line{Placeholder: placeholder}
	l.Set(text)
	return l
}

// Text is the text of the line.
func (l *Line) Text() string { return string(l.text) }

// Position is the number of runes before the cursor.
func (l *Line) Position() int { return l.pos }

// Set gives the line another text, and moves the cursor to its end.
func (l *Line) Set(text string) {
	l.text, l.pos = nil, 0
	l.insert(text)
}

// insert puts text before the cursor, as much of it as the line has room for.
func (l *Line) insert(text string) {
	more := []rune(strings.Map(typeable, text))
	more = more[:min(len(more), maxRunes-len(l.text))]
	l.text = slices.Insert(l.text, l.pos, more...)
	l.pos += len(more)
}

// typeable keeps a line one line: of control characters only white space remains, as a blank.
func typeable(r rune) rune {
	switch {
	case r == '\n', r == '\r', r == '\t':
		return ' '
	case r == utf8.RuneError, unicode.IsControl(r):
		return -1
	}
	return r
}

// Update takes a key or a paste. Keys that do not edit are ignored.
func (l *Line) Update(msg tea.Msg) {
	switch msg := msg.(type) {
	case tea.PasteMsg:
		l.insert(msg.Content)
	case tea.KeyPressMsg:
		if !l.move(msg.String()) && !l.remove(msg.String()) {
			l.insert(msg.Text)
		}
	}
}

// move moves the cursor, and reports whether the key does that.
func (l *Line) move(key string) bool {
	switch key {
	case "left", "ctrl+b":
		l.pos = max(l.pos-1, 0)
	case "right", "ctrl+f":
		l.pos = min(l.pos+1, len(l.text))
	case "home", "ctrl+a":
		l.pos = 0
	case "end", "ctrl+e":
		l.pos = len(l.text)
	case "alt+left", "ctrl+left", "alt+b":
		l.pos = l.wordStart()
	case "alt+right", "ctrl+right", "alt+f":
		l.pos = l.wordEnd()
	default:
		return false
	}
	return true
}

// remove removes text beside the cursor, and reports whether the key does that.
func (l *Line) remove(key string) bool {
	switch key {
	case "backspace", "ctrl+h":
		l.cut(max(l.pos-1, 0), l.pos)
	case "delete", "ctrl+d":
		l.cut(l.pos, min(l.pos+1, len(l.text)))
	case "ctrl+u":
		l.cut(0, l.pos)
	case "ctrl+k":
		l.cut(l.pos, len(l.text))
	case "alt+backspace", "ctrl+w", "ctrl+backspace":
		l.cut(l.wordStart(), l.pos)
	case "alt+delete", "alt+d", "ctrl+delete":
		l.cut(l.pos, l.wordEnd())
	default:
		return false
	}
	return true
}

// cut removes a part of the text. It copies: a line of an earlier state keeps its text.
func (l *Line) cut(from, to int) {
	l.text = slices.Concat(l.text[:from], l.text[to:])
	l.pos = from
}

// wordStart is where the word before the cursor begins.
func (l *Line) wordStart() int {
	at := l.pos
	for at > 0 && unicode.IsSpace(l.text[at-1]) {
		at--
	}
	for at > 0 && !unicode.IsSpace(l.text[at-1]) {
		at--
	}
	return at
}

// wordEnd is where the word after the cursor ends.
func (l *Line) wordEnd() int {
	at := l.pos
	for at < len(l.text) && unicode.IsSpace(l.text[at]) {
		at++
	}
	for at < len(l.text) && !unicode.IsSpace(l.text[at]) {
		at++
	}
	return at
}
