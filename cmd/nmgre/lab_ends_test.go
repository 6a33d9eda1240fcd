package main

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"

	"nmgre/testdata/lab"
)

// Zones, far ends by their names, and tunnels that are never probed.

// standIn is a firewalld on linux1's bus, which knows some zones and in which one a device is.
type standIn struct {
	mu    sync.Mutex
	zones []string
	at    map[string]string // the zones of devices
}

// The methods that NetworkManager calls, and nmgre.

// ChangeZone implements firewalld's changeZoneOfInterface.
func (s *standIn) ChangeZone(zone, dev string) (string, *dbus.Error) { return s.put(zone, dev) }

// AddInterface implements firewalld's addInterface.
func (s *standIn) AddInterface(zone, dev string) (string, *dbus.Error) { return s.put(zone, dev) }

func (s *standIn) put(zone, dev string) (string, *dbus.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if zone == "" {
		zone = s.zones[0]
	}
	s.at[dev] = zone
	return zone, nil
}

// RemoveInterface implements firewalld's removeInterface.
func (s *standIn) RemoveInterface(zone, dev string) (string, *dbus.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.at, dev)
	return zone, nil
}

// GetZones implements firewalld's getZones.
func (s *standIn) GetZones() ([]string, *dbus.Error) { return s.zones, nil }

// GetZoneOfInterface implements firewalld's getZoneOfInterface.
func (s *standIn) GetZoneOfInterface(dev string) (string, *dbus.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at[dev], nil
}

// GetZoneSettings2 implements firewalld's getZoneSettings2.
func (s *standIn) GetZoneSettings2(string) (map[string]dbus.Variant, *dbus.Error) {
	return map[string]dbus.Variant{"target": dbus.MakeVariant("default")}, nil
}

// GetDefaultZone implements firewalld's getDefaultZone.
func (s *standIn) GetDefaultZone() (string, *dbus.Error) { return s.zones[0], nil }

const firewalldPolicy = `<busconfig><policy context="default"><allow own="org.fedoraproject.FirewallD1"/><allow send_destination="org.fedoraproject.FirewallD1"/></policy></busconfig>
`

