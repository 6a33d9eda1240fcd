// Package firewalls tells firewall programs apart by their chains, and has the commands by which
// each of them lets packets through: forwarded ones, the outer packets of a tunnel, and those that
// an SNAT rule of nmgre's is for.
//
// Begin with [Forwarding], [Outer] and [SNAT].
package firewalls

import (
	"slices"
	"strings"

	"github.com/google/nftables"

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

// RulingOf returns the facts of a base chain whose policy decides, with the program that it belongs
// to. has reports whether its table has another chain, and walked are the chains that the packet
// has passed.
func RulingOf(base *nftables.Chain, has func(chain string) bool, walked []string) keep.Ruling {
	r := keep.Ruling{Program: program(base, has), Family: familyWord(base.Table.Family), Table: fault.Printable(base.Table.Name),
		Base: fault.Printable(base.Name), Chain: fault.Printable(base.Name)}
	if r.Program == programFirewalld {
		r.Zone = fault.Printable(ZoneOf(walked))
	}
	return r
}

// program returns the name of the program that a base chain belongs to.
func program(base *nftables.Chain, has func(chain string) bool) string {
	table, isIPTables := base.Table, slices.Contains([]string{"PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"}, base.Name)
	isIPTables = isIPTables && slices.Contains([]string{"raw", "mangle", "nat", "filter", "security"}, table.Name)
	switch {
	case table.Name == "firewalld" || isIPTables && has(base.Name+"_direct"):
		return programFirewalld
	case !isIPTables || table.Family != nftables.TableFamilyIPv4 && table.Family != nftables.TableFamilyIPv6:
		return programNFTables
	case table.Name == "filter" && (has("ufw-user-input") || has("ufw6-user-input")):
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

// ZoneOf returns firewalld's zone by the chains that a packet has passed: each zone has a chain
// that is named after it. It is empty if none of them is.
func ZoneOf(chains []string) string {
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

// untilReboot is a comment for the shell, behind commands whose effect a reboot ends.
const untilReboot = "  # until the next boot"

// isIdentifier reports whether nft reads the text as the name of a table or a chain. The kernel
// takes any.
func isIdentifier(text string) bool {
	return text != "" && !strings.ContainsRune("0123456789/-", rune(text[0])) && strings.IndexFunc(text, notPlain) < 0
}

func notPlain(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("/-_.", r)
}
