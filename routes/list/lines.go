package list

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"nmgre/routes"
)

// Reader reads routes that stand one a line, and keeps their order. Of very many lines it gives
// pieces to all processors.
type Reader struct {
	names routes.Names
	// for the routes of the pieces to come, one a line; nil if nobody has counted the lines
	room    []routes.Route
	all     []routes.Route // room as it was at first
	open    *linePiece
	pieces  []*linePiece
	busy    chan struct{} // has a place for each piece that is parsed
	parsing sync.WaitGroup
	wrong   atomic.Int64 // lines that are no routes
}

// pieceLines is how many lines a piece has, and maxRoom for how many room is made before they are
// read.
const (
	pieceLines = 1024
	MaxRoom    = 200_000
)

// linePiece is a piece of a list of routes.
type linePiece struct {
	lines  []int // numbers of the lines; afterwards of those that are routes
	texts  []string
	routes []routes.Route
	bad    []BadLine
}

// Expect makes room for the routes of n lines at once.
func (l *Reader) Expect(n int) {
	l.all = make([]routes.Route, 0, n)
	l.room = l.all
}

// Add takes the line with the number n.
func (l *Reader) Add(n int, text string) {
	if l.open == nil {
		l.open = new(linePiece)
		if len(l.pieces) > 0 { // this is a long list
			l.open.lines, l.open.texts = make([]int, 0, pieceLines), make([]string, 0, pieceLines)
		}
	}
	p := l.open
	p.lines, p.texts = append(p.lines, n), append(p.texts, text)
	if len(p.texts) == pieceLines {
		l.close()
		l.begin(p)
	}
}

// close ends the open piece, and gives it its room.
func (l *Reader) close() {
	p := l.open
	l.open, l.pieces = nil, append(l.pieces, p)
	n := len(p.texts)
	// there are more than were expected: no later piece may be in the room, where finish puts this
	// one
	if cap(l.room) < n {
		p.routes, l.room = make([]routes.Route, 0, n), nil
		return
	}
	p.routes, l.room = l.room[:0:n], l.room[n:n:cap(l.room)]
}

// begin has a piece parsed, as soon as a processor has time for it.
func (l *Reader) begin(p *linePiece) {
	if l.busy == nil {
		l.busy = make(chan struct{}, runtime.GOMAXPROCS(0))
	}
	l.busy <- struct{}{}
	l.parsing.Go(func() {
		l.parse(p)
		<-l.busy
	})
}

// parse reads the routes of a piece. Errors are kept about the first wrong lines of each piece, and
// of all.
func (l *Reader) parse(p *linePiece) {
	spec := routes.Parser{Names: l.names}
	lines := p.lines[:0]
	for i, text := range p.texts {
		if err := spec.Read(text); err != nil {
			if l.wrong.Add(1) <= MaxBadLines+1 || len(p.bad) < MaxToldErrors {
				p.bad = append(p.bad, BadLine{p.lines[i], err})
			}
			continue
		}
		p.routes, lines = append(p.routes, spec.Route), append(lines, p.lines[i])
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
	n := 0
	for _, p := range l.pieces {
		n += len(p.routes)
	}
	switch {
	case n == 0:
	case cap(l.all) < n:
		list = List{make([]routes.Route, 0, n), make([]int, 0, n)}
	default:
		list = List{l.all[:0], make([]int, 0, n)}
	}
	for _, p := range l.pieces { // where they are in one piece of memory, they move to the left
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

const MaxBadLines = 1000

// MaxToldErrors bounds how many wrong routes of one request are told.
const MaxToldErrors = 20
