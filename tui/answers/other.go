package answers

import (
	"net/netip"
	"slices"
	"strings"

	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/tui/form"
)

// other is the ID of the field about the other end.
const other = "other"

// otherField asks first whether the other end is there already. Two ends that begin from the same
// proposals would not fit each other.
func otherField() *form.Field {
	return form.NewText(other, "The other end", "", "not made yet: this end is the first",
		"if it is there already, paste the line that it printed for this end (nmgre create ...), or type its inner address, such as 172.16.0.1/30")
}

// takeOther fills in the fields that follow from the other end: from the line that it printed for
// this end, or from its inner address. It returns the error of a text that is neither.
func (a *Answers) takeOther(text string) *fault.Error {
	if text == "" {
		return nil
	}
	if _, line, found := strings.Cut(text, "nmgre create "); found {
		words, whole := shellWords(line)
		if !whole {
			return fault.Invalid(other, "copy it once more, from nmgre create to its end", "the line is not whole")
		}
		return a.takeLine(words)
	}
	inner, err := netip.ParsePrefix(text)
	if alone, aloneErr := netip.ParseAddr(text); aloneErr == nil && alone.Zone() == "" {
		inner, err = netip.PrefixFrom(alone, alone.BitLen()-2), nil // a network of two hosts
	}
	near := nm.NewTunnel()
	near.Addresses = []netip.Prefix{inner}
	if err != nil || len(nm.CheckAddresses(near)) > 0 {
		return fault.Invalid(other, "paste the line that begins with nmgre create, or type an address such as 172.16.0.1/30", "this is neither the line that the other end printed nor its inner address")
	}
	own := near.FarEnd(nil)
	if len(own.Addresses) == 0 {
		return fault.Invalid(other, "type it with the length of the network that both ends share, such as 172.16.0.1/30", "%s is in no network with another host", inner)
	}
	a.get("network").Choose(ownNetwork)
	a.get("address").SetText(own.Addresses[0].String())
	a.get("peer-address").SetText("")
	if own.PeerAddress != nm.DerivePeer(own.Addresses) {
		a.get("peer-address").SetText(own.PeerAddress.String())
	}
	return nil
}

// takeLine fills in the flags of create.
func (a *Answers) takeLine(words []string) *fault.Error {
	values := make(map[string][]string)
	for i := 0; i < len(words); i++ {
		flag, value, joined := strings.Cut(strings.TrimPrefix(words[i], "--"), "=")
		switch isSwitch := flag == "no-pmtud" || flag == "forward" || flag == "clamp-mss" || slices.Contains(gre.LinkOptionNames(), flag); {
		case !strings.HasPrefix(words[i], "--"):
			return fault.Invalid(other, "copy it once more, from nmgre create to its end", "the line has \"%s\" where a flag is expected", fault.Printable(words[i]))
		case isSwitch && !joined:
			value = form.YesNo(true)
		case !joined && i+1 < len(words):
			i++
			value = words[i]
		case !joined:
			return fault.Invalid(other, "copy it once more, from nmgre create to its end", "the line ends at --%s", fault.Printable(flag))
		}
		values[flag] = append(values[flag], value)
	}
	a.fill(values)
	return nil
}

// fill puts the values of create's flags into the fields.
func (a *Answers) fill(values map[string][]string) {
	first := func(flag string) string { return strings.Join(values[flag][:min(len(values[flag]), 1)], "") }
	for _, flag := range []string{"peer", "name", "key", "input-key", "output-key", "ttl", "tos", "mtu", "encap-limit", "flow-label", "mac"} {
		if len(values[flag]) > 0 {
			a.get(flag).SetText(first(flag))
		}
	}
	a.get("keys").Choose(keysNone)
	switch {
	case len(values["key"]) > 0:
		a.get("keys").Choose(keysOne)
	case len(values["input-key"])+len(values["output-key"]) > 0:
		a.get("keys").Choose(keysTwo)
	}
	a.get("mode").Choose(first("mode"))
	a.get("local").Choose(first("local"))
	a.get("no-pmtud").Answer(form.YesNo(len(values["no-pmtud"]) == 0))
	for _, name := range gre.LinkOptionNames() {
		a.get(name).Answer(form.YesNo(len(values[name]) > 0))
	}
	if len(values["controller"]) > 0 { // a bridge of that name may be here
		a.get("controller").Choose(first("controller"))
	}
	if addresses := values["address"]; len(addresses) > 0 {
		a.get("network").Choose(ownNetwork)
		a.get("address").SetText(addresses[0])
		a.get("more").SetText(strings.Join(addresses[1:], " "))
		a.get("peer-address").SetText(strings.Join(values["peer-address"], " "))
	}
	a.Forms[PageRoutes].Fields = append(routeFields(values["route"]), ruleFields(values["rule"])...)
}

// shellWords splits a line that nmgre has printed for a shell. It is not whole if a quote is open.
func shellWords(line string) (words []string, whole bool) {
	var word strings.Builder
	quoted, any := false, false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\'':
			quoted, any = !quoted, true
		case c == '\\' && !quoted && i+1 < len(line):
			i++
			word.WriteByte(line[i])
		case (c == ' ' || c == '\t') && !quoted:
			if any {
				words = append(words, word.String())
			}
			any = false
			word.Reset()
		default:
			any = true
			word.WriteByte(c)
		}
	}
	if any {
		words = append(words, word.String())
	}
	return words, !quoted
}
