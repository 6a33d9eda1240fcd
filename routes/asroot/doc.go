// Package asroot lets callers without root have root's work done: it is their [keep.Keeper].
//
// Each call runs this program's own helper once, by pkexec. So polkit decides, and asks a person
// for a password where the administrator wants that. The helper reads one [Request] from its
// standard input and writes one answer to its standard output. Both are bounded, and neither side
// trusts the other. The helper's side is [Helper].
//
// Begin at [Keeper].
package asroot
