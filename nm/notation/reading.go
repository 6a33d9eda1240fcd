package notation

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/fault"
)

// Fate says whether a line of an input has become a part of a tunnel.
type Fate uint8

// The fates. A line that has several is as bad as the worst of them.
const (
	Unread      Fate = iota // empty, or a comment
	Taken                   // it is in a tunnel
	NotNeeded               // nmgre does it by itself, or it has nothing to do with a tunnel
	NotPossible             // it is wrong, not understood, or more than nmgre can hold
)

// String returns the words for a person.
func (f Fate) String() string {
	return [...]string{"", "taken", "not needed", "not possible"}[f]
}

// Line is a line of an input that is not empty, with its fate.
type Line struct {
	File string // its file's name; empty for the first one
	N    int    // from 1
	Text string // as it stands; not printable as it is
	Fate Fate
	Why  string // not for a line that was taken whole
}

// Found is a tunnel that was found in an input.
type Found struct {
	nm.Tunnel
	At     int    // the index of the line that begins it, in [Reading.Lines]
	TTLSet bool   // the input says something about the TTL
	Gone   bool   // the input removes it again
	Up     bool   // the input brings it up, or does not have to
	Refuse string // why nmgre cannot have it; empty if it can
	// NoTables are its routes and rules in tables that this host does not know.
	NoTables []NoTable
}

// Reading is an input while it is read.
type Reading struct {
	Lines   []Line
	Tunnels []*Found
	// Networks are those of the other interfaces that the input configures: they are behind its
	// host.
	Networks []netip.Prefix
	Names    routes.Names // this host's names for tables and the like
	Far      bool         // the input is the far end's, and so are the tables
	byName   map[string]*Found
	later    []func()
	strange  map[string]uint16 // the tables that this host does not know
}

// NewReading splits a text into its lines that are not empty. A line that begins with [FileMark]
// begins another file, in which lines count from 1 again.
func NewReading(text string) *Reading {
	r := &Reading{byName: map[string]*Found{}, Lines: make([]Line, 0, countLines(text))}
	file, n := "", 0
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		n++
		if path, found := strings.CutPrefix(line, FileMark); found {
			file, n = strings.TrimSpace(path), 0
			continue
		}
		if strings.TrimSpace(line) != "" { // an empty line means nothing in any notation
			r.Lines = append(r.Lines, Line{File: file, N: n, Text: line})
		}
	}
	return r
}

// countLines counts the lines that are not empty.
func countLines(text string) int {
	n := 0
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) != "" {
			n++
		}
	}
	return n
}

// Take marks a line as taken.
func (r *Reading) Take(i int) { r.mark(i, Taken, "") }

// Skip marks a line as not needed, because of why.
func (r *Reading) Skip(i int, format string, args ...any) {
	r.mark(i, NotNeeded, fmt.Sprintf(format, args...))
}

// Refuse marks a line as not possible, because of why.
func (r *Reading) Refuse(i int, format string, args ...any) {
	r.mark(i, NotPossible, fmt.Sprintf(format, args...))
}

// RefuseErr marks a line as not possible because of an error.
func (r *Reading) RefuseErr(i int, err error) { r.mark(i, NotPossible, err.Error()) }

func (r *Reading) mark(i int, fate Fate, why string) {
	l, why := &r.Lines[i], fault.Printable(why)
	if fate < l.Fate {
		return
	}
	if fate > l.Fate || l.Why == "" {
		l.Fate, l.Why = fate, why
	} else if why != "" && len(l.Why) < 400 && !strings.Contains(l.Why, why) {
		l.Why += "; " + why
	}
}

// Later has do called when all lines are read: it needs tunnels that may come later.
func (r *Reading) Later(do func()) { r.later = append(r.later, do) }

