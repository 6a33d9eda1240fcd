package kernel

// Meaning is the fault that an ICMP or ICMPv6 error reports about a tunnel's packet.
type Meaning uint8

// The meanings. Errors that say nothing of use have the meaning 0.
const (
	NoProtocol Meaning = iota + 1 // nobody there takes GRE
	NoPort                        // no tunnel there takes the packet
	Prohibited                    // a firewall, or a route of that type, refuses it
	NoWay                         // no route, or no host
	TooFar                        // the TTL ran out
	TooBig
)

// Meaning reads the type and the code of the error (RFC 792, RFC 1812; RFC 4443). That the TTL of a
// packet for neighbours ran out says nothing: it began with 1, and the tunnel inherits that.
func (e ICMPError) Meaning() Meaning {
	meant := e.meaning4
	if e.By.Is6() {
		meant = e.meaning6
	}
	if m := meant(); m != TooFar || !e.Quoted.ToNeighbours() {
		return m
	}
	return 0
}

// meaning4 is Meaning for ICMP.
func (e ICMPError) meaning4() Meaning {
	switch {
	case e.Type == ICMPTimeExceeded && e.Code == 0:
		return TooFar
	case e.Type != ICMPUnreachable:
		return 0
	}
	switch e.Code {
	case 2:
		return NoProtocol
	case 3:
		return NoPort
	case ICMPFragmentationNeeded:
		return TooBig
	case 9, 10, 13:
		return Prohibited
	}
	return NoWay
}

// meaning6 is Meaning for ICMPv6.
func (e ICMPError) meaning6() Meaning {
	switch {
	case e.Type == ICMP6PacketTooBig:
		return TooBig
	case e.Type == ICMP6TimeExceeded && e.Code == 0:
		return TooFar
	case e.Type == ICMP6ParameterProblem && e.Code == 1: // the next header is not known
		return NoProtocol
	case e.Type != ICMP6Unreachable:
		return 0
	}
	switch e.Code {
	case 4:
		return NoPort
	case 1, 5, 6:
		return Prohibited
	}
	return NoWay
}

// NoHost reports whether an error of the meaning [NoWay] is about the host alone, and a route to
// its network is there.
func (e ICMPError) NoHost() bool {
	if e.By.Is6() {
		return e.Code == 3
	}
	return e.Code != 0 && e.Code != 6 && e.Code != 11
}
