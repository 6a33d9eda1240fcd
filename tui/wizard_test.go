package tui

import (
	"errors"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"nmgre"
	"nmgre/routes/fault"
)

func openFake(t *testing.T, f *fake, opts Options) *driver {
	t.Helper()
	return drive(t, f, f, opts, 80, 24)
}

// The wizard makes what was typed, with what it found and proposed.
func TestWizardMakesWhatWasTyped(t *testing.T) {
	f := newFake()
	d := openFake(t, f, Options{})
	d.keys("n", "=100.0.2.100")
	d.must("reached by eth0 via 100.0.1.1, from 100.0.1.100", "the kernel's choice: 100.0.1.100 (eth0)")
	d.keys("ctrl+n").must("172.16.0.0/30, which is free here", "172.16.0.1/30", "172.16.0.2, the other host")
	d.keys("right").must("172.16.0.0/31", "172.16.0.0/31")
	d.keys("ctrl+n").must("1500 - 20 (IPv4) - 4 (GRE) = 1476")
	d.keys("right", "down", "=42").must("1500 - 20 (IPv4) - 4 (GRE) - 4 (key) = 1472", "0x2a, 0.0.0.42")
	d.keys("ctrl+n", "=10.10.2.0/24").must("held by NetworkManager, in the profile: NetworkManager can hold it")
	d.keys("ctrl+n", "ctrl+n").must("this side's network, by lan0", "key 42", "behind the far end", "add the profile gre1", "10.10.2.0/24")
	d.keys("enter")
	want := "create nmgre create --name gre1 --peer 100.0.2.100 --local 100.0.1.100 --address 172.16.0.0/31 --key 42 --mtu 1476 --route 10.10.2.0/24"
	if !f.saw(want) {
		t.Errorf("calls: %q, want %q", f.calls, want)
	}
	d.keys("end").must("probe", "the far end does not answer")
	d.keys("enter").must("nmgre create --peer 100.0.1.100", "nmcli connection add", "ip link add")
	d.keys("y")
	if want := "nmgre create --peer 100.0.1.100 --local 100.0.2.100 --address 172.16.0.1/31 --key 42 --mtu 1476 --route 10.10.1.0/24"; d.copy != want {
		t.Errorf("copied %q, want %q", d.copy, want)
	}
	d.keys("enter").must("Tunnels", "gre1", "active")
}

// Errors stand at their fields once those have been left, and never keep anybody from going on to
// another field or back.
func TestWizardNeverTraps(t *testing.T) {
	d := openFake(t, newFake(), Options{})
	d.keys("n", "=100.0.2.30").mustNot("✗")
	d.keys("=0").mustNot("✗") // 300 is wrong, but is still being typed
	d.keys("tab").must(`✗ "100.0.2.300" is no IP address`, "give the far end's outer address")
	d.keys("shift+tab", "tab", "tab", "tab").must("Name")
	d.keys("=a/b", "shift+tab").must("has a character that interface names should not have")
	d.keys("ctrl+n").must("▸ Far end's address") // submitting jumps to the first
	d.keys("backspace").mustNot("is no IP address")
	d.keys("ctrl+n").must("▸ Name")
	d.keys("backspace", "backspace", "ctrl+n").must("Inner network")
	d.keys("down", "ctrl+u", "=172.16.0.1", "ctrl+n").must("✗", "give the length of its network too: 172.16.0.1/30")
	d.keys("ctrl+p").must("Far end's address")
}

// What the host has against it comes back to the field, on whatever page that is.
func TestWizardShowsTheHostsRefusalAtTheField(t *testing.T) {
	f := newFake()
	f.planErr = errors.Join(&fault.Error{Kind: fault.ErrInvalid, Field: "name", What: "gre1 is taken", Hint: "choose another"})
	d := openFake(t, f, Options{})
	d.keys("n", "=100.0.2.7", "ctrl+n", "ctrl+n", "ctrl+s").must("▸ Name", "✗ gre1 is taken", "choose another")
	f.planErr = nil
	d.keys("=vpn7").mustNot("is taken")
	d.keys("ctrl+s").must("make it", "vpn7")
	d.keys("ctrl+p", "ctrl+p", "ctrl+p").must("Options") // back, and nothing is lost
	d.keys("ctrl+p", "ctrl+p").must("100.0.2.7", "vpn7")
}

// esc asks before it loses what was typed, and does not where nothing was.
func TestEscapeAsksBeforeItLosesWhatWasTyped(t *testing.T) {
	d := openFake(t, newFake(), Options{})
	d.keys("n", "esc").must("Tunnels")
	d.keys("n", "=1", "esc").must("Leave?", "is lost")
	d.keys("n").must("Far end's address", "1")
	d.keys("esc", "y").must("Tunnels").mustNot("Leave?")
	d.keys("n", "ctrl+n").must("the far end's address is missing")
	// from the preview too
	d.keys("=100.0.2.7", "ctrl+n", "ctrl+n", "ctrl+n", "ctrl+s", "esc").must("Leave?")
}

