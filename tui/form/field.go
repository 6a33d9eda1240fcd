package form

import (
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"
)

// Kind says how a field is answered.
type Kind int

// The kinds of fields.
const (
	Text   Kind = iota // typed
	Choice             // one of some options
	Toggle             // yes or no
)

// Option is one of the values of a choice.
type Option struct {
	Value string
	Label string // shown for it
}

// Field is a line of a form. Its ID is the domain's name for the value, by which errors find it.
type Field struct {
	ID, Label string
	Kind      Kind
	Help      string // shown while the field has the keys
	Note      string // the consequence of the value; always shown
	Why       string // why it cannot be changed now; empty if it can
	Problem   string // the error of the value
	Hint      string // how to correct it
	Touched   bool   // the person has been here: errors may be shown

	input   Line
	Options []Option
	Chosen  int
	on      bool
	first   string // the value that the form began with
}

// NewText returns a field to type in. The placeholder is shown while it is empty.
func NewText(id, label, value, placeholder, help string) *Field {
	return &Field{ID: id, Label: label, Help: help, input: NewLine(value, placeholder), first: value}
}

// NewToggle returns a field that is yes or no.
func NewToggle(id, label string, on bool, help string) *Field {
	f := &Field{ID: id, Label: label, Kind: Toggle, on: on, Help: help}
	f.Begin()
	return f
}

// NewChoice returns a field that is one of some options: at first the one with this value.
func NewChoice(id, label string, options []Option, value, help string) *Field {
	f := &Field{ID: id, Label: label, Kind: Choice, Options: options, Help: help}
	f.Choose(value)
	f.Begin()
	return f
}

// Value is the field's value; a toggle's is yes or no.
func (f *Field) Value() string {
	switch f.Kind {
	case Choice:
		if f.Chosen < len(f.Options) {
			return f.Options[f.Chosen].Value
		}
		return ""
	case Toggle:
		return YesNo(f.on)
	default:
		return strings.TrimSpace(f.input.Text())
	}
}

// YesNo writes a toggle's value.
func YesNo(on bool) string {
	if on {
		return "yes"
	}
	return "no"
}

// SetText puts a text into a field to type in, as if it had been typed.
func (f *Field) SetText(text string) { f.input.Set(text) }

// AddText adds to the text that has been typed.
func (f *Field) AddText(text string) { f.SetText(f.input.Text() + text) }

// Placeholder is shown while the field is empty.
func (f *Field) Placeholder() string { return f.input.Placeholder }

// SetPlaceholder gives the field another.
func (f *Field) SetPlaceholder(text string) { f.input.Placeholder = text }

// Choose makes value the choice, if it is one.
func (f *Field) Choose(value string) {
	for i, o := range f.Options {
		if o.Value == value {
			f.Chosen = i
		}
	}
}

// SetOptions gives a choice other values. The chosen one stays chosen where it is still there.
func (f *Field) SetOptions(options []Option) {
	before := f.Value()
	f.Options, f.Chosen = options, 0
	f.Choose(before)
}

// Begin makes the value the one that the form began with.
func (f *Field) Begin() { f.first = f.Value() }

// Dirty says whether the value is another than the form began with.
func (f *Field) Dirty() bool { return f.Value() != f.first }

// Complain shows an error at the field, unless one is shown already.
func (f *Field) Complain(problem, hint string) {
	if f.Problem == "" {
		f.Problem, f.Hint = problem, hint
	}
}

// Answer takes a whole answer: a text, y or n, an option's number from 1 or its value. A single -
// is the empty text. It returns false if the answer is not one of the choices.
func (f *Field) Answer(text string) bool {
	switch f.Kind {
	case Toggle:
		return f.answerToggle(text)
	case Choice:
		return f.answerChoice(text)
	default:
		if text == "-" {
			text = ""
		}
		f.input.Set(text)
		return true
	}
}

func (f *Field) answerToggle(text string) bool {
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

func (f *Field) answerChoice(text string) bool {
	if n, err := strconv.Atoi(text); err == nil && n >= 1 && n <= len(f.Options) {
		f.Chosen = n - 1
		return true
	}
	for i, o := range f.Options {
		if o.Value == text || strings.EqualFold(o.Label, text) { // as it is shown, such as none
			f.Chosen = i
			return true
		}
	}
	return false
}

// Key takes a key that changes the value, and says whether it has.
func (f *Field) Key(msg tea.Msg) bool {
	before := f.Value()
	key, isKey := msg.(tea.KeyPressMsg)
	switch {
	case f.Kind == Text:
		f.input.Update(msg)
	case !isKey:
	case f.Kind == Toggle && (key.String() == "space" || key.String() == "left" || key.String() == "right"):
		f.on = !f.on
	case f.Kind == Choice && (key.String() == "right" || key.String() == "space" || key.String() == "l"):
		f.Chosen = (f.Chosen + 1) % max(len(f.Options), 1)
	case f.Kind == Choice && (key.String() == "left" || key.String() == "h"):
		f.Chosen = (f.Chosen + len(f.Options) - 1) % max(len(f.Options), 1)
	}
	changed := f.Value() != before
	f.Touched = f.Touched || changed && f.Kind != Text
	return changed
}
