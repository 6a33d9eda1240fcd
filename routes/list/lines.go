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
	lines  []int // numbers of the lines; when they are parsed, of the lines that are routes
	texts  []string
	routes []routes.Route
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
	if l.open == nil {
		l.open = new(linePiece)
		if len(l.pieces) > 0 { // this is a long list
			l.open.lines, l.open.texts = make([]int, 0, pieceLines), l.memory()
		}
	}
	p := l.open
	p.lines, p.texts = append(p.lines, n), append(p.texts, text)
	if len(p.texts) == pieceLines {
		l.close()
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

// close ends the open piece, and gives it its part of the memory.
func (l *Reader) close() {
	p := l.open
	l.open, l.pieces = nil, append(l.pieces, p)
	n := len(p.texts)
	// There are more lines than were expected. No later piece may use the memory either: Finish
	// moves this one there.
	if cap(l.room) < n {
		p.routes, l.room = make([]routes.Route, 0, n), nil
		return
	}
	p.routes, l.room = l.room[:0:n], l.room[n:n:cap(l.room)]
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
