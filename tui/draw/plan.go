package draw

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"nmgre/nm"
	"nmgre/nm/plan"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
)

// gone has the words that take a value away, by the flag.
var gone = sync.OnceValue(func() map[string]string {
	return map[string]string{"address": "none", "local": "auto", "mtu": "auto", "key": "none", "input-key": "none", "output-key": "none", "parent": "none", "controller": "none", "mac": "none", "flags": "none", "peer-address": "none", "route": "none", "rule": "none", "snat": "none", "zone": "none",
		"flow-label": "0", "encap-limit": strconv.Itoa(gre.DefaultEncapLimit)}
})

// EditCommand is the change as a command, in the words of a shell. A flag of a list has every entry
// that the list will have.
func EditCommand(name string, p plan.EditPlan) string {
	var words []string
	lists := map[string][]string{"address": texts(p.After.Addresses), "route": texts(p.After.Routes), "rule": texts(p.After.Rules), "snat": texts(p.After.SNAT), "peer-address": texts(p.After.Peers())}
	told := make(map[string]bool)
	for _, c := range p.Changes {
		if !p.After.Mode.IPv6Outer() && slices.Contains([]string{"encap-limit", "flow-label", "flags"}, c.Field) {
			continue // the mode takes them away
		}
		if c.Field == "peer" || c.Field == "peer-name" { // one flag has both
			c.Field, c.New = "peer", p.After.PeerFlag()
		}
		values := lists[c.Field]
		if len(values) == 0 {
			values = []string{cmp.Or(c.New, gone()[c.Field])}
		}
		for _, v := range values {
			if !told[c.Field] {
				words = append(words, "--"+c.Field+"="+v)
			}
		}
		told[c.Field] = true
	}
	return NameCommand("edit", name, words...)
}

// NameCommand is a command of nmgre's for a tunnel, in the words of a shell. A name may begin like
// a flag, and then stands last.
func NameCommand(verb, name string, flags ...string) string {
	words := append(strings.Fields("nmgre "+verb), name)
	if strings.HasPrefix(name, "-") {
		return fault.Shell(append(append(words[:len(words)-1], flags...), "--", name))
	}
	return fault.Shell(append(words, flags...))
}

func texts[T fmt.Stringer](list []T) []string {
	out := make([]string, len(list))
	for i, item := range list {
		out[i] = item.String()
	}
	return out
}

// PlanLines returns the notes of a plan, its steps, and the holder of each route.
func PlanLines(th Theme, p *plan.Plan, width int) []Line {
	lines := append(noteLines(th, p.Notes, width), stepLines(p.Steps, width)...)
	return append(lines, ownerLines(p.Routes, width)...)
}

func noteLines(th Theme, notes []string, width int) []Line {
	var lines []Line
	for _, note := range notes {
		st := Plain
		if strings.HasPrefix(note, "warning:") {
			st = Yellow
			note = th.Warn + " " + strings.TrimSpace(strings.TrimPrefix(note, "warning:"))
		}
		lines = append(lines, Wrapped(fault.Printable(note), width-1, " ", st)...)
	}
	if len(lines) > 0 {
		lines = append(lines, Text(""))
	}
	return lines
}

// stepLines are the plan's steps, with the commands that do the same.
func stepLines(steps []plan.Step, width int) []Line {
	var lines []Line
	for i, s := range steps {
		lines = append(lines, Wrapped(fmt.Sprintf("%d. %s", i+1, fault.Printable(s.What)), width-1, " ", Bold)...)
		if s.Why != "" {
			lines = append(lines, Wrapped(fault.Printable(s.Why), width-1, "    ", Dim)...)
		}
		for _, c := range s.Commands {
			lines = append(lines, Command(fault.Escaped(c), width-1, "    $ ")...)
		}
	}
	return append(lines, Text(""))
}

// maxOwners bounds how many routes are told one by one.
const maxOwners = 20

// ownerLines say who will hold each route.
func ownerLines(set []nm.Owned, width int) []Line {
	if len(set) == 0 {
		return nil
	}
	lines := []Line{Styled(" Who holds the routes:", Bold)}
	for i, o := range set {
		if i == maxOwners {
			lines = append(lines, Text(fmt.Sprintf("   and %d more", len(set)-maxOwners)))
			break
		}
		lines = append(lines, Wrapped(o.Route.String()+": "+HolderText(o), width-1, "   ", Plain)...)
	}
	return append(lines, Text(""))
}

// EditLines returns the differences, whether the tunnel stays up, and the steps.
func EditLines(th Theme, name string, e *plan.EditPlan, width int) []Line {
	var lines []Line
	for _, c := range e.Changes {
		lines = append(lines, Line{Bold.Of(" " + c.Field)})
		if c.Old != "" || !c.IsList() {
			lines = append(lines, Wrapped("- "+cmp.Or(fault.Printable(c.Old), "none"), width-1, "   ", Red)...)
		}
		if c.New != "" || !c.IsList() {
			lines = append(lines, Wrapped("+ "+cmp.Or(fault.Printable(c.New), "none"), width-1, "   ", Green)...)
		}
	}
	lines = append(lines, Text(""))
	say, st := th.Pass+" The tunnel stays up", Green
	if e.Flaps {
		say, st = th.Warn+" The tunnel goes down and comes up again", Yellow
	}
	if e.Why != "" {
		say += ": " + fault.Printable(e.Why)
	}
	lines = append(lines, Wrapped(say, width-1, " ", st)...)
	lines = append(lines, Text(""))
	lines = append(lines, noteLines(th, e.Notes, width)...)
	lines = append(lines, stepLines(e.Steps, width)...)
	lines = append(lines, Styled(" The same by one command:", Bold))
	return append(lines, Command(fault.Escaped(EditCommand(name, *e)), width-1, "   ")...)
}

// HolderText says who holds a route. It gives a reason where that is not NetworkManager.
func HolderText(o nm.Owned) string {
	if o.Owner != nm.OwnerKernel {
		return "NetworkManager, in the profile"
	}
	text := "nmgre, in the kernel"
	if o.Why != "" {
		text += ": " + fault.Printable(o.Why)
	}
	return text
}
