package ident

import "strings"

// Bounds of a host's name (RFC 1035).
const (
	maxHostName = 253
	maxLabel    = 63
)

// IsHostName says whether text can be the name of a host: labels of letters, digits, '-' and '_',
// with dots between them (RFC 1123), the last of which is no number: that would be a mistyped
// address.
func IsHostName(text string) bool {
	text = strings.TrimSuffix(text, ".")
	if text == "" || len(text) > maxHostName {
		return false
	}
	labels := strings.Split(text, ".")
	for _, label := range labels {
		if !isLabel(label) {
			return false
		}
	}
	return strings.IndexFunc(labels[len(labels)-1], func(r rune) bool { return r < '0' || r > '9' }) >= 0
}

// isLabel says whether text can be one label of a host's name.
func isLabel(text string) bool {
	if text == "" || len(text) > maxLabel || text[0] == '-' || text[len(text)-1] == '-' {
		return false
	}
	return strings.IndexFunc(text, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	}) < 0
}
