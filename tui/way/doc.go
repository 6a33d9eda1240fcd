// Package way draws the way of a tunnel's packets, from this host to the networks behind the far
// end, with the mark where it breaks, the cause below, and the commands that mend it.
//
// It is pure: a [View] in, lines out. The report names the places that work, the faults, and where
// they are; this package decides nothing about that. A place that nothing is known of is drawn so:
// neither as good nor as bad. Nothing is told by colour alone. Begin with station.go, which reads
// the report, and picture.go, which draws it.
package way
