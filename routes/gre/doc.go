// Package gre holds what is in the headers of a GRE tunnel: the mode, the keys, the flags, and the
// arithmetic of the MTU, each with its text. It is pure, and may import package fault besides the
// standard library. Begin with [Mode] and [Key].
package gre
