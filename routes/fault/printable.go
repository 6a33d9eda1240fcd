package fault

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxPrintable is how many bytes of a text [Printable] reads: texts from outside are names and
// messages, not documents.
const maxPrintable = 4096

// Printable returns s with everything escaped, in Go's form, that could act on a terminal or
// mislead a reader: control characters, bytes that are not UTF-8, marks that turn the direction of
// text, and other characters that have no shape. A text of more than 4096 bytes is cut there.
func Printable(s string) string {
	if len(s) > maxPrintable {
		s = s[:cutAt(s)] + "..."
	}
	return Escaped(s)
}

// Escaped is [Printable] for a text that must not be cut, such as a route.
func Escaped(s string) string {
	if IsPrintable(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 || !unicode.IsPrint(r) {
			quoted := strconv.QuoteToASCII(s[i : i+size])
			b.WriteString(quoted[1 : len(quoted)-1])
		} else {
			b.WriteRune(r)
		}
		i += size
	}
	return b.String()
}

// OneLine is [Printable] for the text of an error, to be shown on one line. The lines of an error
// that was joined of several are parted by semicolons.
func OneLine(text string) string {
	lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' })
	return Printable(strings.TrimSpace(strings.Join(lines, "; ")))
}

// cutAt returns the place to cut s: the limit, or the beginning of the character that lies across
// it.
func cutAt(s string) int {
	for at := maxPrintable; at > maxPrintable-utf8.UTFMax; at-- {
		if utf8.RuneStart(s[at]) {
			return at
		}
	}
	return maxPrintable // it is not UTF-8
}

// IsPrintable reports whether [Printable] escapes nothing in s. The length does not count.
func IsPrintable(s string) bool {
	for _, r := range s {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// OrNone returns s as [Printable] does, and "none" for the empty string.
func OrNone(s string) string {
	if s == "" {
		return "none"
	}
	return Printable(s)
}

// FirstFew returns the first ten of names, followed by the number of the others, such as "and 7
// more": hints are short.
func FirstFew(names []string) []string {
	const most = 10
	if len(names) <= most {
		return names
	}
	return append(slices.Clone(names[:most]), fmt.Sprintf("and %d more", len(names)-most))
}
