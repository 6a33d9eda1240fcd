package tui

import (
	"strings"

	"nmgre/routes/fault"

	tea "charm.land/bubbletea/v2"
)

// drawn is a form as lines, with the line of the field that has the keys, and the cursor in it.
type drawn struct {
	lines  []line
	focus  int
	last   int // the last line of what belongs to the focused field
	cursor *tea.Position
}

// draw turns the form into lines.
func (f *form) draw(th theme, width int) drawn {
	label := 0
	for _, own := range f.fields {
		label = max(label, cells(own.label))
	}
	stacked := width < narrowBelow-4
	indent := label + 4
	if stacked {
		indent = 3
	}
	var d drawn
	for i, own := range f.fields {
		focused := i == f.at
		if focused {
			d.focus = len(d.lines)
		}
		f.drawField(&d, th, own, focused, stacked, label, indent, width)
		if focused {
			d.last = len(d.lines) - 1
		}
	}
	return d
}

func (f *form) drawField(d *drawn, th theme, own *field, focused, stacked bool, label, indent, width int) {
	lead, st := " ", plain
	if focused {
		lead, st = th.cursor, bold
	}
	if own.why != "" && !focused {
		st = dim
	}
	head := line{accent.of(lead + " "), st.of(own.label)}
	if !stacked {
		head = line{accent.of(lead + " "), st.of(th.fit(own.label, label) + "  ")}
	}
	room := max(width-indent-1, 6)
	value, cursorAt := own.draw(th, room, focused)
	if stacked {
		d.lines = append(d.lines, head)
		head = line{plain.of(strings.Repeat(" ", indent))}
	}
	if cursorAt >= 0 {
		d.cursor = &tea.Position{X: indent + cursorAt, Y: len(d.lines)}
	} else if focused {
		d.cursor = &tea.Position{X: 0, Y: len(d.lines)}
	}
	d.lines = append(d.lines, append(head, value...))
	pad := strings.Repeat(" ", indent)
	say := func(s string, st style) {
		if s != "" {
			d.lines = append(d.lines, wrapped(fault.Printable(s), width-1, pad, st)...)
		}
	}
	if own.problem != "" {
		say(th.fail+" "+own.problem, red)
		say(own.hint, plain)
		return
	}
	say(own.note, dim)
	switch {
	case focused && own.why != "":
		say("not now: "+own.why, yellow)
	case focused:
		say(own.help, dim)
	}
}

// draw is the field's value, and the cell of the cursor in it; -1 for none.
func (f *field) draw(th theme, room int, focused bool) (line, int) {
	switch f.kind {
	case kindToggle:
		box := th.off
		if f.on {
			box = th.on
		}
		return line{f.ground(focused).of(box + " " + yesNo(f.on))}, -1
	case kindChoice:
		label := ""
		if f.chosen < len(f.options) {
			label = f.options[f.chosen].label
		}
		return line{dim.of("< "), f.ground(focused).of(th.shorten(fault.Printable(label), room-4)), dim.of(" >")}, -1
	default:
		return f.drawText(th, room, focused)
	}
}

func (f *field) ground(focused bool) style {
	switch {
	case f.why != "":
		return dim
	case focused:
		return bold
	}
	return plain
}

// drawText shows the part of the text that the cursor is in.
func (f *field) drawText(th theme, room int, focused bool) (line, int) {
	if f.why != "" && !focused {
		return line{dim.of("-")}, -1
	}
	box := min(room, 48)
	runes := []rune(f.input.Value())
	if len(runes) == 0 && !focused || len(runes) == 0 && f.input.Placeholder != "" {
		shown := th.fit(th.shorten(fault.Printable(f.input.Placeholder), box), box)
		if focused {
			return line{placeholder.of(shown)}, 0
		}
		return line{placeholder.of(shown)}, -1
	}
	from, pos := 0, min(f.input.Position(), len(runes))
	if !focused {
		return line{underlined.of(th.fit(fault.Printable(string(runes)), box))}, -1
	}
	box = max(room-1, 6)
	for cells(string(runes[from:pos])) > box-2 {
		from++
	}
	shown := string(runes[from:])
	lead := ""
	if from > 0 {
		lead, shown = th.more, string(runes[min(from+1, len(runes)):])
		if pos == from {
			lead = ""
		}
	}
	return line{underlined.of(th.fit(lead+shown, box))}, cells(lead) + cells(string(runes[min(from+boolInt(lead != ""), pos):pos]))
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
