package gateway

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
	"nmgre/routes/keep"
)

// The programs whose commands are known.
const (
	programFirewalld = "firewalld"
	programUFW       = "ufw"
	programNFTables  = "nftables"
	programIPTables  = "iptables"
	programIP6Tables = "ip6tables"
)

// program returns the program that a base chain belongs to.
func (s *survey) program(base *nftables.Chain) string {
	table, isIPTables := base.Table, slices.Contains([]string{"PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"}, base.Name)
	isIPTables = isIPTables && slices.Contains([]string{"raw", "mangle", "nat", "filter", "security"}, table.Name)
	switch {
	case table.Name == "firewalld" || isIPTables && s.has(table, base.Name+"_direct"):
		return programFirewalld
	case !isIPTables || table.Family != nftables.TableFamilyIPv4 && table.Family != nftables.TableFamilyIPv6:
		return programNFTables
	case table.Name == "filter" && (s.has(table, "ufw-user-input") || s.has(table, "ufw6-user-input")):
		return programUFW
	case table.Family == nftables.TableFamilyIPv6:
		return programIP6Tables
	}
	return programIPTables
}

// familyWord returns nft's word for a family.
func familyWord(f nftables.TableFamily) string {
	switch f {
	case nftables.TableFamilyIPv4:
		return "ip"
	case nftables.TableFamilyIPv6:
		return "ip6"
	case nftables.TableFamilyNetdev:
		return "netdev"
	default:
		return "inet"
	}
}

// who names the chain, as the subject of a sentence.
func (p *passage) who(at station, r keep.Ruling) string {
	switch {
	case r.Program == programFirewalld && r.Zone != "":
		return "firewalld's zone " + r.Zone
	case r.Program == programFirewalld || r.Program == programUFW:
		return r.Program
	case r.Program == programNFTables:
		return fmt.Sprintf("the chain %s of the nftables table %s %s", r.Base, r.Family, r.Table)
	case at.base.Table.Name == "filter":
		return r.Program + "' chain " + r.Base
	}
	return fmt.Sprintf("%s' chain %s of the table %s", r.Program, r.Base, r.Table)
}

// by names the rule. The rules of firewalld and ufw are not for people.
func by(r keep.Ruling) string {
	switch {
	case r.Program == programFirewalld || r.Program == programUFW:
		return ""
	case r.Handle == 0:
		return " (its policy)"
	case r.Chain != r.Base:
		return fmt.Sprintf(" (the rule with handle %d of the chain %s)", r.Handle, r.Chain)
	}
	return fmt.Sprintf(" (the rule with handle %d)", r.Handle)
}

// drops says which packets are dropped.
func (p *passage) drops(onlyNew bool) string {
	far := p.Remote.String()
	switch {
	case onlyNew && p.out:
		return " lets GRE packets to " + far + " out only as answers: none before the far end has sent some, and none after minutes of silence"
	case onlyNew:
		return " lets GRE packets from " + far + " in only as answers: none before this host has sent some, and none after minutes of silence"
	case p.out:
		return " drops GRE packets to " + far
	}
	return " drops GRE packets from " + far
}

// changes says which address NAT gives the packets.
func (p *passage) changes(b *binding, was netip.Addr, known bool, to netip.Addr) string {
	packets, side, address := " changes GRE packets from "+p.Remote.String(), "destination", "another address"
	if p.out {
		packets = " changes GRE packets to " + p.Remote.String()
	}
	if b.source {
		side = "source"
	}
	switch {
	case to.IsValid():
		address = to.String()
	case b.masquerade:
		address = "the one that the kernel chooses for masquerading"
	}
	text := packets + ": their " + side + " becomes " + address
	if known {
		text += " in place of " + was.String()
	}
	return text
}

// accepting returns the commands that let the packets through a chain.
func (p *passage) accepting(at station, r keep.Ruling) string {
	switch {
	case r.Program == programFirewalld:
		return p.firewalldAccepting(r)
	case r.Program == programUFW && !strings.HasPrefix(r.Chain, "ufw-before") && !strings.HasPrefix(r.Chain, "ufw6-before"):
		// "ufw allow" works behind the rules that a person has written to before.rules
		return p.ufwAccepting(r)
	case r.Program == programNFTables:
		return p.nftAccepting(at)
	}
	return p.iptablesAccepting(at) + untilReboot
}

