package nmcli

import (
	"fmt"
	"strconv"
	"strings"

	"nmgre/routes/rule"
)

// ruleWords writes the rules of one family in the notation of nmcli's ipv4.routing-rules.
func ruleWords(list []rule.Rule, ipv6 bool) string {
	var texts []string
	for _, r := range list {
		if r.IPv6 == ipv6 {
			texts = append(texts, Rule(r))
		}
	}
	return strings.Join(texts, ", ")
}

// Rule writes a rule in the notation of nmcli's ipv4.routing-rules: it has the priority first,
// no names of tables or protocols, and the network of all addresses where no other is named.
func Rule(r rule.Rule) string {
	words := []string{"priority", strconv.FormatUint(uint64(r.Priority), 10)}
	if r.Not {
		words = append(words, "not")
	}
	switch {
	case r.From.IsValid():
		words = append(words, "from", r.From.String())
	case r.To.IsValid():
	case r.IPv6:
		words = append(words, "from", "::/0")
	default:
		words = append(words, "from", "0.0.0.0/0")
	}
	return strings.Join(append(append(words, conditions(r)...), action(r)...), " ")
}

// conditions are the conditions of a rule but for its source.
func conditions(r rule.Rule) []string {
	var words []string
	add := func(set bool, name string, value any) {
		if set {
			words = append(words, name, fmt.Sprint(value))
		}
	}
	add(r.To.IsValid(), "to", r.To)
	add(r.TOS != 0, "tos", fmt.Sprintf("0x%02x", r.TOS))
	add(r.Mask != 0, "fwmark", r.MarkText())
	add(r.IIF != "", "iif", r.IIF)
	add(r.OIF != "", "oif", r.OIF)
	add(r.UIDs.Set, "uidrange", fmt.Sprintf("%d-%d", r.UIDs.First, r.UIDs.Last))
	add(r.IPProto != 0, "ipproto", r.IPProto)
	add(r.SPort.First != 0, "sport", r.SPort)
	add(r.DPort.First != 0, "dport", r.DPort)
	return words
}

// action returns nmcli's words for the action of a rule.
func action(r rule.Rule) []string {
	if r.Action != rule.Lookup {
		return []string{"type", r.Action.String()}
	}
	words := []string{"table", strconv.FormatUint(uint64(r.Table), 10)}
	if r.SuppressLength != 0 {
		words = append(words, "suppress_prefixlength", strconv.Itoa(int(r.SuppressLength)-1))
	}
	return words
}
