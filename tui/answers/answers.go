package answers

import (
	"errors"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"nmgre"
	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
	"nmgre/tui/form"
)

// Page is one of the forms.
type Page int

// The pages, in their order.
const (
	PageEndpoints Page = iota
	PageInner
	PageOptions
	PageRoutes
	PageForward
	Pages // the number of pages
)

// Names are the names of the pages.
var Names = [Pages]string{"Endpoints", "Inner", "Options", "Routes", "SNAT"}

// Host is everything that the answers need of the host, beyond its interfaces.
type Host struct {
	Tunnels []nmgre.Status // whose networks a new tunnel must not overlap
	Version nm.Version     // of NetworkManager: it decides who holds a route
	Names   routes.Names   // that the host has for routing tables and the like
}

// Answers are the forms that say everything about one tunnel.
type Answers struct {
	base  nm.Tunnel // the answers are put on top of it
	Edit  bool      // base is there already, and is changed
	Forms [Pages]*form.Form

	host      func() Host
	Links     []kernel.Link // nil until they are known
	Hop       *kernel.Hop   // the kernel's way to hopFor; nil if there is none
	hopFor    netip.Addr
	hopErr    error
	proposals []netip.Prefix
	otherErr  *fault.Error // of the answer about the other end
	found     named        // the far end's name, once it is looked up

	submitted bool           // everything has been submitted once: every error is shown
	refusals  []*fault.Error // the host's, against the last submission
}

// New begins the forms of a new tunnel. known is called whenever something needs the host.
func New(known func() Host) *Answers {
	a := &Answers{base: nm.NewTunnel(), host: known}
	a.build(true)
	return a
}

// Like begins the forms of a new tunnel like one that is there.
func Like(t nm.Tunnel, known func() Host) *Answers {
	a := &Answers{base: t, host: known}
	a.base.Name = ""
	a.build(false)
	return a
}

// Edit begins the forms of a change of the tunnel t.
func Edit(t nm.Tunnel, known func() Host) *Answers {
	a := &Answers{base: t, Edit: true, host: known}
	a.build(false)
	return a
}

// Changed must be called when the value of a field has changed. It says whether the kernel must be
// asked again for the way to the far end.
func (a *Answers) Changed(f *form.Field) (askWay bool) {
	a.forget(f.ID)
	switch f.ID {
	case other:
		a.otherErr, askWay = a.takeOther(f.Value()), true
	case "network":
		a.takeNetwork(f.Value())
	case "route", "rule":
		a.Forms[PageRoutes].Grow(f.ID)
	case "snat":
		a.Forms[PageForward].Grow(f.ID)
	case "peer", "local", "mode", "answer", "parent":
		askWay = true
	}
	a.Refresh()
	return askWay
}

// Paste gives each line of a text a field of its own, on the page that is open.
func (a *Answers) Paste(open Page, id, content string) {
	fm := a.Forms[open]
	for _, ln := range strings.Split(content, "\n") {
		if ln = strings.TrimSpace(ln); ln == "" {
			continue
		}
		f := fm.Current()
		f.AddText(ln)
		f.Touched = true
		fm.Grow(id)
		fm.Move(1)
	}
	a.Refresh()
}

// TakesLines says whether the field is one of several lines.
func TakesLines(f *form.Field) bool { return f.ID == "route" || f.ID == "rule" || f.ID == "snat" }

// WayQuery is the question to the kernel for the way to the far end. It is false while the far
// end's address is missing.
func (a *Answers) WayQuery() (q kernel.Query, ok bool) {
	t, _ := a.Tunnel()
	if !t.Remote.IsValid() || t.Remote.IsUnspecified() || t.Remote.Is4In6() {
		return q, false
	}
	q.To = t.Remote
	if t.Local.IsValid() && !t.Local.IsUnspecified() && t.Local.Is4() == t.Remote.Is4() {
		q.From = t.Local
	}
	if !keep.IsUUID(t.Parent) {
		q.Dev = t.Parent
	}
	return q, true
}

// SetWay takes the kernel's answer to the question.
func (a *Answers) SetWay(q kernel.Query, hop kernel.Hop, err error) {
	a.hopFor, a.hopErr, a.Hop = q.To, err, &hop
	if err != nil {
		a.Hop = nil
	}
	a.offer()
	a.Refresh()
}

