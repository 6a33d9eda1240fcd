// Package gre has the parts of a GRE tunnel's headers: the mode, the keys, the flags, and the
// arithmetic of the MTU, each with its text. It is pure, and may import package fault besides the
// standard library. Begin with [Mode] and [Key].
package gre
