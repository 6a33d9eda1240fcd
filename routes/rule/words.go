package rule

import (
	"math"
	"strconv"
	"strings"
	"sync"

	"nmgre/routes"
	"nmgre/routes/fault"
)

// synonyms has the name of the field that a word of `ip rule` sets.
var synonyms = sync.OnceValue(func() map[string]string {
	return map[string]string{
		"not": "not", "from": "from", "to": "to", "tos": "tos", "fwmark": "fwmark", "iif": "iif", "dev": "iif", "oif": "oif", "uidrange": "uidrange",
		"ipproto": "ipproto", "sport": "sport", "dport": "dport", "lookup": "table", "sup_pl": "suppress_prefixlength", "sup_group": "suppress_ifgroup",
		"blackhole": "action", "unreachable": "action", "prohibit": "action", "unicast": "unicast",
		"goto": "goto", "nop": "nop", "nat": "nat", "map-to": "nat", "l3mdev": "l3mdev", "tun_id": "tun_id", "dscp": "dscp", "flowlabel": "flowlabel",
		"add": "command", "del": "command", "delete": "command", "ip": "command", "rule": "command", "sudo": "command",
	}
})

// shortened are words that iproute2 takes shortened, each with the fewest letters that are clear.
var shortened = []struct {
	word, name string
	least      int
}{
	{"priority", "priority", 2}, {"preference", "priority", 2}, {"order", "priority", 2}, {"dsfield", "tos", 2}, {"table", "table", 2},
	{"suppress_prefixlength", "suppress_prefixlength", 10}, {"suppress_ifgroup", "suppress_ifgroup", 10}, {"realms", "realms", 3}, {"protocol", "protocol", 4},
}

// nameOf returns the name of the field that a word sets, or "" for a word that is not known.
func nameOf(word string) string {
	if name := synonyms()[word]; name != "" {
		return name
	}
	for _, s := range shortened {
		if len(word) >= s.least && strings.HasPrefix(s.word, word) {
			return s.name
		}
	}
	return ""
}

// refusedWords are words of `ip rule` that nmgre does not take, with the reason.
var refusedWords = sync.OnceValue(func() map[string]string {
	return map[string]string{
		"goto":      "nmgre has no jumps between rules: give the rules priorities in the order that they are to decide in",
		"nop":       "a rule that does nothing is for goto only, which nmgre does not have: leave it out",
		"nat":       "the kernel has no NAT by rules since 2.6: use --snat",
		"l3mdev":    "every host with a VRF has that rule already: leave it out",
		"tun_id":    "a GRE tunnel of NetworkManager has no tunnel ID: use fwmark",
		"realms":    "nmgre has no realms in rules: leave it out",
		"protocol":  "nmgre sets the protocol itself, to know its own rules: leave it out, or write ipproto for the packets' protocol",
		"dscp":      "write it as tos, which is the dscp times 4",
		"flowlabel": "nmgre has no flow labels in rules: use fwmark",
		"command":   "write only the words that come after ip rule add",
	}
})

// readers read the rest of each attribute.
var readers = map[string]func(p *parser, word string) error{
	"not": func(p *parser, _ string) error { p.rule.Not = true; return nil },
	"from": func(p *parser, word string) (err error) {
		p.rule.From, err = p.prefix(word)
		return err
	},
	"to": func(p *parser, word string) (err error) {
		p.rule.To, err = p.prefix(word)
		return err
	},
	"unicast":               func(*parser, string) error { return nil }, // the action of a rule with a table
	"tos":                   (*parser).readTOS,
	"fwmark":                (*parser).readMark,
	"iif":                   func(p *parser, word string) error { return p.device(word, &p.rule.IIF) },
	"oif":                   func(p *parser, word string) error { return p.device(word, &p.rule.OIF) },
	"uidrange":              (*parser).readUIDs,
	"ipproto":               (*parser).readProto,
	"sport":                 func(p *parser, word string) error { return p.ports(word, &p.rule.SPort) },
	"dport":                 func(p *parser, word string) error { return p.ports(word, &p.rule.DPort) },
	"priority":              (*parser).readPriority,
	"table":                 (*parser).readTable,
	"suppress_prefixlength": (*parser).readSuppressLength,
	"suppress_ifgroup":      (*parser).readSuppressGroup,
	"action":                (*parser).readAction,
}

func (p *parser) readAction(word string) error {
	for i, name := range actionNames {
		if name == word {
			p.rule.Action = Action(i) //nolint:gosec // four of them
		}
	}
	return nil
}

func (p *parser) readPriority(after string) error {
	n, err := p.number(after, "a number", math.MaxUint32)
	p.rule.Priority, p.rule.HasPriority = n, true
	return err
}

func (p *parser) readTable(after string) error {
	word, err := p.value(after, "a table")
	if err != nil {
		return err
	}
	table, ok := p.names.Table(word)
	if !ok {
		return p.impossible(word, after, "a table is 1 to 4294967295, or a name from rt_tables")
	}
	p.rule.Table = table
	return nil
}

