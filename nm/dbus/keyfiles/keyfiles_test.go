package keyfiles_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"nmgre/nm/dbus/keyfiles"
	"nmgre/routes/gre"
)

// plant writes a file below root.
func plant(t *testing.T, root, name, text string) {
	t.Helper()
	file := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

const (
	etc    = "etc/NetworkManager/system-connections/"
	run    = "run/NetworkManager/system-connections/"
	tunnel = "[connection]\nid=x\nuuid=%s\ntype=ip-tunnel\ninterface-name=%s\n\n[ip-tunnel]\nlocal=192.0.2.1\nmode=%d\nremote=192.0.2.2\n"
)

// All tunnels are there once, by name, and every profile counts: also others, and none twice.
func TestTunnels(t *testing.T) {
	root := t.TempDir()
	plant(t, root, etc+"b.nmconnection", fmt.Sprintf(tunnel, "u-1", "gre2", 2))
	plant(t, root, etc+"a.nmconnection", "# a comment\n [connection]\nuuid = u-2\ntype = ip-tunnel\ninterface-name = gre1\n[ip-tunnel]\nmode=10\n")
	plant(t, root, etc+"wan.nmconnection", "[connection]\nuuid=u-3\ntype=ethernet\ninterface-name=eth0\n")
	plant(t, root, etc+"ipip.nmconnection", fmt.Sprintf(tunnel, "u-4", "ipip1", 1))
	plant(t, root, run+"changed.nmconnection", fmt.Sprintf(tunnel, "u-1", "gre9", 2)) // in memory only
	got, all := keyfiles.Tunnels(t.Context(), root)
	if all != 4 || len(got) != 2 || got[0].Tunnel.Name != "gre1" || got[0].Tunnel.Mode != gre.ModeGRETAP || got[1].Tunnel.Name != "gre9" {
		t.Errorf("%d profiles, tunnels %+v", all, got)
	}
	if len(got) == 2 && (got[1].UUID != "u-1" || got[1].Tunnel.Remote.String() != "192.0.2.2" || got[1].Tunnel.Mode != gre.ModeGRE) {
		t.Errorf("got %+v", got[1])
	}
}

// A file that is no profile, is too large, or would hold up whoever opens it counts as none, and so
// does one that comes after the end of the time.
func TestNoProfiles(t *testing.T) {
	root := t.TempDir()
	if got, all := keyfiles.Tunnels(t.Context(), root); all != 0 || got != nil {
		t.Errorf("no folder: %d, %+v", all, got)
	}
	plant(t, root, etc+"huge.nmconnection", fmt.Sprintf(tunnel, "u-1", "gre1", 2)+strings.Repeat("#\n", 1<<16))
	plant(t, root, etc+"none.nmmeta", "[.nmmeta]\nuuid=u-2\n")
	plant(t, root, etc+"empty", "")
	plant(t, root, etc+"folder/file", "[connection]\nuuid=u-3\n")
	plant(t, root, "elsewhere", fmt.Sprintf(tunnel, "u-4", "gre4", 2))
	if err := os.Symlink(filepath.Join(root, "elsewhere"), filepath.Join(root, etc, "link")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(root, etc, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, all := keyfiles.Tunnels(t.Context(), root); all != 0 || got != nil {
		t.Errorf("%d, %+v", all, got)
	}
	plant(t, root, etc+"good", fmt.Sprintf(tunnel, "u-5", "gre5\x1b[2J", 2))
	if got, all := keyfiles.Tunnels(t.Context(), root); all != 1 || len(got) != 1 || strings.Contains(got[0].Tunnel.Name, "\x1b") {
		t.Errorf("%d, %+v", all, got)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, all := keyfiles.Tunnels(ended, root); all != 0 {
		t.Errorf("%d profiles after the end", all)
	}
}
