package routes

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

	"nmgre/testdata/want"
)

// ipHost makes a namespace's devices and addresses, in which every gateway of the fixtures is on a
// link.
const ipHost = `set -e
ip link set lo up
for n in 1 2 3; do
	ip link add gre$n type veth peer name peer$n
	ip addr add 172.16.$((n - 1)).1/24 dev gre$n
	ip addr add fd00::$n:1/112 dev gre$n nodad
	ip addr add 2001:db8:ffff::$n/128 dev gre$n nodad
	ip link set gre$n up
	ip link set peer$n up
done
ip addr add fd00::1/64 dev gre1 nodad
ip addr add fd00::3/64 dev gre1 nodad
ip addr add 2001:db8::1/64 dev gre1 nodad
` + ipNexthop

const ipNexthop = "ip nexthop add id 7 via 172.16.0.2 dev gre1\n"

// ipReadsNot are SPECs that nmgre reads and iproute2 6.1 does not: to it any is short for anycast,
// the mode of seg6 stands before the segments, and there is one feature, given once.
var ipReadsNot = []string{"any", "10.10.2.0/24 features tcp_usec_ts ecn metric 5", "10.10.2.0/24 features ecn ecn", "2001:db8::/32 encap seg6 segs FD00::1 mode encap.red"}

// ipCase is a SPEC of the fixtures as `ip` is given it, and as nmgre prints it for `ip`.
type ipCase struct {
	spec, given, printed string
	ipv6                 bool
}

// A SPEC means the same to `ip route`: the kernel gets the same route by the words
// that were read, and by those that are printed.
func TestRouteMeansTheSameToIP(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root: only root can make a network namespace")
	}
	var cases []ipCase
	for _, spec := range want.Specs(t, "testdata/route") {
		if r, err := Parse(spec); err == nil && !slices.Contains(ipReadsNot, spec) {
			cases = append(cases, ipCase{spec, "route add " + givenToIP(spec, r), strings.TrimPrefix(strings.TrimPrefix(r.IPRoute("add", "gre1"), "ip "), "-6 "), r.Dst.Addr().Is6()})
		}
	}
	compared := 0
	for _, ipv6 := range []bool{false, true} {
		family := slices.DeleteFunc(slices.Clone(cases), func(c ipCase) bool { return c.ipv6 != ipv6 })
		given, wrong := ipRoutes(t, ipv6, family, func(c ipCase) string { return c.given })
		printed, wrongPrinted := ipRoutes(t, ipv6, family, func(c ipCase) string { return c.printed })
		for i, c := range family {
			want.Same(t, c.spec+", and "+c.printed, wholeTens(printed[i])+wrongPrinted[i], wholeTens(given[i])+wrong[i])
			if given[i] != "" {
				compared++
			}
		}
	}
	if compared < len(cases)*3/4 { // the kernel of a test may lack MPLS, and algorithms
		t.Errorf("ip set the routes of %d of %d SPECs only", compared, len(cases))
	}
}

// lifetime is the rest of a route's lifetime in seconds. A second may pass before it is shown.
var lifetime = regexp.MustCompile(`expires (\d+)sec`)

// wholeTens rounds lifetimes up to whole tens of seconds.
func wholeTens(shown string) string {
	return lifetime.ReplaceAllStringFunc(shown, func(text string) string {
		seconds, err := strconv.Atoi(lifetime.FindStringSubmatch(text)[1])
		if err != nil {
			return text
		}
		return fmt.Sprintf("expires %dsec", (seconds+9)/10*10)
	})
}

// givenToIP puts a device into a SPEC, as it was written.
func givenToIP(spec string, r Route) string {
	if !r.Type.HasDevice() || r.NexthopID != 0 {
		return spec
	}
	before, hops, multipath := strings.Cut(spec, " nexthop")
	if !multipath {
		return spec + " dev gre1"
	}
	for i, hop := range strings.Split(hops, " nexthop") {
		if r.Nexthops[min(i, len(r.Nexthops)-1)].Dev == "" {
			hop += " dev gre1"
		}
		before += " nexthop" + strings.Replace(hop, " oif ", " dev ", 1)
	}
	return before
}

// ipRoutes has `ip` set a route for each case. It returns the routes that `ip` shows then, and its
// complaints.
func ipRoutes(t *testing.T, ipv6 bool, cases []ipCase, command func(ipCase) string) (shown, complaints []string) {
	t.Helper()
	dir, options := t.TempDir(), "-d -o -N -force"
	if ipv6 {
		options += " -6"
	}
	script := ipHost
	for i, c := range cases {
		file := filepath.Join(dir, strconv.Itoa(i))
		lines := command(c) + "\nroute show table all proto boot\n"
		if strings.Contains(c.spec, "nhid") { // ip 6.1 cannot flush such routes
			lines += "nexthop del id 7\n" + strings.TrimPrefix(ipNexthop, "ip ")
		} else {
			lines += "route flush table all proto boot\n"
		}
		if err := os.WriteFile(file, []byte(lines), 0o600); err != nil {
			t.Fatal(err)
		}
		script += "ip " + options + " -batch " + file + " 2>&1 || true\necho ==\n"
	}
	out, err := exec.Command("unshare", "-n", "sh", "-c", script).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	shown, complaints = make([]string, len(cases)), make([]string, len(cases))
	i := 0
	for line := range strings.Lines(string(out)) {
		switch {
		case line == "==\n":
			i++
		case strings.HasPrefix(line, "Error: ") || strings.HasPrefix(line, "RTNETLINK "):
			complaints[i] += strings.TrimSpace(line)
		case !strings.HasPrefix(line, "Command failed"):
			shown[i] += strings.TrimSpace(line) + "\n"
		}
	}
	return shown, complaints
}
