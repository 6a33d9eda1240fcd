package firewalls

import (
	"fmt"
	"net/netip"

	"github.com/google/nftables"

	"nmgre/routes/keep"
)

// SNAT are packets that an SNAT rule of nmgre's is for, and that another rule takes.
type SNAT struct{ keep.Passing }

// Taken says which source NAT of a chain gives the packets; the zero Addr if that is not known.
func (t SNAT) Taken(base *nftables.Chain, r keep.Ruling, masquerade bool, to netip.Addr) string {
	text := who(base, r) + by(r) + fmt.Sprintf(" gives packets from %s to %s ", t.Rule.Inner, t.Rule.SNAT.Dst)
	switch {
	case to.IsValid():
		return text + "the source " + to.String()
	case masquerade:
		return text + "the source that the kernel chooses for masquerading"
	}
	return text + "another source"
}

// Exempting returns the commands that keep the rule off the packets, so that nmgre's takes them.
func (t SNAT) Exempting(base *nftables.Chain, r keep.Ruling) string {
	from, to := t.Rule.Inner.String(), t.Rule.SNAT.Dst.String()
	forget := "; sudo conntrack -D -s " + from + " -d " + to
	switch {
	case r.Program == programFirewalld: // iptables' chains come before firewalld's
		target := "MASQUERADE"
		if t.Rule.SNAT.Source.IsValid() {
			target = "SNAT --to-source " + t.Rule.SNAT.Source.String()
		}
		ipv := "ipv4"
		if t.From.Is6() {
			ipv = "ipv6"
		}
		return fmt.Sprintf("sudo firewall-cmd --permanent --direct --add-rule %s nat POSTROUTING 0 -s %s -d %s -j %s; sudo firewall-cmd --reload", ipv, from, to, target) + forget
	case r.Program != programNFTables:
		return fmt.Sprintf("sudo %s -t %s -I %s -s %s -d %s -j ACCEPT", r.Program, base.Table.Name, base.Name, from, to) + forget + untilReboot
	case !isIdentifier(base.Table.Name) || !isIdentifier(base.Name):
		return "let its rules accept them; nft cannot write one of the names"
	}
	word := "ip"
	if t.From.Is6() {
		word = "ip6"
	}
	return fmt.Sprintf("sudo nft insert rule %s %s %s %s saddr %s %s daddr %s accept", r.Family, base.Table.Name, base.Name, word, from, word, to) + forget + untilReboot
}
