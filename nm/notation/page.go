package notation

import (
	"fmt"
	"strings"

	"nmgre/nm"
	"nmgre/routes/fault"
)

// Page is a text that a notation writes, line by line.
type Page struct {
	b       strings.Builder
	comment string
}

// NewPage returns a page whose comments begin with that mark. Its first lines name the tunnel, and
// give the notes of the end.
func NewPage(comment, title string, end End) *Page {
	p := &Page{comment: comment}
	p.Comment("%s, for the end %s of a GRE tunnel to %s", title, OuterText(end.Tunnel), end.Remote)
	for _, note := range end.Notes {
		p.Comment("note: %s", fault.Printable(note))
	}
	return p
}

// OuterText is the local address of a tunnel, or the word any.
func OuterText(t nm.Tunnel) string {
	if !isHost(t.Local) {
		return "any"
	}
	return t.Local.String()
}

// Line adds a line.
func (p *Page) Line(format string, args ...any) {
	fmt.Fprintf(&p.b, format, args...)
	p.b.WriteByte('\n')
}

// When adds a line if on is set.
func (p *Page) When(on bool, format string, args ...any) {
	if on {
		p.Line(format, args...)
	}
}

// Comment adds a comment.
func (p *Page) Comment(format string, args ...any) {
	p.Line("%s %s", p.comment, fmt.Sprintf(format, args...))
}

// FileMark begins the line with the path of the file that follows.
const FileMark = "# file: "

// File begins a file of a notation that has several.
func (p *Page) File(path string) { p.Line("%s%s", FileMark, path) }

// MSS adds a comment on the largest TCP segment, with the rule by which Linux lowers it to that.
func (p *Page) MSS(t nm.Tunnel) {
	if !t.ClampMSS {
		p.Comment("MSS %d fits into the MTU of %d; a host that forwards lowers it with: iptables -t mangle -A FORWARD -o %s -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss %d",
			MSS(t), t.MTU, t.Name, MSS(t))
	}
}

// String returns the page.
func (p *Page) String() string { return p.b.String() }
