package keep

import (
	"fmt"
	"strings"

	"nmgre/routes"
	"nmgre/routes/fault"
)

// Rules are what is done to the packets that are forwarded for the tunnel.
func (k Kept) Rules() []Rule {
	var rules []Rule
	for _, s := range k.SNAT {
		for _, inner := range k.Inner {
			if inner.Addr().Is4() == s.Dst.Addr().Is4() {
				rules = append(rules, Rule{UUID: k.UUID, Dev: k.Name, Inner: inner, SNAT: s})
			}
		}
	}
	if k.ClampMSS {
		rules = append(rules, Rule{UUID: k.UUID, Dev: k.Name, ClampMSS: true})
	}
	return rules
}

// MaxRouteSteps is how many routes of the kernel half are told one by one.
const MaxRouteSteps = 20

// Summary says in a few words what the rule does.
func (r Rule) Summary() string {
	if r.ClampMSS {
		return "lower the MSS of TCP connections through " + r.Dev + " to what fits"
	}
	if !r.SNAT.Source.IsValid() {
		return fmt.Sprintf("give packets from %s to %s the address of the device they leave by", r.Inner, r.SNAT.Dst)
	}
	return fmt.Sprintf("give packets from %s to %s the source %s", r.Inner, r.SNAT.Dst, r.SNAT.Source)
}

// NFT returns the commands that make the same rule.
func (r Rule) NFT() []string {
	if r.ClampMSS {
		chain := "'add chain inet nmgre forward { type filter hook forward priority mangle; }'"
		rule := func(match string) string {
			return fault.Shell([]string{"nft", "add rule inet nmgre forward " + match + " " + r.Dev + " tcp flags & (syn|rst) == syn tcp option maxseg size set rt mtu"})
		}
		return []string{"nft add table inet nmgre", "nft " + chain, rule("oifname"), rule("iifname")}
	}
	family := "ip"
	if r.Inner.Addr().Is6() {
		family = "ip6"
	}
	to := "masquerade"
	if r.SNAT.Source.IsValid() {
		to = "snat to " + r.SNAT.Source.String()
	}
	return []string{"nft add table " + family + " nmgre",
		"nft 'add chain " + family + " nmgre postrouting { type nat hook postrouting priority srcnat; }'",
		fault.Shell([]string{"nft", fmt.Sprintf("add rule %s nmgre postrouting %s saddr %s %s daddr %s oifname != %s %s", family, family, r.Inner, family, r.SNAT.Dst, r.Dev, to)})}
}

// Summary says in a few words what is kept.
func (k Kept) Summary() string {
	var parts []string
	if n := len(k.Routes); n > 0 {
		parts = append(parts, routes.CountText(n))
	}
	if k.Pin {
		parts = append(parts, "the route to the far end")
	}
	if len(k.SNAT) > 0 {
		parts = append(parts, "SNAT")
	}
	if len(k.Forward) > 0 {
		parts = append(parts, "forwarding")
	}
	if k.ClampMSS {
		parts = append(parts, "the MSS clamp")
	}
	return strings.Join(parts, ", ")
}

// ID is stable as long as the rule is.
func (r Rule) ID() string {
	if r.ClampMSS {
		return "clamp-mss"
	}
	return "snat " + r.SNAT.Dst.String() + " from " + r.Inner.String()
}

// IPCommands are the ip commands that add, replace or del what is kept of routes; none for very
// many.
func (k Kept) IPCommands(verb string) []string {
	if len(k.Routes) > MaxRouteSteps {
		return nil
	}
	var commands []string
	for _, r := range k.Routes {
		commands = append(commands, r.IPRoute(verb, k.Name))
	}
	return commands
}
