package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"nmgre/testdata/lab"
)

// These measure whole commands in the lab: nmgre, the commands that it replaces, and the nmgre of
// an earlier commit, in turn. They report ratios of medians: machines are shared and noisy, and an
// emulated processor is slow, but it is so for all of them.

const (
	// rounds is how often everything is measured at least.
	rounds = 7
	// profileRounds is less, because NetworkManager takes half a minute for a round.
	profileRounds = 5
	// patience is how many times as many rounds are measured at most while a bar does not hold. All
	// rounds count: with more of them the noise shrinks, but a slower program stays slower.
	patience = 4
	// mostOfBefore is the most that a command may take of its time at the earlier commit. Two
	// series of the same program differ as much.
	mostOfBefore = 1.03
	// mostCreateOfBefore is the same for create, which now asks the host less often.
	mostCreateOfBefore = 0.85
	// mostSizeOfBefore is the same for the size of the program as it is shipped.
	mostSizeOfBefore = 0.75
)

// run is one whole command: its wall time, the largest memory of its largest process, and the
// processor time of all its processes.
type run struct {
	took  time.Duration
	maxKB int64
	cpu   time.Duration
}

// side is one of the compared programs with its runs.
type side struct {
	name string
	runs []run
}

func (s *side) add(r run) { s.runs = append(s.runs, r) }

