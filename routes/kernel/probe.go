package kernel

import (
	"net/netip"
	"time"
)

// Query is a question to the kernel's routing: where would a packet to To go?
type Query struct {
	To   netip.Addr
	From netip.Addr // source address; zero to let the kernel choose one
	// device that the packet must leave by, as for a socket bound to it; empty for any
	Dev string
}

// Hop is the kernel's answer to a [Query].
type Hop struct {
	Dev string     // device that the packet leaves by
	Via netip.Addr // gateway; zero when the destination is on the link
	Src netip.Addr // source address the packet gets
	// Match is the destination of the route that decided: the shorter it is, the easier it is
	// overruled by a longer one.
	Match netip.Prefix
	// of the path as far as the kernel knows it: the route's own or a cached path MTU, else the
	// device's; in bytes
	MTU int
}

// Probe says what to send: ICMP or ICMPv6 echo requests, by To's family.
type Probe struct {
	Dev      string // device that they leave by
	From     netip.Addr
	To       netip.Addr
	Count    int           // how many at most, 1 to 10
	Interval time.Duration // between two of them, and the wait after the last
	Enough   int           // stop as soon as so many have come back; 0 for all
}

// ProbeResult says what came back.
type ProbeResult struct {
	Sent, Received int
	RTT            []time.Duration // of each answer, in the order in which they came
	// Refusals are ICMP errors that came back instead, in words with the sender, each once.
	Refusals []string
}
