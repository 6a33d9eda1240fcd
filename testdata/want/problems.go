package want

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"nmgre/routes/fault"
)

// Problems writes an error as the user sees it: each problem on a line, with its hints below.
func Problems(err error) string {
	var b strings.Builder
	for _, e := range Flatten(err) {
		fmt.Fprintf(&b, "%s\n", e)
		for _, hint := range fault.Hints(e) {
			fmt.Fprintf(&b, "  hint: %s\n", hint)
		}
	}
	return b.String()
}

// Flatten returns the single errors of joined ones.
func Flatten(err error) []error { return fault.Split(err) }

var kinds = []struct {
	name string
	kind error
}{
	{"ErrInvalid", fault.ErrInvalid}, {"ErrNotFound", fault.ErrNotFound}, {"ErrNotPermitted", fault.ErrNotPermitted},
	{"ErrNoNetworkManager", fault.ErrNoNetworkManager}, {"ErrUnsupported", fault.ErrUnsupported}, {"ErrTimeout", fault.ErrTimeout},
	{"ErrExists", fault.ErrExists}, {"ErrUnreachable", fault.ErrUnreachable},
}

// Kinds returns the names of the sentinel errors that err is.
func Kinds(err error) string {
	var names []string
	for _, k := range kinds {
		if errors.Is(err, k.kind) {
			names = append(names, k.name)
		}
	}
	return strings.Join(names, " ")
}

// Fields returns the fields that err is about, each once.
func Fields(err error) []string {
	var fields []string
	fault.Walk(err, func(e *fault.Error) {
		if e.Field != "" && !slices.Contains(fields, e.Field) {
			fields = append(fields, e.Field)
		}
	})
	return fields
}

// CheckProblems checks that each problem has a field, a text and a hint, and that it is safe to
// show on a terminal.
func CheckProblems(t *testing.T, err error) {
	t.Helper()
	for _, problem := range Flatten(err) {
		var e *fault.Error
		if !errors.As(problem, &e) || !errors.Is(problem, fault.ErrInvalid) || e.Field == "" || e.What == "" || e.Hint == "" {
			t.Errorf("%q is not a complete problem: field %q, what %q, hint %q", problem, e.Field, e.What, e.Hint)
			continue
		}
		if text := e.Error() + e.Hint; fault.Printable(text) != text {
			t.Errorf("%q would act on a terminal", text)
		}
		if strings.Contains(e.Error()+e.Hint, "invalid ") || strings.Contains(e.Error()+e.Hint, "unknown") || strings.Contains(e.Error(), "%!") {
			t.Errorf("%q %q shows what is not there", e.Error(), e.Hint)
		}
	}
}
