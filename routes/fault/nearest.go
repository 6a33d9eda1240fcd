package fault

import "strings"

// Nearest returns the name that is spelled most like word, for a hint. Capitals do not count. It is
// the empty string where even the nearest differs in more than a third of the word's letters, and
// one more, or where the word is longer than 40 letters.
func Nearest(word string, names []string) string {
	best, least := "", 2+len(word)/3
	if len(word) > maxWord {
		return ""
	}
	for _, name := range names {
		if d := distance(strings.ToLower(word), strings.ToLower(name)); d < least {
			best, least = name, d
		}
	}
	return best
}

// maxWord bounds the work, which grows with the length of both words.
const maxWord = 40

// distance is Levenshtein's: the least number of letters to replace, insert or delete.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := corner
			if a[i] != b[j] {
				cost++
			}
			corner, row[j+1] = row[j+1], min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
