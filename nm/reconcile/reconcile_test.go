package reconcile

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
	"nmgre/routes/rule"
	"nmgre/testdata/want"
)

// links are those of a host with one uplink.
var links = []kernel.Link{{Name: "eth0", MTU: 1500, Addresses: want.CIDRs("100.0.1.100/24")}}

// decided is a tunnel as a plan has decided it.
func decided() nm.Tunnel {
	t := nm.NewTunnel()
	t.Name, t.Remote, t.Local, t.MTU = "gre1", want.Addr("100.0.2.100"), want.Addr("100.0.1.100"), 1476
	t.Addresses = want.CIDRs("172.16.0.1/30")
	t.PeerAddress = t.ChoosePeer()
	return t
}

// open is the same tunnel as a document has it.
func open() nm.Tunnel {
	t := decided()
	t.Local, t.MTU, t.PeerAddress = netip.Addr{}, 0, netip.Addr{}
	return t
}

func spec(t *testing.T, texts ...string) (list []routes.Route) {
	t.Helper()
	for _, text := range texts {
		r, err := routes.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, r)
	}
	return list
}

func rules(t *testing.T, texts ...string) (list []rule.Rule) {
	t.Helper()
	for _, text := range texts {
		r, err := rule.ParseWith(routes.Names{}, text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, r)
	}
	return list
}

// A field that a plan has decided is no difference, and every other one is.
func TestDecideAboutOne(t *testing.T) {
	for _, c := range []struct {
		name         string
		before, want func(*nm.Tunnel)
		action       Action
	}{
		{"the same", func(*nm.Tunnel) {}, func(*nm.Tunnel) {}, None},
		{"the order of routes", func(o *nm.Tunnel) { o.Routes = spec(t, "10.1.0.0/16", "10.2.0.0/16") }, func(o *nm.Tunnel) { o.Routes = spec(t, "10.2.0.0/16", "10.1.0.0/16") }, None},
		{"a route more", func(o *nm.Tunnel) { o.Routes = spec(t, "10.1.0.0/16") }, func(o *nm.Tunnel) { o.Routes = spec(t, "10.1.0.0/16", "10.2.0.0/16") }, Change},
		{"a route less", func(o *nm.Tunnel) { o.Routes = spec(t, "10.1.0.0/16") }, func(*nm.Tunnel) {}, Change},
		{"the chosen metric of a default route", func(o *nm.Tunnel) { o.Routes = spec(t, "default metric 50") }, func(o *nm.Tunnel) { o.Routes = spec(t, "default") }, None},
		{"another metric of a default route", func(o *nm.Tunnel) { o.Routes = spec(t, "default metric 50") }, func(o *nm.Tunnel) { o.Routes = spec(t, "default metric 60") }, Change},
		{"the chosen place of a rule", func(o *nm.Tunnel) { o.Rules = rules(t, "from 10.0.0.2 table 100 priority 20000") }, func(o *nm.Tunnel) { o.Rules = rules(t, "from 10.0.0.2 table 100") }, None},
		{"another place of a rule", func(o *nm.Tunnel) { o.Rules = rules(t, "from 10.0.0.2 table 100 priority 20000") }, func(o *nm.Tunnel) { o.Rules = rules(t, "from 10.0.0.2 table 100 priority 5") }, Change},
		{"two rules and one", func(o *nm.Tunnel) { o.Rules = rules(t, "from 10.0.0.2 table 100 priority 20000") }, func(o *nm.Tunnel) { o.Rules = rules(t, "from 10.0.0.2 table 100", "from 10.0.0.2 table 100") }, Change},
		{"an MTU that no one would compute", func(o *nm.Tunnel) { o.MTU = 1400 }, func(*nm.Tunnel) {}, Change},
		{"an MTU that was given", func(o *nm.Tunnel) { o.MTU = 1400 }, func(o *nm.Tunnel) { o.MTU = 1400 }, None},
		{"the kernel's own MTU", func(o *nm.Tunnel) { o.MTU = 0 }, func(*nm.Tunnel) {}, None},
		{"a local address that is gone", func(o *nm.Tunnel) { o.Local = want.Addr("100.0.1.99") }, func(*nm.Tunnel) {}, Change},
		{"a local address that was given", func(o *nm.Tunnel) { o.Local = want.Addr("100.0.1.99") }, func(o *nm.Tunnel) { o.Local = want.Addr("100.0.1.99") }, Change}, // its MTU is a plan's to compute
		{"a key", func(*nm.Tunnel) {}, func(o *nm.Tunnel) { k := gre.Key(4); o.InputKey, o.OutputKey = &k, &k }, Change},
		{"a name of the far end", func(o *nm.Tunnel) { o.PeerName = "gw.example.org" }, func(o *nm.Tunnel) { o.PeerName, o.Remote = "gw.example.org", netip.Addr{} }, None},
		{"another name", func(o *nm.Tunnel) { o.PeerName = "gw.example.org" }, func(o *nm.Tunnel) { o.PeerName = "gw2.example.org" }, Change},
		{"the document", func(o *nm.Tunnel) { o.Document = "default" }, func(*nm.Tunnel) {}, None},
		{"autoconnect", func(o *nm.Tunnel) { o.Autoconnect = false }, func(*nm.Tunnel) {}, Change},
	} {
		before, wanted := decided(), open()
		c.before(&before)
		c.want(&wanted)
		steps, err := Decide([]Wanted{{Tunnel: wanted}}, []Have{{Profile: nm.Profile{UUID: "u", Tunnel: before}}}, links, "")
		if err != nil || len(steps) != 1 || steps[0].Action != c.action {
			t.Errorf("%s: %v, %v, want %s", c.name, steps, err, c.action)
		}
	}
}

