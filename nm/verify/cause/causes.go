package cause

import (
	"slices"
	"strings"

	"nmgre/nm/verify/place"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// Cause is one reason why a tunnel does not work, or works less well than it could. The pages of
// the manual are made from it.
type Cause struct {
	ID        string    // stable, such as "key-mismatch"; the JSON form of a check has it
	Certainty Certainty // how far its evidence proves it
	Means     string    // its meaning, and how it shows, in a sentence or two
	See       string    // how a person sees it: commands, joined by semicolons
}

// Causes returns all causes in the order in which they are looked for: those of this host, of the
// way, and of the far end. The last ones are warnings about tunnels that work.
func Causes() []Cause {
	var list []Cause
	for _, r := range causes() {
		list = append(list, r.Cause)
	}
	return list
}

// causes is the whole table, each cause once: with other evidence it may have another row.
func causes() (list []row) {
	seen := make(map[string]bool)
	for _, r := range slices.Concat(shadowed, setupCauses, underlayCauses, probeCauses, mtuCauses, morePeersCauses, behindCauses, snatCauses, warnings) {
		if !seen[r.ID] {
			list = append(list, r)
		}
		seen[r.ID] = true
	}
	return list
}

// row is a line of the table: the evidence that tells a cause, and the words for it. It is pure.
type row struct {
	Cause
	warns bool // the tunnel may be used all the same
	fails bool // it may not, although the far end answers, or does not exist yet
	// stops says that nothing can leave this host. A new tunnel with such a cause is undone;
	// anything else about the far end can be mended when the tunnel is there.
	stops  bool
	anyway bool // it counts although the far end answers
	when   func(ev Evidence) bool
	// counter is the kernel's counter that shows it, also among packets that get through; nil if
	// there is none.
	counter func(d kernel.Counters) uint64
	tell    func(ev Evidence) said
}

// said is a cause in words, about one tunnel.
type said struct {
	summary, evidence string
	advice            string // a remedy that is no command
	here, there       string // a command that mends it, on this host or on the far end
	create            string // the command that makes the far end
	facts             Facts
}

// Finding is a cause that the evidence tells, in words about one tunnel.
type Finding struct {
	Cause
	Warns bool        // the tunnel may be used all the same; otherwise it fails
	At    place.Place // where the fault is, or begins

	Summary  string // the fault, in a sentence
	Evidence string // the observation behind it
	Hint     string // the remedy; empty if there is none
	Advice   string // the part of the hint that is no command
	Facts    Facts  // the fields of the evidence
}

// OfUnderlay returns the fault of the way to the far end, as this host's kernel knows it before
// anything is sent. It returns nil if there is none.
func OfUnderlay(ev Evidence) *Finding { return firstOf(underlayCauses, ev) }

// OfProbe returns the fault that the answers to a probe show, or their absence. It returns nil if
// there is none.
func OfProbe(ev Evidence) *Finding { return firstOf(probeCauses, ev) }

// OfMTU returns why large packets do not get through, or nil.
func OfMTU(ev Evidence) *Finding { return firstOf(mtuCauses, ev) }

// OfBehind returns why ev.Behind is not reached from every source, or nil. The far end itself
// answers.
func OfBehind(ev Evidence) *Finding { return firstOf(behindCauses, ev) }

// OfNetwork returns why packets to ev.Behind.Network may get nowhere, or nil.
func OfNetwork(ev Evidence) *Finding { return firstOf(networkCauses, ev) }

// Warning returns the fault with that ID of a tunnel that works. It returns nil if the fault is not
// there.
func Warning(id string, ev Evidence) *Finding {
	for _, r := range warnings {
		if r.ID == id && r.when(ev) {
			return r.find(ev)
		}
	}
	return nil
}

// OfCounters returns the fault that the counters show although probes are answered, or nil.
func OfCounters(ev Evidence) *Finding {
	for _, r := range probeCauses {
		if r.counter != nil && r.counter(ev.Grew) > 0 {
			return r.find(ev)
		}
	}
	return nil
}

// firstOf returns the first finding of the table whose evidence is there. It returns nil if there
// is none.
func firstOf(table []row, ev Evidence) *Finding {
	for _, r := range table {
		if (ev.Probe.Received == 0 || r.anyway) && r.when(ev) {
			return r.find(ev)
		}
	}
	return nil
}

// find tells the cause in words.
func (r row) find(ev Evidence) *Finding {
	s := r.tell(ev)
	f := &Finding{Cause: r.Cause, At: r.at(ev), Summary: s.summary, Evidence: s.evidence, Hint: s.hint(), Advice: s.advice, Facts: s.facts.With(s.commands())}
	f.Warns = r.warns || !r.fails && (ev.Probe.Received > 0 || ev.BeforeSave && !r.stops)
	return f
}

// commands are those that mend it, as fields of the evidence.
func (s said) commands() Facts {
	list := make(Facts)
	for name, command := range map[string]string{"mend_here": s.here, "mend_there": s.there, "make_there": s.create} {
		if command != "" {
			list[name] = command
		}
	}
	return list
}

// far says where to type the command for the far end, and explains its placeholder.
func (s said) far() string {
	if strings.Contains(s.there, "TUNNEL") {
		return "on the far end, where TUNNEL is the tunnel's own name: "
	}
	return "on the far end: "
}

// hint joins the advice and the commands.
func (s said) hint() string {
	var commands []string
	for _, c := range []struct{ where, command string }{
		{"on this host: ", s.here}, {s.far(), s.there}, {"if the far end does not exist yet, make it there: ", s.create},
	} {
		if c.command != "" {
			commands = append(commands, c.where+c.command)
		}
	}
	return fault.Joined(s.advice, strings.Join(commands, "; or "))
}
