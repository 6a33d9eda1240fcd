// Package gre has the parts of a GRE tunnel's headers: the mode, the keys, the flags, and the
// arithmetic of the MTU, each with its text; and it reads the headers of GRE packets. It is pure.
// Begin with [Mode], [Key] and [ParseHeader].
package gre
