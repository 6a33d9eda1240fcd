package list

import (
	"fmt"
	"testing"

	"nmgre/routes"
)

// The set tells routes of one slot apart, however many a list has.
func TestSet(t *testing.T) {
	parse := routes.MustParse
	list := []routes.Route{parse("10.0.0.0/8 via 172.16.0.2"), parse("10.0.0.0/8 via 172.16.0.3"), parse("10.0.0.0/8 via 172.16.0.4"), parse("10.1.0.0/16 metric 5")}
	s := NewSet(list)
	fresh := []routes.Route{parse("10.0.0.0/8"), parse("10.0.0.0/8 via 172.16.0.5"), parse("10.1.0.0/16"), parse("10.1.0.0/16 metric 5 mtu 1400"), parse("10.2.0.0/16")}
	for _, r := range list {
		if !s.Has(&r) {
			t.Errorf("%s is not found", r)
		}
	}
	for _, r := range fresh {
		if s.Has(&r) {
			t.Errorf("%s is found", r)
		}
	}
	if r := parse("10.1.0.0/16 metric 5 table main"); !s.Has(&r) {
		t.Errorf("%s is not found", r)
	}
	mixed := []routes.Route{fresh[0], list[3], fresh[1], fresh[2], list[1], fresh[3], fresh[4]}
	known, others := s.Split(mixed)
	if got, want := fmt.Sprint(known, others), fmt.Sprint([]routes.Route{list[3], list[1]}, fresh); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if empty := NewSet(nil); empty.Has(&list[0]) {
		t.Error("an empty set has a route")
	}
}
