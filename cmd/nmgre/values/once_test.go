package values_test

import (
	"errors"
	"testing"

	"nmgre/cmd/nmgre/values"
	"nmgre/routes/fault"
	"nmgre/testdata/want"
)

// A second value is taken if it is the same one.
func TestOnce(t *testing.T) {
	var text string
	flag := &values.Once{Field: "peer", Names: "--peer and --remote", Into: &text}
	for value, fails := range map[string]bool{"192.0.2.1": false, "192.0.2.2": true} {
		text = ""
		*flag = values.Once{Field: "peer", Names: "--peer and --remote", Into: &text}
		if err := flag.Set("192.0.2.1"); err != nil {
			t.Error(err)
		}
		if err := flag.Set(value); fails != errors.Is(err, fault.ErrInvalid) || !fails && err != nil {
			t.Errorf("%s: %v", value, err)
		}
		want.Same(t, "the value", flag.String(), "192.0.2.1")
	}
}
