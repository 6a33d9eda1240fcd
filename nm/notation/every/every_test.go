package every_test

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"nmgre/nm"
	"nmgre/nm/notation"
	"nmgre/nm/notation/every"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
	"nmgre/routes/rule"
	"nmgre/testdata/want"
)

// seed returns the tunnel of the first host, with a key or without one.
func seed(key bool) nm.Tunnel {
	t := nm.NewTunnel()
	t.Name, t.Local, t.Remote, t.MTU = "gre1", netip.MustParseAddr("100.0.1.100"), netip.MustParseAddr("100.0.2.100"), 1476
	t.Addresses, t.PeerAddress = []netip.Prefix{netip.MustParsePrefix("172.16.0.1/30")}, netip.MustParseAddr("172.16.0.2")
	t.Routes = []routes.Route{routes.MustParse("10.10.2.0/24")}
	if key {
		t.InputKey, t.OutputKey, t.MTU = new(gre.Key(42)), new(gre.Key(42)), 1472
	}
	return t
}

// port returns a tunnel that carries Ethernet frames as the port of a bridge.
func port(t nm.Tunnel) nm.Tunnel {
	t.Mode, t.MAC, t.Controller = gre.ModeGRETAP, "02:00:5e:10:00:01", "br7"
	t.Addresses, t.PeerAddress, t.Routes = nil, netip.Addr{}, nil
	return t
}

// link returns a tunnel's link, whose first host has a LAN.
func link(t nm.Tunnel) notation.Link {
	return notation.NewLink(t, t.FarEnd([]netip.Prefix{netip.MustParsePrefix("10.10.1.0/24")}))
}

// Each notation writes both ends, or says which field it cannot hold. The texts were compared with
// the references that their files name.
func TestWrite(t *testing.T) {
	six := seed(true)
	six.Mode, six.Local, six.Remote, six.MTU = gre.ModeIP6GRE, netip.MustParseAddr("2001:db8:1::100"), netip.MustParseAddr("2001:db8:2::100"), 1444
	six.Addresses = append(six.Addresses, netip.MustParsePrefix("fd16::1/64"))
	six.Routes = append(six.Routes, routes.MustParse("fd10:2::/64 via fd16::2"))
	tap := seed(true)
	tap.Mode, tap.OutputKey, tap.MTU, tap.TOS = gre.ModeGRETAP, new(gre.Key(7)), 1458, 0x10
	options := seed(true)
	options.SetIgnoreDF(true)
	options.Link.Multicast, options.Link.Checksum, options.Link.Sequence = true, true, true
	for _, kind := range every.Kinds() {
		var b strings.Builder
		for _, c := range []struct {
			name string
			near nm.Tunnel
		}{{"plain", seed(false)}, {"key", seed(true)}, {"IPv6", six}, {"Ethernet, two keys, a TOS", tap}, {"the port of a bridge", port(seed(true))}, {"options of the link", options}} {
			for _, end := range every.Ends {
				b.WriteString("=== " + c.name + ", " + end + " end\n")
				text, err := every.Write(link(c.near), kind.Name, end)
				for _, one := range fault.Split(err) {
					text += "error: " + one.Error() + "\n"
				}
				b.WriteString(text)
			}
		}
		want.Golden(t, "write/"+kind.Name+".txt", b.String())
	}
}

// The list of kinds is a contract: the words for --as.
func TestNames(t *testing.T) {
	contract := strings.Fields("nmgre nmcli keyfile ip ifcfg netplan networkd ifupdown ifupdown2 ifupdown-ng cisco-ios cisco-iosxr junos routeros vyos fortios vrp comware openwrt freebsd openbsd wicked")
	names := every.Names(false)
	slices.Sort(contract)
	slices.Sort(names)
	if !slices.Equal(names, contract) {
		t.Errorf("%q", names)
	}
}

// Every text of a notation has the addresses, the MTU and the MSS: none of them is left to a
// default.
func TestWritesMTUAndMSS(t *testing.T) {
	for _, kind := range every.Kinds() {
		text, err := every.Write(link(seed(false)), kind.Name, "far")
		if err != nil {
			t.Errorf("%s: %v", kind.Name, err)
			continue
		}
		for _, needed := range []string{"100.0.1.100", "100.0.2.100", "172.16.0.2", "1476", "1436"} {
			if !strings.Contains(text, needed) {
				t.Errorf("%s has no %s:\n%s", kind.Name, needed, text)
			}
		}
		if !strings.Contains(text, "10.10.1.0") || strings.Contains(text, "10.10.2.0") {
			t.Errorf("%s has the routes of the other end:\n%s", kind.Name, text)
		}
	}
}

