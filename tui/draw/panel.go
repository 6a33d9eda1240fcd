package draw

import (
	"strings"
)

// Panel is a frame of width by height around rows that are each drawn width-2 wide. Its title
// stands in the upper edge, its foot in the lower.
type Panel struct {
	Title   Line
	Foot    string
	Focused bool // the keys go to it
}

// Panel draws the frame: height rows of width cells.
func (th Theme) Panel(p Panel, width, height int, rows []string) []string {
	edge := Dim
	if p.Focused {
		edge = Accent
	}
	inner := max(width-2, 0)
	out := make([]string, 0, height)
	out = append(out, th.edge(p.Title, "", width, edge, th.corner[0], th.corner[1]))
	side := th.paint(edge, th.Vertical)
	for i := range max(height-2, 0) {
		row := ""
		if i < len(rows) {
			row = rows[i]
		} else {
			row = strings.Repeat(" ", inner)
		}
		out = append(out, side+row+side)
	}
	return append(out, th.edge(nil, p.Foot, width, edge, th.corner[2], th.corner[3]))
}

// edge draws an upper or lower edge with a text in it.
func (th Theme) edge(title Line, foot string, width int, st Style, left, right string) string {
	inner := max(width-2, 0)
	if len(title) == 0 && foot == "" {
		return th.paint(st, left+strings.Repeat(th.Horizontal, inner)+right)
	}
	if foot != "" {
		foot = " " + th.Shorten(foot, inner-4) + " "
		rest := max(inner-Cells(foot)-1, 0)
		return th.paint(st, left+strings.Repeat(th.Horizontal, rest)) + th.paint(Dim, foot) + th.paint(st, th.Horizontal+right)
	}
	used := 0
	for _, s := range title {
		used += Cells(s.Text)
	}
	used = min(used, inner-2)
	return th.paint(st, left+" ") + th.Render(used, title) + th.paint(st, " "+strings.Repeat(th.Horizontal, max(inner-used-2, 0))+right)
}

// Beside joins blocks of the same height row by row.
func Beside(blocks ...[]string) []string {
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

// Window is the part of a long list that is seen.
type Window struct {
	Top  int // the first row that is seen
	rows int // how many there is room for
}

// Page returns how many rows a page key moves: one of those that are seen stays.
func (w *Window) Page() int { return max(w.rows-1, 1) }

// Show moves the window so that the row at is in it. It returns the first row that is seen, and the
// one behind the last.
func (w *Window) Show(at, total, height int) (from, to int) {
	height = max(height, 1)
	if at < w.Top {
		w.Top = at
	}
	if at >= w.Top+height {
		w.Top = at - height + 1
	}
	return w.Clamp(total, height)
}

// Clamp keeps the window within a list of total rows, of which height are seen. It returns the same
// as [Window.Show].
func (w *Window) Clamp(total, height int) (from, to int) {
	height = max(height, 0)
	w.rows = height
	w.Top = max(min(w.Top, total-height), 0)
	return w.Top, min(w.Top+height, total)
}

// NarrowBelow is the width, in cells, below which things stand below each other instead of side by
// side.
const NarrowBelow = 64
