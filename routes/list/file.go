package list

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"nmgre/routes"
	"nmgre/routes/fault"
)

// List is what a file of routes says: a route a line.
type List struct {
	Routes []routes.Route
	Lines  []int // of each of the routes, from 1
}

// maxListLines bounds a file of routes.
const maxListLines = 2_000_000

// Parse reads one SPEC a line, as [ParseRoute] does. Empty lines do not count, nor does what stands
// behind a # that begins a line or a word. If any line is wrong nothing is returned but the errors,
// each with its line; they are [ErrInvalid].
func Parse(r io.Reader) (List, error) { return ParseWith(routes.Names{}, r) }

// ParseWith reads one SPEC a line, as [Parse] does, with the names that n has besides.
func ParseWith(n routes.Names, r io.Reader) (List, error) {
	p := listParser{Reader: Reader{names: n}}
	defer p.Close()
	if err := p.makeRoom(r); err != nil {
		return List{}, &fault.Error{Kind: fault.ErrInvalid, Field: "routes-from", What: "it cannot be read", Hint: "one route a line", Err: err}
	}
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, maxListLine), maxListLine)
	for lines.Scan() {
		if p.line++; p.line > maxListLines {
			return List{}, fault.Invalid("routes-from", "split the file", "it has more than %d lines", maxListLines)
		}
		p.read(lines.Text())
	}
	if err := lines.Err(); err != nil {
		return List{}, &fault.Error{Kind: fault.ErrInvalid, Field: "routes-from", What: fmt.Sprintf("line %d cannot be read", p.line+1), Hint: "one route a line", Err: err}
	}
	list, bad := p.Finish()
	if err := wrongLines(bad, int(p.wrong.Load())); err != nil {
		return List{}, err
	}
	if err := list.repeated(); err != nil {
		return List{}, err
	}
	return list, nil
}

// maxListLine bounds a line, in bytes: a SPEC, and a comment.
const maxListLine = 2 * routes.MaxSpec

// listParser is a list while it is read.
type listParser struct {
	Reader
	line int
}

// makeRoom counts the lines of what can be read twice, so that a long list is in one piece at once.
func (p *listParser) makeRoom(r io.Reader) error {
	again, ok := r.(io.ReadSeeker)
	if !ok {
		return nil
	}
	n, err := countLines(again)
	if err == nil {
		p.Expect(n)
	}
	return err
}

// countLines counts lines, maxRoom at most, and goes back to the beginning.
func countLines(r io.ReadSeeker) (n int, err error) {
	begin, err := r.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, err
	}
	buf := make([]byte, 64<<10)
	for n < MaxRoom {
		read, err := r.Read(buf)
		n += bytes.Count(buf[:read], []byte{'\n'})
		if err != nil {
			break // whoever reads on meets it again
		}
	}
	_, err = r.Seek(begin, io.SeekStart)
	return min(n+1, MaxRoom), err
}

func (p *listParser) read(text string) {
	if text = withoutComment(text); text != "" {
		p.Add(p.line, text)
	}
}

// withoutComment returns the text before a comment, without spaces around it.
func withoutComment(text string) string {
	for from := 0; ; {
		at := strings.IndexByte(text[from:], '#')
		if at < 0 {
			return strings.TrimSpace(text)
		}
		if at += from; at == 0 || routes.IsSpace(text[at-1]) {
			return strings.TrimSpace(text[:at])
		}
		from = at + 1
	}
}

// wrongLines is the error about the first of the wrong lines, of which there are n.
func wrongLines(bad []BadLine, n int) error {
	var errs []error
	for _, line := range bad[:min(len(bad), MaxToldErrors)] {
		errs = append(errs, fmt.Errorf("line %d: %w", line.Line, line.Err))
	}
	if n > MaxToldErrors {
		errs = append(errs, fault.Invalid("routes-from", "", "and %d more wrong lines", n-MaxToldErrors))
	}
	return errors.Join(errs...)
}

// repeated is the error about the first two lines that are one route to the kernel.
func (l List) repeated() error {
	if l.ascending() {
		return nil
	}
	seen := NewIndex(len(l.Routes), func(i int) routes.Slot { return l.Routes[i].Slot() })
	for i := range l.Routes {
		if first, again := seen.Add(l.Routes[i].Slot(), i); again {
			return fault.Invalid("route", "give each destination once, or with different metrics", "line %d: %s is in line %d already",
				l.Lines[i], l.Routes[i].Dst, l.Lines[first])
		}
	}
	return nil
}

// ascending says whether the destinations are in ascending order, each once, as in the lists that
// programs write. It spares the search for others, which takes longer than all the reading.
func (l List) ascending() bool {
	for i := 1; i < len(l.Routes); i++ {
		if l.Routes[i-1].Dst.Addr().Compare(l.Routes[i].Dst.Addr()) >= 0 {
			return false
		}
	}
	return true
}
