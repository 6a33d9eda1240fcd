package importer

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nmgre/routes/fault"
	"nmgre/testdata/want"
)

// text shows the import of an input.
func text(input string, opts Options) string {
	im, err := Read(input, opts)
	var b strings.Builder
	if im.Kind != nil {
		fmt.Fprintf(&b, "kind: %s\n", im.Kind.Name)
	}
	for _, line := range im.Lines {
		b.WriteString(strings.TrimSpace(fmt.Sprintf("%s %d: %s: %s", line.File, line.N, line.Fate, line.Why)) + "\n")
	}
	for _, t := range im.Tunnels {
		b.WriteString(t.CreateCommand() + "\n")
	}
	for _, note := range im.Notes {
		b.WriteString("note: " + note + "\n")
	}
	for _, one := range fault.Split(err) {
		b.WriteString("error: " + one.Error() + "\n")
		for _, hint := range fault.Hints(one) {
			b.WriteString("hint: " + hint + "\n")
		}
	}
	return b.String()
}

// host1 has the outer address of the seed's first host, host2 that of the second.
func host1(a netip.Addr) bool { return a == netip.MustParseAddr("100.0.1.100") }
func host2(a netip.Addr) bool { return a == netip.MustParseAddr("100.0.2.100") }

// The seed's own text, as it stands: all five blocks of each host import, and each mistake is named
// with its line.
func TestSeed(t *testing.T) {
	read := func(names ...string) string {
		var all string
		for _, name := range names {
			b, err := os.ReadFile(filepath.Join("testdata", "seed", name+".txt"))
			if err != nil {
				t.Fatal(err)
			}
			all += string(b)
		}
		return all
	}
	for _, c := range []struct {
		name   string
		blocks []string
		opts   Options
	}{
		{"ifcfg1", []string{"ifcfg1"}, Options{Held: host1}},
		{"ifcfg2", []string{"ifcfg2"}, Options{Held: host2}},
		{"ifcfg-both", []string{"ifcfg1", "ifcfg2"}, Options{Held: host2}},
		{"ip1", []string{"ip1"}, Options{Held: host1}},
		{"ip2", []string{"ip2"}, Options{Held: host2}},
		{"ip2-far", []string{"ip2"}, Options{Held: host2, Far: true}},
		{"ip-both", []string{"ip1", "ip2"}, Options{Held: host1}},
		{"ip1-snat", []string{"ip1", "snat"}, Options{Held: host1}},
		{"ip1-snat-strict", []string{"ip1", "snat"}, Options{Held: host1, Strict: true}},
		{"nmcli1", []string{"nmcli1"}, Options{Held: host1}},
		{"nmcli2", []string{"nmcli2"}, Options{Held: host2}},
		{"nmcli-both", []string{"nmcli1", "nmcli2"}, Options{Held: host2}},
	} {
		t.Run(c.name, func(t *testing.T) { want.Golden(t, "seed/"+c.name+".out", text(read(c.blocks...), c.opts)) })
	}
}

func TestBeside(t *testing.T) {
	if list := Beside("/etc/sysconfig/network-scripts/ifcfg-office", "ONBOOT=yes\nDEVICE=\"tun0\"\n"); !hasAll(list, "keys-office", "office.route", "route-office", "rule-office", "rule6-office", "ifrule-office", "route-tun0", "rule6-tun0") {
		t.Errorf("%q", list)
	}
	if list := Beside("50-gre1.netdev", ""); !slices.Equal(list, []string{"50-gre1.network"}) {
		t.Errorf("%q", list)
	}
	if list := Beside("script.sh", ""); list != nil {
		t.Errorf("%q", list)
	}
}

// hasAll says whether a list has all of these.
func hasAll(list []string, wanted ...string) bool {
	return !slices.ContainsFunc(wanted, func(one string) bool { return !slices.Contains(list, one) })
}
