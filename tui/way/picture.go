package way

import (
	"strings"

	"nmgre/routes/fault"
	"nmgre/tui/draw"
)

// The columns of a picture, in cells: the mark, the place and the word about it. The addresses and
// devices of the place stand behind them, or below it on a narrow screen.
const (
	markCells  = 3
	placeCells = 17
	wordCells  = 14
	aboutAt    = markCells + placeCells + wordCells
	// beside this, the addresses and devices stand beside the place
	roomy = draw.NarrowBelow - 4
)

// Picture draws the way from top to bottom: each place with its mark, a word about it, and its
// addresses. A compact one has a line for each place, and no lines between.
func Picture(th draw.Theme, v View, width int, compact bool) []draw.Line {
	var out []draw.Line
	list := stations(v)
	for i, s := range list {
		var next *station
		if i+1 < len(list) {
			next = &list[i+1]
		}
		out = append(out, s.lines(th, next, width, compact)...)
	}
	return out
}

// lines draw the place, and the way to the next one unless it is the last.
func (s station) lines(th draw.Theme, next *station, width int, compact bool) []draw.Line {
	glyph, st := s.mark(th)
	name := draw.Plain
	if s.state == broken {
		name = draw.Red
	}
	beside, below := s.split(width, compact)
	out := []draw.Line{{st.Of(" " + glyph + " "), name.Of(th.Fit(s.place.Words(), placeCells)), st.Of(th.Fit(s.word, wordCells)), draw.Plain.Of(th.Shorten(beside, width-aboutAt))}}
	for _, text := range below {
		at := aboutAt
		if width < roomy || draw.Cells(text) > width-aboutAt {
			at = markCells + 1
		}
		out = append(out, draw.Line{draw.Dim.Of(" " + s.pipe(th, next)), draw.Plain.Of(strings.Repeat(" ", at-2) + th.Shorten(text, width-at))})
	}
	if next != nil && len(below) == 0 && !compact {
		out = append(out, draw.Styled(" "+s.pipe(th, next), draw.Dim))
	}
	return out
}

// split says which of the texts stand beside the place, and which below it.
func (s station) split(width int, compact bool) (beside string, below []string) {
	room := width - aboutAt
	if len(s.lans) > 0 && width >= roomy {
		return some(s.lans, s.total, room), nil
	}
	if len(s.lans) > 0 {
		s.about = []string{some(s.lans, s.total, width-markCells-1)}
	}
	switch {
	case compact && width >= roomy:
		return strings.Join(s.about, ", "), nil
	case compact:
		return "", nil
	case width < roomy || len(s.about) == 0 || draw.Cells(s.about[0]) > room && draw.Cells(s.about[0]) < width:
		return "", s.about
	}
	return s.about[0], s.about[1:]
}

// pipe is the line between two places. It is dotted where one of them is not known.
func (s station) pipe(th draw.Theme, next *station) string {
	switch {
	case next == nil:
		return " "
	case s.state == unknown || next.state == unknown:
		return th.Dotted
	}
	return th.Vertical
}

// Sentence tells the picture on one line, for those who cannot see it.
func Sentence(v View) string {
	var parts []string
	for _, s := range stations(v) {
		part := s.place.Words() + ": " + s.word
		if c := Finding(v.report()); c != nil && c.Place == s.place && s.state >= warned {
			part += " (" + fault.Printable(string(c.Certainty)) + ")"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}
