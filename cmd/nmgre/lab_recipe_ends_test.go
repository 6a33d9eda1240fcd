package main

import (
	"slices"
	"strings"
	"testing"

	"nmgre/testdata/lab"
)

// proved checks that each verify among the lines of a recipe has passed.
func (r recipe) proved(t *testing.T, said []string) {
	t.Helper()
	verified := 0
	for i, line := range r.lines {
		if strings.Contains(line, "nmgre verify ") {
			if verified++; !strings.Contains(said[i], "verdict: pass") {
				t.Errorf("%s says\n%s", line, said[i])
			}
		}
	}
	if verified == 0 || !slices.ContainsFunc(r.lines, func(line string) bool { return strings.HasPrefix(line, "lan1# ping ") }) {
		t.Error("the recipe proves nothing")
	}
}

// An unnumbered backbone: one address on both tunnels.
//
//lab:recipes
func TestLabRecipeUnnumberedBackbone(t *testing.T) {
	lab.Need(t)
	lab.Linux2.Run(t, "ip", "address", "add", "100.0.2.101/24", "dev", "eth0")
	defer lab.Linux2.Try("ip", "address", "del", "100.0.2.101/24", "dev", "eth0")
	r := readRecipe(t, "unnumbered-backbone")
	r.proved(t, r.typed(t))
	for _, dev := range []string{"gre1", "gre2"} {
		if got := lab.Linux1.Run(t, "ip", "address", "show", "dev", dev); !strings.Contains(got, "10.255.0.1/32") {
			t.Errorf("%s has not the one address:\n%s", dev, got)
		}
	}
}

// One end behind NAT: the router translates linux1's address.
func TestLabRecipeBehindNAT(t *testing.T) {
	lab.Need(t)
	lab.Router.Run(t, "nft", `add table ip home; add chain ip home out { type nat hook postrouting priority 100; }; add chain ip home in { type nat hook prerouting priority -100; }
add rule ip home out ip saddr 100.0.1.100 ip daddr 100.0.2.100 snat to 100.0.2.1; add rule ip home in ip saddr 100.0.2.100 ip daddr 100.0.2.1 ip protocol 47 dnat to 100.0.1.100`)
	defer lab.Router.Try("nft", "delete", "table", "ip", "home")
	r := readRecipe(t, "behind-nat")
	r.proved(t, r.typed(t))
	if got := lab.Linux2.Run(t, "ip", "-d", "link", "show", "dev", "gre1"); !strings.Contains(got, "remote 100.0.2.1 ") {
		t.Errorf("linux2 knows another address than the router's:\n%s", got)
	}
}

// A tunnel in a VRF: the default route is in the VRF's table alone.
func TestLabRecipeTunnelInAVRF(t *testing.T) {
	lab.Need(t)
	r := readRecipe(t, "tunnel-in-a-vrf")
	r.proved(t, r.typed(t))
	if main := lab.Linux1.Run(t, "ip", "route", "show", "table", "main"); strings.Contains(main, "default") || strings.Contains(main, "dev eth0") {
		t.Errorf("the provider's routes are in the main table:\n%s", main)
	}
	if lab.Linux1.Try("ip", "route", "get", "100.0.2.100").Code == 0 {
		t.Error("the main table leads to the far end")
	}
}
