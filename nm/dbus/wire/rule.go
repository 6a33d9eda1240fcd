package wire

import (
	"errors"
	"net/netip"
	"sync"

	"github.com/godbus/dbus/v5"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/rule"
)

// routingRules is the property with the rules of the routing policy.
const routingRules = "routing-rules"

// maxRules bounds the rules of one family in a profile.
const maxRules = 20_000

// The numbers of the families on D-Bus, which are the kernel's (AF_INET, AF_INET6).
const (
	familyInet  int32 = 2
	familyInet6 int32 = 10
)

// ruleActions are the actions of a rule by their numbers on D-Bus, which are the kernel's.
var ruleActions = map[byte]rule.Action{1: rule.Lookup, 6: rule.Blackhole, 7: rule.Unreachable, 8: rule.Prohibit}

// ruleAttributes are the attributes that an entry of routing-rules can have (rr_dbus_data in
// nm-setting-ip-config.c).
var ruleAttributes = sync.OnceValue(func() map[string]bool {
	return map[string]bool{"action": true, "dport-end": true, "dport-start": true, "family": true, "from": true, "from-len": true, "fwmark": true, "fwmask": true,
		"iifname": true, "invert": true, "ipproto": true, "oifname": true, "priority": true, "sport-end": true, "sport-start": true, "suppress-prefixlength": true, "table": true,
		"to": true, "to-len": true, "tos": true, "uid-range-end": true, "uid-range-start": true}
})

// encodeRules writes routing-rules. A rule that s has already keeps its entry. Entries that nmgre
// cannot read follow the others. A rule that no profile can hold is left out.
func encodeRules(s Settings, family string, all []rule.Rule) {
	old := make(map[rule.Rule]Entry)
	var own, foreign []Entry
	for _, e := range s.Entries(family, routingRules) {
		if r, err := decodeRule(e, family); err == nil {
			old[r] = e
		} else {
			foreign = append(foreign, e)
		}
	}
	for _, r := range all {
		if r.IPv6 != (family == IPv6) {
			continue
		}
		if e := old[r]; e != nil {
			own = append(own, e)
		} else if nm.UnfitRule(r) == "" {
			own = append(own, encodeRule(r))
		}
	}
	s.SetEntries(family, routingRules, append(own, foreign...))
}

// encodeRule returns the entry for r.
func encodeRule(r rule.Rule) Entry {
	number := familyInet
	if r.IPv6 {
		number = familyInet6
	}
	e := Entry{"family": dbus.MakeVariant(number), "priority": dbus.MakeVariant(r.Priority)}
	for number, action := range ruleActions {
		if action == r.Action {
			e["action"] = dbus.MakeVariant(number)
		}
	}
	attribute(e, "table", r.Table, 0)
	attribute(e, "invert", r.Not, false)
	attribute(e, "tos", r.TOS, 0)
	attribute(e, "ipproto", r.IPProto, 0)
	attribute(e, "iifname", r.IIF, "")
	attribute(e, "oifname", r.OIF, "")
	encodeNetwork(e, "from", r.From)
	encodeNetwork(e, "to", r.To)
	if r.Mask != 0 {
		e["fwmark"], e["fwmask"] = dbus.MakeVariant(r.Mark), dbus.MakeVariant(r.Mask)
	}
	if r.UIDs.Set {
		e["uid-range-start"], e["uid-range-end"] = dbus.MakeVariant(r.UIDs.First), dbus.MakeVariant(r.UIDs.Last)
	}
	attribute(e, "sport-start", r.SPort.First, 0)
	attribute(e, "sport-end", r.SPort.Last, 0)
	attribute(e, "dport-start", r.DPort.First, 0)
	attribute(e, "dport-end", r.DPort.Last, 0)
	if r.SuppressLength != 0 {
		e["suppress-prefixlength"] = dbus.MakeVariant(int32(r.SuppressLength) - 1)
	}
	return e
}

