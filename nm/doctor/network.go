package doctor

import (
	"fmt"
	"slices"
	"strings"
)

func ofFirewall(f *Facts) []Finding {
	w := f.Firewall
	programs := slices.Clone(w.Programs)
	if w.UFW && !slices.Contains(programs, "ufw") {
		programs = append(programs, "ufw")
	}
	text := strings.Join(programs, ", ")
	if w.Others > 0 {
		text = join(text, fmt.Sprintf("%s of nftables that %s nobody's that nmgre knows", counted(w.Others, "table", "tables"), are(w.Others)))
	}
	switch {
	case w.Legacy:
		return one(note(join(text, "iptables-legacy, whose rules no other program can read"), "look at them: sudo iptables-legacy-save; iptables-nft does the same for everybody to see (update-alternatives --config iptables)"))
	case w.Partly && f.Caller.Root:
		return one(note(join(text, "it takes CAP_NET_ADMIN to read the rules themselves"), capabilityHint))
	case w.Partly:
		return one(note(join(text, "the rules themselves only root can read"), "to know them as well: sudo nmgre doctor"))
	case w.Lacks:
		return one(ok("%s", join(text, "none: the kernel has no nftables")))
	case text == "":
		return one(ok("none"))
	}
	return one(ok("%s", text))
}

// join puts a comma between two texts, unless one is empty.
func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + ", " + b
}

