package main

import (
	"io"
	"net/netip"
	"os/exec"
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"nmgre/nm"
	"nmgre/nm/plan"
	"nmgre/routes"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
	"nmgre/testdata/fake"
	"nmgre/testdata/want"
	"nmgre/tui/draw"
)

// everything is a tunnel with a value for each flag.
func everything() nm.Tunnel {
	t := nm.NewTunnel()
	t.Name, t.Remote, t.Local, t.Parent = "-it's; $me", want.Addr("100.0.2.100"), want.Addr("100.0.1.100"), "a b"
	t.Addresses, t.PeerAddress = want.CIDRs("172.16.0.1/30"), want.Addr("172.16.0.2")
	t.InputKey, t.OutputKey, t.TTL, t.TOS, t.MTU = want.Ptr(gre.Key(1)), want.Ptr(gre.Key(2)), 9, 0x10, 1400
	t.Routes = []routes.Route{{Dst: want.CIDR("10.10.2.0/24"), Metric: want.Ptr(uint32(50))}}
	t.SNAT = []keep.SNAT{{Dst: want.CIDR("10.10.2.0/24")}}
	t.Forward, t.ClampMSS, t.Autoconnect = true, true, false
	t.PeerName, t.Follow, t.Zone, t.NoProbe = "gw.example.org", true, "work", true
	t.SetIgnoreDF(true)
	t.Link.Multicast, t.Link.Checksum, t.Link.Sequence = true, true, true
	return t
}

// everyPort is a port of a bridge with a value for each flag that it can have.
func everyPort() nm.Tunnel {
	t := nm.NewTunnel()
	t.Name, t.Mode, t.Remote, t.Controller, t.MAC = "-it's; $me", gre.ModeIP6GRETAP, want.Addr("2001:db8:2::100"), "br 0", "02:00:5e:10:00:01"
	t.Flags = gre.FlagUseOrigTClass
	t.SetEncapLimit(0)
	return t
}

// least is a tunnel with the values that create cannot do without.
func least() nm.Tunnel {
	t := nm.NewTunnel()
	t.Name, t.Remote, t.Addresses, t.PeerAddress = "gre1", want.Addr("100.0.2.101"), want.CIDRs("172.16.0.1/30"), want.Addr("172.16.0.2")
	return t
}

// shellWords lets a shell read a command line, and returns its words behind the first.
func shellWords(t *testing.T, line string) []string {
	t.Helper()
	out, err := exec.Command("sh", "-c", "nmgre() { printf '%s\\0' \"$@\"; }; "+line).Output()
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}

// The commands that nmgre prints, shows and copies are those that its own flags read: create makes
// the same tunnel, and edit the same change, also where a value goes.
func TestCopiedCommands(t *testing.T) {
	read := func(line string, named int, register func(*createFlags, *cobra.Command, *app), from, expected nm.Tunnel) {
		t.Helper()
		var flags createFlags
		cmd := &cobra.Command{}
		names := fake.NewWorld()
		names.Names = map[string][]netip.Addr{"gw.example.org": {want.Addr("100.0.2.99"), want.Addr("100.0.2.100")}}
		a := &app{root: t.TempDir(), stderr: io.Discard, resolver: names.Start()}
		register(&flags, cmd, a)
		if err := cmd.ParseFlags(shellWords(t, line)[1:]); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if args := cmd.Flags().Args(); len(args) != named || named == 1 && args[0] != from.Name {
			t.Errorf("%s: the arguments are %q", line, args)
		}
		if err := flags.into(&from, cmd.Flags().Changed, a); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if !from.PeerAddress.IsValid() {
			from.PeerAddress = nm.DerivePeer(from.Addresses)
		}
		if len(from.Routes) == 0 && len(expected.Routes) == 0 {
			from.Routes = expected.Routes
		}
		if len(from.SNAT) == 0 && len(expected.SNAT) == 0 {
			from.SNAT = expected.SNAT
		}
		if !reflect.DeepEqual(from, expected) {
			t.Errorf("%s\nmakes  %+v\nwanted %+v", line, from, expected)
		}
	}
	for _, tunnel := range []nm.Tunnel{everything(), everyPort(), least()} {
		read(tunnel.CreateCommand(), 0, (*createFlags).register, nm.NewTunnel(), tunnel)
		for _, before := range []nm.Tunnel{everything(), everyPort(), least()} {
			line := draw.EditCommand(before.Name, plan.EditPlan{Before: before, After: tunnel, Changes: nm.Diff(before, tunnel)})
			read(line, 1, (*createFlags).registerForEdit, before.Clone(), tunnel)
		}
	}
}
