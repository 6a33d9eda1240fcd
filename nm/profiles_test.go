package nm

import (
	"testing"

	"nmgre/routes/kernel"
)

func TestEventsJoin(t *testing.T) {
	lost, back, plain := ProfileEvent{Lost: true}, ProfileEvent{Back: true}, ProfileEvent{}
	for _, c := range [][3]ProfileEvent{{lost, back, back}, {back, lost, lost}, {lost, plain, lost}, {plain, back, back}, {plain, plain, plain}} {
		if got := c[0].And(c[1]); got != c[2] {
			t.Errorf("%+v and %+v are %+v, want %+v", c[0], c[1], got, c[2])
		}
	}
	if got := (kernel.Event{Links: true}).And(kernel.Event{Routes: true}); got != (kernel.Event{Links: true, Routes: true}) {
		t.Errorf("got %+v", got)
	}
	deaf, hears := kernel.Event{Deaf: true}, kernel.Event{Hears: true}
	for _, c := range [][3]kernel.Event{{deaf, hears, hears}, {hears, deaf, deaf}, {deaf, {Links: true}, {Links: true, Deaf: true}}, {{}, deaf, deaf}} {
		if got := c[0].And(c[1]); got != c[2] {
			t.Errorf("%+v and %+v are %+v, want %+v", c[0], c[1], got, c[2])
		}
	}
}
