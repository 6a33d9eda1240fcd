package way

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"nmgre/nm/verify"
	"nmgre/nm/verify/place"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/tui/draw"
)

// state is the verdict on a place.
type state int

const (
	unknown state = iota
	works
	warned
	broken
)

// station is a place of the way as the picture has it.
type station struct {
	place  place.Place
	state  state
	likely bool     // its fault is the usual explanation of the evidence, and not proved
	vague  bool     // or it is somewhere behind it
	word   string   // the verdict in a word or two
	about  []string // addresses, devices and the like; each on a line, or beside one another
	lans   []string // the first networks there: as many are named as fit
	total  int      // how many there are
}

// stations are the places of the way, with the report on each.
func stations(v View) []station {
	var list []station
	first := Finding(v.report())
	for _, p := range place.Places() {
		s := station{place: p, about: about(v, p)}
		if p == place.Behind {
			s.lans, s.total = networks(v)
		}
		if slices.Contains(v.report().Works, p) {
			s.state = works
		}
		for i := range v.report().Checks {
			s.take(&v.report().Checks[i], first)
		}
		list = append(list, s)
	}
	for i := range list {
		list[i].word = list[i].inWords(v)
	}
	return list
}

// take notes a check that is about the place. The way breaks at one place only, that of the first
// finding: another fault is a warning, as the way may go on behind it.
func (s *station) take(c, first *verify.Check) {
	found := warned
	switch {
	case c.Place != s.place || c.Status != verify.Fail && c.Status != verify.Warn:
		return
	case c.Status == verify.Fail && c == first:
		found = broken
	}
	if found > s.state {
		s.state, s.likely, s.vague = found, c.Certainty == verify.Likely, place.IsVague(c.Cause)
	}
}

// Finding returns the check that says where the way breaks: the first that has failed with a cause,
// or has failed at all. If none has, it is the first warning. It returns nil if all is well.
func Finding(r verify.Report) *verify.Check {
	for _, so := range []func(verify.Check) bool{
		func(c verify.Check) bool { return c.Status == verify.Fail && c.Cause != "" },
		func(c verify.Check) bool { return c.Status == verify.Fail },
		func(c verify.Check) bool { return c.Status == verify.Warn && c.Cause != "" },
		func(c verify.Check) bool { return c.Status == verify.Warn },
	} {
		if i := slices.IndexFunc(r.Checks, so); i >= 0 {
			return &r.Checks[i]
		}
	}
	return nil
}

// deeds has the verb for each place that works. A far end that does not answer may still send.
var deeds = map[place.Place]string{place.ThisHost: "ready", place.OwnFirewall: "passes", place.TheWay: "carries", place.FarFirewall: "passes", place.FarEnd: "sends",
	place.Behind: "answers"}

// inWords gives the verdict on the place in a word or two.
func (s station) inWords(v View) string {
	switch {
	case s.state >= warned && s.vague:
		return "here or later"
	case s.state == broken && s.likely:
		return "likely here"
	case s.state == broken:
		return "breaks here"
	case s.state == warned && s.likely:
		return "perhaps here"
	case s.state == warned:
		return "warning"
	case s.state == works && s.place == place.FarEnd && v.answered():
		return "answers"
	case s.state == works:
		return deeds[s.place]
	case v.Running && v.Report == nil:
		return "not yet known"
	}
	return "not known"
}

// answered reports whether the far end has answered a probe.
func (v View) answered() bool {
	return slices.ContainsFunc(v.report().Checks, func(c verify.Check) bool {
		n, _ := c.Facts["answered"].(int)
		return c.ID == "probe" && (c.Status == verify.Pass || n > 0)
	})
}

// mark is the glyph of the place, and its style.
func (s station) mark(th draw.Theme) (string, draw.Style) {
	switch {
	case s.state == broken && s.likely:
		return likely, draw.Red
	case s.state == broken:
		return th.Fail, draw.Red
	case s.state == warned:
		return th.Warn, draw.Yellow
	case s.state == works:
		return th.Pass, draw.Green
	}
	return th.Inactive, draw.Dim
}

