// Package advice has the notes that a plan gives about its decisions, for a person to know before
// it is carried out. It decides nothing, and changes nothing on the host.
//
// Begin with [Device].
package advice
