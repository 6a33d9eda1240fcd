package list

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"nmgre/routes"
)

// Reader parses routes that stand one a line, and keeps their order. It gives very many lines to
// all processors, in pieces. Add the lines, then call Finish. Call Close in any case: it waits for
// the goroutines. One goroutine at a time may call its methods.
type Reader struct {
	// Unnumbered leaves the numbers of the lines out of the list. It is set before the first Add.
	Unnumbered bool

	names routes.Names
	// the memory for the routes of the pieces to come; nil if the lines were not counted
	room    []routes.Route
	all     []routes.Route // the memory as it was at first
	open    *linePiece
	pieces  []*linePiece
	busy    chan struct{} // has an element for each piece that is being parsed
	spare   chan []string // memory of the texts of pieces that are parsed
	parsing sync.WaitGroup
	wrong   atomic.Int64 // how many lines are not routes
}

// pieceLines is how many lines a piece has.
const pieceLines = 1024

// MaxRoom is for how many routes at most memory is taken before they are parsed.
const MaxRoom = 200_000

// linePiece is a piece of a list of routes.
type linePiece struct {
	count  int   // of all its lines
	lines  []int // numbers of the lines; when they are parsed, of the lines that are routes
	texts  []string
	routes []routes.Route // before texts are parsed, the plain ones that stand before them
	bad    []BadLine
}

// Expect takes the memory for the routes of n lines. It is called before the first Add, or not at
// all.
func (l *Reader) Expect(n int) {
	l.all = make([]routes.Route, 0, n)
	l.room = l.all
}

// Add hands over the line with the number n. Comments must have been removed from it.
func (l *Reader) Add(n int, text string) {
	p := l.piece()
	if p.texts == nil && len(l.pieces) > 0 { // this is a long list
		p.texts = l.memory()
	}
	p.lines, p.texts = append(p.lines, n), append(p.texts, text)
	l.added(p)
}

// AddPlain is Add for a line that has no more than the destination of an IPv4 route, and the number
// of its table, as nearly all lines of very long lists do. It reports whether text is such a line,
// and adds nothing otherwise. It keeps no part of text, which takes less memory than the strings of
// Add.
func (l *Reader) AddPlain(n int, text []byte) bool {
	if l.open != nil && len(l.open.texts) > 0 {
		return false // the lines before it are not parsed yet
	}
	route, ok := plainRoute(text)
	if !ok {
		return false
	}
	p := l.piece()
	p.routes = append(p.routes, route)
	if !l.Unnumbered {
		p.lines = append(p.lines, n)
	}
	l.added(p)
	return true
}

// piece returns the open piece, which has its part of the memory. Where there are more lines than
// were expected, it outgrows that.
func (l *Reader) piece() *linePiece {
	if l.open == nil {
		l.open = &linePiece{routes: l.room[:0:min(pieceLines, cap(l.room))]}
		if len(l.pieces) > 0 && !l.Unnumbered { // this is a long list
			l.open.lines = make([]int, 0, pieceLines)
		}
	}
	return l.open
}

// added counts a line of the open piece, and parses the piece when it is full.
func (l *Reader) added(p *linePiece) {
	if p.count++; p.count < pieceLines {
		return
	}
	l.close()
	if len(p.texts) > 0 {
		l.begin(p)
	}
}

// memory returns the memory for the texts of a piece, which is that of a piece before if one is
// parsed.
func (l *Reader) memory() []string {
	select {
	case texts := <-l.spare:
		return texts
	default:
		return make([]string, 0, pieceLines)
	}
}

// close ends the open piece. The next one gets the memory behind it.
func (l *Reader) close() {
	p := l.open
	l.open, l.pieces = nil, append(l.pieces, p)
	if p.count > cap(l.room) {
		// There are more lines than were expected. No later piece may use the memory either: Finish
		// moves this one there.
		l.room = nil
		return
	}
	l.room = l.room[p.count:p.count:cap(l.room)]
}

// begin starts to parse a piece as soon as a processor is free.
func (l *Reader) begin(p *linePiece) {
	if l.busy == nil {
		l.busy, l.spare = make(chan struct{}, runtime.GOMAXPROCS(0)), make(chan []string, runtime.GOMAXPROCS(0))
	}
	l.busy <- struct{}{}
	l.parsing.Go(func() {
		texts := p.texts
		l.parse(p)
		select {
		case l.spare <- texts[:0]:
		default: // there is enough of it
		}
		<-l.busy
	})
}

// parse parses the routes of a piece. It keeps the errors about the first wrong lines of each
// piece, and about the first MaxBadLines of the list.
func (l *Reader) parse(p *linePiece) {
	spec := routes.Parser{Names: l.names}
	of := p.lines[len(p.lines)-len(p.texts):]
	lines := p.lines[:len(p.lines)-len(p.texts)]
	p.routes = slices.Grow(p.routes, len(p.texts))
	for i, text := range p.texts {
		if err := spec.Read(text); err != nil {
			if l.wrong.Add(1) <= MaxBadLines+1 || len(p.bad) < MaxToldErrors {
				p.bad = append(p.bad, BadLine{of[i], err})
			}
			continue
		}
		p.routes = append(p.routes, spec.Route)
		if !l.Unnumbered {
			lines = append(lines, of[i])
		}
	}
	p.lines, p.texts = lines, nil
}

// Close waits until no line is parsed any more. It may be called at any time, more than once.
func (l *Reader) Close() { l.parsing.Wait() }

// Finish returns the routes with the numbers of their lines, and the lines that are no routes, both
// in the order of the lines.
func (l *Reader) Finish() (list List, bad []BadLine) {
	if l.open != nil {
		p := l.open
		l.close()
		l.parse(p)
	}
	l.Close()
	n, numbers := 0, 0
	for _, p := range l.pieces {
		n, numbers = n+len(p.routes), numbers+len(p.lines)
	}
	switch {
	case n == 0:
	case cap(l.all) < n:
		list = List{make([]routes.Route, 0, n), slices.Grow([]int(nil), numbers)}
	default:
		list = List{l.all[:0], slices.Grow([]int(nil), numbers)}
	}
	for _, p := range l.pieces { // within the expected memory, routes move to the left
		list.Routes, list.Lines, bad = append(list.Routes, p.routes...), append(list.Lines, p.lines...), append(bad, p.bad...)
	}
	list.Routes = slices.Clip(list.Routes)
	return list, bad
}

// BadLine is a line of a file that could not be read.
type BadLine struct {
	Line int // from 1
	Err  error
}

// MaxBadLines is up to how many lines of a file may be unreadable before the file is refused.
const MaxBadLines = 1000

// MaxToldErrors is how many wrong routes of one request are shown at most.
const MaxToldErrors = 20
