package dbus

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"nmgre/nm"
	"nmgre/nm/dbus/dbustest"
	"nmgre/nm/dbus/quirk"
	"nmgre/nm/dbus/wire"
	"nmgre/testdata/lab"
)

// looks has, for every row of the quirk table, the one who looks for it on linux1, where gre1 is
// up. All share one start of the host: no look leaves anything that another one sees.
var looks = map[string]func(*testing.T, *Client) bool{
	"switches IPv6 off":      seesIPv6SwitchedOff,
	"forgets IPv6":           seesIPv6Forgotten,
	"keeps weighted routes":  seesWeightedKept,
	"keeps single routes":    seesSingleKept,
	"does not count changes": seesNoVersionID,
	"wants an address":       seesAddressWanted,
	"lists a hundred routes": seesAHundredRoutes,
	"forwards":               seesForwarding,
	"resets forwarding":      seesForwardingReset,
	"locks rto_min":          seesRTOMinLocked,
	"finds no EUI-64":        seesNoEUI64,
	"refuses flags":          seesFlagsRefused,
	"has masters only":       seesMastersOnly,
}

func TestQuirksAreLookedFor(t *testing.T) {
	for _, q := range quirk.Table {
		if looks[q.Name] == nil {
			t.Errorf("nobody looks for %q in the lab", q.Name)
		}
	}
	if len(looks) != len(quirk.Table) {
		t.Errorf("%d looks for %d quirks", len(looks), len(quirk.Table))
	}
}

// hasQuirk reports whether the table says that version v has the quirk.
func hasQuirk(t *testing.T, v nm.Version, name string) bool {
	t.Helper()
	for _, q := range quirk.Table {
		if q.Name == name {
			return q.In(v)
		}
	}
	t.Fatalf("no quirk %q", name)
	return false
}

// TestLabQuirks looks for every quirk. It is there, or it is not, as the table says for the version
// that runs.
//
//lab:every
func TestLabQuirks(t *testing.T) {
	c := labClient(t)
	m, err := c.Manager(soon(t, labLimit))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("NetworkManager %v", m.Version)
	nmcli(t, "connection", "add", "type", "ip-tunnel", "con-name", "gre1", "ifname", "gre1", "connection.uuid", dbustest.UUID, "mode", "gre",
		"local", lab.Linux1WAN, "remote", lab.Linux2WAN, "ipv4.method", "manual", "ipv4.addresses", "172.16.0.1/30",
		"ipv6.method", "manual", "ipv6.addresses", "fd00::1/64")
	nmcli(t, "connection", "up", "gre1")
	for _, q := range quirk.Table {
		t.Run(q.Name, func(t *testing.T) {
			if saw := looks[q.Name](t, c); saw != q.In(m.Version) {
				t.Errorf("seen: %v, but the table has it %s", saw, q.Versions())
			}
		})
	}
}

// seesNoEUI64 has another device, whose profile asks for the mode itself. NetworkManager gives it
// no link-local address, and may then not bring it up at all.
func seesNoEUI64(t *testing.T, _ *Client) bool {
	nmcli(t, "connection", "add", "type", "ip-tunnel", "con-name", "gre6", "ifname", "gre6", "mode", "ip6gre", "local", lab.Linux1WAN6, "remote", lab.Linux2WAN6,
		"ipv4.method", "disabled", "ipv6.method", "manual", "ipv6.addresses", "fd00:6::1/64", "ipv6.addr-gen-mode", "eui64")
	defer nmcli(t, "connection", "delete", "gre6")
	if lab.Linux1.Try("nmcli", "connection", "up", "gre6").Code != 0 {
		return true
	}
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if strings.Contains(lab.Linux1.Run(t, "ip", "-6", "address", "show", "dev", "gre6"), "fe80:") {
			return false
		}
	}
	return true
}

