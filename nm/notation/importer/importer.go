// Package importer reads an input in another notation: it decides which notation it is, which of
// its tunnels this host makes, and the fate of each of its lines. It is pure, and changes nothing.
package importer

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"

	"nmgre/nm"
	"nmgre/nm/notation"
	"nmgre/nm/notation/every"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
)

// MaxInput is the largest input, in bytes.
const MaxInput = 16 << 20

// An input with more lines than fewLines has at least shortLine bytes a line on average. This
// bounds the memory that is spent on an input by its length.
const (
	fewLines  = 1000
	shortLine = 8
)

// Options are the user's choices.
type Options struct {
	From string // the notation's name; empty to recognise it
	Far  bool   // the input is of the far end: this end is its mirror
	// Strict refuses an input with a line that is not possible.
	Strict bool
	Names  routes.Names // this host's names for tables and the like
	// Held says whether this host has an address. It is nil where nobody knows.
	Held func(netip.Addr) bool
}

// Import has the tunnels of an input, and the fates of its lines.
type Import struct {
	Kind    *notation.Kind
	Lines   []notation.Line // those that are not empty and no comment
	Tunnels []nm.Tunnel     // each passes [nm.Tunnel.Validate]
	Notes   []string
	begins  []int // for each tunnel, the index of the line that begins it
}

// Beside returns the names of the files that belong to one with that name and text, in its folder.
func Beside(name, text string) []string {
	base := path.Base(name)
	if dev, found := strings.CutPrefix(base, "ifcfg-"); found {
		return besideIfcfg(dev, text)
	}
	if stem, found := strings.CutSuffix(base, ".netdev"); found {
		return []string{stem + ".network"}
	}
	if stem, found := strings.CutSuffix(base, ".network"); found {
		return []string{stem + ".netdev"}
	}
	return nil
}

// besideIfcfg are the files that belong to ifcfg-NAME. RHEL's may be named after the file, and
// after the device that its text has.
func besideIfcfg(name, text string) []string {
	names := []string{"keys-" + name, "ifroute-" + name, "ifrule-" + name, name + ".route"}
	devices := []string{name}
	for line := range strings.Lines(text) {
		dev, found := strings.CutPrefix(strings.TrimSpace(line), "DEVICE=")
		if dev = strings.Trim(dev, "\"'"); found && routes.IsDevice(dev) && dev != name {
			devices = append(devices, dev)
			break
		}
	}
	for _, dev := range devices {
		names = append(names, "route-"+dev, "route6-"+dev, "rule-"+dev, "rule6-"+dev)
	}
	return names
}