// A field that a notation cannot hold is refused by its name, and is never left out silently.
func TestRefuses(t *testing.T) {
	for field, change := range map[string]func(*nm.Tunnel){
		"mode":        func(t *nm.Tunnel) { t.Mode = gre.ModeGRETAP },
		"key":         func(t *nm.Tunnel) { t.InputKey, t.OutputKey = new(gre.Key(1)), new(gre.Key(2)) },
		"tos":         func(t *nm.Tunnel) { t.TOS = 16 },
		"ttl":         func(t *nm.Tunnel) { t.TTL = 0 },
		"no-pmtud":    func(t *nm.Tunnel) { t.TTL, t.NoPMTUD = 0, true },
		"parent":      func(t *nm.Tunnel) { t.Parent = "eth7" },
		"local":       func(t *nm.Tunnel) { t.Local = netip.IPv4Unspecified() },
		"snat":        func(t *nm.Tunnel) { t.SNAT = []keep.SNAT{{Dst: netip.MustParsePrefix("10.10.7.0/24")}} },
		"autoconnect": func(t *nm.Tunnel) { t.Autoconnect = false },
		"route":       func(t *nm.Tunnel) { t.Routes = []routes.Route{routes.MustParse("10.10.7.0/24 advmss 999")} },
		"address":     func(t *nm.Tunnel) { t.Addresses = append(t.Addresses, netip.MustParsePrefix("172.17.0.1/30")) },
		"controller": func(t *nm.Tunnel) {
			*t = port(*t)
			t.MAC = ""
		},
		"mac":       func(t *nm.Tunnel) { t.Mode, t.MAC = gre.ModeGRETAP, "02:00:5e:10:00:01" },
		"multicast": func(t *nm.Tunnel) { t.Link.Multicast = true },
		"ignore-df": func(t *nm.Tunnel) { t.SetIgnoreDF(true) },
		"checksum":  func(t *nm.Tunnel) { t.Link.Checksum = true },
		"sequence":  func(t *nm.Tunnel) { t.Link.Sequence = true },
		"encap-limit": func(t *nm.Tunnel) {
			t.Mode, t.Local, t.Remote = gre.ModeIP6GRE, netip.MustParseAddr("2001:db8:1::100"), netip.MustParseAddr("2001:db8:2::100")
			t.SetEncapLimit(0)
		},
	} {
		refused := 0
		for _, kind := range every.Kinds() {
			near := seed(false)
			change(&near)
			text, err := every.Write(link(near), kind.Name, "near")
			fields := map[string]bool{}
			fault.Walk(err, func(e *fault.Error) { fields[e.Field] = true })
			switch {
			case err == nil && !holds(field, text):
				t.Errorf("%s dropped %s:\n%s", kind.Name, field, text)
			case err != nil && (!fields[field] && !(field == "no-pmtud" && fields["ttl"]) || !errors.Is(err, fault.ErrInvalid)):
				t.Errorf("%s, %s: %v", kind.Name, field, err)
			case err != nil:
				refused++
			}
		}
		if refused == 0 {
			t.Errorf("no notation refuses %s", field)
		}
	}
}

// A tunnel without a far end is refused for this end. A command of nmgre's in a note stays as it is
// typed, whatever the notation calls the flags before it.
func TestWithoutAFarEnd(t *testing.T) {
	near := seed(false)
	near.Name, near.Remote, near.PeerAddress, near.Addresses, near.Routes = "any1", netip.IPv4Unspecified(), netip.Addr{}, []netip.Prefix{netip.MustParsePrefix("172.16.5.1/24")}, nil
	for _, kind := range every.Kinds() {
		text, err := every.Write(link(near), kind.Name, "near")
		if !errors.Is(err, fault.ErrInvalid) || !slices.Contains(fault.Hints(err), "give it a far end first: nmgre edit any1 --peer ADDR") {
			t.Errorf("%s: %q, %v", kind.Name, text, err)
		}
	}
	text, err := every.Write(link(near), "ip", "far")
	if err != nil || !strings.Contains(text, ": nmgre edit any1 --peer-address 172.16.5.2\n") {
		t.Errorf("%s, %v", text, err)
	}
}

