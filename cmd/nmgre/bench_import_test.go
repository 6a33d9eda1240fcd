package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"nmgre/nm/notation/importer"
	"nmgre/testdata/lab"
)

// bigScript returns a script with tunnels, and routes into each.
func bigScript(tunnels, routesEach int) string {
	var b strings.Builder
	for i := range tunnels {
		fmt.Fprintf(&b, "ip tunnel add big%d mode gre remote 203.%d.%d.1 local 100.0.1.100 key %d ttl 64\nip addr add 172.%d.%d.1/30 dev big%d\nip link set dev big%d up\n",
			i, i/250+1, i%250, i, 16+i/250, i%250, i, i)
		for j := range routesEach {
			fmt.Fprintf(&b, "ip route add 10.%d.%d.%d/32 dev big%d\n", 100+i/250+j*5, i%250, j, i) // none is the lab's own
		}
	}
	return b.String()
}

// putScript writes a text to a file on linux1, and its lines without the word ip beside it, as
// `ip -batch` reads them.
func putScript(b *testing.B, text string) {
	b.Helper()
	for name, content := range map[string]string{"big.sh": text, "big.batch": strings.ReplaceAll("\n"+text, "\nip ", "\n")} {
		if err := os.WriteFile(filepath.Join(lab.Linux1.Root(), "root", name), []byte(content), 0o600); err != nil {
			b.Fatal(err)
		}
	}
}

// Reading a script with 1,000 tunnels and 20,000 routes, against bash that only looks at its syntax
// and ip that carries the same lines out.
func BenchmarkLabImportParse(b *testing.B) {
	lab.Need(b)
	text := bigScript(1000, 20)
	putScript(b, text)
	for b.Loop() {
		ours, theirs := &side{name: "nmgre"}, &side{name: "bash -n and ip -batch"}
		compare(b, profileRounds, []bar{{"parse of a script wall time", "ms", ours, theirs, wall, 0.1}},
			func() {
				begin := time.Now()
				im, err := importer.Read(text, importer.Options{From: "ip"})
				if err != nil || len(im.Tunnels) != 1000 {
					b.Fatal(err)
				}
				ours.add(run{took: time.Since(begin)})
			},
			func() {
				theirs.add(measure(b, lab.Linux1, "bash -n big.sh; ip -force -batch big.batch || true"))
				lab.Linux1.Run(b, "sh", "-c", "for i in $(seq 0 999); do echo link del big$i; done | ip -force -batch -")
			})
	}
}

// The whole import of a script with 50 tunnels and 1,000 routes, against the script itself and then
// nmcli for each tunnel, which makes the profiles that nmgre makes.
//
// A thousand tunnels are too many for NetworkManager in the emulated lab: nmgre would take three
// quarters of an hour for them, nearly all of it NetworkManager's own work, and the other side more
// than four hours. With 50 the bench takes seven minutes on a busy machine (115 s for nmgre, a
// ratio of 0.11). The other side is measured with 10 tunnels, and counted five times. That favours
// it: a tunnel among many is more work for NetworkManager than one among a few.
func BenchmarkLabImport(b *testing.B) {
	lab.Need(b)
	const tunnels, sample = 50, 10
	var nmcli strings.Builder
	for i := range sample {
		fmt.Fprintf(&nmcli, "nmcli connection add type ip-tunnel con-name big%d ifname big%d mode gre remote 203.1.%d.1 local 100.0.1.100 ip-tunnel.input-key %d ip-tunnel.output-key %d"+
			" ipv4.method manual ipv4.addresses 172.16.%d.1/30 ipv6.method disabled\nnmcli connection up big%d\n", i, i, i, i, i, i, i)
	}
	if err := os.WriteFile(filepath.Join(lab.Linux1.Root(), "root", "big.nmcli"), []byte(nmcli.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	remove := func() {
		lab.Linux1.Run(b, "bash", "-c", "nmcli -g NAME connection show | grep ^big | xargs -r -n 50 nmcli connection delete >/dev/null; ip -br link | sed -n 's/^\\(big[0-9]*\\).*/link del \\1/p' | ip -force -batch -; true")
	}
	for b.Loop() {
		ours, theirs := &side{name: "nmgre"}, &side{name: "the script and nmcli"}
		compare(b, 1, []bar{{"import of a script wall time", "ms", ours, theirs, wall, 0.5}},
			func() {
				putScript(b, bigScript(tunnels, 20))
				ours.add(measure(b, lab.Linux1, "nmgre import big.sh --no-probe --wait 10m"))
				if made := strings.TrimSpace(lab.Linux1.Run(b, "sh", "-c", "ip -br link | grep -c ^big")); made != strconv.Itoa(tunnels) {
					b.Fatalf("%s tunnels are there", made)
				}
				remove()
			},
			func() {
				putScript(b, bigScript(sample, 20))
				r := measure(b, lab.Linux1, "sh big.sh; sh big.nmcli; true")
				r.took *= tunnels / sample
				theirs.add(r)
				remove()
			})
	}
}
