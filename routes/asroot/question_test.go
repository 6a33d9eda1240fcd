package asroot

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
	"nmgre/routes/rule"
)

// named are files that have a tunnel's name.
type named string

func (n named) Get(_ context.Context, asked string) (keep.Kept, error) {
	if n == "" || asked != uuid {
		return keep.Kept{}, &fault.Error{Kind: fault.ErrNotFound, What: "nothing is kept"}
	}
	return keep.Kept{UUID: asked, Name: string(n), ClampMSS: true}, nil
}

// polkit's question names the tunnel and the parts to set, and the helper does nothing else.
func TestQuestion(t *testing.T) {
	all := kept(t, 1)
	all.Name, all.ClampMSS, all.Pin = "abcdefghijklmno", true, true // as long as a name can be
	all.Policy, all.Link = []rule.Rule{rule.MustParse("iif abcdefghijklmno table 100 priority 7")}, gre.LinkOptions{Multicast: true}
	pin := keep.Kept{UUID: uuid, Name: "gre2", Pin: true}
	requests := []struct {
		r     Request
		files named
		asked string
	}{
		{Request{Verb: VerbKeep, Kept: kept(t, 1)}, "", "gre1 routes SNAT forwarding"},
		{Request{Verb: VerbKeep, Kept: all}, "", "abcdefghijklmno routes rule SNAT forwarding MSS link"},
		{Request{Verb: VerbKeep, Kept: keep.Kept{UUID: uuid, Name: "gre3", Link: all.Link}}, "", "gre3 link"},
		{Request{Verb: VerbTry, Kept: keep.Kept{UUID: uuid, Name: "gre3", Policy: all.Policy}}, "", "gre3 rule"},
		{Request{Verb: VerbKeep, Kept: pin}, "", "gre2 routes"},
		{Request{Verb: VerbForget, UUID: uuid}, "gre1", "gre1 forget"},
		{Request{Verb: VerbTry, Kept: kept(t, 1)}, "", "gre1 routes SNAT forwarding"},
		{Request{Verb: VerbTryByProfile, Kept: keep.Kept{UUID: uuid, Name: "gre2"}}, "gre1", "gre1 forget"},
		{Request{Verb: VerbForget, UUID: uuid}, "", uuid + " forget"},
		{Request{Verb: VerbForget, UUID: uuid}, "a b", uuid + " forget"},
		{Request{Verb: VerbConverge}, "", "all-tunnels converge"},
	}
	for _, c := range requests {
		q := c.r.question(t.Context(), c.files)
		if q.String() != c.asked {
			t.Errorf("asked %q, want %q", q, c.asked)
		}
		if line := "/usr/local/bin/nmgre helper " + q.String(); len(line) > 80 {
			t.Errorf("pkexec shortens %q", line)
		}
		parsed, err := ParseQuestion(q)
		if err != nil || !slices.Equal(parsed, q) {
			t.Errorf("%q is read as %q, %v", q, parsed, err)
		}
		for _, o := range requests {
			err := q.Covers(t.Context(), o.r, o.files)
			same := c.asked == o.asked || strings.HasSuffix(o.asked, "forget") && c.asked == uuid+" forget"
			if (err == nil) != same || err != nil && !errors.Is(err, fault.ErrInvalid) {
				t.Errorf("asked %q for %q: %v", q, o.asked, err)
			}
		}
	}
}

// Words that no request has are no question.
func TestQuestionRefused(t *testing.T) {
	for _, words := range []string{"", "gre1", "--help", "/etc/passwd routes", "gre1 routes /etc/passwd", "gre1 ROUTES", "all routes", "abcdefghijklmnop routes", "gre1 routes routes routes routes routes routes routes routes routes"} {
		if q, err := ParseQuestion(strings.Fields(words)); !errors.Is(err, fault.ErrInvalid) {
			t.Errorf("%q: %q, %v", words, q, err)
		}
	}
	for _, words := range [][]string{{"gre 1", "routes"}, {"gre1\n", "routes"}, {"gre1\x1b", "routes"}, {"gre1", "routes SNAT"}, {"", ""}} {
		if q, err := ParseQuestion(words); !errors.Is(err, fault.ErrInvalid) || fault.Printable(err.Error()) != err.Error() {
			t.Errorf("%q: %q, %v", words, q, err)
		}
	}
}
