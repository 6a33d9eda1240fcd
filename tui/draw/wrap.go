package draw

import (
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// Cells returns how many cells of a terminal the text takes: of several lines, the widest one.
func Cells(s string) int {
	for i := range len(s) {
		if s[i] >= 0x80 || s[i] < 0x20 {
			return widest(s)
		}
	}
	return len(s)
}

func widest(s string) int {
	width := 0
	for line := range strings.SplitSeq(s, "\n") {
		width = max(width, ansi.StringWidth(line))
	}
	return width
}

// Cut shortens the text to at most width cells. They include the sign that something is missing.
func (th Theme) Cut(s string, width int) string {
	if width <= 0 {
		return ""
	}
	room := width - Cells(th.More)
	used := 0
	for i, r := range s {
		w := Cells(string(r))
		if used+w > room {
			return s[:i] + th.More + strings.Repeat(" ", room-used)
		}
		used += w
	}
	return s
}

// Fit makes the text exactly width cells wide.
func (th Theme) Fit(s string, width int) string {
	n := Cells(s)
	switch {
	case width <= 0:
		return ""
	case n > width:
		return th.Cut(s, width)
	}
	return s + strings.Repeat(" ", width-n)
}

// Shorten cuts the text if it is longer than width.
func (th Theme) Shorten(s string, width int) string {
	if Cells(s) > width {
		return th.Cut(s, width)
	}
	return s
}

// Wrap breaks the text at spaces into lines of at most width cells. A longer word is broken.
func Wrap(s string, width int) []string {
	return wrapWords(strings.Fields(s), width)
}

// pairs are the words of a command, each option together with its value, and sudo with the program.
func pairs(s string) []string {
	words := quoted(s)
	var out []string
	for i := 0; i < len(words); i++ {
		option := strings.HasPrefix(words[i], "--") || words[i] == "sudo"
		if option && i+1 < len(words) && !strings.HasPrefix(words[i+1], "-") && words[i+1] != "&&" {
			out = append(out, words[i]+" "+words[i+1])
			i++
			continue
		}
		out = append(out, words[i])
	}
	return out
}

// quoted are the words of a command; one in quotes is one word.
func quoted(s string) []string {
	var words []string
	open := false
	for _, word := range strings.Fields(s) {
		if open {
			words[len(words)-1] += " " + word
		} else {
			words = append(words, word)
		}
		if strings.Count(word, "'")%2 == 1 {
			open = !open
		}
	}
	return words
}

func wrapWords(words []string, width int) []string {
	width = max(width, 1)
	var lines []string
	current := ""
	flush := func() {
		lines, current = append(lines, current), ""
	}
	for _, word := range words {
		if current != "" && Cells(current)+1+Cells(word) > width {
			flush()
		}
		if current != "" {
			current += " " + word
			continue
		}
		for Cells(word) > width {
			head, tail := splitAt(word, width)
			current = head
			flush()
			word = tail
		}
		current = word
	}
	if current != "" || len(lines) == 0 {
		flush()
	}
	return lines
}

// splitAt splits a word after the last character that fits. A path is split after the last folder
// that fits; a prefix such as 10.0.0.0/8 is no path.
func splitAt(word string, width int) (head, tail string) {
	used := 0
	for i, r := range word {
		w := Cells(string(r))
		if i > 0 && used+w > width {
			if folder := strings.LastIndexByte(word[:i], '/'); folder > 0 && strings.Trim(word[folder+1:], "0123456789") != "" {
				i = folder + 1
			}
			return word[:i], word[i:]
		}
		used += w
	}
	return word, ""
}

// Wrapped is [Wrap] as lines in a style, each after an indent.
func Wrapped(s string, width int, indent string, st Style) []Line {
	var lines []Line
	for _, part := range Wrap(s, width-Cells(indent)) {
		lines = append(lines, Line{Plain.Of(indent), st.Of(part)})
	}
	return lines
}

// Command breaks a command line as a shell takes it, with a backslash at the end of each line but
// the last.
func Command(s string, width int, indent string) []Line {
	parts := wrapWords(pairs(s), width-Cells(indent)-5)
	var lines []Line
	for i, part := range parts {
		if i < len(parts)-1 {
			part += " \\"
		}
		lead := indent
		if i > 0 {
			lead = strings.Repeat(" ", Cells(indent)+2)
		}
		lines = append(lines, Line{Plain.Of(lead), Plain.Of(part)})
	}
	return lines
}
