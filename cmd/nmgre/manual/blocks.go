package manual

import (
	"regexp"
	"strings"
	"sync"
)

// Kind is the kind of a block.
type Kind uint8

// The kinds of blocks: the part of Markdown that the pages are written in.
const (
	Paragraph Kind = iota
	Heading        // with its Level: 1 is the page's own
	Item           // of a list, with its Mark and its Level: 0, or 1 for a list in a list
	Code           // with its lines as they are
	Table          // with its Rows, of which the first is the heads'
)

// Block is a part of a page, from one empty line to the next, or an item of a list.
type Block struct {
	Kind  Kind
	Level int
	Mark  string // of an item: "-", or its number with a full stop
	Text  string // on one line, but for code; see [Spans]
	Rows  [][]string
}

// The patterns are made when a page is read: every start of nmgre would take longer otherwise.
var (
	item   = lazy(`^( *)(-|\d+\.) +(.*)$`)
	remark = lazy(`(?m)^<!--.*-->\n`)
	// marks are those of bold and italic letters, and whole pieces: code, links and pictures. A
	// backslash stands before a letter that is no mark.
	marks = lazy("\\\\.|`[^`]+`|!?\\[[^\\]]*\\]\\([^)]*\\)|\\*\\*|\\*")
)

func lazy(pattern string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
}

// Blocks returns the parts of a page in Markdown. Remarks are left out.
func Blocks(text string) (list []Block) {
	lines := strings.Split(remark().ReplaceAllString(text, ""), "\n")
	for len(lines) > 0 {
		var b Block
		b, lines = next(lines)
		if b.Text != "" || b.Rows != nil {
			list = append(list, b)
		}
	}
	return list
}

// next returns the first block of the lines, and the lines behind it.
func next(lines []string) (Block, []string) {
	first := lines[0]
	switch found := item().FindStringSubmatch(first); {
	case first == "":
		return Block{}, lines[1:]
	case strings.HasPrefix(first, "```"):
		n := until(lines[1:], func(line string) bool { return line == "```" })
		return Block{Kind: Code, Text: strings.Join(lines[1:n+1], "\n")}, lines[min(n+2, len(lines)):]
	case strings.HasPrefix(first, "    "):
		n := until(lines, func(line string) bool { return !strings.HasPrefix(line, "    ") })
		return Block{Kind: Code, Text: strings.ReplaceAll("\n"+strings.Join(lines[:n], "\n"), "\n    ", "\n")[1:]}, lines[n:]
	case strings.HasPrefix(first, "#"):
		text := strings.TrimLeft(first, "#")
		return Block{Kind: Heading, Level: len(first) - len(text), Text: strings.TrimSpace(text)}, lines[1:]
	case strings.HasPrefix(first, "|"):
		n := until(lines, func(line string) bool { return !strings.HasPrefix(line, "|") })
		return Block{Kind: Table, Rows: rows(lines[:n])}, lines[n:]
	case found != nil:
		n := 1 + until(lines[1:], begins)
		lines[0] = found[3]
		return Block{Kind: Item, Level: min(len(found[1])/2, 1), Mark: found[2], Text: joined(lines[:n])}, lines[n:]
	}
	n := 1 + until(lines[1:], begins)
	return Block{Text: joined(lines[:n])}, lines[n:]
}

// begins says whether another block begins with the line.
func begins(line string) bool {
	return line == "" || strings.HasPrefix(line, "```") || strings.HasPrefix(line, "|") || item().MatchString(line)
}

// until returns how many lines there are before the first that is at the end.
func until(lines []string, end func(string) bool) int {
	for i, line := range lines {
		if end(line) {
			return i
		}
	}
	return len(lines)
}

func joined(lines []string) string {
	return strings.Join(strings.Fields(strings.Join(lines, " ")), " ")
}

// rows returns the cells of a table, without the line below the heads.
func rows(lines []string) (list [][]string) {
	for i, line := range lines {
		if i != 1 {
			list = append(list, strings.Split(strings.Trim(line, "| "), " | "))
		}
	}
	return list
}

// Span is a piece of a text in one style.
type Span struct {
	Text               string
	Bold, Italic, Code bool
	To                 string // where a link leads
	Picture            string // the file of a picture, which the text describes
}

// Literal returns a text whose letters all stand for themselves.
func Literal(text string) string {
	return strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "[", `\[`).Replace(text)
}

// Spans splits a text into pieces.
func Spans(text string) []Span { return Span{}.split(text) }

// split splits a text that is in the style s.
func (s Span) split(text string) (list []Span) {
	for text != "" {
		at := marks().FindStringIndex(text)
		if at == nil {
			at = []int{len(text), len(text)}
		}
		if at[0] > 0 {
			list = append(list, s.with(text[:at[0]]))
		}
		mark := text[at[0]:at[1]]
		text = text[at[1]:]
		switch {
		case strings.HasPrefix(mark, `\`):
			list = append(list, s.with(mark[1:]))
		case mark == "**":
			s.Bold = !s.Bold
		case mark == "*":
			s.Italic = !s.Italic
		case strings.HasPrefix(mark, "`"):
			code := s.with(strings.Trim(mark, "`"))
			code.Code = true
			list = append(list, code)
		case strings.HasPrefix(mark, "!"):
			picture := s
			picture.Text, picture.Picture, _ = strings.Cut(mark[2:len(mark)-1], "](")
			list = append(list, picture)
		case strings.HasPrefix(mark, "["):
			words, to, _ := strings.Cut(mark[1:len(mark)-1], "](")
			link := s
			link.To = to
			list = append(list, link.split(words)...)
		}
	}
	return list
}

func (s Span) with(text string) Span {
	s.Text = text
	return s
}
