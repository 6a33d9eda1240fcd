package mesh

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"nmgre/routes/fault"
)

// names returns n names of hosts.
func names(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("host%d", i)
	}
	return list
}

func all(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

// A host that is added at the end moves no older pair, even in a pool that is all but full.
func TestOlderPairsStay(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		n := 2 + random.IntN(12)
		hosts := make([]string, 0, n+1)
		for range n + 1 {
			hosts = append(hosts, fmt.Sprintf("h%x", random.Uint64()))
		}
		places := uint64(len(Full(all(n+1)))) + random.Uint64N(20)
		before, err := Allot(hosts[:n], Full(all(n)), places, map[uint64]bool{})
		if err != nil {
			t.Fatal(err)
		}
		after, err := Allot(hosts, Full(all(n+1)), places, map[uint64]bool{})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(before, after[:len(before)]) {
			t.Fatalf("%d hosts and %d places: %v became %v", n, places, before, after)
		}
		if unique := slices.Compact(slices.Sorted(slices.Values(after))); len(unique) != len(after) || unique[len(unique)-1] >= places {
			t.Fatalf("%d places: %v", places, after)
		}
	}
}

// The order of the two names does not count.
func TestOrderOfNames(t *testing.T) {
	one, err := Allot([]string{"paris", "rome"}, []Pair{{0, 1}}, 1<<16, map[uint64]bool{})
	if err != nil {
		t.Fatal(err)
	}
	other, err := Allot([]string{"rome", "paris"}, []Pair{{0, 1}}, 1<<16, map[uint64]bool{})
	if err != nil || one[0] != other[0] {
		t.Errorf("%d and %d, %v", one, other, err)
	}
}

// A host in the middle of a document moves few pairs of a pool with room.
func TestHostInTheMiddle(t *testing.T) {
	const n, places = 40, 1 << 15
	hosts := names(n)
	at := func(hosts []string) map[string]uint64 {
		pairs := Full(all(len(hosts)))
		given, err := Allot(hosts, pairs, places, map[uint64]bool{})
		if err != nil {
			t.Fatal(err)
		}
		m := make(map[string]uint64)
		for i, p := range pairs {
			m[min(hosts[p.A], hosts[p.B])+" "+max(hosts[p.A], hosts[p.B])] = given[i]
		}
		return m
	}
	before, moved := at(hosts), 0
	after := at(slices.Insert(slices.Clone(hosts), 7, "new"))
	for pair, place := range before {
		if after[pair] != place {
			moved++
		}
	}
	if moved > len(before)/50 {
		t.Errorf("%d of %d pairs moved", moved, len(before))
	}
}

func TestTaken(t *testing.T) {
	taken := map[uint64]bool{0: true, 2: true}
	given, err := Allot(names(3), Full(all(3))[:2], 4, taken)
	if err != nil || slices.Contains(given, 0) || slices.Contains(given, 2) || len(taken) != 4 {
		t.Errorf("%v, %v, %v", given, taken, err)
	}
	if _, err := Allot(names(3), Full(all(3)), 4, map[uint64]bool{0: true, 2: true}); !errors.Is(err, fault.ErrInvalid) {
		t.Errorf("too few places: %v", err)
	}
	if _, err := Allot(names(3), Full(all(3)), 2, map[uint64]bool{}); !errors.Is(err, fault.ErrInvalid) {
		t.Errorf("too few places: %v", err)
	}
}

func TestPairs(t *testing.T) {
	if got := fmt.Sprint(Full([]int{2, 0, 1})); got != "[{0 1} {0 2} {1 2}]" {
		t.Error(got)
	}
	if got := fmt.Sprint(Star(1, []int{0, 1, 2, 3})); got != "[{0 1} {1 2} {1 3}]" {
		t.Error(got)
	}
	if p := NewPair(3, 1); p != (Pair{1, 3}) || p.Other(1) != 3 || p.Other(3) != 1 || !p.Has(1) || p.Has(2) {
		t.Error(p)
	}
	if Full(nil) == nil || len(Full([]int{4})) != 0 {
		t.Error("one host has a link")
	}
}

func TestPool(t *testing.T) {
	for _, c := range []struct {
		pool      string
		place     uint64
		low, high string
	}{
		{"172.31.0.0/16", 0, "172.31.0.0/31", "172.31.0.1/31"},
		{"172.31.0.0/16", 128, "172.31.1.0/31", "172.31.1.1/31"},
		{"172.31.0.0/16", 1<<15 - 1, "172.31.255.254/31", "172.31.255.255/31"},
		{"10.0.0.4/31", 0, "10.0.0.4/31", "10.0.0.5/31"},
		{"fd00::/64", 1<<32 - 1, "fd00::1:ffff:fffe/127", "fd00::1:ffff:ffff/127"},
		{"fd00::/8", 300, "fd00::258/127", "fd00::259/127"},
	} {
		p, err := NewPool(netip.MustParsePrefix(c.pool))
		if err != nil {
			t.Fatal(err)
		}
		if low, high := p.Network(c.place); low.String() != c.low || high.String() != c.high || c.place >= p.Places() {
			t.Errorf("%s at %d of %d: %s and %s", c.pool, c.place, p.Places(), low, high)
		}
		for _, text := range []string{c.low, c.high} {
			if place, ok := p.Place(netip.MustParsePrefix(text).Addr()); !ok || place != c.place {
				t.Errorf("%s: %s is at %d, %v", c.pool, text, place, ok)
			}
		}
		if _, ok := p.Place(netip.MustParseAddr("192.0.2.1")); ok {
			t.Error("an address elsewhere has a place")
		}
	}
	for _, wrong := range []string{"172.31.0.1/16", "172.31.0.0/32", "fd00::/128", "::ffff:1.2.3.0/120", "224.0.0.0/8", "127.0.0.0/8", "0.0.0.0/0"} {
		if _, err := NewPool(netip.MustParsePrefix(wrong)); !errors.Is(err, fault.ErrInvalid) {
			t.Errorf("%s: %v", wrong, err)
		}
	}
	if _, err := NewPool(netip.Prefix{}); !errors.Is(err, fault.ErrInvalid) {
		t.Error(err)
	}
}

func TestDeviceName(t *testing.T) {
	for host, want := range map[string]string{"rome": "gre-rome", "abcdefghijk": "gre-abcdefghijk"} {
		if got := DeviceName(host); got != want {
			t.Errorf("%s: %s", host, got)
		}
	}
	seen := make(map[string]bool)
	for _, host := range []string{"abcdefghijkl", "abcdefghijkm", "rö", "r", strings.Repeat("x", 300), "a/b", "ab"} {
		name := DeviceName(host)
		if len(name) > 15 || seen[name] {
			t.Errorf("%s: %s", host, name)
		}
		seen[name] = true
	}
}
