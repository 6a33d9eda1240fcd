package kernel

import "fmt"

// Types of ICMP errors (RFC 792) and of ICMPv6 errors (RFC 4443).
const (
	ICMPUnreachable      = 3
	ICMPTimeExceeded     = 11
	ICMPParameterProblem = 12

	ICMP6Unreachable      = 1
	ICMP6PacketTooBig     = 2
	ICMP6TimeExceeded     = 3
	ICMP6ParameterProblem = 4
)

// ICMPFragmentationNeeded is the code of [ICMPUnreachable] that comes with an MTU (RFC 1191).
const ICMPFragmentationNeeded = 4

// unreachable4Words are the codes of Destination Unreachable (RFC 792, RFC 1122, RFC 1812).
var unreachable4Words = [256]string{
	0: "network unreachable", 1: "host unreachable", 2: "protocol unreachable", 3: "port unreachable", 5: "source route failed",
	6: "network unknown", 7: "host unknown", 9: "network administratively prohibited", 10: "host administratively prohibited",
	11: "network unreachable for this type of service", 12: "host unreachable for this type of service",
	13: "administratively prohibited", 14: "host precedence violation", 15: "precedence cutoff",
}

// unreachable6Words are the codes of Destination Unreachable (RFC 4443, section 3.1).
var unreachable6Words = [256]string{
	0: "no route", 1: "administratively prohibited", 2: "beyond the scope of the source address", 3: "address unreachable",
	4: "port unreachable", 5: "source address failed a policy", 6: "route rejected",
}

// ICMPWords puts an ICMP error, or with v6 an ICMPv6 error, into words, such as "host unreachable".
// The MTU is shown for errors that have one.
func ICMPWords(v6 bool, kind, code uint8, mtu uint32) string {
	words := &unreachable4Words
	if v6 {
		words = &unreachable6Words
	}
	switch {
	case v6 && kind == ICMP6PacketTooBig:
		return fmt.Sprintf("packet too big, MTU %d", mtu)
	case !v6 && kind == ICMPUnreachable && code == ICMPFragmentationNeeded:
		return fmt.Sprintf("fragmentation needed, MTU %d", mtu)
	case (v6 && kind == ICMP6Unreachable || !v6 && kind == ICMPUnreachable) && words[code] != "":
		return words[code]
	case v6 && kind == ICMP6TimeExceeded || !v6 && kind == ICMPTimeExceeded:
		if code == 0 {
			return "time to live exceeded"
		}
		return "reassembly time exceeded"
	case v6 && kind == ICMP6ParameterProblem || !v6 && kind == ICMPParameterProblem:
		return "parameter problem"
	}
	return fmt.Sprintf("ICMP error of type %d, code %d", kind, code)
}

// Like reports whether both errors say the same, and come from the same sender.
func (e ICMPError) Like(other ICMPError) bool {
	return e.By == other.By && e.Type == other.Type && e.Code == other.Code && e.MTU == other.MTU
}

// Words puts the error into words, as [ICMPWords] does, without its sender.
func (e ICMPError) Words() string { return ICMPWords(e.By.Is6(), e.Type, e.Code, uint32(e.MTU)) }
