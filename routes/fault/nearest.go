package fault

import (
	"slices"
	"strings"
)

// Nearest returns the name that is spelled most like word, for a hint. Capitals do not count. It is
// the empty string where even the nearest differs in more than a third of the word's letters, and
// one more, or where the word is longer than 40 letters.
func Nearest(word string, names []string) string {
	best, least := "", 2+len(word)/3
	if len(word) > maxWord {
		return ""
	}
	for _, name := range names {
		if d := distance(strings.ToLower(word), strings.ToLower(name)); d < min(least, max(len(word), len(name))) {
			best, least = name, d
		}
	}
	return best
}

// DidYouMean is the hint that proposes a word; without one it is otherwise.
func DidYouMean(word, otherwise string) string {
	if word == "" {
		return otherwise
	}
	return "did you mean " + word
}

// Choice is the hint about a word that is none of the names: the name that meant says, or that is
// spelled most alike, or all of them where none is near. kind names them, such as "notations".
func Choice(word, kind string, names []string, meant map[string]string) string {
	plain := strings.ReplaceAll(strings.ToLower(word), "_", "-")
	best := meant[plain]
	if !slices.Contains(names, best) {
		best = Nearest(plain, names)
	}
	const most = 50
	all := strings.Join(names[:min(len(names), most)], ", ")
	if len(names) > most {
		all += ", ..."
	}
	return DidYouMean(best, "the "+kind+" are "+all)
}

// maxWord bounds the work, which grows with the length of both words.
const maxWord = 40

// distance is the least number of letters to replace, insert or delete, or of neighbours to swap.
func distance(a, b string) int {
	var last []int // the row before row
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next := make([]int, len(b)+1)
		next[0] = i + 1
		for j := range len(b) {
			cost := row[j]
			if a[i] != b[j] {
				cost++
			}
			next[j+1] = min(cost, next[j]+1, row[j+1]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], last[j-1]+1)
			}
		}
		last, row = row, next
	}
	return row[len(b)]
}
