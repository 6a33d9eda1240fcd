package fault

import "fmt"

// Count writes a number with its noun, which takes an s unless there is one: "1 packet".
func Count[N int | uint32 | uint64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
