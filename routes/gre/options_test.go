package gre

import (
	"errors"
	"strings"
	"testing"

	"nmgre/routes/fault"
)

// Every set of options is read back as it was written.
func TestLinkOptionsReadBack(t *testing.T) {
	for bits := range 1 << len(options) {
		var o LinkOptions
		for i, known := range options {
			*known.of(&o) = bits&(1<<i) != 0
		}
		got, err := ParseLinkOptions(o.String())
		if bits == 0 {
			if !errors.Is(err, fault.ErrInvalid) || o.Any() {
				t.Errorf("no option: %v", err)
			}
			continue
		}
		if err != nil || got != o || !o.Any() {
			t.Errorf("%q: %+v, %v", o, got, err)
		}
		if o.Without(o).Any() || o.Without(LinkOptions{}) != o || o.With(o) != o {
			t.Errorf("%q: Without and With do not fit", o)
		}
	}
}

func TestLinkOptionsRefused(t *testing.T) {
	for text, word := range map[string]string{"csum": "csum", "checksum checksum": "twice", "": "no option", "\x1b[2J": "x1b", "checksum,sequence": "no option"} {
		_, err := ParseLinkOptions(text)
		if !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), word) && !strings.Contains(err.Error(), "is no option") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestLinkOptionProblems(t *testing.T) {
	for _, c := range []struct {
		text  string
		mode  Mode
		pmtud bool
		want  string // the field of the problem; empty for none
	}{
		{"checksum sequence multicast", ModeGRE, true, ""},
		{"checksum sequence", ModeGRETAP, true, ""},
		{"checksum sequence multicast", ModeIP6GRE, true, ""},
		{"multicast", ModeGRETAP, true, "multicast"},
		{"multicast", ModeIP6GRETAP, true, "multicast"},
		{"ignore-df", ModeGRETAP, false, ""},
		{"ignore-df", ModeGRE, true, "ignore-df"},
		{"ignore-df", ModeIP6GRETAP, true, "ignore-df"},
		{"ignore-df", ModeIP6GRE, false, "ignore-df"},
	} {
		o, err := ParseLinkOptions(c.text)
		if err != nil {
			t.Fatal(err)
		}
		var fields []string
		for _, p := range o.Problems(c.mode, c.pmtud) {
			fields = append(fields, p.Field)
		}
		if got := strings.Join(fields, " "); got != c.want {
			t.Errorf("%s, mode %s, path MTU discovery %v: problems of %q, want %q", c.text, c.mode, c.pmtud, got, c.want)
		}
	}
}
