package fault

import (
	"slices"
	"strings"
)

// HintRoot is the hint of an error that only root can avoid. The program that shows it knows the
// command that was typed, and shows that line instead: [SudoLine].
const HintRoot = "run it with sudo"

// SudoLine returns the line to type to run a command, given as its words, as root. The words are
// escaped by [Printable] and quoted for a POSIX shell.
func SudoLine(command []string) string {
	words := slices.Concat([]string{"sudo"}, command)
	for i, word := range words {
		words[i] = Printable(word)
	}
	return Shell(words)
}

// Shell joins words into one line for a POSIX shell, each quoted where it must be.
func Shell(words []string) string {
	quoted := slices.Clone(words)
	for i, word := range quoted {
		quoted[i] = ShellWord(word)
	}
	return strings.Join(quoted, " ")
}

// ShellWord returns a word as a POSIX shell reads it: as it is, or in single quotes.
func ShellWord(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:,=+@", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
