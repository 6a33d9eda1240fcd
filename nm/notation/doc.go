// Package notation has the ways in which people write a GRE tunnel: [Link] is the one model of both
// ends, [Kind] is one notation over it, and [Holds] is the table of a notation's limits. It is
// pure. The notations themselves are in the rooms below, one file each, and none of them knows
// another; package every lists them. Begin with [Link].
package notation