func encodeNetwork(e Entry, name string, n netip.Prefix) {
	if n.IsValid() {
		e[name], e[name+"-len"] = dbus.MakeVariant(n.Addr().String()), dbus.MakeVariant(byte(n.Bits())) //nolint:gosec // at most 128
	}
}

// rules reads the rules of one family that nmgre knows.
func (d *decoder) rules(family string) []rule.Rule {
	var known []rule.Rule
	for _, e := range d.entries(family, routingRules, maxRules) {
		if r, err := decodeRule(e, family); err == nil {
			known = append(known, r)
		}
	}
	return known
}

// errForeignRule is for a rule that nmgre cannot read in full.
var errForeignRule = errors.New("is not known")

// decodeRule reads an entry of routing-rules. It fails for one that nmgre cannot read in full,
// which a later NetworkManager may have.
func decodeRule(e Entry, family string) (rule.Rule, error) {
	a := attributes{entry: e, family: family}
	for name := range e {
		if !ruleAttributes()[name] {
			return rule.Rule{}, errForeignRule
		}
	}
	action, known := ruleActions[attributeOf[byte](&a, "action")]
	if _, ok := e["action"]; !ok {
		action, known = rule.Lookup, true
	}
	r := rule.Rule{IPv6: family == IPv6, Action: action, Table: attributeOf[uint32](&a, "table"), Not: attributeOf[bool](&a, "invert"),
		Priority: attributeOf[uint32](&a, "priority"), HasPriority: true, TOS: attributeOf[byte](&a, "tos"), IPProto: attributeOf[byte](&a, "ipproto"),
		IIF: attributeOf[string](&a, "iifname"), OIF: attributeOf[string](&a, "oifname"), From: a.ruleNetwork("from"), To: a.ruleNetwork("to"),
		SPort: a.ports("sport"), DPort: a.ports("dport")}
	r.Mark, r.Mask = attributeOf[uint32](&a, "fwmark"), attributeOf[uint32](&a, "fwmask")
	r.Mark &= r.Mask
	if _, ok := e["uid-range-start"]; ok {
		first, last := rangeOf[uint32](&a, "uid-range")
		r.UIDs = rule.UIDs{First: first, Last: last, Set: true}
	}
	if length := optional[int32](&a, "suppress-prefixlength"); length != nil && *length >= 0 && *length <= 128 {
		r.SuppressLength = uint8(*length) + 1 //nolint:gosec // at most 128
	}
	if r.Action != rule.Lookup {
		r.Table = 0
	}
	if a.err == nil && !known {
		a.err = errForeignRule
	}
	return r, errors.Join(a.err, checkRule(r))
}

// checkRule refuses a rule whose text would be read as another.
func checkRule(r rule.Rule) error {
	for _, dev := range []string{r.IIF, r.OIF} {
		if dev != "" && !routes.IsDevice(dev) {
			return errForeignRule
		}
	}
	if again, err := rule.Parse(r.String()); err != nil || again != r {
		return errForeignRule
	}
	return nil
}

// ruleNetwork returns an address with its length as a network; the zero Prefix for all.
func (a *attributes) ruleNetwork(name string) netip.Prefix {
	length := int(attributeOf[byte](a, name+"-len"))
	addr := a.addr(name)
	if !addr.IsValid() || length == 0 {
		return netip.Prefix{}
	}
	if length > addr.BitLen() {
		a.fail("%s: the prefix length %d", name, length)
	}
	return netip.PrefixFrom(addr, length).Masked()
}

// ports returns a range of ports.
func (a *attributes) ports(name string) (p rule.Ports) {
	p.First, p.Last = rangeOf[uint16](a, name)
	return p
}

// rangeOf returns the ends of a range. NetworkManager leaves out the end of a range of one.
func rangeOf[T uint16 | uint32](a *attributes, name string) (first, last T) {
	first, last = attributeOf[T](a, name+"-start"), attributeOf[T](a, name+"-end")
	if _, ok := a.entry[name+"-end"]; !ok {
		last = first
	}
	return first, last
}
