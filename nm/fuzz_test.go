package nm_test

import (
	"net/netip"
	"strings"
	"testing"

	"nmgre/nm"
	"nmgre/nm/nmcli"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
)

// FuzzCommands makes the commands for tunnels with any names, as those of others may have them.
// Each is one line that is safe to show, and begins with its program.
func FuzzCommands(f *testing.F) {
	f.Add("gre1", "eth0", "10.10.2.0/24 nexthop via 172.16.0.2 nexthop dev eth1", "198.51.100.1")
	f.Add("-x", "$(id)", "2001:db8::/32 metric 7", "fe80::1%\x1b")
	f.Add("a'b\n", "\xff\u202e", "default", "::")
	f.Fuzz(func(t *testing.T, name, parent, route, remote string) {
		tunnel := nm.NewTunnel()
		tunnel.Name, tunnel.Parent, tunnel.Mode = name, parent, gre.ModeGRE
		tunnel.Remote, _ = netip.ParseAddr(remote)
		if r, err := routes.Parse(route); err == nil {
			tunnel.Routes = append(tunnel.Routes, r)
			r.Nexthops = append(r.Nexthops, routes.Nexthop{Dev: parent})
			tunnel.Routes = append(tunnel.Routes, r)
		}
		other := tunnel.Clone()
		other.Name, other.Parent = parent, name
		commands := append(tunnel.IPCommands(), nmcli.Add(tunnel), tunnel.CreateCommand())
		commands = append(commands, nmcli.Modify(name, tunnel, other, true)...)
		commands = append(commands, nmcli.Connection("up", name)...)
		for _, command := range commands {
			program, _, _ := strings.Cut(command, " ")
			if !fault.IsPrintable(command) || program != "ip" && program != "nmcli" && program != "nmgre" {
				t.Errorf("%q", command)
			}
		}
		if word := (nm.Profile{ID: name, UUID: parent}).Nmcli(); !fault.IsPrintable(word) || strings.HasPrefix(word, "-") && !strings.HasPrefix(parent, "-") {
			t.Errorf("%q", word)
		}
	})
}
