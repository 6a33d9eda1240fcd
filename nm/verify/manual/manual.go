// Package manual writes the tables of nmgre-verify(7) from the checks and the causes themselves.
package manual

import (
	"fmt"
	"strings"

	"nmgre/nm/verify/cause"
	"nmgre/nm/verify/kinds"
	"nmgre/nm/verify/place"
)

// Checks returns the table of all kinds of checks, in Markdown.
func Checks() string {
	var b strings.Builder
	b.WriteString("| id | what is proved |\n|---|---|\n")
	for _, k := range kinds.All() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", strings.Join(k.IDs, "`, `"), k.Proves)
	}
	return b.String()
}

// Causes returns the causes with the facts that all of them share, in Markdown. The hints are those
// that verify gives in one case of each cause.
func Causes(hints map[string]string) string {
	var b strings.Builder
	b.WriteString("Each check that fails names its cause. While it probes, `verify` listens, as root, to the GRE packets between the two hosts and to the ICMP errors\n" +
		"about them, and names one cause: the first of these whose evidence is there. Without root the certainty is *likely* where only packets prove it.\n\n" +
		"With `--json` a check that finds a fault has its cause in the field `cause`, and in `place` the part of the way where the fault is: " + places() + ".\n" +
		"Of a cause that tells no place it is the first that may be it. The field `works` of the report has the places that the evidence shows to work; of the others nothing is known.\n\n" +
		"These are all causes, each with a hint as `verify` gives it in one case, and with the commands by which a person sees the same. NAME stands for the tunnel, LOCAL and REMOTE for its\n" +
		"outer addresses, INNER for this end's inner address and PEER for the far end's, LAN for this end's address in a network of its own, and BEHIND for an address behind the far end.\n" +
		"Of a tunnel over IPv6 tcpdump wants `ip6 protochain 47` for `ip proto 47`, and `icmp6` for what is about `icmp`.\n\n" +
		"| cause | what it means | where | hint | by hand |\n|---|---|---|---|---|\n")
	for _, c := range cause.Causes() {
		fmt.Fprintf(&b, "| `%s` | %s | %s, %s | %s | %s |\n", c.ID, c.Means, Place(c), c.Certainty, hints[c.ID], Commands(c))
	}
	return b.String()
}

// Plain are the hints about causes that the checks tell in their own words.
var Plain = map[string]string{
	cause.NotUp:          "bring it up: nmgre up NAME",
	cause.NoGREHere:      "install the rest of the kernel's modules",
	cause.ComingUp:       "try again in a moment",
	cause.NoDevice:       "take it down and up: nmgre down NAME; nmgre up NAME",
	cause.NotGRE:         "give the tunnel another name",
	cause.LinkDiffers:    "make a new link: nmgre down NAME && nmgre up NAME",
	cause.LinkDown:       "bring it up: nmgre up NAME",
	cause.AddressMissing: "set it again: nmcli connection up NAME",
	cause.AddressExtra:   "it was added by hand, and is lost when the tunnel goes down",
	cause.KeptUnreadable: "correct or remove the line; the other lines are used",
	cause.KeptForAnother: "if that is right, move it: sudo nmgre edit --peer REMOTE NAME",
	cause.HookMissing:    "install the hook: sudo nmgre install-hook",
	cause.RouteMissing:   "the route is missing; set it again: nmcli connection up NAME",
	cause.RouteSource:    "another route to the same destination takes them: ip route show DESTINATION",
	cause.NotDropped:     "another route to the same destination takes them: ip route show DESTINATION",
	cause.NotForwarding:  "set it again: sudo nmgre up NAME",
	cause.RuleMissing:    "set it again: sudo nmgre up NAME",
	cause.FirewallDrops:  "let its rules accept them",
	cause.PeersSilent:    "see whether the far end has each of them; nmgre edit --peer-address replaces the list",
}

// Place is the place of the cause in a table.
func Place(c cause.Cause) string {
	if place.IsVague(c.ID) {
		return string(place.Of(c.ID)) + " or beyond"
	}
	return string(place.Of(c.ID))
}

// places lists the places for the manual.
func places() string {
	var words []string
	for _, p := range place.Places() {
		words = append(words, fmt.Sprintf("`%s` (%s)", p, p.Words()))
	}
	return strings.Join(words, ", ")
}

// Commands returns the commands by which a person sees the cause, as Markdown.
func Commands(c cause.Cause) string {
	var parts []string
	for _, part := range strings.Split(c.See, "; ") {
		command, there := strings.CutPrefix(part, "there: ")
		command, remark, found := strings.Cut(command, " (")
		text := "`" + command + "`"
		if found {
			text += " (" + remark
		}
		if there {
			text = "on the far end " + text
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}
