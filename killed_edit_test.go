package nmgre_test

import (
	"context"
	"testing"

	"nmgre"
	"nmgre/testdata/fake"
)

// kill -9 before and after each call of every edit. After the next command and the hook, the host
// is as it was before the edit, or as after it.
func TestEditKilledAtEveryCall(t *testing.T) {
	for _, e := range edits {
		edit := func(ctx context.Context, h *nmgre.Host) error {
			planned, err := planEdit(t, h, e)
			if err == nil {
				_, err = h.Edit(ctx, planned, nmgre.EditOptions{NoProbe: true})
			}
			return err
		}
		before := func(t *testing.T, w *fake.World) {
			t.Helper()
			haveWhole(t, w)
			if e.setup != nil {
				e.setup(t, w)
			}
			settled(t, w)
		}
		t.Run(e.name, func(t *testing.T) { killEverywhere(t, deadly{e.name, before, edit}, afterwards()) })
	}
}
