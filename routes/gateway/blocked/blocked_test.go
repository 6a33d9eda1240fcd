package blocked_test

import (
	"testing"

	"nmgre/routes/gateway/blocked"
)

// Devices are kept apart where either direction is surely dropped.
func TestApart(t *testing.T) {
	there, back := blocked.Way{From: "gre1", To: "eth1"}, blocked.Way{From: "eth1", To: "gre1"}
	perhaps := blocked.Way{From: "eth1", To: "gre1", Perhaps: true}
	other := blocked.Way{From: "eth2", To: "gre1"}
	for name, c := range map[string]struct {
		list  []blocked.Way
		apart bool
		text  string
	}{
		"both":    {[]blocked.Way{there, back}, true, "ufw drops packets forwarded between gre1 and eth1"},
		"one":     {[]blocked.Way{there}, false, "ufw drops packets forwarded from gre1 to eth1"},
		"others":  {[]blocked.Way{there, other}, false, "ufw drops packets forwarded from gre1 to eth1 and from eth2 to gre1"},
		"perhaps": {[]blocked.Way{there, perhaps}, false, "ufw drops packets forwarded between gre1 and eth1, unless one of its more specific rules accepts them"},
		"hostile": {[]blocked.Way{{From: "a\x1b[m", To: "b"}}, false, `ufw drops packets forwarded from a\x1b[m to b`},
	} {
		if got := blocked.Apart(c.list); got != c.apart {
			t.Errorf("%s: apart %t", name, got)
		}
		if got := blocked.Drops("ufw", c.list); got != c.text {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// The zones are named where all are known.
func TestZones(t *testing.T) {
	zones := map[string]string{"gre1": "public", "eth1": "internal"}
	if got := blocked.Zones([]string{"gre1", "eth1"}, zones); got != "gre1 is in its zone public, eth1 is in its zone internal" {
		t.Error(got)
	}
	if got := blocked.Zones([]string{"gre1", "eth2"}, zones); got != "" {
		t.Error(got)
	}
}
