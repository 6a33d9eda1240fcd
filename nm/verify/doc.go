// Package verify proves that a tunnel carries traffic, or says why it does not: one [Check] for
// each fact, and a [Report] with the verdict. It changes nothing on the host.
//
// It may import nm, nm/verify/pathmtu and the pure packages of routes. Begin with [Run]. The file
// path.go has the checks of the routes, underlay.go those of the way to the far end, peer.go those
// of the far end's answer.
//
// The causes of faults are a table, [Causes], in four files: here.go has those of this host, way.go
// those that somebody on the way or the far end tells, far.go those that the far end's packets
// show, large.go those of large packets. A row is pure: facts in, words out. The file listen.go
// gathers the facts about what comes back.
package verify
