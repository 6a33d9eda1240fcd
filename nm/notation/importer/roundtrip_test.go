package importer

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"nmgre/nm"
	"nmgre/nm/notation"
	"nmgre/nm/notation/every"
	"nmgre/routes"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
	"nmgre/routes/rule"
)

// generated returns a tunnel with random settings, of which a notation may hold some.
func generated(r *rand.Rand) nm.Tunnel {
	t := nm.NewTunnel()
	chance := func(percent int) bool { return r.IntN(100) < percent }
	t.Name = fmt.Sprintf("%s%d", []string{"tun", "gre", "vpn"}[r.IntN(3)], r.IntN(90))
	if t.Name == "gre0" {
		t.Name = "gre9"
	}
	t.Mode = gre.Modes[r.IntN(4)]
	if chance(50) {
		t.Mode = gre.ModeGRE
	}
	outer := func() netip.Addr {
		if t.Mode.IPv6Outer() {
			return netip.MustParseAddr(fmt.Sprintf("2001:db8:%x::%x", r.IntN(0xffff), 1+r.IntN(0xfff)))
		}
		return netip.AddrFrom4([4]byte{198, 51, byte(100 + r.IntN(50)), byte(1 + r.IntN(250))})
	}
	t.Local, t.Remote = outer(), outer()
	if chance(60) {
		t.InputKey = new(gre.Key(r.Uint32()))
		t.OutputKey = gre.CloneKey(t.InputKey)
	}
	if chance(15) {
		t.OutputKey = new(gre.Key(r.Uint32()))
	}
	if chance(5) {
		t.InputKey = new(gre.Key(0))
	}
	t.TTL = uint8(1 + r.IntN(255))
	if chance(20) {
		t.TTL, t.NoPMTUD = 0, chance(50) && !t.Mode.IPv6Outer()
	}
	if chance(20) {
		t.TOS = uint8(r.IntN(256))
	}
	if t.Mode.IPv6Outer() {
		t.EncapLimit = gre.DefaultEncapLimit
		if chance(20) {
			t.EncapLimit, t.FlowLabel = uint8(1+r.IntN(200)), uint32(r.IntN(0xfffff))
		}
	}
	if chance(10) {
		t.Parent = "eth7"
	}
	t.MTU = uint32(1280 + r.IntN(200))
	bits := 30 + r.IntN(2)
	t.Addresses = append(t.Addresses, netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 16, byte(r.IntN(250)), byte(4*r.IntN(60) + 1)}), bits))
	if chance(15) {
		t.Addresses = append(t.Addresses, netip.MustParsePrefix(fmt.Sprintf("172.17.%d.1/30", r.IntN(250))))
	}
	if chance(25) {
		t.Addresses = append(t.Addresses, netip.MustParsePrefix(fmt.Sprintf("fd16:%x::1/126", r.IntN(0xffff))))
	}
	t.PeerAddress = t.ChoosePeer()
	for i := range r.IntN(4) {
		t.Routes = append(t.Routes, generatedRoute(r, t, i))
	}
	if chance(20) {
		t.Zone = "trusted"
	}
	if chance(20) && len(t.Routes) > 0 {
		t.Routes[0].Table = 77
		t.Rules = append(t.Rules, rule.MustParse(fmt.Sprintf("from 10.%d.0.0/16 table 77 priority %d", r.IntN(200), 100+r.IntN(99))))
	}
	generatedLink(&t, chance)
	t.Autoconnect, t.ClampMSS, t.Forward = !chance(10), chance(30), chance(10)
	if chance(15) {
		t.SNAT = append(t.SNAT, keep.SNAT{Dst: netip.MustParsePrefix("10.99.0.0/16"), Source: netip.MustParseAddr("10.99.0.1")})
	}
	return t
}

