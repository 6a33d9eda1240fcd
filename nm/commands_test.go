package nm_test

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"nmgre/nm"
	"nmgre/nm/nmcli"
	"nmgre/routes"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
	"nmgre/testdata/fake"
	"nmgre/testdata/want"
)

// The same tunnel in the words of nmcli, of ip, and of nmgre. A file has a tunnel, as in
// testdata/validate, a rule, and the commands.
func TestCommands(t *testing.T) {
	want.Cases(t, "commands", 10, func(t *testing.T, input string) string {
		tunnel, err := fake.ReadTunnel(input)
		if err != nil {
			t.Fatal(err)
		}
		return nmcli.Add(tunnel) + "\n\n" + strings.Join(tunnel.IPCommands(), "\n") + "\n\n" + tunnel.CreateCommand() + "\n"
	})
}

// The nmgre command makes the tunnel that it was printed from.
func TestCreateCommandIsTheSameTunnel(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		expected := randomTunnel(random)
		expected.Autoconnect, expected.Forward, expected.ClampMSS = random.IntN(2) == 0, random.IntN(2) == 0, random.IntN(2) == 0
		if random.IntN(2) == 0 {
			expected.SNAT = []keep.SNAT{{Dst: want.CIDR("10.10.2.0/24"), Source: want.Addr("10.10.2.1")}, {Dst: want.CIDR("10.10.3.0/24")}}
		}
		switch random.IntN(5) {
		case 0:
			expected.Parent = "eth0"
		case 1:
			expected.Routes = append(expected.Routes, routes.Route{Dst: routes.HostPrefix(expected.PeerAddress), Metric: want.Ptr(uint32(5))})
		case 2:
			expected.Local = expected.Mode.AnyAddr()
		case 3:
			// not needed, but asked for
			if own := expected.Addresses[0]; own.Contains(expected.PeerAddress) {
				expected.Routes = append(expected.Routes, routes.Route{Dst: routes.HostPrefix(expected.PeerAddress)})
			}
		}
		command := expected.CreateCommand()
		got := parseCreate(t, command)
		if !got.PeerAddress.IsValid() {
			got.PeerAddress = nm.DerivePeer(got.Addresses)
		}
		// left out of the command, and decided by the plan
		if got.EncapLimit == 0 && expected.EncapLimit == gre.DefaultEncapLimit {
			got.EncapLimit = gre.DefaultEncapLimit
		}
		if !reflect.DeepEqual(got, expected) {
			t.Fatalf("%s\nmakes  %+v\nwanted %+v", command, got, expected)
		}
	}
}

// parseCreate reads a command line of CreateCommand's, without quoted words.
func parseCreate(t *testing.T, command string) nm.Tunnel {
	t.Helper()
	tunnel := nm.NewTunnel()
	words := want.SplitQuoted(command)
	if words[0] != "nmgre" || words[1] != "create" {
		t.Fatalf("%s", command)
	}
	for i := 2; i < len(words); i++ {
		flag := strings.TrimPrefix(words[i], "--")
		switch flag {
		case "autoconnect=false":
			tunnel.Autoconnect = false
			continue
		case "no-pmtud":
			tunnel.NoPMTUD = true
			continue
		case "forward":
			tunnel.Forward = true
			continue
		case "clamp-mss":
			tunnel.ClampMSS = true
			continue
		case "snat":
			snat, err := keep.ParseSNAT(words[i+1])
			if err != nil {
				t.Fatal(err)
			}
			tunnel.SNAT = append(tunnel.SNAT, snat)
			i++
			continue
		}
		i++
		value := words[i]
		switch {
		case flag == "ttl" && value == "inherit":
			value = "0"
		case flag == "local" && value == "any":
			value = tunnel.Mode.AnyAddr().String()
		}
		if err := fake.SetField(&tunnel, flag, value); err != nil {
			t.Fatalf("%s: --%s: %v", command, flag, err)
		}
	}
	return tunnel
}

// The command of a far end that does not know this end's address cannot be typed as it is, and must
// not look as if it could.
func TestCreateCommandWithoutAddress(t *testing.T) {
	for _, local := range []string{"0.0.0.0", ""} {
		near := nm.NewTunnel()
		near.Remote, near.Addresses, near.PeerAddress = want.Addr("100.0.2.100"), want.CIDRs("172.16.0.1/30"), want.Addr("172.16.0.2")
		if local != "" {
			near.Local = want.Addr(local)
		}
		want.Same(t, "the far end's command", near.FarEnd(nil).CreateCommand(), "")
	}
}