func seesFlagsRefused(t *testing.T, _ *Client) bool {
	add := []string{"connection", "add", "type", "ip-tunnel", "con-name", "gre6", "ifname", "gre6", "mode", "ip6gre", "local", lab.Linux1WAN6, "remote", lab.Linux2WAN6,
		"ipv4.method", "disabled", "ipv6.method", "link-local"}
	nmcli(t, add...) // without flags every version adds it
	nmcli(t, "connection", "delete", "gre6")
	if lab.Linux1.Try("nmcli", append(add, "ip-tunnel.flags", "1")...).Code != 0 {
		return true
	}
	nmcli(t, "connection", "delete", "gre6")
	return false
}

func seesMastersOnly(t *testing.T, _ *Client) bool {
	nmcli(t, "-g", "connection.master", "connection", "show", "gre1")
	return lab.Linux1.Try("nmcli", "-g", "connection.controller", "connection", "show", "gre1").Code != 0
}

func nmcli(t *testing.T, args ...string) { t.Helper(); lab.Linux1.Run(t, "nmcli", args...) }

// reapplied adds a route to gre1's profile, has the device run with the profile as it is then, and
// waits for the route. Nothing is done about any quirk.
func reapplied(t *testing.T, c *Client, route string, change ...string) {
	t.Helper()
	nmcli(t, append([]string{"connection", "modify", "gre1", "+ipv4.routes", route}, change...)...)
	ctx := soon(t, labLimit)
	l, err := c.link(ctx)
	if err != nil {
		t.Fatal(err)
	}
	path, err := l.lookup(ctx, dbustest.UUID)
	if err != nil {
		t.Fatal(err)
	}
	var s wire.Settings
	var actives []dbus.ObjectPath
	if err := l.flight(ctx, []request{settingsRequest(path, &s), activesRequest(&actives)}); err != nil {
		t.Fatal(err)
	}
	s.StripLegacy()
	own, err := l.activesOf(ctx, dbustest.UUID, actives)
	if err != nil || len(own) != 1 {
		t.Fatal(own, err)
	}
	r := reapplying{link: l, device: own[0].devices[0], whole: true}
	if ok, err := r.run(ctx, s); !ok {
		t.Fatal("not applied", err)
	}
	if !within(t, labLimit, func() bool { return strings.Contains(routesTo(route), "proto static") }) {
		t.Fatalf("%s is not there:\n%s", route, show("ip", "route"))
	}
}

func routesTo(network string) string { return show("ip", "route", "show", strings.Fields(network)[0]) }

