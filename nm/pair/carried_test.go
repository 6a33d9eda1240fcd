package pair

import (
	"net/netip"
	"strings"
	"testing"

	"nmgre/nm"
	"nmgre/nm/notation/importer"
	"nmgre/testdata/want"
)

// carrying adds a tunnel to a host as it greets, with the tunnel's networks.
func carrying(h *Hello, flags, name string) *Hello {
	im, err := importer.Read("nmgre create "+flags+" --name "+name, importer.Options{From: "nmgre", Strict: true})
	if err != nil {
		panic(err)
	}
	more := HelloOf(nil, []nm.Profile{{ID: name, Tunnel: im.Tunnels[0]}})
	h.Ends, h.Names, h.Nets, h.Routed = append(h.Ends, more.Ends...), append(h.Names, more.Names...), append(h.Nets, more.Nets...), append(h.Routed, more.Routed...)
	return h
}

// A network that another tunnel carries already is left out of the proposal, at either end, and
// that is said. One that a tunnel to elsewhere carries as a part of something larger is not.
func TestProposeNotTwice(t *testing.T) {
	for name, c := range map[string]struct {
		near, far         []string // flags of a tunnel that is there
		nearHas, farHas   bool
		nearSays, farSays string
	}{
		"no other tunnel": {nil, nil, true, true, "", ""},
		"the same at both ends": {[]string{"--peer 100.0.2.100 --key 5 --address 172.16.9.1/30 --route 10.10.2.0/24"}, []string{"--peer 100.0.1.100 --key 5 --address 172.16.9.2/30 --route 10.10.1.0/24"},
			false, false, "no route to 10.10.2.0/24 here: the tunnel old carries that network already", "no route to 10.10.1.0/24 there: the tunnel old carries that network already"},
		"around it, to the same host": {[]string{"--peer 100.0.2.100 --address 172.16.9.1/30 --route 10.0.0.0/8"}, nil, false, true, "the tunnel old carries", ""},
		"around it, to elsewhere":     {[]string{"--peer 192.0.2.9 --address 172.16.9.1/30 --route 10.0.0.0/8"}, nil, true, true, "", ""},
		"itself, to elsewhere":        {[]string{"--peer 192.0.2.9 --address 172.16.9.1/30 --route 10.10.2.0/24"}, nil, false, true, "the tunnel old carries", ""},
		"the default route":           {[]string{"--peer 100.0.2.100 --address 172.16.9.1/30 --route 0.0.0.0/0"}, nil, true, true, "", ""},
		"in another table":            {[]string{"--peer 100.0.2.100 --address 172.16.9.1/30 --route '10.10.2.0/24 table 100'"}, nil, true, true, "", ""},
		"with a metric, far end only": {nil, []string{"--peer 100.0.1.100 --address 172.16.9.2/30 --key 5 --route '10.10.1.0/24 metric 9'"}, true, false, "", "give --far-route"},
	} {
		near, far := linux1(), linux2()
		for _, flags := range c.near {
			carrying(near, flags, "old")
		}
		for _, flags := range c.far {
			carrying(far, flags, "old")
		}
		w := Wish{Near: nm.NewTunnel()}
		w.Near.Local = want.Addr("100.0.1.100")
		w.Near.Name = "gre2"
		notes, err := w.Complete("linux2", near, far)
		if err != nil {
			t.Fatal(err)
		}
		m, more, err := w.Far(w.Near.FarEnd([]netip.Prefix{want.CIDR("10.10.1.0/24")}), w.Near, far)
		if err != nil {
			t.Fatal(err)
		}
		if has := len(w.Near.Routes) == 1; has != c.nearHas || !strings.Contains(strings.Join(notes, "\n"), c.nearSays) || c.nearHas && strings.Contains(strings.Join(notes, "\n"), "carries") {
			t.Errorf("%s: here %v, %q", name, w.Near.Routes, notes)
		}
		if has := strings.Contains(m.Command, "--route 10.10.1.0/24"); has != c.farHas || !strings.Contains(strings.Join(more, "\n"), c.farSays) || c.farHas && len(more) > 0 {
			t.Errorf("%s: there %s, %q", name, m.Command, more)
		}
	}
}

// The other end of the tunnel that is mended carries its own networks.
func TestMendedCarriesItsOwn(t *testing.T) {
	for _, key := range []string{"", " --key 5"} { // the second one differs from the wish
		near := tunnel(t, "--name gre1 --peer 100.0.2.100 --local 100.0.1.100 --address 172.16.9.1/30 --mtu 1400")
		far := carrying(linux2(), "--peer 100.0.1.100 --local 100.0.2.100 --address 172.16.9.2/30 --route 10.10.1.0/24"+key, "gre1")
		w := Wish{Near: near, There: true}
		m, notes, err := w.Far(near.FarEnd([]netip.Prefix{want.CIDR("10.10.1.0/24")}), near, far)
		if err != nil || len(notes) > 0 || !strings.Contains(m.Command, "--route 10.10.1.0/24") {
			t.Errorf("%q: %s, %q, %v", key, m.Command, notes, err)
		}
	}
}

// A greeting with networks that no tunnel can have is refused.
func TestRoutedIsChecked(t *testing.T) {
	for _, routed := range []string{`{"tunnel":"a/b","dst":"10.0.0.0/8"}`, `{"tunnel":"gre1","dst":""}`, `{"tunnel":"gre1"}`} {
		if _, err := Parse([]byte(`{"type":"hello","hello":{"protocol":1,"routed":[` + routed + `]}}`)); err == nil {
			t.Errorf("%s is taken", routed)
		}
	}
}
