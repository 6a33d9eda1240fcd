package nmgre

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// What `ip route` reads, and the form in which it is printed.
func TestParseRoute(t *testing.T) {
	for _, test := range []struct {
		spec, print string
		want        Route
	}{
		{"10.10.2.0/24", "10.10.2.0/24", Route{Dst: cidr("10.10.2.0/24")}},
		{"  unicast\t10.10.2.0/24\n", "10.10.2.0/24", Route{Dst: cidr("10.10.2.0/24")}},
		{"10.10.2.1", "10.10.2.1", Route{Dst: cidr("10.10.2.1/32")}},
		{"10.10.2.1/32", "10.10.2.1", Route{Dst: cidr("10.10.2.1/32")}},
		{"2001:DB8::1", "2001:db8::1", Route{Dst: cidr("2001:db8::1/128")}},
		{"2001:db8:0:0::/64", "2001:db8::/64", Route{Dst: cidr("2001:db8::/64")}},
		{"default", "default", Route{Dst: cidr("0.0.0.0/0")}},
		{"0.0.0.0/0", "default", Route{Dst: cidr("0.0.0.0/0")}},
		{"::/0", "::/0", Route{Dst: cidr("::/0")}},
		{"default via fe80::1", "default via fe80::1", Route{Dst: cidr("::/0"), Via: addr("fe80::1")}},
		{"::/0 src 2001:db8::1", "default src 2001:db8::1", Route{Dst: cidr("::/0"), Src: addr("2001:db8::1")}},
		{"default nexthop via fe80::1 nexthop via fe80::2", "default nexthop via fe80::1 nexthop via fe80::2",
			Route{Dst: cidr("::/0"), Nexthops: []Nexthop{{Via: addr("fe80::1")}, {Via: addr("fe80::2")}}}},
		{"0.0.0.0", "0.0.0.0", Route{Dst: cidr("0.0.0.0/32")}},
		{"10.10.2.0/24 onlink mtu lock 1400 table 100 metric 50 src 172.16.0.1 via 172.16.0.2",
			"10.10.2.0/24 via 172.16.0.2 src 172.16.0.1 metric 50 table 100 mtu lock 1400 onlink",
			Route{Dst: cidr("10.10.2.0/24"), Via: addr("172.16.0.2"), Src: addr("172.16.0.1"), Metric: ptr(uint32(50)), Table: 100, MTU: 1400, MTULock: true, OnLink: true}},
		{"10.10.2.0/24 metric 0", "10.10.2.0/24 metric 0", Route{Dst: cidr("10.10.2.0/24"), Metric: ptr(uint32(0))}},
		{"10.10.2.0/24 priority 7", "10.10.2.0/24 metric 7", Route{Dst: cidr("10.10.2.0/24"), Metric: ptr(uint32(7))}},
		{"10.10.2.0/24 preference 4294967295", "10.10.2.0/24 metric 4294967295", Route{Dst: cidr("10.10.2.0/24"), Metric: ptr(uint32(4294967295))}},
		{"10.10.2.0/24 table main", "10.10.2.0/24", Route{Dst: cidr("10.10.2.0/24")}},
		{"10.10.2.0/24 table 254", "10.10.2.0/24", Route{Dst: cidr("10.10.2.0/24")}},
		{"10.10.2.0/24 table default", "10.10.2.0/24 table 253", Route{Dst: cidr("10.10.2.0/24"), Table: 253}},
		{"10.10.2.0/24 table 4294967295", "10.10.2.0/24 table 4294967295", Route{Dst: cidr("10.10.2.0/24"), Table: 4294967295}},
		{"10.10.2.0/24 mtu 68", "10.10.2.0/24 mtu 68", Route{Dst: cidr("10.10.2.0/24"), MTU: 68}},
		{"10.0.0.0/8 metric 5 nexthop nexthop via 172.16.1.2 dev gre2 weight 256 onlink", "10.0.0.0/8 metric 5 nexthop nexthop via 172.16.1.2 dev gre2 weight 256 onlink",
			Route{Dst: cidr("10.0.0.0/8"), Metric: ptr(uint32(5)), Nexthops: []Nexthop{{}, {Via: addr("172.16.1.2"), Dev: "gre2", Weight: 256, OnLink: true}}}},
		{"10.0.0.0/8 nexthop weight 1 dev nexthop nexthop oif gre2", "10.0.0.0/8 nexthop dev nexthop weight 1 nexthop dev gre2",
			Route{Dst: cidr("10.0.0.0/8"), Nexthops: []Nexthop{{Dev: "nexthop", Weight: 1}, {Dev: "gre2"}}}},
	} {
		r, err := ParseRoute(test.spec)
		if err != nil || !reflect.DeepEqual(r, test.want) {
			t.Errorf("ParseRoute(%q) = %+v, %v; want %+v", test.spec, r, err, test.want)
		}
		if got := r.String(); got != test.print {
			t.Errorf("%q is printed as %q, want %q", test.spec, got, test.print)
		}
		again, err := ParseRoute(test.print)
		if err != nil || !reflect.DeepEqual(again, r) {
			t.Errorf("ParseRoute(%q) = %+v, %v; want %+v again", test.print, again, err, r)
		}
	}
}

