// Package ident tells whether a text can be what identifies something: the name of a host, or the
// UUID of a profile. Begin with [IsHostName] and [IsUUID].
package ident

// IsUUID reports whether s is a UUID in the form that NetworkManager uses: 32 hexadecimal
// digits in groups of 8, 4, 4, 4 and 12, with hyphens between them (RFC 9562).
func IsUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F'):
			return false
		}
	}
	return true
}
