package draw

import (
	"strings"

	"nmgre/routes/fault"
)

// Span is a piece of a line in one style.
type Span struct {
	Text  string
	Style Style
}

// Line is a row of the screen before it is fitted to its width.
type Line []Span

// Plain returns the line's text without its styles.
func (l Line) Plain() string {
	var b strings.Builder
	for _, s := range l {
		b.WriteString(s.Text)
	}
	return b.String()
}

// Text returns a line of plain text.
func Text(s string) Line { return Line{Plain.Of(s)} }

// Styled returns a line in one style.
func Styled(s string, st Style) Line { return Line{st.Of(s)} }

// Render makes the line exactly width cells wide. Where something is cut off stands a sign.
func (th Theme) Render(width int, spans Line) string { return th.RenderOn(width, spans, Plain) }

// RenderOn draws the line on a ground, such as the reverse video of a selected row.
func (th Theme) RenderOn(width int, spans Line, ground Style) string {
	var b strings.Builder
	left := width
	total := 0
	texts := make([]string, len(spans))
	for i, s := range spans {
		texts[i] = safe(s.Text)
		total += Cells(texts[i])
	}
	for i, s := range spans {
		if left <= 0 {
			break
		}
		t := texts[i]
		if n := Cells(t); n > left || n == left && total > width {
			t = th.Cut(t, left)
		}
		left -= Cells(t)
		b.WriteString(th.paint(join(ground, s.Style), t))
	}
	if left > 0 {
		b.WriteString(th.paint(ground, strings.Repeat(" ", left)))
	}
	return b.String()
}

// safe escapes a text that would act on the terminal. Texts from outside are escaped before, where
// they are put into sentences; this is the last door for one that was forgotten.
func safe(text string) string {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return fault.Printable(text)
		}
	}
	return text
}

// join puts a style on a ground. Reverse video stays one bar: colours would make patches in it.
func join(ground, s Style) Style {
	switch {
	case ground == Plain:
		return s
	case s == Plain, ground == Reverse:
		return ground
	}
	return ground + ";" + s
}
