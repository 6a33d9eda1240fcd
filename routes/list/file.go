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

// List is the routes of a file, a route a line.
type List struct {
	Routes []routes.Route
	Lines  []int // the number of each route's line, from 1
}

// maxListLines bounds a file of routes, in lines.
const maxListLines = 2_000_000

// Parse reads a SPEC a line, each as [routes.Parse] does. Empty lines do not count, and a # that
// begins a line or a word begins a comment. If a line is wrong, or repeats a destination, the list
// is empty and the error names the lines, up to [MaxToldErrors] of them. Errors are
// [fault.ErrInvalid].
func Parse(r io.Reader) (List, error) { return ParseWith(routes.Names{}, r) }

// ParseWith is [Parse] with the names of a host.
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
		if !p.AddPlain(p.line, lines.Bytes()) {
			p.read(lines.Text())
		}
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

// listParser reads a list.
type listParser struct {
	Reader
	line int
}

// makeRoom counts the lines of a file that can be read twice. A long list then need not be moved
// while it grows.
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

// countLines returns how many lines there are, MaxRoom at most, and goes back to the beginning.
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
			break // the next read meets the error again
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

// withoutComment returns the text before a comment, without the spaces around it.
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

// wrongLines returns the error about the first of n wrong lines, or nil.
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

// repeated returns an error if two lines have one slot, of which the kernel would hold one only.
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

// ascending reports whether the destinations are in ascending order, each once, as in the lists
// that programs write. No route is repeated then: the search for one takes longer than all the
// reading.
func (l List) ascending() bool {
	for i := 1; i < len(l.Routes); i++ {
		if l.Routes[i-1].Dst.Addr().Compare(l.Routes[i].Dst.Addr()) >= 0 {
			return false
		}
	}
	return true
}
