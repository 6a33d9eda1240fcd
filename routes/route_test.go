package routes

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"nmgre/routes/fault"
	"nmgre/testdata/want"
)

// The grammar. A file of testdata/route is a list of SPECs, a rule, and the result of each: the
// SPEC in its canonical form, or its fault.
func TestParseRoute(t *testing.T) {
	want.Cases(t, "route", 120, func(t *testing.T, input string) string {
		var b strings.Builder
		for _, spec := range want.SpecsOf(input) {
			b.WriteString(parsed(t, spec))
		}
		return b.String()
	})
}

// parsed is the result of a SPEC. The printed form must be read again as the same route, and an
// error must be complete.
func parsed(t *testing.T, spec string) string {
	t.Helper()
	r, err := Parse(spec)
	if err != nil {
		want.CheckProblems(t, err)
		if !reflect.DeepEqual(r, Route{}) {
			t.Errorf("Parse(%q) fails, and returns %+v", spec, r)
		}
		if !strings.HasPrefix(err.Error(), "route: ") {
			t.Errorf("Parse(%q): %v does not name the field", spec, err)
		}
		return want.Problems(err)
	}
	checkPrinted(t, spec, r)
	return r.String() + "\n"
}

func checkPrinted(t *testing.T, spec string, r Route) {
	t.Helper()
	printed := r.String()
	again, err := Parse(printed)
	if err != nil || !reflect.DeepEqual(again, r) || again.String() != printed {
		t.Errorf("Parse(%q) = %+v, printed as %q, which is %+v, %v", spec, r, printed, again, err)
	}
	if c := r.Clone(); !reflect.DeepEqual(c, r) {
		t.Errorf("the clone of %q is %+v", printed, c)
	}
}

// A SPEC that is too long is not read at all.
func TestParseRouteTooLong(t *testing.T) {
	_, err := Parse(strings.Repeat("10.0.0.0/8 ", MaxSpec/11+1))
	if !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), "the route is longer than 16384 bytes") {
		t.Error(err)
	}
	for _, spec := range []string{strings.Repeat("\x12x", 5000), "10.0.0.0/8 " + strings.Repeat("y", 10000), "10.0.0.0/8 table " + strings.Repeat("1", 10000)} {
		_, err := Parse(spec)
		if !errors.Is(err, fault.ErrInvalid) || len(err.Error()) > 500 {
			t.Errorf("%.20q...: %.600v", spec, err)
		}
	}
}

// A SPEC that is just short enough may be too long as it is printed.
func TestParseRouteTooLongToPrint(t *testing.T) {
	hop := " nexthop encap ip tos 8"
	for _, n := range []int{maxNexthops, maxNexthops + 1} {
		spec := "10.0.0.0/8" + strings.Repeat(hop, n)
		r, err := Parse(spec)
		if n > maxNexthops {
			if !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), "257 nexthops") {
				t.Errorf("%d nexthops: %v", n, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%d nexthops: %v", n, err)
		}
		checkPrinted(t, spec, r)
	}
	long := strings.Repeat(" nexthop encap ip tos 8 ttl 1 src 192.168.100.100 dst 192.168.100.1", (MaxSpec-10)/67)
	if _, err := Parse("10.0.0.0/8" + long); !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("%d bytes: %v", len(long), err)
	}
}

