package nm

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
)

// IPCommands returns the ip commands that make the same tunnel. It lasts until the next reboot.
func (t Tunnel) IPCommands() []string {
	link := []string{"ip", "link", "add", "name", t.Name, "type", t.Mode.String(), "remote", t.Remote.String()}
	add := func(words ...string) { link = append(link, words...) }
	if t.Local.IsValid() && !t.Local.IsUnspecified() {
		add("local", t.Local.String())
	}
	add(t.IPKeys()...)
	add("ttl", gre.TTLText(t.TTL))
	if t.TOS != 0 {
		add("tos", gre.TOSText(t.TOS))
	}
	add(t.ipFamilyWords()...)
	if t.Parent != "" {
		add("dev", t.Parent)
	}
	add(t.optionWords()...)
	if t.MAC != "" {
		link = slices.Insert(link, 5, "address", t.MAC) // of the device, before its type
	}
	commands := []string{fault.Shell(link)}
	for _, p := range t.Addresses {
		commands = append(commands, fault.Shell([]string{"ip", "address", "add", p.String(), "dev", t.Name}))
	}
	up := []string{"ip", "link", "set", "dev", t.Name, "up"}
	if t.MTU != 0 {
		up = append(up, "mtu", strconv.FormatUint(uint64(t.MTU), 10))
	}
	if t.Link.Multicast {
		up = append(up, "multicast", "on")
	}
	if t.Controller != "" {
		up = append(up, "master", t.Controller)
	}
	commands = append(commands, fault.Shell(up))
	for _, r := range t.Routes {
		commands = append(commands, r.IPRoute("add", t.Name))
	}
	for _, r := range t.Rules {
		commands = append(commands, r.IPRule("add"))
	}
	return commands
}

// optionWords are the words of the options that NetworkManager cannot hold.
func (t Tunnel) optionWords() []string {
	var words []string
	for _, option := range []struct {
		on   bool
		word string
	}{{t.Link.IgnoreDF, "ignore-df"}, {t.Link.Checksum, "csum"}, {t.Link.Sequence, "seq"}} {
		if option.on {
			words = append(words, option.word)
		}
	}
	return words
}

// IPLinkOptions returns the ip commands that switch options of the tunnel's link on and off.
func (t Tunnel) IPLinkOptions(on, off gre.LinkOptions) []string {
	var commands []string
	link := func(words ...string) []string { return append([]string{"ip", "link", "set", "dev", t.Name}, words...) }
	words := Tunnel{Link: on}.optionWords()
	for _, word := range (Tunnel{Link: off}).optionWords() {
		words = append(words, "no"+word)
	}
	if len(words) > 0 {
		commands = append(commands, fault.Shell(append(link("type", t.Mode.String()), words...)))
	}
	if on.Multicast || off.Multicast {
		commands = append(commands, fault.Shell(link("multicast", map[bool]string{true: "on", false: "off"}[on.Multicast])))
	}
	return commands
}

// ipFamilyWords are the words that iproute2 has for tunnels over IPv4 only, or over IPv6 only.
func (t Tunnel) ipFamilyWords() []string {
	if !t.Mode.IPv6Outer() {
		if t.NoPMTUD {
			return []string{"nopmtudisc"}
		}
		return nil
	}
	var words []string
	if t.Flags&gre.FlagIgnEncapLimit != 0 {
		words = append(words, "encaplimit", "none")
	} else if t.EncapLimit != 0 {
		words = append(words, "encaplimit", strconv.Itoa(int(t.EncapLimit)))
	}
	if t.FlowLabel != 0 {
		words = append(words, "flowlabel", fmt.Sprintf("%#x", t.FlowLabel))
	}
	return words
}

// IPKeys returns the keys in iproute2's words: "key K", or "ikey K" and "okey K". It returns nil
// for a tunnel without keys.
func (t Tunnel) IPKeys() []string {
	if t.InputKey != nil && gre.SameKey(t.InputKey, t.OutputKey) {
		return []string{"key", t.InputKey.String()}
	}
	var words []string
	if t.InputKey != nil {
		words = append(words, "ikey", t.InputKey.String())
	}
	if t.OutputKey != nil {
		words = append(words, "okey", t.OutputKey.String())
	}
	return words
}

// DescribeLink writes a GRE link in the words of `ip -d link`.
func DescribeLink(l kernel.Link) string {
	g := l.GRE
	words := []string{g.Mode.String(), "remote", gre.OuterText(g.Remote), "local", gre.OuterText(g.Local), "ttl", gre.TTLText(g.TTL)}
	if g.TOS != 0 {
		words = append(words, "tos", gre.TOSText(g.TOS))
	}
	words = append(words, Tunnel{InputKey: g.InputKey, OutputKey: g.OutputKey}.IPKeys()...)
	if !g.PMTUD && !g.Mode.IPv6Outer() {
		words = append(words, "nopmtudisc")
	}
	words = append(words, Tunnel{Link: l.Options()}.optionWords()...)
	if l.Options().Multicast {
		words = append(words, "multicast")
	}
	return strings.Join(words, " ") + fmt.Sprintf(", mtu %d", l.MTU)
}

// HopText writes the way to an address in the words of `ip route get`.
func HopText(to netip.Addr, hop kernel.Hop) string {
	text := to.String()
	if hop.Via.IsValid() {
		text += " via " + hop.Via.String()
	}
	text += " dev " + fault.Printable(hop.Dev)
	if hop.Src.IsValid() {
		text += " src " + hop.Src.String()
	}
	return text
}
