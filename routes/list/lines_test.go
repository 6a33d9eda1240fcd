package list

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"nmgre/routes"
	"nmgre/testdata/want"
)

// However many processors parse a list, the errors come in the order of the lines.
func TestLongListTellsLinesInOrder(t *testing.T) {
	_, err := Parse(strings.NewReader(want.LongText("", 5000, 4999, 1500, 3, 1024, 1025)))
	var got []string
	for _, e := range want.Flatten(err) {
		line, _, _ := strings.Cut(e.Error(), ":")
		got = append(got, line)
	}
	if expected := []string{"line 3", "line 1024", "line 1025", "line 1500", "line 4999"}; !slices.Equal(got, expected) {
		t.Errorf("%v", err)
	}
}

// A list that cannot be counted before, as from a pipe, is the same.
func TestLongListFromAPipe(t *testing.T) {
	text := want.LongText("", 3*pieceLines+5)
	counted, err := Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	piped, err := Parse(io.MultiReader(strings.NewReader(text)))
	if err != nil || !routes.EqualLists(counted.Routes, piped.Routes) || !slices.Equal(counted.Lines, piped.Lines) || len(piped.Routes) != 3*pieceLines+5 {
		t.Errorf("%d and %d routes, %v", len(counted.Routes), len(piped.Routes), err)
	}
}

// When there are more lines than were counted, no route is lost on the way into one piece: those
// that were not expected go where wrong lines have left room.
func TestMoreLinesThanExpected(t *testing.T) {
	var l Reader
	l.Expect(pieceLines + 76)
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
			l.Add(n, text)
		}
	}
	add(pieceLines, true)
	add(pieceLines-20, false)
	add(20, true)
	add(50, true) // which would fit into the room that is left
	list, bad := l.Finish()
	var got []string
	for _, r := range list.Routes {
		got = append(got, r.String())
	}
	if !slices.Equal(got, want) || len(list.Lines) != len(want) || len(bad) == 0 {
		t.Errorf("%d routes, %d lines, %d bad; want %d routes: %v", len(got), len(list.Lines), len(bad), len(want), got[pieceLines:])
	}
}
