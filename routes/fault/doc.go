// Package fault holds the errors of nmgre, which name the failure and its remedy, and texts that
// are safe to show on a terminal or to type into a shell. Every other package may import it. Begin
// with [Error].
package fault
