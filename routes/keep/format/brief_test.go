package format

import (
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	"nmgre/routes/keep"
	"nmgre/testdata/want"
)

// countedFile counts the bytes that are read.
type countedFile struct {
	*strings.Reader
	bytes int
}

func (f *countedFile) Read(b []byte) (int, error) {
	n, err := f.Reader.Read(b)
	f.bytes += n
	return n, err
}

func brief(t *testing.T, text string, down ...string) (k keep.Kept, read int) {
	t.Helper()
	file := &countedFile{Reader: strings.NewReader(text)}
	k, err := ParseBrief(file, func(dev string) bool { return slices.Contains(down, dev) })
	if err != nil {
		t.Fatal(err)
	}
	return k, file.bytes
}

// Of a tunnel that is down everything is read but its rules, and its routes into it alone.
func TestParseBrief(t *testing.T) {
	all, err := Parse(strings.NewReader(keptText))
	if err != nil {
		t.Fatal(err)
	}
	if k, _ := brief(t, keptText, "gre1"); !reflect.DeepEqual(k, all) || k.Brief() {
		t.Errorf("up: %+v", k)
	}
	k, _ := brief(t, keptText, "gre2")
	if !k.Brief() || k.Empty() || len(k.Routes) != 1 || k.Routes[0].String() != all.Routes[0].String() {
		t.Errorf("down: %+v", k)
	}
	all.Policy, all.Routes = nil, all.Routes[:1]
	if !keep.Same(k, all) {
		t.Errorf("down: %+v\nwant %+v", k, all)
	}
}

// A file without routes and rules, and one in which the interface stands below them, are read as
// wholes.
func TestParseBriefWhole(t *testing.T) {
	const head = "version 1\nuuid 00000000-0000-4000-8000-00000000000a\n"
	for _, text := range []string{head + "interface gre1\npin\n", head + "route 10.30.0.0/16\nrule from 10.0.0.2 table 300 priority 5\ninterface gre1\n"} {
		whole, err := Parse(strings.NewReader(text))
		if k, _ := brief(t, text, "gre1"); err != nil || k.Brief() || !keep.Same(k, whole) {
			t.Errorf("%q is %+v, %v", text, k, err)
		}
	}
	for _, text := range []string{"", "odd\n", "route 10.30.0.0/16\n", "version 2\ninterface gre1\nroute 10.30.0.0/16\n"} {
		_, wholeErr := Parse(strings.NewReader(text))
		k, err := ParseBrief(strings.NewReader(text), func(string) bool { return true })
		if wholeErr == nil || err == nil || err.Error() != wholeErr.Error() || !k.Empty() {
			t.Errorf("%q is %+v, %v, and as a whole %v", text, k, err, wholeErr)
		}
	}
}

// A long file of a tunnel that is down is read once, and nothing is made of its lines.
func TestParseBriefReadsOnce(t *testing.T) {
	text := "version 1\nuuid 00000000-0000-4000-8000-00000000000a\ninterface gre1\n" + want.LongText("route ", 3000, 2500, 10)
	k, read := brief(t, text, "gre1")
	if len(k.Routes) != 0 || len(k.Bad) != 0 || read != len(text) {
		t.Errorf("%d routes and %d bad lines of %d bytes, of %d", len(k.Routes), len(k.Bad), read, len(text))
	}
	few := testing.AllocsPerRun(10, func() { _, _ = brief(t, text, "gre1") })
	if few > 40 {
		t.Errorf("it takes memory %.0f times", few)
	}
}

// FuzzParseBrief compares both ways to read a file.
func FuzzParseBrief(f *testing.F) {
	f.Add(keptText, true)
	f.Add("version 1\ninterface gre1\nroute 10.0.0.0/8\nrule from 10.0.0.2 table 300 priority 5\n", true)
	f.Fuzz(func(t *testing.T, text string, down bool) {
		whole, wholeErr := Parse(strings.NewReader(text))
		k, err := ParseBrief(io.NewSectionReader(strings.NewReader(text), 0, int64(len(text))), func(string) bool { return down })
		if !down && (!reflect.DeepEqual(k, whole) || (err == nil) != (wholeErr == nil)) {
			t.Errorf("%+v, %v\nas a whole %+v, %v", k, err, whole, wholeErr)
		}
		if wholeErr == nil && (err != nil || k.UUID != whole.UUID || k.Name != whole.Name || k.Remote != whole.Remote || k.Pin != whole.Pin || !slices.Equal(k.Forward, whole.Forward)) {
			t.Errorf("%+v, %v\nas a whole %+v", k, err, whole)
		}
	})
}
