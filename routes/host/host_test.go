package host

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// tree makes a host with files.
func tree(t *testing.T, files map[string]string) Files {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return Files(root)
}

func TestDistribution(t *testing.T) {
	for text, want := range map[string][2]string{
		"ID=debian\nVERSION_ID=\"12\"\n":                   {"debian", "12"},
		"NAME=x\nID='rhel'\nVERSION_ID=9.4":                {"rhel", "9.4"},
		"ID=arch\n":                                        {"arch", ""},
		"ID=\x1b[2J\nVERSION_ID=a b\n":                     {"", ""},
		"ID=" + strings.Repeat("x", 50) + "\nVERSION_ID=1": {"", "1"},
		"": {"", ""},
	} {
		id, version := tree(t, map[string]string{"usr/lib/os-release": text}).Distribution()
		if id != want[0] || version != want[1] {
			t.Errorf("%q: %q %q", text, id, version)
		}
	}
	if id, version := Files(t.TempDir()).Distribution(); id+version != "" {
		t.Errorf("%q %q", id, version)
	}
}

func TestContainer(t *testing.T) {
	for want, files := range map[string]map[string]string{
		"docker": {".dockerenv": ""}, "podman": {"run/.containerenv": ""}, "systemd-nspawn": {"run/systemd/container": "systemd-nspawn\n"},
		"unknown": {"run/systemd/container": "\x1b]0;x\x07"}, "openvz": {"proc/vz/x": ""}, "lxc": {"proc/1/environ": "A=1\x00container=lxc\x00"}, "": {"proc/vz/x": "", "proc/bc/x": ""},
	} {
		if got := tree(t, files).Container(); got != want {
			t.Errorf("%v: %q, want %q", files, got, want)
		}
	}
	if got := tree(t, map[string]string{"dev/lxd/sock": ""}).Container(); got != "lxc" {
		t.Errorf("LXD: %q", got)
	}
	if tree(t, map[string]string{"proc/self/uid_map": "         0          0 4294967295\n"}).UserNamespace() || !tree(t, map[string]string{"proc/self/uid_map": "0 100000 65536\n"}).UserNamespace() {
		t.Error("user namespaces")
	}
}

// Every tool is found by its process or its files, and an empty host has none.
func TestTools(t *testing.T) {
	for name, c := range map[string]struct {
		files   map[string]string
		running string
		want    []Tool
	}{
		"nothing":             {nil, "", nil},
		"networkd":            {map[string]string{"etc/systemd/network/1.network": "", "etc/systemd/network/x.link": "", "run/systemd/network/2.network": ""}, "systemd-network", []Tool{{Name: Networkd, Running: true, Count: 2}}},
		"networkd, off":       {map[string]string{"etc/systemd/network/1.network": ""}, "", []Tool{{Name: Networkd, Count: 1}}},
		"ifupdown":            {map[string]string{"etc/network/interfaces": "auto lo\niface lo inet loopback\n#iface x\n iface eth0 inet dhcp\n", "etc/network/interfaces.d/a": "iface eth1 inet manual\n"}, "", []Tool{{Name: Ifupdown, Count: 2}}},
		"ifupdown, lo only":   {map[string]string{"etc/network/interfaces": "auto lo\niface lo inet loopback\n"}, "", nil},
		"netplan":             {map[string]string{"etc/netplan/1.yaml": "network:\n  version: 2\n  renderer: NetworkManager # x\n"}, "", []Tool{{Name: Netplan, Count: 1, Word: "NetworkManager"}}},
		"netplan, default":    {map[string]string{"etc/netplan/1.yaml": "network: {version: 2}\n"}, "", []Tool{{Name: Netplan, Count: 1, Word: "networkd"}}},
		"netplan, both":       {map[string]string{"etc/netplan/1.yaml": "network:\n  renderer: 'networkd'\n", "run/netplan/2.yaml": "  renderer: NetworkManager"}, "", []Tool{{Name: Netplan, Count: 2, Word: "both"}}},
		"NetworkManager's":    {map[string]string{"etc/netplan/90-NM-88be346d.yaml": "network:\n  renderer: NetworkManager\n"}, "", nil},
		"connman":             {nil, "connmand", []Tool{{Name: ConnMan, Running: true}}},
		"dhcpcd":              {nil, "dhcpcd", []Tool{{Name: Dhcpcd, Running: true}}},
		"wicked":              {nil, "wickedd", []Tool{{Name: Wicked, Running: true}}},
		"cloud-init":          {map[string]string{"etc/cloud/cloud.cfg": "users: []\n"}, "", []Tool{{Name: CloudInit, Word: "enabled"}}},
		"cloud-init, off":     {map[string]string{"etc/cloud/cloud.cfg": "", "etc/cloud/cloud-init.disabled": ""}, "", nil},
		"cloud-init, no net":  {map[string]string{"etc/cloud/cloud.cfg.d/99.cfg": "network: {config: disabled}\n"}, "", []Tool{{Name: CloudInit, Word: "disabled"}}},
		"cloud-init, no nets": {map[string]string{"etc/cloud/cloud.cfg.d/99.cfg": "network:\n  config: disabled\n"}, "", []Tool{{Name: CloudInit, Word: "disabled"}}},
	} {
		if got := tree(t, c.files).Tools(map[string]bool{c.running: true}); !slices.Equal(got, c.want) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestManaged(t *testing.T) {
	f := tree(t, map[string]string{"run/systemd/netif/links/3": "# x\nADMIN_STATE=configured\n", "run/systemd/netif/links/4": "ADMIN_STATE=unmanaged\n"})
	if !f.Managed(3) || f.Managed(4) || f.Managed(5) {
		t.Error("devices")
	}
}

// Processes are known by their names, whatever else is in /proc.
func TestProcesses(t *testing.T) {
	f := tree(t, map[string]string{"proc/1/comm": "systemd\n", "proc/22/comm": "polkit-gnome-au\n", "proc/net/comm": "no\n", "proc/33/x": ""})
	running := f.Processes()
	if len(running) != 2 || !running["systemd"] || !Agent(running) || Agent(map[string]bool{"bash": true}) {
		t.Errorf("%v", running)
	}
	if got := Files(t.TempDir() + "/none").Processes(); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

func TestFirewalls(t *testing.T) {
	f := tree(t, map[string]string{"etc/ufw/ufw.conf": "# x\nENABLED=yes\n", "proc/self/net/ip6_tables_names": "filter\n"})
	if on, known := f.UFW(); !on || !known || !f.Legacy() {
		t.Errorf("%v %v", on, known)
	}
	off := tree(t, map[string]string{"etc/ufw/ufw.conf": "ENABLED=no\n", "proc/self/net/ip_tables_names": ""})
	if on, known := off.UFW(); on || !known || off.Legacy() {
		t.Errorf("%v %v", on, known)
	}
}

// Numbers are numbers, and a pipe or an endless file holds nobody up.
func TestHostileFiles(t *testing.T) {
	f := tree(t, map[string]string{"a": "1\n", "b": "one", "c": strings.Repeat("x", 2*maxFile)})
	if n, ok := f.Number("a"); n != 1 || !ok {
		t.Errorf("%d %v", n, ok)
	}
	if err := syscall.Mkfifo(f.path("pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"b", "c", "pipe", "none", "."} {
		if _, ok := f.Number(name); ok {
			t.Errorf("%s is a number", name)
		}
	}
	if text, err := f.read("c"); err != nil || len(text) != maxFile {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	if f.Has("none") || !f.Has("none", "a") {
		t.Error("Has")
	}
}
