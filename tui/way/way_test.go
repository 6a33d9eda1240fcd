package way

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"nmgre/nm"
	"nmgre/nm/verify"
	"nmgre/nm/verify/cause"
	"nmgre/nm/verify/place"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/testdata/want"
	"nmgre/tui/draw"
)

// sizes are the sizes of the tab's window: on a screen of 80 by 24, a wide one, and the smallest.
var sizes = []struct {
	name          string
	width, height int
	ascii         bool
}{{"80x24", 76, 18, false}, {"160x40", 100, 34, false}, {"40x15", 38, 9, false}, {"52x40", 48, 34, false}, {"80x24, ASCII", 76, 18, true}}

// A case is a report on a tunnel, a line each, and the drawing of it at each size. The lines below
// the line of dots are seen by scrolling only.
func TestLines(t *testing.T) {
	want.Cases(t, "way", 20, func(t *testing.T, input string) string {
		v := readView(t, input)
		text := ""
		for _, size := range sizes {
			text += "== " + size.name + "\n" + shown(t, draw.NewTheme(false, size.ascii), v, size.width, size.height)
		}
		return text + "== in words\n" + Sentence(v) + "\n"
	})
}

// shown prints the lines, and checks that they fit.
func shown(t *testing.T, th draw.Theme, v View, width, height int) string {
	t.Helper()
	var b strings.Builder
	for i, ln := range Lines(th, v, width, height) {
		if i == height {
			b.WriteString(strings.Repeat(".", width) + "\n")
		}
		text := ln.Plain()
		if draw.Cells(text) > width {
			t.Errorf("a line has %d cells, more than %d: %q", draw.Cells(text), width, text)
		}
		b.WriteString(strings.TrimRight(text, " ") + "\n")
	}
	return b.String()
}

// readView reads a case.
func readView(t *testing.T, input string) View {
	t.Helper()
	tunnel := nm.NewTunnel()
	tunnel.Name, tunnel.Local, tunnel.Remote, tunnel.MTU = "gre1", want.Addr("100.0.1.100"), want.Addr("100.0.2.100"), 1476
	tunnel.Addresses, tunnel.PeerAddress = want.CIDRs("172.16.0.1/30"), want.Addr("172.16.0.2")
	tunnel.Routes = []routes.Route{routes.MustParse("10.10.2.0/24")}
	r := &verify.Report{Tunnel: "gre1", Verdict: verify.Pass}
	v := View{Tunnel: tunnel, Report: r, At: time.Date(2026, 11, 25, 12, 30, 0, 0, time.UTC), Keys: true}
	for line := range strings.Lines(input) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		readWord(t, &v, r, word, strings.Fields(rest), rest)
	}
	return v
}

// readWord reads one line of a case.
func readWord(t *testing.T, v *View, r *verify.Report, word string, args []string, rest string) {
	t.Helper()
	var c *verify.Check
	if n := len(r.Checks); n > 0 {
		c = &r.Checks[n-1]
	}
	if s, err := strconv.Unquote(rest); err == nil {
		rest = s
	}
	switch word {
	case "#":
	case "name":
		v.Tunnel.Name = rest
	case "local":
		v.Tunnel.Local = address(rest)
	case "remote":
		v.Tunnel.Remote = address(rest)
	case "address":
		v.Tunnel.Addresses = want.CIDRs(args...)
	case "peer":
		v.Tunnel.PeerAddress = address(rest)
	case "routes":
		v.Tunnel.Routes = nil
		for _, arg := range args {
			v.Tunnel.Routes = append(v.Tunnel.Routes, routes.MustParse(arg))
		}
	case "works":
		for _, arg := range args {
			r.Works = append(r.Works, place.Place(arg))
		}
	case "pass", "skip", "warn", "fail":
		addCheck(t, r, verify.Check{ID: args[0], Status: verify.Verdict(word), Certainty: verify.Proved}, args[1:])
	case "summary":
		c.Summary = rest
	case "seen":
		c.Evidence = rest
	case "hint":
		c.Hint = rest
	case "advice":
		c.Advice = rest
	case "place": // "place" alone is none
		c.Place = place.Place(strings.Join(args, ""))
	case "fact":
		c.Facts[args[0]] = strings.TrimPrefix(rest, args[0]+" ")
	case "evidence":
		v.Evidence = true
	case "running":
		v.Running, v.SoFar = true, r.Checks
	case "first": // there is no report yet
		v.Report = nil
	case "error":
		v.Report, v.Err = nil, errors.New(rest)
	default:
		t.Fatalf("the case has an unknown line %q", word)
	}
}

// address reads an address; "none" is none.
func address(text string) netip.Addr {
	a, _ := netip.ParseAddr(text)
	return a
}

// addCheck adds a check, with the cause and the certainty that args have. Its place is that of the
// cause, or this host.
func addCheck(t *testing.T, r *verify.Report, c verify.Check, args []string) {
	t.Helper()
	c.Facts = verify.Facts{}
	if c.Status == verify.Warn || c.Status == verify.Fail {
		c.Place = place.ThisHost
	}
	for _, arg := range args {
		if arg == string(verify.Likely) {
			c.Certainty = verify.Likely
			continue
		}
		c.Cause, c.Place = arg, placeOf(arg)
		if c.Place == "" {
			t.Fatalf("there is no cause %s", arg)
		}
	}
	r.Checks = append(r.Checks, c)
	if c.Status == verify.Fail || c.Status == verify.Warn && r.Verdict != verify.Fail {
		r.Verdict = c.Status
	}
}

