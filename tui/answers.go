package tui

import (
	"errors"
	"net/netip"
	"slices"
	"strings"

	"nmgre"
	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// page is one of the forms.
type page int

// The pages, in their order.
const (
	pageEndpoints page = iota
	pageInner
	pageOptions
	pageRoutes
	pageForward
	formPages // how many there are
)

// formNames are what the pages are called.
var formNames = [formPages]string{"Endpoints", "Inner", "Options", "Routes", "SNAT"}

// host is what the answers have to know of the host, beyond its interfaces.
type host struct {
	tunnels []nmgre.Status // whose networks a new tunnel must not overlap
	version nm.Version     // of NetworkManager: it decides who holds a route
	names   routes.Names   // that the host has for routing tables and the like
}

// answers are the forms that say everything about one tunnel.
type answers struct {
	base  nm.Tunnel // the answers are put on top of it
	edit  bool      // base is there already, and is changed
	forms [formPages]*form

	host      func() host
	links     []kernel.Link // nil until they are known
	hop       *kernel.Hop   // the kernel's way to hopFor; nil if there is none
	hopFor    netip.Addr
	hopErr    error
	proposals []netip.Prefix

	submitted bool           // everything has been submitted once: every error is shown
	refusals  []*fault.Error // the host's, against the last submission
}

// newAnswers begins the forms of a new tunnel. known is asked whenever a note needs it.
func newAnswers(known func() host) *answers {
	a := &answers{base: nm.NewTunnel(), host: known}
	a.build(true)
	return a
}

// likeAnswers begins the forms of a new tunnel like one that is there.
func likeAnswers(t nm.Tunnel, known func() host) *answers {
	a := &answers{base: t, host: known}
	a.base.Name = ""
	a.build(false)
	return a
}

// editAnswers begins the forms of a change of a tunnel.
func editAnswers(t nm.Tunnel, known func() host) *answers {
	a := &answers{base: t, edit: true, host: known}
	a.build(false)
	return a
}

// changed carries on from a field whose value is another now, and says whether the kernel has to be
// asked for the way to the far end again.
func (a *answers) changed(f *field) (askWay bool) {
	a.forget(f.id)
	switch f.id {
	case "network":
		a.takeNetwork(f.value())
	case "route":
		a.forms[pageRoutes].grow(f.id)
	case "snat":
		a.forms[pageForward].grow(f.id)
	case "peer", "local", "mode":
		askWay = true
	}
	a.refresh()
	return askWay
}

// paste gives each line of a text a field of its own, on the page that is open.
func (a *answers) paste(open page, id, content string) {
	fm := a.forms[open]
	for _, ln := range strings.Split(content, "\n") {
		if ln = strings.TrimSpace(ln); ln == "" {
			continue
		}
		f := fm.current()
		f.setText(f.input.Value() + ln)
		f.touched = true
		fm.grow(id)
		fm.move(1)
	}
	a.refresh()
}

// takesLines says whether the field is one of several lines.
func takesLines(f *field) bool { return f.id == "route" || f.id == "snat" }

// wayQuery is the question for the way to the far end; false as long as there is nothing to ask.
func (a *answers) wayQuery() (q kernel.Query, ok bool) {
	t, _ := a.tunnel()
	if !t.Remote.IsValid() || t.Remote.IsUnspecified() || t.Remote.Is4In6() {
		return q, false
	}
	q.To = t.Remote
	if t.Local.IsValid() && !t.Local.IsUnspecified() && t.Local.Is4() == t.Remote.Is4() {
		q.From = t.Local
	}
	return q, true
}

// setWay takes the kernel's answer to the question.
func (a *answers) setWay(q kernel.Query, hop kernel.Hop, err error) {
	a.hopFor, a.hopErr, a.hop = q.To, err, &hop
	if err != nil {
		a.hop = nil
	}
	a.offer()
	a.refresh()
}

// setLinks takes the host's interfaces.
func (a *answers) setLinks(links []kernel.Link) {
	a.links = links
	a.offer()
	a.refresh()
}

// submit has every error shown, and forgets the host's refusals of the last submission.
func (a *answers) submit() {
	a.submitted, a.refusals = true, nil
	a.refresh()
}

// refuse shows the host's errors at their fields.
func (a *answers) refuse(err error) {
	for _, e := range problems(err) {
		if e.Field != "" {
			a.refusals = append(a.refusals, e)
		}
	}
	a.refresh()
}

// problem is the first field with an error, and its page; nil if there is none.
func (a *answers) problem() (page, *field) {
	for i, fm := range a.forms {
		if f := fm.problem(); f != nil {
			return page(i), f //nolint:gosec // a handful
		}
	}
	return 0, nil
}

// dirty says whether anything was typed.
func (a *answers) dirty() bool {
	for _, fm := range a.forms {
		if slices.ContainsFunc(fm.fields, (*field).dirty) {
			return true
		}
	}
	return false
}

// get is a field by its ID; of several the first.
func (a *answers) get(id string) *field {
	for _, fm := range a.forms {
		for _, f := range fm.fields {
			if f.id == id {
				return f
			}
		}
	}
	return nil
}

// value is what a field says; empty where these forms have no such field.
func (a *answers) value(id string) string {
	if f := a.get(id); f != nil {
		return f.value()
	}
	return ""
}

// refresh says at each field what its value leads to, and what is wrong.
func (a *answers) refresh() {
	t, bad := a.tunnel()
	a.enable(t)
	a.notes(t)
	for _, fm := range a.forms {
		for _, f := range fm.fields {
			f.problem, f.hint = "", ""
		}
	}
	for _, p := range bad {
		a.complain(p.at, p.err)
	}
	for _, e := range slices.Concat(t.Problems(), a.refusals) {
		a.complain(a.fieldOf(e), e)
	}
}

// complain shows an error at a field, unless the person has not been there yet.
func (a *answers) complain(f *field, e *fault.Error) {
	if f.touched || a.submitted {
		f.complain(e.What, flagless(e.Hint))
	}
}

// flagless turns a hint for the command line into one for a form.
func flagless(hint string) string {
	return strings.NewReplacer(" --", " ", "(--", "(").Replace(" " + hint)[1:]
}

// forget drops the host's refusals of a field's last value.
func (a *answers) forget(id string) {
	a.refusals = slices.DeleteFunc(a.refusals, func(e *fault.Error) bool { return e.Field == id || id == "network" && e.Field == "address" })
}

// fieldOf is the field that an error of the domain is about. Of several lines it is the one whose
// destination the error names; of none the far end's address.
func (a *answers) fieldOf(e *fault.Error) *field {
	var found *field
	for _, fm := range a.forms {
		for _, f := range fm.fields {
			if f.id != e.Field {
				continue
			}
			dst, _, _ := strings.Cut(f.value(), " ")
			dst, _, _ = strings.Cut(dst, "=")
			if found == nil || dst != "" && strings.Contains(e.What, dst) {
				found = f
			}
		}
	}
	if found == nil {
		return a.get("peer")
	}
	return found
}

// problems are the errors that were joined in err, as far as they are the workflow's.
func problems(err error) []*fault.Error {
	var one *fault.Error
	if joined, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // errors.Join's own type has no name
		if e, ok := err.(*fault.Error); ok { //nolint:errorlint // the error itself
			return []*fault.Error{e}
		}
		var list []*fault.Error
		for _, inner := range joined.Unwrap() {
			list = append(list, problems(inner)...)
		}
		return list
	}
	if errors.As(err, &one) {
		return []*fault.Error{one}
	}
	return nil
}
