package verify_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"nmgre/nm/verify"
	"nmgre/routes"
	"nmgre/testdata/fake"
	"nmgre/testdata/want"
)

// Of very many routes in a profile the report has those that pass up to a bound, all others up to a
// greater one, and how many more there are. The verdict is that of all of them.
func TestVeryManyRoutes(t *testing.T) {
	const many = 300
	// as of a profile that other programs have made: nmgre gives very many routes to root
	made := func(missing int) (*fake.World, *fake.Profile) {
		w, p, _ := verified(t, usual(t))
		delete(w.Files, p.UUID) // the kept file
		p.Tunnel.Routes = nil
		for i := range many {
			dst := fmt.Sprintf("10.%d.%d.0/24", 100+i>>8, i&255)
			p.Tunnel.Routes = append(p.Tunnel.Routes, routes.MustParse(dst))
			if i < many-missing {
				w.AddRoute("gre1", dst, 4)
			}
		}
		return w, p
	}
	for _, c := range []struct {
		name            string
		faulty          int
		passes, failing int
		more            []string // the last checks of routes
	}{
		{"none is missing", 0, 50, 0, []string{"pass more routes: and 250 more routes pass"}},
		{"the last are missing", 10, 50, 10, []string{"pass more routes: and 240 more routes pass"}},
		{"all are missing", many, 0, 200, []string{"fail more faulty routes: and 100 more routes do not pass, such as route 10."}},
		{"most are missing", 220, 50, 200, []string{"pass more routes: and 30 more", "fail more faulty routes: and 20 more"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, p := made(c.faulty)
			report, err := w.Start().Host().Verify(t.Context(), p.UUID, verify.Options{NoProbe: true})
			if err != nil {
				t.Fatal(err)
			}
			var passes, failing int
			var more []string
			for _, check := range report.Checks {
				switch {
				case strings.HasPrefix(check.ID, "more "):
					more = append(more, fmt.Sprintf("%s %s: %s", check.Status, check.ID, check.Summary))
				case strings.HasPrefix(check.ID, "route ") && check.Status == verify.Pass:
					passes++
				case strings.HasPrefix(check.ID, "route ") && check.Status == verify.Fail:
					failing++
				}
			}
			if passes != c.passes || failing != c.failing || len(more) != len(c.more) || (report.Verdict == verify.Fail) != (c.faulty > 0) {
				t.Errorf("%d pass, %d fail, verdict %s, %q", passes, failing, report.Verdict, more)
			}
			for i := range min(len(more), len(c.more)) {
				if !strings.HasPrefix(more[i], c.more[i]) {
					t.Errorf("%q, want %q", more[i], c.more[i])
				}
			}
		})
	}
	// an address behind one of those that are not shown is not judged a second time
	w, p := made(many)
	to := want.Addr("10.101.43.1")
	report, err := w.Start().Host().Verify(t.Context(), p.UUID, verify.Options{To: []netip.Addr{to}})
	if err != nil {
		t.Fatal(err)
	}
	for _, check := range report.Checks {
		if check.ID == "to "+to.String() && check.Status != verify.Skip {
			t.Error(fake.CheckText(check))
		}
	}
}
