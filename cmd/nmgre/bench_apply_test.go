package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nmgre/testdata/lab"
)

// The bars of a document with many tunnels.
const (
	mostApplyOfLoop   = 0.25 // of the shell loop with nmcli and ip
	mostApplyOfCreate = 0.5  // of as many nmgre create --no-probe
	mostAgainOfFirst  = 0.02 // without a change
	mostApplyKB       = 60 << 10
)

// untilGone waits until the deleted profiles' devices are gone, too, for which nmcli does not wait.
// A tunnel with the name of one of them would be refused.
const untilGone = "for i in $(seq 300); do ip -o link show type gre | grep -q ' ap[0-9]' || exit 0; sleep 0.1; done; exit 1\n"

// A document with 200 tunnels and five routes into each, against a shell loop that makes the same
// with nmcli and ip, against 200 times nmgre create, and against itself when nothing is to be done.
func BenchmarkLabApply(b *testing.B) {
	lab.Need(b)
	const tunnels, routesEach = 200, 5
	var document, loop, creates, clean strings.Builder
	document.WriteString("tunnels:\n")
	for i := range tunnels {
		fmt.Fprintf(&document, "  - name: ap%d\n    peer: 203.0.%d.%d\n    addresses: [172.20.%d.1/30]\n    routes:\n", i, i/250, i%250+1, i)
		fmt.Fprintf(&creates, "nmgre create --no-probe --name ap%d --peer 203.0.%d.%d --address 172.20.%d.1/30", i, i/250, i%250+1, i)
		fmt.Fprintf(&loop, "nmcli connection add type ip-tunnel con-name ap%d ifname ap%d mode gre remote 203.0.%d.%d local 100.0.1.100 ipv4.method manual ipv4.addresses 172.20.%d.1/30 ipv6.method disabled\nnmcli connection up ap%d\n",
			i, i, i/250, i%250+1, i, i)
		for j := range routesEach {
			fmt.Fprintf(&document, "      - 10.%d.%d.0/24\n", 100+j, i)
			fmt.Fprintf(&creates, " --route 10.%d.%d.0/24", 100+j, i)
			fmt.Fprintf(&loop, "ip route add 10.%d.%d.0/24 dev ap%d\n", 100+j, i, i)
		}
		creates.WriteString("\n")
		fmt.Fprintf(&clean, " ap%d", i)
	}
	for name, text := range map[string]string{"apply.yaml": document.String(), "loop.sh": loop.String(), "creates.sh": creates.String(),
		"clean.sh": "nmcli --wait 300 connection delete" + clean.String() + " || exit 1\n" + untilGone} {
		if err := os.WriteFile(filepath.Join(lab.Linux1.Root(), "root", name), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	remove := func() { lab.Linux1.Run(b, "sh", "-c", "sh clean.sh >/dev/null 2>&1") }
	for b.Loop() {
		first, again, shell, create := &side{name: "nmgre apply"}, &side{name: "nmgre apply again"}, &side{name: "nmcli and ip"}, &side{name: "nmgre create"}
		compare(b, 1, []bar{
			{"apply wall time", "ms", first, shell, wall, mostApplyOfLoop},
			{"apply of create wall time", "ms", first, create, wall, mostApplyOfCreate},
			{"apply again wall time", "ms", again, first, wall, mostAgainOfFirst},
		},
			func() {
				first.add(measure(b, lab.Linux1, "nmgre apply -f apply.yaml --no-probe --wait 10m"))
				for range 3 {
					again.add(measure(b, lab.Linux1, "nmgre apply -f apply.yaml --no-probe"))
				}
				remove()
			},
			func() { shell.add(measure(b, lab.Linux1, "sh -e loop.sh")); remove() },
			func() { create.add(measure(b, lab.Linux1, "sh -e creates.sh")); remove() })
		for _, s := range []*side{first, again} {
			if kb := s.median(memory); kb > mostApplyKB {
				b.Errorf("%s takes %.0f KB", s.name, kb)
			}
		}
	}
}
