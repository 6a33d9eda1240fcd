package fault_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"nmgre/routes/fault"
)

func TestError(t *testing.T) {
	cause := io.ErrUnexpectedEOF
	for _, test := range []struct {
		err  *fault.Error
		want string
	}{
		{&fault.Error{Field: "peer", What: "it is missing"}, "peer: it is missing"},
		{&fault.Error{What: "it is missing", Err: cause}, "it is missing: unexpected EOF"},
		{&fault.Error{Field: "route", Err: cause}, "route: unexpected EOF"},
		{&fault.Error{Kind: fault.ErrTimeout, What: "too slow", Hint: "wait"}, "too slow"},
	} {
		if got := test.err.Error(); got != test.want {
			t.Errorf("Error() = %q, want %q", got, test.want)
		}
	}
	err := fmt.Errorf("create: %w", &fault.Error{Kind: fault.ErrNotPermitted, What: "no", Err: cause})
	if !errors.Is(err, fault.ErrNotPermitted) || !errors.Is(err, cause) || errors.Is(err, fault.ErrInvalid) {
		t.Errorf("kind and cause are not found in %v", err)
	}
	if !errors.Is(fault.ErrNotFound, fault.ErrInvalid) {
		t.Error("ErrNotFound is no ErrInvalid")
	}
}

func TestHints(t *testing.T) {
	inner := &fault.Error{What: "inner", Hint: "second"}
	err := errors.Join(
		fmt.Errorf("wrapped: %w", &fault.Error{What: "outer", Hint: "first", Err: inner}),
		&fault.Error{What: "again", Hint: "first"},
		&fault.Error{What: "no hint"},
		&fault.Error{Kind: fault.ErrTimeout, What: "third", Hint: "third", Err: errors.New("plain")},
	)
	if got, want := fault.Hints(err), []string{"first", "second", "third"}; !slices.Equal(got, want) {
		t.Errorf("Hints = %q, want %q", got, want)
	}
	if got := fault.Hints(nil); got != nil {
		t.Errorf("Hints(nil) = %q", got)
	}
}

func TestFirstFew(t *testing.T) {
	names := strings.Fields("a b c d e f g h i j k l")
	for n, want := range map[int]string{0: "", 1: "a", 10: "a b c d e f g h i j", 12: "a b c d e f g h i j and 2 more"} {
		if got := strings.Join(fault.FirstFew(names[:n]), " "); got != want {
			t.Errorf("%d names: %q, want %q", n, got, want)
		}
	}
	if names[10] != "k" {
		t.Error("the list itself was changed")
	}
}