// holds looks for the value that a case of TestRefuses has set.
func holds(field, text string) bool {
	for _, word := range map[string][]string{
		"mode": {"gretap", "gre4t", "mode=10"}, "key": {"2"}, "tos": {"tos", "TOS", "tunnel tos 16"}, "parent": {"eth7"}, "controller": {"br7"}, "mac": {"02:00:5e:10:00:01"}, "multicast": {"multicast", "Multicast=yes"}, "ignore-df": {"ignore-df"}, "checksum": {"--checksum", " csum", "icsum ocsum"}, "sequence": {"--sequence", " seq", "iseq oseq"},
		"encap-limit": {"encap-limit none", "encaplimit none", "ip-tunnel.flags", "flags="}, "snat": {"10.10.7.0"}, "route": {"advmss", "10.10.7.0"},
		"address": {"172.17.0.1"}, "ttl": {"inherit", "TTL=0", "ttl 0", "copy", "cannot", ""}, "no-pmtud": {""}, "local": {""}, "autoconnect": {"false", "no", "manual", "disable", "shutdown", "'0'", "iface"},
	}[field] {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}

// Swapping twice changes nothing, and the ends that FarEnd makes mirror each other.
func TestSwap(t *testing.T) {
	l := link(seed(true))
	if twice := l.Swap().Swap(); twice.Near.CreateCommand() != l.Near.CreateCommand() || twice.Far.CreateCommand() != l.Far.CreateCommand() {
		t.Errorf("%+v", twice)
	}
	if list := l.Differences(); len(list) != 0 {
		t.Errorf("%v", list)
	}
	copied := l
	copied.Far = copied.Near
	if list := copied.Differences(); len(list) != 3 {
		t.Errorf("a copy has other differences: %v", list)
	}
}

// NetworkManager's notations have rules of the routing policy, but for those that no profile holds,
// and a bridge by its interface or its profile's UUID, but not by its profile's name.
func TestProfileNotations(t *testing.T) {
	withRule := func(text string) nm.Tunnel {
		near := seed(false)
		near.Rules = []rule.Rule{rule.MustParse(text)}
		return near
	}
	bridge := port(seed(true))
	bridge.Controller = "my bridge"
	for _, c := range []struct {
		name, kind string
		near       nm.Tunnel
		has, field string
	}{
		{"a rule", "nmcli", withRule("from 10.9.0.0/16 table 7 priority 100"), "ipv4.routing-rules 'priority 100 from 10.9.0.0/16 table 7'", ""},
		{"a rule", "keyfile", withRule("from 10.9.0.0/16 table 7 priority 100"), "routing-rule1=priority 100 from 10.9.0.0/16 table 7", ""},
		{"a rule of IPv6", "keyfile", withRule("from fd09::/16 blackhole priority 100"), "[ipv6]\nmethod=disabled\nrouting-rule1=priority 100 from fd09::/16 type blackhole", ""},
		{"a rule by its group", "nmcli", withRule("from 10.9.0.0/16 table 7 priority 100 suppress_ifgroup 3"), "", "rule"},
		{"the priority 0", "keyfile", withRule("from 10.9.0.0/16 table 7 priority 0"), "", "rule"},
		{"a rule by its group", "ip", withRule("from 10.9.0.0/16 table 7 priority 100 suppress_ifgroup 3"), "suppress_ifgroup 3", ""},
		{"a bridge by its profile", "nmcli", bridge, "", "controller"},
		{"a bridge by its profile", "ip", bridge, "", "controller"},
		{"a bridge by its profile", "nmgre", bridge, "--controller 'my bridge'", ""},
	} {
		text, err := every.Write(link(c.near), c.kind, "near")
		field := ""
		fault.Walk(err, func(e *fault.Error) { field = e.Field })
		if field != c.field || !strings.Contains(text, c.has) {
			t.Errorf("%s as %s: %v, %s", c.name, c.kind, err, text)
		}
	}
}
