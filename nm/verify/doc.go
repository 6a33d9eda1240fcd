// Package verify proves that a tunnel carries traffic, or says why it does not: one [Check] for
// each fact, and a [Report] with the verdict. It changes nothing on the host.
//
// Begin with [Run]. The file path.go has the checks of the routes, underlay.go those of the way to
// the far end, peer.go those of the far end's answer, to.go those of hosts behind it.
//
// Package cause finds the causes of faults by the evidence. The file listen.go gathers the evidence
// of the packets that come back, large.go that about large packets.
package verify
