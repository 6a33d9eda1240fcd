package screen

import (
	"testing"

	"nmgre/tui/draw"
)

// The first key that has the name counts.
func TestFind(t *testing.T) {
	list := []Key{{Keys: []string{"up", "k"}, Help: "first"}, {Keys: []string{"k"}, Help: "second"}}
	if k := Find(list, "k"); k == nil || k.Help != "first" {
		t.Errorf("found %+v", k)
	}
	if k := Find(list, "j"); k != nil {
		t.Errorf("found %+v", k)
	}
}

// The scroll keys move a window, which stays within the list.
func TestScroll(t *testing.T) {
	const total, height = 100, 10
	var w draw.Window
	w.Clamp(total, height)
	for _, tc := range []struct {
		key string
		top int
	}{{"down", 1}, {"j", 2}, {"k", 1}, {"pgdown", 10}, {"ctrl+u", 1}, {"space", 10}, {"G", 90}, {"down", 90}, {"home", 0}, {"up", 0}} {
		Find(Scroll(&w), tc.key).Do()
		if from, to := w.Clamp(total, height); from != tc.top || to != tc.top+height {
			t.Errorf("%s: rows %d to %d, want %d to %d", tc.key, from, to, tc.top, tc.top+height)
		}
	}
}
