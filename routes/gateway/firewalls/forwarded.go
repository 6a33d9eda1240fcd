package firewalls

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/nftables"

	"nmgre/routes/fault"
	"nmgre/routes/gateway/blocked"
	"nmgre/routes/keep"
)

// Firewall knows the commands that make a firewall program accept forwarded packets.
type Firewall interface {
	// Obstacle says which packets it drops, and how it lets them through. The ways are not empty.
	Obstacle(list []blocked.Way) keep.Obstacle
}

// Forwarding returns the program that a base chain for forwarded packets belongs to. has reports
// whether the table of the chain has another one; zones are needed of firewalld only.
func Forwarding(base *nftables.Chain, has func(chain string) bool, zones func() Zones) Firewall {
	command := programIPTables
	if base.Table.Family == nftables.TableFamilyIPv6 {
		command = programIP6Tables
	}
	switch isFilter := base.Table.Name == "filter" && base.Name == "FORWARD"; {
	case base.Table.Name == "firewalld" || isFilter && has("FORWARD_direct"):
		return zones()
	case isFilter && has("ufw-user-forward") || isFilter && has("ufw6-user-forward"):
		return ufw{}
	case isFilter && has("DOCKER-USER"):
		return iptables{"Docker", command, "DOCKER-USER"}
	case isFilter:
		return iptables{command, command, base.Name}
	}
	return plain{base}
}

// iptables is a table of iptables-nft, with a chain that comes before the rule that drops.
type iptables struct{ who, command, chain string }

func (f iptables) Obstacle(list []blocked.Way) keep.Obstacle {
	var lines []string
	for _, b := range list {
		lines = append(lines, fmt.Sprintf("sudo %s -I %s -i %s -o %s -j ACCEPT", f.command, f.chain, fault.ShellWord(b.From), fault.ShellWord(b.To)))
	}
	return keep.Obstacle{What: blocked.Drops(f.who, list), Hint: strings.Join(lines, "; ") + untilReboot}
}

// ufw keeps its rules in iptables and in files.
type ufw struct{}

func (ufw) Obstacle(list []blocked.Way) keep.Obstacle {
	var lines []string
	for _, b := range list {
		lines = append(lines, fmt.Sprintf("sudo ufw route allow in on %s out on %s", fault.ShellWord(b.From), fault.ShellWord(b.To)))
	}
	return keep.Obstacle{What: blocked.Drops("ufw", list), Hint: strings.Join(lines, "; ")}
}

// plain is an nftables chain that was written by hand, or by a program that nmgre does not know.
type plain struct{ chain *nftables.Chain }

func (f plain) Obstacle(list []blocked.Way) keep.Obstacle {
	family, table, chain := familyWord(f.chain.Table.Family), f.chain.Table.Name, f.chain.Name
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

// Zones are firewalld, which decides by the zones of the two devices. Within a zone it forwards if
// the zone does; from one zone to another if a policy says so.
type Zones struct {
	Tunnel string
	Of     map[string]string // the zone of each device
}

// Obstacle implements [Firewall].
func (f Zones) Obstacle(list []blocked.Way) keep.Obstacle {
	var others []string
	for _, b := range list {
		for _, dev := range []string{b.From, b.To} {
			if dev != f.Tunnel && !slices.Contains(others, dev) {
				others = append(others, dev)
			}
		}
	}
	what := blocked.Drops("firewalld", list)
	if zones := blocked.Zones(append([]string{f.Tunnel}, others...), f.Of); zones != "" {
		what += ": " + zones
	}
	return keep.Obstacle{What: what, Hint: strings.Join(append(f.commands(others), "sudo firewall-cmd --reload"), "; ")}
}

// commands returns the commands that put the tunnel into the zone of the device that it forwards
// to, and make that zone forward. If the devices are in several zones, the tunnel gets a zone of
// its own, with policies between it and the others.
func (f Zones) commands(others []string) []string {
	const permanent = "sudo firewall-cmd --permanent "
	zone := f.Of[others[0]]
	if !slices.ContainsFunc(others, func(dev string) bool { return f.Of[dev] != zone }) {
		lines := []string{permanent + "--zone=" + fault.ShellWord(zone) + " --add-forward"}
		if f.Of[f.Tunnel] != zone {
			lines = append([]string{permanent + "--zone=" + fault.ShellWord(zone) + " --change-interface=" + fault.ShellWord(f.Tunnel)}, lines...)
		}
		return lines
	}
	own := fault.ShellWord(f.Tunnel)
	lines := []string{permanent + "--new-zone=" + own, permanent + "--zone=" + own + " --change-interface=" + own}
	var ingress, egress strings.Builder
	for _, dev := range others {
		fmt.Fprintf(&ingress, " --add-ingress-zone=%s", fault.ShellWord(f.Of[dev]))
		fmt.Fprintf(&egress, " --add-egress-zone=%s", fault.ShellWord(f.Of[dev]))
	}
	for _, policy := range []struct{ name, ingress, egress string }{
		{"from-" + f.Tunnel, " --add-ingress-zone=" + own, egress.String()}, {"to-" + f.Tunnel, ingress.String(), " --add-egress-zone=" + own},
	} {
		name := fault.ShellWord(policy.name)
		lines = append(lines, permanent+"--new-policy="+name, permanent+"--policy="+name+policy.ingress,
			permanent+"--policy="+name+policy.egress, permanent+"--policy="+name+" --set-target=ACCEPT")
	}
	return lines
}
