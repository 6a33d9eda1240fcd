package tui

import (
	"strings"

	"charm.land/lipgloss/v2"
)

// style is a terminal's SGR parameters; empty for none. Only the eight colours that every terminal
// has are used, so that the person's own palette, light or dark, decides what they look like.
type style string

// look says how things are drawn on this terminal.
type theme struct {
	color bool
	glyphs
}

// glyphs are the characters that are not ASCII, or what stands for them.
type glyphs struct {
	active, activating, inactive, external       string
	pass, warn, fail, skip, wait                 string
	more, cursor, differs, arrow, both, separate string
	// left top, right top, left bottom, right bottom
	corner                       [4]string
	horizontal, vertical, tunnel string
	bars                         []string // of a sparkline, from nothing to full
	on, off                      string
}

var unicodeGlyphs = glyphs{
	active: "●", activating: "◐", inactive: "○", external: "◇",
	pass: "✓", warn: "!", fail: "✗", skip: "-", wait: "…",
	more: "…", cursor: "▸", differs: "≠", arrow: "→", both: "↔", separate: "·",
	corner: [4]string{"╭", "╮", "╰", "╯"}, horizontal: "─", vertical: "│", tunnel: "║",
	bars: []string{" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"},
	on:   "[✓]", off: "[ ]",
}

var asciiGlyphs = glyphs{
	active: "*", activating: "~", inactive: "o", external: "#",
	pass: "+", warn: "!", fail: "x", skip: "-", wait: ".",
	more: "~", cursor: ">", differs: "!", arrow: "->", both: "<>", separate: "|",
	corner: [4]string{"+", "+", "+", "+"}, horizontal: "-", vertical: "|", tunnel: "H",
	bars: []string{" ", ".", ".", ":", ":", "+", "+", "#", "#"},
	on:   "[x]", off: "[ ]",
}

// The styles. Those that are colours say nothing that a word or a glyph does not say too.
const (
	plain      style = ""
	bold       style = "1"
	dim        style = "2"
	reverse    style = "7"
	green      style = "32"
	red        style = "1;31"
	yellow     style = "33"
	accent     style = "1;36"
	underlined style = "4"
	// what stands in an empty field
	placeholder style = "2;4"
)

func newTheme(color, ascii bool) theme {
	th := theme{color: color, glyphs: unicodeGlyphs}
	if ascii {
		th.glyphs = asciiGlyphs
	}
	return th
}

