package importer

import (
	"errors"
	"net/netip"
	"slices"
	"strings"

	"nmgre/nm"
	"nmgre/nm/notation"
	"nmgre/routes/fault"
)

// keepRead drops the lines that are empty or comments.
func (d *decision) keepRead() {
	unread := 0
	before := make([]int32, len(d.r.Lines)+1) // how many of the lines before each are dropped
	for i := range d.r.Lines {
		if before[i] = int32(unread); d.r.Lines[i].Fate == notation.Unread { //nolint:gosec // an input has fewer lines
			unread++
		}
	}
	for i, at := range d.begins {
		d.begins[i] = at - int(before[at])
	}
	d.Lines = slices.DeleteFunc(d.r.Lines, func(line notation.Line) bool { return line.Fate == notation.Unread })
}

// span returns the lines from the one that begins a tunnel up to the next tunnel.
func (im Import) span(i int) []notation.Line {
	end := len(im.Lines)
	for _, at := range im.begins {
		if at > im.begins[i] {
			end = min(end, at)
		}
	}
	return im.Lines[im.begins[i]:end]
}

// file names the file of a line, if it is another one than the first.
func (d *decision) file(line notation.Line) string {
	if line.File == d.r.Lines[0].File {
		return ""
	}
	return fault.Printable(line.File) + ": "
}

// Place gives the errors of a plan the lines of the input that they are about: that with the wrong
// value, or that which begins the tunnel. errs has an error, or nil, for each of the tunnels.
func (im Import) Place(errs []error) error {
	var list []error
	for i, err := range errs {
		for _, one := range fault.Split(err) {
			list = append(list, im.placed(i, one))
		}
	}
	return errors.Join(list...)
}

// placed is an error about the tunnel with that index, with its line.
func (im Import) placed(i int, err error) error {
	t, field := im.Tunnels[i], ""
	if e := (*fault.Error)(nil); errors.As(err, &e) {
		field = e.Field
	}
	lines := im.span(i)
	line, first := lines[0], lines[0].File
	for _, l := range lines {
		if l.Fate == notation.Taken && hasWord(l.Text, valuesOf(t, field)) {
			line = l
			break
		}
	}
	what := fault.Printable(t.Name)
	if line.File != first {
		what = fault.Printable(line.File) + ": " + what
	}
	return &fault.Error{Line: line.N, What: what, Err: err}
}

// valuesOf are the texts by which a line may have a field of a tunnel.
func valuesOf(t nm.Tunnel, field string) []string {
	switch field {
	case "zone":
		return []string{t.Zone}
	case "controller":
		return []string{t.Controller}
	case "parent":
		return []string{t.Parent}
	case "local":
		return []string{t.Local.String()}
	case "peer":
		return []string{t.Remote.String()}
	case "name":
		return []string{t.Name}
	case "address":
		return texts(t.Addresses)
	case "route":
		var to []netip.Prefix
		for _, r := range t.Routes {
			to = append(to, r.Dst)
		}
		return texts(to)
	}
	return nil
}

// texts are networks with and without their length.
func texts(list []netip.Prefix) []string {
	var words []string
	for _, p := range list {
		words = append(words, p.String(), p.Addr().String())
	}
	return words
}

// hasWord says whether one of the words stands in a line, and is no part of another one.
func hasWord(line string, words []string) bool {
	for _, word := range words {
		if word == "" {
			continue
		}
		for rest := line; ; {
			before, behind, found := strings.Cut(rest, word)
			if !found {
				break
			}
			if !inWord(before, len(before)-1) && !inWord(behind, 0) {
				return true
			}
			rest = behind
		}
	}
	return false
}

// inWord says whether the byte of a text belongs to a name, an address or a number.
func inWord(text string, at int) bool {
	if at < 0 || at >= len(text) {
		return false
	}
	c := text[at]
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80 || strings.IndexByte("._:-", c) >= 0
}
