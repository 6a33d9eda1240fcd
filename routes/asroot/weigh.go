package asroot

import (
	"bytes"
	"sync"
)

// maxMemory bounds the memory that the text of a request may take once it is parsed, in bytes.
// Ordinary texts of maxKept bytes stay below it.
const maxMemory = 6 * maxKept

// plainWord is a word of a text whose memory is known.
type plainWord struct {
	memory   int // bytes that it becomes
	hasValue bool
}

// plainWords are the words of nearly all texts. Others may be metrics, which become perMetrics
// bytes for a line, however many there are.
var plainWords = sync.OnceValue(func() map[string]plainWord {
	return map[string]plainWord{
		"route": {208, true}, "nexthop": {75, false}, "encap": {176, true}, "metric": {16, true},
		"via": {0, true}, "inet": {0, true}, "inet6": {0, true}, "dev": {0, true}, "weight": {0, true}, "onlink": {}, "table": {0, true}, "mtu": {0, true}, "src": {0, true},
	}
})

const perMetrics = 96

// weigh refuses a text that would become very many routes, or very much memory: a few bytes can
// become very many. It parses no route.
func weigh(text []byte) error {
	lines, memory := 0, 0
	for line := range bytes.Lines(text) {
		memory += weighLine(line)
		if lines++; lines > maxRoutes+maxRules || memory > maxMemory {
			return tooMuch("so many routes are more than nmgre keeps without root")
		}
	}
	return nil
}

// weighLine returns about how much memory a line becomes, in bytes.
func weighLine(line []byte) int {
	memory, metrics, isValue := 0, false, false
	for word := range bytes.FieldsSeq(line) {
		plain, known := plainWords()[string(word)]
		if memory += plain.memory; !known && !isValue {
			metrics = true
		}
		isValue = plain.hasValue
	}
	if metrics {
		memory += perMetrics
	}
	return memory
}