// Each error says which word is wrong, and what would be right.
func TestParseRouteRefuses(t *testing.T) {
	for _, test := range []struct{ spec, what, hint string }{
		{"", "it ends where a destination should be", "a route is written as"},
		{"   ", "it ends where a destination should be", "a route is written as"},
		{"unicast", "it ends where a destination should be", "a route is written as"},
		{"blackhole 10.0.0.0/8", `word 1: "blackhole" is no destination`, "write the destination as"},
		{"unicast 10.10.2", `word 2: "10.10.2" is no destination`, "write the destination as"},
		{"10.10.2.1/24", "word 1: 10.10.2.1/24 has bits behind its length", "the network is 10.10.2.0/24; a single host is 10.10.2.1"},
		{"10.10.2.0/33", `word 1: "10.10.2.0/33" is no destination`, "10.10.2.0/24"},
		{"1772.16.0.0/30", `word 1: "1772.16.0.0/30" is no destination`, "10.10.2.0/24"},
		{"::ffff:10.0.0.0/104", "is no destination", "10.10.2.0/24"},
		{"::ffff:10.0.0.1", "is no destination", "10.10.2.0/24"},
		{"fe80::1%eth0", "is no destination", "10.10.2.0/24"},
		{strings.Repeat("\x12x", 5000), "is no destination", "10.10.2.0/24"},
		{"10.10.2.0/24 via", "it ends where an address after via should be", "a route is written as"},
		{"10.10.2.0/24 via 1772.16.0.1", `word 3: "1772.16.0.1" after via is no address`, "172.16.0.2"},
		{"10.10.2.0/24 via fe80::1%eth0", `word 3: "fe80::1%eth0" after via is no address`, "172.16.0.2"},
		{"10.10.2.0/24 via 2001:db8::1", "10.10.2.0/24: 2001:db8::1 is of another family", "one family"},
		{"10.10.2.0/24 src 2001:db8::1", "10.10.2.0/24: 2001:db8::1 is of another family", "one family"},
		{"default via 10.0.0.1 src 2001:db8::1", "0.0.0.0/0: 2001:db8::1 is of another family", "one family"},
		{"10.0.0.0/8 nexthop via 10.0.0.1 nexthop via fe80::1", "fe80::1 is of another family", "one family"},
		{"10.10.2.0/24 via 0.0.0.0", "0.0.0.0 is no host", "a host's address"},
		{"10.10.2.0/24 src 224.0.0.1", "224.0.0.1 is no host", "a host's address"},
		{"224.0.0.0/4", "224.0.0.0/4: a multicast destination", "hosts and networks"},
		{"ff00::/8", "ff00::/8: a multicast destination", "hosts and networks"},
		{"10.10.2.0/24 metric", "it ends where a number after metric should be", "a route is written as"},
		{"10.10.2.0/24 metric x", `word 3: "x" after metric is not possible`, "metric takes 0 to 4294967295"},
		{"10.10.2.0/24 metric -1", `word 3: "-1" after metric`, "metric takes 0 to 4294967295"},
		{"10.10.2.0/24 metric 4294967296", `word 3: "4294967296" after metric`, "metric takes"},
		{"10.10.2.0/24 metric 0x10", `word 3: "0x10" after metric`, "metric takes"},
		{"10.10.2.0/24 table 0", `word 3: "0" after table`, "table takes 1 to 4294967295"},
		{"10.10.2.0/24 table vpn", `word 3: "vpn" after table`, "table takes 1 to 4294967295"},
		{"10.10.2.0/24 table local", "table local is the kernel's own", "the main table, or one of your own"},
		{"10.10.2.0/24 table 255", "table local is the kernel's own", "the main table, or one of your own"},
		{"10.10.2.0/24 mtu 67", `word 3: "67" after mtu`, "mtu takes 68 to 65535"},
		{"10.10.2.0/24 mtu lock 65536", `word 4: "65536" after mtu`, "mtu takes 68 to 65535"},
		{"10.10.2.0/24 mtu lock", "it ends where a number after mtu should be", "a route is written as"},
		{"10.10.2.0/24 onlink", "10.10.2.0/24: onlink without via", "give a via"},
		{"10.10.2.0/24 dev gre1", `word 2: "dev" does not belong here`, "leave it out"},
		{"10.10.2.0/24 oif gre1", `word 2: "oif" does not belong here`, "leave it out"},
		{"10.10.2.0/24 proto static", `word 2: "proto" is not known`, "a route is written as"},
		{"10.10.2.0/24 \x1b[31m", `word 2: "\x1b[31m" is not known`, "a route is written as"},
		{"10.0.0.0/8 nexthop via 10.0.0.1", "10.0.0.0/8: one nexthop is no multipath route", "add another nexthop"},
		{"10.0.0.0/8 via 10.0.0.1 nexthop nexthop", "10.0.0.0/8: via beside nexthop", "nexthop via ADDRESS"},
		{"10.0.0.0/8 nexthop onlink nexthop", "onlink without via in a nexthop", "give a via"},
		{"10.0.0.0/8 nexthop metric 5 nexthop", `word 3: "metric" is not known in a nexthop`, "write the nexthops last"},
		{"10.0.0.0/8 nexthop weight 0 nexthop", `word 4: "0" after weight`, "weight takes 1 to 256"},
		{"10.0.0.0/8 nexthop weight 257 nexthop", `word 4: "257" after weight`, "weight takes 1 to 256"},
		{"10.0.0.0/8 nexthop dev", "it ends where an interface's name after dev should be", "a route is written as"},
		{"10.0.0.0/8 nexthop dev abcdefghijklmnop nexthop", `word 4: "abcdefghijklmnop" is no interface's name`, "1 to 15"},
		{"10.0.0.0/8 nexthop dev \x1b[1m nexthop", "is no interface's name", "1 to 15"},
		{strings.Repeat("10.0.0.0/8 ", maxSpec/11+1), "the route is longer than 16384 bytes", "one route at a time"},
	} {
		r, err := ParseRoute(test.spec)
		var e *Error
		if !errors.As(err, &e) || !errors.Is(err, ErrInvalid) || e.Field != "route" || !reflect.DeepEqual(r, Route{}) {
			t.Errorf("ParseRoute(%.80q) = %+v, %v; want an ErrInvalid about the route, and no route", test.spec, r, err)
			continue
		}
		if !strings.Contains(e.What, test.what) || !strings.Contains(e.Hint, test.hint) {
			t.Errorf("ParseRoute(%.80q): %q, hint %q; want %q, hint %q", test.spec, e.What, e.Hint, test.what, test.hint)
		}
		if text := e.Error() + e.Hint; e.Hint == "" || Printable(text) != text || len(text) > 500 {
			t.Errorf("ParseRoute(%.80q): %q, hint %q", test.spec, e, e.Hint)
		}
	}
}

