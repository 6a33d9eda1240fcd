package draw

import (
	"strings"

	"nmgre/nm"
	"nmgre/nm/verify"
)

// Style is SGR parameters (ECMA-48), such as "1;31"; empty for plain text. Only the eight colours
// that every terminal has are used: the person's own palette, light or dark, decides how they look.
type Style string

// Theme is how things are drawn on one terminal.
type Theme struct {
	Color bool // colours may be used
	glyphs
}

// glyphs are the characters that are not ASCII, or their substitutes.
type glyphs struct {
	Active, activating, Inactive, external       string
	Pass, Warn, Fail, Skip, Wait                 string
	More, Cursor, Differs, arrow, both, Separate string
	// left top, right top, left bottom, right bottom
	corner                               [4]string
	Horizontal, Vertical, Tunnel, Dotted string
	bars                                 []string // of a sparkline, from nothing to full
	On, Off                              string
}

var unicodeGlyphs = glyphs{
	Active: "●", activating: "◐", Inactive: "○", external: "◇",
	Pass: "✓", Warn: "!", Fail: "✗", Skip: "-", Wait: "…",
	More: "…", Cursor: "▸", Differs: "≠", arrow: "→", both: "↔", Separate: "·",
	corner: [4]string{"╭", "╮", "╰", "╯"}, Horizontal: "─", Vertical: "│", Tunnel: "║", Dotted: "┊",
	bars: []string{" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"},
	On:   "[✓]", Off: "[ ]",
}

var asciiGlyphs = glyphs{
	Active: "*", activating: "~", Inactive: "o", external: "#",
	Pass: "+", Warn: "!", Fail: "x", Skip: "-", Wait: ".",
	More: "~", Cursor: ">", Differs: "!", arrow: "->", both: "<>", Separate: "|",
	corner: [4]string{"+", "+", "+", "+"}, Horizontal: "-", Vertical: "|", Tunnel: "H", Dotted: ":",
	bars: []string{" ", ".", ".", ":", ":", "+", "+", "#", "#"},
	On:   "[x]", Off: "[ ]",
}

// The styles. A colour says nothing that a word or a glyph does not say too.
const (
	Plain       Style = ""
	Bold        Style = "1"
	Dim         Style = "2"
	Reverse     Style = "7"
	Green       Style = "32"
	Red         Style = "1;31"
	Yellow      Style = "33"
	Accent      Style = "1;36"
	Underlined  Style = "4"
	Placeholder Style = "2;4" // of the hint in an empty field
)

// NewTheme returns the theme of a terminal with or without colours, and with ASCII alone or more.
func NewTheme(color, ascii bool) Theme {
	th := Theme{Color: color, glyphs: unicodeGlyphs}
	if ascii {
		th.glyphs = asciiGlyphs
	}
	return th
}

// paint puts text into a style. Without colours only bold, dim and the like are left of it.
func (th Theme) paint(s Style, text string) string {
	if !th.Color {
		s = s.withoutColor()
	}
	if s == Plain || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[m"
}

func (s Style) withoutColor() Style {
	var kept []string
	for _, parameter := range strings.Split(string(s), ";") {
		if len(parameter) == 1 {
			kept = append(kept, parameter)
		}
	}
	return Style(strings.Join(kept, ";"))
}

// Of returns a text in the style.
func (s Style) Of(text string) Span { return Span{text, s} }

// State returns the glyph of a state, and its style.
func (th Theme) State(s nm.State) (string, Style) {
	switch s {
	case nm.StateActive:
		return th.Active, Green
	case nm.StateActivating:
		return th.activating, Yellow
	case nm.StateExternal:
		return th.external, Plain
	default:
		return th.Inactive, Dim
	}
}

// Verdict returns the glyph of an outcome, and its style.
func (th Theme) Verdict(v verify.Verdict) (string, Style) {
	switch v {
	case verify.Pass:
		return th.Pass, Green
	case verify.Warn:
		return th.Warn, Yellow
	case verify.Fail:
		return th.Fail, Red
	default:
		return th.Skip, Dim
	}
}