// startFirewalld puts a stand-in for firewalld on linux1's bus.
func startFirewalld(t *testing.T, zones ...string) *standIn {
	t.Helper()
	policy := filepath.Join(lab.Linux1.Root(), "etc/dbus-1/system.d/nmgre-test.conf")
	if err := os.MkdirAll(filepath.Dir(policy), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(policy, []byte(firewalldPolicy), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(policy) })
	lab.Linux1.Run(t, "dbus-send", "--system", "--print-reply", "--dest=org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus.ReloadConfig")
	conn, err := dbus.Connect(lab.Linux1.BusAddress())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	s := &standIn{zones: zones, at: make(map[string]string)}
	names := map[string]string{"ChangeZone": "changeZoneOfInterface", "AddInterface": "addInterface", "RemoveInterface": "removeInterface", "GetZones": "getZones",
		"GetZoneOfInterface": "getZoneOfInterface", "GetZoneSettings2": "getZoneSettings2", "GetDefaultZone": "getDefaultZone"}
	for _, of := range []string{"org.fedoraproject.FirewallD1", "org.fedoraproject.FirewallD1.zone"} {
		if err := conn.ExportWithMap(s, names, "/org/fedoraproject/FirewallD1", of); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := conn.RequestName("org.fedoraproject.FirewallD1", dbus.NameFlagDoNotQueue); err != nil || got != dbus.RequestNameReplyPrimaryOwner {
		t.Fatalf("the bus gives the name to nobody: %v, %v", got, err)
	}
	return s
}

// in waits until the device is in the zone.
func (s *standIn) in(t *testing.T, dev, zone string) {
	t.Helper()
	eventually(t, dev+" is in the zone "+zone, func() bool {
		got, _ := s.GetZoneOfInterface(dev)
		return got == zone
	})
}

// property is the value of a property of gre1's profile, as nmcli writes it.
func property(t *testing.T, name string) string {
	t.Helper()
	return strings.TrimSpace(lab.Linux1.Run(t, "nmcli", "-g", name, "connection", "show", "gre1"))
}

// outlives calls check after nmcli down and up, a restart of NetworkManager, and a reboot.
func outlives(t *testing.T, check func(when string)) {
	t.Helper()
	nmcli(t, "connection down gre1")
	nmcli(t, "connection up gre1")
	check("after down and up")
	lab.Linux1.RestartNM(t)
	waitActive(t, lab.Linux1, "gre1")
	check("after a restart of NetworkManager")
	lab.Linux1.Reboot(t)
	waitActive(t, lab.Linux1, "gre1")
	check("after a reboot")
}

// A zone is chosen among firewalld's own, stands in the profile, and stays there; verify compares
// it, apply puts the tunnel back into it, and verify names it where the far end answers and the LAN
// behind it does not.
func TestLabZone(t *testing.T) {
	lab.Need(t)
	before := lab.Linux1.Snapshot(t)
	create := left.create("--zone")
	r := nmgreOn(t, lab.Linux1, exitInvalid, append(create, "an-endless-name-of-a-zone")...)
	if !strings.Contains(r.Stderr, "zone:") || !strings.Contains(r.Stderr, "firewalld allows 17") {
		t.Errorf("too long a name: %s", r)
	}
	r = nmgreOn(t, lab.Linux1, exitDone, append(create, "office", "--dry-run")...)
	if !strings.Contains(r.Stdout, "connection.zone office") || !strings.Contains(r.Stdout, "firewalld does not run") {
		t.Errorf("without firewalld: %s", r)
	}

	firewall := startFirewalld(t, "public", "work", "trusted")
	r = nmgreOn(t, lab.Linux1, exitInvalid, append(create, "wirk")...)
	if !strings.Contains(r.Stderr, "zone: firewalld has no zone wirk\nhint: did you mean work; the zones are public, trusted, work") {
		t.Errorf("a zone that is not there: %s", r)
	}
	mustEqual(t, "after the refusals", before, lab.Linux1.Snapshot(t))
	dry := nmgreOn(t, lab.Linux1, exitDone, append(create, "work", "--dry-run")...)
	for line := range strings.Lines(dry.Stdout) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "nmcli connection add ") {
			lab.Linux1.Run(t, "sh", "-c", line)
		}
	}
	if got := property(t, "connection.zone"); got != "work" {
		t.Errorf("the plan's line of nmcli gives the zone %q", got)
	}
	nmcli(t, "connection delete gre1")

	nmgreOn(t, lab.Linux2, exitDone, right.create("--no-probe")...)
	nmgreOn(t, lab.Linux1, exitDone, append(create, "work")...)
	firewall.in(t, "gre1", "work")
	number := index(t, lab.Linux1, "gre1")
	nmgreOn(t, lab.Linux1, exitDone, "edit", "gre1", "--mtu", "1400")
	if got := property(t, "connection.zone"); got != "work" {
		t.Errorf("an edit of the MTU leaves the zone %q", got)
	}
	r = nmgreOn(t, lab.Linux1, exitDone, "edit", "gre1", "--zone", "trusted")
	if !strings.Contains(r.Stderr, "zone: work -> trusted") || index(t, lab.Linux1, "gre1") != number {
		t.Errorf("the edit of the zone: %s", r)
	}
	firewall.in(t, "gre1", "trusted")
	if got := property(t, "connection.zone"); got != "trusted" {
		t.Errorf("the profile has the zone %q", got)
	}
	if r := nmgreOn(t, lab.Linux1, exitDone, "show", "gre1"); !strings.Contains(r.Stdout, "trusted") {
		t.Errorf("show: %s", r)
	}
	if r := nmgreOn(t, lab.Linux1, exitDone, "list", "--json"); !strings.Contains(r.Stdout, `"zone": "trusted"`) {
		t.Errorf("list --json: %s", r)
	}
	if r := nmgreOn(t, lab.Linux1, exitDone, "verify", "gre1", "--all-checks"); !strings.Contains(r.Stdout, "firewalld has the tunnel in its zone trusted") {
		t.Errorf("verify: %s", r)
	}
	_, _ = firewall.put("public", "gre1")
	if r := nmgreOn(t, lab.Linux1, exitDone, "verify", "gre1"); !strings.Contains(r.Stdout, "firewalld has the tunnel in its zone public, and the profile says trusted") {
		t.Errorf("in another zone: %s", r)
	}
	document := lab.Linux1.Run(t, "nmgre", "export")
	if form, r := applyOn(t, lab.Linux1, document, "--check"); !strings.Contains(r.Stdout, "firewalld has it in the zone public, not in trusted") || actionsOf(form) != "gre1 change" {
		t.Errorf("apply --check: %s", r)
	}
	if form, r := applyOn(t, lab.Linux1, document); r.Code != 0 || actionsOf(form) != "gre1 change" || index(t, lab.Linux1, "gre1") != number {
		t.Errorf("apply: %s", r)
	}
	firewall.in(t, "gre1", "trusted")
	if form, r := applyOn(t, lab.Linux1, document); r.Code != 0 || actionsOf(form) != "gre1 none" {
		t.Errorf("apply again: %s", r)
	}
	lab.Linux1.Run(t, "nft", "add table inet zones; add chain inet zones forward { type filter hook forward priority 0; policy drop; }")
	lab.Linux2.Run(t, "nft", "add table inet zones; add chain inet zones forward { type filter hook forward priority 0; policy drop; }")
	if r := nmgreOn(t, lab.Linux1, exitFault, "verify", "gre1", "--to", lab.LAN2Addr); !strings.Contains(r.Stdout, "gre1 is in firewalld's zone trusted") || !strings.Contains(r.Stdout, "pass  probe") {
		t.Errorf("the LAN is not reached: %s", r)
	}
	outlives(t, func(when string) {
		if got := property(t, "connection.zone"); got != "trusted" {
			t.Errorf("%s the zone is %q", when, got)
		}
	})
	r = nmgreOn(t, lab.Linux1, exitDone, "edit", "gre1", "--zone", "none", "--no-probe")
	if got := property(t, "connection.zone"); got != "" {
		t.Errorf("after --zone none the zone is %q: %s", got, r)
	}
}