// A field that has no meaning now says why, and takes nothing.
func TestDisabledFieldsSayWhy(t *testing.T) {
	d := openFake(t, newFake(), Options{})
	d.keys("n", "=100.0.2.7", "ctrl+n", "ctrl+n", "tab").must("not now: there is no key for both directions")
	d.keys("=4").must("Its number: there is no key for both directions").mustNot("Its number              4 ")
}

// Many lines that are pasted become a field each.
func TestPasteRoutes(t *testing.T) {
	f := newFake()
	d := openFake(t, f, Options{})
	d.keys("n", "=100.0.2.7", "ctrl+n", "ctrl+n", "ctrl+n")
	d.take(tea.PasteMsg{Content: "10.20.0.0/16\n10.21.0.0/16 metric 50\r\n\n10.22.0.0/16\n"})
	d.must("10.20.0.0/16", "10.21.0.0/16 metric 50", "10.22.0.0/16")
	d.keys("ctrl+s", "enter")
	if !f.saw("create nmgre create --name gre1 --peer 100.0.2.7 --local 100.0.1.100 --address 172.16.0.1/30 --mtu 1476 --route 10.20.0.0/16 --route '10.21.0.0/16 metric 50' --route 10.22.0.0/16") {
		t.Errorf("calls: %q", f.calls)
	}
}

// Each line of routes says who will own it while it is typed.
func TestRoutesSayWhoWillOwnThem(t *testing.T) {
	d := openFake(t, newFake(), Options{})
	d.keys("n", "=100.0.2.7", "ctrl+n", "ctrl+n", "ctrl+n", "=10.20.0.0/16 nexthop dev gre1 weight 1 nexthop dev gre2 weight 2")
	d.must("held by nmgre, in the kernel: a", "cannot hold a route with 2 nexthops")
}

// A failure of the making says what was taken back, and the answers are still there.
func TestWizardAfterAFailure(t *testing.T) {
	f := newFake()
	f.err = errDenied
	d := openFake(t, f, Options{})
	d.keys("n", "=100.0.2.7", "ctrl+s", "enter").must("It failed, and what was done has been taken back", "NetworkManager does not let you do that", "hint: run it with sudo")
	d.keys("enter").must("enter: there is no tunnel")
	f.err = nil
	d.keys("ctrl+p").must("Forward packets")
	d.keys("ctrl+s", "enter").must("gre1 is there")
}

// Editing shows the difference and whether the tunnel stays up; nothing different is nothing to do.
func TestEdit(t *testing.T) {
	f := newFake().withTunnels()
	d := openFake(t, f, Options{})
	d.keys("e", "ctrl+s").must("nothing is different")
	d.keys("ctrl+n", "ctrl+n", "down", "down", "down", "down", "ctrl+u", "=1400", "ctrl+s")
	d.must("- 1476", "+ 1400", "The tunnel stays up", "nmgre edit gre1 --mtu=1400")
	d.keys("enter").must("wrote the profile to disk", "gre1 is changed")
	d.keys("enter").must("Tunnels")
	if f.tunnels[0].Tunnel.MTU != 1400 {
		t.Errorf("mtu %d", f.tunnels[0].Tunnel.MTU)
	}
	d.keys("z").must("nmgre changed gre1", "change gre1 back")
	d.keys("y")
	if f.tunnels[0].Tunnel.MTU != 1476 {
		t.Errorf("after the undo: mtu %d", f.tunnels[0].Tunnel.MTU)
	}
	d.keys("e", "ctrl+n", "ctrl+n", "down", "down", "down", "down", "down", "ctrl+u", "=32", "ctrl+s").must("The tunnel goes down and comes up again: the link itself changes")
}

// Of a tunnel's name and mode the form says why they stay.
func TestEditKeepsTheName(t *testing.T) {
	d := openFake(t, newFake().withTunnels(), Options{})
	d.keys("e", "tab", "tab", "tab", "=x").must("Name: a tunnel keeps its name").mustNot("gre1x")
}

// A duplicate has everything but the name.
func TestDuplicate(t *testing.T) {
	f := newFake().withTunnels()
	d := openFake(t, f, Options{})
	d.keys("j", "D").must("New tunnel", "100.0.2.2")
	d.keys("tab", "tab", "tab", "=copy", "ctrl+s", "enter")
	if !f.saw("create nmgre create --name copy --peer 100.0.2.2 --local 100.0.1.100 --address 172.16.2.1/30 --key 42") {
		t.Errorf("calls: %q", f.calls)
	}
}

// A tunnel that vanishes while it is edited is said, not made anew behind the person's back.
func TestVanishesWhileItIsEdited(t *testing.T) {
	f := newFake().withTunnels()
	d := openFake(t, f, Options{})
	d.keys("e", "ctrl+n", "ctrl+n", "down", "down", "down", "down", "ctrl+u", "=1400")
	f.tunnels = f.tunnels[1:]
	d.take(noticeMsg{Notice: nmgre.Notice{Profiles: true}})
	d.must("1400") // what was typed is still there
	d.keys("ctrl+s").must("gre1 is gone: somebody has deleted it", "Edit gre1", "1400")
	if strings.Contains(strings.Join(f.calls, " "), "create") {
		t.Errorf("calls: %q", f.calls)
	}
	d.keys("esc", "y").must("gre2").mustNot("gre1 ")
}
