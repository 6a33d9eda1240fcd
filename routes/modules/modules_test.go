package modules

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzModuleName reads lines of modules.dep.
func FuzzModuleName(f *testing.F) {
	for _, line := range []string{"kernel/net/ipv4/ip_gre.ko.xz", "ip-gre.ko", ".ko", "a.ko.ko", "/", "", "\xff.ko.zst"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		if name := moduleName(line); len(name) > len(line) {
			t.Errorf("%q", name)
		}
	})
}

// Every state is told apart by the files alone.
func TestState(t *testing.T) {
	const dir = "lib/modules/6.1.0-test/"
	for name, c := range map[string]struct {
		files map[string]string
		want  State
	}{
		"nothing":   {nil, NoFolder},
		"loaded":    {map[string]string{"sys/module/ip_gre/x": ""}, Loaded},
		"built in":  {map[string]string{dir + "modules.builtin": "kernel/net/ipv4/ip_gre.ko\n"}, BuiltIn},
		"loadable":  {map[string]string{"usr/" + dir + "modules.dep": "kernel/net/ipv4/ip-gre.ko.zst: x.ko\n"}, Loadable},
		"forbidden": {map[string]string{dir + "modules.dep": "ip_gre.ko:\n", "proc/sys/kernel/modules_disabled": "1\n"}, Forbidden},
		"absent":    {map[string]string{dir + "modules.dep": "ip6_gre.ko: ip_gre.ko\n"}, Absent},
		"too long":  {map[string]string{dir + "modules.dep": strings.Repeat("x", 2*maxModuleLine) + "\nip_gre.ko:\n"}, Absent},
	} {
		root := t.TempDir()
		for file, text := range c.files {
			path := filepath.Join(root, file)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		got := Files{Root: root, Release: "6.1.0-test"}.State("ip_gre")
		if got != c.want || got.Has() != (c.want == Loaded || c.want == BuiltIn || c.want == Loadable) {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
