package main

import (
	"testing"

	"nmgre/testdata/lab"
)

// Two LANs are one network: a host of linux2's LAN has an address of linux1's.
//
//lab:recipes
func TestLabRecipeEthernetBridge(t *testing.T) {
	lab.Need(t)
	lab.LAN2.Run(t, "ip", "address", "add", "10.10.1.200/24", "dev", "eth0")
	defer lab.LAN2.Try("ip", "address", "del", "10.10.1.200/24", "dev", "eth0")
	r := readRecipe(t, "ethernet-bridge")
	r.proved(t, r.typed(t))
	mustHaveLink(t, "after the recipe", lab.Linux1, "gre1", []string{"master br0", "state forwarding", "mtu 1462"}, nil)
}

// One family inside, the other one outside.
//
//lab:recipes
func TestLabRecipeIslands(t *testing.T) {
	lab.Need(t)
	r := readRecipe(t, "islands")
	r.proved(t, r.typed(t))
	mustHaveLink(t, "after the recipe", lab.Linux1, "gre6", []string{"remote 2001:db8:2::100"}, nil)
}
