// Package behind asks hosts behind the far end of a tunnel, by echo requests through it.
//
// The far end's answer proves nothing about the hosts behind it: the far end may not forward, its
// firewall may drop forwarded packets, and it may not know the way back to this end's networks. So
// each address is asked from this end's inner address, and from its addresses in its own networks.
// A packet of TTL 1 asks the far end itself whether it would forward: it gets no further, and is
// answered with "time exceeded".
//
// It is pure. Begin with [Question.Begin].
package behind
