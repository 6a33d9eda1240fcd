package gateway

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
)

func (s site) forwarding(dev string) (on bool, err error) {
	err = s.gw.Do(func() (err error) { on, err = s.g.Forwarding(context.Background(), dev); return err })
	return on, err
}

func (s site) setForwarding(dev string, on bool) error {
	return s.gw.Do(func() error { return s.g.SetForwarding(context.Background(), dev, on) })
}

// TestForwarding switches the forwarding of packets that come in by one device, and checks packets
// and all other settings.
func TestForwarding(t *testing.T) {
	t.Parallel()
	s := newRoutedSite(t)
	s.gw.Sysctl("net/ipv4/ip_forward", "0")
	s.gw.IP("link add eth0.100 type veth peer name far", "link add ÄÖ$(id)' type veth peer name other")
	others := s.sysctls("gre1")
	for _, on := range []bool{true, true, false, false, true} {
		if err := s.setForwarding("gre1", on); err != nil {
			t.Fatal(err)
		}
		if got, err := s.forwarding("gre1"); err != nil || got != on {
			t.Errorf("switched to %v: %v, %v", on, got, err)
		}
		s.passes(on, false) // those that come in by another device are not forwarded
	}
	if got := s.sysctls("gre1"); got != others {
		t.Errorf("other settings were\n%sand are\n%s", others, got)
	}
	for _, dev := range []string{"eth0.100", "ÄÖ$(id)'"} {
		if err := s.setForwarding(dev, true); err != nil {
			t.Error(err)
		}
		if on, err := s.forwarding(dev); err != nil || !on {
			t.Errorf("%s: %v, %v", dev, on, err)
		}
	}
	// The host's own switch is read only.
	if on, err := s.forwarding("all"); err != nil || on {
		t.Errorf("all: %v, %v", on, err)
	}
	s.gw.Sysctl("net/ipv4/ip_forward", "1")
	if on, err := s.forwarding("all"); err != nil || !on {
		t.Errorf("all: %v, %v", on, err)
	}
	if err := s.setForwarding("all", false); !errors.Is(err, fault.ErrNotFound) {
		t.Error(err)
	}
	if on, err := s.forwarding("gre1"); err != nil || !on {
		t.Errorf("afterwards: %v, %v", on, err)
	}
}

// sysctls returns the settings of all devices, without the forwarding of one.
func (s site) sysctls(but string) string {
	s.gw.T.Helper()
	out, err := s.gw.Run("sh", "-c", "grep -rs --exclude=stable_secret . /proc/sys/net/ipv4/conf /proc/sys/net/ipv6/conf /proc/sys/net/ipv4/ip_forward | grep -v /ipv4/conf/"+but+"/forwarding: | sort")
	if err != nil {
		s.gw.T.Fatal(err)
	}
	return out
}

// A name of no device, or a path, is not found. Nothing is written elsewhere.
func TestForwardingOfNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	g, ctx := &Gateway{proc: filepath.Join(t.TempDir(), "net")}, context.Background()
	if err := os.MkdirAll(filepath.Join(g.proc, "ipv4/conf/default"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"ipv4/conf/forwarding", "ipv4/forwarding", "ipv4/conf/default/forwarding", "forwarding"} {
		if err := os.WriteFile(filepath.Join(g.proc, file), []byte("0\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, dev := range []string{"", ".", "..", "../..", "default", "/", "gre1/../default", "a/b", "gre9", "gre1\x00", "abcdefghijklmnop", strings.Repeat("a", 10_000), "\x1b[31m"} {
		for _, err := range []error{g.SetForwarding(ctx, dev, true), s.setForwarding(dev, true), forwardingError(g.Forwarding(ctx, dev)), forwardingError(s.forwarding(dev))} {
			if !errors.Is(err, fault.ErrNotFound) || fault.Printable(err.Error()) != err.Error() || len(err.Error()) > 500 {
				t.Errorf("%.40q: %.600v", dev, err)
			}
		}
	}
	for _, file := range []string{"ipv4/conf/forwarding", "ipv4/forwarding", "ipv4/conf/default/forwarding", "forwarding"} {
		if text, err := os.ReadFile(filepath.Join(g.proc, file)); err != nil || string(text) != "0\n" {
			t.Errorf("%s: %q, %v", file, text, err)
		}
	}
}

func forwardingError(_ bool, err error) error { return err }

// A link in the place of the switch is not followed.
func TestForwardingLink(t *testing.T) {
	g, ctx := &Gateway{proc: t.TempDir()}, context.Background()
	dir := filepath.Join(g.proc, "ipv4/conf/gre1")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(g.proc, "precious"), filepath.Join(dir, "forwarding")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(g.proc, "precious"), []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := g.SetForwarding(ctx, "gre1", true); !errors.Is(err, unix.ELOOP) {
		t.Error(err)
	}
	if text, err := os.ReadFile(filepath.Join(g.proc, "precious")); err != nil || string(text) != "precious" {
		t.Errorf("%q, %v", text, err)
	}
}

// Everybody may read the switch; only root may change it.
func TestForwardingNotPermitted(t *testing.T) {
	t.Parallel()
	s, ctx := newSite(t), context.Background()
	_ = s.gw.Do(func() error {
		const nobody = 65534
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, nobody, nobody, nobody); errno != 0 {
			t.Error(errno)
			return nil
		}
		if on, err := s.g.Forwarding(ctx, "gre1"); err != nil || !on {
			t.Errorf("%v, %v", on, err)
		}
		if err := s.g.SetForwarding(ctx, "gre1", false); !errors.Is(err, fault.ErrNotPermitted) || len(fault.Hints(err)) != 1 {
			t.Error(err)
		}
		if on, err := s.g.Forwarding(ctx, "gre1"); err != nil || !on {
			t.Errorf("%v, %v", on, err)
		}
		return nil
	})
}
