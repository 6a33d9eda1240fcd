package plan

import "testing"

// An event about the kept routes and rules covers all steps of the plan for them. An event without
// a step covers no step.
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
