package main

import (
	"slices"
	"testing"

	"nmgre/nm/verify/cause"
	"nmgre/nm/verify/place"
	"nmgre/testdata/lab"
)

// placesOf are the places of the way that a host of the lab can break.
var placesOf = map[lab.Host][]place.Place{
	lab.Linux1: {place.ThisHost, place.OwnFirewall},
	lab.Router: {place.TheWay},
	lab.Linux2: {place.FarFirewall, place.FarEnd, place.Behind},
	lab.LAN2:   {place.FarEnd, place.Behind}, // a way back may be missing at either
}

// seenElsewhere are causes that show at another place than the one where they may be made: the
// cable of this host's device is pulled at the router, and a TTL of this host runs out on the way.
var seenElsewhere = map[string]place.Place{"device-down": place.ThisHost, "ttl-exceeded": place.TheWay}

// A cause is placed where the matrix makes the fault. A vague one names no place.
func TestCausesArePlacedWhereTheyAreMade(t *testing.T) {
	byID := make(map[string]cause.Cause)
	for _, c := range cause.Causes() {
		byID[c.ID] = c
	}
	for _, row := range slices.Concat(causeRows, causeRows6) {
		c, known := byID[row.cause]
		hosts := make(map[lab.Host]bool)
		for _, s := range row.does {
			hosts[s.host] = true
		}
		for host := range hosts {
			placed := slices.Contains(placesOf[host], place.Of(c.ID)) || place.Of(c.ID) == seenElsewhere[c.ID]
			if known && len(hosts) == 1 && !place.IsVague(c.ID) && !placed {
				t.Errorf("%s %s: made on %s, placed at %s", row.id, row.cause, host, place.Of(c.ID))
			}
		}
	}
}
