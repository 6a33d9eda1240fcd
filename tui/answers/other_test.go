package answers

import (
	"net/netip"
	"strings"
	"testing"

	"nmgre"
	"nmgre/nm"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
	"nmgre/tui/tuitest"
)

// The line that one end prints makes the other one, answer by answer.
func TestTheOtherEndsLine(t *testing.T) {
	for name, change := range map[string]func(*nm.Tunnel){
		"plain":    func(*nm.Tunnel) {},
		"keys":     func(n *nm.Tunnel) { n.InputKey, n.OutputKey = ptr(1), ptr(2) },
		"one key":  func(n *nm.Tunnel) { n.InputKey, n.OutputKey = ptr(7), ptr(7) },
		"headers":  func(n *nm.Tunnel) { n.TTL, n.NoPMTUD, n.TOS, n.MTU = 0, true, 16, 1400 },
		"families": func(n *nm.Tunnel) { n.Addresses = append(n.Addresses, tuitest.Prefix("fd00::1/64")) },
		"wide":     func(n *nm.Tunnel) { n.Addresses = []netip.Prefix{tuitest.Prefix("172.16.4.1/24")} },
		"Ethernet": func(n *nm.Tunnel) { n.Mode = gre.ModeGRETAP },
	} {
		near := nm.NewTunnel()
		near.Local, near.Remote, near.Addresses = tuitest.Addr("100.0.1.100"), tuitest.Addr("100.0.2.100"), []netip.Prefix{tuitest.Prefix("172.16.0.1/30")}
		change(&near)
		far := near.FarEnd([]netip.Prefix{tuitest.Prefix("10.10.1.0/24"), tuitest.Prefix("10.11.0.0/24")})
		a := New(known)
		a.SetLinks([]kernel.Link{{Name: "eth0", Addresses: []netip.Prefix{tuitest.Prefix("100.0.2.100/24")}}})
		a.typed(other, "far end: "+far.CreateCommand())
		if !a.Changed(a.get(other)) {
			t.Errorf("%s: the way is not asked for", name)
		}
		got, bad := a.Tunnel()
		if len(bad) > 0 {
			t.Fatalf("%s: %v", name, bad[0].err)
		}
		if got.CreateCommand() != far.CreateCommand() {
			t.Errorf("%s: the line\n%s\nmakes\n%s", name, far.CreateCommand(), got.CreateCommand())
		}
	}
}

func ptr(k gre.Key) *gre.Key { return &k }

// The other end's inner address leaves this end its own, never the same one.
func TestTheOtherEndsAddress(t *testing.T) {
	for text, want := range map[string]string{
		"172.16.0.1/30": "--address 172.16.0.2/30", "172.16.0.1": "--address 172.16.0.2/30", "172.16.0.0/31": "--address 172.16.0.1/31",
		"172.16.4.1/24": "--address 172.16.4.2/24 --peer-address 172.16.4.1", "fd00::1/126": "--address fd00::2/126",
		"172.16.0.1/32": "", "x": "", "nmgre create --peer": "", "nmgre create --route '10.0.0.0/8": "", "nmgre create what": "", "10.0.0.1/0": "", "\x1b[31m": "",
	} {
		a := New(known)
		a.SetLinks(nil)
		a.typed(other, text)
		a.get(other).Touched = true
		a.Changed(a.get(other))
		got, _ := a.Tunnel()
		if problem := a.get(other).Problem; (problem == "") != (want != "") || strings.Contains(problem, "\x1b") {
			t.Errorf("%q: the problem is %q", text, problem)
		}
		if command := got.CreateCommand(); !strings.Contains(command, want) {
			t.Errorf("%q makes %s", text, command)
		}
	}
	a := New(known)
	a.typed(other, "x")
	a.Changed(a.get(other))
	a.typed(other, "")
	if a.Changed(a.get(other)); a.otherErr != nil {
		t.Errorf("an empty answer has the error %v", a.otherErr)
	}
}

// Where two networks leave a choice, the question is asked.
func TestWhichPeer(t *testing.T) {
	a := New(known)
	a.typed("peer", "100.0.2.7")
	a.typed("address", "172.16.0.1/30")
	a.typed("more", "172.17.0.1/30")
	if a.Submit(); a.get("peer-address").Problem != "which one is the far end's: 172.16.0.2 or 172.17.0.2?" {
		t.Errorf("it asks %q", a.get("peer-address").Problem)
	}
	a.typed("peer-address", "172.17.0.2 172.16.0.2")
	a.Refresh()
	if got, _ := a.Tunnel(); a.get("peer-address").Problem != "" || nm.AddrTexts(got.Peers()) != "172.17.0.2, 172.16.0.2" {
		t.Errorf("%q, %s", a.get("peer-address").Problem, nm.AddrTexts(got.Peers()))
	}
}

// An inner network that another tunnel has is noted where it is typed, unless each device has it
// for itself, or it is one address.
func TestTakenNetwork(t *testing.T) {
	there := tuitest.Tunnel("gre1", 0)
	there.Addresses = append(there.Addresses, tuitest.Prefix("fe80::1/64"), tuitest.Prefix("10.9.9.9/32"))
	for _, a := range []*Answers{New(func() Host { return Host{Tunnels: []nmgre.Status{{Profile: nm.Profile{Tunnel: there}}}} }), Edit(there, known)} {
		for address, want := range map[string]string{
			"172.16.0.2/24": "gre1 has 172.16.0.0/30 already: this one needs another network", "172.17.0.1/30": "", "fe80::2/64": "", "10.9.9.9/32": "", "": "",
		} {
			if a.Edit {
				want = ""
			}
			a.typed("address", address)
			a.typed("more", "")
			if a.Refresh(); a.get("address").Note != want {
				t.Errorf("%s, edit %v: the note is %q, want %q", address, a.Edit, a.get("address").Note, want)
			}
		}
	}
}

// A tunnel can be bound to a device of the host, not to one of the kernel's own or to a tunnel.
func TestBoundTo(t *testing.T) {
	a := New(known)
	var links []kernel.Link
	for _, name := range []string{"lo", "eth0", "gre0", "gretap0", "erspan0", "ip6gre0", "ip6tnl0", "tunl0", "sit0", "ip_vti0", "ip6_vti0", "lan0"} {
		links = append(links, kernel.Link{Name: name})
	}
	a.SetLinks(append(links, kernel.Link{Name: "gre7", GRE: &kernel.GRELink{}}))
	for _, l := range a.Links {
		a.get("parent").Choose(l.Name)
		if got := a.value("parent"); (got == l.Name) != (l.Name == "eth0" || l.Name == "lan0") {
			t.Errorf("%s is offered: %v", l.Name, got == l.Name)
		}
		a.get("parent").Choose("")
	}
}

// A tunnel that the kernel could not tell from another one is noted where the far end is typed.
func TestTwin(t *testing.T) {
	there := tuitest.Tunnel("gre1", 0)
	a := New(func() Host { return Host{Tunnels: []nmgre.Status{{Profile: nm.Profile{Tunnel: there}}}} })
	a.typed("peer", there.Remote.String())
	a.Refresh()
	if note := a.get("peer").Note; !strings.Contains(note, "gre1 leads there already: this one needs a key of its own, on the page Options") {
		t.Errorf("the note is %q", note)
	}
	a.get("keys").Choose(keysOne)
	a.typed("key", "7")
	a.Refresh()
	if note := a.get("peer").Note; strings.Contains(note, "gre1") {
		t.Errorf("with a key the note is %q", note)
	}
}