func (p *parser) readTOS(after string) error {
	word, err := p.value(after, "a number")
	if err != nil {
		return err
	}
	tos, ok := p.names.TOS(word)
	switch {
	case !ok:
		return p.impossible(word, after, after+" takes 0x0 to 0xff, always hexadecimal, or a name such as CS1, AF11 or EF")
	case tos&3 != 0:
		return p.impossible(word, after, "the two lowest bits are those of ECN, which no rule can choose by: the nearest is 0x"+strconv.FormatUint(uint64(tos&^3), 16))
	}
	p.rule.TOS = tos
	return nil
}

// readMark reads a mark and its mask. The kernel takes a mark of 0 without a mask for any mark,
// which nobody means by it.
func (p *parser) readMark(after string) error {
	word, err := p.value(after, "a mark")
	if err != nil {
		return err
	}
	mark, mask, masked := strings.Cut(word, "/")
	n, ok := routes.Number(mark, 32)
	bits, okMask := uint64(math.MaxUint32), true
	if masked {
		bits, okMask = routes.Number(mask, 32)
	}
	switch {
	case !ok || !okMask:
		return p.impossible(word, after, "write it as 0x1, or with a mask as 0x1/0xff")
	case n == 0 && !masked:
		return p.impossible(word, after, "the kernel takes it for any mark; for packets without a mark write 0/0xffffffff")
	case bits == 0:
		return p.impossible(word, after, "a mask of 0 fits every mark: leave fwmark out")
	}
	p.rule.Mark, p.rule.Mask = uint32(n&bits), uint32(bits) //nolint:gosec // 32 bits each
	return nil
}

func (p *parser) readUIDs(after string) error {
	word, err := p.value(after, "a range of user IDs")
	if err != nil {
		return err
	}
	first, last, two := strings.Cut(word, "-")
	if !two {
		last = first
	}
	a, ok1 := routes.Number(first, 32)
	b, ok2 := routes.Number(last, 32)
	if !ok1 || !ok2 || a > b || b == math.MaxUint32 {
		return p.impossible(word, after, "write it as 1000-1999, the lower one first")
	}
	p.rule.UIDs = UIDs{uint32(a), uint32(b), true} //nolint:gosec // 32 bits each
	return nil
}

// protocols are the protocols that have names here (IANA's protocol numbers).
var protocols = sync.OnceValue(func() map[string]uint8 {
	return map[string]uint8{"icmp": 1, "igmp": 2, "ipencap": 4, "tcp": 6, "udp": 17, "dccp": 33, "ipv6": 41, "rsvp": 46, "gre": 47, "esp": 50, "ah": 51, "ipv6-icmp": 58,
		"eigrp": 88, "ospf": 89, "pim": 103, "vrrp": 112, "l2tp": 115, "sctp": 132, "udplite": 136}
})

func (p *parser) readProto(after string) error {
	word, err := p.value(after, "a protocol")
	if err != nil {
		return err
	}
	n, ok := routes.Number(word, 8)
	number := uint8(n) //nolint:gosec // 8 bits
	if !ok {
		number, ok = protocols()[word]
	}
	if !ok || number == 0 {
		return p.impossible(word, after, "write tcp, udp, icmp, gre, or a number from 1 to 255")
	}
	p.rule.IPProto = number
	return nil
}

// maxPort is the highest port that the kernel takes in a rule (fib_rule_port_range_valid).
const maxPort = 65534

func (p *parser) ports(after string, to *Ports) error {
	word, err := p.value(after, "a port")
	if err != nil {
		return err
	}
	first, last, two := strings.Cut(word, "-")
	if !two {
		last = first
	}
	a, ok1 := routes.Number(first, 16)
	b, ok2 := routes.Number(last, 16)
	if !ok1 || !ok2 || a == 0 || a > b || b > maxPort {
		return p.impossible(word, after, "write a port from 1 to 65534, or a range such as 8000-8099")
	}
	*to = Ports{uint16(a), uint16(b)} //nolint:gosec // 16 bits each
	return nil
}

func (p *parser) readSuppressLength(after string) error {
	n, err := p.number(after, "a prefix length", 128)
	p.rule.SuppressLength = uint8(n) + 1 //nolint:gosec // at most 128
	return err
}

func (p *parser) readSuppressGroup(after string) error {
	n, err := p.number(after, "the number of a group of devices", math.MaxInt32-1)
	p.rule.SuppressGroup = n + 1
	return err
}

// number reads a number up to high.
func (p *parser) number(after, expected string, high uint32) (uint32, error) {
	word, err := p.value(after, expected)
	if err != nil {
		return 0, err
	}
	n, ok := routes.Number(word, 32)
	if !ok || n > uint64(high) {
		return 0, p.impossible(word, after, after+" takes 0 to "+strconv.FormatUint(uint64(high), 10))
	}
	return uint32(n), nil //nolint:gosec // 32 bits
}

func (p *parser) device(after string, to *string) error {
	word, err := p.value(after, "an interface's name")
	if err != nil {
		return err
	}
	if !routes.IsDevice(word) {
		return p.bad("an interface's name has 1 to 15 letters, digits and signs", "\"%.80s\" is no interface's name", fault.Printable(word))
	}
	*to = word
	return nil
}