// paint puts text into a style. Without colour only what is no colour is left of it.
func (th theme) paint(s style, text string) string {
	if !th.color {
		s = s.withoutColor()
	}
	if s == plain || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[m"
}

func (s style) withoutColor() style {
	var kept []string
	for _, parameter := range strings.Split(string(s), ";") {
		if len(parameter) == 1 {
			kept = append(kept, parameter)
		}
	}
	return style(strings.Join(kept, ";"))
}

// of returns a text in the style.
func (s style) of(text string) span { return span{text, s} }

// span is a piece of a line in one style.
type span struct {
	text  string
	style style
}

// line is a row of the screen before it is fitted to its width.
type line []span

// plain is the line's text without its styles.
func (l line) plain() string {
	var b strings.Builder
	for _, s := range l {
		b.WriteString(s.text)
	}
	return b.String()
}

func text(s string) line { return line{plain.of(s)} }

func styled(s string, st style) line { return line{st.of(s)} }

// render makes the line exactly width cells wide. What is cut off leaves a sign.
func (th theme) render(width int, spans line) string { return th.renderOn(width, spans, plain) }

// renderOn draws the line on a ground, such as the reverse of what is selected.
func (th theme) renderOn(width int, spans line, ground style) string {
	var b strings.Builder
	left := width
	total := 0
	for _, s := range spans {
		total += cells(s.text)
	}
	for _, s := range spans {
		if left <= 0 {
			break
		}
		t := s.text
		if n := cells(t); n > left || n == left && total > width {
			t = th.cut(t, left)
		}
		left -= cells(t)
		b.WriteString(th.paint(join(ground, s.style), t))
	}
	if left > 0 {
		b.WriteString(th.paint(ground, strings.Repeat(" ", left)))
	}
	return b.String()
}

// join puts a style on a ground. What is reversed is one bar: colours in it would be patches of it.
func join(ground, s style) style {
	switch {
	case ground == plain:
		return s
	case s == plain, ground == reverse:
		return ground
	}
	return ground + ";" + s
}

// cells is how many cells of a terminal the text takes.
func cells(s string) int {
	for i := range len(s) {
		if s[i] >= 0x80 || s[i] < 0x20 {
			return lipgloss.Width(s)
		}
	}
	return len(s)
}

// cut shortens the text to width cells at most, the sign that something is missing included.
func (th theme) cut(s string, width int) string {
	if width <= 0 {
		return ""
	}
	room := width - cells(th.more)
	used := 0
	for i, r := range s {
		w := cells(string(r))
		if used+w > room {
			return s[:i] + th.more + strings.Repeat(" ", room-used)
		}
		used += w
	}
	return s
}

// fit makes the text exactly width cells wide.
func (th theme) fit(s string, width int) string {
	n := cells(s)
	switch {
	case width <= 0:
		return ""
	case n > width:
		return th.cut(s, width)
	}
	return s + strings.Repeat(" ", width-n)
}

// shorten cuts the text where it is longer than width, and leaves it else.
func (th theme) shorten(s string, width int) string {
	if cells(s) > width {
		return th.cut(s, width)
	}
	return s
}

// wrap breaks the text at spaces into lines of width cells at most; a word that is longer is broken
// where it must.
func wrap(s string, width int) []string {
	return wrapWords(strings.Fields(s), width)
}

// pairs are the words of a command, each option together with its value.
func pairs(s string) []string {
	words := quoted(s)
	var out []string
	for i := 0; i < len(words); i++ {
		if strings.HasPrefix(words[i], "--") && i+1 < len(words) && !strings.HasPrefix(words[i+1], "-") {
			out = append(out, words[i]+" "+words[i+1])
			i++
			continue
		}
		out = append(out, words[i])
	}
	return out
}

// quoted are the words of a command; one in quotes is one word.
func quoted(s string) []string {
	var words []string
	open := false
	for _, word := range strings.Fields(s) {
		if open {
			words[len(words)-1] += " " + word
		} else {
			words = append(words, word)
		}
		if strings.Count(word, "'")%2 == 1 {
			open = !open
		}
	}
	return words
}

func wrapWords(words []string, width int) []string {
	width = max(width, 1)
	var lines []string
	current := ""
	flush := func() {
		lines, current = append(lines, current), ""
	}
	for _, word := range words {
		if current != "" && cells(current)+1+cells(word) > width {
			flush()
		}
		if current != "" {
			current += " " + word
			continue
		}
		for cells(word) > width {
			head, tail := splitAt(word, width)
			current = head
			flush()
			word = tail
		}
		current = word
	}
	if current != "" || len(lines) == 0 {
		flush()
	}
	return lines
}

// splitAt splits a word behind the last character that fits; a path, which a prefix with its length
// is not, behind the last folder that does.
func splitAt(word string, width int) (head, tail string) {
	used := 0
	for i, r := range word {
		w := cells(string(r))
		if i > 0 && used+w > width {
			if folder := strings.LastIndexByte(word[:i], '/'); folder > 0 && strings.Trim(word[folder+1:], "0123456789") != "" {
				i = folder + 1
			}
			return word[:i], word[i:]
		}
		used += w
	}
	return word, ""
}

// wrapped is wrap as lines in a style, each behind an indent.
func wrapped(s string, width int, indent string, st style) []line {
	var lines []line
	for _, part := range wrap(s, width-cells(indent)) {
		lines = append(lines, line{plain.of(indent), st.of(part)})
	}
	return lines
}

// command breaks a command line as a shell takes it: with a backslash at the end of each line but
// the last.
func command(s string, width int, indent string) []line {
	parts := wrapWords(pairs(s), width-cells(indent)-5)
	var lines []line
	for i, part := range parts {
		if i < len(parts)-1 {
			part += " \\"
		}
		lead := indent
		if i > 0 {
			lead = strings.Repeat(" ", cells(indent)+2)
		}
		lines = append(lines, line{plain.of(lead), plain.of(part)})
	}
	return lines
}

// panel is a frame of width by height around rows that are each drawn width-2 wide. Its title
// stands in the upper edge, its foot in the lower.
type panel struct {
	title   line
	foot    string
	focused bool // the keys go to it
}

func (th theme) panel(p panel, width, height int, rows []string) []string {
	edge := dim
	if p.focused {
		edge = accent
	}
	inner := max(width-2, 0)
	out := make([]string, 0, height)
	out = append(out, th.edge(p.title, "", width, edge, th.corner[0], th.corner[1]))
	side := th.paint(edge, th.vertical)
	for i := range max(height-2, 0) {
		row := ""
		if i < len(rows) {
			row = rows[i]
		} else {
			row = strings.Repeat(" ", inner)
		}
		out = append(out, side+row+side)
	}
	return append(out, th.edge(nil, p.foot, width, edge, th.corner[2], th.corner[3]))
}

// edge draws an upper or lower edge with a text in it.
func (th theme) edge(title line, foot string, width int, st style, left, right string) string {
	inner := max(width-2, 0)
	if len(title) == 0 && foot == "" {
		return th.paint(st, left+strings.Repeat(th.horizontal, inner)+right)
	}
	if foot != "" {
		foot = " " + th.shorten(foot, inner-4) + " "
		rest := max(inner-cells(foot)-1, 0)
		return th.paint(st, left+strings.Repeat(th.horizontal, rest)) + th.paint(dim, foot) + th.paint(st, th.horizontal+right)
	}
	used := 0
	for _, s := range title {
		used += cells(s.text)
	}
	used = min(used, inner-2)
	return th.paint(st, left+" ") + th.render(used, title) + th.paint(st, " "+strings.Repeat(th.horizontal, max(inner-used-2, 0))+right)
}

// beside joins blocks of the same height line by line.
func beside(blocks ...[]string) []string {
	out := make([]string, len(blocks[0]))
	for i := range out {
		var b strings.Builder
		for _, block := range blocks {
			b.WriteString(block[i])
		}
		out[i] = b.String()
	}
	return out
}

// window is what is seen of a list that is longer than its place.
type window struct {
	top  int // the first row that is seen
	rows int // how many there is room for
}

// page is how many rows a page key moves: one of those that are seen stays.
func (w *window) page() int { return max(w.rows-1, 1) }

// show moves the window so that row at is in it, and returns where it begins and ends.
func (w *window) show(at, total, height int) (from, to int) {
	height = max(height, 1)
	if at < w.top {
		w.top = at
	}
	if at >= w.top+height {
		w.top = at - height + 1
	}
	return w.clamp(total, height)
}

// clamp keeps the window within the list.
func (w *window) clamp(total, height int) (from, to int) {
	height = max(height, 0)
	w.rows = height
	w.top = max(min(w.top, total-height), 0)
	return w.top, min(w.top+height, total)
}