// median returns the median of the values that of returns for the runs.
func (s *side) median(of func(run) float64) float64 {
	values := make([]float64, len(s.runs))
	for i, r := range s.runs {
		values[i] = of(r)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func wall(r run) float64 { return r.took.Seconds() * 1000 }

func memory(r run) float64 { return float64(r.maxKB) }

// bar is the most that the median of one side may be of another's.
type bar struct {
	name, unit  string
	ours, other *side
	of          func(run) float64
	most        float64
}

func (c bar) ratio() float64 { return c.ours.median(c.of) / c.other.median(c.of) }

func (c bar) holds() bool { return c.ratio() <= c.most }

// report prints both medians and their ratio, and fails the benchmark if the bar does not hold.
func (c bar) report(b *testing.B) {
	b.Helper()
	b.ReportMetric(c.ratio(), strings.ReplaceAll(c.name, " ", "-")+"-ratio")
	b.Logf("%s: %s %.1f %s, %s %.1f %s, %d rounds: ratio %.3f (at most %.2f)", c.name, c.ours.name, c.ours.median(c.of), c.unit,
		c.other.name, c.other.median(c.of), c.unit, len(c.ours.runs), c.ratio(), c.most)
	if !c.holds() {
		b.Errorf("%s: the ratio %.3f is above %.2f", c.name, c.ratio(), c.most)
	}
}

// compare measures at least n rounds, and more while a bar does not hold. In each round every side
// has its turn; in every other round they go in the opposite order, so that none always follows the
// same one.
func compare(b *testing.B, n int, bars []bar, turns ...func()) {
	b.Helper()
	holds := func() bool { return !slices.ContainsFunc(bars, func(c bar) bool { return !c.holds() }) }
	for i := range patience * n {
		if i >= n && holds() {
			break
		}
		for _, turn := range turns {
			turn()
		}
		slices.Reverse(turns)
	}
	for _, c := range bars {
		c.report(b)
	}
}

// before is the nmgre of the earlier commit, under the name that bench.sh gives it in the lab.
const before = "nmgre.before"

// needBefore fails the benchmark where bench.sh has not built it.
func needBefore(b *testing.B) {
	b.Helper()
	if _, err := exec.LookPath(before); err != nil {
		b.Fatalf("%v: run make bench", err)
	}
}

// measure runs a command line on a host and returns the time that the host's shell measures. It
// fails the benchmark if the command fails.
func measure(b *testing.B, host lab.Host, line string) run {
	b.Helper()
	cmd := host.Command("/lab/agent", "measure", "bash", "-c", "TIMEFORMAT=%R; time { { "+line+"; } >/dev/null 2>&1; }")
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.Fatalf("%s: %v\n%s", line, err, out)
	}
	var seconds float64
	var kilobytes int64
	if _, err := fmt.Sscan(string(out), &seconds, &kilobytes); err != nil {
		b.Fatalf("%s: %v\n%s", line, err, out)
	}
	return run{time.Duration(seconds * float64(time.Second)), kilobytes, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
}

// One tunnel with one route in the kernel, against the three commands of the usual instructions.
func BenchmarkLabCreate(b *testing.B) {
	lab.Need(b)
	needBefore(b)
	const args = " create --name bench --peer 100.0.2.100 --address 172.16.0.1/30 --no-probe" +
		" --route '10.10.2.0/24 nexthop dev bench weight 1 nexthop dev bench weight 2'"
	const nmcli = "nmcli connection add type ip-tunnel con-name bench ifname bench mode gre remote 100.0.2.100 local 100.0.1.100" +
		" ipv4.method manual ipv4.addresses 172.16.0.1/30 ipv6.method disabled &&" +
		" nmcli connection up bench && ip route add 10.10.2.0/24 dev bench"
	for b.Loop() {
		ours, earlier, theirs := &side{name: "nmgre"}, &side{name: before}, &side{name: "nmcli and ip"}
		create := func(s *side, line string) func() {
			return func() {
				s.add(measure(b, lab.Linux1, line))
				// It waits until the link is gone, as nmcli does not.
				lab.Linux1.Run(b, "nmgre", "delete", "bench")
			}
		}
		compare(b, rounds, []bar{
			{"create wall time", "ms", ours, theirs, wall, 0.4},
			{"create wall time of before", "ms", ours, earlier, wall, mostCreateOfBefore},
		}, create(ours, "nmgre"+args), create(earlier, before+args), create(theirs, nmcli))
		steps := lab.Linux1.Try("sh", "-c", "nmgre"+args).Stderr
		lab.Linux1.Run(b, "nmgre", "delete", "bench")
		b.Logf("the steps of one create; \"brought it up\" is NetworkManager's own time:\n%s", steps)
	}
}

// The first end of a tunnel, whose far end is not there yet, and the second one with its proof,
// against the usual commands, which prove nothing.
func BenchmarkLabCreateProved(b *testing.B) {
	lab.Need(b)
	const args = " --name bench --peer 100.0.2.100 --address 172.16.0.1/30 --route 10.10.2.0/24"
	const nmcli = "nmcli connection add type ip-tunnel con-name bench ifname bench mode gre remote 100.0.2.100 local 100.0.1.100" +
		" ipv4.method manual ipv4.addresses 172.16.0.1/30 ipv6.method disabled &&" +
		" nmcli connection up bench && ip route add 10.10.2.0/24 dev bench"
	farEnd := func(what string) {
		lab.Linux2.Run(b, "sh", "-c", "ip link del bench 2>/dev/null; modprobe ip_gre; "+what)
	}
	for b.Loop() {
		first, second, theirs := &side{name: "nmgre, first end"}, &side{name: "nmgre, second end"}, &side{name: "nmcli and ip"}
		create := func(s *side, line, far string) func() {
			return func() {
				farEnd(far)
				s.add(measure(b, lab.Linux1, line))
				lab.Linux1.Run(b, "nmgre", "delete", "bench")
			}
		}
		compare(b, rounds, []bar{
			{"create of the first end wall time", "ms", first, theirs, wall, 0.4},
			{"create of the second end wall time", "ms", second, theirs, wall, 0.4},
		}, create(first, "nmgre create"+args, "true"),
			create(second, "nmgre create"+args, "ip tunnel add bench mode gre remote 100.0.1.100 local 100.0.2.100 ttl 64; ip addr add 172.16.0.2/30 dev bench; ip link set bench up"),
			create(theirs, nmcli, "true"))
		b.Logf("the steps of the first end:\n%s", lab.Linux1.Try("sh", "-c", "nmgre create"+args).Stderr)
		lab.Linux1.Run(b, "nmgre", "delete", "bench")
		farEnd("true")
	}
}

// An edit of one field of a tunnel for which root keeps ten thousand routes, against the earlier
// nmgre, and one that changes nothing.
func BenchmarkLabEdit(b *testing.B) {
	lab.Need(b)
	needBefore(b)
	lab.Linux1.Run(b, "nmgre", "create", "--name", "bench", "--peer", "100.0.2.100", "--address", "172.16.0.1/30", "--no-probe")
	lab.Linux1.Run(b, "nmgre", "route", "add", "bench", "--routes-from", writeRoutes(b, 10_000))
	for b.Loop() {
		ours, nothing, earlier := &side{name: "nmgre"}, &side{name: "nmgre, no change"}, &side{name: before}
		mtu := 1400
		edit := func(s *side, program string, step int) func() {
			return func() {
				mtu = 1400 + (mtu+step)%50
				s.add(measure(b, lab.Linux1, fmt.Sprintf("%s edit bench --no-probe --mtu %d", program, mtu)))
			}
		}
		compare(b, rounds, []bar{
			{"edit wall time of before", "ms", ours, earlier, wall, 0.25},
			{"edit memory of before", "KB", ours, earlier, memory, 0.5},
			{"edit of nothing wall time of before", "ms", nothing, earlier, wall, 0.1},
		}, edit(ours, "nmgre", 1), edit(nothing, "nmgre", 0), edit(earlier, before, 1))
	}
}

// All of a thousand tunnels, against nmcli's list of the same.
func BenchmarkLabList(b *testing.B) {
	lab.Need(b)
	needBefore(b)
	addProfiles(b, 1000)
	if n := strings.Count(lab.Linux1.Run(b, "nmgre", "list"), "many"); n != 1000 {
		b.Fatalf("nmgre list shows %d of 1000 tunnels", n)
	}
	for b.Loop() {
		ours, earlier, theirs := &side{name: "nmgre"}, &side{name: before}, &side{name: "nmcli"}
		list := func(s *side, line string) func() {
			return func() { s.add(measure(b, lab.Linux1, line)) }
		}
		compare(b, rounds, []bar{
			{"list wall time", "ms", ours, theirs, wall, 0.3},
			{"list memory", "KB", ours, theirs, memory, 0.5},
			{"list wall time of before", "ms", ours, earlier, wall, mostOfBefore},
		}, list(ours, "nmgre list"), list(earlier, before+" list"), list(theirs, "nmcli -t connection show"))
	}
}

// many is how many tunnels are verified together.
const many = 200

// Two hundred healthy tunnels, verified together, against one of them two hundred times.
func BenchmarkLabVerifyAll(b *testing.B) {
	lab.Need(b)
	addTunnels(b, many, true)
	waitIdle(b)
	if r := lab.Linux1.Try("nmgre", "verify", "--all"); !strings.Contains(r.Stdout, fmt.Sprintf("verdict: pass (%d pass)", many)) {
		b.Fatalf("not all of them are healthy: %s", r)
	}
	for b.Loop() {
		all, one := &side{name: "verify --all"}, &side{name: "verify NAME"}
		times := func(r run) float64 { return wall(r) * many }
		compare(b, rounds, []bar{
			{"verify all wall time", "ms", all, one, wall, 0.03 * many},
			{"verify all memory", "KB", all, one, memory, 1.5},
		}, func() { all.add(measure(b, lab.Linux1, "nmgre verify --all")) }, func() { one.add(measure(b, lab.Linux1, "nmgre verify many100")) })
		b.Logf("verify all: %.0f ms, %d times verify NAME: %.0f ms: ratio %.4f (at most 0.03)", all.median(wall), many, one.median(times), all.median(wall)/one.median(times))
	}
}

// roundTrip is the mean of a few round trips through a tunnel, as ping measures them.
func roundTrip(b *testing.B, to string) run {
	b.Helper()
	out := lab.Linux1.Run(b, "ping", "-n", "-q", "-c", "3", "-i", "0.2", to)
	_, numbers, _ := strings.Cut(out, "mdev = ")
	parts := strings.Split(numbers, "/")
	ms, err := strconv.ParseFloat(parts[min(1, len(parts)-1)], 64)
	if err != nil {
		b.Fatalf("ping: %v\n%s", err, out)
	}
	return run{took: time.Duration(ms * float64(time.Millisecond))}
}

// waited is the time of a command that its own processes did not work.
func waited(r run) float64 { return max(0, r.took-r.cpu).Seconds() * 1000 }

// A healthy tunnel against nmcli's look at its profile and the round trip of the way, and a broken
// one. The waiting time of a healthy one is printed only: on one processor verify waits for
// NetworkManager to work, too.
func BenchmarkLabVerify(b *testing.B) {
	lab.Need(b)
	addTunnels(b, 2, true)
	waitIdle(b)
	lab.Linux2.Run(b, "ip", "link", "set", "many2", "down")
	const most = 3 * time.Second
	for b.Loop() {
		ours, theirs, broken, way := &side{name: "nmgre verify"}, &side{name: "nmcli connection show"}, &side{name: "nmgre verify of a broken one"}, &side{name: "round trip"}
		compare(b, rounds, nil,
			func() { ours.add(measure(b, lab.Linux1, "nmgre verify many1")) },
			func() { theirs.add(measure(b, lab.Linux1, "nmcli connection show many1")) },
			func() { broken.add(measure(b, lab.Linux1, "! nmgre verify many2")) },
			func() { way.add(roundTrip(b, "172.20.0.6")) })
		b.Logf("verify: %.1f ms, of which it waits %.1f ms; 1.2 round trips and 0.1 of nmcli connection show are %.1f ms", ours.median(wall), ours.median(waited),
			1.2*way.median(wall)+0.1*theirs.median(wall))
		b.Logf("verify of a broken tunnel: %.0f ms (at most %s)", broken.median(wall), most)
		if took := broken.median(wall); took > float64(most.Milliseconds()) {
			b.Errorf("verify of a broken tunnel takes %.0f ms", took)
		}
	}
}

// The waiting time of a healthy tunnel, in round trips of its way: how much longer verify takes
// where the way takes a tenth of a second longer. So the time of an emulated processor does not
// count.
func BenchmarkLabVerifyFarAway(b *testing.B) {
	lab.Need(b)
	const most = 1.2
	undelay := func() { lab.Router.Try("tc", "qdisc", "del", "dev", "eth1", "root") }
	b.Cleanup(undelay)
	addTunnels(b, 1, true)
	waitIdle(b)
	for b.Loop() {
		longer, way := &side{name: "nmgre verify"}, &side{name: "round trip"}
		compare(b, rounds, []bar{{"verify far away", "ms", longer, way, wall, most}}, func() {
			undelay()
			near, nearTrip := measure(b, lab.Linux1, "nmgre verify many1"), roundTrip(b, "172.20.0.6")
			lab.Router.Run(b, "tc", "qdisc", "add", "dev", "eth1", "root", "netem", "delay", "100ms")
			far, farTrip := measure(b, lab.Linux1, "nmgre verify many1"), roundTrip(b, "172.20.0.6")
			longer.add(run{took: far.took - near.took})
			way.add(run{took: farTrip.took - nearTrip.took})
		})
	}
}

// A hundred thousand routes of one tunnel from a file, against ip -batch with the same; and once
// more, when there is nothing left to do.
func BenchmarkLabBulk(b *testing.B) {
	lab.Need(b)
	needBefore(b)
	const n = 100_000
	lab.Linux1.Run(b, "nmgre", "create", "--name", "bench", "--peer", "100.0.2.100", "--address", "172.16.0.1/30", "--no-probe")
	file := writeRoutes(b, n)
	batch := writeBatch(b, n, "bench")
	args := " route add bench --routes-from " + file
	for b.Loop() {
		first, again := &side{name: "nmgre"}, &side{name: "nmgre again"}
		earlier, theirs := &side{name: before}, &side{name: "ip -batch"}
		remove := func() { lab.Linux1.Run(b, "nmgre", "route", "delete", "bench", "--routes-from", file) }
		compare(b, rounds, []bar{
			{"bulk wall time", "ms", first, theirs, wall, 0.5},
			{"bulk again wall time", "ms", again, first, wall, 0.5},
			{"bulk wall time of before", "ms", first, earlier, wall, mostOfBefore},
		}, func() {
			first.add(measure(b, lab.Linux1, "nmgre"+args))
			again.add(measure(b, lab.Linux1, "nmgre"+args))
			remove()
		}, func() {
			earlier.add(measure(b, lab.Linux1, before+args))
			remove()
		}, func() {
			theirs.add(measure(b, lab.Linux1, "ip -batch "+batch))
			lab.Linux1.Run(b, "ip", "route", "flush", "proto", "99")
		})
		most := first.median(memory)
		b.ReportMetric(most/1024, "MB/bulk")
		b.Logf("bulk memory: %.0f KB (at most 100 MB)", most)
		if most > 100<<10 {
			b.Errorf("%d routes take %.0f KB", n, most)
		}
	}
}

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

// Ten thousand routes, against the same routes in a profile that NetworkManager brings up. The
// profile does not exist while nmgre is measured: reading it alone would take as long as everything
// else.
func BenchmarkLabBulkInAProfile(b *testing.B) {
	lab.Need(b)
	const n = 10_000
	file := writeRoutes(b, n)
	lab.Linux1.Run(b, "nmgre", "create", "--name", "bench", "--peer", "100.0.2.100", "--address", "172.16.0.1/30", "--no-probe", "--key", "1")
	for b.Loop() {
		ours, theirs := &side{name: "nmgre"}, &side{name: "a profile"}
		compare(b, profileRounds, []bar{{"bulk against a profile wall time", "ms", ours, theirs, wall, 0.1}}, func() {
			ours.add(measure(b, lab.Linux1, "nmgre route add bench --routes-from "+file))
			lab.Linux1.Run(b, "nmgre", "route", "delete", "bench", "--routes-from", file)
		}, func() {
			addProfileOfRoutes(b, file)
			theirs.add(measure(b, lab.Linux1, fmt.Sprintf("nmcli connection up many && until [ $(ip route show dev many | wc -l) -gt %d ]; do sleep 0.1; done", n)))
			lab.Linux1.Run(b, "nmcli", "connection", "delete", "many")
			waitIdle(b)
		})
	}
}

// addProfileOfRoutes makes NetworkManager read a profile "many" with the routes of a file.
func addProfileOfRoutes(b *testing.B, file string) {
	b.Helper()
	const script = `cd /etc/NetworkManager/system-connections && umask 077 && { printf '[connection]\nid=many\nuuid=00000000-0000-4000-8000-000000009999\ntype=ip-tunnel\ninterface-name=many\nautoconnect=false\n[ip-tunnel]\nmode=2\nlocal=100.0.1.100\nremote=100.0.2.100\ninput-key=2\noutput-key=2\nttl=64\n[ipv6]\nmethod=disabled\n[ipv4]\nmethod=manual\naddress1=172.16.5.1/30\n'; awk '{ printf "route%%d=%%s\n", NR, $1 }' %s; } >many.nmconnection`
	lab.Linux1.Run(b, "sh", "-c", fmt.Sprintf(script, file))
	lab.Linux1.Run(b, "nmcli", "connection", "reload")
	waitIdle(b)
}

// addProfiles makes NetworkManager read n tunnel profiles, named many1 to manyN, and removes them
// at the end of the benchmark.
func addProfiles(b *testing.B, n int) {
	b.Helper()
	const script = `cd /etc/NetworkManager/system-connections && umask 077 && i=0 && while [ $i -lt %d ]; do i=$((i+1))
printf '[connection]\nid=many%%d\nuuid=00000000-0000-4000-9000-%%012d\ntype=ip-tunnel\ninterface-name=many%%d\nautoconnect=false\n[ip-tunnel]\nmode=2\nlocal=100.0.1.100\nremote=100.0.2.100\ninput-key=%%d\noutput-key=%%d\nttl=64\n[ipv4]\nmethod=manual\naddress1=172.20.0.1/30\nroute1=10.10.2.0/24\n[ipv6]\nmethod=disabled\n' $i $i $i $i $i >many$i.nmconnection; done`
	lab.Linux1.Run(b, "sh", "-c", fmt.Sprintf(script, n))
	b.Cleanup(func() {
		lab.Linux1.Run(b, "sh", "-c", "rm /etc/NetworkManager/system-connections/many*.nmconnection")
		reload(b, 0)
		lab.Linux1.Reset(b)
	})
	reload(b, n)
}

// reload makes NetworkManager read its folder, and waits until it has n profiles named many. nmcli
// gives up after 90 seconds, which a busy machine needs for a thousand profiles; NetworkManager
// goes on.
func reload(b *testing.B, n int) {
	b.Helper()
	lab.Linux1.Try("nmcli", "connection", "reload")
	var got int
	for range 100 {
		shown := lab.Linux1.Try("nmcli", "-t", "-f", "name", "connection", "show")
		if got = strings.Count(shown.Stdout, "many"); shown.Code == 0 && got == n {
			waitIdle(b)
			return
		}
		time.Sleep(2 * time.Second)
	}
	b.Fatalf("NetworkManager has read %d of %d profiles", got, n)
}

// waitIdle waits until NetworkManager has dealt with the profiles that it has read. While it is
// busy it answers every side late.
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

// The smallest command, on this machine itself: every command takes this time before it does
// anything.
func BenchmarkVersion(b *testing.B) {
	binary := buildProduct(b)
	version := &side{name: "nmgre version"}
	for b.Loop() {
		version.runs = nil
		for range 3 * rounds {
			cmd := exec.Command(binary, "version")
			begin := time.Now()
			if out, err := cmd.CombinedOutput(); err != nil {
				b.Fatalf("%v\n%s", err, out)
			}
			version.add(run{took: time.Since(begin)})
		}
	}
	ms := version.median(wall)
	b.ReportMetric(ms, "ms/version")
	b.Logf("nmgre version: %s ms (at most 20)", strconv.FormatFloat(ms, 'f', 1, 64))
	if ms > 20 {
		b.Errorf("nmgre version takes %.1f ms", ms)
	}
}

// mostOfHello is the most that the start of nmgre may take of that of a program that prints a line.
const mostOfHello = 1.2

// The start of nmgre against that of the smallest program in Go, on this machine itself.
func BenchmarkStart(b *testing.B) {
	folder := b.TempDir()
	const source = "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(\"hello\") }\n"
	if err := os.WriteFile(filepath.Join(folder, "hello.go"), []byte(source), 0o600); err != nil {
		b.Fatal(err)
	}
	hello := filepath.Join(folder, "hello")
	if out, err := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", hello, filepath.Join(folder, "hello.go")).CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	ours, smallest := &side{name: "nmgre version"}, &side{name: "a line of Go"}
	turn := func(s *side, name string, args ...string) func() {
		return func() {
			begin := time.Now()
			if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
				b.Fatalf("%v\n%s", err, out)
			}
			s.add(run{took: time.Since(begin)})
		}
	}
	binary := buildProduct(b)
	for b.Loop() {
		compare(b, 5*rounds, []bar{{"start", "ms", ours, smallest, wall, mostOfHello}}, turn(ours, binary, "version"), turn(smallest, hello))
	}
}

// built returns the path of a program that bench.sh has built, and of the same program at the
// earlier commit. It skips the benchmark where bench.sh does not run.
func built(b *testing.B, name string) (ours, earlier string) {
	b.Helper()
	folder := os.Getenv("NMGRE_BENCH")
	if folder == "" {
		b.Skip("compares with an earlier commit: run make bench")
	}
	return filepath.Join(folder, name), filepath.Join(folder, name+".before")
}

// The program as it is shipped is smaller than at the earlier commit.
func BenchmarkBinarySize(b *testing.B) {
	_, earlier := built(b, "nmgre")
	ours := strings.TrimSuffix(earlier, "before") + "shipped"
	size := func(name string) float64 {
		info, err := os.Stat(name)
		if err != nil {
			b.Fatal(err)
		}
		return float64(info.Size())
	}
	for b.Loop() {
		ratio := size(ours) / size(earlier)
		b.ReportMetric(ratio, "binary-size-of-before-ratio")
		b.Logf("binary size: nmgre %.0f KB, %s %.0f KB: ratio %.3f (at most %.2f)", size(ours)/1024, before, size(earlier)/1024, ratio, mostSizeOfBefore)
		if ratio > mostSizeOfBefore {
			b.Errorf("binary size: the ratio %.3f is above %.2f", ratio, mostSizeOfBefore)
		}
	}
}

// Lists of a hundred thousand routes are read as fast as at the earlier commit. The benchmarks of
// both commits run in turn, each in a process of its own on one processor, and their processor time
// is compared: on two processors the same program takes a fifth more or less of the wall time.
func BenchmarkParseOfBefore(b *testing.B) {
	ours, earlier := built(b, "parse.test")
	lists := parseBenchmarks(b, ours)
	if then := parseBenchmarks(b, earlier); !slices.Equal(lists, then) {
		b.Fatalf("the benchmarks are not the same: %q, before %q", lists, then)
	}
	for b.Loop() {
		for _, list := range lists {
			now, then := &side{name: "nmgre"}, &side{name: before}
			compare(b, rounds, []bar{{strings.TrimPrefix(list, "Benchmark") + " processor time of before", "ms", now, then, wall, mostOfBefore}},
				func() { now.add(parse(b, ours, list)) }, func() { then.add(parse(b, earlier, list)) })
		}
	}
}

// parseBenchmarks returns the names of the benchmarks of a test program that read lists.
func parseBenchmarks(b *testing.B, program string) []string {
	b.Helper()
	out, err := exec.Command(program, "-test.run", "^$", "-test.bench", "^BenchmarkParseRouteList", "-test.benchtime", "1x", "-test.cpu", "1").CombinedOutput()
	if err != nil {
		b.Fatalf("%s: %v\n%s", program, err, out)
	}
	var names []string
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, " ns/op") {
			names = append(names, strings.Fields(line)[0])
		}
	}
	if len(names) == 0 {
		b.Fatalf("%s measures nothing:\n%s", program, out)
	}
	return names
}

// parse runs one benchmark of a test program and returns the processor time of the whole process.
func parse(b *testing.B, program, name string) run {
	b.Helper()
	parts := strings.Split(name, "/")
	for i, part := range parts {
		parts[i] = "^" + regexp.QuoteMeta(part) + "$"
	}
	cmd := exec.Command(program, "-test.run", "^$", "-test.bench", strings.Join(parts, "/"), "-test.benchtime", "10x", "-test.cpu", "1")
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "ns/op") {
		b.Fatalf("%s: %v\n%s", program, err, out)
	}
	return run{took: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
}
