package fault

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxPrintable bounds what [Printable] returns, in bytes of input: texts from outside are names and
// messages, not documents.
const maxPrintable = 4096

// Printable returns s with everything that could act on a terminal or mislead its reader escaped as
// Go does it: control characters, bytes that are no UTF-8, marks that turn the direction of text,
// and other characters without a shape of their own. Texts of more than 4096 bytes are cut.
func Printable(s string) string {
	if len(s) > maxPrintable {
		s = s[:cutAt(s)] + "..."
	}
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

// cutAt returns where s is cut: at the limit, or before the character that lies across it.
func cutAt(s string) int {
	for at := maxPrintable; at > maxPrintable-utf8.UTFMax; at-- {
		if utf8.RuneStart(s[at]) {
			return at
		}
	}
	return maxPrintable // no UTF-8 anyway
}

// IsPrintable reports whether [Printable] would leave s as it is, whatever its length.
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
