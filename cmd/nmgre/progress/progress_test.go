package progress

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"
)

// Where there is no terminal, a line a second tells how far the work is, and none that it is done.
func TestLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		show := Routes(&out)
		for done := range 11 {
			show(done*100, 1000)
			time.Sleep(300 * time.Millisecond)
		}
		const want = "nmgre: 400 of 1000 routes\nnmgre: 800 of 1000 routes\n"
		if got := out.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	})
}
