package manual

import (
	"strings"
	"testing"
	"unicode/utf8"

	"nmgre/testdata/want"
)

const sample = "# nmgre-x(7): a `b`\n\nOne two three four *five* **six seven** `eight nine` [ten](routes.md#y) [here](#z)\n[eleven](develop.md).\n<!-- lab: not here -->\n```sh linux2\nnmgre list   # <1>\n\n  ```` \n```\n\n" +
	"![a picture](x.svg)\n\n## More\n- one\n- two goes on and on and\n  on and on\n  - deep\n1. first\n\n    an indented\n      block\n\n| a | b |\n|---|---|\n| `x`, `y` | one two three four five six seven |\n\n| a | b | c |\n|---|---|---|\n| x | one | \\*two |\n"

// A page is folded to the width. Marks are kept where bold letters cannot show code.
func TestText(t *testing.T) {
	want.Same(t, "in a pipe", Paper{Width: 40}.Text(sample), "nmgre-x(7): a `b`\n\n"+
		"One two three four five six seven `eight\nnine` ten (nmgre help routes) here\neleven (develop.md in the source).\n\n"+
		"    nmgre list   # <1>\n\n      ````\n\n"+
		"MORE\n\n  - one\n  - two goes on and on and on and on\n    - deep\n  1. first\n\n    an indented\n      block\n\n"+
		"  `x`, `y`\n      one two three four five six seven\n\n  x\n      b: one\n      c: *two\n")
	bold := Paper{Width: 40, Bold: true}.Text(sample)
	for _, one := range []string{"\x1b[1mnmgre-x(7): a b\x1b[0m\n", "\x1b[1msix seven\x1b[0m", "\x1b[1meight\nnine\x1b[0m ten (\x1b[1mnmgre help routes\x1b[0m)", "\n\x1b[1mMore\x1b[0m\n"} {
		if !strings.Contains(bold, one) {
			t.Errorf("%q is not in %q", one, bold)
		}
	}
}

// Every page can be read at every width: only commands and long words stick out, and nothing but
// bold letters controls the terminal.
func TestEveryPageFits(t *testing.T) {
	for _, topic := range Topics() {
		page, _ := Page(topic.Name)
		for _, width := range []int{1, 40, 80} {
			text := Paper{Width: width}.Text(page)
			if strings.ContainsAny(text, "\x1b\x01\x02") || strings.Contains(text, "<!--") || strings.Contains(text, "](") || strings.Contains(text, "\n#") || strings.Contains(text, "**") {
				t.Errorf("%s has marks at width %d", topic.Name, width)
			}
			for line := range strings.Lines(text) {
				words := strings.Fields(line)
				if isCode := strings.HasPrefix(line, "    "); width >= 80 && !isCode && len(words) > 1 && utf8.RuneCountInString(strings.TrimSuffix(line, "\n")) > width {
					t.Errorf("%s does not fit into %d columns: %s", topic.Name, width, line)
				}
			}
		}
		if styled := (Paper{Width: 80, Bold: true}).Text(page); strings.Count(styled, "\x1b[1m") > strings.Count(styled, "\x1b[0m") {
			t.Errorf("%s stays bold", topic.Name)
		}
	}
}

// The pages keep to the part of Markdown that is read here.
func TestPagesAreRead(t *testing.T) {
	for _, topic := range Topics() {
		page, _ := Page(topic.Name)
		for i, block := range Blocks(page) {
			switch {
			case block.Kind == Heading && (block.Level > 3 || (block.Level == 1) != (i == 0)):
				t.Errorf("%s: the heading %q is of level %d", topic.Name, block.Text, block.Level)
			case block.Kind == Table:
				for _, row := range block.Rows {
					if len(row) != len(block.Rows[0]) || len(row) < 2 {
						t.Errorf("%s: %d cells in %q", topic.Name, len(row), row)
					}
				}
			case block.Kind == Code && strings.Contains(block.Text, "```"):
				t.Errorf("%s: a block does not end: %.80q", topic.Name, block.Text)
			}
			for _, s := range Spans(block.Text) {
				if block.Kind != Code && !s.Code && strings.ContainsAny(s.Text, "`*]") {
					t.Errorf("%s: a mark has no end: %q", topic.Name, s.Text)
				}
			}
		}
	}
}
