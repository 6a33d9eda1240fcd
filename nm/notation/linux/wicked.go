package linux

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"nmgre/nm"
	"nmgre/nm/notation"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/rule"
)

// Wicked is the files of SUSE's wicked: ifcfg-tunnel(5), ifcfg(5), ifroute(5) and ifrule(5) of
// wicked 0.6, and, where these are silent, client/suse/compat-suse.c of version 0.6.80: the TTL and
// the TOS are decimal numbers, and the keys have the variables TUNNEL_GRE_IKEY and TUNNEL_GRE_OKEY.
var Wicked = notation.Kind{
	Name: "wicked", Title: "SUSE's wicked",
	Words: func() map[string]string {
		return map[string]string{"--parent": "TUNNEL_DEVICE", "--peer-address": "REMOTE_IPADDR", "--address": "IPADDR"}
	},
	Holds: notation.Holds{Modes: []gre.Mode{gre.ModeGRE}, Keys: notation.TwoKeys,
		Can: notation.CanInheritTTL | notation.CanTOS | notation.CanHexTOS | notation.CanNoPMTUD | notation.CanParent | notation.CanMany | notation.CanInner6 | notation.CanPeer | notation.CanManual | notation.CanZone | notation.CanRule | notation.CanRootRule | notation.CanChecksum | notation.CanSequence |
			notation.CanVia | notation.CanMetric | notation.CanTable | notation.CanSrc | notation.CanRouteMTU,
		Why: func() map[string]string {
			return map[string]string{"mode": "its tunnels are gre, ipip and sit", "local": "TUNNEL_LOCAL_IPADDR is not optional", "rule": "ifrule(5) has no words for them"}
		}},
	Write: writeWicked,
	Read:  readWicked,
	Looks: func(text string) int {
		return notation.Sure * notation.CountLines(text, "TUNNEL=", "TUNNEL_", "STARTMODE=")
	},
}

func writeWicked(l notation.Link) string {
	t := l.Near.Tunnel
	p := notation.NewPage("#", "wicked", l.Near)
	p.Comment("then: wicked ifup %s", t.Name)
	p.MSS(t)
	p.File("/etc/sysconfig/network/ifcfg-" + t.Name)
	start := "auto"
	if !t.Autoconnect {
		start = "manual"
	}
	p.Line("STARTMODE='%s'", start)
	p.Line("BOOTPROTO='static'")
	p.Line("TUNNEL='gre'")
	p.When(t.Zone != "", "ZONE=%s", fault.ShellWord(t.Zone))
	p.Line("TUNNEL_LOCAL_IPADDR='%s'", t.Local)
	p.Line("TUNNEL_REMOTE_IPADDR='%s'", t.Remote)
	p.When(t.Parent != "", "TUNNEL_DEVICE='%s'", t.Parent)
	p.Line("TUNNEL_TTL='%d'", t.TTL) // 0 inherits, and a word is refused
	p.When(t.TOS != 0, "TUNNEL_TOS='%d'", t.TOS)
	p.Line("TUNNEL_PMTUDISC='%s'", yesNo(!t.NoPMTUD))
	if t.InputKey != nil {
		p.Line("TUNNEL_GRE_IKEY='%s'", dotted(*t.InputKey))
	}
	if t.OutputKey != nil {
		p.Line("TUNNEL_GRE_OKEY='%s'", dotted(*t.OutputKey))
	}
	p.When(t.Link.Checksum || t.Link.Sequence, "TUNNEL_GRE_FLAGS='%s'", wickedOptions(t))
	p.Line("MTU='%d'", t.MTU)
	for i, a := range t.Addresses {
		suffix := ""
		if i > 0 {
			suffix = "_" + strconv.Itoa(i)
		}
		p.Line("IPADDR%s='%s'", suffix, a)
	}
	if len(t.Routes) > 0 {
		p.File("/etc/sysconfig/network/ifroute-" + t.Name)
	}
	for _, r := range t.Routes {
		p.Line("%s", wickedRoute(r, t.Name))
	}
	if len(t.Rules) > 0 {
		p.File("/etc/sysconfig/network/ifrule-" + t.Name)
	}
	for _, r := range t.Rules {
		p.Line("%s", wickedRule(r))
	}
	return p.String()
}

// wickedOptions are the words for checksums and sequence numbers, in both directions.
func wickedOptions(t nm.Tunnel) string {
	var words []string
	if t.Link.Checksum {
		words = append(words, "icsum", "ocsum")
	}
	if t.Link.Sequence {
		words = append(words, "iseq", "oseq")
	}
	return strings.Join(words, " ")
}

// dotted writes a key as an address. A plain number is put through htons by wicked 0.6.80, and
// another key comes out.
func dotted(k gre.Key) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(k >> 24), byte(k >> 16), byte(k >> 8), byte(k)})
}

// wickedRoute writes DESTINATION GATEWAY NETMASK INTERFACE [TYPE] [OPTIONS].
func wickedRoute(r routes.Route, dev string) string {
	gateway := "-"
	if r.Via.IsValid() {
		gateway = r.Via.String()
	}
	words := []string{r.Dst.String(), gateway, "-", dev}
	var options []string
	if r.Metric != nil {
		options = append(options, "metric", strconv.FormatUint(uint64(*r.Metric), 10))
	}
	if r.Table != 0 {
		options = append(options, "table", strconv.FormatUint(uint64(r.Table), 10))
	}
	if r.Src.IsValid() {
		options = append(options, "src", r.Src.String())
	}
	if r.MTU != 0 {
		options = append(options, "mtu", strconv.FormatUint(uint64(r.MTU), 10))
	}
	if len(options) > 0 {
		words = append(words, "unicast")
	}
	return strings.Join(append(words, options...), " ")
}

// wickedRule writes a rule as ifrule(5) has it: the family, and the words of `ip rule`. A mark has
// its mask in any case: wicked 0.6.80 takes the mark for the mask where none is given.
func wickedRule(r rule.Rule) string {
	family := "ipv4"
	if r.IPv6 {
		family = "ipv6"
	}
	words := strings.Fields(r.String())
	if at := slices.Index(words, "fwmark"); at >= 0 {
		words[at+1] = fmt.Sprintf("0x%x/0x%x", r.Mark, r.Mask)
	}
	return family + " " + strings.Join(words, " ")
}