// Routes that no SPEC can say, and a program can.
func TestRouteProblemsOfPrograms(t *testing.T) {
	metrics := func(m Metrics) *Metrics { return &m }
	put := func(metric Metric, value uint32) *Metrics {
		m := new(Metrics)
		m.Put(metric, value)
		return m
	}
	hops := func(hop Nexthop) []Nexthop { return []Nexthop{{}, hop} }
	v4, v6 := want.CIDR("10.0.0.0/8"), want.CIDR("2001:db8::/32")
	for _, test := range []struct {
		r    Route
		want string
	}{
		{Route{}, "the destination is missing"},
		{Route{Dst: want.CIDR("10.0.0.1/8")}, "the destination is missing, or has host bits set"},
		{Route{Dst: netip.PrefixFrom(want.Addr("::ffff:10.0.0.0"), 104)}, "the destination is missing"},
		{Route{Dst: v4, Type: 10}, "10.0.0.0/8: the kernel has no type 10"},
		{Route{Dst: v4, Src: want.Addr("2001:db8::1")}, "2001:db8::1 is of another family than the destination"},
		{Route{Dst: v6, Via: want.Addr("10.0.0.1")}, "10.0.0.1 is of another family than the destination"},
		{Route{Dst: v6, Via: want.Addr("fe80::1").WithZone("\x1b[31m")}, `fe80::1%\x1b[31m is no host`},
		{Route{Dst: v4, Via: want.Addr("::ffff:10.0.0.1")}, "::ffff:10.0.0.1 is no host"},
		{Route{Dst: v6, From: want.CIDR("10.0.0.0/8")}, "its source is no network of the destination's family"},
		{Route{Dst: v6, From: want.CIDR("fd00::1/8")}, "its source is no network"},
		{Route{Dst: v6, Pref: 3}, "its preference is not possible"},
		{Route{Dst: v4, MTU: 67}, "an mtu of 67"},
		{Route{Dst: v4, MTU: 65521}, "an mtu of 65521"},
		{Route{Dst: v4, MTULock: true}, "an mtu is locked but not given"},
		{Route{Dst: v4, Metrics: put(MetricHopLimit, 256)}, "hoplimit 256 is not possible"},
		{Route{Dst: v4, Metrics: put(MetricFeatures, 2)}, "a feature that is neither"},
		{Route{Dst: v4, Metrics: metrics(Metrics{CongCtl: "a b"})}, "its congestion control algorithm is not possible"},
		{Route{Dst: v4, Metrics: metrics(Metrics{Lock: 1 << MetricCongCtl})}, "its congestion control algorithm is not possible"},
		{Route{Dst: v4, Metrics: metrics(Metrics{Lock: 1 << MetricWindow})}, "window is locked"},
		{Route{Dst: v4, Metrics: metrics(Metrics{Lock: 1 << MetricQuickACK, Set: 1 << MetricQuickACK, Values: [metricsCount]uint32{MetricQuickACK: 1}})}, "quickack is locked"},
		{Route{Dst: v4, Metrics: metrics(Metrics{Lock: 1 << MetricFeatures})}, "a lock where none is possible"},
		{Route{Dst: v4, Metrics: metrics(Metrics{Set: 1 << 20})}, "a metric that does not exist"},
		{Route{Dst: v4, Encap: &Encap{Type: 3}}, "nmgre does not have encap type 3"},
		{Route{Dst: v4, Encap: &Encap{Type: EncapIP}}, "encap ip says nothing"},
		{Route{Dst: v4, Encap: &Encap{Type: EncapIP, Dst: want.Addr("fd00::1")}}, "an address of another family than encap ip"},
		{Route{Dst: v4, Encap: &Encap{Type: EncapIP6, Dst: want.Addr("fd00::1"), Labels: []uint32{100}}}, "encap ip6 has words of another kind"},
		{Route{Dst: v4, Encap: &Encap{Type: EncapMPLS, Key: true, Labels: []uint32{100}}}, "encap mpls has words of another kind"},
		{Route{Dst: v4, Encap: &Encap{Type: EncapMPLS}}, "its labels are not possible"},
		{Route{Dst: v4, Encap: &Encap{Type: EncapMPLS, Labels: []uint32{1 << 20}}}, "its labels are not possible"},
		{Route{Dst: v4, Encap: &Encap{Type: EncapSEG6, Mode: 5, Segments: []netip.Addr{want.Addr("fd00::1")}}}, "seg6 has no mode 5"},
		{Route{Dst: v4, Encap: &Encap{Type: EncapSEG6, Mode: SEG6Encap, Segments: []netip.Addr{want.Addr("10.0.0.1")}}}, "its segments are not possible"},
		{Route{Dst: v4, Encap: &Encap{Type: EncapSEG6, Mode: SEG6Encap, TTL: want.Ptr(uint8(5)), Segments: []netip.Addr{want.Addr("fd00::1")}}}, "encap seg6 has words of another kind"},
		{Route{Dst: v4, Nexthops: hops(Nexthop{Weight: 257})}, "the weight 257 is not possible"},
		{Route{Dst: v4, Nexthops: hops(Nexthop{Dev: "a b"})}, `"a b" is no interface's name`},
		{Route{Dst: v4, Nexthops: hops(Nexthop{Via: want.Addr("224.0.0.1")})}, "224.0.0.1 is no host"},
		{Route{Dst: v4, Nexthops: hops(Nexthop{Encap: &Encap{Type: EncapMPLS}})}, "its labels are not possible"},
	} {
		problems := test.r.Problems()
		if len(problems) == 0 || !strings.Contains(problems[0].What, test.want) {
			t.Errorf("%+v: %v; want %s", test.r, problems, test.want)
		}
		for _, problem := range problems {
			want.CheckProblems(t, problem)
		}
	}
}

// Every word has its place in the parser.
func TestRouteWords(t *testing.T) {
	if len(routeWords) > maxRouteWords || len(typeWords) != len(typeNames) {
		t.Fatalf("%d words, %d types", len(routeWords), len(typeWords))
	}
	for i, names := range typeWords {
		if name, _, _ := strings.Cut(names, "~"); strings.Fields(name)[0] != typeNames[i] {
			t.Errorf("type %d is %s, and read as %s", i, typeNames[i], name)
		}
	}
}