// The limit of a tunnel by IPv6 is the default where the document has none.
func TestLimit(t *testing.T) {
	for _, c := range []struct {
		before, want, after uint8
	}{{4, 0, 4}, {0, 0, 0}, {9, 0, 4}, {9, 9, 9}, {4, 7, 7}} {
		before, wanted := decided(), open()
		before.Mode, wanted.Mode = gre.ModeIP6GRE, gre.ModeIP6GRE
		before.EncapLimit, wanted.EncapLimit = c.before, c.want
		if got := Merged(wanted, before, links); got.EncapLimit != c.after {
			t.Errorf("%+v: %d", c, got.EncapLimit)
		}
	}
	before, wanted := decided(), open()
	before.Mode, wanted.Mode = gre.ModeIP6GRE, gre.ModeIP6GRE
	before.SetEncapLimit(0)
	if got := Merged(wanted, before, links); got.EncapLimit != gre.DefaultEncapLimit || got.HasNoEncapLimit() {
		t.Errorf("%d", got.EncapLimit)
	}
}

// The routes and rules that root keeps are part of the tunnel.
func TestKept(t *testing.T) {
	snat := []keep.SNAT{{Dst: want.CIDR("10.10.1.0/24"), Source: want.Addr("10.10.1.1")}}
	have := []Have{{Profile: nm.Profile{UUID: "u", Tunnel: decided()}, Kept: keep.Kept{UUID: "u", SNAT: snat}}}
	wanted := open()
	if steps, err := Decide([]Wanted{{Tunnel: wanted}}, have, links, ""); err != nil || steps[0].Action != Change {
		t.Errorf("without: %v, %v", steps, err)
	}
	wanted.SNAT = snat
	if steps, err := Decide([]Wanted{{Tunnel: wanted}}, have, links, ""); err != nil || steps[0].Action != None {
		t.Errorf("with: %v, %v", steps, err)
	}
}

// Tunnels are made, deleted and pruned; those made from another document, or by hand, stay.
func TestDecideAboutAll(t *testing.T) {
	tunnel := func(name, document string) Have {
		one := decided()
		one.Name, one.Document = name, document
		return Have{Profile: nm.Profile{UUID: "uuid-" + name, Tunnel: one}}
	}
	have := []Have{tunnel("gre1", "default"), tunnel("old", "default"), tunnel("other", "other"), tunnel("byhand", ""), tunnel("absent", "")}
	fresh := open()
	fresh.Name = "new"
	wants := []Wanted{{Tunnel: fresh}, {Tunnel: open()}, {Tunnel: nm.Tunnel{Name: "absent"}, Absent: true}, {Tunnel: nm.Tunnel{Name: "nothing"}, Absent: true}}
	for prune, want := range map[string]string{"": "new create, gre1 none, absent delete, nothing none", "default": "new create, gre1 none, absent delete, nothing none, old delete"} {
		steps, err := Decide(wants, have, links, prune)
		var words []string
		for _, s := range steps {
			words = append(words, s.Name+" "+string(s.Action))
		}
		if got := strings.Join(words, ", "); err != nil || got != want {
			t.Errorf("%q: %s, %v", prune, got, err)
		}
	}
}