func are(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// counted returns a number with its noun.
func counted(n int, singular, plural string) string {
	if n == 1 {
		return "1 " + singular
	}
	return fmt.Sprintf("%d %s", n, plural)
}

func ofOuter(f *Facts) []Finding {
	w := f.Firewall
	var list []Finding
	for _, d := range w.Drops {
		text, which := d.text(), ""
		if d.Tunnels > 0 {
			which = " of " + counted(d.Tunnels, "tunnel", "tunnels")
		}
		hint := d.hint(w.Asked > 0)
		switch {
		case d.Perhaps:
			list = append(list, note(text+" perhaps"+which, hint))
		case d.OnlyNew:
			list = append(list, note(text+which+", but for answers", hint))
		default:
			list = append(list, problem(text+which, hint))
		}
	}
	if len(list) > 0 {
		return list
	}
	return one(ok("no rule that nmgre can read is in the way of %s; other firewalls on the way cannot be seen from here", w.askedText()))
}

func (w Firewall) askedText() string {
	if w.Asked > 0 {
		return "the GRE packets of " + counted(w.Asked, "pair of ends", "pairs of ends")
	}
	return "GRE packets (IP protocol 47)"
}

func (d Drop) text() string {
	direction := "comes in"
	if d.Out {
		direction = "leaves"
	}
	text := d.Program + " drops GRE that " + direction
	if d.Program == "iptables-legacy" {
		return "iptables-legacy has rules that may drop GRE that " + direction
	}
	if d.Hook != "" {
		text += " (hook " + d.Hook + ")"
	}
	return text
}

// hint says how GRE gets through. Where there are tunnels, verify knows the very rule.
func (d Drop) hint(tunnels bool) string {
	switch {
	case tunnels:
		return "which rule, and what to type: sudo nmgre verify --all, then verify NAME"
	case d.Program == "firewalld":
		return "let it in: sudo firewall-cmd --permanent --add-protocol=gre; sudo firewall-cmd --reload"
	case d.Program == "ufw":
		return "let it in: sudo ufw allow proto gre from PEER, the far end's outer address"
	}
	return "let IP protocol 47 pass from and to the far end; once there is a tunnel, verify names the rule and what to type"
}

// onOff is the text of a switch.
func onOff(n *int) string {
	switch {
	case n == nil:
		return "not known"
	case *n == 0:
		return "off"
	}
	return "on"
}

func ofForwarding(f *Facts) []Finding {
	s := f.Settings
	found := ok("IPv4 %s, IPv6 %s", onOff(s.Forward4), onOff(s.Forward6))
	if s.Forward4 != nil && *s.Forward4 == 0 {
		found.Hint = "needed only where networks are joined: nmgre edit NAME --forward switches it on between the tunnel and its network"
	}
	return one(found)
}

// filterText is the text of a setting of rp_filter.
func filterText(n *int) string {
	if n == nil {
		return "not known"
	}
	if names := []string{"off (0)", "strict (1)", "loose (2)"}; *n >= 0 && *n < len(names) {
		return names[*n]
	}
	return "not known"
}

func ofFilter(f *Facts) []Finding {
	s := f.Settings
	text := fmt.Sprintf("for all devices %s, for new ones %s", filterText(s.Filter), filterText(s.Default))
	const hint = "nmgre verify tells where that is so; loose is enough: sudo sysctl net.ipv4.conf.all.rp_filter=2"
	if s.Strict > 0 {
		return one(note(fmt.Sprintf("%s; strict on %s: it drops packets from networks without a route into the tunnel", text, counted(s.Strict, "tunnel's device", "tunnels' devices")), hint))
	}
	return one(ok("%s", text))
}

func ofOthers(f *Facts) (list []Finding) {
	for _, o := range f.Others {
		list = append(list, o.finding(f.Manager.State == Runs))
	}
	if len(list) == 0 {
		return one(ok("no other program manages networks here"))
	}
	return list
}

// finding judges a program beside NetworkManager. manager says that NetworkManager runs.
func (o Other) finding(manager bool) Finding {
	unread := ""
	if o.Unread {
		unread = "; only root can read all of its files"
	}
	runs := "runs"
	if !o.Running {
		runs = "does not run"
	}
	switch o.Name {
	case "systemd-networkd":
		if o.Takes > 0 {
			return problem(fmt.Sprintf("systemd-networkd manages %s, too: each takes away what the other sets", counted(o.Takes, "tunnel's device", "tunnels' devices")),
				"leave tunnels to NetworkManager: a file in /etc/systemd/network with [Match] Kind=gre gretap ip6gre ip6gretap and [Link] Unmanaged=yes")
		}
		text := fmt.Sprintf("systemd-networkd %s, with %s%s", runs, counted(o.Count, ".network file", ".network files"), unread)
		if !o.Running {
			return ok("%s", text)
		}
		return note(text, "no [Match] of them may fit a tunnel's name; networkctl shows what it manages")
	case "ifupdown":
		return note(fmt.Sprintf("ifupdown has %s in /etc/network%s", counted(o.Count, "device", "devices"), unread), "NetworkManager leaves these devices alone; give no tunnel of nmgre's such a name")
	case "netplan":
		return o.netplan(unread)
	case "cloud-init":
		if o.Word == "disabled" {
			return ok("cloud-init leaves networks alone")
		}
		return note("cloud-init may write this host's networks at boot"+unread, "tunnels stay, for they have profiles of their own; the way out may change with a new instance")
	case "dhcpcd":
		return note("dhcpcd runs, on its own or for NetworkManager (dhcp=dhcpcd)", "on its own it also takes new devices: put denyinterfaces gre* into /etc/dhcpcd.conf")
	}
	if manager {
		return problem(o.Name+" runs beside NetworkManager: each takes devices from the other", "stop one of them: sudo systemctl disable --now "+o.Name)
	}
	return note(o.Name+" manages networks here", "nmgre needs NetworkManager; do not run both")
}

func (o Other) netplan(unread string) Finding {
	files := counted(o.Count, "file", "files")
	switch o.Word {
	case "NetworkManager":
		return ok("netplan has %s, with the renderer NetworkManager%s", files, unread)
	case "both":
		return note("netplan has "+files+", with both renderers, NetworkManager and networkd"+unread, "the way to the far end may be by a device of either; tunnels are NetworkManager's")
	case "networkd":
		return note("netplan has "+files+", with the renderer networkd: these devices are systemd-networkd's", "tunnels work all the same, while no file of netplan's has the tunnel's name")
	}
	return note("netplan has "+files+unread, "to know its renderer: sudo nmgre doctor")
}
