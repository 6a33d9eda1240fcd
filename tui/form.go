package tui

import (
	"strings"

	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"
)

type fieldKind int

const (
	kindText fieldKind = iota
	kindChoice
	kindToggle
)

// option is one of the values of a choice.
type option struct{ value, label string }

// field is a line of a form. Its id is the domain's name for what it says, by which errors find it.
type field struct {
	id, label string
	kind      fieldKind
	help      string // shown while the field has the keys
	note      string // what the value leads to; shown always
	why       string // why it cannot be changed now; empty if it can
	problem   string // what is wrong with the value
	hint      string // what would be right
	touched   bool   // the person has been here: what is wrong may be said

	input   textinput.Model
	options []option
	chosen  int
	on      bool
	first   string // the value that the form began with
}

func textField(id, label, value, placeholder, help string) *field {
	return &field{id: id, label: label, help: help, input: newInput(value, placeholder), first: value}
}

func toggleField(id, label string, on bool, help string) *field {
	f := &field{id: id, label: label, kind: kindToggle, on: on, help: help}
	f.first = f.value()
	return f
}

func choiceField(id, label string, options []option, value, help string) *field {
	f := &field{id: id, label: label, kind: kindChoice, options: options, help: help}
	f.choose(value)
	f.first = f.value()
	return f
}

// value is what the field says; a toggle's is yes or no.
func (f *field) value() string {
	switch f.kind {
	case kindChoice:
		if f.chosen < len(f.options) {
			return f.options[f.chosen].value
		}
		return ""
	case kindToggle:
		return onOff(f.on)
	default:
		return strings.TrimSpace(f.input.Value())
	}
}

// choose makes value the choice, if it is one.
func (f *field) choose(value string) {
	for i, o := range f.options {
		if o.value == value {
			f.chosen = i
		}
	}
}

// setOptions gives a choice other values; what was chosen stays chosen where it is still there.
func (f *field) setOptions(options []option) {
	before := f.value()
	f.options, f.chosen = options, 0
	f.choose(before)
}

func (f *field) dirty() bool { return f.value() != f.first }

// key takes a key that is meant for the field's value, and says whether the value has changed.
func (f *field) key(msg tea.Msg) (tea.Cmd, bool) {
	before := f.value()
	var cmd tea.Cmd
	key, isKey := msg.(tea.KeyPressMsg)
	switch {
	case f.kind == kindText:
		f.input.Focus()
		f.input, cmd = f.input.Update(msg)
	case !isKey:
	case f.kind == kindToggle && (key.String() == "space" || key.String() == "left" || key.String() == "right"):
		f.on = !f.on
	case f.kind == kindChoice && (key.String() == "right" || key.String() == "space" || key.String() == "l"):
		f.chosen = (f.chosen + 1) % max(len(f.options), 1)
	case f.kind == kindChoice && (key.String() == "left" || key.String() == "h"):
		f.chosen = (f.chosen + len(f.options) - 1) % max(len(f.options), 1)
	}
	changed := f.value() != before
	f.touched = f.touched || changed && f.kind != kindText
	return cmd, changed
}

// form is the fields of one page. Errors never keep the person from moving.
type form struct {
	fields []*field
	at     int
}

func (f *form) current() *field { return f.fields[f.at] }

// move goes to another field, and says whether there was one.
func (f *form) move(by int) bool {
	to := f.at + by
	if to < 0 || to >= len(f.fields) {
		return false
	}
	f.current().touched = true
	f.at = to
	return true
}

// goTo gives the keys to a field.
func (f *form) goTo(target *field) {
	for i, own := range f.fields {
		if own == target {
			f.at = i
		}
	}
}

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
			d.lines = append(d.lines, wrapped(printable(s), width-1, pad, st)...)
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
		return line{f.ground(focused).of(box + " " + onOff(f.on))}, -1
	case kindChoice:
		label := ""
		if f.chosen < len(f.options) {
			label = f.options[f.chosen].label
		}
		return line{dim.of("< "), f.ground(focused).of(th.shorten(printable(label), room-4)), dim.of(" >")}, -1
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
		shown := th.fit(th.shorten(printable(f.input.Placeholder), box), box)
		if focused {
			return line{placeholder.of(shown)}, 0
		}
		return line{placeholder.of(shown)}, -1
	}
	from, pos := 0, min(f.input.Position(), len(runes))
	if !focused {
		return line{underlined.of(th.fit(printable(string(runes)), box))}, -1
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
