package format

import (
	"bytes"
	"errors"
	"io"

	"nmgre/routes/keep"
	"nmgre/routes/list"
)

// errNotBrief says that a file is to be read as a whole.
var errNotBrief = errors.New("the whole file counts")

// ParseBrief reads the text as [Parse] does. But where the tunnel's interface is down, as
// isDown says, it takes no more of the routes and rules than that there are some: nothing is set of
// them then, and there may be very many. Only a route with nexthops counts all the same, since it
// can lead into other devices.
func ParseBrief(file io.ReadSeeker, isDown func(dev string) bool) (keep.Kept, error) {
	reader := &list.Reader{Unnumbered: true}
	defer reader.Close()
	p := keptParser{seen: make(map[string]bool), routes: reader, isDown: isDown}
	k, err := p.parse(newLines(file))
	if p.omits {
		k = k.Omitting(true)
	}
	if !errors.Is(err, errNotBrief) {
		return k, err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return keep.Kept{}, err
	}
	return Parse(file)
}

// skip skips a line of a route or a rule where they need not be read. It fails with [errNotBrief]
// where they must be.
func (p *keptParser) skip(line []byte) (skipped bool, err error) {
	isRoute := bytes.HasPrefix(line, []byte("route "))
	switch {
	case p.isDown == nil || !isRoute && !bytes.HasPrefix(line, []byte("rule ")):
		return false, nil
	case !p.omits && (p.kept.Name == "" || !p.isDown(p.kept.Name)):
		return false, errNotBrief
	}
	p.omits = true
	return !isRoute || !bytes.Contains(line, []byte("nexthop")), nil
}
