package tui

import (
	"testing"

	"nmgre/tui/tuitest"
)

// On a tunnel that was made by hand a key offers to adopt it, with the plan first. On others it
// says why it does nothing.
func TestAdopt(t *testing.T) {
	f := tuitest.New().WithTunnels()
	d := drive(t, f, Options{}, 120, 40)
	d.keys("home", "a")
	d.shows("has a profile already")
	for f.Tunnels[0].Tunnel.Name != "byhand" { // the list is sorted by name
		f.Tunnels = append(f.Tunnels[1:], f.Tunnels[0])
	}
	d = drive(t, f, Options{}, 120, 40)
	d.keys("home")
	for range f.Tunnels {
		if d.m.current().Tunnel.Name == "byhand" {
			break
		}
		d.keys("j")
	}
	d.keys("a")
	d.shows("Adopt byhand?")
	d.shows("SNAT ip nat POSTROUTING: oifname byhand masquerade: stays")
	d.shows("address 172.16.4.1/30: taken")
	d.keys("n").mustNot("Adopt byhand?")
	d.keys("a", "y")
	d.shows("byhand is adopted")
}
