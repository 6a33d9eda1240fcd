// Package draw turns things into lines of a terminal: styles, lines, frames, and how a check, a
// plan or an error is written.
//
// It knows no keys and no screens. Begin with style.go and line.go. Texts from outside are escaped
// by [fault.Printable] before they become part of a [Line].
package draw
