package wizard

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"nmgre"
	"nmgre/nm/plan"
)

// A step is ticked by its ID, whatever the words are. The steps about root's files end together.
func TestStepsAreTickedByTheirIDs(t *testing.T) {
	for _, tc := range []struct {
		event nmgre.Event
		want  string
	}{
		{nmgre.Event{Step: plan.StepActivate, What: "the tunnel has come up, in other words"}, "activate"},
		{nmgre.Event{What: "brought it up"}, ""},
		{nmgre.Event{Step: plan.StepRoute, What: "everything that is kept is set"}, "pin route forward snat clamp-mss"},
		{nmgre.Event{Step: plan.StepActivate, Undo: true}, ""},
		{nmgre.Event{Step: plan.StepActivate, Err: errors.New("denied")}, ""},
	} {
		var a apply
		for _, id := range strings.Fields("profile activate pin route forward snat clamp-mss check save") {
			a.steps = append(a.steps, plan.Step{ID: id, What: id})
		}
		a.ticked = make([]bool, len(a.steps))
		a.step(tc.event)
		var got []string
		for i, s := range a.steps {
			if a.ticked[i] {
				got = append(got, s.ID)
			}
		}
		if !slices.Equal(got, strings.Fields(tc.want)) {
			t.Errorf("%+v: ticked %v, want %s", tc.event, got, tc.want)
		}
	}
}
