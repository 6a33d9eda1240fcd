package adopt

import (
	"context"
	"errors"
	"strings"
	"testing"

	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
	"nmgre/testdata/want"
)

// linked is a kernel with links.
type linked struct {
	kernel.Kernel
	links []kernel.Link
	err   error
}

func (k linked) Links(context.Context) ([]kernel.Link, error) { return k.links, k.err }

// NotFound tells of a tunnel made by hand that NetworkManager has no connection for. It passes on
// other errors, and those about other links and the kernel's own devices.
func TestNotFound(t *testing.T) {
	none := &fault.Error{Kind: fault.ErrNotFound, What: "none"}
	hand := kernel.Link{Name: "hand1", GRE: &kernel.GRELink{Mode: gre.ModeGRE, Remote: want.Addr("100.0.2.100")}}
	mine := hand
	mine.Name = "gre1"
	links := []kernel.Link{{Name: "eth0"}, hand, mine, {Name: "gre0", GRE: &kernel.GRELink{Mode: gre.ModeGRE}}}
	profiles := []nm.Profile{{Device: "gre1", State: nm.StateActive}}
	for _, c := range []struct {
		name string
		err  error // before
		read error
		told bool
	}{
		{"hand1", none, nil, true},
		{"hand2", none, nil, false},
		{"eth0", none, nil, false},
		{"gre0", none, nil, false},
		{"gre1", none, nil, false},
		{"hand1", errors.New("two of that name"), nil, false},
		{"hand1", none, errors.New("broken"), false},
	} {
		got := NotFound(t.Context(), linked{links: links, err: c.read}, c.name, profiles, c.err)
		if told := got != c.err; told != c.told {
			t.Errorf("%s: %v", c.name, got)
		}
		if c.told && (!errors.Is(got, fault.ErrNotFound) || !strings.Contains(strings.Join(fault.Hints(got), ""), "nmgre adopt hand1")) {
			t.Errorf("%v: %q", got, fault.Hints(got))
		}
	}
}
