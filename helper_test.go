package nmgre

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// update writes what the tests got into the golden files, to be read through before they are kept.
var update = flag.Bool("update", false, "write the golden files of testdata/domain anew")

func addr(s string) netip.Addr   { return netip.MustParseAddr(s) }
func cidr(s string) netip.Prefix { return netip.MustParsePrefix(s) }
func ptr[T any](v T) *T          { return &v }

// cidrs reads a list of prefixes.
func cidrs(words ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(words))
	for i, word := range words {
		list[i] = cidr(word)
	}
	return list
}

// route reads a SPEC that is known to be good.
func route(t testing.TB, spec string) Route {
	t.Helper()
	r, err := ParseRoute(spec)
	if err != nil {
		t.Fatalf("ParseRoute(%q): %v", spec, err)
	}
	return r
}

// same compares two texts and prints where they part, line by line.
func same(t testing.TB, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s differs (- wanted, + got):\n%s", what, diff(want, got))
	}
}

// golden compares got with a file below testdata/domain.
func golden(t testing.TB, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "domain", filepath.FromSlash(name))
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	same(t, name, got, string(want))
}

// diff shows the lines that were taken away and added between a and b: the longest common subsequence stays.
func diff(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	length := make([][]int, len(x)+1)
	for i := range length {
		length[i] = make([]int, len(y)+1)
	}
	for i := len(x) - 1; i >= 0; i-- {
		for j := len(y) - 1; j >= 0; j-- {
			length[i][j] = max(length[i+1][j], length[i][j+1])
			if x[i] == y[j] {
				length[i][j] = length[i+1][j+1] + 1
			}
		}
	}
	var out []string
	i, j := 0, 0
	for i < len(x) || j < len(y) {
		switch {
		case i < len(x) && j < len(y) && x[i] == y[j]:
			out = append(out, "  "+x[i])
			i, j = i+1, j+1
		case j == len(y) || i < len(x) && length[i+1][j] >= length[i][j+1]:
			out = append(out, "- "+x[i])
			i++
		default:
			out = append(out, "+ "+y[j])
			j++
		}
	}
	return strings.Join(out, "\n")
}

// problemText writes an error as a person sees it: the texts one below the other, each with its hints.
func problemText(err error) string {
	var b strings.Builder
	for _, e := range flatten(err) {
		fmt.Fprintf(&b, "%s\n", e)
		for _, hint := range Hints(e) {
			fmt.Fprintf(&b, "  hint: %s\n", hint)
		}
	}
	return b.String()
}

// flatten takes joined errors apart.
func flatten(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		if _, single := err.(*Error); !single {
			var list []error
			for _, e := range joined.Unwrap() {
				list = append(list, flatten(e)...)
			}
			return list
		}
	}
	return []error{err}
}

var kinds = []struct {
	name string
	kind error
}{
	{"ErrInvalid", ErrInvalid}, {"ErrNotFound", ErrNotFound}, {"ErrNotPermitted", ErrNotPermitted},
	{"ErrNoNetworkManager", ErrNoNetworkManager}, {"ErrUnsupported", ErrUnsupported}, {"ErrTimeout", ErrTimeout},
	{"ErrExists", ErrExists}, {"ErrUnreachable", ErrUnreachable},
}

// kindsOf names the sentinels that errors.Is finds in err.
func kindsOf(err error) string {
	var names []string
	for _, k := range kinds {
		if errors.Is(err, k.kind) {
			names = append(names, k.name)
		}
	}
	return strings.Join(names, " ")
}

// fieldsOf names the fields that err is about, each once.
func fieldsOf(err error) []string {
	var fields []string
	walk(err, func(e *Error) {
		if e.Field != "" && !slices.Contains(fields, e.Field) {
			fields = append(fields, e.Field)
		}
	})
	return fields
}
