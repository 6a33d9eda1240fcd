package wizard

import (
	"context"
	"errors"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/tui/tuitest"
)

// The wizard makes the tunnel from the answers, its findings and its proposals.
func TestWizardMakesWhatWasTyped(t *testing.T) {
	f := tuitest.New()
	d := create(t, f)
	d.keys("=100.0.2.100")
	d.must("reached by eth0 via 100.0.1.1, from 100.0.1.100", "the kernel's choice: 100.0.1.100 (eth0)")
	d.keys("ctrl+n").must("172.16.0.0/30, which is free here", "172.16.0.1/30", "172.16.0.2, the other host")
	d.keys("right").must("172.16.0.0/31", "172.16.0.0/31")
	d.keys("ctrl+n").must("1500 - 20 (IPv4) - 4 (GRE) = 1476")
	d.keys("right", "down", "=42").must("1500 - 20 (IPv4) - 4 (GRE) - 4 (key) = 1472", "0x2a, 0.0.0.42")
	d.keys("ctrl+n", "=10.10.2.0/24").must("held by NetworkManager, in the profile")
	d.keys("ctrl+n", "ctrl+n").must("this side's network, by lan0", "key 42", "behind the far end", "add the profile gre1", "10.10.2.0/24")
	d.keys("enter")
	want := "create nmgre create --name gre1 --peer 100.0.2.100 --local 100.0.1.100 --address 172.16.0.0/31 --key 42 --mtu 1476 --route 10.10.2.0/24"
	if !f.Saw(want) {
		t.Errorf("calls: %q, want %q", f.Calls, want)
	}
	d.keys("end").must("here or later", "the far end does not answer")
	d.keys("enter").must("nmgre create --peer 100.0.1.100", "nmcli connection add", "ip link add")
	d.keys("y")
	if want := "nmgre create --peer 100.0.1.100 --local 100.0.2.100 --address 172.16.0.1/31 --key 42 --mtu 1476 --route 10.10.1.0/24"; d.copied != want {
		t.Errorf("copied %q, want %q", d.copied, want)
	}
	d.keys("enter")
	if !d.closed {
		t.Error("the wizard is still on the screen")
	}
	if d.undo == nil || d.undo.Done != "made gre1" || d.undo.How != "delete gre1" {
		t.Errorf("undo %+v", d.undo)
	}
}

// An error is shown once the person has left its field. Errors never keep the person from another
// field.
func TestWizardNeverTraps(t *testing.T) {
	d := create(t, tuitest.New())
	d.keys("=100.0.2.30").mustNot("✗")
	d.keys("=0").mustNot("✗") // 300 is wrong, but is still being typed
	d.keys("tab").must(`✗ "100.0.2.300" is not an IP address`, "give the far end's outer address")
	d.keys("shift+tab", "tab", "tab", "tab").must("Name")
	d.keys("=a/b", "shift+tab").must("has a character that interface names should not have")
	d.keys("ctrl+n").must("▸ Far end's address") // submitting jumps to the first
	d.keys("backspace").mustNot("is not an IP address")
	d.keys("ctrl+n").must("▸ Name")
	d.keys("backspace", "backspace", "ctrl+n").must("Inner network")
	d.keys("down", "ctrl+u", "=172.16.0.1", "ctrl+n").must("✗", "add the prefix length: 172.16.0.1/30")
	d.keys("ctrl+p").must("Far end's address")
}

// The host's refusal is shown at its field, on whatever page that is.
func TestWizardShowsTheHostsRefusalAtTheField(t *testing.T) {
	f := tuitest.New()
	f.PlanErr = errors.Join(&fault.Error{Kind: fault.ErrInvalid, Field: "name", What: "gre1 is taken", Hint: "choose another"})
	d := create(t, f)
	d.keys("=100.0.2.7", "ctrl+n", "ctrl+n", "ctrl+s").must("▸ Name", "✗ gre1 is taken", "choose another")
	f.PlanErr = nil
	d.keys("=vpn7").mustNot("is taken")
	d.keys("ctrl+s").must("make it", "vpn7")
	d.keys("ctrl+p", "ctrl+p", "ctrl+p").must("Options") // back, and nothing is lost
	d.keys("ctrl+p", "ctrl+p").must("100.0.2.7", "vpn7")
}

