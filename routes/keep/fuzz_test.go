package keep_test

import (
	"testing"

	"nmgre/routes/fault"
	"nmgre/routes/keep"
)

// An SNAT rule is refused, or written as a text that is read as the same rule.
func FuzzParseSNAT(f *testing.F) {
	for _, text := range []string{"10.10.2.0/24=10.10.2.1", "10.10.2.0/24=masquerade", "2001:db8::/32=2001:db8::1", "0.0.0.0/0=1.2.3.4", "=", "::ffff:1.2.3.4/100=masquerade"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := keep.ParseSNAT(text)
		if err != nil {
			if !fault.IsPrintable(fault.Escaped(err.Error())) {
				t.Errorf("the error is %q", err)
			}
			return
		}
		if again, err := keep.ParseSNAT(s.String()); err != nil || again != s {
			t.Errorf("%q is %s, and that is %s, %v", text, s, again, err)
		}
	})
}
