package kernel

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"nmgre/routes/gre"
	"nmgre/testdata/want"
)

// tunnels reads tunnels in the words of `ip link`: "a remote R local L key K dev N down external".
// Their indexes are 10, 11 and so on.
func tunnels(t *testing.T, lines ...string) (list []Link) {
	t.Helper()
	for i, line := range lines {
		words := strings.Fields(line)
		l := Link{Index: 10 + i, Name: words[0], Up: true, GRE: &GRELink{Mode: gre.ModeGRE, Local: netip.IPv4Unspecified(), Remote: netip.IPv4Unspecified()}}
		for j := 1; j < len(words); j++ {
			switch words[j] {
			case "down":
				l.Up = false
			case "external":
				l.GRE.External = true
			case "tap":
				l.GRE.Mode = gre.ModeGRETAP
			case "six":
				l.GRE.Mode, l.GRE.Local, l.GRE.Remote = gre.ModeIP6GRE, netip.IPv6Unspecified(), netip.IPv6Unspecified()
			default:
				set(t, l.GRE, words[j], words[j+1])
				j++
			}
		}
		list = append(list, l)
	}
	return list
}

func set(t *testing.T, g *GRELink, word, value string) {
	t.Helper()
	switch word {
	case "remote":
		g.Remote = want.Addr(value)
	case "local":
		g.Local = want.Addr(value)
	default:
		n, err := strconv.Atoi(value)
		if err != nil {
			t.Fatal(err)
		}
		if word == "dev" {
			g.Parent = n
		} else {
			g.InputKey = want.Ptr(gre.Key(n)) //nolint:gosec // small
		}
	}
}

// Each case is a packet that comes in to 192.0.2.1 from 192.0.2.2 by the device 2. cmd/nmgre's
// TestLabReceiver has the kernel answer the same.
func TestReceiver(t *testing.T) {
	const ends = " remote 192.0.2.2 local 192.0.2.1"
	for _, c := range []struct {
		name    string
		tunnels []string
		key     *gre.Key
		want    string
	}{
		{"both addresses", []string{"any", "l local 192.0.2.1", "r remote 192.0.2.2", "b" + ends}, nil, "b"},
		{"the remote one", []string{"any", "l local 192.0.2.1", "r remote 192.0.2.2"}, nil, "r"},
		{"the local one", []string{"any", "l local 192.0.2.1"}, nil, "l"},
		{"none", []string{"any"}, nil, "any"},
		{"the device of the arrival", []string{"b" + ends, "r remote 192.0.2.2 dev 2"}, nil, "r"},
		{"another device", []string{"b" + ends, "r remote 192.0.2.2 dev 3"}, nil, "b"},
		{"bound and unbound", []string{"a" + ends, "b" + ends + " dev 2"}, nil, "b"},
		{"bound elsewhere, alone", []string{"a" + ends + " dev 3"}, nil, "a"},
		{"bound elsewhere, and unbound", []string{"a" + ends + " dev 3", "b" + ends}, nil, "a"},
		{"unbound, and bound elsewhere", []string{"a" + ends, "b" + ends + " dev 3"}, nil, "a"},
		{"another far end", []string{"a remote 192.0.2.3 local 192.0.2.1"}, nil, ""},
		{"another key", []string{"a" + ends + " key 7"}, nil, ""},
		{"key 0 is a key", []string{"a" + ends + " key 0", "b" + ends}, nil, "b"},
		{"its key", []string{"a" + ends, "b" + ends + " key 7"}, want.Ptr(gre.Key(7)), "b"},
		{"down", []string{"a" + ends + " down"}, nil, ""},
		{"another kind", []string{"a" + ends + " tap"}, nil, ""},
		{"another family", []string{"a six"}, nil, ""},
		{"external, last", []string{"e external", "any"}, nil, "any"},
		{"external alone", []string{"e external"}, want.Ptr(gre.Key(9)), "e"},
		{"the newest of those without addresses", []string{"any", "new dev 3"}, nil, "new"},
	} {
		l := Receiver(tunnels(t, c.tunnels...), Arrival{From: want.Addr("192.0.2.2"), To: want.Addr("192.0.2.1"), Key: c.key, Dev: 2})
		got := ""
		if l != nil {
			got = l.Name
		}
		if got != c.want {
			t.Errorf("%s: %q takes it, want %q", c.name, got, c.want)
		}
	}
	six := tunnels(t, "a six remote 2001:db8::2 local 2001:db8::1 dev 3", "b six remote 2001:db8::2 local 2001:db8::1")
	if l := Receiver(six, Arrival{From: want.Addr("2001:db8::2"), To: want.Addr("2001:db8::1"), Dev: 2}); l == nil || l.Name != "b" {
		t.Errorf("over IPv6 the newest wins: %+v", l)
	}
}
