// Package blocked has the ways between devices on which a firewall drops packets, in words.
//
// Begin with [Way].
package blocked

import (
	"slices"
	"strings"

	"nmgre/routes/fault"
)

// Way is the way from one device to another, whose packets a chain drops.
type Way struct {
	From, To string
	Perhaps  bool // unless a rule that nmgre does not understand accepts them
}

// Apart reports whether two of the devices are surely kept apart: packets are dropped in either
// direction between them, and no rule perhaps accepts some.
func Apart(list []Way) bool {
	return slices.ContainsFunc(list, func(b Way) bool {
		return !b.Perhaps && slices.Contains(list, Way{From: b.To, To: b.From})
	})
}

// Drops says which packets a program drops.
func Drops(who string, list []Way) string {
	text := who + " drops packets forwarded " + between(list)
	if slices.ContainsFunc(list, func(b Way) bool { return b.Perhaps }) {
		text += ", unless one of its more specific rules accepts them"
	}
	return text
}

// between puts ways into words.
func between(list []Way) string {
	var parts []string
	for i := 0; i < len(list); i++ {
		from, to := fault.Printable(list[i].From), fault.Printable(list[i].To)
		if i+1 < len(list) && list[i+1].From == list[i].To && list[i+1].To == list[i].From {
			parts = append(parts, "between "+from+" and "+to)
			i++
			continue
		}
		parts = append(parts, "from "+from+" to "+to)
	}
	return strings.Join(parts, " and ")
}

// Zones says in which zone of firewalld each of the devices is. It is empty if one is in none.
func Zones(devs []string, zones map[string]string) string {
	var parts []string
	for _, dev := range devs {
		if zones[dev] == "" {
			return ""
		}
		parts = append(parts, fault.Printable(dev)+" is in its zone "+fault.Printable(zones[dev]))
	}
	return strings.Join(parts, ", ")
}
