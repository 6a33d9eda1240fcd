package nmcli

import (
	"testing"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/testdata/want"
)

// NetworkManager holds every route that a profile can hold. The golden file shows nmcli's words.
func TestRouteWords(t *testing.T) {
	want.Answers(t, "routes.txt", func(spec string) string {
		r := routes.MustParse(spec)
		owner, why := nm.RouteOwner(r, nm.MinVersion)
		if owner != nm.OwnerProfile {
			t.Errorf("%s is the %s's", spec, owner)
		}
		return why + ": " + routeWords(r)
	})
}

// A profile can hold routes with a weight, though nmgre gives it none.
func TestRouteWordsOfWeights(t *testing.T) {
	for spec, words := range map[string]string{
		"10.0.0.0/8 metric 50 nexthop via 172.16.0.2 weight 2": "10.0.0.0/8 172.16.0.2 50 weight=2",
		"10.0.0.0/8 nexthop weight 256":                        "10.0.0.0/8 weight=256",
		"10.0.0.0/8 nexthop via 172.16.0.2 weight 1 onlink":    "10.0.0.0/8 172.16.0.2 onlink=true weight=1",
	} {
		want.Same(t, spec, routeWords(routes.MustParse(spec)), words)
	}
}

// The words of every route are safe to show.
func FuzzRouteWords(f *testing.F) {
	for _, spec := range want.Specs(f, "../../routes/testdata/route") {
		f.Add(spec)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		r, err := routes.Parse(spec)
		if err != nil {
			return
		}
		if words := routeWords(r); fault.Printable(words) != words {
			t.Fatalf("%q as a command: %q", spec, words)
		}
	})
}
