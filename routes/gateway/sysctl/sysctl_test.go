package sysctl

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"nmgre/routes/fault"
)

// settings makes a folder with settings.
func settings(t *testing.T, files map[string]string) Settings {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, "ipv4/conf", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return Settings(root)
}

// The greater one of the device's value and that of all counts.
func TestReversePathFilter(t *testing.T) {
	for _, c := range []struct {
		own, all, says string
		mode           int
	}{{"0\n", "0\n", "off (0)", 0}, {"1\n", "0\n", "strict (1)", 1}, {"0\n", "1\n", "strict (1)", 1}, {"1\n", "2\n", "loose (2)", 2}, {"2\n", "1\n", "loose (2)", 2}} {
		s := settings(t, map[string]string{"all/rp_filter": c.all, "eth0.100/rp_filter": c.own})
		f, err := s.ReversePathFilter("eth0.100")
		if err != nil || f.Mode() != c.mode || f.String() != c.says {
			t.Errorf("%q and %q: %+v, %v", c.own, c.all, f, err)
		}
	}
}

// A device that is not there, and a name that leads elsewhere, are not found. A setting that is no
// number is an error.
func TestReversePathFilterOfNothing(t *testing.T) {
	s := settings(t, map[string]string{"all/rp_filter": "1\n", "default/rp_filter": "2\n", "odd/rp_filter": "\x1b[31m\n"})
	for _, dev := range []string{"", ".", "..", "../conf/all", "default", "gre9", "a\x00", "\x1b[31m"} {
		if _, err := s.ReversePathFilter(dev); !errors.Is(err, fault.ErrNotFound) || fault.Printable(err.Error()) != err.Error() {
			t.Errorf("%q: %v", dev, err)
		}
	}
	if _, err := s.ReversePathFilter("odd"); err == nil || errors.Is(err, fault.ErrNotFound) || fault.Printable(err.Error()) != err.Error() {
		t.Error(err)
	}
}
