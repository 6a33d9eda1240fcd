package manual

import (
	"strings"
	"unicode/utf8"
)

// Paper describes the terminal or file that a page is written on.
type Paper struct {
	Width int  // columns
	Bold  bool // a terminal that shows bold letters
}

// The marks of bold letters in a text that is still to be folded. No page has such characters.
const (
	bold  = "\x01"
	plain = "\x02"
)

// narrowest is the least width that a text is folded to.
const narrowest = 20

// Text writes a page for a person to read. Pictures are left out.
func (p Paper) Text(page string) string {
	var b strings.Builder
	p.Width = max(p.Width, narrowest)
	before := Heading
	for i, block := range Blocks(page) {
		if strings.HasPrefix(block.Text, "![") {
			continue
		}
		if i > 0 && (block.Kind != Item || before != Item) {
			b.WriteString("\n")
		}
		before = block.Kind
		p.block(&b, block)
	}
	styles := unstyled
	if p.Bold {
		styles = strings.NewReplacer(bold, "\x1b[1m", plain, "\x1b[0m")
	}
	return styles.Replace(b.String())
}

func (p Paper) block(b *strings.Builder, block Block) {
	switch block.Kind {
	case Heading:
		text := block.Text
		if !p.Bold && block.Level > 1 { // as in manual pages, so that it is seen
			text = strings.ToUpper(text)
		}
		b.WriteString(p.folded(p.strong(text), 0, 0))
	case Code:
		for line := range strings.Lines(block.Text + "\n") {
			b.WriteString(strings.TrimRight("    "+line, " \n") + "\n")
		}
	case Item:
		at := 2 + 2*block.Level
		b.WriteString(p.folded(strings.Repeat(" ", at)+block.Mark+" "+p.line(block.Text), 0, at+len(block.Mark)+1))
	case Table:
		p.table(b, block.Rows)
	case Paragraph:
		b.WriteString(p.folded(p.line(block.Text), 0, 0))
	}
}

// table writes each row as a term and its description: few tables fit on a terminal.
func (p Paper) table(b *strings.Builder, rows [][]string) {
	for _, row := range rows[1:] {
		b.WriteString(p.folded(p.strong(row[0]), 2, 4))
		for i, cell := range row[1:] {
			rest := 6
			if len(row) > 2 { // the words of several columns are told apart
				cell, rest = rows[0][i+1]+": "+cell, 8
			}
			b.WriteString(p.folded(p.line(cell), 6, rest))
		}
	}
}

// unstyled takes the marks out of a text.
var unstyled = strings.NewReplacer(bold, "", plain, "")

// strong is a line that is bold as a whole.
func (p Paper) strong(text string) string { return bold + unstyled.Replace(p.line(text)) + plain }

// line returns a text with its links in words. Code stays between its marks, since many commands
// are words of English as well.
func (p Paper) line(text string) string {
	var b strings.Builder
	for i, list := 0, Spans(text); i < len(list); i++ {
		s := list[i]
		words := s.Text
		if s.Code && !p.Bold {
			words = "`" + words + "`"
		}
		if s.Code || s.Bold {
			words = bold + words + plain
		}
		b.WriteString(words)
		if s.To != "" && (i+1 == len(list) || list[i+1].To != s.To) {
			b.WriteString(where(s.To))
		}
	}
	return b.String()
}

// where says in words where a link leads; nothing for a place on the same page.
func where(to string) string {
	file, _, _ := strings.Cut(to, "#")
	name, isPage := strings.CutSuffix(file, ".md")
	_, isTopic := Page(name)
	switch {
	case isTopic:
		return " (" + bold + "nmgre help " + name + plain + ")"
	case isPage:
		return " (" + file + " in the source)"
	}
	return ""
}

// folded breaks a text into lines. The first is indented by first columns, the others by rest.
func (p Paper) folded(text string, first, rest int) string {
	var b strings.Builder
	line, used := strings.Repeat(" ", first), first
	empty := true
	for _, word := range strings.SplitAfter(text, " ") {
		word, blank := strings.CutSuffix(word, " ")
		n := utf8.RuneCountInString(unstyled.Replace(word))
		if !empty && used+n > p.Width {
			b.WriteString(strings.TrimRight(line, " ") + "\n")
			line, used = strings.Repeat(" ", rest), rest
		}
		line += word
		used += n
		empty = empty && n == 0
		if blank {
			line, used = line+" ", used+1
		}
	}
	return b.String() + strings.TrimRight(line, " ") + "\n"
}