// A name that is not one tunnel of NetworkManager's is refused, with the line.
func TestRefused(t *testing.T) {
	one := Have{Profile: nm.Profile{UUID: "one", Tunnel: decided()}}
	external := one
	external.Profile.State = nm.StateExternal
	for name, have := range map[string][]Have{"two profiles": {one, one}, "made by hand": {external}} {
		_, err := Decide([]Wanted{{Tunnel: open(), Line: 7}}, have, links, "")
		if !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), "line 7") || len(fault.Hints(err)) != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTwins(t *testing.T) {
	a, b := decided(), decided()
	b.Name = "gre2"
	if err := Twins([]nm.Tunnel{a, b}); !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), "gre1 and gre2") {
		t.Error(err)
	}
	key := gre.Key(0)
	b.InputKey = &key
	if err := Twins([]nm.Tunnel{a, b}); err != nil {
		t.Error(err)
	}
}

// Tunnels that are made together have inner networks and routes that are not in each other's way.
// Those that are there already stay as they are.
func TestBeside(t *testing.T) {
	tunnel := func(name string, address string, specs ...string) nm.Tunnel {
		one := nm.Tunnel{Name: name, Addresses: want.CIDRs(address)}
		for _, spec := range specs {
			one.Routes = append(one.Routes, routes.MustParse(spec))
		}
		return one
	}
	for name, c := range map[string]struct {
		a, b nm.Tunnel
		says string
	}{
		"the same network":   {tunnel("gre1", "172.16.0.1/30"), tunnel("gre2", "172.16.0.1/30"), "addresses: the inner networks of gre1 and gre2 overlap: 172.16.0.1/30 and 172.16.0.1/30"},
		"a /31 in a /24":     {tunnel("gre1", "172.16.0.1/24"), tunnel("gre2", "172.16.0.8/31"), "addresses: the inner networks of gre1 and gre2 overlap"},
		"unnumbered":         {tunnel("gre1", "10.1.0.1/32"), tunnel("gre2", "10.1.0.1/32"), ""},
		"of the link":        {tunnel("gre1", "fe80::1/64"), tunnel("gre2", "fe80::1/64"), ""},
		"neighbours":         {tunnel("gre1", "172.16.0.0/31"), tunnel("gre2", "172.16.0.2/31"), ""},
		"one route":          {tunnel("gre1", "172.16.0.0/31", "10.0.0.0/8"), tunnel("gre2", "172.16.0.2/31", "10.0.0.0/8"), "routes: gre1 and gre2 both have a route to 10.0.0.0/8 with the same metric"},
		"the main table":     {tunnel("gre1", "172.16.0.0/31", "10.0.0.0/8 table 254"), tunnel("gre2", "172.16.0.2/31", "10.0.0.0/8"), "routes: gre1 and gre2"},
		"another metric":     {tunnel("gre1", "172.16.0.0/31", "10.0.0.0/8"), tunnel("gre2", "172.16.0.2/31", "10.0.0.0/8 metric 700"), ""},
		"another table":      {tunnel("gre1", "172.16.0.0/31", "10.0.0.0/8"), tunnel("gre2", "172.16.0.2/31", "10.0.0.0/8 table 7"), ""},
		"a more special one": {tunnel("gre1", "172.16.0.0/31", "10.0.0.0/8"), tunnel("gre2", "172.16.0.2/31", "10.1.0.0/16"), ""},
	} {
		for _, made := range []int{0, 1, 2} { // 2 for none
			err := Beside([]nm.Tunnel{c.a, c.b}, func(i int) bool { return i == made })
			if (err != nil) != (c.says != "" && made < 2) || err != nil && (!errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("%s, of which %d is made: %v", name, made, err)
			}
		}
	}
}