func FuzzParseRoute(f *testing.F) {
	for _, spec := range want.Specs(f, "testdata/route") {
		f.Add(spec)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		r, err := Parse(spec)
		if err != nil {
			if !errors.Is(err, fault.ErrInvalid) || fault.Printable(err.Error()) != err.Error() {
				t.Fatalf("Parse(%q): %q", spec, err)
			}
			return
		}
		checkPrinted(t, spec, r)
		if problems := r.Problems(); len(problems) > 0 {
			t.Fatalf("Parse(%q) = %+v, with problems: %v", spec, r, problems[0])
		}
		if command := r.IPRoute("add", "gre1"); fault.Printable(command) != command {
			t.Fatalf("Parse(%q) as a command: %q", spec, command)
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
	if *document.Routes[0].Metric != 50 || document.Routes[1].Dst != want.CIDR("0.0.0.0/0") || document.Routes[2].Nexthops[1].Weight != 2 {
		t.Errorf("read: %+v", document)
	}
	again, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	want.Same(t, "the JSON", string(again), text)
	if err := json.Unmarshal([]byte(`{"routes":["10.10.2.1/24"]}`), &document); !errors.Is(err, fault.ErrInvalid) {
		t.Errorf("a bad route: %v", err)
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
		// the documentation's own addresses are used in labs
		{"0.0.0.0/0", "192.0.2.1", "192.0.2.2"},
		{"::/0", "2001:db8:2::100", "2001:db8::1"},
		{"::/0", "2001:db8::1", "2001:db8::2"},
		{"2001:db8:10::/48", "2001:db8:2::100", "2001:db8:10::1"},
		{"2001:db8::/127", "2001:db8::1", "2001:db8::"},
	} {
		got := SampleAddr(want.CIDR(test.dst), want.Addr(test.avoid))
		if got != want.Addr(test.want) || !want.CIDR(test.dst).Contains(got) {
			t.Errorf("sampleAddr(%s, not %s) = %s, want %s", test.dst, test.avoid, got, test.want)
		}
	}
}

// Two routes are equal only if they are in every field.
func TestRouteEqualLooksAtEverything(t *testing.T) {
	full := func() Route {
		var r Route
		fill(reflect.ValueOf(&r).Elem(), 1)
		return r
	}
	a, b := full(), full()
	if !a.Equal(&b) {
		t.Fatal("equal routes are not equal")
	}
	for i := range reflect.TypeFor[Route]().NumField() {
		other := full()
		fill(reflect.ValueOf(&other).Elem().Field(i), 2)
		if a.Equal(&other) {
			t.Errorf("the field %s does not count", reflect.TypeFor[Route]().Field(i).Name)
		}
	}
}

// fill gives a value, and all that it holds, something that depends on n.
func fill(v reflect.Value, n uint64) {
	switch {
	case v.Type() == reflect.TypeFor[Route]() || v.Kind() == reflect.Struct && v.NumField() > 0 && v.Type().Field(0).IsExported():
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	case v.Type().String() == "netip.Addr":
		v.Set(reflect.ValueOf(want.Addr(fmt.Sprintf("10.0.0.%d", n))))
	case v.Type().String() == "netip.Prefix":
		v.Set(reflect.ValueOf(want.CIDR(fmt.Sprintf("10.0.%d.0/24", n))))
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), n)
	case v.Kind() == reflect.Array:
		fill(v.Index(0), n)
	case v.Kind() == reflect.String:
		v.SetString(fmt.Sprint("s", n))
	case v.Kind() == reflect.Bool:
		v.SetBool(n%2 == 1)
	default:
		v.SetUint(n)
	}
}

// A route is bare without any word but its destination and its metric: every other field counts,
// whichever are added. In a table it has that one more.
func TestBare(t *testing.T) {
	metric := uint32(50)
	bare := Route{Dst: netip.MustParsePrefix("10.10.2.0/24"), Metric: &metric}
	if !bare.Bare() {
		t.Errorf("%s is not", bare)
	}
	for i := range reflect.TypeFor[Route]().NumField() {
		field := reflect.TypeFor[Route]().Field(i)
		if field.Name == "Dst" || field.Name == "Metric" {
			continue
		}
		r := bare
		fill(reflect.ValueOf(&r).Elem().Field(i), 1)
		if r.Bare() {
			t.Errorf("it does not look at %s", field.Name)
		}
		if r.BareInTable() != (field.Name == "Table") {
			t.Errorf("bare in a table with %s: %v", field.Name, r.BareInTable())
		}
	}
}

// A word that is proposed in place of an unknown one is known itself.
func TestProposedWords(t *testing.T) {
	for _, word := range proposed {
		if _, known := findRouteWord(word); !known && word != "default" {
			t.Errorf("%s is no word of a route", word)
		}
	}
	for spec, word := range map[string]string{"10.0.0.0/8 metrc 5": "metric", "10.0.0.0/8 vía 10.0.0.1": "via", "10.0.0.0/8 tabel 7": "table", "10.0.0.0/8 next-hop 10.0.0.1": "nexthop"} {
		_, err := Parse(spec)
		if hints := fault.Hints(err); len(hints) != 1 || hints[0] != "did you mean "+word {
			t.Errorf("%s: %v, %q", spec, err, hints)
		}
	}
}