// Join makes one input of a file and those beside it.
func Join(names, texts []string) string {
	var b strings.Builder
	for i, text := range texts {
		fmt.Fprintf(&b, "%s%s\n%s", notation.FileMark, strings.ReplaceAll(path.Base(names[i]), "\n", " "), text)
		if !strings.HasSuffix(text, "\n") {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// Recognise returns the notation of a text. It fails with [fault.ErrInvalid] if no notation has the
// most lines of its own.
func Recognise(text string) (*notation.Kind, error) {
	var best *notation.Kind
	most, twice := 0, false
	for _, k := range every.Kinds() {
		if k.Read == nil || k.Looks == nil {
			continue
		}
		switch n := k.Looks(text); {
		case n > most:
			best, most, twice = k, n, false
		case n == most && n > 0:
			twice = true
		}
	}
	if best == nil || twice {
		return nil, fault.Invalid("from", "say which notation it is: --from "+strings.Join(every.Names(true), ", "), "the input looks like no notation that nmgre reads")
	}
	return best, nil
}

// Read reads an input. With an error it returns the lines as far as they were read. Errors are
// [fault.ErrInvalid], joined if there are several, each with its line.
func Read(text string, opts Options) (Import, error) {
	if len(text) > MaxInput {
		return Import{}, fault.Invalid("", "split the input", "the input has more than %d bytes", MaxInput)
	}
	if n := strings.Count(text, "\n"); n > fewLines && len(text) < shortLine*n {
		return Import{}, fault.Invalid("", "give the file itself", "the input has %d lines with hardly a word in them: no notation is so", n)
	}
	var kind *notation.Kind
	var err error
	if opts.From != "" {
		kind, err = every.Find("from", opts.From)
	} else {
		kind, err = Recognise(text)
	}
	if err != nil {
		return Import{}, err
	}
	r := notation.NewReading(text)
	r.Names, r.Far = opts.Names, opts.Far
	kind.Read(r)
	r.Settle()
	d := &decision{Import: Import{Kind: kind}, r: r, opts: opts}
	err = d.decide()
	d.keepRead()
	return d.Import, err
}

// decision is an import while it is decided.
type decision struct {
	Import
	r        *notation.Reading
	opts     Options
	problems fault.List
}

func (d *decision) decide() error {
	d.choose()
	if d.opts.Far {
		d.mirror()
	}
	seen := map[string]int{}
	for _, f := range d.r.Tunnels {
		d.check(f, seen)
	}
	d.ttlNote()
	if d.opts.Strict {
		for _, line := range d.r.Lines {
			if line.Fate == notation.NotPossible {
				d.problem(line.N, "strict", "leave --strict out, or mend the line", "%s", line.Why)
			}
		}
	}
	if len(d.r.Tunnels) == 0 && len(d.problems) == 0 {
		d.problem(d.firstImpossible(), "", "the lines say why nothing of them is a tunnel; --from says which notation it is", "there is no GRE tunnel in the input, as %s", d.Kind.Title)
	}
	return d.problems.Err()
}

// firstImpossible is the first line that is not possible, or 0.
func (d *decision) firstImpossible() int {
	for _, line := range d.r.Lines {
		if line.Fate == notation.NotPossible {
			return line.N
		}
	}
	return 0
}

func (d *decision) problem(line int, field, hint, format string, args ...any) {
	e := fault.Invalid(field, hint, format, args...)
	e.Line = line
	d.problems.Add(e)
}

// choose leaves the far end's tunnel out where the input has both ends.
func (d *decision) choose() {
	var far []*notation.Found
	for i, a := range d.r.Tunnels {
		for _, b := range d.r.Tunnels[i+1:] {
			if !isMirror(a, b) {
				continue
			}
			d.compare(a, b)
			switch held := d.opts.Held; {
			case held == nil, held(a.Local) == held(b.Local):
				d.problem(d.line(b), "", "import each end on its own host", "lines %d and %d are the two ends of one tunnel, and this host has the outer address of neither or of both", d.line(a), d.line(b))
			case held(a.Local):
				far = append(far, b)
			default:
				far = append(far, a)
			}
		}
	}
	for _, f := range far {
		d.leaveOut(f)
	}
	d.r.Tunnels = slices.DeleteFunc(d.r.Tunnels, func(f *notation.Found) bool { return slices.Contains(far, f) })
}

// leaveOut marks the lines of a far end's tunnel, up to the next one.
func (d *decision) leaveOut(f *notation.Found) {
	end := len(d.r.Lines)
	for _, other := range d.r.Tunnels {
		if other.At > f.At {
			end = min(end, other.At)
		}
	}
	for i := f.At; i < end; i++ {
		if d.r.Lines[i].Fate == notation.Taken {
			d.r.Skip(i, "it is the far end's: this host does not have %s", f.Local)
		}
	}
}

// isMirror says whether b is the other end of a.
func isMirror(a, b *notation.Found) bool {
	return a.Local.IsValid() && a.Local != a.Remote && a.Local == b.Remote && b.Local == a.Remote && gre.SameKey(a.InputKey, b.OutputKey)
}

// compare notes the fields in which the two ends of an input do not agree.
func (d *decision) compare(a, b *notation.Found) {
	l := notation.Link{Near: notation.End{Tunnel: a.Tunnel}, Far: notation.End{Tunnel: b.Tunnel}}
	for _, differ := range l.Differences() {
		d.problem(d.line(b), differ.Field, "each end is the mirror of the other", "%s", differ.What)
	}
}

func (d *decision) line(f *notation.Found) int { return d.r.Lines[f.At].N }

// mirror turns each tunnel, which is the far end's, into this end's.
func (d *decision) mirror() {
	for _, f := range d.r.Tunnels {
		for _, route := range f.Routes {
			d.Notes = append(d.Notes, fmt.Sprintf("the far end's route to %s leads to this host's side, so this end does not need it", route.Dst))
		}
		var lans []netip.Prefix
		for _, p := range d.r.Networks {
			if !p.Contains(f.Local) {
				lans = append(lans, p.Masked())
			}
		}
		far := f.FarEnd(lans)
		if far.Missing != "" {
			d.problem(d.line(f), "far", "give this end by hand: nmgre create", "this end is not known: %s", far.Missing)
			continue
		}
		if len(lans) == 0 {
			d.Notes = append(d.Notes, "the input does not say which networks are behind the far end: add them with nmgre route add "+fault.Operand(f.Name)+" NETWORK")
		}
		far.Name = f.Name
		f.Tunnel = far.Tunnel
		d.Notes = append(d.Notes, far.Notes...)
	}
}

// check checks a tunnel by itself, and against those before it.
func (d *decision) check(f *notation.Found, seen map[string]int) {
	line := d.line(f)
	if f.Refuse != "" {
		field, what, _ := strings.Cut(f.Refuse, ": ")
		d.problem(line, field, "take the tunnel out of the input, or make it without", "%s: %s", fault.Printable(f.Name), what)
		return
	}
	for _, miss := range f.NoTables {
		at := d.r.Lines[miss.At]
		d.problem(at.N, miss.Field, "write its number, or give it a name in /etc/iproute2/rt_tables", "%s%s: this host has no table %s", d.file(at), fault.Printable(f.Name), notation.Word(miss.Name))
	}
	for _, one := range fault.Split(f.Validate()) {
		e := &fault.Error{Kind: fault.ErrInvalid, Line: line, What: fault.Printable(f.Name), Err: one}
		d.problems.Add(e)
	}
	for _, same := range []struct{ what, text string }{{"name", f.Name},
		{"outer addresses and key", fmt.Sprint(f.Local, f.Remote, keyText(f.InputKey), f.Parent, f.Mode.Ethernet())}} {
		if first := seen[same.what+same.text]; first != 0 {
			d.problem(line, "", "each tunnel needs its own", "the tunnel of line %d has the same %s", first, same.what)
		}
		seen[same.what+same.text] = line
	}
	d.advise(f)
	d.Tunnels, d.begins = append(d.Tunnels, f.Tunnel), append(d.begins, f.At)
}

func keyText(k *gre.Key) string {
	if k == nil {
		return "none"
	}
	return k.String()
}

// advise notes that a tunnel may be the far end's.
func (d *decision) advise(f *notation.Found) {
	held := d.opts.Held
	if held == nil || d.opts.Far || !f.Local.IsValid() || f.Local.IsUnspecified() || held(f.Local) || !held(f.Remote) {
		return
	}
	d.problem(d.line(f), "local", "it is the far end's configuration: add --far", "this host does not have %s, but the remote address %s", f.Local, f.Remote)
}

// ttlNote notes the TTL of the tunnels about which the input says nothing.
func (d *decision) ttlNote() {
	n := 0
	for _, f := range d.r.Tunnels {
		if !f.TTLSet && !d.opts.Far {
			n++
		}
	}
	if n > 0 {
		d.Notes = append(d.Notes, fmt.Sprintf("the input says no TTL for %s, which is inherit there: nmgre takes %d, since with inherit routing protocols and traceroute do not get through", counted(n), gre.DefaultTTL))
	}
}

func counted(n int) string {
	if n == 1 {
		return "one tunnel"
	}
	return fmt.Sprintf("%d tunnels", n)
}

// Counts says in a few words how many lines have which fate.
func (im Import) Counts() string {
	var n [notation.NotPossible + 1]int
	for _, line := range im.Lines {
		n[line.Fate]++
	}
	return fmt.Sprintf("lines: %d taken, %d not needed, %d not possible", n[notation.Taken], n[notation.NotNeeded], n[notation.NotPossible])
}
