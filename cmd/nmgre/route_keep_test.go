package main

import (
	"encoding/json"
	"strings"
	"testing"

	"nmgre/nm/dbus/dbustest"
	"nmgre/nm/dbus/wire"
	"nmgre/routes"
)

// weighed makes two tunnels, and gives their profiles the same route with a weight, as nmcli does.
func weighed(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.must("create", "--peer", "100.0.2.100", "--address", "172.16.0.1/30", "--key", "1", "--no-probe")
	w.must("create", "--peer", "100.0.2.100", "--address", "172.16.1.1/30", "--key", "2", "--no-probe")
	hops := []string{"via 172.16.0.2 weight 2", "via 172.16.1.2 weight 3"}
	for i, p := range w.bus.Profiles() {
		r := routes.MustParse("10.50.0.0/16 metric 50 nexthop " + hops[i])
		w.bus.Change(p.Path, func(s dbustest.Settings) {
			if err := wire.Settings(s).SetRoutes([]routes.Route{r}); err != nil {
				t.Fatal(err)
			}
		})
	}
	return w
}

// A person sees these texts, word for word, and finds each tunnel in the JSON.
func TestRouteKeepOutputs(t *testing.T) {
	for _, c := range []struct{ name, args string }{
		{"keep-dry-run", "--dry-run"}, {"keep-dry-run-json", "--dry-run --json"}, {"keep", "--no-probe"}, {"keep-json", "--json --no-probe"},
	} {
		w := weighed(t)
		o := w.must(append([]string{"route", "keep", "gre1"}, strings.Fields(c.args)...)...)
		golden(t, c.name+".out", o.stdout+"---- stderr\n"+o.stderr)
	}
	w := weighed(t)
	w.must("route", "keep", "gre2", "--no-probe")
	for _, p := range w.bus.Profiles() {
		if held := (wire.Settings(p.Settings)).Entries(wire.IPv4, "route-data"); len(held) > 0 || !p.OnDisk {
			t.Errorf("%s has %v, on disk %v", p.Path, held, p.OnDisk)
		}
	}
	if o := w.must("route", "keep", "gre2"); o.stdout != "" || o.stderr != "nmgre: gre2: its profile has no route with a weight\n" {
		t.Errorf("again: %+v", o)
	}
	var again struct{ Tunnels []any }
	if err := json.Unmarshal([]byte(w.must("route", "keep", "gre2", "--json").stdout), &again); err != nil || again.Tunnels == nil || len(again.Tunnels) > 0 {
		t.Errorf("again as JSON: %+v, %v", again, err)
	}
	if o := w.must("route", "keep", "gre2", "--dry-run"); o.stdout != "# gre2: nothing to move\n" {
		t.Errorf("again, as a dry run: %q", o.stdout)
	}
}

// Every output that says that a profile has such routes names the command that moves them.
func TestRouteKeepIsTold(t *testing.T) {
	w := weighed(t)
	for _, args := range []string{"show gre1", "show gre1 --json", "list --json", "route list gre1", "route list gre1 --json", "verify gre1"} {
		if out := w.run(strings.Fields(args)...).stdout; !strings.Contains(out, "nmgre route keep gre1") {
			t.Errorf("%s says\n%s", args, out)
		}
	}
}