// likely marks a break that is not proved.
const likely = "?"

// about are the addresses and devices of a place.
func about(v View, p place.Place) []string {
	t := v.Tunnel
	switch p {
	case place.ThisHost:
		local := outer(t.Local)
		if !known(t.Local) {
			local = v.fact("source")
		}
		return lines(strings.TrimSpace(fault.Printable(t.Name)+" "+inner(t.Addresses)), labelled("outer ", local))
	case place.TheWay:
		return lines(byDevice(v.fact("device"), v.fact("gateway")), v.wayFinding())
	case place.FarEnd:
		peer := ""
		if t.PeerAddress.IsValid() {
			peer = fault.Printable(t.PeerAddress.String())
		}
		return lines(labelled("outer ", outer(t.Remote)), labelled("inner ", peer))
	default:
		return nil
	}
}

// known says whether an address is given.
func known(a netip.Addr) bool { return a.IsValid() && !a.IsUnspecified() }

// outer is an outer address, which may have a zone; it is empty if there is none.
func outer(a netip.Addr) string {
	if !known(a) {
		return ""
	}
	return fault.Printable(gre.OuterText(a))
}

// inner are the inner addresses.
func inner(list []netip.Prefix) string {
	if len(list) == 0 {
		return ""
	}
	return fault.Printable(draw.Prefixes(list))
}

// labelled puts a label before a text, unless there is none.
func labelled(label, text string) string {
	if text == "" {
		return ""
	}
	return label + text
}

// lines are the texts that are not empty.
func lines(texts ...string) []string {
	return slices.DeleteFunc(texts, func(s string) bool { return s == "" })
}

// byDevice says how packets leave this host.
func byDevice(dev, gateway string) string {
	switch {
	case dev == "":
		return ""
	case gateway == "":
		return "by " + dev
	}
	return "by " + dev + " via " + gateway
}

// fact is a field of the check of the way out, or empty. It was escaped when the check was made;
// once more does no harm.
func (v View) fact(name string) string {
	for _, c := range v.report().Checks {
		if c.ID == "underlay" {
			text, _ := c.Facts[name].(string)
			return fault.Printable(text)
		}
	}
	return ""
}

// wayFinding names the router that refuses the packets, if one does.
func (v View) wayFinding() string {
	c := Finding(v.report())
	if c == nil || c.Place != place.TheWay {
		return ""
	}
	by, _ := c.Facts["by"].(string)
	return labelled("refused by ", fault.Printable(by))
}

// mostNetworks is more networks than fit on any screen.
const mostNetworks = 40

// networks are the networks behind the far end: the first of them, and how many there are. There
// may be very many, which are not looked at in each frame.
func networks(v View) (names []string, total int) {
	total = len(v.Tunnel.Routes) + len(v.Kept)
	for _, list := range [][]routes.Route{v.Tunnel.Routes, v.Kept} {
		for _, r := range list[:min(len(list), mostNetworks-len(names))] {
			switch {
			case r.Dst.IsSingleIP() && r.Dst.Addr() == v.Tunnel.PeerAddress:
				total--
			case r.Dst.Bits() == 0:
				names = append(names, "everything")
			default:
				names = append(names, r.Dst.String())
			}
		}
	}
	if total == 0 {
		return []string{"no routes lead there"}, 1
	}
	return names, total
}

// some names as many of the networks as fit into the room, at least one, and counts the others.
func some(names []string, total, room int) (text string) {
	named := ""
	for i, name := range names {
		if i > 0 {
			named += ", "
		}
		named += name
		next := named
		if rest := total - i - 1; rest > 0 {
			next += fmt.Sprintf(" and %d more", rest)
		}
		if i > 0 && draw.Cells(next) > room {
			return text
		}
		text = next
	}
	return text
}