func placeOf(id string) place.Place {
	for _, c := range cause.Causes() {
		if c.ID == id {
			return place.Of(c.ID)
		}
	}
	return ""
}

// Each cause is marked at its place, and nowhere else: firmly if it is proved, and with another
// mark if it is not. Nothing is said of the places behind it.
func TestEachCauseIsMarked(t *testing.T) {
	th := draw.NewTheme(false, false)
	for _, c := range cause.Causes() {
		for _, certainty := range []verify.Certainty{verify.Proved, verify.Likely} {
			r := &verify.Report{Verdict: verify.Fail, Checks: []verify.Check{{ID: "probe", Status: verify.Fail, Certainty: certainty, Cause: c.ID, Place: place.Of(c.ID), Summary: c.Means}}}
			glyph, word := th.Fail, "breaks here"
			if certainty == verify.Likely {
				glyph, word = likely, "likely here"
			}
			if place.IsVague(c.ID) {
				word = "here or later"
			}
			lines := Picture(th, View{Report: r}, 76, true)
			for i, p := range place.Places() {
				mark, known := " "+th.Inactive+" ", "not known"
				if p == place.Of(c.ID) {
					mark, known = " "+glyph+" ", word
				}
				if text := lines[i].Plain(); !strings.HasPrefix(text, mark+p.Words()) || !strings.Contains(text, known) {
					t.Errorf("%s (%s): %q, want the mark %q and %q", c.ID, certainty, text, mark, known)
				}
			}
		}
	}
}

// The command that is copied is that of the first finding: the one that mends, and otherwise the
// one that makes the far end.
func TestCommands(t *testing.T) {
	mending := verify.Check{Status: verify.Fail, Cause: "key-mismatch", Facts: verify.Facts{"mend_here": "here", "mend_there": "there", "make_there": "make"}}
	making := verify.Check{Status: verify.Fail, Cause: "far-no-gre", Facts: verify.Facts{"make_there": "make"}}
	warning := verify.Check{Status: verify.Warn, Cause: "ttl-inherit", Facts: verify.Facts{"mend_here": "ttl"}}
	for _, tc := range []struct {
		checks      []verify.Check
		here, there string
	}{
		{nil, "", ""}, {[]verify.Check{{Status: verify.Pass}}, "", ""}, {[]verify.Check{warning, mending}, "here", "there"},
		{[]verify.Check{{Status: verify.Fail, Hint: "no cause"}, making}, "", "make"}, {[]verify.Check{warning}, "ttl", ""},
		{[]verify.Check{{Status: verify.Warn, Facts: verify.Facts{"mend_here": 7}}}, "", ""},
	} {
		if here, there := Commands(verify.Report{Checks: tc.checks}); here != tc.here || there != tc.there {
			t.Errorf("%v: %q and %q, want %q and %q", tc.checks, here, there, tc.here, tc.there)
		}
	}
}

// A tunnel with very many routes names the first, and counts the others, in each frame anew.
func TestVeryManyNetworks(t *testing.T) {
	v := View{Tunnel: nm.Tunnel{Routes: []routes.Route{routes.MustParse("10.10.2.0/24")}}, Kept: make([]routes.Route, 1_000_000)}
	for i := range mostNetworks + 1 {
		v.Kept[i] = routes.MustParse(fmt.Sprintf("10.20.%d.0/24", i))
	}
	allocations := testing.AllocsPerRun(5, func() {
		names, total := networks(v)
		if got := some(names, total, 60); got != "10.10.2.0/24, 10.20.0.0/24, 10.20.1.0/24 and 999998 more" {
			t.Errorf("%q", got)
		}
	})
	if allocations > 10*mostNetworks {
		t.Errorf("%v allocations", allocations)
	}
}

// FuzzLines gives every text of a report to an attacker. Nothing in it acts on the terminal, and no
// line is wider than the screen.
func FuzzLines(f *testing.F) {
	f.Add("gre1", "the far end's firewall rejects GRE", "sudo firewall-cmd --add-protocol=gre", 76, 18, false)
	f.Add("\x1b[2J\u202e", "\x9b31m\xff", "echo '\r\n'; \x07", 1, 0, true)
	f.Add("隧道隧道隧道隧道隧道", strings.Repeat("長", 300), "", 20, 3, true)
	f.Fuzz(func(t *testing.T, name, text, command string, width, height int, evidence bool) {
		if width < 1 || width > 300 || len(name)+len(text)+len(command) > 3000 {
			return
		}
		tunnel := nm.NewTunnel()
		tunnel.Name, tunnel.Remote = name, netip.MustParseAddr("fe80::1").WithZone(name)
		facts := verify.Facts{"mend_here": command, "make_there": command, "device": text, "gateway": text, "by": text}
		r := &verify.Report{Verdict: verify.Verdict(text), Works: []place.Place{place.Place(text), place.TheWay}, Checks: []verify.Check{
			{ID: "underlay", Status: verify.Warn, Place: place.Place(text), Summary: text, Evidence: text, Hint: text, Facts: facts},
			{ID: "probe", Status: verify.Fail, Place: place.TheWay, Cause: text, Certainty: verify.Certainty(text), Summary: text, Evidence: text, Hint: text, Advice: text, Facts: facts},
		}}
		v := View{Tunnel: tunnel, Report: r, Evidence: evidence, Err: fmt.Errorf("%s", text), Keys: true}
		th := draw.NewTheme(false, false)
		for _, ln := range append(Lines(th, v, width, height), draw.Text(Sentence(v))) {
			for _, s := range ln {
				if !fault.IsPrintable(s.Text) {
					t.Fatalf("it shows %q", s.Text)
				}
			}
		}
	})
}