// names has linux1 find these names in its hosts file.
func names(t *testing.T, text string) {
	t.Helper()
	file := filepath.Join(lab.Linux1.Root(), "etc/hosts")
	before, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err != nil {
			_ = os.Remove(file)
			return
		}
		_ = os.WriteFile(file, before, 0o644)
	})
	if err := os.WriteFile(file, []byte("127.0.0.1 localhost\n"+text+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

// remembered is the user data in gre1's file, which nmcli does not know.
func remembered(t *testing.T) string {
	t.Helper()
	_, data, _ := strings.Cut(lab.Linux1.Run(t, "cat", "/etc/NetworkManager/system-connections/gre1.nmconnection"), "\n[user]\n")
	data, _, _ = strings.Cut(data, "\n[")
	return data
}

// The far end is found by its name; of several addresses one is chosen; an address that no far end
// can have is refused. The name stands in the profile, verify says when it leads elsewhere, and
// edit follows it.
func TestLabPeerName(t *testing.T) {
	lab.Need(t)
	names(t, "100.0.2.100 gw.test\n2001:db8:2::100 gw.test\n100.0.2.100 two.test\n100.0.2.101 two.test\n127.0.0.1 self.test\n100.0.1.100 own.test\n224.0.0.5 many.test\n0.0.0.0 none.test")
	before := lab.Linux1.Snapshot(t)
	create := func(peer string, more ...string) []string {
		return append([]string{"create", "--peer", peer, "--address", "172.16.0.1/30", "--route", lab.LAN2Net}, more...)
	}
	for peer, want := range map[string]string{
		"two.test": "hint: choose one of them: --peer two.test=100.0.2.100, or --peer two.test=100.0.2.101", "two.test=100.0.2.9": "100.0.2.9 is not among the addresses of two.test",
		"self.test": "packets to 127.0.0.1 never leave this host", "own.test": "100.0.1.100 is this host's own address", "many.test": "not the address of one host", "none.test": "not the address of one host",
		"100.0.2.300": "is not an IP address",
	} {
		if r := nmgreOn(t, lab.Linux1, exitInvalid, create(peer)...); !strings.Contains(r.Stderr, want) || !strings.Contains(r.Stderr, "nmgre: peer: ") {
			t.Errorf("--peer %s: %s", peer, r)
		}
	}
	if r := nmgreOn(t, lab.Linux1, exitFailed, create("nobody.test")...); !strings.Contains(r.Stderr, "nmgre: peer: nobody.test could not be looked up: no name server of this host answered") {
		t.Errorf("no name server: %s", r)
	}
	mustEqual(t, "after the refusals", before, lab.Linux1.Snapshot(t))
	if r := nmgreOn(t, lab.Linux1, exitDone, create("gw.test", "--mode", "ip6gre", "--dry-run")...); !strings.Contains(r.Stdout, "remote 2001:db8:2::100") {
		t.Errorf("IPv6: %s", r)
	}
	if r := nmgreOn(t, lab.Linux1, exitDone, create("two.test=100.0.2.101", "--dry-run")...); !strings.Contains(r.Stdout, "remote 100.0.2.101") {
		t.Errorf("one of two: %s", r)
	}
	nmgreOn(t, lab.Linux2, exitDone, right.create("--no-probe")...)
	r := nmgreOn(t, lab.Linux1, exitDone, create("gw.test")...)
	if !strings.Contains(r.Stderr, "gw.test is 100.0.2.100: NetworkManager holds the address only") {
		t.Errorf("it does not name the address that it found: %s", r)
	}
	if got := remembered(t); !strings.Contains(got, "nmgre.peer-name") || !strings.Contains(got, "gw.test") {
		t.Errorf("the profile does not remember the name: %q", got)
	}
	if r := nmgreOn(t, lab.Linux1, exitDone, "verify", "gre1", "--all-checks"); !strings.Contains(r.Stdout, "gw.test still leads to 100.0.2.100") {
		t.Errorf("verify: %s", r)
	}
	outlives(t, func(when string) {
		if r := nmgreOn(t, lab.Linux1, exitDone, "show", "gre1"); !strings.Contains(r.Stdout, "gw.test") {
			t.Errorf("%s: %s", when, r)
		}
	})
	moveFarEnd(t)
	if r := nmgreOn(t, lab.Linux1, exitFault, "verify", "gre1"); !strings.Contains(r.Stdout, "gw.test leads to 100.0.2.101 now, and the tunnel to 100.0.2.100") || !strings.Contains(r.Stdout, "nmgre edit gre1 --peer auto") {
		t.Errorf("verify of a name that leads elsewhere: %s", r)
	}
	if r := nmgreOn(t, lab.Linux1, exitDone, "edit", "gre1", "--peer", "auto", "--dry-run"); !strings.Contains(r.Stdout, "peer: 100.0.2.100 -> 100.0.2.101") {
		t.Errorf("the plan: %s", r)
	}
	nmgreOn(t, lab.Linux1, exitDone, "edit", "gre1", "--peer", "auto")
	mustPing(t, lab.Linux1, "172.16.0.2")
	if r := nmgreOn(t, lab.Linux1, exitDone, "verify", "gre1", "--all-checks"); !strings.Contains(r.Stdout, "gw.test still leads to 100.0.2.101") {
		t.Errorf("verify afterwards: %s", r)
	}
	nmgreOn(t, lab.Linux1, exitDone, "edit", "gre1", "--peer", "100.0.2.101")
	if got := remembered(t); strings.Contains(got, "nmgre.peer-name") {
		t.Errorf("the name stays beside an address: %q", got)
	}
	nmgreOn(t, lab.Linux1, exitDone, "delete", "gre1")
}

// moveFarEnd gives linux2 another address, by which its tunnel goes, and has gw.test lead there.
func moveFarEnd(t *testing.T) {
	t.Helper()
	lab.Linux2.Run(t, "nmcli", "connection", "modify", "wan", "+ipv4.addresses", "100.0.2.101/24")
	lab.Linux2.Run(t, "nmcli", "device", "reapply", "eth0")
	// NetworkManager 1.52 answers before the address is there
	eventually(t, "the address is there", func() bool {
		return strings.Contains(lab.Linux2.Run(t, "ip", "-o", "address", "show", "dev", "eth0"), "100.0.2.101/24")
	})
	nmgreOn(t, lab.Linux2, exitDone, "edit", "gre1", "--local", "100.0.2.101", "--no-probe")
	names(t, "100.0.2.101 gw.test")
}

// nmgre follow moves the tunnels that ask for it to where their names lead, with all that root
// keeps for them. A name that a user has put into the profile does not move that.
func TestLabFollow(t *testing.T) {
	lab.Need(t)
	needHook(t, lab.Linux1)
	names(t, "100.0.2.100 gw.test")
	before := lab.Linux1.Snapshot(t)
	nmgreOn(t, lab.Linux2, exitDone, right.create("--no-probe")...)
	nmgreOn(t, lab.Linux1, exitDone, "create", "--peer", "gw.test", "--follow", "--address", "172.16.0.1/30", "--route", lab.LAN2Net, "--route", "10.77.0.0/16 ssthresh 7", "--snat", "10.10.1.0/24=10.10.1.1", "--forward")
	number := index(t, lab.Linux1, "gre1")
	if r := nmgreOn(t, lab.Linux1, exitDone, "follow", "--all"); !strings.Contains(r.Stderr, "gre1: gw.test still leads to 100.0.2.100") || index(t, lab.Linux1, "gre1") != number {
		t.Errorf("nothing to follow: %s", r)
	}
	moveFarEnd(t)
	nmgreOn(t, lab.Linux1, exitDone, "follow", "--all", "--dry-run")
	if got := property(t, "ip-tunnel.remote"); got != "100.0.2.100" {
		t.Errorf("--dry-run moves it to %s", got)
	}
	if r := nmgreOn(t, lab.Linux1, exitDone, "follow", "--all"); !strings.Contains(r.Stderr, "gre1: moved from 100.0.2.100 to 100.0.2.101, where gw.test leads now") {
		t.Errorf("follow: %s", r)
	}
	mustPing(t, lab.Linux1, "172.16.0.2")
	mustPing(t, lab.LAN1, lab.LAN2Addr)
	if kept := lab.Linux1.Run(t, "sh", "-c", "cat /etc/nmgre/tunnels/*"); !strings.Contains(kept, "\nremote 100.0.2.101\nfollow gw.test\n") {
		t.Errorf("root's file:\n%s", kept)
	}
	outlives(t, func(when string) {
		eventually(t, when+": the kept route is there", func() bool { return strings.Contains(ownRoutes(t, lab.Linux1), "10.77.0.0/16 dev gre1") })
		names(t, "100.0.2.101 gw.test")
		if r := nmgreOn(t, lab.Linux1, exitDone, "follow", "--all"); !strings.Contains(r.Stderr, "still leads to 100.0.2.101") {
			t.Errorf("%s: %s", when, r)
		}
	})
	// somebody else's name in the profile
	names(t, "100.0.2.101 gw.test\n100.0.2.100 evil.test")
	lab.Linux1.Run(t, "sed", "-i", "s/nmgre.peer-name=gw.test/nmgre.peer-name=evil.test/", "/etc/NetworkManager/system-connections/gre1.nmconnection")
	nmcli(t, "connection reload")
	kept := lab.Linux1.Run(t, "sh", "-c", "cat /etc/nmgre/tunnels/*")
	if r := nmgreOn(t, lab.Linux1, exitFailed, "follow", "--all"); !strings.Contains(r.Stderr, "root's file does not say that it may follow evil.test") {
		t.Errorf("a foreign name: %s", r)
	}
	mustEqual(t, "root's file", kept, lab.Linux1.Run(t, "sh", "-c", "cat /etc/nmgre/tunnels/*"))
	if got := property(t, "ip-tunnel.remote"); got != "100.0.2.101" {
		t.Errorf("a foreign name moves the tunnel to %s", got)
	}
	nmgreOn(t, lab.Linux1, exitDone, "delete", "gre1")
	mustReturn(t, before)
}

// A tunnel that is never probed remembers that, and verify judges by the counters.
func TestLabNoProbeLasts(t *testing.T) {
	lab.Need(t)
	nmgreOn(t, lab.Linux2, exitDone, right.create("--no-probe")...)
	lab.Linux2.Run(t, "nft", "add table ip quiet; add chain ip quiet in { type filter hook input priority 0; }; add rule ip quiet in iifname gre1 drop")
	nmgreOn(t, lab.Linux1, exitDone, left.create("--no-probe=always")...)
	if got := remembered(t); !strings.Contains(got, "nmgre.no-probe") {
		t.Errorf("the profile does not remember it: %q", got)
	}
	r := nmgreOn(t, lab.Linux1, exitDone, "verify", "gre1")
	if !strings.Contains(r.Stdout, "not probed: the profile says that the far end is never probed") {
		t.Errorf("verify: %s", r)
	}
	ping := lab.Linux2.Start(t, "ping", "-i", "0.2", "-w", "600", "-c", "600", "172.16.0.1")
	eventually(t, "verify passes by the counters", func() bool {
		r = lab.Linux1.Try("nmgre", "verify", "gre1", "--all-checks")
		return r.Code == exitDone && strings.Contains(r.Stdout, "packets come in through the tunnel now")
	})
	ping.Kill()
	r = nmgreOn(t, lab.Linux1, exitDone, "verify", "gre1", "--all-checks")
	if !strings.Contains(r.Stdout, "though none within 1s") {
		t.Errorf("nothing comes in any more: %s", r)
	}
	outlives(t, func(when string) {
		if r := nmgreOn(t, lab.Linux1, exitDone, "list", "--json"); !strings.Contains(r.Stdout, `"no_probe": true`) {
			t.Errorf("%s: %s", when, r)
		}
	})
	nmgreOn(t, lab.Linux1, exitDone, "edit", "gre1", "--mtu", "1400")
	r = nmgreOn(t, lab.Linux1, exitDone, "edit", "gre1", "--no-probe=never", "--dry-run")
	if !strings.Contains(r.Stdout, "no-probe: always -> never") || !strings.Contains(r.Stdout, "change the profile gre1, in memory only") || strings.Contains(r.Stdout, "nmcli connection modify") {
		t.Errorf("the plan does not show it: %s", r)
	}
	number := index(t, lab.Linux1, "gre1")
	nmgreOn(t, lab.Linux1, exitDone, "edit", "gre1", "--no-probe=never")
	if got := remembered(t); strings.Contains(got, "nmgre.no-probe") || index(t, lab.Linux1, "gre1") != number {
		t.Errorf("the profile still says %q, or the link is another", got)
	}
	if r := nmgreOn(t, lab.Linux1, exitDone, "verify", "gre1"); !strings.Contains(r.Stdout, "4 sent, 0 answered") {
		t.Errorf("it is not probed again: %s", r)
	}
	if r := nmgreOn(t, lab.Linux1, exitDone, "edit", "gre1", "--no-probe=always", "--dry-run", "--json"); !strings.Contains(r.Stdout, `"new": "always"`) {
		t.Errorf("the plan as JSON: %s", r)
	}
	nmgreOn(t, lab.Linux1, exitDone, "delete", "gre1")
}

// A leased address is told, and how to follow its lease; the tunnel, and the far end's host route,
// follow the next lease.
//
//lab:forky
func TestLabLeasedLocal(t *testing.T) {
	lab.Need(t)
	needHook(t, lab.Linux1)
	nmcli(t, "connection modify wan ipv4.method auto ipv4.addresses NOTHING ipv4.gateway NOTHING")
	stop := leaseOf(t, "100.0.1.150", "100.0.1.1")
	nmcli(t, "connection up wan")
	eventually(t, "the lease is there", func() bool { return lab.Linux1.Try("ip", "route", "get", "100.0.2.100").Code == 0 })
	r := nmgreOn(t, lab.Linux1, exitDone, "create", "--peer", "100.0.2.100", "--address", "172.16.0.1/30", "--dry-run")
	if !strings.Contains(r.Stdout, "the local address 100.0.1.150 is leased (DHCP, on eth0)") || !strings.Contains(r.Stdout, "with --local any it follows the lease") {
		t.Errorf("create does not say that the address is leased: %s", r)
	}
	r = nmgreOn(t, lab.Linux1, exitDone, "create", "--peer", "100.0.2.100", "--local", "any", "--address", "172.16.0.1/30", "--route", "default metric 50", "--no-probe")
	if !strings.Contains(r.Stdout, "far end: nmgre create --peer 100.0.1.150 ") || strings.Contains(r.Stderr, "is leased") {
		t.Errorf("the far end's line: %s", r)
	}
	makeFarEnd(t, lab.Linux2, r)
	mustPing(t, lab.Linux1, "172.16.0.2")

	stop()
	lab.Router.Run(t, "ip", "address", "add", "100.0.1.2/24", "dev", "eth1")
	t.Cleanup(func() { lab.Router.Try("ip", "address", "del", "100.0.1.2/24", "dev", "eth1") })
	leaseOf(t, "100.0.1.160", "100.0.1.2")
	nmcli(t, "connection up wan")
	eventually(t, "the host route follows the lease", func() bool {
		return strings.Contains(lab.Linux1.Run(t, "ip", "route", "show", "proto", "213"), "100.0.2.100 via 100.0.1.2 dev eth0")
	})
	nmgreOn(t, lab.Linux2, exitDone, "edit", "gre1", "--peer", "100.0.1.160", "--no-probe")
	mustPing(t, lab.Linux1, "172.16.0.2")
	nmgreOn(t, lab.Linux1, exitDone, "verify", "gre1")
	if r := nmgreOn(t, lab.Linux1, exitDone, "show", "gre1"); !strings.Contains(r.Stdout, "nmgre create --peer 100.0.1.160 ") {
		t.Errorf("the far end's line names another address: %s", r)
	}
}

// leaseOf has the router give linux1 an address and a gateway, until stop is called.
func leaseOf(t *testing.T, address, gateway string) (stop func()) {
	t.Helper()
	conf := "start " + address + "\nend " + address + "\ninterface eth1\nlease_file /run/udhcpd.leases\npidfile /run/udhcpd.pid\nopt subnet 255.255.255.0\nopt router " + gateway + "\n"
	if err := os.WriteFile(filepath.Join(lab.Router.Root(), "run/udhcpd.conf"), []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	lab.Router.Try("rm", "-f", "/run/udhcpd.leases")
	server := lab.Router.Start(t, "busybox", "udhcpd", "-f", "/run/udhcpd.conf")
	return func() { server.Kill() }
}
