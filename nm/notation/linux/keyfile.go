package linux

import (
	"fmt"
	"net/netip"
	"strings"

	"nmgre/nm"
	"nmgre/nm/nmcli"
	"nmgre/nm/notation"
	"nmgre/routes"
)

// Keyfile is a file of NetworkManager's keyfile plugin: nm-settings-keyfile(5), NetworkManager
// 1.42. It has no uuid, so that NetworkManager makes one of the file's name.
var Keyfile = notation.Kind{
	Name: "keyfile", Title: "NetworkManager's keyfile",
	Words: func() map[string]string {
		return map[string]string{"--controller": "master=", "--parent": "parent=", "--peer-address": "routes", "--address": "address1="}
	},
	Holds: notation.Holds{Modes: allModes, Keys: notation.TwoKeys,
		Can: everything&^notation.CanAnyRoute | profileRoutes | notation.CanFlags | notation.CanBridgeUUID | notation.CanZone | notation.CanManual | notation.CanRule | notation.CanAnyRule,
		Why: profileReasons},
	Write: writeKeyfile,
	Read:  readKeyfile,
	Looks: func(text string) int {
		return notation.Sure * notation.CountLines(text, "[connection]", "[ip-tunnel]", "[ipv4]", "[ipv6]")
	},
}

func writeKeyfile(l notation.Link) string {
	t := l.Near.Tunnel
	p := notation.NewPage("#", "keyfile", l.Near)
	p.Comment("root's, with the mode 0600; then: nmcli connection reload")
	p.MSS(t)
	p.File("/etc/NetworkManager/system-connections/" + t.Name + ".nmconnection")
	p.Line("[connection]")
	p.Line("id=%s", t.Name)
	p.Line("type=ip-tunnel")
	p.Line("interface-name=%s", t.Name)
	p.When(!t.Autoconnect, "autoconnect=false")
	p.When(t.Zone != "", "zone=%s", t.Zone)
	p.When(t.Controller != "", "slave-type=bridge")
	p.When(t.Controller != "", "master=%s", t.Controller)
	if t.MAC != "" {
		p.Line("")
		p.Line("[ethernet]")
		p.Line("cloned-mac-address=%s", t.MAC)
	}
	p.Line("")
	p.Line("[ip-tunnel]")
	p.When(t.EncapLimit != 0, "encapsulation-limit=%d", t.EncapLimit)
	p.When(t.Flags != 0, "flags=%d", uint32(t.Flags))
	p.When(t.FlowLabel != 0, "flow-label=%d", t.FlowLabel)
	if t.InputKey != nil {
		p.Line("input-key=%s", t.InputKey)
	}
	p.When(t.Local.IsValid() && !t.Local.IsUnspecified(), "local=%s", t.Local)
	p.Line("mode=%d", profileModes[t.Mode])
	p.Line("mtu=%d", t.MTU)
	if t.OutputKey != nil {
		p.Line("output-key=%s", t.OutputKey)
	}
	p.When(t.Parent != "", "parent=%s", t.Parent)
	p.When(t.NoPMTUD, "path-mtu-discovery=false")
	p.Line("remote=%s", t.Remote)
	p.When(t.TOS != 0, "tos=%d", t.TOS)
	p.Line("ttl=%d", t.TTL)
	if t.Controller != "" { // a port has no settings of IP
		return p.String()
	}
	keyfileFamily(p, t, "ipv4", netip.Addr.Is4)
	keyfileFamily(p, t, "ipv6", netip.Addr.Is6)
	return p.String()
}

func keyfileFamily(p *notation.Page, t nm.Tunnel, section string, is func(netip.Addr) bool) {
	p.Line("")
	p.Line("[%s]", section)
	n := 0
	for _, a := range t.Addresses {
		if is(a.Addr()) {
			n++
			p.Line("address%d=%s", n, a)
		}
	}
	if n == 0 {
		p.Line("method=disabled")
		keyfileRules(p, t, section)
		return
	}
	p.Line("method=manual")
	keyfileRules(p, t, section)
	n = 0
	for _, r := range t.Routes {
		if is(r.Dst.Addr()) {
			n++
			keyfileRoute(p, n, r)
		}
	}
}

// keyfileRules writes the rules of one family, in the words of nmcli.
func keyfileRules(p *notation.Page, t nm.Tunnel, section string) {
	n := 0
	for _, r := range t.Rules {
		if r.IPv6 == (section == "ipv6") {
			n++
			p.Line("routing-rule%d=%s", n, nmcli.Rule(r))
		}
	}
}

// keyfileRoute writes route1=DEST[,GATEWAY[,METRIC]] and its route1_options.
func keyfileRoute(p *notation.Page, n int, r routes.Route) {
	text := r.Dst.String()
	switch {
	case r.Via.IsValid():
		text += "," + r.Via.String()
	case r.Metric != nil && r.Dst.Addr().Is4():
		text += ",0.0.0.0"
	case r.Metric != nil:
		text += ",::"
	}
	if r.Metric != nil {
		text += fmt.Sprintf(",%d", *r.Metric)
	}
	p.Line("route%d=%s", n, text)
	var options []string
	if r.Src.IsValid() {
		options = append(options, "src="+r.Src.String())
	}
	if r.Table != 0 {
		options = append(options, fmt.Sprintf("table=%d", r.Table))
	}
	if r.MTU != 0 {
		options = append(options, fmt.Sprintf("mtu=%d", r.MTU))
	}
	if r.OnLink {
		options = append(options, "onlink=true")
	}
	p.When(len(options) > 0, "route%d_options=%s", n, strings.Join(options, ","))
}
