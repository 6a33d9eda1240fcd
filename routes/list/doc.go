// Package list holds very many routes: the files that they stand in, a route a line, which are
// parsed on all processors, and an index and a set to find them in. It is pure. Begin with [Parse]
// and [Index].
package list