// within reports whether cond comes true in time.
func within(t *testing.T, limit time.Duration, cond func() bool) bool {
	t.Helper()
	for end := time.Now().Add(limit); !cond(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

// moment is how long something may take that NetworkManager does at once, or never.
const moment = 4 * time.Second

func seesIPv6SwitchedOff(t *testing.T, c *Client) bool {
	lab.Linux1.Run(t, "ip", "-6", "route", "add", "fd09::/64", "dev", "gre1", "proto", "201")
	reapplied(t, c, "10.77.1.0/24")
	return !strings.Contains(show("ip", "-6", "route", "show", "proto", "201"), "fd09::")
}

func seesIPv6Forgotten(t *testing.T, c *Client) bool {
	reapplied(t, c, "10.77.2.0/24")
	return !within(t, moment, func() bool { return strings.Contains(show("ip", "-6", "addr", "show", "dev", "gre1"), "fd00::1") })
}

func seesWeightedKept(t *testing.T, c *Client) bool {
	reapplied(t, c, "10.77.3.0/24 weight=2")
	reapplied(t, c, "10.77.4.0/24", "-ipv4.routes", "10.77.3.0/24 weight=2")
	return !within(t, moment, func() bool { return routesTo("10.77.3.0/24") == "" })
}

func seesSingleKept(t *testing.T, c *Client) bool {
	const shared = "10.77.5.0/24 0.0.0.0 300 weight=1"
	reapplied(t, c, shared)
	nmcli(t, "connection", "add", "type", "ip-tunnel", "con-name", "gre2", "ifname", "gre2", "mode", "gre", "ip-tunnel.input-key", "2", "ip-tunnel.output-key", "2",
		"local", lab.Linux1WAN, "remote", lab.Linux2WAN, "ipv4.method", "manual", "ipv4.addresses", "172.16.2.1/30", "ipv4.routes", shared, "ipv6.method", "disabled")
	nmcli(t, "connection", "up", "gre2")
	defer nmcli(t, "connection", "delete", "gre2")
	if !within(t, labLimit, func() bool { return strings.Contains(routesTo(shared), "nexthop") }) {
		t.Fatalf("nothing was merged:\n%s", show("ip", "route"))
	}
	return !within(t, moment, func() bool { return !strings.Contains(routesTo(shared), "dev gre1 proto static") })
}

func seesNoVersionID(t *testing.T, _ *Client) bool {
	_, after, _ := strings.Cut("\n"+show("nmcli", "-t", "-f", "NAME,DBUS-PATH", "connection", "show"), "\ngre1:")
	path, _, _ := strings.Cut(after, "\n")
	all := lab.Linux1.Run(t, "dbus-send", "--system", "--print-reply", "--dest=org.freedesktop.NetworkManager", path,
		"org.freedesktop.DBus.Properties.GetAll", "string:org.freedesktop.NetworkManager.Settings.Connection")
	wants(t, all, "Unsaved")
	return !strings.Contains(all, "VersionId")
}

func seesAddressWanted(t *testing.T, _ *Client) bool {
	r := lab.Linux1.Try("nmcli", "connection", "add", "type", "ip-tunnel", "con-name", "gre3", "ifname", "gre3", "mode", "gre", "autoconnect", "no",
		"local", lab.Linux1WAN, "remote", "100.0.2.99", "ipv4.method", "manual", "ipv4.routes", "10.77.6.0/24", "ipv6.method", "disabled")
	if r.Code == 0 {
		nmcli(t, "connection", "delete", "gre3")
	}
	return r.Code != 0
}

func seesAHundredRoutes(t *testing.T, _ *Client) bool {
	var batch strings.Builder
	for i := range 120 {
		fmt.Fprintf(&batch, "route add 10.78.%d.0/24 dev gre1 proto static\n", i)
	}
	if r := lab.Linux1.TryInput(batch.String(), "ip", "-batch", "-"); r.Code != 0 {
		t.Fatal(r)
	}
	told := 0
	all := func() bool {
		told = strings.Count(show("nmcli", "-t", "-f", "IP4.ROUTE", "device", "show", "gre1"), "IP4.ROUTE")
		return told >= 120
	}
	if within(t, moment, all) {
		return false
	}
	if told != 100 {
		t.Errorf("the device tells %d routes", told)
	}
	return true
}

func seesForwarding(t *testing.T, _ *Client) bool {
	lab.Linux1.Run(t, "sysctl", "-q", "-w", "net.ipv4.ip_forward=0")
	if r := lab.Linux1.Try("nmcli", "connection", "modify", "gre1", "ipv4.forwarding", "yes"); r.Code != 0 {
		return false
	}
	nmcli(t, "connection", "up", "gre1")
	if on := show("cat", "/proc/sys/net/ipv4/conf/gre1/forwarding", "/proc/sys/net/ipv4/conf/all/forwarding", "/proc/sys/net/ipv4/conf/eth1/forwarding"); on != "1\n0\n0\n" {
		t.Errorf("gre1, the whole host and eth1 forward: %q", on)
	}
	return true
}

func seesForwardingReset(t *testing.T, _ *Client) bool {
	lab.Linux1.Run(t, "sysctl", "-q", "-w", "net.ipv4.ip_forward=0", "net.ipv4.conf.eth1.forwarding=1")
	nmcli(t, "device", "reapply", "eth1")
	return within(t, moment, func() bool { return show("cat", "/proc/sys/net/ipv4/conf/eth1/forwarding") == "0\n" })
}

func seesRTOMinLocked(t *testing.T, c *Client) bool {
	reapplied(t, c, "10.77.7.0/24 rto_min=200")
	return strings.Contains(routesTo("10.77.7.0/24"), "rto_min lock")
}