// firewalldAccepting lets GRE into a zone or a policy. Against a rule of theirs that forbids GRE it
// takes a rule of a higher priority.
func (p *passage) firewalldAccepting(r keep.Ruling) string {
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
	if p.out && !inPolicy {
		return fmt.Sprintf("sudo firewall-cmd --permanent --direct --add-rule %s filter OUTPUT 0 -d %s -p 47 -j ACCEPT; sudo firewall-cmd --reload", p.ipv(), p.Remote)
	}
	return "sudo firewall-cmd --permanent" + where + " " + how + "; sudo firewall-cmd --reload"
}

// ipv is firewalld's word for the family.
func (p *passage) ipv() string {
	if p.Remote.Is4() {
		return "ipv4"
	}
	return "ipv6"
}

// ufwAccepting adds a rule of ufw (0.34 and later know the protocol), in front of one that forbids.
func (p *passage) ufwAccepting(r keep.Ruling) string {
	add := "allow"
	if strings.Contains(r.Chain, "-user-") {
		add = "prepend allow"
	}
	if p.out {
		return fmt.Sprintf("sudo ufw %s out proto gre to %s", add, p.Remote)
	}
	return fmt.Sprintf("sudo ufw %s proto gre from %s", add, p.Remote)
}

// matching returns iptables' words for the packets. Its names of protocols need a file that not
// every host has; numbers do not.
func (p *passage) matching() string {
	if p.out {
		return fmt.Sprintf("-d %s -p %d", p.Remote, unix.IPPROTO_GRE)
	}
	return fmt.Sprintf("-s %s -p %d", p.Remote, unix.IPPROTO_GRE)
}

// iptablesAccepting inserts a rule into a chain of iptables.
func (p *passage) iptablesAccepting(at station) string {
	command := programIPTables
	if at.base.Table.Family == nftables.TableFamilyIPv6 {
		command = programIP6Tables
	}
	if name := at.base.Table.Name; name != "filter" {
		command += " -t " + name
	}
	return fmt.Sprintf("sudo %s -I %s %s -j ACCEPT", command, at.base.Name, p.matching())
}

// nftAccepting inserts a rule into a chain of nftables.
func (p *passage) nftAccepting(at station) string {
	table, chain := at.base.Table.Name, at.base.Name
	if !isIdentifier(table) || !isIdentifier(chain) {
		return "let its rules accept them; nft cannot write one of the names"
	}
	side := "saddr"
	if p.out {
		side = "daddr"
	}
	match := fmt.Sprintf("ip %s %s ip protocol %d", side, p.Remote, unix.IPPROTO_GRE)
	if p.Remote.Is6() {
		match = fmt.Sprintf("ip6 %s %s meta l4proto %d", side, p.Remote, unix.IPPROTO_GRE)
	}
	return fmt.Sprintf("sudo nft insert rule %s %s %s %s accept", familyWord(at.base.Table.Family), table, chain, match) + untilReboot
}

// sparing returns the commands that keep NAT off the packets. The kernel has noted its decision for
// the packets that flow now; it must forget that, too.
func (p *passage) sparing(at station, r keep.Ruling, source bool) string {
	forget := fmt.Sprintf("; sudo conntrack -D -p gre -s %s", p.Remote)
	if p.out {
		forget = fmt.Sprintf("; sudo conntrack -D -p gre -d %s", p.Remote)
	}
	switch {
	case r.Program == programFirewalld && hasAddress(p.Local):
		// The first decision counts, and iptables' chains come before firewalld's.
		chain, target := "PREROUTING", "DNAT --to-destination"
		if source {
			chain, target = "POSTROUTING", "SNAT --to-source"
		}
		return fmt.Sprintf("sudo firewall-cmd --permanent --direct --add-rule %s nat %s 0 %s -j %s %s; sudo firewall-cmd --reload", p.ipv(), chain, p.matching(), target, p.Local) + forget
	case r.Program == programFirewalld:
		return ""
	case r.Program == programNFTables:
		hint := p.nftAccepting(at)
		command, isCommand := strings.CutSuffix(hint, untilReboot)
		if !isCommand {
			return hint
		}
		return command + forget + untilReboot
	}
	return p.iptablesAccepting(at) + forget + untilReboot
}