// SetLinks takes the host's interfaces.
func (a *Answers) SetLinks(links []kernel.Link) {
	a.Links = links
	a.offer()
	a.Refresh()
}

// Submit makes every error visible, and forgets the host's refusals of the last submission.
func (a *Answers) Submit() {
	a.submitted, a.refusals = true, nil
	a.Refresh()
}

// Refuse shows the host's errors at their fields.
func (a *Answers) Refuse(err error) {
	for _, e := range Problems(err) {
		if e.Field != "" {
			a.refusals = append(a.refusals, e)
		}
	}
	a.Refresh()
}

// Problem is the first field with an error, and its page; nil if there is none.
func (a *Answers) Problem() (Page, *form.Field) {
	for i, fm := range a.Forms {
		if f := fm.Problem(); f != nil {
			return Page(i), f //nolint:gosec // a handful
		}
	}
	return 0, nil
}

// Dirty says whether anything was typed.
func (a *Answers) Dirty() bool {
	for _, fm := range a.Forms {
		if slices.ContainsFunc(fm.Fields, (*form.Field).Dirty) {
			return true
		}
	}
	return false
}

// get is a field by its ID; of several the first.
func (a *Answers) get(id string) *form.Field {
	for _, fm := range a.Forms {
		for _, f := range fm.Fields {
			if f.ID == id {
				return f
			}
		}
	}
	return nil
}

// value is the value of a field; empty if these forms have no such field.
func (a *Answers) value(id string) string {
	if f := a.get(id); f != nil {
		return f.Value()
	}
	return ""
}

// Refresh sets the note and the error of each field.
func (a *Answers) Refresh() {
	t, bad := a.Tunnel()
	a.enable(t)
	a.notes(t)
	for _, fm := range a.Forms {
		for _, f := range fm.Fields {
			f.Problem, f.Hint = "", ""
		}
	}
	for _, p := range bad {
		a.complain(p.at, p.err)
	}
	for _, e := range slices.Concat(t.Problems(), a.refusals) {
		a.complain(a.FieldOf(e), e)
	}
	if a.otherErr != nil {
		a.complain(a.get(other), a.otherErr)
	}
	if e := a.whichPeer(t); e != nil {
		a.complain(a.get("peer-address"), e)
	}
}

// complain shows an error at a field, unless the person has not been there yet.
func (a *Answers) complain(f *form.Field, e *fault.Error) {
	if f.Touched || a.submitted {
		f.Complain(e.What, flagless(e.Hint))
	}
}

var flagOfExample = regexp.MustCompile(`such as --[a-z-]+ `)

// flagless turns a hint for the command line into one for a form.
func flagless(hint string) string {
	hint = flagOfExample.ReplaceAllString(hint, "such as ")
	return strings.NewReplacer(" --", " ", "(--", "(").Replace(" " + hint)[1:]
}

// forget drops the host's refusals of a field's last value.
func (a *Answers) forget(id string) {
	a.refusals = slices.DeleteFunc(a.refusals, func(e *fault.Error) bool { return e.Field == id || id == "network" && e.Field == "address" })
}

// FieldOf is the field that an error is about. Among several lines it is the one whose destination
// the error names. An error about no field is the far end address's.
func (a *Answers) FieldOf(e *fault.Error) *form.Field {
	var found *form.Field
	for _, fm := range a.Forms {
		for _, f := range fm.Fields {
			if f.ID != e.Field {
				continue
			}
			dst, _, _ := strings.Cut(f.Value(), " ")
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

// Problems are the errors of the workflow that were joined in err.
func Problems(err error) []*fault.Error {
	var one *fault.Error
	if joined, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // errors.Join's own type has no name
		if e, ok := err.(*fault.Error); ok { //nolint:errorlint // the error itself
			return []*fault.Error{e}
		}
		var list []*fault.Error
		for _, inner := range joined.Unwrap() {
			list = append(list, Problems(inner)...)
		}
		return list
	}
	if errors.As(err, &one) {
		return []*fault.Error{one}
	}
	return nil
}

// Whole is the tunnel with everything that root keeps for it, as it would be asked for.
func Whole(s nmgre.Status) nm.Tunnel { return s.Tunnel.WithKept(s.Kept) }
