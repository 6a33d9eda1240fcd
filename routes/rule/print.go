package rule

import (
	"fmt"
	"net/netip"
	"strconv"

	"nmgre/routes"
	"nmgre/routes/fault"
)

// String returns the rule as a SPEC in its canonical form. [Parse] reads it back as the same rule,
// and it means the same to `ip rule`.
func (r Rule) String() string { return string(r.AppendSpec(make([]byte, 0, 96))) }

// MarshalText returns the rule's SPEC, by which it stands in JSON.
func (r Rule) MarshalText() ([]byte, error) { return r.AppendSpec(nil), nil }

// UnmarshalText reads a SPEC, as [Parse] does.
func (r *Rule) UnmarshalText(text []byte) (err error) {
	*r, err = Parse(string(text))
	return err
}

// AppendSpec appends the rule's SPEC to b.
func (r Rule) AppendSpec(b []byte) []byte {
	if r.Not {
		b = append(b, "not "...)
	}
	b = r.appendConditions(b)
	if r.Action != Lookup {
		b = append(append(b, ' '), r.Action.String()...)
	} else {
		b = append(append(b, " table "...), routes.TableText(r.Table)...)
	}
	if r.SuppressLength != 0 {
		b = strconv.AppendUint(append(b, " suppress_prefixlength "...), uint64(r.SuppressLength)-1, 10)
	}
	if r.SuppressGroup != 0 {
		b = strconv.AppendUint(append(b, " suppress_ifgroup "...), uint64(r.SuppressGroup)-1, 10)
	}
	if r.HasPriority {
		b = strconv.AppendUint(append(b, " priority "...), uint64(r.Priority), 10)
	}
	return b
}

// appendConditions appends the conditions. A rule of IPv6 without an address names all of them:
// nothing else tells its family.
func (r Rule) appendConditions(b []byte) []byte {
	start := len(b)
	word := func(name, value string) {
		if len(b) > start {
			b = append(b, ' ')
		}
		b = append(append(append(b, name...), ' '), value...)
	}
	switch {
	case r.From.IsValid():
		word("from", prefixText(r.From))
	case r.IPv6 && !r.To.IsValid():
		word("from", "::/0")
	case !r.Conditions():
		word("from", "all")
	}
	if r.To.IsValid() {
		word("to", prefixText(r.To))
	}
	if r.TOS != 0 {
		word("tos", fmt.Sprintf("0x%02x", r.TOS))
	}
	if r.Mask != 0 {
		word("fwmark", r.MarkText())
	}
	if r.IIF != "" {
		word("iif", r.IIF)
	}
	if r.OIF != "" {
		word("oif", r.OIF)
	}
	r.appendNumbers(word)
	return b
}

// appendNumbers hands over the conditions that are numbers.
func (r Rule) appendNumbers(word func(name, value string)) {
	if r.UIDs.Set {
		word("uidrange", fmt.Sprintf("%d-%d", r.UIDs.First, r.UIDs.Last))
	}
	if r.IPProto != 0 {
		word("ipproto", protoText(r.IPProto))
	}
	if r.SPort.First != 0 {
		word("sport", r.SPort.String())
	}
	if r.DPort.First != 0 {
		word("dport", r.DPort.String())
	}
}

// MarkText returns the mark as iproute2 shows it: 0x1, or 0x1/0xff with a mask.
func (r Rule) MarkText() string {
	if r.Mask == 1<<32-1 && r.Mark != 0 {
		return fmt.Sprintf("%#x", r.Mark)
	}
	return fmt.Sprintf("0x%x/0x%x", r.Mark, r.Mask)
}

// String returns a range such as 80-90, or a single port.
func (p Ports) String() string {
	if p.First == p.Last {
		return strconv.Itoa(int(p.First))
	}
	return fmt.Sprintf("%d-%d", p.First, p.Last)
}

// prefixText writes a network, without the length if it is a host.
func prefixText(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// protoText returns the name of a protocol, or its number.
func protoText(number uint8) string {
	for name, n := range protocols() {
		if n == number {
			return name
		}
	}
	return strconv.Itoa(int(number))
}

// IPRule returns the command `ip rule VERB` for the rule, quoted for a POSIX shell. The verb is add
// or del.
func (r Rule) IPRule(verb string) string {
	words := []string{"ip", "rule", verb}
	if r.IPv6 {
		words = []string{"ip", "-6", "rule", verb}
	}
	for _, word := range wordsOf(r.String()) {
		if words[len(words)-1] == "ipproto" { // ip has its names from /etc/protocols, which may be absent
			word = strconv.Itoa(int(r.IPProto))
		}
		words = append(words, word)
	}
	return fault.Shell(words)
}
