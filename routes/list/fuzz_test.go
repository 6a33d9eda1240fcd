package list_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"nmgre/routes/fault"
	"nmgre/routes/list"
)

// Every file of routes is either refused, with errors that are safe to show, or read as routes that
// stand in it, a line each.
func FuzzParse(f *testing.F) {
	f.Add("10.0.0.0/8\n# none\n\n2001:db8::/32 metric 7 # one\n")
	f.Add("10.0.0.0/8\n10.0.0.0/8\nnonsense\n\xff\x1b[31m\n")
	f.Add("default nexthop via 10.0.0.1 nexthop dev a weight 3\r\n10.1.0.0/16 encap mpls 100/200\n")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := list.Parse(strings.NewReader(text))
		if err != nil {
			for _, one := range fault.Split(err) {
				if !fault.IsPrintable(one.Error()) && !strings.Contains(text, "\uFFFD") {
					t.Errorf("the error is %q", one)
				}
			}
			if !errors.Is(err, fault.ErrInvalid) && !strings.Contains(err.Error(), "token too long") {
				t.Errorf("%v", err)
			}
			return
		}
		if len(l.Routes) != len(l.Lines) || !slices.IsSorted(l.Lines) || len(l.Lines) > 0 && l.Lines[len(l.Lines)-1] > strings.Count(text, "\n")+1 {
			t.Errorf("%d routes from the lines %v", len(l.Routes), l.Lines)
		}
	})
}
