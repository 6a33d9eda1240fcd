package linux

import (
	"net/netip"
	"path"
	"slices"
	"strings"
	"sync"

	"nmgre/nm/notation"
	"nmgre/nm/notation/iproute"
	"nmgre/nm/notation/shell"
	"nmgre/routes"
)

// readWicked reads ifcfg-, ifroute- and ifrule- files of SUSE. A file's name has that of the
// interface.
func readWicked(r *notation.Reading) {
	for i := 0; i < len(r.Lines); {
		file, end := r.Lines[i].File, i
		for end < len(r.Lines) && r.Lines[end].File == file {
			end++
		}
		base := path.Base(file)
		switch dev, found := strings.CutPrefix(base, "ifroute-"); {
		case found:
			wickedRoutes(r, dev, i, end)
		case strings.HasPrefix(base, "ifrule-"):
			wickedRules(r, strings.TrimPrefix(base, "ifrule-"), i, end)
		case strings.HasPrefix(base, "ifcfg-"):
			wickedFile(r, strings.TrimPrefix(base, "ifcfg-"), i, end)
		default:
			for n := i; n < end; n++ {
				if strings.HasPrefix(strings.TrimSpace(r.Lines[n].Text), "#") {
					continue
				}
				r.Refuse(n, "the interface's name is that of the file: import the file ifcfg-NAME itself")
			}
		}
		i = end
	}
}

// wickedFile makes the tunnel of an ifcfg- file.
func wickedFile(r *notation.Reading, dev string, from, to int) {
	values, at, order := map[string]string{}, map[string]int{}, []string(nil)
	shell.Split(r.Lines[from:to], nil, func(c *shell.Command) {
		i := from + c.First
		for n := c.First + 1; n <= c.Last; n++ {
			r.Take(from + n)
		}
		if c.Bad != "" || c.Assigned == nil {
			r.Refuse(i, "it assigns no variable, and nothing of the input is run")
			return
		}
		for _, pair := range c.Assigned {
			if _, again := values[pair[0]]; !again {
				order = append(order, pair[0])
			}
			values[pair[0]], at[pair[0]] = pair[1], i
		}
	})
	if values["TUNNEL"] != "gre" || !routes.IsDevice(dev) {
		wickedForeign(r, values, at)
		return
	}
	f, fresh := r.Add(dev, from)
	if !fresh && f.Remote.String() == values["TUNNEL_LOCAL_IPADDR"] {
		f, fresh = r.Again(dev, from), true
	}
	if !fresh {
		r.Refuse(from, "%s is in line %d already", notation.Word(dev), r.Lines[f.At].N)
		return
	}
	f.Up = true
	for _, name := range order {
		r.Take(at[name])
		wickedVariable(r, f, name, values, at[name])
	}
	if !f.Remote.IsValid() {
		f.Refuse = "TUNNEL_REMOTE_IPADDR: NetworkManager needs the far end's address"
		r.Refuse(from, "%s", f.Refuse)
	}
}

func wickedForeign(r *notation.Reading, values map[string]string, at map[string]int) {
	for _, i := range at {
		r.Skip(i, "the file is of no GRE tunnel")
	}
	if p, err := netip.ParsePrefix(values["IPADDR"]); err == nil {
		r.Networks = append(r.Networks, p)
	}
}

// wickedTunnel are the variables for the properties of NetworkManager.
var wickedTunnel = sync.OnceValue(func() map[string]string {
	return map[string]string{"TUNNEL_LOCAL_IPADDR": "local", "TUNNEL_REMOTE_IPADDR": "remote", "TUNNEL_DEVICE": "parent", "TUNNEL_GRE_IKEY": "input-key",
		"TUNNEL_GRE_OKEY": "output-key", "MTU": "mtu", "TUNNEL_TTL": "ttl"}
})

