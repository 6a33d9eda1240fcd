package form

import (
	"strings"
	"testing"

	"nmgre/tui/draw"
)

// A field that cannot be changed now is dim, its label too, beside its value and above it.
func TestDisabledFieldsAreDim(t *testing.T) {
	th := draw.NewTheme(true, false)
	off, on := NewText("key", "Its number", "42", "", ""), NewText("ttl", "TTL", "64", "", "")
	off.Why = "there is no key"
	f := &Form{Fields: []*Field{on, off}}
	for _, width := range []int{draw.NarrowBelow + 10, draw.NarrowBelow - 20} {
		drawn := ""
		for _, ln := range f.Draw(th, width).Lines {
			drawn += th.Render(width, ln) + "\n"
		}
		if !strings.Contains(drawn, "\x1b[2mIts number") || strings.Contains(drawn, "\x1b[2mTTL") || strings.Contains(drawn, "42") {
			t.Errorf("%d wide: %q", width, drawn)
		}
	}
}
