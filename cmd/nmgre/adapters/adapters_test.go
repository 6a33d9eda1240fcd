package adapters

import (
	"os"
	"testing"

	"nmgre/routes/keep"
	"nmgre/routes/store"
)

// A command parses a file of root's once, however often it looks at it: one can have a hundred
// thousand routes.
func TestCommandsRemember(t *testing.T) {
	plain := store.New(t.TempDir(), os.Getuid())
	sys := Doors{Files: plain}.System()
	keeper := sys.Keeper.(*keep.LocalKeeper)
	for name, files := range map[string]keep.Store{"the verbs": sys.Store, "the keeper": keeper.Store} {
		s, ok := files.(*store.Store)
		if !ok || s.Remembering() != s || s == plain {
			t.Errorf("%s read each file again", name)
		}
	}
	if keeper.Store != sys.Store {
		t.Error("the keeper has a memory of its own")
	}
}
