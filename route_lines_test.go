package nmgre

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

// longText is n lines with a route each, those of wrong excepted.
func longText(lead string, n int, wrong ...int) string {
	var b strings.Builder
	for i := 1; i <= n; i++ {
		if slices.Contains(wrong, i) {
			fmt.Fprintf(&b, "%snonsense%d\n", lead, i)
			continue
		}
		fmt.Fprintf(&b, "%s10.%d.%d.0/24\n", lead, i>>8, i&255)
	}
	return b.String()
}

// However many processors parse a list, the errors come in the order of the lines.
func TestLongListTellsLinesInOrder(t *testing.T) {
	_, err := ParseRouteList(strings.NewReader(longText("", 5000, 4999, 1500, 3, 1024, 1025)))
	var got []string
	for _, e := range flatten(err) {
		line, _, _ := strings.Cut(e.Error(), ":")
		got = append(got, line)
	}
	if want := []string{"line 3", "line 1024", "line 1025", "line 1500", "line 4999"}; !slices.Equal(got, want) {
		t.Errorf("%v", err)
	}
}

// A list that cannot be counted before, as from a pipe, is the same.
func TestLongListFromAPipe(t *testing.T) {
	text := longText("", 3*pieceLines+5)
	counted, err := ParseRouteList(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	piped, err := ParseRouteList(io.MultiReader(strings.NewReader(text)))
	if err != nil || !equalRoutes(counted.Routes, piped.Routes) || !slices.Equal(counted.Lines, piped.Lines) || len(piped.Routes) != 3*pieceLines+5 {
		t.Errorf("%d and %d routes, %v", len(counted.Routes), len(piped.Routes), err)
	}
}

// What is between the routes of a long file stays where it is, and so do its errors.
func TestLongKeptFile(t *testing.T) {
	const head = "version 1\nuuid 00000000-0000-4000-8000-00000000000a\ninterface gre1\n" // three lines
	text := head + longText("route ", 3000, 2500, 10) + "odd\nroute 10.200.0.0/16\n"
	for name, r := range map[string]io.Reader{"counted": strings.NewReader(text), "piped": io.MultiReader(strings.NewReader(text))} {
		k, err := ParseKept(r)
		if err != nil || len(k.Routes) != 2999 || k.Routes[2998].Dst != cidr("10.200.0.0/16") || k.Routes[9].Dst != cidr("10.0.11.0/24") {
			t.Fatalf("%s: %d routes, %v", name, len(k.Routes), err)
		}
		var lines []int
		for _, bad := range k.Bad {
			lines = append(lines, bad.Line)
		}
		if want := []int{13, 2503, 3004}; !slices.Equal(lines, want) {
			t.Errorf("%s: bad lines %v, want %v", name, lines, want)
		}
	}
	if _, err := ParseKept(strings.NewReader(head + strings.Repeat("route nonsense\n", maxBadLines+1))); err == nil || !strings.Contains(err.Error(), errManyBadLines.Error()) {
		t.Errorf("a file of nonsense: %v", err)
	}
}

// When there are more lines than were counted, no route is lost on the way into one piece: those that were not expected go where wrong lines
// have left room.
func TestMoreLinesThanExpected(t *testing.T) {
	var l lineParser
	l.expect(pieceLines + 76)
	n := 0
	var want []string
	add := func(count int, right bool) {
		for range count {
			n++
			text := fmt.Sprintf("10.%d.%d.0/24", n>>8, n&255)
			if right {
				want = append(want, text)
			} else {
				text = "nonsense"
			}
			l.add(n, text)
		}
	}
	add(pieceLines, true)
	add(pieceLines-20, false)
	add(20, true)
	add(50, true) // which would fit into the room that is left
	routes, lines, bad := l.finish()
	var got []string
	for _, r := range routes {
		got = append(got, r.String())
	}
	if !slices.Equal(got, want) || len(lines) != len(want) || len(bad) == 0 {
		t.Errorf("%d routes, %d lines, %d bad; want %d routes: %v", len(got), len(lines), len(bad), len(want), got[pieceLines:])
	}
}
