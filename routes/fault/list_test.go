package fault_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"nmgre/routes/fault"
)

func TestList(t *testing.T) {
	var l fault.List
	if l.Add(); l.Err() != nil {
		t.Errorf("an empty list is the error %v", l.Err())
	}
	if l.Add(nil, nil); l != nil || l.Err() != nil {
		t.Errorf("a list of no problems is %v, %v", l, l.Err())
	}
	first := fault.Invalid("peer", "give it", "it is missing")
	second := &fault.Error{Kind: fault.ErrNotPermitted, What: "no", Hint: "ask", Err: io.EOF}
	l.Add(nil, first, nil)
	l.Add(second)
	err := l.Err()
	if want := errors.Join(first, second); err.Error() != want.Error() {
		t.Errorf("got %q, want %q", err, want)
	}
	for _, kind := range []error{fault.ErrInvalid, fault.ErrNotPermitted, io.EOF} {
		if !errors.Is(err, kind) {
			t.Errorf("%v is not found in %v", kind, err)
		}
	}
	if e := new(fault.Error); !errors.As(err, &e) || e != first {
		t.Errorf("the first error is %v", e)
	}
	if got := fault.Hints(err); !slices.Equal(got, []string{"give it", "ask"}) {
		t.Errorf("the hints are %q", got)
	}
	var walked fault.List
	fault.Walk(err, func(e *fault.Error) { walked = append(walked, e) })
	if !slices.Equal(walked, l) {
		t.Errorf("walked %v", walked)
	}
}

func TestSplit(t *testing.T) {
	a, b, c := errors.New("a"), &fault.Error{What: "b", Kind: fault.ErrInvalid, Err: io.EOF}, errors.New("c")
	wrapped := fmt.Errorf("wrapped: %w", errors.Join(a, c))
	for _, test := range []struct {
		err  error
		want []error
	}{
		{nil, nil}, {a, []error{a}}, {b, []error{b}}, {errors.Join(a, nil, b), []error{a, b}},
		{errors.Join(errors.Join(a, b), errors.Join(errors.Join(c))), []error{a, b, c}}, {wrapped, []error{wrapped}},
	} {
		if got := fault.Split(test.err); !slices.Equal(got, test.want) {
			t.Errorf("Split(%v) = %v, want %v", test.err, got, test.want)
		}
	}
}

// One reason for many failures is told once.
func TestDifferent(t *testing.T) {
	a, b, c := errors.New("a"), errors.New("b"), errors.New("a")
	if got := fault.Different(errors.Join(a, b, c, errors.Join(c, b))); !slices.Equal(got, []error{a, b}) {
		t.Errorf("%v", got)
	}
	if got := fault.Different(nil); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

// Each of the joined errors is named, however deep it was joined. No error is named when there is
// none.
func TestAbout(t *testing.T) {
	err := fault.About("gre\x1b", errors.Join(fault.Invalid("peer", "the hint", "bad"), errors.Join(errors.New("worse"), errors.New("worst"))))
	if got := err.Error(); got != `gre\x1b: peer: bad`+"\n"+`gre\x1b: worse`+"\n"+`gre\x1b: worst` {
		t.Error(got)
	}
	if !errors.Is(err, fault.ErrInvalid) || len(fault.Split(err)) != 3 || len(fault.Hints(err)) != 1 {
		t.Errorf("%v, %q", fault.Split(err), fault.Hints(err))
	}
	if err := fault.About("gre1", nil); err != nil {
		t.Error(err)
	}
}

// The lines of joined errors are no escape sequence, wherever an error stands on one line.
func TestOneLine(t *testing.T) {
	for text, want := range map[string]string{"a\nb": "a; b", "\na\n\nb\n": "a; b", " a\tb\x1b": `a\tb\x1b`, "": ""} {
		if got := fault.OneLine(text); got != want {
			t.Errorf("%q: %q, not %q", text, got, want)
		}
	}
}
