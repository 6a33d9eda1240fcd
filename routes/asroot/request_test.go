package asroot

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"nmgre/routes/fault"
)

// text returns a request in its written form.
func text(t testing.TB, r Request) string {
	t.Helper()
	var b bytes.Buffer
	if err := r.write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// A written request is read back.
func TestRequestText(t *testing.T) {
	stamped := kept(t, 3)
	stamped.Stamp = "18446744073709551615-9223372036854775807-9223372036854775807-67108864"
	for _, r := range []Request{{Verb: VerbConverge}, {Verb: VerbForget, UUID: uuid}, {Verb: VerbKeep, Kept: kept(t, 3)}, {Verb: VerbKeep, Kept: stamped}} {
		got, err := ReadRequest(strings.NewReader(text(t, r)))
		if err != nil || fmt.Sprint(got) != fmt.Sprint(r) {
			t.Errorf("%v: %v", got, err)
		}
	}
	if got := text(t, Request{Verb: VerbForget, UUID: uuid}); got != "nmgre-request 2 forget "+uuid+"\n" {
		t.Errorf("%q", got)
	}
}

// zeros is an endless source of zeros, which counts those that are read.
type zeros struct{ read int }

func (z *zeros) Read(p []byte) (int, error) {
	clear(p)
	z.read += len(p)
	return len(p), nil
}

// A text that is not exactly a request is refused, with a short error and without reading on.
func TestRequestRefused(t *testing.T) {
	good := text(t, Request{Verb: VerbKeep, Kept: kept(t, 2)})
	header, body, _ := strings.Cut(good, "\n")
	withBody := func(body string) string { return fmt.Sprintf("nmgre-request 2 keep %d none\n%s", len(body), body) }
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", "does not begin with a line"},
		{"no end of line", "nmgre-request 2 converge", "does not begin with a line"},
		{"another format", "GET / HTTP/1.1\n", "does not begin with \"nmgre-request 2\""},
		{"another version", "nmgre-request 3 converge\n", "does not begin with \"nmgre-request 2\""},
		{"a long line", strings.Repeat("a", 1000) + "\n", "does not begin with a line"},
		{"no verb", "nmgre-request 2 \n", "is not known"},
		{"another verb", "nmgre-request 2 run /bin/sh\n", "\"run /bin/sh\" is not known"},
		{"converge and more", "nmgre-request 2 converge all\n", "is not known"},
		{"a space too many", "nmgre-request 2 converge \n", "is not known"},
		{"carriage return", "nmgre-request 2 converge\r\n", `converge\r`},
		{"forget without", "nmgre-request 2 forget\n", "is not known"},
		{"forget a path", "nmgre-request 2 forget ../../../../../../etc/shadow/aaaaaa\n", "is not known"},
		{"forget two", "nmgre-request 2 forget " + uuid + " " + uuid + "\n", "is not known"},
		{"bytes behind", "nmgre-request 2 converge\n\x00", "something follows"},
		{"a request behind", good + "nmgre-request 2 converge\n", "something follows"},
		{"a newline behind", good + "\n", "something follows"},
		{"cut short", good[:len(good)-1], "ends 1 bytes too early"},
		{"cut at a line", good[:strings.LastIndex(good[:len(good)-1], "\n")+1], "too early"},
		{"no body", header + "\n", "too early"},
		{"an empty body", withBody(""), "has no line \"version 1\""},
		{"no size", "nmgre-request 2 keep\n" + body, "is not a size"},
		{"a negative size", "nmgre-request 2 keep -1 none\n" + body, "is not a size"},
		{"a size with a sign", "nmgre-request 2 keep +10 none\n" + body, "is not a size"},
		{"a size with zeros", "nmgre-request 2 keep 010 none\n" + body, "is not a size"},
		{"too large", "nmgre-request 2 keep 8388609 none\n" + body, "is not a size"},
		{"far too large", "nmgre-request 2 keep 99999999999999999999 none\n" + body, "is not a size"},
		{"two stamps", header + " 1\n" + body, "is not the stamp"},
		{"no stamp", fmt.Sprintf("nmgre-request 2 keep %d\n%s", len(body), body), "is not the stamp"},
		{"a stamp of spaces", fmt.Sprintf("nmgre-request 2 keep %d  \n%s", len(body), body), "is not the stamp"},
		{"a stamp that is a path", fmt.Sprintf("nmgre-request 2 keep %d ../1\n%s", len(body), body), "is not the stamp"},
		{"a long stamp", fmt.Sprintf("nmgre-request 2 keep %d %s\n%s", len(body), strings.Repeat("1", maxStamp+1), body), "is not the stamp"},
		{"a path as UUID", withBody("version 1\nuuid ../../../etc/passwd\ninterface gre1\n"), "line 2"},
		{"a line that is no route", withBody(body + "route 10.0.0.0/8 dev eth0\n"), "dev\" does not belong here"},
		{"a line that is nothing", withBody(body + "exec /bin/sh\n"), "\"exec\" is not known"},
		{"zeros in it", withBody(body + "\x00\x00\n"), "is not known"},
		{"a later version", withBody("version 2\n"), "version"},
		{"no version", withBody("uuid " + uuid + "\n"), "version"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ReadRequest(strings.NewReader(c.text))
			if !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v", err)
			}
			if err != nil && fault.Printable(err.Error()) != err.Error() {
				t.Errorf("not printable: %q", err)
			}
		})
	}
	var z zeros
	if _, err := ReadRequest(&z); !errors.Is(err, fault.ErrInvalid) || z.read > 1<<16 {
		t.Errorf("zeros: %v after %d bytes", err, z.read)
	}
	big := io.MultiReader(strings.NewReader("nmgre-request 2 keep 8388608 none\n"), &z)
	if _, err := ReadRequest(big); !errors.Is(err, fault.ErrInvalid) || z.read > maxKept+1<<20 {
		t.Errorf("a keep of zeros: %v after %d bytes", err, z.read)
	}
	if _, err := ReadRequest(broken{}); !errors.Is(err, errBroken) {
		t.Errorf("a reader that fails: %v", err)
	}
}

