package plan

import "testing"

// An event about what root keeps covers each of the plan's steps about it; an event without a step
// covers none.
func TestCovers(t *testing.T) {
	for _, test := range []struct {
		done, id string
		want     bool
	}{
		{StepActivate, StepActivate, true}, {StepActivate, StepSave, false}, {"", "", false}, {"", StepSave, false},
		{StepRoute, StepPin, true}, {StepRoute, StepSNAT, true}, {StepRoute, StepRoute, true}, {StepRoute, StepProfile, false},
		{StepSNAT, StepRoute, false},
	} {
		if got := Covers(test.done, test.id); got != test.want {
			t.Errorf("Covers(%q, %q) = %v", test.done, test.id, got)
		}
	}
}
