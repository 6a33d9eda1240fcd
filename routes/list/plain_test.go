package list

import (
	"strings"
	"testing"

	"nmgre/routes"
	"nmgre/testdata/want"
)

func TestPlainTakesNothingElse(t *testing.T) {
	for _, text := range []string{"10.0.0.0/8", "0.0.0.0/0", "192.0.2.1/32", "255.255.255.255/32", "192.0.2.1", "10.0.0.0/8 table 256", "10.0.0.0/8 table 4294967295"} {
		if _, ok := plainRoute([]byte(text)); !ok {
			t.Errorf("%q is no plain route", text)
		}
	}
	for _, text := range []string{"", "224.0.0.0/4", "10.0.0.0/8 table 255", "10.0.0.0/8 table 0", "10.0.0.0/8 table 1000 ", "10.0.0.0/8  table 1000", "10.0.0.0/8 table x", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/08", "010.0.0.0/8", "10.0.0.0/8 ", "10.0.0/8", "256.0.0.0/8", "10.0.0.0.0/8", "10.0.0.0/8 metric 5", "2001:db8::/32", "default", "1000.0.0.0/8", "10..0.0/8", "10.0.0.0/"} {
		if _, ok := plainRoute([]byte(text)); ok {
			t.Errorf("%q is a plain route", text)
		}
	}
}

// A plain route is the same as the parser of all routes reads from the text.
func FuzzPlain(f *testing.F) {
	for _, text := range []string{"10.0.0.0/8", "0.0.0.0/0", "127.0.0.0/8", "224.0.0.0/4", "255.255.255.255/32", "0.0.0.1/32", "10.0.0.0/8 metric 5", "169.254.0.0/16", "10.0.0.2", "10.0.0.0/8 table 1000", "10.0.0.0/8 table 253", "0.0.0.0/0 table 4294967295"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		route, ok := plainRoute([]byte(text))
		if !ok {
			return
		}
		other, err := routes.Parse(text)
		if err != nil || !route.Equal(&other) {
			t.Errorf("%q: plain %v, parsed %v, %v", text, route, other, err)
		}
	})
}

// Plain lines among others keep their places and numbers, whatever the pieces are filled with.
func TestPlainLinesKeepTheirOrder(t *testing.T) {
	for _, every := range []int{1, 2, 700, 1024, 1500, 5000} {
		text := strings.Split(strings.TrimSpace(want.LongText("", 4*pieceLines+9)), "\n")
		for i := range text {
			if i%every == every-1 {
				text[i] += " metric 7"
			}
		}
		for _, expect := range []int{0, len(text) - 1500, len(text)} {
			var l Reader
			if expect > 0 {
				l.Expect(expect)
			}
			for i, line := range text {
				if !l.AddPlain(i+1, []byte(line)) {
					l.Add(i+1, line)
				}
			}
			list, bad := l.Finish()
			if len(list.Routes) != len(text) || len(bad) > 0 {
				t.Fatalf("every %d, expect %d: %d routes, %v", every, expect, len(list.Routes), bad)
			}
			for i := range list.Routes {
				if list.Lines[i] != i+1 || list.Routes[i].String() != text[i] {
					t.Fatalf("every %d, expect %d: line %d is %s, and not %s", every, expect, list.Lines[i], &list.Routes[i], text[i])
				}
			}
		}
	}
}

// A long list that nobody wants numbers of takes no more memory than its routes.
func TestPlainLinesTakeNoMemory(t *testing.T) {
	line, n := []byte("10.10.2.0/24"), 10*pieceLines
	allocated := testing.AllocsPerRun(3, func() {
		l := Reader{Unnumbered: true}
		l.Expect(n)
		for i := range n {
			l.AddPlain(i, line)
		}
		if list, _ := l.Finish(); len(list.Routes) != n {
			t.Fatal(len(list.Routes))
		}
	})
	if most := float64(n/pieceLines + 8); allocated > most {
		t.Errorf("%v allocations, and not %v", allocated, most)
	}
}
