package linux

import (
	"strings"

	"nmgre/nm"
	"nmgre/nm/notation"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
)

var ifupdownHolds = notation.Holds{Modes: allModes, Keys: notation.TwoKeys, Can: everything | ipOptions | notation.CanManual | notation.CanRule | notation.CanRootRule | notation.CanAnyRule,
	Why: func() map[string]string {
		return map[string]string{"flags": "ip link has other words for some of them", "controller": whyInterface}
	}}

// stanzaWords are those of the commands in the stanzas.
func stanzaWords() map[string]string {
	return map[string]string{"--controller": "master", "--parent": "dev", "--peer-address": "pointopoint", "--address": "address"}
}

// Ifupdown is a stanza of Debian's classic ifupdown: interfaces(5) of ifupdown 0.8. Its own method
// "tunnel" has no key, so the link is made by ip.
var Ifupdown = notation.Kind{Name: "ifupdown", Title: "ifupdown", Holds: ifupdownHolds, Words: stanzaWords,
	Write: func(l notation.Link) string { return writeIfupdown(l, "ifupdown", ifupdownStyle{}) },
	Read:  readIfupdown, Looks: func(text string) int { return notation.Sure * notation.CountLines(text, "iface ") }}

// Ifupdown2 is a stanza of ifupdown2: ifupdown-addons-interfaces(5) of ifupdown2 3.0. Its
// tunnel-key has no effect, so the link is made by ip. It sets addresses before it runs pre-up, so
// ip sets them as well.
var Ifupdown2 = notation.Kind{Name: "ifupdown2", Title: "ifupdown2", Holds: ifupdownHolds, Words: stanzaWords,
	Write: func(l notation.Link) string { return writeIfupdown(l, "ifupdown2", ifupdownStyle{bare: true}) },
	Read:  readIfupdown, Looks: func(text string) int { return looksLike(text, "tunnel-endpoint ", "vlan-aware", "bridge-vlan-aware") }}

// IfupdownNG is a stanza of ifupdown-ng: interfaces-tunnel(5) of ifupdown-ng 0.12.
var IfupdownNG = notation.Kind{Name: "ifupdown-ng", Title: "ifupdown-ng", Holds: ifupdownHolds, Words: stanzaWords,
	Write: func(l notation.Link) string { return writeIfupdown(l, "ifupdown-ng", ifupdownStyle{own: true}) },
	Read:  readIfupdown, Looks: func(text string) int { return looksLike(text, "tunnel-remote ", "tunnel-local-dev ") }}

// looksLike counts the stanzas of a text that has one of the words, and one more.
func looksLike(text string, words ...string) int {
	if notation.CountLines(text, words...) == 0 {
		return 0
	}
	return notation.Sure*notation.CountLines(text, "iface ") + 1
}

// ifupdownStyle is how a stanza is written.
type ifupdownStyle struct {
	own  bool // a plain tunnel is made by the words of the program itself
	bare bool // the stanza has no address
}

// writeIfupdown writes a stanza.
func writeIfupdown(l notation.Link, title string, style ifupdownStyle) string {
	t := l.Near.Tunnel
	p := notation.NewPage("#", title, l.Near)
	p.Comment("in /etc/network/interfaces or a file below interfaces.d; then: ifup %s", t.Name)
	p.When(style.own, "# Debian 13 and newer, where it may be there beside ifupdown, call it ifup-ng")
	p.MSS(t)
	p.When(t.Autoconnect, "auto %s", t.Name)
	first, rest := ifupdownFirst(t)
	if style.bare && first != "" {
		first, rest = "", append([]string{first}, rest...)
	}
	family, method := "inet", "manual"
	if first != "" {
		method = "static"
		if strings.Contains(first, ":") {
			family = "inet6"
		}
	}
	p.Line("iface %s %s %s", t.Name, family, method)
	p.When(first != "", "    address %s", first)
	p.When(first != "", "    mtu %d", t.MTU)
	add, up := ifupdownCommands(l)
	own := style.own && ifupdownOwn(t)
	if own {
		ifupdownWords(p, t)
	} else {
		p.Line("    pre-up %s", add)
	}
	p.When(first == "", "    up ip link set dev %s up mtu %d", t.Name, t.MTU)
	p.When(t.Link.Multicast, "    up ip link set dev %s multicast on", t.Name)
	p.When(t.Controller != "", "    up ip link set dev %s master %s", t.Name, fault.ShellWord(t.Controller))
	for _, a := range rest {
		p.Line("    up ip address add %s dev %s", a, t.Name)
	}
	for _, command := range up {
		p.Line("    up %s", command)
	}
	for _, r := range t.Rules {
		p.Line("    down %s", r.IPRule("del"))
	}
	p.When(!own, "    post-down ip link delete dev %s", fault.ShellWord(t.Name))
	return p.String()
}

// ifupdownFirst returns the address of the stanza itself, and the others.
func ifupdownFirst(t nm.Tunnel) (first string, rest []string) {
	for _, a := range append(notation.Inner4(t), notation.Inner6(t)...) {
		if first == "" {
			first = a.String()
			continue
		}
		rest = append(rest, a.String())
	}
	return first, rest
}

// ifupdownCommands are the command that makes the link, and those that add the routes and rules.
func ifupdownCommands(l notation.Link) (add string, up []string) {
	for i, command := range l.Near.IPCommands() {
		switch {
		case i == 0:
			add = command
		case strings.HasPrefix(command, "ip route ") || strings.HasPrefix(command, "ip -6 route ") || strings.HasPrefix(command, "ip rule ") || strings.HasPrefix(command, "ip -6 rule "):
			up = append(up, command)
		}
	}
	return add, up
}

// ifupdownOwn says whether the words of ifupdown-ng are enough: it hands them to `ip tunnel`, which
// makes no Ethernet tunnels.
func ifupdownOwn(t nm.Tunnel) bool {
	return t.Mode == gre.ModeGRE && !t.NoPMTUD && t.TOS == 0 && t.Parent == "" && !t.Link.Checksum && !t.Link.Sequence && t.Local.IsValid() && !t.Local.IsUnspecified()
}

func ifupdownWords(p *notation.Page, t nm.Tunnel) {
	p.Line("    tunnel-mode %s", t.Mode)
	p.Line("    tunnel-local %s", t.Local)
	p.Line("    tunnel-remote %s", t.Remote)
	p.Line("    tunnel-ttl %s", gre.TTLText(t.TTL))
	words := t.IPKeys()
	for i := 0; i+1 < len(words); i += 2 {
		p.Line("    tunnel-%s %s", words[i], words[i+1])
	}
}
