package nmgre

import "slices"

// HintRoot is the hint for what root alone can do. Who shows it knows what was typed, and says the very line: [SudoLine].
const HintRoot = "run it with sudo"

// SudoLine returns the line that a person types to run a command as root: its words, quoted for a POSIX shell.
func SudoLine(command []string) string {
	words := slices.Concat([]string{"sudo"}, command)
	for i, word := range words {
		words[i] = Printable(word)
	}
	return shellJoin(words)
}
