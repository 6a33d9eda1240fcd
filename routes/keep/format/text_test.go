package format

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
	"nmgre/routes/list"
	"nmgre/routes/rule"
	"nmgre/testdata/want"
)

// Lines between the routes of a long file stay in their places, and so do their errors.
func TestLongKeptFile(t *testing.T) {
	// three lines
	const head = "version 1\nuuid 00000000-0000-4000-8000-00000000000a\ninterface gre1\n"
	text := head + want.LongText("route ", 3000, 2500, 10) + "odd\nroute 10.200.0.0/16\n"
	for name, r := range map[string]io.Reader{"counted": strings.NewReader(text), "piped": io.MultiReader(strings.NewReader(text))} {
		k, err := Parse(r)
		if err != nil || len(k.Routes) != 2999 || k.Routes[2998].Dst != want.CIDR("10.200.0.0/16") || k.Routes[9].Dst != want.CIDR("10.0.11.0/24") {
			t.Fatalf("%s: %d routes, %v", name, len(k.Routes), err)
		}
		var lines []int
		for _, bad := range k.Bad {
			lines = append(lines, bad.Line)
		}
		if expected := []int{13, 2503, 3004}; !slices.Equal(lines, expected) {
			t.Errorf("%s: bad lines %v, want %v", name, lines, expected)
		}
	}
	if _, err := Parse(strings.NewReader(head + strings.Repeat("route nonsense\n", list.MaxBadLines+1))); err == nil || !strings.Contains(err.Error(), errManyBadLines.Error()) {
		t.Errorf("a file of nonsense: %v", err)
	}
}

const keptText = `# nmgre keeps this for the tunnel gre2, because NetworkManager cannot. Edited lines take effect when the tunnel next comes up.
version 1
uuid 00000000-0000-4000-8000-00000000000a
interface gre2
remote 100.0.2.100
follow gw.example.org
inner 172.16.0.0/30
inner 2001:db8:10::/64
snat 10.10.2.0/24 10.10.2.1
snat 2001:db8:2::/48 masquerade
forward gre2 eth1
rule from 172.16.0.1 table 100 suppress_ifgroup 3 priority 20000
rule from ::/0 iif gre2 blackhole priority 0
clamp-mss
pin
link multicast checksum
route 10.20.0.0/16 nexthop dev gre1 weight 1 nexthop weight 2
route 10.30.0.0/16
`

func TestKeptText(t *testing.T) {
	k, err := Parse(strings.NewReader(keptText))
	if err != nil || len(k.Bad) > 0 {
		t.Fatalf("%v, %+v", err, k.Bad)
	}
	expected := keep.Kept{UUID: "00000000-0000-4000-8000-00000000000a", Name: "gre2", Remote: want.Addr("100.0.2.100"), PeerName: "gw.example.org", Inner: want.CIDRs("172.16.0.0/30", "2001:db8:10::/64"),
		SNAT:    []keep.SNAT{{Dst: want.CIDR("10.10.2.0/24"), Source: want.Addr("10.10.2.1")}, {Dst: want.CIDR("2001:db8:2::/48")}},
		Forward: []string{"gre2", "eth1"}, ClampMSS: true, Pin: true, Link: gre.LinkOptions{Multicast: true, Checksum: true},
		Policy: []rule.Rule{rule.MustParse("from 172.16.0.1 table 100 suppress_ifgroup 3 priority 20000"), rule.MustParse("from ::/0 iif gre2 blackhole priority 0")},
		Routes: []routes.Route{routes.MustParse("10.20.0.0/16 nexthop dev gre1 weight 1 nexthop weight 2"), routes.MustParse("10.30.0.0/16")}}
	if !reflect.DeepEqual(k, expected) {
		t.Errorf("got  %+v\nwant %+v", k, expected)
	}
	var b strings.Builder
	if n, err := Write(&b, k); err != nil || n != int64(b.Len()) || b.String() != keptText {
		t.Errorf("%d, %v\n%s", n, err, b.String())
	}
}