// esc asks before answers are lost, and only then.
func TestEscapeAsksBeforeItLosesWhatWasTyped(t *testing.T) {
	if d := create(t, tuitest.New()).keys("esc"); !d.closed || d.asked != "" {
		t.Errorf("nothing was typed: closed %v, asked %q", d.closed, d.asked)
	}
	d := create(t, tuitest.New())
	d.keys("=1", "esc").must("Leave?", "are lost")
	d.keys("n").must("Far end's address", "1")
	if d.keys("esc", "y").mustNot("Leave?"); !d.closed {
		t.Error("the wizard is still on the screen")
	}
	d = create(t, tuitest.New())
	d.keys("ctrl+n").must("the far end's outer address is missing")
	// from the preview too
	d.keys("=100.0.2.7", "ctrl+n", "ctrl+n", "ctrl+n", "ctrl+s", "esc").must("Leave?")
}

// A field that has no meaning now says why, and takes nothing.
func TestDisabledFieldsSayWhy(t *testing.T) {
	d := create(t, tuitest.New())
	d.keys("=100.0.2.7", "ctrl+n", "ctrl+n", "tab").must("not now: there is no key for both directions")
	d.keys("=4").must("Its number: there is no key for both directions").mustNot("Its number              4 ")
}

// Each pasted line becomes a field.
func TestPasteRoutes(t *testing.T) {
	f := tuitest.New()
	d := create(t, f)
	d.keys("=100.0.2.7", "ctrl+n", "ctrl+n", "ctrl+n")
	d.run(d.w.Update(tea.PasteMsg{Content: "10.20.0.0/16\n10.21.0.0/16 metric 50\r\n\n10.22.0.0/16\n"}))
	d.must("10.20.0.0/16", "10.21.0.0/16 metric 50", "10.22.0.0/16")
	d.keys("ctrl+s", "enter")
	if !f.Saw("create nmgre create --name gre1 --peer 100.0.2.7 --local 100.0.1.100 --address 172.16.0.1/30 --mtu 1476 --route 10.20.0.0/16 --route '10.21.0.0/16 metric 50' --route 10.22.0.0/16") {
		t.Errorf("calls: %q", f.Calls)
	}
}

// Each route says who will hold it while it is typed.
func TestRoutesSayWhoWillOwnThem(t *testing.T) {
	d := create(t, tuitest.New())
	d.keys("=100.0.2.7", "ctrl+n", "ctrl+n", "ctrl+n", "=10.20.0.0/16 nexthop dev gre1 weight 1 nexthop dev gre2 weight 2")
	d.must("held by nmgre, in the kernel: a", "cannot hold a route with 2 nexthops")
}

// A failure says that everything was undone, and the answers are still there.
func TestWizardAfterAFailure(t *testing.T) {
	f := tuitest.New()
	f.Err = tuitest.ErrDenied
	d := create(t, f)
	d.keys("=100.0.2.7", "ctrl+s", "enter").must("It failed, and everything was undone", "NetworkManager does not let you do that", "hint: run it with sudo")
	d.keys("enter").must("enter: there is no tunnel")
	f.Err = nil
	d.keys("ctrl+p").must("Forward packets")
	d.keys("ctrl+s", "enter").must("gre1 is there")
}

// The form says why a tunnel's name and mode cannot be changed.
func TestEditKeepsTheName(t *testing.T) {
	f := tuitest.New().WithTunnels()
	d := edit(t, f, f.Tunnels[0])
	d.keys("tab", "tab", "tab", "=x").must("Name: a tunnel keeps its name").mustNot("gre1x")
}

// A duplicate has everything but the name.
func TestDuplicate(t *testing.T) {
	f := tuitest.New().WithTunnels()
	d := newDriver(t, f).like(&f.Tunnels[1])
	d.must("New tunnel", "100.0.2.2", "gre2 leads there already: this one needs a key of its own, on the page Options")
	d.keys("ctrl+n").must("gre2 has 172.16.2.0/30 already: this one needs another network")
	d.keys("ctrl+p", "tab", "tab", "tab", "=copy", "ctrl+s", "enter")
	d.saw("create nmgre create --name copy --peer 100.0.2.2 --local 100.0.1.100 --address 172.16.2.1/30 --key 42")
}

// A change is undone by the change back.
func TestEditIsUndone(t *testing.T) {
	f := tuitest.New().WithTunnels()
	d := edit(t, f, f.Tunnels[0])
	d.keys("ctrl+s").must("nothing to change")
	d.keys("ctrl+n", "ctrl+n", "down", "down", "down", "down", "ctrl+u", "=1400", "ctrl+s").must("- 1476", "+ 1400", "The tunnel stays up")
	d.keys("enter").must("gre1 is changed")
	if f.Tunnels[0].Tunnel.MTU != 1400 || d.undo == nil {
		t.Fatalf("mtu %d, undo %+v", f.Tunnels[0].Tunnel.MTU, d.undo)
	}
	if err := d.undo.Do(context.Background(), f); err != nil || f.Tunnels[0].Tunnel.MTU != 1476 {
		t.Errorf("after the undo: mtu %d, %v", f.Tunnels[0].Tunnel.MTU, err)
	}
}

