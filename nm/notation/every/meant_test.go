package every

import (
	"errors"
	"slices"
	"testing"

	"nmgre/routes/fault"
)

// Another name of a notation, and a name with a wrong letter, are answered with the right name.
// Without one that is near, all are listed.
func TestFindProposes(t *testing.T) {
	names := Names(false)
	for word, name := range meant() {
		if !slices.Contains(names, name) || slices.Contains(names, word) {
			t.Errorf("%s stands for %s", word, name)
		}
	}
	for word, want := range map[string]string{"iproute2": "did you mean ip", "Netplam": "did you mean netplan", "systemd_networkd": "did you mean networkd", "cisco": "did you mean cisco-ios"} {
		_, err := Find("as", word)
		if hints := fault.Hints(err); !errors.Is(err, fault.ErrInvalid) || len(hints) != 1 || hints[0] != want {
			t.Errorf("%s: %v, %q", word, err, hints)
		}
	}
	_, err := Find("from", "xyzzyplugh")
	if hints := fault.Hints(err); len(hints) != 1 || hints[0][:18] != "the notations are " {
		t.Errorf("%v, %q", err, hints)
	}
	if err := CheckEnd("nearr"); !errors.Is(err, fault.ErrInvalid) || fault.Hints(err)[0] != "did you mean near" {
		t.Errorf("%v, %q", err, fault.Hints(err))
	}
}