// A bad line is named, and the others count.
func TestKeptBadLines(t *testing.T) {
	const head = "version 1\nuuid 00000000-0000-4000-8000-00000000000a\ninterface gre1\n"
	for line, want := range map[string]string{
		"route 10.0.0.0/8 via nobody":       `route: "nobody" after via is no address`,
		"snat 10.10.2.0/24":                 "snat: it has 1 words",
		"snat 10.10.2.0/24 2001:db8::1":     "snat: 10.10.2.0/24 and 2001:db8::1 are of different families",
		"snat 10.10.2.1/24 10.10.2.1":       "snat: 10.10.2.1/24 has host bits set",
		"interface gre2":                    `a second line "interface"`,
		"forward ../../etc":                 `"../../etc" is no interface's name`,
		"forward all":                       `"all" is no interface's name`,
		"forward":                           "forward: it has 0 devices",
		"inner 172.16.0.1/30":               `"172.16.0.1/30" is no network`,
		"remote nowhere":                    `"nowhere" is no address`,
		"follow 100.0.2.100":                `"100.0.2.100" is not the name of a host`,
		"follow a b":                        `"a b" is not the name of a host`,
		"follow":                            `"" is not the name of a host`,
		"pin 1.2.3.4":                       `"1.2.3.4" after pin`,
		"rule from 10.0.0.2 table 100":      "rule: the rule from 10.0.0.2 table 100 has no priority",
		"rule from nobody priority 1":       `rule: "nobody" after from is no network`,
		"rule goto 5 priority \x1b[31m":     `rule: "goto" does not belong here`,
		"exec rm":                           `"exec" is not known`,
		"route 10.0.0.0/8 dev \x1b[31mgre1": `route: "dev" does not belong here`,
		"\x1b]0;title\x07":                  `"\x1b]0;title\a" is not known`,
		"inner ::ffff:10.0.0.0/104":         `"::ffff:10.0.0.0/104" is no network`,
		"remote ::ffff:10.0.0.1":            `"::ffff:10.0.0.1" is no address`,
		"remote fe80::1%eth0":               `"fe80::1%eth0" is no address`,
		"snat ::ffff:0:0/96 masquerade":     "snat: ::ffff:0.0.0.0/96 is an IPv4 network written as an IPv6 one",
		"snat 10.10.2.0/24 127.0.0.1":       `snat: "127.0.0.1" is no source address`,
		"uuid 1":                            `a second line "uuid"`,
		"route " + strings.Repeat("1", 2*routes.MaxSpec) + " pin": "it is longer than 16384 bytes",
	} {
		k, err := Parse(strings.NewReader(head + line + "\nroute 10.30.0.0/16\n"))
		if err != nil || len(k.Bad) != 1 || k.Pin || k.Bad[0].Line != 4 || k.Bad[0].Err.Error() != want || len(k.Routes) != 1 {
			t.Errorf("%q: %v, %+v; want %s", line, err, k, want)
		}
	}
}

// Rules may have one priority, but none is there twice.
func TestKeptRulesOnce(t *testing.T) {
	const head = "version 1\nuuid 00000000-0000-4000-8000-00000000000a\ninterface gre1\n"
	rules := []string{"from 10.0.0.2 table 100 priority 5", "from 10.0.0.3 table 100 priority 6", "from 10.0.0.4 table 100 priority 5", "from 2001:db8::1 table 100 priority 5",
		"from 10.0.0.2 table 100 priority 5", "from 10.0.0.4 table 100 priority 5", "from 10.0.0.3 table 100 priority 6"}
	k, err := Parse(strings.NewReader(head + "rule " + strings.Join(rules, "\nrule ")))
	if err != nil || len(k.Policy) != 4 || len(k.Bad) != 3 {
		t.Fatalf("%v, %v, %v", k.Policy, k.Bad, err)
	}
	for i, bad := range k.Bad {
		if want := "rule: a second line for " + rules[4+i]; bad.Line != 8+i || bad.Err.Error() != want {
			t.Errorf("line %d: %v; want line %d: %s", bad.Line, bad.Err, 8+i, want)
		}
	}
}

