// Package cause tells the fault of a tunnel from the evidence about it: a table of causes, each
// with the evidence that tells it, the words for it, and the commands that mend it.
//
// The table is in several files: setup.go has the causes that show without a packet, with
// profile.go, here.go those of this host, with filter.go, ipsec.go and snat.go, way.go those that
// somebody on the way or the far end tells, far.go those that the far end's packets show, mtu.go
// those of large packets, behind.go those of hosts behind the far end, and warnings.go those of
// tunnels that work. Begin with [Evidence] and [Causes].
//
// It is pure. Package verify gathers the evidence, from the kernel's answers, from the packets that
// were heard, and from the answers to probes.
package cause
