package screen

import (
	"fmt"
	"strings"

	"nmgre/tui/draw"
)

// Box draws lines in a frame in the middle of the width.
func Box(th draw.Theme, title string, lines []draw.Line, inner, width, height int) Drawing {
	if most := height - 2; len(lines) > most && most > 3 { // the answers at the end must be seen
		cut := len(lines) - most
		tail := lines[len(lines)-2:]
		lines = append(lines[:most-3:most-3], draw.Styled(fmt.Sprintf("(%d more lines)", cut+1), draw.Dim))
		lines = append(lines, tail...)
	}
	rows := make([]string, len(lines))
	for i, ln := range lines {
		rows[i] = " " + th.Render(inner, ln) + " "
	}
	outer := inner + 4
	framed := th.Panel(draw.Panel{Title: draw.Styled(title, draw.Bold), Focused: true}, outer, len(rows)+2, rows)
	left := (width - outer) / 2
	for i := range framed {
		framed[i] = strings.Repeat(" ", left) + framed[i] + strings.Repeat(" ", width-left-outer)
	}
	return Drawing{Rows: framed, Box: true}
}
