package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"nmgre/testdata/lab"
)

// These measure whole commands in the lab, ours and the ones it replaces in turn, and report ratios
// of medians: machines are shared and noisy, and an emulated processor is slow, but it is so for
// both.

const rounds = 7

// run is one whole command: its wall time, and the largest memory of its largest process.
type run struct {
	took  time.Duration
	maxKB int64
}

// measure runs a command line on a host, as its shell times it, and fails the benchmark if it
// fails.
func measure(b *testing.B, host lab.Host, line string) run {
	b.Helper()
	cmd := host.Command("bash", "-c", "TIMEFORMAT=%R; time { { "+line+"; } >/dev/null 2>&1; }")
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.Fatalf("%s: %v\n%s", line, err, out)
	}
	seconds, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	if err != nil {
		b.Fatalf("%s: %v", line, err)
	}
	return run{time.Duration(seconds * float64(time.Second)), cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss}
}

// median of what f takes from each run.
func median(runs []run, f func(run) float64) float64 {
	values := make([]float64, len(runs))
	for i, r := range runs {
		values[i] = f(r)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func wall(r run) float64 { return r.took.Seconds() * 1000 }

func memory(r run) float64 { return float64(r.maxKB) }

// report prints both medians and their ratio, and fails the benchmark if the ratio is above what is
// allowed.
func report(b *testing.B, what, unit string, ours, theirs []run, f func(run) float64, most float64) {
	b.Helper()
	a, c := median(ours, f), median(theirs, f)
	b.ReportMetric(a/c, strings.ReplaceAll(what, " ", "-")+"-ratio")
	b.Logf("%s: ours %.0f %s, theirs %.0f %s: ratio %.2f (at most %.2f)", what, a, unit, c, unit, a/c, most)
	if a/c > most {
		b.Errorf("%s: the ratio %.2f is above %.2f", what, a/c, most)
	}
}

// One tunnel with one route in the kernel, against the three commands of the usual instructions.
func BenchmarkLabCreate(b *testing.B) {
	lab.Need(b)
	const ours = "nmgre create --name bench --peer 100.0.2.100 --address 172.16.0.1/30 --no-probe" +
		" --route '10.10.2.0/24 nexthop dev bench weight 1 nexthop dev bench weight 2'"
	const theirs = "nmcli connection add type ip-tunnel con-name bench ifname bench mode gre remote 100.0.2.100 local 100.0.1.100" +
		" ipv4.method manual ipv4.addresses 172.16.0.1/30 ipv6.method disabled &&" +
		" nmcli connection up bench && ip route add 10.10.2.0/24 dev bench"
	for b.Loop() {
		var a, c []run
		var steps []string
		for range rounds {
			a = append(a, measure(b, lab.Linux1, ours))
			// which waits until the link is gone, as nmcli does not
			lab.Linux1.Run(b, "nmgre", "delete", "bench")
			c = append(c, measure(b, lab.Linux1, theirs))
			// which waits until the link is gone, as nmcli does not
			lab.Linux1.Run(b, "nmgre", "delete", "bench")
		}
		steps = append(steps, lab.Linux1.Try("sh", "-c", ours).Stderr)
		// which waits until the link is gone, as nmcli does not
		lab.Linux1.Run(b, "nmgre", "delete", "bench")
		report(b, "create wall time", "ms", a, c, wall, 0.4)
		b.Logf("what the steps of one create took; \"brought it up\" is NetworkManager's own time:\n%s", strings.Join(steps, ""))
	}
}

// All of a thousand tunnels, against nmcli's list of the same.
func BenchmarkLabList(b *testing.B) {
	lab.Need(b)
	addProfiles(b, 1000)
	defer lab.Linux1.Reset(b)
	if n := strings.Count(lab.Linux1.Run(b, "nmgre", "list"), "many"); n != 1000 {
		b.Fatalf("nmgre list shows %d of 1000 tunnels", n)
	}
	for b.Loop() {
		var a, c []run
		for range rounds {
			a = append(a, measure(b, lab.Linux1, "nmgre list"))
			c = append(c, measure(b, lab.Linux1, "nmcli -t connection show"))
		}
		report(b, "list wall time", "ms", a, c, wall, 0.3)
		report(b, "list memory", "KB", a, c, memory, 0.5)
	}
}

// A hundred thousand routes of one tunnel from a file, against ip -batch with the same; and once
// more, when nothing is to be done.
func BenchmarkLabBulk(b *testing.B) {
	lab.Need(b)
	const n = 100_000
	lab.Linux1.Run(b, "nmgre", "create", "--name", "bench", "--peer", "100.0.2.100", "--address", "172.16.0.1/30", "--no-probe")
	file := writeRoutes(b, n)
	batch := writeBatch(b, n, "bench")
	ours := "nmgre route add bench --routes-from " + file
	for b.Loop() {
		var first, second, theirs []run
		for range bulkRounds {
			first = append(first, measure(b, lab.Linux1, ours))
			second = append(second, measure(b, lab.Linux1, ours))
			lab.Linux1.Run(b, "nmgre", "route", "delete", "bench", "--routes-from", file)
			theirs = append(theirs, measure(b, lab.Linux1, "ip -batch "+batch))
			lab.Linux1.Run(b, "ip", "route", "flush", "proto", "99")
		}
		report(b, "bulk wall time", "ms", first, theirs, wall, 0.5)
		report(b, "bulk again wall time", "ms", second, first, wall, 0.5)
		most := median(first, memory)
		b.ReportMetric(most/1024, "MB/bulk")
		b.Logf("bulk memory: %.0f KB (at most 100 MB)", most)
		if most > 100<<10 {
			b.Errorf("%d routes take %.0f KB", n, most)
		}
	}
}

// bulkRounds are fewer: each takes a while.
const bulkRounds = 5

// writeBatch writes the commands that add the same routes.
func writeBatch(b *testing.B, n int, dev string) string {
	b.Helper()
	routes, err := os.ReadFile(filepath.Join(lab.Linux1.Root(), writeRoutes(b, n)))
	if err != nil {
		b.Fatal(err)
	}
	var batch strings.Builder
	for line := range strings.Lines(string(routes)) {
		fmt.Fprintf(&batch, "route add %s dev %s proto 99\n", strings.TrimSpace(line), dev)
	}
	const name = "/var/tmp/batch"
	if err := os.WriteFile(filepath.Join(lab.Linux1.Root(), name), []byte(batch.String()), 0o644); err != nil {
		b.Fatal(err)
	}
	return name
}

// Ten thousand routes, against the same in a profile that NetworkManager brings up. While one is
// measured the other is not there: whoever has nmgre keep them has no such profile, which takes as
// long to read as all the rest.
func BenchmarkLabBulkInAProfile(b *testing.B) {
	lab.Need(b)
	const n = 10_000
	file := writeRoutes(b, n)
	lab.Linux1.Run(b, "nmgre", "create", "--name", "bench", "--peer", "100.0.2.100", "--address", "172.16.0.1/30", "--no-probe", "--key", "1")
	for b.Loop() {
		var ours, theirs []run
		for range bulkRounds {
			ours = append(ours, measure(b, lab.Linux1, "nmgre route add bench --routes-from "+file))
			lab.Linux1.Run(b, "nmgre", "route", "delete", "bench", "--routes-from", file)
			addProfileOfRoutes(b, file)
			theirs = append(theirs, measure(b, lab.Linux1, fmt.Sprintf("nmcli connection up many && until [ $(ip route show dev many | wc -l) -gt %d ]; do sleep 0.1; done", n)))
			lab.Linux1.Run(b, "nmcli", "connection", "delete", "many")
			waitIdle(b)
		}
		report(b, "bulk against a profile wall time", "ms", ours, theirs, wall, 0.1)
	}
}

// addProfileOfRoutes has NetworkManager read a profile "many" with the routes of a file.
func addProfileOfRoutes(b *testing.B, file string) {
	b.Helper()
	const script = `cd /etc/NetworkManager/system-connections && umask 077 && { printf '[connection]\nid=many\nuuid=00000000-0000-4000-8000-000000009999\ntype=ip-tunnel\ninterface-name=many\nautoconnect=false\n[ip-tunnel]\nmode=2\nlocal=100.0.1.100\nremote=100.0.2.100\ninput-key=2\noutput-key=2\nttl=64\n[ipv6]\nmethod=disabled\n[ipv4]\nmethod=manual\naddress1=172.16.5.1/30\n'; awk '{ printf "route%%d=%%s\n", NR, $1 }' %s; } >many.nmconnection`
	lab.Linux1.Run(b, "sh", "-c", fmt.Sprintf(script, file))
	lab.Linux1.Run(b, "nmcli", "connection", "reload")
	waitIdle(b)
}

// addProfiles writes n tunnel profiles where NetworkManager reads them.
func addProfiles(b *testing.B, n int) {
	b.Helper()
	const script = `cd /etc/NetworkManager/system-connections && umask 077 && i=0 && while [ $i -lt %d ]; do i=$((i+1))
printf '[connection]\nid=many%%d\nuuid=00000000-0000-4000-9000-%%012d\ntype=ip-tunnel\ninterface-name=many%%d\nautoconnect=false\n[ip-tunnel]\nmode=2\nlocal=100.0.1.100\nremote=100.0.2.100\ninput-key=%%d\noutput-key=%%d\nttl=64\n[ipv4]\nmethod=manual\naddress1=172.20.0.1/30\nroute1=10.10.2.0/24\n[ipv6]\nmethod=disabled\n' $i $i $i $i $i >many$i.nmconnection; done`
	lab.Linux1.Run(b, "sh", "-c", fmt.Sprintf(script, n))
	lab.Linux1.Run(b, "nmcli", "connection", "reload")
	waitIdle(b)
}

// waitIdle waits until NetworkManager has digested what it read: busy, it would answer both sides
// late.
func waitIdle(b *testing.B) {
	b.Helper()
	ticks := func() int {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", lab.Linux1.NMPid()))
		fields := strings.Fields(string(text))
		if err != nil || len(fields) < 15 {
			b.Fatalf("NetworkManager's processor time: %v", err)
		}
		user, _ := strconv.Atoi(fields[13])
		system, _ := strconv.Atoi(fields[14])
		return user + system
	}
	for range 100 {
		before := ticks()
		time.Sleep(2 * time.Second)
		if ticks()-before < 10 { // a hundred ticks are a second
			return
		}
	}
	b.Fatal("NetworkManager does not come to rest")
}

// The smallest command, on this machine itself: what every call pays before it does anything.
func BenchmarkVersion(b *testing.B) {
	binary := buildProduct(b)
	var runs []run
	for b.Loop() {
		runs = runs[:0]
		for range 3 * rounds {
			cmd := exec.Command(binary, "version")
			begin := time.Now()
			if out, err := cmd.CombinedOutput(); err != nil {
				b.Fatalf("%v\n%s", err, out)
			}
			runs = append(runs, run{time.Since(begin), 0})
		}
	}
	ms := median(runs, wall)
	b.ReportMetric(ms, "ms/version")
	b.Logf("nmgre version: %s ms (at most 20)", strconv.FormatFloat(ms, 'f', 1, 64))
	if ms > 20 {
		b.Errorf("nmgre version takes %.1f ms", ms)
	}
}
