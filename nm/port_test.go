package nm

import (
	"strings"
	"testing"

	"nmgre/routes"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
	"nmgre/routes/rule"
	"nmgre/testdata/want"
)

// Whatever a tunnel has of IP is refused for the port of a bridge, each by its own flag.
func TestPortHasNoIP(t *testing.T) {
	port := func(change func(*Tunnel)) Tunnel {
		p := NewTunnel()
		p.Mode, p.Remote, p.Controller = gre.ModeGRETAP, want.Addr("192.0.2.2"), "br0"
		change(&p)
		return p
	}
	if problems := checkPort(port(func(*Tunnel) {})); len(problems) > 0 {
		t.Errorf("a port without IP: %v", problems.Err())
	}
	if problems := checkPort(port(func(p *Tunnel) { p.Controller = "my bridge" })); len(problems) > 0 {
		t.Errorf("a bridge by its profile's name: %v", problems.Err())
	}
	if problems := checkPort(port(func(p *Tunnel) { p.Controller = strings.Repeat("b", 256) })); len(problems) != 1 {
		t.Errorf("a name of 256 bytes: %v", problems.Err())
	}
	for field, change := range map[string]func(*Tunnel){
		"address":      func(p *Tunnel) { p.Addresses = want.CIDRs("172.16.0.1/30") },
		"peer-address": func(p *Tunnel) { p.PeerAddress = want.Addr("172.16.0.2") },
		"route":        func(p *Tunnel) { p.Routes = []routes.Route{routes.MustParse("10.10.2.0/24")} },
		"rule":         func(p *Tunnel) { p.Rules = []rule.Rule{{}} },
		"snat":         func(p *Tunnel) { p.SNAT = []keep.SNAT{{Dst: want.CIDR("10.10.2.0/24")}} },
		"forward":      func(p *Tunnel) { p.Forward = true },
		"clamp-mss":    func(p *Tunnel) { p.ClampMSS = true },
		"mac":          func(p *Tunnel) { p.MAC = "ff:ff:ff:ff:ff:ff" },
		"controller":   func(p *Tunnel) { p.Controller = "a\nbridge" },
	} {
		problems := checkPort(port(change))
		if len(problems) != 1 || problems[0].Field != field || problems[0].Hint == "" || strings.Contains(problems[0].What, "%!") {
			t.Errorf("%s: %v", field, problems.Err())
		}
	}
}