// A change that may cut the person off says so beforehand, and has to be confirmed.
func TestDangerHasToBeConfirmed(t *testing.T) {
	d := create(t, tuitest.New())
	d.keys("=100.0.2.7", "ctrl+n", "ctrl+n", "ctrl+n", "=192.0.2.0/24", "ctrl+s").must("this may cut you off")
	if d.keys("enter"); d.asks != "made gre1" {
		t.Error("nobody has to confirm the new tunnel")
	}
	f := tuitest.New().WithTunnels()
	f.Tunnels[0].Tunnel.Routes[0].Dst = tuitest.Prefix("192.0.2.0/24")
	d = edit(t, f, f.Tunnels[0])
	d.keys("ctrl+n", "ctrl+n", "down", "down", "down", "down", "ctrl+u", "=1400", "ctrl+s").must("this may cut you off")
	if d.keys("enter"); d.asks != "changed gre1 to mtu 1400" {
		t.Error("nobody has to confirm the change")
	}
}

// A route may have the host's own names, and the tunnel that is made has their numbers.
func TestRoutesHaveTheHostsNames(t *testing.T) {
	d := newDriver(t, tuitest.New())
	d.known.Names = routes.Names{Tables: map[string]uint32{"vpn": 100}}
	d.like(nil).keys("=100.0.2.7", "ctrl+n", "ctrl+n", "ctrl+n", "=10.20.0.0/16 table nowhere", "tab").must("✗")
	d.keys("shift+tab", "ctrl+u", "=10.20.0.0/16 table vpn", "tab").mustNot("✗").must("held by NetworkManager, in the profile")
	d.keys("ctrl+s", "enter")
	d.saw("create nmgre create --name gre1 --peer 100.0.2.7 --local 100.0.1.100 --address 172.16.0.1/30 --mtu 1476 --route '10.20.0.0/16 table 100'")
}

// Nothing is made while nothing can be changed, and the key says why.
func TestMakingSaysWhyItCannot(t *testing.T) {
	d := create(t, tuitest.New())
	d.refused = "NetworkManager has gone"
	d.keys("=100.0.2.7", "ctrl+s", "enter").must("enter: NetworkManager has gone")
}

// A page key keeps one of the visible rows in view: none is skipped.
func TestPageKeysSkipNoRow(t *testing.T) {
	d := create(t, tuitest.New())
	d.keys("=100.0.2.7", "ctrl+s")
	last := tuitest.Flat(strings.Split(d.screen(), "\n")[19])
	if d.keys("pgdown"); last == "" || !strings.Contains(tuitest.Flat(d.screen()), last) {
		t.Errorf("the row %q was skipped:\n%s", last, d.screen())
	}
}

// Where the far end is named, the wizard makes it, too: it says at which host, asks first, and
// tells the outcome.
func TestWizardMakesTheFarEnd(t *testing.T) {
	f := tuitest.New()
	d := create(t, f)
	d.keys("=100.0.2.100", "ctrl+n", "ctrl+n", "ctrl+n", "=10.10.2.0/24", "ctrl+n", "ctrl+n", "enter", "enter")
	d.must("nmgre create --peer 100.0.1.100", "make it")
	d.keys("p")
	if !strings.Contains(d.asked, "logs in to 100.0.2.100") || !strings.Contains(d.asked, "nmgre pair HOST gre1") {
		t.Fatalf("it asks %q", d.asked)
	}
	if f.PairedAt != "" {
		t.Fatal("it has not waited for the answer")
	}
	f.PairErr = errors.New("sudo asks")
	d.keys("y")
	if f.PairedAt != "100.0.2.100" || !strings.Contains(d.note, "sudo asks") {
		t.Errorf("at %q: %s", f.PairedAt, d.note)
	}
	f.PairErr = nil
	d.keys("p")
	d.keys("y")
	if !strings.Contains(d.note, "made the far end at 100.0.2.100") {
		t.Errorf("it says %s", d.note)
	}
	d.asked = ""
	if d.keys("p"); d.asked != "" {
		t.Errorf("it asks again: %q", d.asked)
	}
}