func wickedVariable(r *notation.Reading, f *notation.Found, name string, values map[string]string, i int) {
	value := values[name]
	switch property := wickedTunnel()[name]; {
	case name == "TUNNEL" || name == "BOOTPROTO" || strings.HasPrefix(name, "PREFIXLEN") || strings.HasPrefix(name, "NETMASK") || strings.HasPrefix(name, "REMOTE_IPADDR"):
	case property == "ttl" && value == "inherit":
		f.TTL, f.TTLSet = 0, true
	case property != "" && value != "":
		profileTunnel(r, i, f, property, value)
		if strings.HasSuffix(property, "-key") && !strings.Contains(value, ".") && r.Lines[i].Fate == notation.Taken {
			r.Lines[i].Why = "as it is written: wicked 0.6 puts a plain number into other bytes of the key, which ip -d link shows there"
		}
	case property != "":
	case name == "TUNNEL_TOS":
		if value == "inherit" {
			f.TOS = 1
			return
		}
		profileTunnel(r, i, f, "tos", value)
	case name == "TUNNEL_PMTUDISC":
		f.NoPMTUD = !isYes(value)
	case name == "TUNNEL_GRE_FLAGS":
		wickedFlags(r, f, splitList(value), i)
	case name == "STARTMODE":
		f.Autoconnect = value != "manual" && value != "off"
	case strings.HasPrefix(name, "IPADDR"):
		suffix := strings.TrimPrefix(name, "IPADDR")
		own := value
		if length := values["PREFIXLEN"+suffix]; length != "" && !strings.Contains(own, "/") {
			own += "/" + length
		} else if mask := values["NETMASK"+suffix]; mask != "" && !strings.Contains(own, "/") {
			own = withMask(own, mask)
		}
		iproute.Inner(r, i, f, own, values["REMOTE_IPADDR"+suffix])
	case name == "ZONE":
		f.Zone = value
	case name == "NAME" || name == "USERCONTROL" || name == "FIREWALL" || name == "ETHTOOL_OPTIONS" || strings.HasPrefix(name, "LABEL") || strings.HasPrefix(name, "SCOPE") || strings.HasPrefix(name, "BROADCAST"):
		r.Skip(i, "%s is no part of a tunnel", name)
	default:
		r.Refuse(i, "%s is not read", notation.Word(name))
	}
}

// wickedFlags reads checksums and sequence numbers, which nmgre has in both directions.
func wickedFlags(r *notation.Reading, f *notation.Found, words []string, i int) {
	has := func(word string) bool { return slices.Contains(words, word) }
	f.Link.Checksum, f.Link.Sequence = has("icsum") && has("ocsum"), has("iseq") && has("oseq")
	for _, word := range words {
		switch {
		case word == "ikey" || word == "okey" || word == "key":
		case f.Link.Checksum && (word == "icsum" || word == "ocsum"):
		case f.Link.Sequence && (word == "iseq" || word == "oseq"):
		default:
			f.Refuse = "TUNNEL_GRE_FLAGS: nmgre has no " + word + " in one direction only"
			r.Refuse(i, "%s", f.Refuse)
		}
	}
}

// wickedRoutes reads DESTINATION GATEWAY NETMASK INTERFACE [TYPE] [OPTIONS].
func wickedRoutes(r *notation.Reading, dev string, from, to int) {
	script := iproute.New(r)
	for i := from; i < to; i++ {
		text, _, _ := strings.Cut(r.Lines[i].Text, "#")
		words := strings.Fields(text)
		if len(words) == 0 {
			continue
		}
		field := func(n int) string {
			if n < len(words) && words[n] != "-" {
				return words[n]
			}
			return ""
		}
		destination := field(0)
		if mask := field(2); mask != "" && !strings.Contains(destination, "/") {
			destination = withMask(destination, mask)
		}
		spec := []string{destination}
		if kind := field(4); kind != "" && kind != "unicast" {
			spec = []string{kind, destination}
		}
		if gateway := field(1); gateway != "" && gateway != "0.0.0.0" {
			spec = append(spec, "via", gateway)
		}
		if len(words) > 5 {
			spec = append(spec, words[5:]...)
		}
		name := dev
		if field(3) != "" {
			name = field(3)
		}
		script.Route(i, spec, name, strings.Contains(destination, ":"))
	}
}

// wickedRuleWords are wicked's own spellings of the words of `ip rule`.
var wickedRuleWords = map[string]string{"src": "from", "dst": "to", "suppress-prefixlength": "suppress_prefixlength", "suppress-ifgroup": "suppress_ifgroup"}

// wickedRules reads the rules of an interface. A line that ends with \\ is continued on the next.
func wickedRules(r *notation.Reading, dev string, from, to int) {
	script, begin, words := iproute.New(r), from, []string(nil)
	for i := from; i < to; i++ {
		text := strings.TrimSpace(r.Lines[i].Text)
		if strings.HasPrefix(text, "#") {
			continue
		}
		if len(words) == 0 {
			begin = i
		}
		more, continued := strings.CutSuffix(text, "\\")
		words = append(words, strings.Fields(more)...)
		if continued && i+1 < to {
			r.Take(i)
			continue
		}
		wickedRuleLine(script, begin, words, dev)
		for at := begin + 1; at <= i; at++ {
			r.Lines[at].Fate, r.Lines[at].Why = r.Lines[begin].Fate, r.Lines[begin].Why
		}
		words = nil
	}
}

// wickedRuleLine reads one rule.
func wickedRuleLine(script *iproute.Script, i int, words []string, dev string) {
	six, rest := false, make([]string, 0, len(words))
	for at, word := range words {
		switch {
		case word == "ipv4":
		case word == "ipv6":
			six = true
		case word == "type" && at+1 < len(words):
		case wickedRuleWords[word] != "":
			rest = append(rest, wickedRuleWords[word])
		default:
			rest = append(rest, word)
		}
	}
	script.Rule(i, rest, dev, six)
}
