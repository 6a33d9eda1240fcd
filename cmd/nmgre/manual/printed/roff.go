//go:build man

package printed

import (
	"fmt"
	"regexp"
	"strings"

	"nmgre/cmd/nmgre/manual"
	"nmgre/cmd/nmgre/release"
)

// day is on every page, fixed so that the same source gives the same pages.
const day = "2026-11-01"

// roff returns the page in the language of man(7). All of it is ASCII.
func (p page) roff() string {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH %s %s %s \"nmgre %s\" nmgre\n.nh\n.ad l\n", escaped(strings.ToUpper(p.name)), p.section, day, release.Version)
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", escaped(p.name), escaped(p.about))
	if len(p.blocks) > 0 && p.blocks[0].Kind != manual.Heading {
		b.WriteString(".SH DESCRIPTION\n") // or whatis takes the text for more names
	}
	for _, block := range p.blocks {
		roffBlock(&b, block)
	}
	return afterHeading.ReplaceAllString(b.String(), "$1")
}

// afterHeading matches a heading, and behind it a request for a paragraph, which is one anyway.
var afterHeading = regexp.MustCompile(`(?m)^(\.S[HS] .*\n)\.PP\n`)

func roffBlock(b *strings.Builder, block manual.Block) {
	switch block.Kind {
	case manual.Heading:
		if block.Level == 2 {
			fmt.Fprintf(b, ".SH %s\n", roffLine(strings.ToUpper(block.Text)))
		} else {
			fmt.Fprintf(b, ".SS %s\n", roffLine(block.Text))
		}
	case manual.Code:
		b.WriteString(".PP\n.RS 4\n.nf\n")
		for line := range strings.Lines(block.Text + "\n") {
			b.WriteString(guarded(escaped(strings.TrimSuffix(line, "\n"))) + "\n")
		}
		b.WriteString(".fi\n.RE\n")
	case manual.Item:
		roffItem(b, block)
	case manual.Table:
		roffTable(b, block.Rows)
	case manual.Paragraph:
		if text := roffLine(block.Text); text != "" {
			b.WriteString(".PP\n" + guarded(text) + "\n")
		}
	}
}

func roffItem(b *strings.Builder, block manual.Block) {
	mark := block.Mark + " 4"
	if block.Mark == "-" {
		mark = `\(bu 2`
	}
	text := ".IP " + mark + "\n" + guarded(roffLine(block.Text)) + "\n"
	if block.Level > 0 {
		text = ".RS 2\n" + text + ".RE\n"
	}
	b.WriteString(text)
}

// roffTable writes each row as a term and its description: wide tables do not fit on a terminal.
func roffTable(b *strings.Builder, rows [][]string) {
	for _, row := range rows[1:] {
		b.WriteString(".TP\n" + guarded(roffLine(row[0])) + "\n")
		for i, cell := range row[1:] {
			if i > 0 {
				b.WriteString(".br\n")
			}
			if len(row) > 2 {
				b.WriteString("\\fI" + escaped(rows[0][i+1]) + "\\fR: ")
			}
			b.WriteString(guarded(roffLine(cell)) + "\n")
		}
	}
}

// roffLine returns a text with its styles. Pictures are left out.
func roffLine(text string) string {
	var b strings.Builder
	list := manual.Spans(text)
	for i, s := range list {
		words := escaped(s.Text)
		switch {
		case s.Picture != "":
			continue
		case s.Code || s.Bold:
			words = `\fB` + words + `\fR`
		case s.Italic:
			words = `\fI` + words + `\fR`
		}
		if isLast := i+1 == len(list) || list[i+1].To != s.To; s.To != "" && isLast {
			words = roffLink(words, s.To)
		}
		b.WriteString(words)
	}
	return strings.TrimSpace(b.String())
}

// roffLink adds the title of the page that a link leads to.
func roffLink(words, to string) string {
	file, _, _ := strings.Cut(to, "#")
	name, isTopic := strings.CutSuffix(file, ".md")
	switch {
	case isTopic && name == "develop":
		return words + " (" + escaped(file) + " in the source)"
	case isTopic:
		return words + ` (\fB` + escaped("nmgre-"+name) + `\fR(7))`
	case file == "":
		return words
	}
	title, section, _ := strings.Cut(file, ".")
	return `\fB` + escaped(title) + `\fR(` + section + ")"
}

// guarded keeps a line of text from being a request.
func guarded(line string) string {
	if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
		return `\&` + line
	}
	return line
}

// escaped returns a text in which every letter stands for itself, as it can be copied.
func escaped(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\\':
			b.WriteString(`\e`)
		case r == '-':
			b.WriteString(`\-`)
		case strings.ContainsRune("`'^~\"", r):
			b.WriteString(map[rune]string{'`': `\(ga`, '\'': `\(aq`, '^': `\(ha`, '~': `\(ti`, '"': `\(dq`}[r])
		case r > '~':
			fmt.Fprintf(&b, `\[u%04X]`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
