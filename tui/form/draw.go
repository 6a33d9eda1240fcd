package form

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"nmgre/routes/fault"
	"nmgre/tui/draw"
)

// Drawn is a form as lines.
type Drawn struct {
	Lines  []draw.Line
	Focus  int
	Last   int // the last line of the focused field
	Cursor *tea.Position
}

// Draw turns the form into lines.
func (f *Form) Draw(th draw.Theme, width int) Drawn {
	label := 0
	for _, own := range f.Fields {
		label = max(label, draw.Cells(own.Label))
	}
	stacked := width < draw.NarrowBelow-4
	indent := label + 4
	if stacked {
		indent = 3
	}
	var d Drawn
	for i, own := range f.Fields {
		focused := i == f.at
		if focused {
			d.Focus = len(d.Lines)
		}
		f.drawField(&d, th, own, focused, stacked, label, indent, width)
		if focused {
			d.Last = len(d.Lines) - 1
		}
	}
	return d
}

func (f *Form) drawField(d *Drawn, th draw.Theme, own *Field, focused, stacked bool, label, indent, width int) {
	lead, st := " ", draw.Plain
	if focused {
		lead, st = th.Cursor, draw.Bold
	}
	if own.Why != "" && !focused {
		st = draw.Dim
	}
	head := draw.Line{draw.Accent.Of(lead + " "), st.Of(own.Label)}
	if !stacked {
		head = draw.Line{draw.Accent.Of(lead + " "), st.Of(th.Fit(own.Label, label) + "  ")}
	}
	room := max(width-indent-1, 6)
	value, cursorAt := own.draw(th, room, focused)
	if stacked {
		d.Lines = append(d.Lines, head)
		head = draw.Line{draw.Plain.Of(strings.Repeat(" ", indent))}
	}
	if cursorAt >= 0 {
		d.Cursor = &tea.Position{X: indent + cursorAt, Y: len(d.Lines)}
	} else if focused {
		d.Cursor = &tea.Position{X: 0, Y: len(d.Lines)}
	}
	d.Lines = append(d.Lines, append(head, value...))
	pad := strings.Repeat(" ", indent)
	say := func(s string, st draw.Style) {
		if s != "" {
			d.Lines = append(d.Lines, draw.Wrapped(fault.Printable(s), width-1, pad, st)...)
		}
	}
	if own.Problem != "" {
		say(th.Fail+" "+own.Problem, draw.Red)
		say(own.Hint, draw.Plain)
		return
	}
	say(own.Note, draw.Dim)
	switch {
	case focused && own.Why != "":
		say("not now: "+own.Why, draw.Yellow)
	case focused:
		say(own.Help, draw.Dim)
	}
}

// draw returns the field's value, and the cell of the cursor in it; -1 if it has no cursor.
func (f *Field) draw(th draw.Theme, room int, focused bool) (draw.Line, int) {
	switch f.Kind {
	case Toggle:
		box := th.Off
		if f.on {
			box = th.On
		}
		return draw.Line{f.ground(focused).Of(box + " " + YesNo(f.on))}, -1
	case Choice:
		label := ""
		if f.Chosen < len(f.Options) {
			label = f.Options[f.Chosen].Label
		}
		return draw.Line{draw.Dim.Of("< "), f.ground(focused).Of(th.Shorten(fault.Printable(label), room-4)), draw.Dim.Of(" >")}, -1
	default:
		return f.drawText(th, room, focused)
	}
}

func (f *Field) ground(focused bool) draw.Style {
	switch {
	case f.Why != "":
		return draw.Dim
	case focused:
		return draw.Bold
	}
	return draw.Plain
}

// drawText shows the part of the text that the cursor is in.
func (f *Field) drawText(th draw.Theme, room int, focused bool) (draw.Line, int) {
	if f.Why != "" && !focused {
		return draw.Line{draw.Dim.Of("-")}, -1
	}
	box := min(room, 48)
	runes := []rune(f.input.Text())
	if len(runes) == 0 && !focused || len(runes) == 0 && f.input.Placeholder != "" {
		shown := th.Fit(th.Shorten(fault.Printable(f.input.Placeholder), box), box)
		if focused {
			return draw.Line{draw.Placeholder.Of(shown)}, 0
		}
		return draw.Line{draw.Placeholder.Of(shown)}, -1
	}
	from, pos := 0, min(f.input.Position(), len(runes))
	if !focused {
		return draw.Line{draw.Underlined.Of(th.Fit(fault.Printable(string(runes)), box))}, -1
	}
	box = max(room-1, 6)
	for draw.Cells(string(runes[from:pos])) > box-2 {
		from++
	}
	shown := string(runes[from:])
	lead := ""
	if from > 0 {
		lead, shown = th.More, string(runes[min(from+1, len(runes)):])
		if pos == from {
			lead = ""
		}
	}
	return draw.Line{draw.Underlined.Of(th.Fit(lead+shown, box))}, draw.Cells(lead) + draw.Cells(string(runes[min(from+boolInt(lead != ""), pos):pos]))
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
