package fault

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// HintRoot is the hint of an error that only root can avoid. The program that shows it knows the
// command that was typed, and shows that line instead: [SudoLine].
const HintRoot = "run it with sudo"

// SudoLine returns the line to type to run a command, given as its words, as root.
func SudoLine(command []string) string { return Shell(slices.Concat([]string{"sudo"}, command)) }

// Shell joins words into one line for a POSIX shell, each as [ShellWord] writes it.
func Shell(words []string) string {
	quoted := slices.Clone(words)
	for i, word := range quoted {
		quoted[i] = ShellWord(word)
	}
	return strings.Join(quoted, " ")
}

// ShellWord returns text that is safe to show, see [Printable], and that a POSIX shell reads as the
// one word: the word as it is, or in single quotes, or made by printf where it has characters that
// must not be shown. Words that end with a new line, or have a zero byte, are no names of anything;
// shells lose these.
func ShellWord(word string) string {
	switch {
	case isPlain(word):
		return word
	case IsPrintable(word):
		return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	var b strings.Builder
	for i := 0; i < len(word); {
		r, size := utf8.DecodeRuneInString(word[i:])
		part := word[i : i+size]
		option := i == 0 && r == '-' // to printf
		switch i += size; {
		case r == '\'' || r == '\\' || option || !IsPrintable(part):
			for _, c := range []byte(part) {
				fmt.Fprintf(&b, `\%03o`, c) // POSIX's printf reads no other form
			}
		case r == '%':
			b.WriteString("%%")
		default:
			b.WriteString(part)
		}
	}
	return `"$(printf '` + b.String() + `')"`
}

// isPlain reports whether a shell takes the word as it is. Some shells read a = at the beginning as
// a program's path.
func isPlain(word string) bool {
	special := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_./:,=+@", r)
	}
	return word != "" && word[0] != '=' && strings.IndexFunc(word, special) < 0
}

// Operand returns an operand of a command, such as the NAME of nmgre, as [ShellWord] does. One that
// begins with a dash has -- before it, or the command would read it as an option.
func Operand(name string) string {
	if strings.HasPrefix(name, "-") {
		return "-- " + ShellWord(name)
	}
	return ShellWord(name)
}
