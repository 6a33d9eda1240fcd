package gateway

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/nftables"

	"nmgre/routes/fault"
	"nmgre/routes/gateway/blocked"
	"nmgre/routes/keep"
)

// firewall knows the commands that make a firewall program accept packets.
type firewall interface {
	obstacle(list []blocked.Way) keep.Obstacle
}

// untilReboot is a comment for the shell, behind commands whose effect a reboot ends.
const untilReboot = "  # until the next boot"

// iptables is a table of iptables-nft, with a chain that comes before the rule that drops.
type iptables struct{ who, command, chain string }

func (f iptables) obstacle(list []blocked.Way) keep.Obstacle {
	var lines []string
	for _, b := range list {
		lines = append(lines, fmt.Sprintf("sudo %s -I %s -i %s -o %s -j ACCEPT", f.command, f.chain, fault.ShellWord(b.From), fault.ShellWord(b.To)))
	}
	return keep.Obstacle{What: blocked.Drops(f.who, list), Hint: strings.Join(lines, "; ") + untilReboot}
}

// ufw keeps its rules in iptables and in files.
type ufw struct{}

func (ufw) obstacle(list []blocked.Way) keep.Obstacle {
	var lines []string
	for _, b := range list {
		lines = append(lines, fmt.Sprintf("sudo ufw route allow in on %s out on %s", fault.ShellWord(b.From), fault.ShellWord(b.To)))
	}
	return keep.Obstacle{What: blocked.Drops("ufw", list), Hint: strings.Join(lines, "; ")}
}

// plain is an nftables chain that was written by hand, or by a program that nmgre does not know.
type plain struct{ chain *nftables.Chain }

func (f plain) obstacle(list []blocked.Way) keep.Obstacle {
	family := map[nftables.TableFamily]string{nftables.TableFamilyIPv4: "ip", nftables.TableFamilyIPv6: "ip6", nftables.TableFamilyINet: "inet"}[f.chain.Table.Family]
	table, chain := f.chain.Table.Name, f.chain.Name
	what := blocked.Drops(fmt.Sprintf("the chain %s of the nftables table %s %s", fault.Printable(chain), family, fault.Printable(table)), list)
	var lines []string
	for _, b := range list {
		from, fromOK := keep.NFTName(b.From)
		to, toOK := keep.NFTName(b.To)
		if !fromOK || !toOK || !isIdentifier(table) || !isIdentifier(chain) {
			return keep.Obstacle{What: what, Hint: "let its rules accept them; nft cannot write one of the names"}
		}
		lines = append(lines, fault.Shell([]string{"sudo", "nft", fmt.Sprintf("insert rule %s %s %s iifname %s oifname %s accept", family, table, chain, from, to)}))
	}
	return keep.Obstacle{What: what, Hint: strings.Join(lines, "; ") + untilReboot}
}

// isIdentifier reports whether nft reads the text as the name of a table or a chain. The kernel
// takes any.
func isIdentifier(text string) bool {
	return text != "" && !strings.ContainsRune("0123456789/-", rune(text[0])) && strings.IndexFunc(text, notPlain) < 0
}

func notPlain(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("/-_.", r)
}

// firewalld decides by the zones of the two devices. Within a zone it forwards if the zone does;
// from one zone to another if a policy says so.
type firewalld struct {
	tunnel string
	zones  map[string]string // of each device
}

// firewalld finds a device's zone by the chains that its packets pass: each zone has a chain that
// is named after it.
func (s *survey) firewalld(base *nftables.Chain) firewalld {
	f := firewalld{s.devs[0], make(map[string]string)}
	for _, dev := range s.devs {
		_, w := s.walk(base, dev, "")
		f.zones[dev] = zoneOf(w.chains)
	}
	return f
}

func zoneOf(chains []string) string {
	for _, name := range chains {
		// the prefixes of firewalld 1 and 0.9, each with its backends nftables and iptables
		for _, prefix := range []string{"filter_FWD_", "filter_FWDI_", "FWD_", "FWDI_", "filter_IN_", "IN_", "nat_POST_", "POST_", "nat_PRE_", "PRE_"} {
			if zone, found := strings.CutPrefix(name, prefix); found && !strings.HasPrefix(zone, "policy_") {
				return ingressOf(zone)
			}
		}
	}
	return ""
}

// ingressOf returns the zone in the name of a chain that chooses by the second zone, as firewalld
// 2.5 has it.
func ingressOf(name string) string {
	for _, suffix := range []string{"_dispatch_stage2", "_dispatch", "_to_HOST"} {
		if zone, found := strings.CutSuffix(name, suffix); found {
			return zone
		}
	}
	return name
}

func (f firewalld) obstacle(list []blocked.Way) keep.Obstacle {
	var others []string
	for _, b := range list {
		for _, dev := range []string{b.From, b.To} {
			if dev != f.tunnel && !slices.Contains(others, dev) {
				others = append(others, dev)
			}
		}
	}
	what := blocked.Drops("firewalld", list)
	if zones := blocked.Zones(append([]string{f.tunnel}, others...), f.zones); zones != "" {
		what += ": " + zones
	}
	return keep.Obstacle{What: what, Hint: strings.Join(append(f.commands(others), "sudo firewall-cmd --reload"), "; ")}
}

// commands returns the commands that put the tunnel into the zone of the device that it forwards
// to, and make that zone forward. If the devices are in several zones, the tunnel gets a zone of
// its own, with policies between it and the others.
func (f firewalld) commands(others []string) []string {
	const permanent = "sudo firewall-cmd --permanent "
	zone := f.zones[others[0]]
	if !slices.ContainsFunc(others, func(dev string) bool { return f.zones[dev] != zone }) {
		lines := []string{permanent + "--zone=" + fault.ShellWord(zone) + " --add-forward"}
		if f.zones[f.tunnel] != zone {
			lines = append([]string{permanent + "--zone=" + fault.ShellWord(zone) + " --change-interface=" + fault.ShellWord(f.tunnel)}, lines...)
		}
		return lines
	}
	own := fault.ShellWord(f.tunnel)
	lines := []string{permanent + "--new-zone=" + own, permanent + "--zone=" + own + " --change-interface=" + own}
	var ingress, egress strings.Builder
	for _, dev := range others {
		fmt.Fprintf(&ingress, " --add-ingress-zone=%s", fault.ShellWord(f.zones[dev]))
		fmt.Fprintf(&egress, " --add-egress-zone=%s", fault.ShellWord(f.zones[dev]))
	}
	for _, policy := range []struct{ name, ingress, egress string }{
		{"from-" + f.tunnel, " --add-ingress-zone=" + own, egress.String()}, {"to-" + f.tunnel, ingress.String(), " --add-egress-zone=" + own},
	} {
		name := fault.ShellWord(policy.name)
		lines = append(lines, permanent+"--new-policy="+name, permanent+"--policy="+name+policy.ingress,
			permanent+"--policy="+name+policy.egress, permanent+"--policy="+name+" --set-target=ACCEPT")
	}
	return lines
}
