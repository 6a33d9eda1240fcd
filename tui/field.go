package tui

import (
	"strconv"
	"strings"

	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"
)

// fieldKind says how a field is answered.
type fieldKind int

// The kinds of fields.
const (
	kindText   fieldKind = iota // typed
	kindChoice                  // one of some options
	kindToggle                  // yes or no
)

// option is one of the values of a choice.
type option struct {
	value string
	label string // what is shown for it
}

// field is a line of a form. Its ID is the domain's name for the value, by which errors find it.
type field struct {
	id, label string
	kind      fieldKind
	help      string // shown while the field has the keys
	note      string // what the value leads to; always shown
	why       string // why it cannot be changed now; empty if it can
	problem   string // what is wrong with the value
	hint      string // what would be right
	touched   bool   // the person has been here: errors may be shown

	input   textinput.Model
	options []option
	chosen  int
	on      bool
	first   string // the value that the form began with
}

// textField returns a field to type in. The placeholder is shown while it is empty.
func textField(id, label, value, placeholder, help string) *field {
	return &field{id: id, label: label, help: help, input: newInput(value, placeholder), first: value}
}

// toggleField returns a field that is yes or no.
func toggleField(id, label string, on bool, help string) *field {
	f := &field{id: id, label: label, kind: kindToggle, on: on, help: help}
	f.begin()
	return f
}

// choiceField returns a field that is one of some options: at first the one with this value.
func choiceField(id, label string, options []option, value, help string) *field {
	f := &field{id: id, label: label, kind: kindChoice, options: options, help: help}
	f.choose(value)
	f.begin()
	return f
}

// newInput is a line to type in.
func newInput(value, placeholder string) textinput.Model {
	input := textinput.New()
	input.Prompt, input.Placeholder, input.CharLimit = "", placeholder, 4096
	// it would run a program; what the terminal pastes comes as a message
	input.KeyMap.Paste.SetEnabled(false)
	input.SetVirtualCursor(false)
	input.SetStyles(textinput.Styles{})
	input.SetValue(value)
	input.CursorEnd()
	return input
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
		return yesNo(f.on)
	default:
		return strings.TrimSpace(f.input.Value())
	}
}

// yesNo writes a toggle's value.
func yesNo(on bool) string {
	if on {
		return "yes"
	}
	return "no"
}

// setText puts a text into a field to type in, as if it had been typed.
func (f *field) setText(text string) {
	f.input.SetValue(text)
	f.input.CursorEnd()
}

// placeholder is shown while the field is empty.
func (f *field) placeholder() string { return f.input.Placeholder }

// setPlaceholder gives the field another.
func (f *field) setPlaceholder(text string) { f.input.Placeholder = text }

// choose makes value the choice, if it is one.
func (f *field) choose(value string) {
	for i, o := range f.options {
		if o.value == value {
			f.chosen = i
		}
	}
}

// setOptions gives a choice other values. What was chosen stays chosen where it is still there.
func (f *field) setOptions(options []option) {
	before := f.value()
	f.options, f.chosen = options, 0
	f.choose(before)
}

// begin makes the value the one that the form began with.
func (f *field) begin() { f.first = f.value() }

// dirty says whether the value is another than the form began with.
func (f *field) dirty() bool { return f.value() != f.first }

// complain shows an error at the field, unless one is shown already.
func (f *field) complain(problem, hint string) {
	if f.problem == "" {
		f.problem, f.hint = problem, hint
	}
}

// answer takes a whole answer: a text, y or n, an option's number from 1 or its value. A single -
// is the empty text. It returns false if the answer is not one of the choices.
func (f *field) answer(text string) bool {
	switch f.kind {
	case kindToggle:
		return f.answerToggle(text)
	case kindChoice:
		return f.answerChoice(text)
	default:
		if text == "-" {
			text = ""
		}
		f.input.SetValue(text)
		return true
	}
}

func (f *field) answerToggle(text string) bool {
	switch strings.ToLower(text) {
	case "y", "yes":
		f.on = true
	case "n", "no":
		f.on = false
	default:
		return false
	}
	return true
}

func (f *field) answerChoice(text string) bool {
	if n, err := strconv.Atoi(text); err == nil && n >= 1 && n <= len(f.options) {
		f.chosen = n - 1
		return true
	}
	for i, o := range f.options {
		if o.value == text {
			f.chosen = i
			return true
		}
	}
	return false
}

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