// generatedLink adds settings of the device and the link.
func generatedLink(t *nm.Tunnel, chance func(percent int) bool) {
	if t.Mode.Ethernet() && chance(50) {
		t.MAC = "02:00:5e:10:00:01"
	}
	if t.Mode.IPv6Outer() && chance(10) {
		t.SetEncapLimit(0)
	}
	if !t.Mode.IPv6Outer() && chance(10) {
		t.SetIgnoreDF(true)
	}
	t.Link.Checksum, t.Link.Sequence, t.Link.Multicast = chance(15), chance(15), !t.Mode.Ethernet() && chance(15)
}

// portOf makes an Ethernet tunnel the port of a bridge, which has no IP of its own.
func portOf(t nm.Tunnel, chance bool) nm.Tunnel {
	if !t.Mode.Ethernet() || !chance {
		return t
	}
	t.Controller, t.Addresses, t.PeerAddress, t.Routes, t.Rules = "br7", nil, netip.Addr{}, nil, nil
	t.SNAT, t.Forward, t.ClampMSS = nil, false, false
	return t
}

func generatedRoute(r *rand.Rand, t nm.Tunnel, i int) routes.Route {
	spec := fmt.Sprintf("10.%d.%d.0/24", i+1, r.IntN(250))
	for _, word := range []string{" via " + t.PeerAddress.String(), fmt.Sprintf(" metric %d", r.IntN(5000)), fmt.Sprintf(" table %d", 1+r.IntN(200)),
		" src " + t.Addresses[0].Addr().String(), fmt.Sprintf(" mtu %d", 1280+r.IntN(100))} {
		if r.IntN(100) < 30 {
			spec += word
		}
	}
	return routes.MustParse(spec)
}

// fitted takes settings out of a tunnel that a notation cannot hold, or holds in another way.
func fitted(k *notation.Kind, t nm.Tunnel) nm.Tunnel {
	h := k.Holds
	if !slices.Contains(h.Modes, t.Mode) {
		t.Mode, t.EncapLimit, t.FlowLabel = gre.ModeGRE, 0, 0
		t.Local, t.Remote = netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("198.51.100.2")
	}
	if h.Keys == notation.OneKey {
		t.OutputKey = gre.CloneKey(t.InputKey)
	}
	if h.NoZero {
		for _, key := range []**gre.Key{&t.InputKey, &t.OutputKey} {
			if *key != nil && **key == 0 {
				*key = nil
			}
		}
	}
	drop := func(can notation.Can, how func()) {
		if h.Can&can == 0 {
			how()
		}
	}
	drop(notation.CanParent, func() { t.Parent = "" })
	drop(notation.CanInheritTTL, func() { t.TTL, t.NoPMTUD = max(t.TTL, 1), false })
	drop(notation.CanTOS, func() { t.TOS = 0 })
	drop(notation.CanNoPMTUD, func() { t.NoPMTUD = false })
	if t.Mode.IPv6Outer() {
		drop(notation.CanTOS6, func() { t.TOS = 0 })
	}
	if !t.Mode.IPv6Outer() {
		drop(notation.CanHexTOS, func() { t.TOS = t.TOS>>4%10<<4 | t.TOS&0xf%10 })
	}
	if t.Link.Multicast && t.Mode.Ethernet() {
		t.Link.Multicast = false
	}
	drop(notation.CanFlowLabel, func() { t.FlowLabel = 0 })
	if t.EncapLimit != 0 && h.Can&notation.CanEncapLimit == 0 {
		t.EncapLimit = gre.DefaultEncapLimit
	}
	drop(notation.CanNoEncapLimit|notation.CanFlags, func() {
		if t.HasNoEncapLimit() {
			t.SetEncapLimit(gre.DefaultEncapLimit)
		}
	})
	drop(notation.CanMAC, func() { t.MAC = "" })
	drop(notation.CanMulticast, func() { t.Link.Multicast = false })
	drop(notation.CanIgnoreDF, func() { t.Link.IgnoreDF = false })
	drop(notation.CanChecksum, func() { t.Link.Checksum = false })
	drop(notation.CanSequence, func() { t.Link.Sequence = false })
	drop(notation.CanMany, func() { t.Addresses = t.Addresses[:1] })
	drop(notation.CanRule, func() { t.Rules = nil })
	drop(notation.CanZone, func() { t.Zone = "" })
	drop(notation.CanSNAT, func() { t.SNAT = nil })
	drop(notation.CanForward, func() { t.Forward = false })
	drop(notation.CanClamp, func() { t.ClampMSS = false })
	drop(notation.CanManual, func() { t.Autoconnect = true })
	for i := range t.Routes {
		r := &t.Routes[i]
		if h.Can&notation.CanAnyRoute == 0 {
			drop(notation.CanMetric, func() { r.Metric = nil })
			drop(notation.CanTable, func() { r.Table = 0 })
			drop(notation.CanSrc, func() { r.Src = netip.Addr{} })
			drop(notation.CanRouteMTU, func() { r.MTU = 0 })
		}
		if k.Name == "cisco-ios" {
			r.Via = t.PeerAddress // it writes a gateway always
		}
	}
	if k.Name == "cisco-ios" || k.Name == "vyos" { // they clamp always, and forward by themselves
		t.ClampMSS, t.Forward = true, false
	}
	switch k.Name {
	case "cisco-ios":
		t.Name = fmt.Sprint("tun", notation.Number(t.Name))
	case "vyos":
		t.Name = fmt.Sprint("tun", notation.Number(t.Name))
	}
	t.PeerAddress = t.ChoosePeer()
	return t
}

