package form

import "testing"

// A whole answer is checked by the kind of the field.
func TestAnswers(t *testing.T) {
	options := []Option{{Value: "auto", Label: "the kernel's choice"}, {Value: "any", Label: "any"}, {Label: "none"}}
	for _, tc := range []struct {
		kind   Kind
		answer string
		want   string
		ok     bool
	}{
		{Text, "10.0.0.1", "10.0.0.1", true}, {Text, "-", "", true},
		{Toggle, "Y", "yes", true}, {Toggle, "no", "no", true}, {Toggle, "maybe", "no", false},
		{Choice, "2", "any", true}, {Choice, "any", "any", true}, {Choice, "none", "", true}, {Choice, "4", "auto", false}, {Choice, "0", "auto", false},
	} {
		f := map[Kind]*Field{Text: NewText("id", "Label", "before", "", ""), Toggle: NewToggle("id", "Label", false, ""),
			Choice: NewChoice("id", "Label", options, "auto", "")}[tc.kind]
		if ok := f.Answer(tc.answer); ok != tc.ok || f.Value() != tc.want {
			t.Errorf("kind %d, %q: %q %v, want %q %v", tc.kind, tc.answer, f.Value(), ok, tc.want, tc.ok)
		}
	}
}

// A choice keeps its value when the options change, as long as it is one of them.
func TestOptionsChange(t *testing.T) {
	f := NewChoice("id", "Label", []Option{{Value: "a"}, {Value: "b"}}, "b", "")
	if f.SetOptions([]Option{{Value: "c"}, {Value: "b"}}); f.Value() != "b" || f.Dirty() {
		t.Errorf("value %q, dirty %v", f.Value(), f.Dirty())
	}
	if f.SetOptions([]Option{{Value: "c"}}); f.Value() != "c" || !f.Dirty() {
		t.Errorf("value %q, dirty %v", f.Value(), f.Dirty())
	}
}

// After the last line that is filled there is always an empty one.
func TestGrow(t *testing.T) {
	f := &Form{Fields: []*Field{NewText("route", "Route", "", "such as", "help"), NewText("other", "Other", "", "", "")}}
	if f.Grow("route"); len(f.Fields) != 2 {
		t.Fatalf("%d fields behind an empty line", len(f.Fields))
	}
	f.Fields[0].SetText("10.0.0.0/8")
	if f.Grow("route"); len(f.Fields) != 3 || f.Fields[1].ID != "route" || f.Fields[1].Value() != "" || f.Fields[2].ID != "other" {
		t.Errorf("fields %+v", f.Fields)
	}
}