// Settle ends the reading. Lines that no reader has marked are not understood.
func (r *Reading) Settle() {
	for i := 0; i < len(r.later); i++ { // one may add another
		r.later[i]()
	}
	r.later = nil
	for _, f := range r.Tunnels {
		if !f.TTLSet && f.NoPMTUD { // a fixed TTL needs path MTU discovery
			f.TTL, f.TTLSet = 0, true
		}
	}
	r.Tunnels = slices.DeleteFunc(r.Tunnels, func(f *Found) bool { return f.Gone })
	for i := range r.Lines {
		if text := strings.TrimSpace(r.Lines[i].Text); r.Lines[i].Fate == Unread && text != "" && !isComment(text) {
			r.Refuse(i, "it is not understood")
		}
	}
}

// isComment says whether a line is a comment in one of the notations.
func isComment(text string) bool {
	return strings.HasPrefix(text, "#") || strings.HasPrefix(text, "!") || strings.HasPrefix(text, ";")
}

// Again adds a second tunnel of the same name, such as the other end's.
func (r *Reading) Again(name string, i int) *Found {
	delete(r.byName, name)
	f, _ := r.Add(name, i)
	return f
}

// Toward returns the tunnel in whose inner networks an address is, or nil.
func (r *Reading) Toward(a netip.Addr) *Found {
	for _, f := range r.Tunnels {
		if !f.Gone && (slices.Contains(f.Peers(), a) || slices.ContainsFunc(f.Addresses, func(p netip.Prefix) bool { return p.Contains(a) })) {
			return f
		}
	}
	return nil
}

// Tunnel returns the tunnel with that name, or nil.
func (r *Reading) Tunnel(name string) *Found { return r.byName[name] }

// Add adds a tunnel that begins at a line. The tunnel has no TTL yet. It returns the one that is
// there already, and false, if the name is taken.
func (r *Reading) Add(name string, i int) (*Found, bool) {
	if f := r.byName[name]; f != nil {
		return f, false
	}
	f := &Found{Tunnel: nm.NewTunnel(), At: i}
	f.Name = name
	r.Tunnels, r.byName[name] = append(r.Tunnels, f), f
	return f, true
}

// Rename gives a tunnel another name.
func (r *Reading) Rename(f *Found, name string) {
	delete(r.byName, f.Name)
	f.Name, r.byName[name] = name, f
}

// Drop takes a tunnel out.
func (r *Reading) Drop(f *Found) { f.Gone = true; delete(r.byName, f.Name) }

// Word returns a word of an input for a message.
func Word(text string) string {
	if len(text) > 80 {
		text = text[:80] + "..."
	}
	return "\"" + fault.Printable(text) + "\""
}

// SetMAC sets the Ethernet address of a tunnel's device as a line gives it. The line is refused
// where the address is wrong, or where the tunnel carries IP packets.
func (r *Reading) SetMAC(i int, f *Found, value string) {
	mac, err := nm.ParseMAC(value)
	if err != nil {
		r.RefuseErr(i, err)
		return
	}
	r.Later(func() { // the mode may come behind
		if f.Mode.Known() && !f.Mode.Ethernet() {
			r.Refuse(i, "the device of a tunnel of mode %s has no Ethernet address: it carries IP packets", f.Mode)
			return
		}
		f.MAC = mac
	})
}

// SetPort makes a tunnel the port of a bridge, by the bridge's interface, or by its profile's UUID.
// An empty bridge makes it the port of none. The line is refused where the tunnel carries IP
// packets.
func (r *Reading) SetPort(i int, f *Found, bridge string) {
	r.Later(func() { // the mode may come behind
		if bridge != "" && f.Mode.Known() && !f.Mode.Ethernet() {
			r.Refuse(i, "a tunnel of mode %s carries IP packets, and cannot be the port of %s", f.Mode, Word(bridge))
			return
		}
		f.Controller = bridge
	})
}

// ListedPort makes a tunnel the port of a bridge that lists it.
func (r *Reading) ListedPort(i int, name, bridge string) {
	r.Later(func() {
		if f := r.Tunnel(name); f != nil {
			r.Lines[i].Fate, r.Lines[i].Why = Taken, Word(name)+" is a port of it"
			r.SetPort(i, f, bridge)
		}
	})
}
