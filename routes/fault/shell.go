package fault

import (
	"slices"
	"strings"
)

// HintRoot is the hint for what root alone can do. Who shows it knows what was typed, and says the
// very line: [SudoLine].
const HintRoot = "run it with sudo"

// SudoLine returns the line that a person types to run a command as root: its words, quoted for a
// POSIX shell.
func SudoLine(command []string) string {
	words := slices.Concat([]string{"sudo"}, command)
	for i, word := range words {
		words[i] = Printable(word)
	}
	return Shell(words)
}

// Shell writes words as one line for a POSIX shell.
func Shell(words []string) string {
	quoted := slices.Clone(words)
	for i, word := range quoted {
		quoted[i] = ShellWord(word)
	}
	return strings.Join(quoted, " ")
}

// ShellWord quotes a word where a POSIX shell needs it.
func ShellWord(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:,=+@", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
