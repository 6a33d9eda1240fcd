package kernel

import (
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Query asks the kernel's routing where it would send a packet to To.
type Query struct {
	To   netip.Addr
	From netip.Addr // the source address; zero to let the kernel choose one
	// the device that the packet leaves by, as for a socket bound to it; empty for any
	Dev string
	// In is the device that a forwarded packet comes in by; empty for one that this host sends. The
	// source is then another host's.
	In string
}

// Hop is the kernel's answer to a [Query].
type Hop struct {
	Dev string     // the device that the packet leaves by
	Via netip.Addr // the gateway; zero when the destination is on the link
	Src netip.Addr // the source address that the packet gets
	// Match is the destination of the route that decided. A route with a longer one overrules it.
	Match netip.Prefix
	// Table is the number of the route's table; 0 if it is not known.
	Table uint32
	// MTU is the MTU of the path, in bytes, as far as the kernel knows it: the route's own or a
	// cached path MTU, otherwise the device's.
	MTU int
	// RouteMTU is the same without a cached path MTU, which expires after some minutes; 0 if it is
	// not known.
	RouteMTU int
}

// LastingMTU is the MTU of the path in bytes, as far as it does not expire.
func (h Hop) LastingMTU() int {
	if h.RouteMTU > 0 {
		return h.RouteMTU
	}
	return h.MTU
}

// Probe is a row of echo requests to send: ICMP or ICMPv6, by the family of To.
type Probe struct {
	Dev      string // the device that they leave by
	From     netip.Addr
	To       netip.Addr
	Count    int           // how many to send at most, 1 to 10
	Interval time.Duration // between two of them, and to wait after the last
	Enough   int           // stop after this many answers; 0 to wait for all
	// Knock sends a UDP datagram to a port at which nobody listens, too, with the second request: a
	// host that filters echo requests may answer that the port is unreachable. That is one of the
	// refusals of the result.
	Knock bool
	Hops  uint8 // the TTL, or hop limit, of the requests; 0 for the kernel's own
	// Size is the size of each whole IP packet in bytes, with its header, up to 65535. Such packets
	// are never fragmented (DF), and are sent even if the kernel has a smaller path MTU cached for
	// To. The first refusal ends the probe: one by this host's own kernel, too, is an answer and no
	// failure. 0 stands for small packets.
	Size int
	// UDP has datagrams sent in place of echo requests, to a port at which nobody listens. Their
	// answers are the errors by which p.To itself refuses them. Behind each one of Size goes a
	// small one at once. Hosts send few such errors a second: where the small one is answered, the
	// other one would have been, too, if it had come.
	UDP bool
	// UntilRefused says that the first refusal ends the probe.
	UntilRefused bool
}

// Payload is how many bytes follow the ICMP header of a packet of p.Size, as `ping -s` has it.
func (p Probe) Payload() int {
	if p.To.Is6() {
		return p.Size - 48
	}
	return p.Size - 28
}

// ProbeResult is the answers to a [Probe].
type ProbeResult struct {
	Sent, Received int
	// Small is how many of the small datagrams were answered that follow those of [Probe.Size].
	Small int
	RTT   []time.Duration // of each answer, in the order in which they came
	// Refusals are the ICMP errors that came back, each once, in words and with the sender.
	Refusals []string
	// Errors are the refusals whose sender is known, without the packet that they quote.
	Errors []ICMPError
}

// And returns the answers to two probes as those to one.
func (r ProbeResult) And(more ProbeResult) ProbeResult {
	r.Sent, r.Received, r.RTT = r.Sent+more.Sent, r.Received+more.Received, slices.Concat(r.RTT, more.RTT)
	r.Small += more.Small
	for _, words := range more.Refusals {
		if !slices.Contains(r.Refusals, words) {
			r.Refusals = append(slices.Clip(r.Refusals), words)
		}
	}
	for _, e := range more.Errors {
		if !slices.ContainsFunc(r.Errors, e.Like) {
			r.Errors = append(slices.Clip(r.Errors), e)
		}
	}
	return r
}

// Refusers returns the senders of the refusals.
func (r ProbeResult) Refusers() (list []netip.Addr) {
	for _, words := range r.Refusals {
		_, by, _ := strings.Cut(words, ", from ")
		if a, err := netip.ParseAddr(by); err == nil {
			list = append(list, a)
		}
	}
	return list
}
