package document

import (
	"errors"
	"strings"
	"testing"

	"nmgre/nm"
	"nmgre/routes/fault"
)

// Any text is taken, or gives an error that names the place. A document that is taken is written
// and read as the same.
func FuzzParse(f *testing.F) {
	for _, file := range []string{"testdata/right.yaml", "testdata/wrong.yaml"} {
		for _, text := range cases2(f, file) {
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := Parse(text, Options{})
		if err != nil {
			if !errors.Is(err, fault.ErrInvalid) || !fault.IsPrintable(strings.ReplaceAll(err.Error(), "\n", "")) {
				t.Errorf("%q", err.Error())
			}
			return
		}
		for host := range d.Hosts() {
			if host > 3 {
				break
			}
			_, _ = d.Tunnels(d.Hosts()[host])
		}
		var plain []nm.Tunnel
		for _, tunnel := range d.tunnels {
			if !tunnel.Absent {
				plain = append(plain, tunnel.Tunnel)
			}
		}
		again, err := Parse(Write(plain), Options{})
		if err != nil || len(again.tunnels) != len(plain) {
			t.Fatalf("%v\n%s", err, Write(plain))
		}
		for i := range plain {
			if changes := nm.Diff(plain[i], again.tunnels[i].Tunnel); len(changes) > 0 {
				t.Errorf("%v\n%s", changes, Write(plain))
			}
		}
	})
}

func cases2(f *testing.F, file string) []string {
	f.Helper()
	var t testing.T
	var all []string
	for _, text := range cases(&t, file) {
		all = append(all, text)
	}
	return all
}
