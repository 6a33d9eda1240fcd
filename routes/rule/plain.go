package rule

import "nmgre/routes/plain"

// firstNumbered is the first table that has no name on any host.
const firstNumbered = 256

// Plain reads a rule for the packets from an IPv4 network, with the numbers of its table and of its
// priority, as [Rule.AppendSpec] writes it: "from 10.0.0.2 table 1000 priority 1000". It is
// [Parse] for such rules, and much faster. It reports false for any other text, which may be a
// rule all the same.
func Plain(text []byte) (r Rule, ok bool) {
	const from = "from "
	if len(text) < len(from) || string(text[:len(from)]) != from {
		return Rule{}, false
	}
	network, text, ok := plain.Network(text[len(from):])
	if !ok || network.Bits() == 0 {
		return Rule{}, false
	}
	table, text, ok := plain.Word(text, " table ")
	if !ok || table < firstNumbered {
		return Rule{}, false
	}
	priority, text, ok := plain.Word(text, " priority ")
	if !ok || len(text) > 0 {
		return Rule{}, false
	}
	return Rule{From: network, Table: table, Priority: priority, HasPriority: true}, true
}