// Without root there are bounds, which a caller is told before anybody is asked, and which the
// helper knows too. It weighs a text before it makes anything of it.
func TestRequestBounds(t *testing.T) {
	head := "version 1\nuuid " + uuid + "\ninterface gre1\n"
	many := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i>>16&255, i>>8&255, i&255)
		}
		return b.String()
	}
	for _, c := range []struct {
		name, body, want string
	}{
		{"as many routes as may be", many(maxRoutes, "route 10.%d.%d.%d/32\n"), ""},
		{"one more", many(maxRoutes+1, "route 10.%d.%d.%d/32\n"), "more than"},
		{"as many multipath routes as fit", many(100_000, "route 10.%d.%d.%d/32 nexthop via 172.16.0.2 nexthop dev gre2 weight 2\n"), ""},
		{"very many lines of nothing", strings.Repeat("\n", maxKept-len(head)), "more than"},
		{"short lines that become much", many(170_000, "route 10.%d.%d.%d rtt 1\n"), "more than"},
		{"many encapsulations", many(140_000, "route 10.%d.%d.%d encap ip id 1\n"), "more than"},
		{"many nexthops", many(1000, "route 10.%d.%d.%d"+strings.Repeat(" nexthop", 1000)+"\n"), "more than"},
		{"as many rules as may be", many(100, "inner 10.%d.%d.%d/32\n") + many(100, "snat 10.%d.%d.%d masquerade\n"), ""},
		{"too many rules", many(101, "inner 10.%d.%d.%d/32\n") + many(100, "snat 10.%d.%d.%d masquerade\n"), "10100 rules are more"},
	} {
		t.Run(c.name, func(t *testing.T) {
			body := head + c.body
			r, err := ReadRequest(strings.NewReader(fmt.Sprintf("nmgre-request 2 keep %d none\n%s", len(body), body)))
			if c.want == "" {
				if err == nil {
					err = r.fits()
				}
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, fault.ErrNotPermitted) || !strings.Contains(err.Error(), c.want) || !slices.Equal(fault.Hints(err), []string{fault.HintRoot}) {
				t.Errorf("%v, hints %q", err, fault.Hints(err))
			}
		})
	}
	k := kept(t, 1)
	for _, spoil := range []func(){
		func() { k.Routes = slices.Repeat(k.Routes, maxRoutes+1) },
		func() { k.Routes = slices.Repeat(k.Routes[:1], maxKept/60) },
	} {
		spoil()
		if _, err := keeper(t, "tell").Keep(t.Context(), k, nil); !errors.Is(err, fault.ErrNotPermitted) || !strings.Contains(err.Error(), "without root") {
			t.Errorf("a caller with %d routes: %v", len(k.Routes), err)
		}
	}
}

var errBroken = errors.New("broken")

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errBroken }

// Every text is refused, or is a request that is the same when it is written and read again.
func FuzzReadRequest(f *testing.F) {
	f.Add("nmgre-request 2 converge\n")
	f.Add("nmgre-request 2 forget " + uuid + "\n")
	f.Add(text(f, Request{Verb: VerbKeep, Kept: kept(f, 1)}))
	f.Add("nmgre-request 2 keep 10 any\nversion 1\n")
	f.Fuzz(func(t *testing.T, in string) {
		r, err := ReadRequest(strings.NewReader(in))
		if err != nil {
			if !errors.Is(err, fault.ErrInvalid) && !errors.Is(err, fault.ErrNotPermitted) {
				t.Errorf("%q: %v", in, err)
			}
			return
		}
		again, err := ReadRequest(strings.NewReader(text(t, r)))
		if err != nil && r.Verb == VerbKeep && (r.Kept.UUID == "" || r.Kept.Name == "") {
			return // a text that names no tunnel is refused later on
		}
		if err != nil || text(t, again) != text(t, r) {
			t.Errorf("%q becomes %q: %v", in, text(t, r), err)
		}
	})
}
