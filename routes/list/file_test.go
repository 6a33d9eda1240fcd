package list

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"testing/iotest"

	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/testdata/want"
)

func TestParseRouteList(t *testing.T) {
	list, err := Parse(strings.NewReader("# a comment\n\n  10.0.0.0/8\r\n\t# another\n10.1.0.0/16 metric 5 # why\n10.2.0.0/16\t#why\n" +
		"10.0.0.0/8 nexthop dev a#b nexthop # 10.3.0.0/16\n2001:db8::/32 expires 30\n10.0.0.0/8 metric 5\n#"))
	if err == nil {
		t.Fatal("10.0.0.0/8 is there twice")
	}
	list, err = Parse(strings.NewReader("# a comment\n\n  10.0.0.0/8\r\n\t# another\n10.1.0.0/16 metric 5 # why\n10.2.0.0/16\t#why\n" +
		"10.3.0.0/16 nexthop dev a#b nexthop # 10.3.0.0/16\n2001:db8::/32 expires 30\n10.0.0.0/8 metric 5\n#"))
	if err != nil {
		t.Fatal(err)
	}
	want.Same(t, "the list", strings.Trim(fmt.Sprint(list.Routes), "[]"), "10.0.0.0/8 10.1.0.0/16 metric 5 10.2.0.0/16 10.3.0.0/16 nexthop dev a#b nexthop 2001:db8::/32 expires 30 10.0.0.0/8 metric 5")
	if expected := []int{3, 5, 6, 7, 8, 9}; !slices.Equal(list.Lines, expected) {
		t.Errorf("the lines are %v, want %v", list.Lines, expected)
	}
	for _, nothing := range []string{"", "\n\n", "# nothing", " \t\r\n#"} {
		if list, err := Parse(strings.NewReader(nothing)); err != nil || len(list.Routes) > 0 || len(list.Lines) > 0 {
			t.Errorf("%q: %v, %v", nothing, list, err)
		}
	}
}

// With one wrong line only the fault is returned, with the line and the word.
func TestParseRouteListRefuses(t *testing.T) {
	for _, test := range []struct{ text, want, hint string }{
		{"10.0.0.0/8\n10.1.0.0/16 metric x\n", `line 2: route: "x" after metric is not possible`, "metric takes"},
		{"\n\nip route add 10.0.0.0/8\n", `line 3: route: "ip" is no part of a route`, "words that come after ip route add"},
		{"10.0.0.0/8\n10.1.0.0/16\n10.0.0.0/8\n", "route: line 3: 10.0.0.0/8 is in line 1 already", "each destination once"},
		{"10.0.0.0/8\n10.1.0.0/16\n10.0.0.0/8 via 172.16.0.2 table main\n", "route: line 3: 10.0.0.0/8 is in line 1 already", "each destination once"},
		{"local 10.0.0.1\nlocal 10.0.0.1 table 255\n", "route: line 2: 10.0.0.1/32 is in line 1 already", "each destination once"},
		{"10.0.0.0/8\x00\n", `line 1: route: "10.0.0.0/8\x00" is no destination`, "10.10.2.0/24"},
		{strings.Repeat("1", 3*routes.MaxSpec), "routes-from: line 1 cannot be read", "one route a line"},
		{"10.0.0.0/8 " + strings.Repeat(" ", routes.MaxSpec) + "metric 5", "line 1: route: the route is longer than", "one route at a time"},
	} {
		list, err := Parse(strings.NewReader(test.text))
		if !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), test.want) || !strings.Contains(strings.Join(fault.Hints(err), ""), test.hint) {
			t.Errorf("%.60q: %v, %v; want %s, %s", test.text, err, fault.Hints(err), test.want, test.hint)
		}
		if list.Routes != nil || list.Lines != nil {
			t.Errorf("%.60q: %v", test.text, list)
		}
	}
}

// Of many wrong lines the first are told, and how many there are besides.
func TestParseRouteListManyErrors(t *testing.T) {
	_, err := Parse(strings.NewReader("10.0.0.0/8\n" + strings.Repeat("x\n", 1000)))
	if err == nil || len(want.Flatten(err)) != MaxToldErrors+1 || !strings.HasPrefix(err.Error(), "line 2: ") || !strings.HasSuffix(err.Error(), "and 980 more wrong lines") {
		t.Errorf("%v", err)
	}
}

// A list that is in pieces in memory is whole afterwards, in whatever order it comes.
func TestParseRouteListLong(t *testing.T) {
	for _, n := range []int{pieceLines - 1, pieceLines, pieceLines + 1, 5*pieceLines + 7} {
		lines := strings.SplitAfter(string(routeLines(n, "%s")), "\n")
		for _, order := range []string{"up", "down"} {
			list, err := Parse(strings.NewReader(strings.Join(lines, "")))
			if err != nil || len(list.Routes) != n || len(list.Lines) != n || cap(list.Routes) > n+pieceLines {
				t.Fatalf("%d lines: %d routes (room for %d), %d lines, %v", n, len(list.Routes), cap(list.Routes), len(list.Lines), err)
			}
			for i, r := range list.Routes {
				want := r.String() + "\n"
				if order == "up" && lines[i] != want || list.Lines[i] != i+1 && order == "up" {
					t.Fatalf("route %d, of line %d, is %s", i, list.Lines[i], r)
				}
			}
			lines = append(lines, "10.0.0.0/30 table main\n")
			if _, err := Parse(strings.NewReader(strings.Join(lines, ""))); !errors.Is(err, fault.ErrInvalid) {
				t.Errorf("%d lines, and the first again: %v", n, err)
			}
			lines = slices.DeleteFunc(lines[:len(lines)-1], func(line string) bool { return line == "" })
			slices.Reverse(lines)
		}
	}
}

// The words of one line do not stick to the next.
func TestParseRouteListForgets(t *testing.T) {
	specs := slices.DeleteFunc(want.Specs(t, "../testdata/route"), func(spec string) bool {
		_, err := routes.Parse(spec)
		return err != nil
	})
	var p routes.Parser
	for _, spec := range append(specs, "10.10.2.0/24") {
		if err := p.Read(spec); err != nil {
			t.Fatal(err)
		}
		if expected := routes.MustParse(spec); p.Route.String() != expected.String() {
			t.Errorf("%s behind others is %s", spec, p.Route)
		}
	}
}

func TestParseRouteListReadError(t *testing.T) {
	_, err := Parse(io.MultiReader(strings.NewReader("10.0.0.0/8\n"), iotest.ErrReader(fmt.Errorf("gone"))))
	if !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), "line 2 cannot be read: gone") {
		t.Error(err)
	}
}

// A list is read with the names that the host has, too.
func TestParseListWithNames(t *testing.T) {
	names, err := routes.ReadNames(fstest.MapFS{"etc/iproute2/rt_tables": {Data: []byte("7 vpn\n101 etc\n")}})
	if err != nil {
		t.Fatal(err)
	}
	list, err := ParseWith(names, strings.NewReader("10.0.0.0/8 table vpn\n10.0.0.0/8 table etc\n"))
	if err != nil || list.Routes[0].Table != 7 || list.Routes[1].Table != 101 {
		t.Errorf("the list: %+v, %v", list, err)
	}
}
