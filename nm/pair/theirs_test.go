package pair

import (
	"errors"
	"net/netip"
	"testing"

	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/testdata/want"
)

// A tunnel of the far end counts where it leads here, has no other end here, and fits the wish.
func TestTheirs(t *testing.T) {
	ends := func(change func(*Ends)) Ends {
		e := Ends{Name: "gre1", Local: want.Addr("100.0.2.100"), Remote: want.Addr("100.0.1.100"), Input: "7", Output: "8"}
		change(&e)
		return e
	}
	same := func(*Ends) {}
	key := func(k gre.Key) *gre.Key { return &k }
	for name, c := range map[string]struct {
		e     Ends
		near  []Ends
		wish  func(*nm.Tunnel)
		name  string
		found bool
	}{
		"it leads here":               {e: ends(same), found: true},
		"by its name":                 {e: ends(same), name: "gre1", found: true},
		"another name":                {e: ends(same), name: "gre2"},
		"at work":                     {e: ends(func(e *Ends) { e.Trial = true })},
		"it leads elsewhere":          {e: ends(func(e *Ends) { e.Remote = want.Addr("192.0.2.1") })},
		"it leads nowhere":            {e: ends(func(e *Ends) { e.Remote = netip.IPv4Unspecified() })},
		"behind NAT":                  {e: ends(func(e *Ends) { e.Remote = want.Addr("203.0.113.9") }), found: true},
		"from any address":            {e: ends(func(e *Ends) { e.Local = netip.IPv4Unspecified() }), found: true},
		"its other end is here":       {e: ends(same), near: []Ends{{Name: "gre5", Local: want.Addr("100.0.1.100"), Remote: want.Addr("100.0.2.100"), Input: "8", Output: "7"}}},
		"another tunnel is here":      {e: ends(same), near: []Ends{{Name: "gre5", Local: want.Addr("100.0.1.100"), Remote: want.Addr("100.0.2.100")}}, found: true},
		"to that address":             {e: ends(same), wish: func(t *nm.Tunnel) { t.Remote = want.Addr("100.0.2.100") }, found: true},
		"to another address":          {e: ends(same), wish: func(t *nm.Tunnel) { t.Remote = want.Addr("100.0.2.101") }},
		"from another address":        {e: ends(same), wish: func(t *nm.Tunnel) { t.Local = want.Addr("10.10.1.1") }},
		"with its keys":               {e: ends(same), wish: func(t *nm.Tunnel) { t.InputKey, t.OutputKey = key(8), key(7) }, found: true},
		"with keys as they are there": {e: ends(same), wish: func(t *nm.Tunnel) { t.InputKey, t.OutputKey = key(7), key(8) }},
	} {
		near, far := linux1(), linux2()
		far.Client, far.Ends, near.Ends = want.Addr("203.0.113.9"), []Ends{c.e}, c.near
		w := Wish{Near: nm.NewTunnel()}
		if c.wish != nil {
			c.wish(&w.Near)
		}
		if found := w.Theirs(near, far, c.name); (len(found) == 1) != c.found {
			t.Errorf("%s: %+v", name, found)
		}
	}
}

// This end gets the settings that both must agree on from the far end, and keeps its own choices.
func TestMatch(t *testing.T) {
	mirror := tunnel(t, "--peer 100.0.2.100 --local 100.0.1.100 --address 172.16.5.1/30 --input-key 8 --output-key 7 --ttl 40 --checksum --route 10.10.2.0/24 --route 10.10.1.0/25")
	theirs := Ends{Name: "gre1"}
	for name, c := range map[string]struct {
		wish  Wish
		has   string
		wrong string
	}{
		"nothing is wished": {Wish{Near: nm.NewTunnel()}, "nmgre create --name gre1 --peer 100.0.2.100 --local 100.0.1.100 --address 172.16.5.1/30 --input-key 8 --output-key 7 --ttl 40 --checksum --route 10.10.2.0/24", ""},
		"its own choices":   {Wish{Near: tunnel(t, "--name wan --peer 100.0.2.100 --address 172.16.5.1/30 --ttl 9 --zone work --route 10.77.0.0/16"), Routed: true}, "nmgre create --name wan --peer 100.0.2.100 --local 100.0.1.100 --address 172.16.5.1/30 --input-key 8 --output-key 7 --ttl 9 --checksum --route 10.77.0.0/16 --zone work", ""},
		"another mode":      {Wish{Near: tunnel(t, "--peer 100.0.2.100 --mode gretap --address 172.16.5.1/30")}, "", "mode"},
		"another address":   {Wish{Near: tunnel(t, "--peer 100.0.2.100 --address 172.16.5.5/30")}, "", "address"},
		"another peer":      {Wish{Near: tunnel(t, "--peer 100.0.2.100 --address 172.16.5.1/30 --peer-address 172.16.9.9")}, "", "peer-address"},
	} {
		_, err := c.wish.Match("linux2", theirs, mirror, linux1(), linux2())
		var e *fault.Error
		switch text := c.wish.Near.CreateCommand(); {
		case c.wrong == "" && (err != nil || text != c.has):
			t.Errorf("%s: %v\n%s\n%s", name, err, text, c.has)
		case c.wrong != "" && (!errors.As(err, &e) || e.Field != c.wrong || e.Hint == ""):
			t.Errorf("%s: %v", name, err)
		}
	}
	nat := mirror.Clone()
	nat.Local = want.Addr("203.0.113.9")
	w := Wish{Near: nm.NewTunnel()}
	if _, err := w.Match("linux2", theirs, nat, linux1(), linux2()); err != nil || w.Near.Local.IsValid() || w.FarPeer != nat.Local {
		t.Errorf("behind NAT: local %s, and there %s: %v", w.Near.Local, w.FarPeer, err)
	}
}