// A notation reads its own texts as the same links, for 300 generated links and both ends.
func TestRoundTrip(t *testing.T) {
	for _, k := range every.Kinds() {
		if k.Read == nil {
			continue
		}
		t.Run(k.Name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(15, 300))
			differ := 0
			for range 300 {
				near := fitted(k, generated(r))
				near = portOf(near, r.IntN(3) == 0 && k.Holds.Can&notation.CanController != 0)
				link := notation.NewLink(near, near.FarEnd([]netip.Prefix{netip.MustParsePrefix("10.77.0.0/24")}))
				for _, end := range every.Ends {
					l := link
					if end == "far" {
						l = l.Swap()
						l.Near.Tunnel = fitted(k, l.Near.Tunnel)
						l.Near.Name = near.Name
					}
					if !same(t, k, l) {
						differ++
					}
				}
				if differ > 3 {
					t.FailNow()
				}
			}
		})
	}
}

// same compares a tunnel with the one that is read of its text.
func same(t *testing.T, k *notation.Kind, l notation.Link) bool {
	t.Helper()
	text, err := k.Text(l)
	if err != nil {
		t.Errorf("%v\n%s", err, l.Near.CreateCommand())
		return false
	}
	im, err := Read(text, Options{From: k.Name, Strict: true})
	if err != nil || len(im.Tunnels) != 1 {
		t.Errorf("%v\n%s", err, text)
		return false
	}
	if kind, err := Recognise(text); err != nil || kind != k && !strings.HasPrefix(k.Name, "ifupdown") {
		t.Errorf("%s is recognised as %v, %v\n%s", k.Name, kind, err, text)
		return false
	}
	got, want := command(im.Tunnels[0]), command(notation.Ready(l.Near.Tunnel))
	if got != want {
		t.Errorf("- %s\n+ %s\n%s", want, got, text)
	}
	return got == want
}

// command writes a tunnel in a form that does not depend on the order of its lists.
func command(t nm.Tunnel) string {
	t = t.Clone()
	if t.EncapLimit == 0 && t.Mode.IPv6Outer() && !t.HasNoEncapLimit() {
		t.EncapLimit = gre.DefaultEncapLimit
	}
	if !t.PeerAddress.IsValid() {
		t.PeerAddress = t.ChoosePeer()
	}
	slices.SortFunc(t.Routes, func(a, b routes.Route) int { return strings.Compare(a.String(), b.String()) })
	return t.CreateCommand()
}
