package form

// Form is the fields of one page. Errors never keep the person from moving.
type Form struct {
	Fields []*Field
	at     int
}

// Current is the field that has the keys.
func (f *Form) Current() *Field { return f.Fields[f.at] }

// Move goes to another field, and says whether there was one.
func (f *Form) Move(by int) bool {
	to := f.at + by
	if to < 0 || to >= len(f.Fields) {
		return false
	}
	f.Current().Touched = true
	f.at = to
	return true
}

// ToLast gives the keys to the last field.
func (f *Form) ToLast() { f.at = len(f.Fields) - 1 }

// AtLast says whether the last field has the keys.
func (f *Form) AtLast() bool { return f.at == len(f.Fields)-1 }

// Touch lets the errors of every field be shown.
func (f *Form) Touch() {
	for _, own := range f.Fields {
		own.Touched = true
	}
}

// Problem is the first field with an error; nil if there is none.
func (f *Form) Problem() *Field {
	for _, own := range f.Fields {
		if own.Problem != "" {
			return own
		}
	}
	return nil
}

// Grow keeps an empty field behind the last one with this ID, to type the next line into.
func (f *Form) Grow(id string) {
	last, filled := -1, false
	for i, own := range f.Fields {
		if own.ID == id {
			last, filled = i, own.Value() != ""
		}
	}
	if last >= 0 && filled {
		own := f.Fields[last]
		next := NewText(id, own.Label, "", own.Placeholder(), own.Help)
		f.Fields = append(f.Fields[:last+1], append([]*Field{next}, f.Fields[last+1:]...)...)
	}
}

// GoTo gives the keys to a field.
func (f *Form) GoTo(target *Field) {
	for i, own := range f.Fields {
		if own == target {
			f.at = i
		}
	}
}
