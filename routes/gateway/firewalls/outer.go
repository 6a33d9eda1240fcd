package firewalls

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
	"nmgre/routes/keep"
)

// Outer are the outer packets of a tunnel in one direction, for the texts about them.
type Outer struct {
	keep.OuterPackets
	Out bool
}

// NAT is NAT of one address of the packets.
type NAT struct {
	Source     bool // the source, not the destination
	Masquerade bool
	Was, To    netip.Addr // the zero Addr where it is not known
}

// Drops says which packets a chain drops.
func (p Outer) Drops(base *nftables.Chain, r keep.Ruling, onlyNew bool) string {
	return who(base, r) + by(r) + p.drops(onlyNew)
}

func (p Outer) drops(onlyNew bool) string {
	far := p.Remote.String()
	switch {
	case onlyNew && p.Out:
		return " lets GRE packets to " + far + " out only as answers: none before the far end has sent some, and none after minutes of silence"
	case onlyNew:
		return " lets GRE packets from " + far + " in only as answers: none before this host has sent some, and none after minutes of silence"
	case p.Out:
		return " drops GRE packets to " + far
	}
	return " drops GRE packets from " + far
}

// Changes says which address NAT of a chain gives the packets.
func (p Outer) Changes(base *nftables.Chain, r keep.Ruling, b NAT) string {
	packets, side, address := " changes GRE packets from "+p.Remote.String(), "destination", "another address"
	if p.Out {
		packets = " changes GRE packets to " + p.Remote.String()
	}
	if b.Source {
		side = "source"
	}
	switch {
	case b.To.IsValid():
		address = b.To.String()
	case b.Masquerade:
		address = "the one that the kernel chooses for masquerading"
	}
	text := who(base, r) + by(r) + packets + ": their " + side + " becomes " + address
	if b.Was.IsValid() {
		text += " in place of " + b.Was.String()
	}
	return text
}

// Accepting returns the commands that let the packets through a chain.
func (p Outer) Accepting(base *nftables.Chain, r keep.Ruling) string {
	switch {
	case r.Program == programFirewalld:
		return p.firewalldAccepting(r)
	case r.Program == programUFW && !strings.HasPrefix(r.Chain, "ufw-before") && !strings.HasPrefix(r.Chain, "ufw6-before"):
		// "ufw allow" works behind the rules that a person has written to before.rules
		return p.ufwAccepting(r)
	case r.Program == programNFTables:
		return p.nftAccepting(base)
	}
	return p.iptablesAccepting(base) + untilReboot
}

// firewalldAccepting lets GRE into a zone or a policy. Against a rule of theirs that forbids GRE it
// takes a rule of a higher priority.
func (p Outer) firewalldAccepting(r keep.Ruling) string {
	where := ""
	if r.Zone != "" {
		where = " --zone=" + fault.ShellWord(r.Zone)
	}
	chain := r.Chain
	for _, prefix := range []string{"filter_", "IN_", "OUT_"} {
		chain = strings.TrimPrefix(chain, prefix)
	}
	policy, inPolicy := strings.CutPrefix(chain, "policy_")
	for _, part := range []string{"_pre", "_deny", "_post"} {
		policy = strings.TrimSuffix(policy, part)
	}
	if inPolicy {
		where = " --policy=" + fault.ShellWord(policy)
	}
	how := "--add-protocol=gre"
	if strings.HasSuffix(chain, "_pre") || strings.HasSuffix(chain, "_deny") {
		how = `--add-rich-rule='rule priority="-32768" protocol value="gre" accept'`
	}
	if p.Out && !inPolicy {
		return fmt.Sprintf("sudo firewall-cmd --permanent --direct --add-rule %s filter OUTPUT 0 -d %s -p 47 -j ACCEPT; sudo firewall-cmd --reload", p.ipv(), p.Remote)
	}
	return "sudo firewall-cmd --permanent" + where + " " + how + "; sudo firewall-cmd --reload"
}

// ipv is firewalld's word for the family.
func (p Outer) ipv() string {
	if p.Remote.Is4() {
		return "ipv4"
	}
	return "ipv6"
}

// ufwAccepting adds a rule of ufw (0.34 and later know the protocol), in front of one that forbids.
func (p Outer) ufwAccepting(r keep.Ruling) string {
	add := "allow"
	if strings.Contains(r.Chain, "-user-") {
		add = "prepend allow"
	}
	if p.Out {
		return fmt.Sprintf("sudo ufw %s out proto gre to %s", add, p.Remote)
	}
	return fmt.Sprintf("sudo ufw %s proto gre from %s", add, p.Remote)
}

// matching returns iptables' words for the packets. Its names of protocols need a file that not
// every host has; numbers do not.
func (p Outer) matching() string {
	if p.Out {
		return fmt.Sprintf("-d %s -p %d", p.Remote, unix.IPPROTO_GRE)
	}
	return fmt.Sprintf("-s %s -p %d", p.Remote, unix.IPPROTO_GRE)
}

// iptablesAccepting inserts a rule into a chain of iptables.
func (p Outer) iptablesAccepting(base *nftables.Chain) string {
	command := programIPTables
	if base.Table.Family == nftables.TableFamilyIPv6 {
		command = programIP6Tables
	}
	if name := base.Table.Name; name != "filter" {
		command += " -t " + name
	}
	return fmt.Sprintf("sudo %s -I %s %s -j ACCEPT", command, base.Name, p.matching())
}

// nftAccepting inserts a rule into a chain of nftables.
func (p Outer) nftAccepting(base *nftables.Chain) string {
	table, chain := base.Table.Name, base.Name
	if !isIdentifier(table) || !isIdentifier(chain) {
		return "let its rules accept them; nft cannot write one of the names"
	}
	side := "saddr"
	if p.Out {
		side = "daddr"
	}
	match := fmt.Sprintf("ip %s %s ip protocol %d", side, p.Remote, unix.IPPROTO_GRE)
	if p.Remote.Is6() {
		match = fmt.Sprintf("ip6 %s %s meta l4proto %d", side, p.Remote, unix.IPPROTO_GRE)
	}
	return fmt.Sprintf("sudo nft insert rule %s %s %s %s accept", familyWord(base.Table.Family), table, chain, match) + untilReboot
}

// Sparing returns the commands that keep NAT off the packets. The kernel has noted its decision for
// the packets that flow now; it must forget that, too.
func (p Outer) Sparing(base *nftables.Chain, r keep.Ruling, source bool) string {
	forget := fmt.Sprintf("; sudo conntrack -D -p gre -s %s", p.Remote)
	if p.Out {
		forget = fmt.Sprintf("; sudo conntrack -D -p gre -d %s", p.Remote)
	}
	switch {
	case r.Program == programFirewalld && p.Local.IsValid() && !p.Local.IsUnspecified():
		// The first decision counts, and iptables' chains come before firewalld's.
		chain, target := "PREROUTING", "DNAT --to-destination"
		if source {
			chain, target = "POSTROUTING", "SNAT --to-source"
		}
		return fmt.Sprintf("sudo firewall-cmd --permanent --direct --add-rule %s nat %s 0 %s -j %s %s; sudo firewall-cmd --reload", p.ipv(), chain, p.matching(), target, p.Local) + forget
	case r.Program == programFirewalld:
		return ""
	case r.Program == programNFTables:
		hint := p.nftAccepting(base)
		command, isCommand := strings.CutSuffix(hint, untilReboot)
		if !isCommand {
			return hint
		}
		return command + forget + untilReboot
	}
	return p.iptablesAccepting(base) + forget + untilReboot
}
