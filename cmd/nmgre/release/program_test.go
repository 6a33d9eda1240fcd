package release

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// Without /proc the whole path that was called counts, and nothing that needs a search.
func TestProgramFile(t *testing.T) {
	folder, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	file, link := filepath.Join(folder, "nmgre"), filepath.Join(folder, "link")
	if err := errors.Join(os.WriteFile(file, nil, 0o755), os.Symlink(file, link)); err != nil {
		t.Fatal(err)
	}
	is := func() (string, error) { return file, nil }
	none := func() (string, error) { return "", os.ErrNotExist }
	for _, c := range []struct {
		executable   func() (string, error)
		called, want string
	}{{is, "nmgre", file}, {is, "/elsewhere", file}, {none, file, file}, {none, link, file}, {none, "nmgre", ""}, {none, "./nmgre", ""}, {none, filepath.Join(folder, "gone"), ""}} {
		if got, err := programFile(c.executable, c.called); got != c.want || (err != nil) != (c.want == "") {
			t.Errorf("called %s: %s, %v", c.called, got, err)
		}
	}
}
