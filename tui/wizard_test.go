package tui

import (
	"strings"
	"testing"

	"nmgre"
	"nmgre/tui/tuitest"
)

func openFake(t *testing.T, f *tuitest.Host, opts Options) *driver {
	t.Helper()
	return drive(t, f, opts, 80, 24)
}

// Editing shows the difference, and whether the tunnel stays up. Without a difference there is
// nothing to do.
func TestEdit(t *testing.T) {
	f := tuitest.New().WithTunnels()
	d := openFake(t, f, Options{})
	d.keys("e", "ctrl+s").must("nothing to change")
	d.keys("ctrl+n", "ctrl+n", "down", "down", "down", "down", "ctrl+u", "=1400", "ctrl+s")
	d.must("- 1476", "+ 1400", "The tunnel stays up", "nmgre edit gre1 --mtu=1400")
	d.keys("enter").must("wrote the profile to disk", "gre1 is changed")
	d.keys("enter").must("Tunnels")
	if f.Tunnels[0].Tunnel.MTU != 1400 {
		t.Errorf("mtu %d", f.Tunnels[0].Tunnel.MTU)
	}
	d.keys("z").must("nmgre changed gre1 to mtu 1400. Undo will set gre1 back to mtu 1476.")
	d.keys("y")
	if f.Tunnels[0].Tunnel.MTU != 1476 {
		t.Errorf("after the undo: mtu %d", f.Tunnels[0].Tunnel.MTU)
	}
	d.keys("e", "ctrl+n", "ctrl+n", "down", "down", "down", "down", "down", "ctrl+u", "=32", "ctrl+s").must("The tunnel goes down and comes up again: the link itself changes")
}

// A tunnel that vanishes while it is edited is reported, and not made again.
func TestVanishesWhileItIsEdited(t *testing.T) {
	f := tuitest.New().WithTunnels()
	d := openFake(t, f, Options{})
	d.keys("e", "ctrl+n", "ctrl+n", "down", "down", "down", "down", "ctrl+u", "=1400")
	f.Tunnels = f.Tunnels[1:]
	d.take(noticeMsg{Notice: nmgre.Notice{Profiles: true}})
	d.must("1400") // the answer is still there
	d.keys("ctrl+s").must("gre1 is gone: somebody has deleted it", "Edit gre1", "1400")
	if strings.Contains(strings.Join(f.Calls, " "), "create") {
		t.Errorf("calls: %q", f.Calls)
	}
	d.keys("esc", "y").must("gre2").mustNot("gre1 ")
}
