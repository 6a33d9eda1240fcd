package linux

import (
	"nmgre/nm/notation"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/rule"
)

// Ifcfg is the files of RHEL's network-scripts, which RHEL 8 had last: sysconfig.txt and
// ifup-tunnel of initscripts 10.11.
var Ifcfg = notation.Kind{
	Name: "ifcfg", Title: "RHEL's ifcfg",
	Words: func() map[string]string {
		return map[string]string{"--peer-address": "PEER_INNER_IPADDR", "--address": "MY_INNER_IPADDR"}
	},
	Holds: notation.Holds{Modes: []gre.Mode{gre.ModeGRE, gre.ModeIP6GRE}, Keys: notation.OneKey,
		Can: notation.CanAnyLocal | notation.CanInheritTTL | notation.CanInner6 | notation.CanPeer | notation.CanManual | notation.CanAnyRoute | notation.CanRule | notation.CanRootRule | notation.CanAnyRule | notation.CanZone,
		Why: func() map[string]string {
			return map[string]string{"mode": "TYPE is GRE or GRE6", "tos": "ifup-tunnel reads no variable for it", "parent": "ifup-tunnel reads no variable for it",
				"no-pmtud": "ifup-tunnel reads no variable for it", "key": "KEY is for both directions", "snat": "put it into /etc/sysconfig/iptables"}
		}},
	Write: writeIfcfg,
	Read:  readIfcfg,
	Looks: func(text string) int {
		return notation.Sure * notation.CountLines(text, "TYPE=GRE", "TYPE=\"GRE", "PEER_OUTER_IPADDR=", "MY_OUTER_IPADDR=", "MY_INNER_IPADDR=", "PEER_INNER_IPADDR=")
	},
}

func writeIfcfg(l notation.Link) string {
	t := l.Near.Tunnel
	p := notation.NewPage("#", "ifcfg", l.Near)
	p.Comment("then: ifup %s", t.Name)
	p.MSS(t)
	p.File("/etc/sysconfig/network-scripts/ifcfg-" + t.Name)
	p.Line("DEVICE=%s", t.Name)
	if t.Mode == gre.ModeIP6GRE {
		p.Line("TYPE=GRE6")
	} else {
		p.Line("TYPE=GRE")
	}
	p.Line("BOOTPROTO=none")
	p.Line("ONBOOT=%s", yesNo(t.Autoconnect))
	p.When(t.Zone != "", "ZONE=%s", fault.ShellWord(t.Zone))
	p.When(t.Local.IsValid() && !t.Local.IsUnspecified(), "MY_OUTER_IPADDR=%s", t.Local)
	p.Line("PEER_OUTER_IPADDR=%s", t.Remote)
	for _, a := range notation.Inner4(t) {
		peer := notation.PeerOf(t, a)
		if peer.IsValid() { // with a peer, the prefix stands there
			p.Line("MY_INNER_IPADDR=%s", a.Addr())
			p.Line("PEER_INNER_IPADDR=%s/%d", peer, a.Bits())
			continue
		}
		p.Line("MY_INNER_IPADDR=%s", a)
	}
	if t.InputKey != nil {
		p.Line("KEY=%s", t.InputKey)
	}
	p.When(t.TTL != 0, "TTL=%d", t.TTL)
	p.When(t.TTL == 0, "TTL=inherit")
	p.Line("MTU=%d", t.MTU)
	for _, a := range notation.Inner6(t) {
		p.Line("IPV6INIT=yes")
		p.Line("IPV6ADDR=%s", a)
	}
	routes4, routes6 := ifcfgRoutes(t.Routes, t.Name)
	rules4, rules6 := ifcfgRules(t.Rules)
	for _, file := range []struct {
		name  string
		lines []string
	}{{"route-", routes4}, {"route6-", routes6}, {"rule-", rules4}, {"rule6-", rules6}} {
		if len(file.lines) > 0 {
			p.File("/etc/sysconfig/network-scripts/" + file.name + t.Name)
		}
		for _, line := range file.lines {
			p.Line("%s", line)
		}
	}
	return p.String()
}

// ifcfgRoutes are the lines of a route file: the words after `ip route add`.
func ifcfgRoutes(list []routes.Route, dev string) (v4, v6 []string) {
	for _, r := range list {
		line := r.String() + " dev " + dev
		if len(r.Nexthops) > 0 || !r.Type.HasDevice() {
			line = r.String()
		}
		if r.Dst.Addr().Is4() {
			v4 = append(v4, line)
		} else {
			v6 = append(v6, line)
		}
	}
	return v4, v6
}

// ifcfgRules are the lines of a rule file: the words after `ip rule add`.
func ifcfgRules(list []rule.Rule) (v4, v6 []string) {
	for _, r := range list {
		if r.IPv6 {
			v6 = append(v6, r.String())
		} else {
			v4 = append(v4, r.String())
		}
	}
	return v4, v6
}