// A person may write with tabs, more spaces, empty lines, remarks, and without an end of the last
// line.
func TestKeptByHand(t *testing.T) {
	k, err := Parse(strings.NewReader("\n  # mine\r\n\tversion \t 1\r\nuuid\t00000000-0000-4000-8000-00000000000a\n interface  gre1 \nsnat 10.10.2.1\t  masquerade\nforward\tgre1\teth1\npin"))
	expected := keep.Kept{UUID: "00000000-0000-4000-8000-00000000000a", Name: "gre1", SNAT: []keep.SNAT{{Dst: want.CIDR("10.10.2.1/32")}}, Forward: []string{"gre1", "eth1"}, Pin: true}
	if err != nil || !reflect.DeepEqual(k, expected) {
		t.Errorf("%+v, %v", k, err)
	}
}

// Files and pipes are read alike, from where they are; for the routes of a file room is made once.
func TestKeptReaders(t *testing.T) {
	text := keptText + strings.Repeat("route 10.0.0.0/8\n", 5000)
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString("before\n" + text); err != nil {
		t.Fatal(err)
	}
	if _, err := file.Seek(int64(len("before\n")), io.SeekStart); err != nil {
		t.Fatal(err)
	}
	k, err := Parse(file)
	if err != nil || len(k.Routes) != 5002 || cap(k.Routes) > 5200 {
		t.Errorf("%d routes, room for %d, %v", len(k.Routes), cap(k.Routes), err)
	}
	piped, err := Parse(io.MultiReader(strings.NewReader(text)))
	if err != nil || !reflect.DeepEqual(piped, k) {
		t.Errorf("%d routes, %v", len(piped.Routes), err)
	}
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = in.WriteString(text); _ = in.Close() }()
	if piped, err := Parse(out); err != nil || !reflect.DeepEqual(piped, k) {
		t.Errorf("%d routes, %v", len(piped.Routes), err)
	}
}

