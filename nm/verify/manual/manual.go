// Package manual writes the causes that verify names, for nmgre-verify(7) and nmgre-verify(8).
package manual

import (
	"fmt"
	"strings"

	"nmgre/nm/verify/cause"
)

// Page returns the causes as a part of the manual page, in Markdown.
func Page() string {
	var b strings.Builder
	b.WriteString("# CAUSES\nA check that finds a fault has its cause in the field *cause* of --json, and in *place* the part of the way where the fault is: " + places() + ".\n" +
		"Of a cause that tells no place it is the first that may be it.\n" +
		"The field *works* of the report has the places that the evidence shows to work; of the others nothing is known. These are all causes, with the\n" +
		"commands by which a person sees the same. NAME stands for the tunnel, LOCAL and REMOTE for its outer addresses, INNER for this end's inner address and PEER for the far end's,\n" +
		"LAN for this end's address in a network of its own, and BEHIND for an address behind the far end.\n" +
		"Of a tunnel over IPv6 tcpdump wants *ip6 protochain 47* for *ip proto 47*, and *icmp6* for what is about *icmp*.\n")
	for _, c := range cause.Causes() {
		fmt.Fprintf(&b, "\n**%s** (%s; %s)\n: %s\n", c.ID, c.Certainty, Place(c), Explanation(c))
	}
	return b.String()
}

// Explanation is what the page says of a cause: three lines at most.
func Explanation(c cause.Cause) string {
	return upperFirst(c.Means) + ". By hand: " + Commands(c) + "."
}

// Place is the place of the cause in a table.
func Place(c cause.Cause) string {
	if cause.IsVague(c.ID) {
		return string(c.Place()) + " or beyond"
	}
	return string(c.Place())
}

// places lists the places for the manual.
func places() string {
	var words []string
	for _, p := range cause.Places() {
		words = append(words, fmt.Sprintf("*%s* (%s)", p, p.Words()))
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

// upperFirst returns the text with a capital at its beginning.
func upperFirst(text string) string { return strings.ToUpper(text[:1]) + text[1:] }
