package place_test

import (
	"slices"
	"testing"

	"nmgre/nm/verify/cause"
	"nmgre/nm/verify/place"
)

// Every place has words, and no cause is left in the table that the table of causes no longer has.
func TestPlacesAreWhole(t *testing.T) {
	for _, p := range place.Places() {
		if p.Words() == "" {
			t.Errorf("%s has no words", p)
		}
	}
	if place.Place("elsewhere").Words() != "" {
		t.Error("a place that does not exist has words")
	}
	for id := range place.PlaceOf {
		if !slices.ContainsFunc(cause.Causes(), func(c cause.Cause) bool { return c.ID == id }) {
			t.Errorf("placeOf has %s, which is no cause", id)
		}
	}
}
