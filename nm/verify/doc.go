// Package verify proves that a tunnel carries traffic, or says why it does not: one [Check] for
// each fact, and a [Report] with the verdict. It changes nothing on the host.
//
// It may import nm and the pure packages of routes. Begin with [Run]. The file path.go has the
// checks of the routes and of the way to the far end, peer.go those of the far end's answer.
package verify
