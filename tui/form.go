package tui

// form is the fields of one page. Errors never keep the person from moving.
type form struct {
	fields []*field
	at     int
}

// current is the field that has the keys.
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

// toLast gives the keys to the last field.
func (f *form) toLast() { f.at = len(f.fields) - 1 }

// atLast says whether the last field has the keys.
func (f *form) atLast() bool { return f.at == len(f.fields)-1 }

// touch lets the errors of every field be shown.
func (f *form) touch() {
	for _, own := range f.fields {
		own.touched = true
	}
}

// problem is the first field with an error; nil if there is none.
func (f *form) problem() *field {
	for _, own := range f.fields {
		if own.problem != "" {
			return own
		}
	}
	return nil
}

// grow keeps an empty field behind the last one with this ID, to type the next line into.
func (f *form) grow(id string) {
	last, filled := -1, false
	for i, own := range f.fields {
		if own.id == id {
			last, filled = i, own.value() != ""
		}
	}
	if last >= 0 && filled {
		own := f.fields[last]
		next := textField(id, own.label, "", own.placeholder(), own.help)
		f.fields = append(f.fields[:last+1], append([]*field{next}, f.fields[last+1:]...)...)
	}
}

// goTo gives the keys to a field.
func (f *form) goTo(target *field) {
	for i, own := range f.fields {
		if own == target {
			f.at = i
		}
	}
}