func FuzzParseRoute(f *testing.F) {
	for _, seed := range []string{
		"10.10.2.0/24", "default", "::/0", "default via fe80::1", "10.10.2.0/24 via 172.16.0.2 src 172.16.0.1 metric 50 table 100 mtu lock 1400 onlink",
		"10.0.0.0/8 nexthop via 172.16.0.2 weight 2 nexthop dev gre2", "unicast 10.0.0.1 table main", "10.10.2.1/24", "", "1772.16.0.0/30", "10.0.0.0/8 nexthop dev \x1b nexthop",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		r, err := ParseRoute(spec)
		if err != nil {
			if !errors.Is(err, ErrInvalid) || Printable(err.Error()) != err.Error() {
				t.Fatalf("ParseRoute(%q): %q", spec, err)
			}
			return
		}
		printed := r.String()
		again, err := ParseRoute(printed)
		if err != nil || !reflect.DeepEqual(again, r) || again.String() != printed {
			t.Fatalf("ParseRoute(%q) = %+v, printed as %q, which is %+v, %v", spec, r, printed, again, err)
		}
	})
}

// In JSON a route is its SPEC, and read back it is the same route.
func TestRouteJSON(t *testing.T) {
	const text = `{"routes":["10.10.2.0/24 via 172.16.0.2 metric 50","default","10.0.0.0/8 nexthop nexthop dev gre2 weight 2"]}`
	var document struct {
		Routes []Route `json:"routes"`
	}
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		t.Fatal(err)
	}
	if *document.Routes[0].Metric != 50 || document.Routes[1].Dst != cidr("0.0.0.0/0") || document.Routes[2].Nexthops[1].Weight != 2 {
		t.Errorf("read: %+v", document)
	}
	again, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "the JSON", string(again), text)
	if err := json.Unmarshal([]byte(`{"routes":["10.10.2.1/24"]}`), &document); !errors.Is(err, ErrInvalid) {
		t.Errorf("a bad route: %v", err)
	}
}