// An error of the disk is no end of the file.
func TestKeptUnreadable(t *testing.T) {
	broken := errors.New("input/output error")
	k, err := Parse(io.MultiReader(strings.NewReader("version 1\npin\n"), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) || !errors.Is(err, fault.ErrInvalid) || !reflect.DeepEqual(k, keep.Kept{}) {
		t.Errorf("%+v, %v", k, err)
	}
}

// A value that would be read back as another is not written.
func TestKeptUnwritable(t *testing.T) {
	good := keep.Kept{UUID: "00000000-0000-4000-8000-00000000000a", Name: "gre1", Pin: true}
	for name, spoil := range map[string]func(*keep.Kept){
		"a UUID with a path":    func(k *keep.Kept) { k.UUID = "../../../etc/passwd" },
		"no UUID":               func(k *keep.Kept) { k.UUID = "" },
		"no name":               func(k *keep.Kept) { k.Name = "" },
		"a name of two lines":   func(k *keep.Kept) { k.Name = "a\nb" },
		"a long name":           func(k *keep.Kept) { k.Name = "abcdefghijklmnop" },
		"forwarding everywhere": func(k *keep.Kept) { k.Forward = []string{"gre1", "all"} },
		"a device of two words": func(k *keep.Kept) { k.Forward = []string{"gre1", "a b"} },
		"a nexthop of two lines": func(k *keep.Kept) {
			k.Routes = []routes.Route{{Dst: want.CIDR("10.0.0.0/8"), Nexthops: []routes.Nexthop{{Dev: "a\npin"}}}}
		},
		"a route without an end": func(k *keep.Kept) {
			k.Routes = []routes.Route{{Dst: want.CIDR("10.0.0.0/8"), Nexthops: slices.Repeat([]routes.Nexthop{{Dev: "gre1", Weight: 1}}, 2000)}}
		},
	} {
		k := good.Clone()
		spoil(&k)
		var b strings.Builder
		if n, err := Write(&b, k); !errors.Is(err, fault.ErrInvalid) || n != 0 {
			t.Errorf("%s: %d, %v\n%.200s", name, n, err, b.String())
		}
	}
	if _, err := Write(io.Discard, good); err != nil {
		t.Error(err)
	}
}

// The longest route that can be given can be kept.
func TestKeptLongRoute(t *testing.T) {
	var spec strings.Builder
	spec.WriteString("2001:db8::/32")
	for i := range 256 {
		fmt.Fprintf(&spec, " nexthop via fe80::%x:1:5678 dev gre%d weight 2", i, i)
	}
	k := keep.Kept{UUID: "00000000-0000-4000-8000-00000000000a", Name: "gre1", Routes: []routes.Route{routes.MustParse(spec.String())}}
	var b strings.Builder
	if _, err := Write(&b, k); err != nil {
		t.Fatal(err)
	}
	if again, err := Parse(strings.NewReader(b.String())); err != nil || !reflect.DeepEqual(again, k) {
		t.Errorf("%+v, %v", again, err)
	}
}

// A file of another kind is refused as a whole.
func TestKeptRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "no line \"version 1\"",
		"# nothing\n":                   "no line \"version 1\"",
		"route 10.0.0.0/8\nversion 1\n": "it does not begin with",
		"version 2\n":                   `version "2" is another nmgre's`,
		"version 10\n":                  `version "10" is another nmgre's`,
		"version\n":                     `version "" is another nmgre's`,
		"version 1\nversion 2\n":        `line 2: version "2" is another nmgre's`,
		"version 1\n" + strings.Repeat("x\n", 1001):    "more than 1000 lines",
		strings.Repeat("\x00", 3*routes.MaxSpec):       "it does not begin with",
		strings.Repeat("#\n", maxKeptLines) + "#\n#\n": "more than 2000000 lines",
	} {
		if k, err := Parse(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) || !reflect.DeepEqual(k, keep.Kept{}) {
			t.Errorf("%.40q: %v; want %s", text, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(keptText)
	f.Add("version 1\nuuid 00000000-0000-4000-8000-00000000000a\ninterface a\nforward a a\nsnat ::/0 masquerade\ninner ::/0\ninner 0.0.0.0/0\nroute default mtu lock 1400\n")
	f.Add("version 1\nuuid 00000000-0000-4000-8000-00000000000a\ninterface a\nrule \n")
	f.Add("version 1\nuuid x\nforward a b\nsnat 1.2.3.4 masquerade\n")
	f.Fuzz(func(t *testing.T, text string) {
		k, err := Parse(strings.NewReader(text))
		if err != nil && !errors.Is(err, fault.ErrInvalid) {
			t.Fatal(err)
		}
		for _, bad := range k.Bad {
			if message := bad.Err.Error(); !fault.IsPrintable(message) || len(message) > 1000 {
				t.Fatalf("%q", message)
			}
		}
		if rest, has, knownErr := ParseKnown(strings.NewReader(text), nil); (knownErr == nil) != (err == nil) || len(has) > 0 || len(rest.Bad) != len(k.Bad) || rest.Empty() != k.Empty() {
			t.Errorf("without routes: %+v, %v, %v", rest, has, knownErr)
		}
		if err != nil || k.UUID == "" || k.Name == "" {
			return
		}
		k.Bad = nil
		var b strings.Builder
		if _, err := Write(&b, k); err != nil {
			t.Fatal(err)
		}
		again, err := Parse(strings.NewReader(b.String()))
		if err != nil || !reflect.DeepEqual(again, k) {
			t.Errorf("%q is read back as %+v, %v; was %+v", b.String(), again, err, k)
		}
	})
}
