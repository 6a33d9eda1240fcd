package keep

import (
	"fmt"
	"net/netip"
	"strings"

	"nmgre/routes/fault"
)

// Rule changes the forwarded packets of one tunnel. It is an SNAT rule, or with ClampMSS
// one that clamps the MSS.
type Rule struct {
	UUID  string       // of the tunnel's profile; the rule is tagged with it
	Dev   string       // the tunnel's device
	Inner netip.Prefix // SNAT: the sources that it is for
	SNAT  SNAT
	// lower the MSS of TCP connections that are forwarded through Dev, in both directions and
	// families, to fit the MTU
	ClampMSS bool
}

// Rules returns the rules for the packets that are forwarded for the tunnel: an SNAT rule for
// each pair of an inner network and a destination of its family, and the MSS clamp.
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

// ID identifies the rule among those of its tunnel. It is the same for the same rule.
func (r Rule) ID() string {
	if r.ClampMSS {
		return "clamp-mss"
	}
	return "snat " + r.SNAT.Dst.String() + " from " + r.Inner.String()
}

// Summary describes the rule in a few words.
func (r Rule) Summary() string {
	if r.ClampMSS {
		return "lower the MSS of TCP connections through " + r.Dev + " to what fits"
	}
	if !r.SNAT.Source.IsValid() {
		return fmt.Sprintf("give packets from %s to %s the address of the device they leave by", r.Inner, r.SNAT.Dst)
	}
	return fmt.Sprintf("give packets from %s to %s the source %s", r.Inner, r.SNAT.Dst, r.SNAT.Source)
}

// NFT returns the nft commands that make the same rule, with its table and chain. There are none
// for a device whose name nft cannot read.
func (r Rule) NFT() []string {
	dev, ok := NFTName(r.Dev)
	if !ok {
		return nil
	}
	if r.ClampMSS {
		chain := "'add chain inet nmgre forward { type filter hook forward priority mangle; }'"
		rule := func(match string) string {
			return fault.Shell([]string{"nft", "add rule inet nmgre forward " + match + " " + dev + " tcp flags & (syn|rst) == syn tcp option maxseg size set rt mtu"})
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
		fault.Shell([]string{"nft", fmt.Sprintf("add rule %s nmgre postrouting %s saddr %s %s daddr %s oifname != %s %s", family, family, r.Inner, family, r.SNAT.Dst, dev, to)})}
}

// NFTName returns the name of a device as nft reads it, for a rule. In its quotes nft knows no
// escape but for an asterisk at the end, so a name with a double quote cannot be written.
func NFTName(dev string) (name string, ok bool) {
	if star, found := strings.CutSuffix(dev, "*"); found {
		dev = star + `\*`
	}
	return `"` + dev + `"`, !strings.Contains(dev, `"`)
}