func TestRouteOwner(t *testing.T) {
	for spec, want := range map[string]Owner{
		"10.10.2.0/24": OwnerProfile,
		"10.10.2.0/24 via 172.16.0.2 src 172.16.0.1 metric 50 table 100 mtu lock 1400 onlink": OwnerProfile,
		"10.0.0.0/8 nexthop nexthop dev gre2":                                                 OwnerKernel,
	} {
		owner, why := RouteOwner(route(t, spec))
		if owner != want || why == "" {
			t.Errorf("%s belongs to %s: %s; want %s", spec, owner, why, want)
		}
	}
	tunnel := Tunnel{Routes: []Route{route(t, "10.0.0.0/8 nexthop nexthop dev gre2"), route(t, "10.1.0.0/16"), route(t, "10.2.0.0/16")}}
	if got := joinText(tunnel.RoutesOf(OwnerProfile)); got != "10.1.0.0/16, 10.2.0.0/16" {
		t.Errorf("the profile's routes: %s", got)
	}
	if got := joinText(tunnel.RoutesOf(OwnerKernel)); got != "10.0.0.0/8 nexthop nexthop dev gre2" {
		t.Errorf("the kernel's routes: %s", got)
	}
}

func TestSampleAddr(t *testing.T) {
	for _, test := range []struct{ dst, avoid, want string }{
		{"10.10.2.0/24", "100.0.2.100", "10.10.2.1"},
		{"10.10.2.0/24", "10.10.2.1", "10.10.2.2"},
		{"10.10.2.5/32", "10.10.2.5", "10.10.2.5"}, // there is no other
		{"10.10.2.4/31", "100.0.2.100", "10.10.2.5"},
		{"10.10.2.4/31", "10.10.2.5", "10.10.2.4"}, // not 10.10.2.6, which is outside
		{"0.0.0.0/0", "100.0.2.100", "192.0.2.1"},
		{"0.0.0.0/0", "192.0.2.1", "192.0.2.2"}, // the documentation's own addresses are used in labs
		{"::/0", "2001:db8:2::100", "2001:db8::1"},
		{"::/0", "2001:db8::1", "2001:db8::2"},
		{"2001:db8:10::/48", "2001:db8:2::100", "2001:db8:10::1"},
		{"2001:db8::/127", "2001:db8::1", "2001:db8::"},
	} {
		got := sampleAddr(cidr(test.dst), addr(test.avoid))
		if got != addr(test.want) || !cidr(test.dst).Contains(got) {
			t.Errorf("sampleAddr(%s, not %s) = %s, want %s", test.dst, test.avoid, got, test.want)
		}
	}
}
