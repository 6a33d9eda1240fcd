package netlink

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/modules"
)

const (
	testRelease = "6.1.0-test"
	depOfGRE    = "kernel/net/ipv4/ip_gre.ko: kernel/net/ipv4/ip_tunnel.ko kernel/net/ipv4/gre.ko\n"
)

// tree makes a directory with files and returns it. A name that ends in / is a directory.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if strings.HasSuffix(name, "/") {
			err = os.MkdirAll(path, 0o755)
		} else if err == nil {
			err = os.WriteFile(path, []byte(text), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestSupports(t *testing.T) {
	const folder = "lib/modules/" + testRelease + "/"
	for name, c := range map[string]struct {
		mode  gre.Mode
		files map[string]string
		lacks string // a part of the error; empty when the mode is there
	}{
		"loaded":          {gre.ModeGRE, map[string]string{"sys/module/ip_gre/": ""}, ""},
		"loaded for IPv6": {gre.ModeIP6GRETAP, map[string]string{"sys/module/ip6_gre/": ""}, ""},
		"other loaded":    {gre.ModeIP6GRE, map[string]string{"sys/module/ip_gre/": ""}, "there is no /lib/modules/" + testRelease},
		"can be loaded":   {gre.ModeGRETAP, map[string]string{folder + "modules.dep": "a.ko:\n" + depOfGRE}, ""},
		"xz":              {gre.ModeGRE, map[string]string{folder + "modules.dep": "kernel/net/ipv4/ip_gre.ko.xz: gre.ko.xz\n"}, ""},
		"zst":             {gre.ModeGRE, map[string]string{folder + "modules.dep": "kernel/net/ipv4/ip_gre.ko.zst:\n"}, ""},
		"gz":              {gre.ModeIP6GRE, map[string]string{folder + "modules.dep": "updates/ip6-gre.ko.gz:\n"}, ""},
		"merged /usr":     {gre.ModeGRE, map[string]string{"usr/" + folder + "modules.dep": depOfGRE}, ""},
		"built in":        {gre.ModeGRE, map[string]string{folder + "modules.builtin": "kernel/net/ipv4/ip_gre.ko"}, ""},
		"other files": {gre.ModeGRE, map[string]string{
			folder + "modules.dep": "kernel/net/ip6_gre.ko: ip_gre.ko\nx/ip_gre.ko.sig:\nx/my_ip_gre.ko:\nx/ip_gre:\n\n:\n",
		}, "kernel " + testRelease + " has no module ip_gre"},
		"no list":             {gre.ModeIP6GRE, map[string]string{folder: ""}, "has no module ip6_gre"},
		"list is a directory": {gre.ModeGRE, map[string]string{folder + "modules.dep/": ""}, "has no module ip_gre"},
		"endless line":        {gre.ModeGRE, map[string]string{folder + "modules.dep": strings.Repeat("x", 2<<20) + "\n" + depOfGRE}, "has no module"},
		"nothing":             {gre.ModeGRE, nil, "there is no /lib/modules/" + testRelease},
		"loading is off": {gre.ModeGRE, map[string]string{
			folder + "modules.dep": depOfGRE, "proc/sys/kernel/modules_disabled": "1\n",
		}, "forbids loading modules"},
		"loading is on": {gre.ModeGRE, map[string]string{folder + "modules.dep": depOfGRE, "proc/sys/kernel/modules_disabled": "0\n"}, ""},
		"built in, loading is off": {gre.ModeGRE, map[string]string{
			folder + "modules.builtin": "ip_gre.ko\n", "proc/sys/kernel/modules_disabled": "1\n",
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := supports(modules.Files{Root: tree(t, c.files), Release: testRelease}, c.mode)
			if c.lacks == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, fault.ErrUnsupported) || !strings.Contains(err.Error(), c.lacks) || len(fault.Hints(err)) != 1 {
				t.Errorf("got %v, hints %q", err, fault.Hints(err))
			}
		})
	}
}

// TestSupportsHere asks about the kernel that the test runs on. The answer must be the same for all
// modes, and a refusal must have a reason.
func TestSupportsHere(t *testing.T) {
	k, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	for _, m := range gre.Modes {
		err := k.Supports(m)
		t.Logf("%s: %v", m, err)
		if err != nil && (!errors.Is(err, fault.ErrUnsupported) || len(fault.Hints(err)) == 0) {
			t.Errorf("%s: %v", m, err)
		}
	}
}
